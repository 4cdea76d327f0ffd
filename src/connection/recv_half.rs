//! The receiving half of a connection: it makes events and errors of the bytes that arrive.

use super::{CloseFrame, Event, heard::Heard, receive::Received, receive::Receiver};
use crate::{buffer::RecvBuf, error::ProtocolError, frame::Opcode, message::MessageKind};

#[derive(Debug)]
pub(super) struct RecvHalf {
    pub(super) receiver: Receiver,
    /// The peer's Close frame has arrived, or there was an error. Later bytes are dropped.
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

    /// Returns the next event.
    ///
    /// Only the code for a message in one uncompressed frame is inlined, because that is the most
    /// common event. The code for the other events is much longer, so it stays out of the caller.
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
        self.next_other(input, sending)
    }

    /// Returns the next event of any kind.
    #[inline(never)]
    fn next_other<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        sending: &mut impl Heard,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if self.over {
            // "any further data received MUST be discarded" (§1.4): no event follows a Close frame.
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
            // The end of the stream takes effect after the last event. If a Close frame had
            // arrived, `over` would be set, and the closing handshake complete (§7.1.4).
            None if self.eof => Err(self.fail(ProtocolError::EndOfStream, sending)),
            None => Ok(None),
        }
    }

    /// Makes an event of a message. Fails if a text is not valid UTF-8.
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

    /// The peer has ended the stream. Events that arrived before are still returned.
    pub(super) fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// Stops receiving because of this error. Later bytes are dropped.
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
