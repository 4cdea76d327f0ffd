//! The crate and tungstenite over a stream in memory.

use std::io::{self, Read, Write};

use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};
use websocket_proto::ProtocolError;

use super::pieces;
use crate::support::{Endpoint, OwnedEvent, Side, Way, config, frames, wire};

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub frame: usize,
    pub message: usize,
}

/// What both tell about a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub events: Vec<OwnedEvent>,
    pub end: End,
    /// The frames that were written, other than the Close frame for an error.
    pub replies: Vec<(u8, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A Close frame arrived.
    Closed,
    /// The stream ended without one.
    CutOff,
    /// The close code for what the peer did wrong.
    Refused(u16),
}

pub fn ours(side: Side, limits: Limits, pieces: &[&[u8]]) -> (Seen, Option<ProtocolError>) {
    let mut end = endpoint(side, limits);
    pieces.iter().for_each(|piece| end.feed(piece));
    end.end();
    let refused = end
        .error
        .filter(|error| *error != ProtocolError::EndOfStream);
    let mut replies = contents(&end.out);
    let seen_end = match refused.map(|error| error.close_code().expect("a code")) {
        Some(code) => {
            let (opcode, payload) = replies.pop().expect("a Close frame tells the error");
            assert_eq!(
                (opcode, &payload[..2]),
                (wire::CLOSE, &u16::from(code).to_be_bytes()[..])
            );
            End::Refused(code.into())
        }
        None if end.error.is_some() => End::CutOff,
        None => End::Closed,
    };
    let seen = Seen {
        events: end.events,
        end: seen_end,
        replies,
    };
    (seen, refused)
}

pub fn endpoint(side: Side, limits: Limits) -> Endpoint {
    let config = config(|c| {
        c.max_frame_size = limits.frame;
        c.max_message_size = limits.message;
        // tungstenite has no such limits.
        c.max_fragments = u32::MAX;
        c.pong_backlog = usize::MAX;
    });
    Endpoint::in_way(Way::Whole, side, config)
}

pub fn judge(side: Side, limits: Limits, stream: &[u8], sizes: &[usize]) -> Seen {
    let mut socket = socket(side, limits, stream, sizes);
    let mut events = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(message) => events.push(event(message)),
            Err(Error::ConnectionClosed) => break End::Closed,
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => {
                break End::CutOff;
            }
            Err(Error::Protocol(_)) => break End::Refused(1002),
            Err(Error::Utf8(_)) => break End::Refused(1007),
            Err(Error::Capacity(_)) => break End::Refused(1009),
            Err(error) => panic!("{error}"),
        }
    };
    Seen {
        events,
        end,
        replies: contents(&socket.get_ref().written),
    }
}

fn socket<'a>(
    side: Side,
    limits: Limits,
    stream: &'a [u8],
    sizes: &[usize],
) -> WebSocket<Wire<'a>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .max_frame_size(Some(limits.frame))
        .max_message_size(Some(limits.message));
    let wire = Wire {
        pieces: pieces(stream, sizes).into_iter(),
        piece: &[],
        written: Vec::new(),
    };
    let role = match side {
        Side::Server => Role::Server,
        Side::Client => Role::Client,
    };
    WebSocket::from_raw_socket(wire, role, Some(config))
}

fn event(message: Message) -> OwnedEvent {
    match message {
        Message::Text(text) => OwnedEvent::Text(text.to_string()),
        Message::Binary(bytes) => OwnedEvent::Binary(bytes.to_vec()),
        Message::Ping(bytes) => OwnedEvent::Ping(bytes.to_vec()),
        Message::Pong(bytes) => OwnedEvent::Pong(bytes.to_vec()),
        Message::Close(None) => OwnedEvent::Close(None, String::new()),
        Message::Close(Some(close)) => {
            OwnedEvent::Close(Some(close.code.into()), close.reason.to_string())
        }
        Message::Frame(frame) => panic!("{frame}"),
    }
}

/// A stream in memory.
struct Wire<'a> {
    pieces: std::vec::IntoIter<&'a [u8]>,
    piece: &'a [u8],
    written: Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece = self.pieces.next().unwrap_or_default();
        }
        self.piece.read(room)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opcodes and payloads of complete, valid frames.
fn contents(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let replies = frames(bytes).into_iter();
    replies.map(|frame| (frame.opcode, frame.payload)).collect()
}
