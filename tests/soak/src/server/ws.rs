//! A connection of the server: whole, or in halves.

use std::time::Duration;

use bytes::Bytes;
use websocket_proto::{
    CloseCode, Connection, Delivery, Event, MessageKind, Notes, OutQueue, Prepared, ProtocolError,
    ReadyState, RecvBuf, RecvHalf, SendError, SendHalf, deflate::Pool,
};

#[derive(Debug)]
pub(super) enum Ws {
    Whole(Connection),
    Halves(Box<Halves>),
}

/// As in two tasks: what the reader hears waits until it is the writer's turn.
#[derive(Debug)]
pub(super) struct Halves {
    recv: RecvHalf,
    send: SendHalf,
    heard: Option<Notes>,
}

impl Halves {
    fn pass_on(&mut self) {
        if let Some(notes) = self.recv.take_notes() {
            // Of several pings the last one is answered.
            match &mut self.heard {
                Some(earlier) => earlier.merge(notes),
                none => *none = Some(notes),
            }
        }
    }
}

macro_rules! of_sender {
    ($ws:expr, $it:ident => $call:expr) => {
        match $ws {
            Ws::Whole($it) => $call,
            Ws::Halves(halves) => {
                let $it = &mut halves.send;
                $call
            }
        }
    };
}

impl Ws {
    pub(super) fn new(ws: Connection, split: bool) -> Self {
        if !split {
            return Self::Whole(ws);
        }
        let (recv, send) = ws.split();
        Self::Halves(Box::new(Halves {
            recv,
            send,
            heard: None,
        }))
    }

    pub(super) fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        out: &mut OutQueue,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match self {
            Self::Whole(ws) => ws.next_event(input, out),
            Self::Halves(halves) => {
                let event = halves.recv.next_event(input);
                halves.pass_on();
                event
            }
        }
    }

    /// The writer's turn.
    pub(super) fn hear(&mut self, out: &mut OutQueue) {
        if let Self::Halves(halves) = self {
            halves.pass_on();
            if let Some(notes) = halves.heard.take() {
                halves.send.hear(notes, out);
            }
        }
    }

    pub(super) fn end_of_stream(&mut self) {
        match self {
            Self::Whole(ws) => ws.end_of_stream(),
            Self::Halves(halves) => halves.recv.end_of_stream(),
        }
    }

    pub(super) fn resume(&mut self, input: &mut RecvBuf) {
        match self {
            Self::Whole(ws) => ws.resume(input),
            Self::Halves(halves) => halves.recv.resume(input),
        }
    }

    pub(super) fn park(&mut self, input: &mut RecvBuf) {
        match self {
            Self::Whole(ws) => ws.park(input),
            Self::Halves(halves) => halves.recv.park(input),
        }
    }

    pub(super) fn lend(&mut self, pool: &mut Pool) {
        match self {
            Self::Whole(ws) => pool.lend(ws),
            Self::Halves(halves) => {
                pool.lend(&mut halves.recv);
                pool.lend(&mut halves.send);
            }
        }
    }

    /// Takes the codecs back. With context takeover their histories stay.
    pub(super) fn hibernate(&mut self, pool: &mut Pool) {
        match self {
            Self::Whole(ws) => pool.hibernate(ws),
            Self::Halves(halves) => {
                pool.hibernate(&mut halves.recv);
                pool.hibernate(&mut halves.send);
            }
        }
    }

    pub(super) fn send(&mut self, event: &Event<'_>, out: &mut OutQueue) -> Result<(), SendError> {
        of_sender!(self, it => match *event {
            Event::Text(text) if text.len() < 2048 => it.send_text(text, out),
            Event::Binary(bytes) if bytes.len() < 2048 => it.send_binary(bytes, out),
            // The queue shares it.
            Event::Text(text) => {
                let text = Bytes::copy_from_slice(text.as_bytes());
                it.send_bytes(MessageKind::Text, &text, out)
            }
            Event::Binary(bytes) => {
                let bytes = Bytes::copy_from_slice(bytes);
                it.send_bytes(MessageKind::Binary, &bytes, out)
            }
            _ => Ok(()),
        })
    }

    pub(super) fn start(&mut self, kind: MessageKind) -> Result<(), SendError> {
        of_sender!(self, it => it.start_message(kind))
    }

    pub(super) fn piece(
        &mut self,
        piece: &[u8],
        last: bool,
        out: &mut OutQueue,
    ) -> Result<(), SendError> {
        of_sender!(self, it => match last {
            false => it.send_fragment(piece, out),
            true => it.finish_message(piece, out),
        })
    }

    pub(super) fn broadcast(
        &mut self,
        message: &Prepared,
        limit: usize,
        out: &mut OutQueue,
    ) -> Result<Delivery, SendError> {
        of_sender!(self, it => it.send_prepared_within(message, limit, out))
    }

    pub(super) fn close(&mut self, code: CloseCode, out: &mut OutQueue) {
        of_sender!(self, it => it.close(code, "enough", out)).expect("the reason is short");
    }

    pub(super) fn deadline(&mut self, now: Duration) -> Option<Duration> {
        of_sender!(self, it => it.deadline(now))
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut OutQueue,
    ) -> Result<(), ProtocolError> {
        of_sender!(self, it => it.handle_timeout(now, out))
    }

    pub(super) fn state(&self) -> ReadyState {
        of_ref(self, Connection::state, SendHalf::state)
    }

    pub(super) fn error(&self) -> Option<ProtocolError> {
        of_ref(self, Connection::error, SendHalf::error)
    }

    pub(super) fn close_codes(&self) -> [Option<u16>; 2] {
        let (sent, received) = match self {
            Self::Whole(ws) => (ws.close_sent(), ws.close_received()),
            Self::Halves(halves) => (halves.send.close_sent(), halves.send.close_received()),
        };
        // An empty Close frame is 1005, as in the browser API (RFC 6455 §7.1.5).
        let code = |close: websocket_proto::CloseFrame<'_>| close.code.map_or(1005, u16::from);
        [sent.map(code), received.map(code)]
    }
}

fn of_ref<T>(ws: &Ws, whole: fn(&Connection) -> T, half: fn(&SendHalf) -> T) -> T {
    match ws {
        Ws::Whole(ws) => whole(ws),
        Ws::Halves(halves) => half(&halves.send),
    }
}
