//! Entropy: where it comes from, and the mask keys that are made of it.

use core::fmt;

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

/// 32 bytes of entropy for one client connection: for its nonce (RFC 6455 §4.1) and its mask
/// keys, which "MUST be derived from a strong source of entropy" (§5.3).
///
/// The keys come from the ChaCha12 generator of `rand_chacha`. A seed must not be used twice:
/// a second connection with the same seed uses the same keys. The type can therefore not be
/// cloned.
///
/// ```
/// use websocket_proto::Seed;
///
/// # #[cfg(feature = "getrandom")]
/// let seed = Seed::from_os()?;            // feature `getrandom`
/// let seed = Seed::from([7; 32]);         // or from a source of your own; this one is for a test
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from the operating system.
    ///
    /// # Errors
    ///
    /// Where the operating system has none to give; see [`getrandom::Error`].
    #[cfg(feature = "getrandom")]
    #[cfg_attr(docsrs, doc(cfg(feature = "getrandom")))]
    pub fn from_os() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(seed))
    }
}

impl From<[u8; 32]> for Seed {
    fn from(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// A fresh, unpredictable key for every frame.
///
/// The generator of the crate keeps 256 bytes of output ahead, too much for a connection at rest.
/// So it is made anew for each batch: the first 32 bytes of its output are the next seed, the
/// following ones the keys of the batch.
pub(crate) struct MaskKeys {
    seed: [u8; 32],
    batch: [[u8; 4]; BATCH],
    next: u8,
}

const BATCH: usize = 16;

impl MaskKeys {
    pub(crate) fn new(Seed(seed): Seed) -> Self {
        Self {
            seed,
            batch: [[0; 4]; BATCH],
            next: BATCH as u8,
        }
    }

    #[inline]
    pub(crate) fn next_key(&mut self) -> [u8; 4] {
        if usize::from(self.next) >= BATCH {
            self.refill();
        }
        let key = self.batch[usize::from(self.next) % BATCH];
        self.next += 1;
        key
    }

    /// The nonce of the opening: "a randomly selected 16-byte value" (§4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for part in nonce.as_chunks_mut::<4>().0 {
            *part = self.next_key();
        }
        nonce
    }

    #[cold]
    fn refill(&mut self) {
        let mut generator = ChaCha12Rng::from_seed(self.seed);
        generator.fill_bytes(&mut self.seed);
        generator.fill_bytes(self.batch.as_flattened_mut());
        self.next = 0;
    }
}

impl fmt::Debug for MaskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKeys(..)")
    }
}
