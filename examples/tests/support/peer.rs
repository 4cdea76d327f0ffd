//! The other end of a stream in memory: a peer that talks as soon as it can, without I/O.

use std::hash::{DefaultHasher, Hasher};

use bytes::{Buf, BytesMut};
use websocket_proto::deflate::{Compression, DeflateConfig};
use websocket_proto::handshake::{client, server};
use websocket_proto::{
    CloseCode, Config, Connection, Event, MessageKind, ProtocolError, ReadyState, RecvBuf, Role,
    Seed,
};

/// What is said. The client sends the messages, and the server echoes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// A message, also in fragments, for runs with two faults.
    Tiny,
    /// Compressed messages, some in fragments, and pings.
    Short,
    /// A message of many reads and writes, longer than the high-water mark of 64 KiB.
    Long,
    /// At the end the client breaks a rule, and more bytes follow.
    Wrong,
    /// A compressed message of 12 MiB: it inflates in many calls, and its parts are joined in several.
    Huge,
}

pub const TALKS: [Talk; 3] = [Talk::Short, Talk::Long, Talk::Wrong];

/// This many messages are sent one by one. Then as many are on the way at once.
const BURST: usize = 3;

impl Talk {
    pub fn messages(self) -> Vec<Vec<u8>> {
        let bytes: Vec<u8> = (0..=255).collect();
        match self {
            Self::Long => vec![b"hello".to_vec(), bytes.repeat(280), b"bye".to_vec()],
            Self::Tiny => vec![b"hello".to_vec(), b"fragments".to_vec()],
            Self::Wrong => vec![b"hello".to_vec()],
            Self::Huge => vec![b"hello".to_vec(), bytes.repeat((12 << 20) / 256)],
            Self::Short => vec![
                b"hello".to_vec(),
                "in fragments ".repeat(5).into_bytes(),
                "so long ".repeat(300).into_bytes(),
                bytes,
                b"one".to_vec(),
                b"two".to_vec(),
                "three ".repeat(30).into_bytes(),
            ],
        }
    }

    pub fn config(self) -> Config {
        let (mut config, mut deflate) = (Config::new(), DeflateConfig::new());
        if self == Self::Long {
            deflate.compression = Compression::Never; // it is slow without optimisation
        }
        if self == Self::Huge {
            config.max_message_size = 16 << 20;
        }
        config.deflate = (self != Self::Tiny).then_some(deflate);
        config
    }
}

/// How many messages may be sent when `echoed` have come back.
pub fn may_send(messages: &[Vec<u8>], echoed: usize) -> usize {
    let ahead = if echoed < BURST { 1 } else { BURST };
    messages.len().min(echoed + ahead)
}

/// Sends a message as text if it is text.
pub fn send(ws: &mut Connection, message: &[u8], out: &mut BytesMut) {
    match std::str::from_utf8(message) {
        Ok(text) => ws.send_text(text, out),
        Err(_) => ws.send_binary(message, out),
    }
    .expect("open");
}

/// A message or a Close frame, to be compared. Pings and pongs are not: a pong may be left out if
/// another one follows.
pub fn note(event: Event<'_>) -> Option<String> {
    match event {
        Event::Text(text) => Some(note_of(text.as_bytes())),
        Event::Binary(bytes) => Some(note_of(bytes)),
        Event::Close(close) => Some(format!("close {}", close.code.map_or(1005, u16::from))),
        _ => None,
    }
}

pub fn note_of(message: &[u8]) -> String {
    let kind = if std::str::from_utf8(message).is_ok() {
        "text"
    } else {
        "binary"
    };
    let mut hash = DefaultHasher::new();
    hash.write(message);
    format!("{kind} {} {:x}", message.len(), hash.finish())
}

enum Phase {
    Client(Box<client::Handshake>),
    Server(Box<server::Handshake>),
    Open(Connection),
}

pub struct Peer {
    phase: Phase,
    talk: Talk,
    messages: Vec<Vec<u8>>,
    said: usize,
    is_client: bool,
    input: RecvBuf,
    /// What the other side can read.
    pub out: BytesMut,
    /// How many bytes it has read.
    taken: usize,
    /// The messages that were sent, the Close frame of a client, and the bytes up to their ends.
    ends: Vec<(usize, String)>,
    /// It sends nothing more.
    pub ended: bool,
    /// The messages and the Close frame that have arrived.
    pub heard: Vec<String>,
    pub pongs: usize,
    pub error: Option<ProtocolError>,
}

impl Peer {
    pub fn client(talk: Talk) -> Self {
        let request = client::Request::new("ws://localhost/").expect("a URL");
        let (seed, mut out) = (Seed::from([3; 32]), BytesMut::new());
        let start = client::Handshake::start(&request, seed, talk.config(), &mut out);
        Self::new(
            Phase::Client(Box::new(start.expect("a request"))),
            talk,
            out,
        )
    }

    /// After a handshake without compression.
    pub fn opened_client(talk: Talk) -> Self {
        let role = Role::Client(Seed::from([5; 32]));
        let ws = Connection::assume_opened(role, Config::new());
        let mut peer = Self::new(Phase::Open(ws), talk, BytesMut::new());
        peer.go_on();
        peer
    }

