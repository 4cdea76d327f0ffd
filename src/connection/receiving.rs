//! The receiving half of a connection: it makes events and errors of the bytes that arrive.

use alloc::boxed::Box;

use super::{
    CloseFrame, Event,
    heard::Heard,
    receive::{Found, Received, Receiver, WholeFrame},
};
#[cfg(feature = "deflate")]
use crate::deflate::{ByteCount, Inflater, Params};
use crate::{
    buffer::{Parked, RecvBuf},
    error::ProtocolError,
    frame::Opcode,
    message::{MessageKind, Piece},
    meter, utf8,
};

#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) receiver: Receiver,
    /// What was moved out of a shared receive buffer.
    parked: Option<Box<Parked>>,
    status: Status,
    /// The peer has ended the stream.
    pub(super) eof: bool,
    /// Bytes have arrived.
    pub(super) used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Open,
    /// `poll` has found [`Event::Progress`].
    Progress,
    /// `parked` is set.
    Parked,
    /// What was parked is in the buffer again, and no call has looked at it. A frame that was waited
    /// for can be whole now, and the sending half must hear of it.
    Resumed,
    /// The peer's Close frame has arrived, or there was an error. Later bytes are dropped.
    Over,
}

impl Receiving {
    pub(super) fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            parked: None,
            status: Status::Open,
            eof: false,
            used: false,
        }
    }

    /// Returns the next event.
    ///
    /// Only the code for a message in one uncompressed frame is inlined into the caller, because that
    /// is the most common event. The code for the other events is much longer, so it is kept out.
    #[inline(always)]
    pub(super) fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        mut sending: impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        meter::step();
        match self.whole_frame(input) {
            Some(frame) => self.whole_message(&frame, input, &mut sending),
            None => self.next_other(input, sending),
        }
    }

    #[inline(always)]
    fn whole_frame(&self, input: &RecvBuf) -> Option<WholeFrame> {
        if self.status != Status::Open || input.heard || input.assembly.is_some() {
            return None;
        }
        self.receiver.whole_frame(input)
    }

    /// Takes a compressed message that is here as a whole.
    #[inline]
    fn whole_compressed(&mut self, input: &mut RecvBuf) -> Option<MessageKind> {
        // FIN and RSV1: most frames that come here are none.
        let starts = input.unread().first().is_some_and(|byte| byte >> 4 == 0xC);
        if !starts || self.status != Status::Open || input.assembly.is_some() {
            return None;
        }
        self.receiver.whole_compressed(input)
    }

    #[inline(always)]
    fn whole_message<'b>(
        &mut self,
        frame: &WholeFrame,
        input: &'b mut RecvBuf,
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match frame.kind {
            MessageKind::Binary => Ok(Some(Event::Binary(self.receiver.take_binary(frame, input)))),
            MessageKind::Text => match self.receiver.take_text(frame, input) {
                Ok(text) => Ok(Some(Event::Text(text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, sending)),
            },
        }
    }

    /// Returns the next event of any kind.
    #[inline(never)]
    fn next_other<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        mut sending: impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let sending = &mut sending;
        self.hear(input, sending);
        if let Some(frame) = self.whole_frame(input) {
            // It may have waited until now.
            sending.unfinished(None);
            return self.whole_message(&frame, input, sending);
        }
        let received = match self.whole_compressed(input) {
            Some(kind) => Received::Inflated(kind, Piece::Whole),
            None => {
                let Some(found) = self.find(input, sending)? else {
                    return Ok(None);
                };
                self.status = Status::Open;
                self.receiver.take(found, input)
            }
        };
        match received {
            Received::Plain(kind, piece, at) => self.message(kind, piece, input.get(at), sending),
            Received::Collected(piece) => match input.collected(piece) {
                Ok(text) => Ok(Some(text_event(piece, text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, sending)),
            },
            Received::Inflated(MessageKind::Binary, piece) => {
                Ok(Some(binary_event(piece, input.inflated.bytes(piece))))
            }
            Received::Inflated(MessageKind::Text, piece) => match input.inflated.text(piece) {
                Ok(text) => Ok(Some(text_event(piece, text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, sending)),
            },
            Received::Control(opcode, at) => self.control(opcode, input.get(at), sending).map(Some),
            Received::Progress => Ok(Some(Event::Progress)),
        }
    }

    /// Whether `next_event` will return an event or an error.
    #[inline(always)]
    pub(super) fn poll(&mut self, input: &mut RecvBuf, sending: impl Heard) -> bool {
        meter::step();
        self.whole_frame(input).is_some() || self.poll_other(input, sending)
    }

    #[inline(never)]
    fn poll_other(&mut self, input: &mut RecvBuf, mut sending: impl Heard) -> bool {
        let sending = &mut sending;
        self.hear(input, sending);
        if self.whole_frame(input).is_some() {
            sending.unfinished(None);
            return true;
        }
        match self.find(input, sending) {
            Ok(None) => false,
            Ok(Some(Found::Progress)) => {
                self.status = Status::Progress;
                true
            }
            Ok(Some(_)) | Err(_) => true,
        }
    }

    /// Takes in what has arrived, until an event can be taken.
    fn find(
        &mut self,
        input: &mut RecvBuf,
        sending: &mut impl Heard,
    ) -> Result<Option<Found>, ProtocolError> {
        match self.status {
            Status::Open | Status::Resumed => {}
            Status::Progress => return Ok(Some(Found::Progress)),
            Status::Parked => self.resume(input),
            Status::Over => {
                // "any further data received MUST be discarded" (§1.4): no event follows a Close
                // frame.
                input.clear();
                return sending.error().map_or(Ok(None), Err);
            }
        }
        let found = match self.receiver.find(input) {
            Ok(found) => found,
            Err(error) => return Err(self.fail(error, sending)),
        };
        sending.unfinished(input.unfinished());
        // The end of the stream takes effect after the last event. If a Close frame had arrived, the
        // status would be `Over`, and the closing handshake complete (§7.1.4).
        if found.is_none() && self.eof {
            return Err(self.fail(ProtocolError::EndOfStream, sending));
        }
        Ok(found)
    }

    /// Any byte from the peer proves that it is alive.
    #[inline]
    fn hear(&mut self, input: &mut RecvBuf, sending: &mut impl Heard) {
        if self.status == Status::Resumed {
            self.status = Status::Open;
        }
        if input.take_heard() {
            self.used = true;
            sending.bytes();
        }
    }

    /// Makes an event of a piece of a message. Fails if a text is not valid UTF-8.
    #[inline]
    fn message<'b>(
        &mut self,
        kind: MessageKind,
        piece: Piece,
        payload: &'b [u8],
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match kind {
            MessageKind::Binary => Ok(Some(binary_event(piece, payload))),
            MessageKind::Text => match utf8::text(payload) {
                Ok(text) => Ok(Some(text_event(piece, text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, sending)),
            },
        }
    }

    fn control<'b>(
        &mut self,
        opcode: Opcode,
        payload: &'b [u8],
        sending: &mut impl Heard,
    ) -> Result<Event<'b>, ProtocolError> {
        match opcode {
            Opcode::Ping => {
                sending.ping(payload);
                Ok(Event::Ping(payload))
            }
            Opcode::Pong => {
                sending.pong(payload);
                Ok(Event::Pong(payload))
            }
            _ => match CloseFrame::parse(payload) {
                Ok(close) => {
                    self.status = Status::Over;
                    sending.close(close);
                    Ok(Event::Close(close))
                }
                Err(error) => Err(self.fail(error, sending)),
            },
        }
    }

    /// Moves what this connection needs out of a shared buffer. Returns whether bytes have arrived
    /// that were not heard yet.
    pub(super) fn park(&mut self, input: &mut RecvBuf) -> bool {
        let heard = input.take_heard();
        self.used |= heard;
        if !input.is_idle() {
            // Bytes have arrived since it was parked.
            self.resume(input);
        }
        match self.status {
            Status::Over => input.clear(),
            Status::Parked => {}
            Status::Open | Status::Progress | Status::Resumed => {
                self.parked = input.park();
                self.status = match self.parked {
                    Some(_) => Status::Parked,
                    None => Status::Open,
                };
            }
        }
        heard
    }

    /// Moves what was parked back into the buffer.
    pub(super) fn resume(&mut self, input: &mut RecvBuf) {
        if let Some(parked) = self.parked.take() {
            input.unpark(*parked);
            self.status = Status::Resumed;
        }
    }

    /// Whether no event follows.
    pub(super) fn is_over(&self) -> bool {
        self.status == Status::Over
    }

    #[cfg(feature = "deflate")]
    pub(super) fn inflater(&mut self) -> Option<&mut Inflater> {
        self.receiver.inflater.as_mut()
    }

    #[cfg(feature = "deflate")]
    pub(super) fn deflate(&self) -> Option<Params> {
        self.receiver.inflater.as_ref().map(|it| it.agreed())
    }

    /// The received bytes of compressed messages.
    #[cfg(feature = "deflate")]
    pub(super) fn deflate_stats(&self) -> ByteCount {
        let inflater = self.receiver.inflater.as_ref();
        inflater.map(|it| it.bytes()).unwrap_or_default()
    }

    /// Stops receiving because of an error. Later bytes are dropped.
    pub(super) fn stop(&mut self) {
        self.parked = None;
        self.status = Status::Over;
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError, sending: &mut impl Heard) -> ProtocolError {
        self.stop();
        sending.failure(error);
        error
    }
}

#[inline]
fn text_event(piece: Piece, text: &str) -> Event<'_> {
    match piece {
        Piece::Whole => Event::Text(text),
        Piece::Part => Event::TextPart(text),
        Piece::End => Event::TextEnd(text),
    }
}

#[inline]
fn binary_event(piece: Piece, bytes: &[u8]) -> Event<'_> {
    match piece {
        Piece::Whole => Event::Binary(bytes),
        Piece::Part => Event::BinaryPart(bytes),
        Piece::End => Event::BinaryEnd(bytes),
    }
}
