//! The compressor for prepared messages.

use core::fmt;

use bytes::BytesMut;

use super::{DeflateConfig, Deflater, MAX_WINDOW_BITS, OWN_MIN_WINDOW_BITS};

/// A compressor for [prepared messages](crate::Prepared::compressed). It compresses each message
/// without context takeover, because the connections that send the message have different contexts.
///
/// Make one, and use it for all messages. It keeps the memory of one compressor, about 280 kB, from
/// the first message on, and the memory of the longest result.
///
/// With context takeover, a connection must remember each prepared message that it sends, because
/// the peer has it in its window: it copies the message to its history of at most 32 KiB, which takes
/// about 100 ns for 512 bytes. Its own compressor sees the message before it compresses the next one
/// (about 1 µs). If a server mainly broadcasts, set
/// [`DeflateConfig::server_no_context_takeover`]: a connection then keeps 40 bytes.
///
/// ```
/// use websocket_proto::Prepared;
/// use websocket_proto::deflate::{DeflateConfig, Preparer};
///
/// let mut preparer = Preparer::new(DeflateConfig::new());
/// let prices = r#"{"EUR":1.0000,"CHF":0.9345,"SEK":11.4530,"NOK":11.7890}"#;
/// let message = Prepared::text(prices).compressed(&mut preparer);
/// ```
pub struct Preparer {
    deflater: Deflater,
    window_bits: u8,
    out: BytesMut,
}

impl Preparer {
    /// Makes a compressor with the `level`, the `mem_level` and the `server_max_window_bits` of
    /// `config`. Use the configuration of your connections.
    #[must_use]
    pub fn new(config: DeflateConfig) -> Self {
        let window_bits = config.server_max_window_bits;
        let window_bits = window_bits.clamp(OWN_MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        Self {
            deflater: Deflater::with_window(window_bits, false, &config),
            window_bits,
            out: BytesMut::new(),
        }
    }

    pub(crate) fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Compresses the payload of a message.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> &[u8] {
        self.out.clear();
        self.deflater.deflate(plain, true, &mut self.out);
        &self.out
    }
}

/// Shows no message: it is private and must not appear in logs.
impl fmt::Debug for Preparer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparer")
            .field("window_bits", &self.window_bits)
            .finish_non_exhaustive()
    }
}
