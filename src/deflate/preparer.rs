//! The compressor for prepared messages.

use bytes::BytesMut;

use super::{DeflateConfig, Deflater, MAX_WINDOW_BITS, OWN_MIN_WINDOW_BITS};

/// A compressor for [prepared messages](crate::Prepared::compressed). It compresses each message
/// without context takeover, because the connections that send the message have different contexts.
///
/// Make one, and use it for all messages. It takes the memory of one compressor, about 280 kB, at
/// the first message.
///
/// # Which connections can use the compressed form
///
/// Every connection that has negotiated compression. But a connection with **context takeover**
/// must remember the message, so that its compressor knows the window of the peer: it copies the
/// message into its history (up to 32 KiB), and shows it to its compressor before the next message
/// that it compresses itself. A server that mainly broadcasts saves this memory and time by
/// [`DeflateConfig::server_no_context_takeover`].
///
/// ```
/// use websocket_proto::Prepared;
/// use websocket_proto::deflate::{DeflateConfig, Preparer};
///
/// let mut preparer = Preparer::new(DeflateConfig::new());
/// let prices = r#"{"EUR":1.0000,"CHF":0.9345,"SEK":11.4530,"NOK":11.7890}"#;
/// let message = Prepared::text(prices).compressed(&mut preparer);
/// ```
#[derive(Debug)]
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
