//! The public sending half: documentation and delegation.

use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "deflate")]
use crate::deflate::{ByteCount, Compression};
use crate::{
    error::{ProtocolError, SendError},
    frame::{CloseCode, Opcode},
    message::MessageKind,
    output::Output,
};

use super::{
    CloseFrame, Delivery, Lent, Notes, Prepared, ReadyState,
    sending::{Direct, Sending},
};
#[cfg(doc)]
use super::{Connection, RecvHalf};

/// The sending half of a [split](Connection::split) connection.
///
/// It sends messages, answers what the other half has heard, closes, and keeps the time. It decides
/// when the connection is over: when [`is_done`](Self::is_done), flush `out` and shut the transport
/// down. The thread of the receiving half notices the end of the stream.
///
/// [`RecvHalf`] lists the methods of both halves. [`Connection::split`] shows an example.
#[derive(Debug)]
pub struct SendHalf {
    pub(super) sending: Sending,
    /// How many notes were heard before the first one that is missing.
    pub(super) heard: u32,
    pub(super) pair: Arc<()>,
}

impl SendHalf {
    /// Answers what the receiving half has heard: pings, Close frames, errors. Flush `out`
    /// afterwards, and check [`is_done`](Self::is_done).
    ///
    /// Call it for all notes, in their order.
    pub fn hear(&mut self, notes: Notes, out: &mut dyn Output) {
        let expected = self.heard.wrapping_add(1);
        if let Some((first, last)) = notes.numbers()
            && first == expected
        {
            self.heard = last;
        }
        if notes.tell(&mut Direct(&mut self.sending, out)) {
            self.sending.end_of_stream();
        }
    }
}

/// # Sending
impl SendHalf {
    /// As [`Connection::send_text`].
    #[inline(always)]
    pub fn send_text(&mut self, text: &str, out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).message(Opcode::Text, text.as_bytes(), out.tail())
    }

    /// As [`Connection::send_binary`].
    #[inline(always)]
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).message(Opcode::Binary, bytes, out.tail())
    }

    /// As [`Connection::send_bytes`].
    pub fn send_bytes(
        &mut self,
        kind: MessageKind,
        payload: &Bytes,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        self.sending.open()?.bytes(kind, payload, out)
    }

    /// As [`Connection::send_prepared`].
    #[inline(always)]
    pub fn send_prepared(
        &mut self,
        message: &Prepared,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        self.sending.open()?.prepared(message, out)
    }

    /// As [`Connection::send_prepared_within`].
    pub fn send_prepared_within(
        &mut self,
        message: &Prepared,
        limit: usize,
        out: &mut dyn Output,
    ) -> Result<Delivery, SendError> {
        self.sending.open()?.prepared_within(message, limit, out)
    }

    /// As [`Connection::start_message`].
    pub fn start_message(&mut self, kind: MessageKind) -> Result<(), SendError> {
        self.sending.open()?.start_message(kind)
    }

    /// As [`Connection::send_fragment`].
    pub fn send_fragment(&mut self, piece: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).continue_message(piece, false, out.tail())
    }

    /// As [`Connection::finish_message`].
    pub fn finish_message(&mut self, piece: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).continue_message(piece, true, out.tail())
    }

    /// As [`Connection::send_ping`].
    pub fn send_ping(&mut self, payload: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).control(Opcode::Ping, payload, out.tail())
    }

    /// As [`Connection::send_pong`].
    pub fn send_pong(&mut self, payload: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.sending.open()?).control(Opcode::Pong, payload, out.tail())
    }

    /// As [`Connection::close`].
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        let code = Some(code);
        self.sending.close(CloseFrame { code, reason }, out)
    }
}

/// # Sending without a copy
impl SendHalf {
    /// As [`Connection::lend_text`].
    #[inline(always)]
    pub fn lend_text<'a>(
        &'a mut self,
        text: &'a str,
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        let (opcode, text) = (Opcode::Text, text.as_bytes());
        (self.sending).lend(out, |sender, out| sender.lend(opcode, text, out))
    }

    /// As [`Connection::lend_binary`].
    #[inline(always)]
    pub fn lend_binary<'a>(
        &'a mut self,
        bytes: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.sending).lend(out, |sender, out| sender.lend(Opcode::Binary, bytes, out))
    }

    /// As [`Connection::lend_binary_mut`].
    pub fn lend_binary_mut<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.sending).lend(out, |sender, out| {
            sender.lend_mut(Opcode::Binary, bytes, out)
        })
    }

    /// As [`Connection::lend_prepared`].
    #[inline(always)]
    pub fn lend_prepared<'a>(
        &'a mut self,
        message: &'a Prepared,
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.sending).lend(out, |sender, out| sender.lend_prepared(message, out))
    }

    /// As [`Connection::lend_fragment`].
    pub fn lend_fragment<'a>(
        &'a mut self,
        piece: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.sending).lend(out, |sender, out| sender.lend_piece(piece, false, out))
    }

    /// As [`Connection::lend_finish`].
    pub fn lend_finish<'a>(
        &'a mut self,
        piece: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.sending).lend(out, |sender, out| sender.lend_piece(piece, true, out))
    }
}

/// # Time
impl SendHalf {
    /// As [`Connection::deadline`].
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        self.sending.deadline(now)
    }

    /// As [`Connection::handle_timeout`]. Shut the transport down also after an error: the thread
    /// of the receiving half does not know of it.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut dyn Output,
    ) -> Result<(), ProtocolError> {
        self.sending.handle_timeout(now, out)
    }
}

/// # State
impl SendHalf {
    /// As [`Connection::is_done`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state() == ReadyState::Closed
    }

    /// As [`Connection::state`].
    #[must_use]
    pub fn state(&self) -> ReadyState {
        self.sending.state()
    }

    /// As [`Connection::close_sent`].
    #[must_use]
    pub fn close_sent(&self) -> Option<CloseFrame<'_>> {
        self.sending.closing.sent_frame()
    }

    /// As [`Connection::close_received`].
    #[must_use]
    pub fn close_received(&self) -> Option<CloseFrame<'_>> {
        self.sending.closing.received_frame()
    }

    /// As [`Connection::error`].
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        self.sending.closing.error
    }

    /// As [`Connection::round_trip_time`]. It can miss the answer to a ping of the keepalive if another pong
    /// of 4 bytes has arrived before the notes were taken.
    #[must_use]
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.sending.liveness.round_trip()
    }
}

#[cfg(feature = "deflate")]
/// # Compression
impl SendHalf {
    /// As [`Connection::compression`].
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.sending.compression()
    }

    /// As [`Connection::set_compression`].
    pub fn set_compression(&mut self, compression: Compression) {
        self.sending.set_compression(compression);
    }

    /// The sent part of [`Connection::deflate_stats`].
    #[must_use]
    pub fn deflate_stats(&self) -> ByteCount {
        self.sending.deflate_stats()
    }
}
