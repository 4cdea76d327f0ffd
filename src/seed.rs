//! The entropy of a client, and the mask keys that are made of it.

use core::fmt;

use chacha20::{
    ChaChaCore, R12,
    rand_core::{SeedableRng, block::Generator},
    variants::Legacy,
};

/// The generator ChaCha12. It makes four blocks of 64 bytes at once.
type ChaCha12 = ChaChaCore<R12, Legacy>;

/// 32 bytes of entropy for one client connection. The nonce of the handshake (RFC 6455 §4.1) and
/// the mask keys are made of it. Mask keys "MUST be derived from a strong source of entropy" (§5.3).
///
/// The keys come from ChaCha12, of the crate `chacha20`. Use a seed once: a second connection
/// with the same seed would use the same keys. For this reason the type cannot be cloned.
///
/// ```
/// use websocket_proto::Seed;
///
/// # #[cfg(feature = "getrandom")]
/// // With the feature `getrandom`.
/// let seed = Seed::from_os()?;
/// // Or 32 bytes of another source. A constant is for tests only.
/// let seed = Seed::from([7; 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Seed([u8; 32]);

impl Seed {
    /// Makes a seed from the entropy of the operating system.
    ///
    /// # Errors
    ///
    /// [`getrandom::Error`] if the operating system gives no entropy.
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

/// A generator of mask keys (RFC 6455 §5.3), for programs that build frames themselves. A client's
/// [`Connection`](crate::Connection) has its own.
///
/// Each frame of a client needs a fresh key that nobody can predict. With a key that is known
/// before the payload is chosen, an attacker can choose the bytes on the wire, and make a proxy
/// take them for an HTTP request (§10.3). The keys come from ChaCha12. It is seeded anew after each
/// 56 keys, so that the keys of earlier batches cannot be computed from memory that leaks later.
///
/// It has no heap memory and a size of 260 bytes.
///
/// ```
/// use websocket_proto::Seed;
/// use websocket_proto::frame::{FrameHeader, MaskKeys, Opcode, apply_mask};
///
/// let seed = Seed::from([7; 32]); // Outside of tests: Seed::from_os()
/// let mut keys = MaskKeys::new(seed);
/// let mut frames = Vec::new();
/// for text in ["Hello", "Hello"] {
///     let mut header = FrameHeader::new(Opcode::Text, text.len() as u64);
///     let key = keys.next_key();
///     header.mask = Some(key);
///     let mut frame = header.encode()?.as_bytes().to_vec();
///     let payload = frame.len();
///     frame.extend_from_slice(text.as_bytes());
///     apply_mask(&mut frame[payload..], key, 0);
///     frames.push(frame);
/// }
/// assert_eq!(frames[0].len(), frames[1].len());
/// assert_ne!(frames[0], frames[1]);
/// # Ok::<(), websocket_proto::frame::FrameError>(())
/// ```
pub struct MaskKeys {
    /// All output of one generator: the seed of the next one, and the keys. The generator itself is
    /// not kept.
    output: [u32; OUTPUT],
    next: u8,
}

/// The output of one run of the generator, in words of 4 bytes.
const OUTPUT: usize = 64;

/// The words of a seed.
const SEED: usize = 8;

impl MaskKeys {
    /// Makes a generator. Use a seed once: the same seed gives the same keys.
    pub fn new(Seed(seed): Seed) -> Self {
        let mut output = [0; OUTPUT];
        for (word, bytes) in output.iter_mut().zip(seed.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self {
            output,
            next: OUTPUT as u8,
        }
    }

    /// Returns the key for the next frame. Use each key for one frame only.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        if usize::from(self.next) >= OUTPUT {
            self.refill();
        }
        let key = self.output[usize::from(self.next) % OUTPUT];
        self.next += 1;
        key.to_le_bytes()
    }

    /// Makes the nonce of the handshake: "a randomly selected 16-byte value" (RFC 6455 §4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for part in nonce.as_chunks_mut::<4>().0 {
            *part = self.next_key();
        }
        nonce
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        let mut seed = [0; 4 * SEED];
        for (bytes, word) in seed.as_chunks_mut().0.iter_mut().zip(self.output) {
            *bytes = word.to_le_bytes();
        }
        ChaCha12::from_seed(seed).generate(&mut self.output);
        self.next = SEED as u8;
    }
}

impl fmt::Debug for MaskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKeys(..)")
    }
}
