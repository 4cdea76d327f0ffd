//! Messages that are made once and sent on many connections.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

#[cfg(feature = "deflate")]
use crate::deflate::Preparer;
use crate::{frame::FrameHeader, message::MessageKind};

/// A message that is framed once, and compressed once, for many connections: a broadcast.
///
/// [`Connection::send_prepared`] sends it. A clone shares the memory.
///
/// A server sends the prepared frame as it is. A client masks every frame with another key (RFC
/// 6455 §5.3), so it frames the message again. The same happens if the message is longer than
/// [`Config::fragment_size`](crate::Config::fragment_size).
///
/// If some of the connections compress, also prepare the compressed form, with `compressed`
/// (feature `deflate`). Otherwise each of these connections compresses the message itself.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Delivery, Prepared, Role};
///
/// struct Peer {
///     ws: Connection,
///     out: BytesMut,
///     missed: u32,
/// }
/// # let peer = |_| Peer {
/// #     ws: Connection::assume_opened(Role::Server, Config::new()),
/// #     out: BytesMut::new(),
/// #     missed: 0,
/// # };
/// # let mut peers: Vec<Peer> = (0..3).map(peer).collect();
///
/// // A peer with more unsent bytes is too slow, and misses the message.
/// const LIMIT: usize = 64 << 10;
/// let message = Prepared::text("to all");
/// for peer in &mut peers {
///     let sent = peer.ws.send_prepared_within(&message, LIMIT, &mut peer.out);
///     match sent {
///         Ok(Delivery::Sent | Delivery::Queued) => {}
///         Ok(Delivery::Dropped) => peer.missed += 1,
///         Err(_) => {} // This connection is closing.
///     }
/// }
/// # for peer in peers {
/// #     assert_eq!(peer.out[..], *b"\x81\x06to all");
/// # }
/// ```
///
/// If each connection has a task or thread of its own, send clones through a channel, for example
/// `tokio::sync::broadcast`, and let each task call `send_prepared_within`.
///
/// [`Connection::send_prepared`]: crate::Connection::send_prepared
#[derive(Clone)]
pub struct Prepared {
    kind: MessageKind,
    plain: Framed,
    /// What connections send that compress. It is the plain form if compression did not help.
    compressed: Option<Framed>,
}

/// A whole message in one frame of a server.
#[derive(Clone)]
pub(super) struct Framed {
    frame: Bytes,
    header_len: u8,
    /// The window of the compressor: N stands for 2^N bytes. `None`: the payload is not compressed.
    window_bits: Option<u8>,
}

impl Prepared {
    /// Prepares a text message. It copies the text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::plain(MessageKind::Text, text.as_bytes())
    }

    /// Prepares a binary message. It copies the bytes.
    #[must_use]
    pub fn binary(bytes: &[u8]) -> Self {
        Self::plain(MessageKind::Binary, bytes)
    }

    fn plain(kind: MessageKind, payload: &[u8]) -> Self {
        Self {
            kind,
            plain: Framed::new(kind, None, payload),
            compressed: None,
        }
    }

    /// Adds the compressed form of the message, for connections that have negotiated compression.
    /// They send it if [`Connection::compression`] includes a message of this length. If the
    /// compressed form is not shorter, they send the message uncompressed.
    ///
    /// The compressed form has the window of the `preparer`. A connection with a smaller window can
    /// send it if the message is not longer than that window, because then no reference can be
    /// longer. If the message is longer, the connection compresses it itself.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use websocket_proto::deflate::{DeflateConfig, Params, Preparer};
    /// use websocket_proto::{Config, Connection, Prepared, Role};
    ///
    /// let config = DeflateConfig::new();
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new())
    ///     .with_deflate(Params::default(), config);
    ///
    /// let mut preparer = Preparer::new(config);
    /// let message = Prepared::text(&"Hello ".repeat(100)).compressed(&mut preparer);
    /// let mut out = BytesMut::new();
    /// ws.send_prepared(&message, &mut out)?;
    /// assert!(out.len() < 100);
    /// # Ok::<(), websocket_proto::SendError>(())
    /// ```
    ///
    /// [`Connection::compression`]: crate::Connection::compression
    #[cfg(feature = "deflate")]
    #[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
    #[must_use]
    pub fn compressed(mut self, preparer: &mut Preparer) -> Self {
        let plain = self.plain.payload();
        let window_bits = Some(preparer.window_bits());
        let payload = preparer.compress(plain);
        self.compressed = Some(if payload.len() < plain.len() {
            Framed::new(self.kind, window_bits, payload)
        } else {
            self.plain.clone()
        });
        self
    }

    pub(super) fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The form for a connection that does not compress this message.
    pub(super) fn as_plain(&self) -> &Framed {
        &self.plain
    }

    /// The form for a connection that compresses this message with this window. `None` if there is
    /// none, and the connection must compress the message itself.
    pub(super) fn as_compressed(&self, window_bits: u8) -> Option<&Framed> {
        let fits_window = self.plain.payload().len() <= 1 << window_bits;
        let compressed = self.compressed.as_ref();
        compressed.filter(|form| fits_window || form.window_bits <= Some(window_bits))
    }
}

