//! The sending half of a connection: messages of the application, answers to control frames,
//! closing, and timers.

use alloc::string::ToString;
use core::time::Duration;

use bytes::BytesMut;

use super::{
    CloseFrame, Lent, ReadyState,
    closing::Closing,
    heard::Heard,
    liveness::{Due, Liveness},
    send::Sender,
};
#[cfg(feature = "deflate")]
use crate::deflate::{ByteCount, Compression, Deflater};
use crate::{
    error::{ProtocolError, SendError},
    frame::MAX_CONTROL_PAYLOAD,
    output::Output,
};

/// The maximum length of the reason of a Close frame, in bytes: a control frame without its close
/// code (RFC 6455 §5.5.1).
const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) sender: Sender,
    pub(super) closing: Closing,
    pub(super) liveness: Liveness,
}

impl Sending {
    pub(super) fn new(sender: Sender, liveness: Liveness) -> Self {
        Self {
            sender,
            closing: Closing::default(),
            liveness,
        }
    }

    /// Returns the sender. Fails after a Close frame or an error, when nothing may be sent (§5.5.1).
    #[inline]
    pub(super) fn open(&mut self) -> Result<&mut Sender, SendError> {
        if self.closing.error.is_some() || self.closing.sent {
            return Err(SendError::NotOpen);
        }
        Ok(&mut self.sender)
    }

    /// Lends a payload. `put` puts what is in front of it into `out`, and returns the payload.
    #[inline]
    pub(super) fn lend<'a>(
        &'a mut self,
        out: &'a mut BytesMut,
        put: impl FnOnce(&mut Sender, &mut BytesMut) -> Result<&'a [u8], SendError>,
    ) -> Result<Lent<'a>, SendError> {
        let payload = put(self.open()?, out)?;
        Ok(Lent::new(payload, out, &mut self.closing.sent))
    }

    /// Starts the closing handshake. Does nothing if a Close frame was sent or an error happened.
    pub(super) fn close(
        &mut self,
        close: CloseFrame<'_>,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        if close.reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        if self.closing.error.is_none() {
            self.write_close(close, out);
        }
        Ok(())
    }

    /// The peer has ended the stream.
    pub(super) fn end_of_stream(&mut self) {
        self.closing.eof = true;
    }

    #[cfg(feature = "deflate")]
    pub(super) fn deflater(&mut self) -> Option<&mut Deflater> {
        self.sender.deflater_mut()
    }

    #[cfg(feature = "deflate")]
    pub(super) fn compression(&self) -> Compression {
        let deflater = self.sender.deflater();
        deflater.map_or(Compression::Never, |it| it.compression())
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.sender.set_compression(compression);
    }

    /// The sent bytes of compressed messages.
    #[cfg(feature = "deflate")]
    pub(super) fn deflate_stats(&self) -> ByteCount {
        let deflater = self.sender.deflater();
        deflater.map(|it| it.bytes()).unwrap_or_default()
    }

    pub(super) fn state(&self) -> ReadyState {
        self.closing.state(self.sender.is_client())
    }

    pub(super) fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state() {
            ReadyState::Closed => None,
            state => self.liveness.deadline(now, state == ReadyState::Closing),
        }
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut dyn Output,
    ) -> Result<(), ProtocolError> {
        if let Some(error) = self.closing.error {
            return Err(error);
        }
        let closing = match self.state() {
            ReadyState::Closed => return Ok(()),
            state => state == ReadyState::Closing,
        };
        let unsent = out.unsent();
        let ahead = self.sender.ahead_of_ping(unsent);
        let error = match self.liveness.due(now, closing, ahead, unsent) {
            Due::Nothing => return Ok(()),
            Due::Ping(payload) => {
                self.sender.keepalive(payload, out);
                return Ok(());
            }
            // A client that waits for the server to close TCP stops waiting (§7.1.1).
            Due::CloseTimeout if self.closing.is_clean() => {
                self.closing.eof = true;
                return Ok(());
            }
            Due::CloseTimeout => ProtocolError::CloseTimeout,
            Due::PongTimeout => ProtocolError::PongTimeout,
            Due::MessageTimeout => ProtocolError::MessageTimeout,
        };
        self.fail(error, out);
        Err(error)
    }

    /// Fails the connection (§7.1.7). Does nothing after an earlier error: the receiving half of a
    /// split connection does not know of a timeout, and can fail later.
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut dyn Output) {
        if self.closing.error.is_some() {
            return;
        }
        self.closing.error = Some(error);
        if let Some(code) = error.close_code() {
            // The reason names the broken rule, which helps to debug the peer.
            let reason = &error.to_string();
            let code = Some(code);
            self.write_close(CloseFrame { code, reason }, out);
        }
    }

    /// Writes a Close frame if none was sent: no frame may follow a Close frame (§5.5.1).
    fn write_close(&mut self, close: CloseFrame<'_>, out: &mut dyn Output) {
        if !self.closing.sent {
            self.sender.close(close, out);
            self.closing.set_sent(close);
        }
    }
}

/// The sending half with its output buffer. It answers what the receiving half hears at once.
pub(super) struct Direct<'a>(pub(super) &'a mut Sending, pub(super) &'a mut dyn Output);

impl Heard for Direct<'_> {
    #[inline]
    fn bytes(&mut self) {
        self.0.liveness.heard();
    }

    fn ping(&mut self, payload: &[u8]) {
        // Each ping is answered "unless it already received a Close frame" (§5.5.2). No frame may
        // follow a Close frame that was sent (§5.5.1).
        if !self.0.closing.sent {
            self.0.sender.pong(payload, self.1);
        }
    }

    fn pong(&mut self, payload: &[u8]) {
        self.0.liveness.heard_pong(payload);
    }

    fn close(&mut self, close: CloseFrame<'_>) {
        self.0.closing.set_received(close);
        // "If an endpoint receives a Close frame and did not previously send a Close frame, the
        // endpoint MUST send a Close frame in response", echoing the code (§5.5.1).
        let echo = CloseFrame {
            reason: "",
            ..close
        };
        self.0.write_close(echo, self.1);
    }

    fn failure(&mut self, error: ProtocolError) {
        self.0.fail(error, self.1);
    }

    fn error(&self) -> Option<ProtocolError> {
        self.0.closing.error
    }

    fn unfinished(&mut self, received: Option<usize>) {
        self.0.liveness.unfinished(received);
    }
}
