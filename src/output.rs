//! The output buffer.

use bytes::BytesMut;

/// The buffer to which a connection appends its frames: a [`BytesMut`](bytes::BytesMut) of the
/// caller.
///
/// Methods that write take `out: &mut dyn Output`. Pass a `&mut BytesMut`. Only this crate
/// implements the trait.
///
/// The caller writes `out` to the transport, and removes from its front what the transport has
/// taken, with [`advance`](bytes::Buf::advance) or [`split`](bytes::BytesMut::split).
///
/// - Do not move unsent bytes to a queue of your own. The connection could not see that queue, so
///   [`Config::pong_backlog`](crate::Config::pong_backlog) would not limit it, and a flood of pings
///   could fill it.
/// - Do not add bytes. The connection compares [`unsent`](Self::unsent) between calls. With bytes
///   of yours it could not see that a slow peer has read something, and could end the connection
///   with [`PongTimeout`](crate::ProtocolError::PongTimeout).
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
