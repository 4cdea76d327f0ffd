//! The receiving half of a connection: what arrived, and what is wrong with it.

use super::{CloseFrame, Event, heard::Heard, receive::Received, receive::Receiver};
use crate::{buffer::RecvBuf, error::ProtocolError, frame::Opcode, message::MessageKind};

#[derive(Debug)]
pub(super) struct RecvHalf {
    pub(super) receiver: Receiver,
    /// The peer's Close frame has arrived, or there was an error: what follows is dropped.
    over: bool,
    /// The peer has ended the stream.
    eof: bool,
    /// Bytes have arrived.
    pub(super) used: bool,
    error: Option<ProtocolError>,
}

impl RecvHalf {
    pub(super) fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            over: false,
            eof: false,
            used: false,
            error: None,
        }
    }

    /// The next event.
    ///
    /// Only the whole, uncompressed message is inlined into the caller: all other arms together
    /// cost it several nanoseconds.
    #[inline]
    pub(super) fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if input.take_heard() {
            self.used = true;
            sending.bytes();
        }
        if !self.over
            && let Some((kind, at)) = self.receiver.whole_message(input)
        {
            return self.message(kind, input.get(at), sending);
        }
        self.next_unusual(input, sending)
    }

    /// Every other event.
    #[inline(never)]
    fn next_unusual<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if self.over {
            // "any further data received MUST be discarded" (§1.4): no event after a Close.
            input.clear();
            return self.error.map_or(Ok(None), Err);
        }
        let received = match self.receiver.receive(input) {
            Ok(received) => received,
            Err(error) => return Err(self.fail(error, sending)),
        };
        sending.unfinished(input.assembly.as_ref().map(|message| message.received()));
        match received {
            Some(Received::Message(kind, at)) => self.message(kind, input.get(at), sending),
            Some(Received::Inflated(MessageKind::Binary)) => {
                Ok(Some(Event::Binary(input.inflated.bytes())))
            }
            Some(Received::Inflated(MessageKind::Text)) => match input.inflated.text() {
                Ok(text) => Ok(Some(Event::Text(text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, sending)),
            },
            Some(Received::Control(opcode, at)) => {
                self.control(opcode, input.get(at), sending).map(Some)
            }
            Some(Received::Progress) => Ok(Some(Event::Progress)),
            // Only behind all events does the end of the stream count. A Close frame that has
            // arrived has been answered, so the closing handshake is then complete (§7.1.4).
            None if self.eof => Err(self.fail(ProtocolError::EndOfStream, sending)),
            None => Ok(None),
        }
    }

    /// Makes a message an event, if a text is one.
    #[inline]
    fn message<'b>(
        &mut self,
        kind: MessageKind,
        payload: &'b [u8],
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match kind {
            MessageKind::Binary => Ok(Some(Event::Binary(payload))),
            MessageKind::Text => match simdutf8::basic::from_utf8(payload) {
                Ok(text) => Ok(Some(Event::Text(text))),
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
                    self.over = true;
                    sending.close(close);
                    Ok(Event::Close(close))
                }
                Err(error) => Err(self.fail(error, sending)),
            },
        }
    }

    /// The peer has ended the stream. What has arrived before that is still returned.
    pub(super) fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// Drops what arrives from now on, because of this error.
    pub(super) fn stop(&mut self, error: ProtocolError) {
        self.over = true;
        self.error.get_or_insert(error);
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError, sending: &mut impl Heard) -> ProtocolError {
        self.stop(error);
        sending.failure(error);
        error
    }
}
