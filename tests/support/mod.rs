//! Code that the tests share:
//!
//! - two connections joined in memory, with a virtual clock: [`Pair`];
//! - valid and invalid bytes of a peer: [`wire`], [`deflate`], [`http`];
//! - decoders that tell the expected result: [`reference`], [`inflate`];
//! - the results of handshakes: [`server`], [`client`];
//! - the same handshakes over bytes and over values: [`doors`].
//!
//! Nothing here reads a clock, a socket or entropy.

#![allow(dead_code, unreachable_pub, unused_imports)]

use core::time::Duration;
use std::collections::BTreeSet;

use bytes::{Buf, BytesMut};
use websocket_proto::{
    CloseFrame, Config, Connection, Event, ProtocolError, RecvBuf, Role, Seed, frame::CloseCode,
};

pub mod client;
pub mod deflate;
pub mod doors;
pub mod http;
pub mod inflate;
pub mod reference;
pub mod server;
pub mod wire;

pub use reference::Reference;
pub use wire::{Frame, frame, frames};

pub const SIDES: [Side; 2] = [Side::Server, Side::Client];

/// The role of the endpoint under test. Frames `to` a server are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    pub fn role(self) -> Role {
        match self {
            Side::Server => Role::Server,
            Side::Client => Role::Client(Seed::from([7; 32])),
        }
    }

    pub fn peer(self) -> Side {
        match self {
            Side::Server => Side::Client,
            Side::Client => Side::Server,
        }
    }
}

/// The default configuration with changes.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::new();
    change(&mut config);
    config
}

pub fn code(code: u16) -> CloseCode {
    CloseCode::try_from(code).expect("a code that may be sent")
}

/// The names of the variants of an enum, from its source. Outside of the crate a match needs a wildcard,
/// so it does not tell that a variant is new.
pub fn variants<'s>(source: &'s str, name: &str) -> BTreeSet<&'s str> {
    let start = format!("pub enum {name} {{\n");
    let (_, body) = source.split_once(&start).expect("the enum");
    let (body, _) = body.split_once("\n}").expect("its end");
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter(|line| line.starts_with(|it: char| it.is_ascii_uppercase()))
        .filter_map(|line| line.split([',', '(']).next())
        .collect()
}

/// The name of the variant of a value.
pub fn variant(value: &impl core::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split('(').next().unwrap_or_default().into()
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An event with its own copy of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedEvent {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl OwnedEvent {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into()),
            Event::Binary(bytes) => Self::Binary(bytes.into()),
            Event::Ping(bytes) => Self::Ping(bytes.into()),
            Event::Pong(bytes) => Self::Pong(bytes.into()),
            Event::Close(CloseFrame { code, reason }) => {
                Self::Close(code.map(u16::from), reason.into())
            }
            other => panic!("an event that the tests do not know: {other:?}"),
        }
    }
}

/// The code and the reason of a Close frame, in a form that is easy to compare.
pub fn said(close: Option<CloseFrame<'_>>) -> Option<(Option<u16>, String)> {
    close.map(|CloseFrame { code, reason }| (code.map(u16::from), reason.to_owned()))
}

/// The way in which an [`Endpoint`] receives. The result is the same for all of them. A test file
/// uses `Whole`, and is included again by the file of each other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `next_event`.
    Whole,
    /// `split` before, `join` after all events.
    Halves,
    /// `poll` before `next_event`, and owned buffers.
    Polled,
    /// `park` after each event, and a shared buffer that contained something else.
    Parked,
    /// Parts of messages, put together again. Otherwise as `Parked`.
    Parts,
}

impl Way {
    pub const ALL: [Self; 5] = [
        Self::Whole,
        Self::Halves,
        Self::Polled,
        Self::Parked,
        Self::Parts,
    ];

    fn of_this_test() -> Self {
        match module_path!().split("::").next() {
            Some("again_halves") => Self::Halves,
            Some("again_polled") => Self::Polled,
            Some("again_parked") => Self::Parked,
            Some("again_parts") => Self::Parts,
            _ => Self::Whole,
        }
    }

    fn config(self, mut config: Config) -> Config {
        if self == Self::Parts {
            // 0, 1, 7 and others, but the same for the same configuration.
            let above = [0, 1, 7, 100, 5000];
            config.parts_above = above[config.max_message_size % above.len()];
        }
        config
    }
}

/// A connection with its buffers, its events and its error.
#[derive(Debug)]
pub struct Endpoint {
    pub way: Way,
    /// The parts of the message under way.
    parts: Vec<u8>,
    pub ws: Connection,
    pub input: RecvBuf,
    pub out: BytesMut,
    pub events: Vec<OwnedEvent>,
    pub error: Option<ProtocolError>,
    /// Whether a pool hibernates the codecs after each event.
    pub hibernates: bool,
}

impl Endpoint {
    pub fn new(side: Side, config: Config) -> Self {
        Self::in_way(Way::of_this_test(), side, config)
    }

