//! The system under test: a real connection, whole or in halves, behind a small trait. The trait is
//! the seam at which a known bug is put in: see `faults`.

use std::{collections::VecDeque, fmt, mem, time::Duration};

use bytes::BytesMut;
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, MessageKind, Notes, ProtocolError,
    ReadyState, RecvBuf, RecvHalf, Role, Seed, SendError, SendHalf,
};

use crate::{action::Side, frames::Said};

/// What an application asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    Text(&'a str),
    /// Starts a binary message, and sends a first piece.
    Begin(&'a [u8]),
    Finish(&'a [u8]),
    Ping(&'a [u8]),
    Close(u16, &'a str),
}

/// An event with its own copy of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole message, and whether it is text.
    Message(bool, Vec<u8>),
    /// A part of a message, and whether it is text.
    Part(bool, Vec<u8>),
    /// The last part.
    End(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Said),
}

/// What the connection says of itself. For halves, it is what the sending half says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub state: ReadyState,
    pub sent: Option<Said>,
    pub received: Option<Said>,
    pub error: Option<ProtocolError>,
}

pub trait System: fmt::Debug {
    fn receive(
        &mut self,
        input: &mut RecvBuf,
        out: &mut BytesMut,
    ) -> Result<Option<Seen>, ProtocolError>;
    fn end_of_stream(&mut self);
    fn send(&mut self, ask: Ask<'_>, out: &mut BytesMut) -> Result<(), SendError>;
    fn deadline(&mut self, now: Duration) -> Option<Duration>;
    fn handle_timeout(&mut self, now: Duration, out: &mut BytesMut) -> Result<(), ProtocolError>;
    fn view(&self) -> View;

    /// How many notes wait for the sending half. A connection in one piece has none.
    fn notes(&self) -> usize;
    /// Delivers the oldest note.
    fn hear(&mut self, out: &mut BytesMut);
    /// Merges the second note into the oldest one.
    fn merge(&mut self);
    /// Loses the oldest note.
    fn lose(&mut self);
    /// Joins the halves, and splits them again. If that fails, nothing has changed.
    fn join(&mut self) -> Result<(), String>;
    /// Whether the program writes its output to the transport, as it must before it waits.
    fn flushes(&self) -> bool {
        true
    }
    /// Whether the program tells the connection that the stream has ended.
    fn hears_end(&self) -> bool {
        true
    }
    /// Whether the program ends its stream once the connection is over and the output is sent.
    fn shuts_down(&self) -> bool {
        true
    }

    /// Writes everything that decides what the system will do, except mask keys.
    fn fingerprint(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{self:?}")
    }
}

/// How an endpoint uses its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Form {
    /// `Connection::next_event`.
    Joined,
    /// The same, after `poll`, and with messages delivered in parts.
    Parts,
    /// `split`, with notes that are delivered late, and merged.
    Halves,
}

/// Opens a connection. The mask keys are the same each time.
pub fn open(form: Form, side: Side, mut config: Config) -> Box<dyn System> {
    if form == Form::Parts {
        config.parts_above = 0;
    }
    let role = match side {
        Side::Server => Role::Server,
        Side::Client => Role::Client(Seed::from([7; 32])),
    };
    let ws = Connection::assume_opened(role, config);
    match form {
        Form::Joined => Box::new(Joined { ws, polls: false }),
        Form::Parts => Box::new(Joined { ws, polls: true }),
        Form::Halves => {
            let (reader, writer) = ws.split();
            Box::new(Halves {
                reader,
                writer,
                notes: VecDeque::new(),
            })
        }
    }
}

#[derive(Debug)]
struct Joined {
    ws: Connection,
    polls: bool,
}

impl System for Joined {
    fn receive(
        &mut self,
        input: &mut RecvBuf,
        out: &mut BytesMut,
    ) -> Result<Option<Seen>, ProtocolError> {
        let ready = self.polls.then(|| self.ws.poll(input, out));
        let result = self.ws.next_event(input, out);
        let is_event = !matches!(result, Ok(None));
        assert!(
            ready.is_none_or(|ready| ready == is_event),
            "poll said {ready:?}: {result:?}"
        );
        Ok(result?.map(seen))
    }

    fn end_of_stream(&mut self) {
        self.ws.end_of_stream();
    }

    fn send(&mut self, ask: Ask<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        let ws = &mut self.ws;
        match ask {
            Ask::Text(text) => ws.send_text(text, out),
            Ask::Begin(piece) => {
                ws.start_message(MessageKind::Binary)?;
                ws.send_fragment(piece, out)
            }
            Ask::Finish(piece) => ws.finish_message(piece, out),
            Ask::Ping(payload) => ws.send_ping(payload, out),
            Ask::Close(code, reason) => ws.close(close_code(code), reason, out),
        }
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        self.ws.deadline(now)
    }

    fn handle_timeout(&mut self, now: Duration, out: &mut BytesMut) -> Result<(), ProtocolError> {
        self.ws.handle_timeout(now, out)
    }

    fn view(&self) -> View {
        let ws = &self.ws;
        assert_eq!(ws.is_done(), ws.state() == ReadyState::Closed);
        View {
            state: ws.state(),
            sent: said(ws.close_sent()),
            received: said(ws.close_received()),
            error: ws.error(),
        }
    }

    fn notes(&self) -> usize {
        0
    }

    fn hear(&mut self, _: &mut BytesMut) {}

    fn merge(&mut self) {}

    fn lose(&mut self) {}

    fn join(&mut self) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Debug)]
