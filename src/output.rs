//! Where frames go.

use bytes::BytesMut;

/// Where a connection writes its frames: a [`BytesMut`] of the caller.
///
/// Every method that writes takes `out: &mut dyn Output`, and `&mut BytesMut` is accepted as one.
/// Only the crate implements the trait.
///
/// The caller takes bytes from the front, by [`split`](BytesMut::split) or
/// [`advance`](bytes::Buf::advance), and adds none of its own. The connection measures the backlog
/// by [`unsent`](Self::unsent): with foreign bytes in `out`, a peer that reads slowly would be taken
/// for one that does not read at all, and be given up with
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
    /// The bytes that were written and not taken yet.
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
        /// Where frames are appended. It ends with the frame that was written last.
        fn tail(&mut self) -> &mut BytesMut;
    }

    impl Tail for BytesMut {
        #[inline]
        fn tail(&mut self) -> &mut BytesMut {
            self
        }
    }
}