impl Framed {
    fn new(kind: MessageKind, window_bits: Option<u8>, payload: &[u8]) -> Self {
        let header = FrameHeader {
            rsv1: window_bits.is_some(),
            ..FrameHeader::new(kind.opcode(), payload.len() as u64)
        };
        let header = header.encode_unchecked();
        let header = header.as_bytes();
        let mut frame = Vec::with_capacity(header.len() + payload.len());
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        Self {
            frame: frame.into(),
            header_len: header.len() as u8,
            window_bits,
        }
    }

    pub(super) fn payload_len(&self) -> usize {
        self.frame.len() - usize::from(self.header_len)
    }

    pub(super) fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.frame[usize::from(self.header_len)..]
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.window_bits.is_some()
    }
}

/// Shows sizes only: messages are private and must not appear in logs.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compressed = self.compressed.as_ref();
        f.debug_struct("Prepared")
            .field("kind", &self.kind)
            .field("len", &self.plain.payload().len())
            .field("compressed", &compressed.map(|it| it.payload().len()))
            .finish()
    }
}

/// What [`Connection::send_prepared_within`] has done with a message.
///
/// The connection does no I/O. So the answer depends only on the bytes that were in `out` before
/// the message, which the transport had not taken. It does not tell whether the message has reached
/// the peer.
///
/// | unsent bytes before | answer |
/// |---|---|
/// | 0 | `Sent` |
/// | 1 to the limit | `Queued` |
/// | more than the limit | `Dropped` |
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use websocket_proto::{Config, Connection, Delivery, Prepared, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// let message = Prepared::text("Hello");
/// let mut send = |out: &mut BytesMut| ws.send_prepared_within(&message, 10, out);
/// assert_eq!(send(&mut out), Ok(Delivery::Sent));
/// assert_eq!(send(&mut out), Ok(Delivery::Queued));
/// assert_eq!(out.len(), 14);
/// assert_eq!(send(&mut out), Ok(Delivery::Dropped));
/// out.advance(4); // The transport has taken 4 bytes.
/// assert_eq!(send(&mut out), Ok(Delivery::Queued));
/// ```
///
/// [`Connection::send_prepared_within`]: crate::Connection::send_prepared_within
// Exhaustive: nothing, at most the limit, or more can be unsent.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The message was appended to `out`, which was empty.
    Sent,
    /// The message was appended to `out`, behind unsent bytes.
    Queued,
    /// More bytes than the limit were unsent. Nothing was written.
    Dropped,
}

impl Delivery {
    pub(super) fn behind(unsent: usize, limit: usize) -> Self {
        match unsent {
            0 => Self::Sent,
            _ if unsent <= limit => Self::Queued,
            _ => Self::Dropped,
        }
    }
}