struct Halves {
    reader: RecvHalf,
    writer: SendHalf,
    /// On their way to the writer.
    notes: VecDeque<Notes>,
}

impl System for Halves {
    fn receive(
        &mut self,
        input: &mut RecvBuf,
        _: &mut BytesMut,
    ) -> Result<Option<Seen>, ProtocolError> {
        let result = self.reader.next_event(input);
        self.notes.extend(self.reader.take_notes());
        if let Err(error) = result {
            assert_eq!(self.reader.error(), Some(error));
        }
        Ok(result?.map(seen))
    }

    fn end_of_stream(&mut self) {
        self.reader.end_of_stream();
    }

    fn send(&mut self, ask: Ask<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        let writer = &mut self.writer;
        match ask {
            Ask::Text(text) => writer.send_text(text, out),
            Ask::Begin(piece) => {
                writer.start_message(MessageKind::Binary)?;
                writer.send_fragment(piece, out)
            }
            Ask::Finish(piece) => writer.finish_message(piece, out),
            Ask::Ping(payload) => writer.send_ping(payload, out),
            Ask::Close(code, reason) => writer.close(close_code(code), reason, out),
        }
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        self.writer.deadline(now)
    }

    fn handle_timeout(&mut self, now: Duration, out: &mut BytesMut) -> Result<(), ProtocolError> {
        self.writer.handle_timeout(now, out)
    }

    fn view(&self) -> View {
        let writer = &self.writer;
        assert_eq!(writer.is_done(), writer.state() == ReadyState::Closed);
        View {
            state: writer.state(),
            sent: said(writer.close_sent()),
            received: said(writer.close_received()),
            error: writer.error(),
        }
    }

    fn notes(&self) -> usize {
        self.notes.len()
    }

    fn hear(&mut self, out: &mut BytesMut) {
        if let Some(notes) = self.notes.pop_front() {
            self.writer.hear(notes, out);
        }
    }

    fn merge(&mut self) {
        if let Some(newer) = self.notes.remove(1)
            && let Some(older) = self.notes.front_mut()
        {
            older.merge(newer);
        }
    }

    fn lose(&mut self) {
        self.notes.pop_front();
    }

    fn join(&mut self) -> Result<(), String> {
        let other = || Connection::assume_opened(Role::Server, Config::new()).split();
        let (reader, writer) = other();
        let reader = mem::replace(&mut self.reader, reader);
        let writer = mem::replace(&mut self.writer, writer);
        let joined = Connection::join(reader, writer);
        let result = joined.as_ref().map(|_| ()).map_err(|it| it.to_string());
        (self.reader, self.writer) = match joined {
            Ok(ws) => ws.split(),
            Err(error) => error.into_halves(),
        };
        result
    }

    /// Without the numbers of the notes, which only `Connection::join` looks at: otherwise each split
    /// of the same bytes would be another state for ever.
    fn fingerprint(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        let reader = format!("{:?}", self.reader);
        let writer = format!("{:?}", self.writer);
        let (reader, _) = reader.rsplit_once(", taken: ").ok_or(fmt::Error)?;
        let (writer, _) = writer.rsplit_once(", heard: ").ok_or(fmt::Error)?;
        write!(to, "{reader}{writer}{:?}", self.notes)
    }
}

fn close_code(code: u16) -> CloseCode {
    CloseCode::try_from(code).expect("a code that may be sent")
}

fn said(close: Option<CloseFrame<'_>>) -> Option<Said> {
    close.map(|CloseFrame { code, reason }| (code.map(u16::from), reason.to_owned()))
}

fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Text(text) => Seen::Message(true, text.into()),
        Event::Binary(bytes) => Seen::Message(false, bytes.into()),
        Event::TextPart(text) => Seen::Part(true, text.into()),
        Event::BinaryPart(bytes) => Seen::Part(false, bytes.into()),
        Event::TextEnd(text) => Seen::End(true, text.into()),
        Event::BinaryEnd(bytes) => Seen::End(false, bytes.into()),
        Event::Ping(payload) => Seen::Ping(payload.into()),
        Event::Pong(payload) => Seen::Pong(payload.into()),
        Event::Close(close) => Seen::Close((close.code.map(u16::from), close.reason.to_owned())),
        other => panic!("an event that the model does not know: {other:?}"),
    }
}