    pub fn in_way(way: Way, side: Side, config: Config) -> Self {
        Self {
            way,
            parts: Vec::new(),
            ws: Connection::assume_opened(side.role(), way.config(config)),
            input: RecvBuf::new(),
            out: BytesMut::new(),
            events: Vec::new(),
            error: None,
            hibernates: false,
        }
    }

    /// An endpoint with compression.
    #[cfg(feature = "deflate")]
    pub fn with_deflate(
        side: Side,
        config: Config,
        params: websocket_proto::deflate::Params,
        deflate: websocket_proto::deflate::DeflateConfig,
    ) -> Self {
        Self::with_deflate_in_way(Way::of_this_test(), side, config, params, deflate)
    }

    #[cfg(feature = "deflate")]
    pub fn with_deflate_in_way(
        way: Way,
        side: Side,
        config: Config,
        params: websocket_proto::deflate::Params,
        deflate: websocket_proto::deflate::DeflateConfig,
    ) -> Self {
        let ws = Connection::assume_opened(side.role(), way.config(config))
            .with_deflate(params, deflate);
        let endpoint = Self::in_way(way, side, config);
        Self { ws, ..endpoint }
    }

    /// Receives `bytes` in one read, with some room behind them, and takes all events.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.feed_into(bytes, bytes.len() + 32);
    }

    /// The same, with a room of at least `spare` bytes.
    pub fn feed_into(&mut self, bytes: &[u8], spare: usize) {
        if self.way == Way::Polled {
            let mut filled = Vec::with_capacity(spare.max(bytes.len()));
            filled.extend_from_slice(bytes);
            assert!(self.input.swap(filled, 0).is_empty());
            return self.drain();
        }
        if matches!(self.way, Way::Parked | Way::Parts) {
            self.ws.resume(&mut self.input);
        }
        if !bytes.is_empty() {
            let room = self.input.spare(spare.max(bytes.len()));
            room[..bytes.len()].copy_from_slice(bytes);
            self.input.filled(bytes.len());
        }
        self.drain();
    }

    /// Takes events until there are none. Asserts that an error is repeated.
    pub fn drain(&mut self) {
        if self.way == Way::Halves {
            return self.drain_halves();
        }
        let parks = matches!(self.way, Way::Parked | Way::Parts);
        let mut after_progress = false;
        loop {
            let before = self.input.unread().len();
            let polled = self.way == Way::Polled;
            let ready = polled && {
                let ready = self.ws.poll(&mut self.input, &mut self.out);
                assert_eq!(self.ws.poll(&mut self.input, &mut self.out), ready);
                if ready && self.ws.error().is_none() {
                    // Room for another read does not harm what was found.
                    self.input.spare(100);
                }
                ready
            };
            match self.ws.next_event(&mut self.input, &mut self.out) {
                Ok(Some(event)) => {
                    assert!(ready || !polled, "{event:?}");
                    let progress = event == Event::Progress;
                    take(event, &mut self.events, &mut self.parts);
                    // `Progress` can have taken the last byte of the message that follows it.
                    assert!(
                        self.input.unread().len() < before || progress || after_progress || parks,
                        "the event took no bytes"
                    );
                    after_progress = progress;
                    assert_eq!(self.error, None, "an event after an error");
                    #[cfg(feature = "deflate")]
                    if self.hibernates {
                        websocket_proto::deflate::Pool::new().hibernate(&mut self.ws);
                    }
                }
                Ok(None) => {
                    assert!(!ready);
                    assert_eq!(self.error, None, "the error was not repeated");
                    break;
                }
                Err(error) => {
                    assert!(ready || !polled, "{error:?}");
                    self.failed(error);
                    break;
                }
            }
            self.park();
        }
        self.park();
    }

    /// The same, with both halves.
    fn drain_halves(&mut self) {
        let other = Connection::assume_opened(Role::Server, Config::new());
        let (mut recv, mut send) = core::mem::replace(&mut self.ws, other).split();
        loop {
            let result = recv.next_event(&mut self.input);
            if let Some(notes) = recv.take_notes() {
                send.hear(notes, &mut self.out);
            }
            assert!(recv.take_notes().is_none());
            match result {
                Ok(Some(event)) => take(event, &mut self.events, &mut self.parts),
                Ok(None) => break assert_eq!(self.error, None, "the error was not repeated"),
                Err(error) => {
                    assert_eq!(recv.error(), Some(error));
                    assert_eq!(send.error(), Some(error));
                    self.error = Some(error);
                    break;
                }
            }
            #[cfg(feature = "deflate")]
            if self.hibernates {
                let mut pool = websocket_proto::deflate::Pool::new();
                pool.hibernate(&mut recv);
                pool.hibernate(&mut send);
            }
        }
        self.ws = Connection::join(recv, send).expect("a pair");
    }

    /// Moves the state out of the buffer, and lets something else use the buffer.
    fn park(&mut self) {
        if !matches!(self.way, Way::Parked | Way::Parts) {
            return;
        }
        self.ws.park(&mut self.input);
        assert!(self.input.is_idle());
        self.input.extend_from_slice(b"something else");
        self.input.clear();
    }

    pub fn end(&mut self) {
        if matches!(self.way, Way::Parked | Way::Parts) {
            self.ws.resume(&mut self.input);
        }
        self.ws.end_of_stream();
        self.drain();
    }

    fn failed(&mut self, error: ProtocolError) {
        assert!(
            self.error.is_none_or(|first| first == error),
            "{:?} became {error:?}",
            self.error
        );
        self.error = Some(error);
        assert_eq!(self.ws.error(), Some(error));
    }

    /// Removes and returns the events so far.
    pub fn take_events(&mut self) -> Vec<OwnedEvent> {
        core::mem::take(&mut self.events)
    }

    /// Flushes `out`. Returns the frames that were in it.
    pub fn flush(&mut self) -> Vec<Frame> {
        let sent = frames(&self.out);
        self.out.clear();
        sent
    }

    fn timeout_if_due(&mut self, now: Duration) {
        if self.ws.deadline(now).is_some_and(|due| due <= now)
            && let Err(error) = self.ws.handle_timeout(now, &mut self.out)
        {
            self.failed(error);
        }
    }
}

