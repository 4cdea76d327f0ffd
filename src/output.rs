//! The output buffer.

use bytes::BytesMut;

/// The buffer to which a connection appends its frames: a [`BytesMut`](bytes::BytesMut) of the
/// caller.
///
/// Methods that write take `out: &mut dyn Output`. Pass a `&mut BytesMut`. Only this crate
/// implements the trait.
///
/// The caller removes bytes from the front, by [`split`](bytes::BytesMut::split) or
/// [`advance`](bytes::Buf::advance), and never adds any. The connection uses
/// [`unsent`](Self::unsent) to tell whether the peer reads. Bytes added by the caller would hide
/// that a slow peer still reads, and the connection would fail with
/// [`PongTimeout`](crate::ProtocolError::PongTimeout).
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Output, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// ws.send_text("Hello", &mut out)?;
/// assert_eq!(out.unsent(), 7);
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
pub trait Output: sealed::Tail {
    /// Returns the number of bytes that were appended and not removed yet.
    fn unsent(&self) -> usize;
}

impl Output for BytesMut {
    #[inline]
    fn unsent(&self) -> usize {
        self.len()
    }
}

pub(crate) mod sealed {
    use bytes::BytesMut;

    pub trait Tail {
        /// The buffer to append to. It ends with the frame that was appended last.
        fn tail(&mut self) -> &mut BytesMut;
    }

    impl Tail for BytesMut {
        #[inline]
        fn tail(&mut self) -> &mut BytesMut {
            self
        }
    }
}
