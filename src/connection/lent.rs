//! A frame whose payload stays in the memory of the application while it is written.

use core::fmt;

use bytes::{Buf, BytesMut};

use crate::meter;

/// A message, or a piece of one, whose payload is not copied into `out`.
///
/// [`Connection::lend_binary`] and the other `lend` methods return it. Write its two
/// [`slices`](Self::slices) to the transport with one vectored write, and report the number of
/// written bytes by [`written`](Self::written). When the value is dropped, the bytes that were not
/// written are copied to the end of `out`. So the result is the same as after
/// [`send_binary`](crate::Connection::send_binary) and a write.
///
/// The value borrows `out` and the connection, so nothing can get between the header and the
/// payload.
///
/// Always drop the value. If it is leaked with [`core::mem::forget`], the frame in `out` can be
/// incomplete. The connection then behaves as if it had sent a Close frame, so that nothing follows
/// that frame: every sending method returns [`SendError::NotOpen`], pings are not answered, and
/// after [`Config::close_timeout`] the connection ends with [`ProtocolError::CloseTimeout`].
///
/// ```
/// use std::io::{IoSlice, Write};
///
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// let mut socket = [0; 1000]; // or a TcpStream, which can be full, too
/// let mut socket = std::io::Cursor::new(&mut socket[..]);
///
/// let block = vec![7; 4096];
/// let mut lent = ws.lend_binary(&block, &mut out)?;
/// let written = socket.write_vectored(&lent.slices().map(IoSlice::new))?;
/// assert_eq!(written, 1000);
/// lent.written(written);
/// drop(lent);
/// // The header has 4 bytes. What the socket did not take is in `out`.
/// assert_eq!(out.len(), 4 + 4096 - 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Config::close_timeout`]: crate::Config::close_timeout
/// [`Connection::lend_binary`]: crate::Connection::lend_binary
/// [`ProtocolError::CloseTimeout`]: crate::ProtocolError::CloseTimeout
/// [`SendError::NotOpen`]: crate::SendError::NotOpen
#[must_use = "nothing is written to the transport yet"]
pub struct Lent<'a> {
    out: &'a mut BytesMut,
    /// The rest of the payload. It belongs behind `out`.
    payload: &'a [u8],
    /// Whether a Close frame was sent. It is set until the frame is complete, so that nothing is
    /// sent behind an incomplete frame.
    closed: &'a mut bool,
}

impl<'a> Lent<'a> {
    #[inline]
    pub(super) fn new(payload: &'a [u8], out: &'a mut BytesMut, closed: &'a mut bool) -> Self {
        *closed = true;
        Self {
            out,
            payload,
            closed,
        }
    }

    /// Returns the bytes to write: all unsent bytes of `out`, which end with the header of the
    /// frame, and the payload.
    ///
    /// Each of them can be empty. The second one is empty if the connection had to copy the
    /// message, because it compresses, fragments or masks it, and when all of it was written.
    #[must_use]
    #[inline]
    pub fn slices(&self) -> [&[u8]; 2] {
        [self.out, self.payload]
    }

    /// Returns the number of bytes that were not written yet: the length of both slices.
    #[must_use]
    #[inline]
    pub fn unsent(&self) -> usize {
        self.out.len() + self.payload.len()
    }

    /// Removes `count` bytes from the front of the slices. Call it after each write, with the number
    /// of bytes that the transport has taken.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`unsent`](Self::unsent).
    #[inline]
    pub fn written(&mut self, count: usize) {
        match count.checked_sub(self.out.len()) {
            // Unlike `advance`, `clear` gives the memory back for the next frame at once.
            Some(count) => {
                self.payload = &self.payload[count..];
                self.out.clear();
            }
            None => self.out.advance(count),
        }
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.payload.is_empty() {
            meter::bytes(self.payload.len());
            self.out.extend_from_slice(self.payload);
        }
        *self.closed = false;
    }
}

/// Shows its length only: messages are private and must not appear in logs.
impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("unsent", &self.unsent())
            .finish_non_exhaustive()
    }
}