/// Adds an event to the list. Puts the parts of a message together.
pub fn take(event: Event<'_>, events: &mut Vec<OwnedEvent>, parts: &mut Vec<u8>) {
    match event {
        Event::Progress => {}
        Event::TextPart(text) => {
            assert_ne!(text, "");
            parts.extend_from_slice(text.as_bytes());
        }
        Event::BinaryPart(bytes) => {
            assert_ne!(bytes, b"");
            parts.extend_from_slice(bytes);
        }
        Event::TextEnd(text) => {
            parts.extend_from_slice(text.as_bytes());
            let text = String::from_utf8(core::mem::take(parts)).expect("whole characters");
            events.push(OwnedEvent::Text(text));
        }
        Event::BinaryEnd(bytes) => {
            parts.extend_from_slice(bytes);
            events.push(OwnedEvent::Binary(core::mem::take(parts)));
        }
        Event::Text(_) | Event::Binary(_) => {
            assert!(parts.is_empty(), "a message inside a message");
            events.push(event.into());
        }
        other => events.push(other.into()),
    }
}

/// A client and a server joined by two pipes. The tests move the clock.
#[derive(Debug)]
pub struct Pair {
    pub client: Endpoint,
    pub server: Endpoint,
    pub now: Duration,
    /// The maximum size of one read, in bytes.
    pub chunk: usize,
    /// Whether bytes arrive at the client, and at the server. If not, they are lost.
    pub reaches_client: bool,
    pub reaches_server: bool,
    ended: [bool; 2],
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Config::new(), Config::new())
    }

    pub fn with(client: Config, server: Config) -> Self {
        Self {
            client: Endpoint::new(Side::Client, client),
            server: Endpoint::new(Side::Server, server),
            now: secs(1000),
            chunk: usize::MAX,
            reaches_client: true,
            reaches_server: true,
            ended: [false; 2],
        }
    }

    pub fn of(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::Server => &mut self.server,
            Side::Client => &mut self.client,
        }
    }

    /// Moves bytes in both directions until both pipes are empty. If one endpoint is done, ends the
    /// stream of the other.
    pub fn drive(&mut self) {
        while !(self.client.out.is_empty() && self.server.out.is_empty()) {
            let (client, server) = (&mut self.client, &mut self.server);
            move_bytes(client, server, self.chunk, self.reaches_server);
            move_bytes(server, client, self.chunk, self.reaches_client);
        }
        for side in SIDES {
            let done = self.of(side).ws.is_done();
            if done && !core::mem::replace(&mut self.ended[side as usize], true) {
                self.of(side.peer()).end();
            }
        }
        // The connections take everything so far to have happened now.
        self.client.ws.deadline(self.now);
        self.server.ws.deadline(self.now);
    }

    /// Moves the clock and handles all timeouts on the way.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        self.drive();
        let mut steps = 0;
        while let Some(next) = self.next_deadline().filter(|next| *next <= until) {
            steps += 1;
            assert!(steps < 100_000, "a deadline that is always due");
            self.now = self.now.max(next);
            self.client.timeout_if_due(self.now);
            self.server.timeout_if_due(self.now);
            self.drive();
        }
        self.now = until;
        self.drive();
    }

    pub fn next_deadline(&mut self) -> Option<Duration> {
        let client = self.client.ws.deadline(self.now);
        let server = self.server.ws.deadline(self.now);
        client.into_iter().chain(server).min()
    }
}

fn move_bytes(from: &mut Endpoint, to: &mut Endpoint, chunk: usize, arrive: bool) {
    while !from.out.is_empty() {
        let n = from.out.len().min(chunk);
        if arrive {
            to.feed(&from.out[..n]);
        }
        from.out.advance(n);
    }
}

/// A small deterministic generator (SplitMix64), for random data that proptest need not shrink.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let words = core::iter::repeat_with(|| self.next().to_le_bytes());
        words.take(n.div_ceil(8)).flatten().take(n).collect()
    }
}