    pub fn server(talk: Talk) -> Self {
        let mut config = talk.config();
        config.fragment_size = 20_000;
        let start = server::Handshake::new(config, server::Origins::SameOrigin);
        Self::new(Phase::Server(Box::new(start)), talk, BytesMut::new())
    }

    fn new(phase: Phase, talk: Talk, out: BytesMut) -> Self {
        Self {
            is_client: !matches!(phase, Phase::Server(_)),
            phase,
            messages: talk.messages(),
            talk,
            said: 0,
            input: RecvBuf::new(),
            out,
            taken: 0,
            ends: Vec::new(),
            ended: false,
            heard: Vec::new(),
            pongs: 0,
            error: None,
        }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.go_on();
    }

    /// The other side has ended the stream.
    pub fn end_of_stream(&mut self) {
        if let Phase::Open(ws) = &mut self.phase {
            ws.end_of_stream();
        }
        self.go_on();
        self.ended = true;
    }

    fn go_on(&mut self) {
        let opened = match &mut self.phase {
            Phase::Open(_) => None,
            Phase::Client(it) => match it.next(&mut self.input).expect("a response") {
                Some(client::Outcome::Accepted(ws, _)) => Some(ws),
                Some(client::Outcome::Refused(_)) => panic!("refused"),
                None => return,
            },
            Phase::Server(it) => {
                match it.next(&mut self.input, &mut self.out).expect("a request") {
                    Some((_, pending)) => {
                        let ws = pending.accept(server::Accept::new(), &mut self.out);
                        Some(ws.expect("a response"))
                    }
                    None => return,
                }
            }
        };
        if let Some(ws) = opened {
            let compresses = ws.compression() != Compression::Never;
            assert_eq!(compresses, !matches!(self.talk, Talk::Tiny | Talk::Long));
            self.phase = Phase::Open(ws);
        }
        while let Some(echo) = self.take_event() {
            if let Some(message) = echo {
                self.echo(&message);
            }
        }
        if self.is_client && self.error.is_none() {
            self.talk();
        }
    }

    /// Returns the message if it is to be echoed.
    fn take_event(&mut self) -> Option<Option<Vec<u8>>> {
        let Phase::Open(ws) = &mut self.phase else {
            return None;
        };
        match ws.next_event(&mut self.input, &mut self.out) {
            Ok(Some(event)) => {
                self.pongs += usize::from(matches!(event, Event::Pong(_)));
                self.heard.extend(note(event));
                let is_message = matches!(event, Event::Text(_) | Event::Binary(_));
                let echoes = is_message && !self.is_client;
                Some(echoes.then(|| event.payload().to_vec()))
            }
            Ok(None) => {
                self.ended |= !self.is_client && ws.is_done();
                None
            }
            Err(error) => {
                self.error = Some(error);
                self.ended = true;
                None
            }
        }
    }

    /// A server sends a message back, behind a ping.
    fn echo(&mut self, message: &[u8]) {
        if let Phase::Open(ws) = &mut self.phase
            && ws.state() == ReadyState::Open
        {
            ws.send_ping(b"server", &mut self.out).expect("open");
            send(ws, message, &mut self.out);
            self.ends
                .push((self.taken + self.out.len(), note_of(message)));
        }
    }

    /// A client sends what it may send now.
    fn talk(&mut self) {
        let Phase::Open(ws) = &mut self.phase else {
            return;
        };
        let (messages, out) = (&self.messages, &mut self.out);
        if ws.state() != ReadyState::Open || self.said > messages.len() {
            return;
        }
        let until = may_send(messages, self.heard.len());
        for (i, message) in messages[..until].iter().enumerate().skip(self.said) {
            if i % 2 == 0 {
                send(ws, message, out);
            } else {
                let (first, last) = message.split_at(message.len() / 3);
                let text = std::str::from_utf8(message).is_ok();
                let kind = if text {
                    MessageKind::Text
                } else {
                    MessageKind::Binary
                };
                ws.start_message(kind).expect("open");
                ws.send_fragment(first, out).expect("open");
                ws.send_ping(b"client", out).expect("open");
                ws.finish_message(last, out).expect("open");
            }
            self.ends.push((self.taken + out.len(), note_of(message)));
        }
        self.said = until;
        if self.heard.len() == messages.len() {
            self.said = messages.len() + 1;
            match self.talk {
                // A frame that is not masked (RFC 6455 §5.1), and more than one read.
                Talk::Wrong => {
                    out.extend_from_slice(&[&[0x81, 1, b'x'][..], &[0; 50_000]].concat())
                }
                _ => {
                    ws.close(CloseCode::NORMAL, "bye", out).expect("a code");
                    self.ends
                        .push((self.taken + out.len(), "close 1000".into()));
                }
            }
        }
    }

    /// Moves what can be read.
    pub fn take(&mut self, room: &mut [u8]) -> usize {
        let n = self.out.len().min(room.len());
        self.out.copy_to_slice(&mut room[..n]);
        self.taken += n;
        n
    }

    /// The messages that the other side has read to their ends, and the Close frame of a client.
    pub fn told(&self) -> Vec<String> {
        let told = self.ends.iter().filter(|(end, _)| *end <= self.taken);
        told.map(|(_, note)| note.clone()).collect()
    }
}
