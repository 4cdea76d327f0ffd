//! The bodies for the handshakes of both roles over bytes. `heads` has the other doors.
//!
//! The input can follow a valid head without its end, so that it gets past the first rules.

use core::time::Duration;

use bytes::BytesMut;
use websocket_proto::{
    Config, RecvBuf, Seed,
    handshake::{
        self,
        client::{self, Outcome, ResponseError},
        server::{self, Accept, Origins, RequestError},
    },
    meter,
};

use crate::{
    budget::{Budget, Limits},
    heads::{Head, client_request},
    interrupted::{Event, Server, interrupted},
    script::Script,
};

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// The key of the seed that is used here.
const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";

/// A server reads a request. The result does not depend on how the bytes are split, an error has
/// its response and is repeated, bytes after an accepted head are left for the connection, and every
/// other door gives the same result. The end of the stream or the deadline ends what is not complete.
pub fn server_handshake(data: &[u8]) {
    let plan = Plan::new(data, REQUEST);
    let whole = plan.each_split(|reads| request(reads, plan.config));
    let error = whole.0.as_ref().err().copied();
    if let Some(event) = plan.event {
        let server = Server {
            handshake: server::Handshake::new(plan.config, Origins::SameOrigin),
            out: BytesMut::new(),
        };
        let whole = whole.0.map(|view| view.map(|_| true));
        interrupted(server, &plan.pieces(), event, whole);
    }
    if let Some(head) = Head::split(&plan.stream, plan.config) {
        head.check_values(plan.config, error);
        head.check_http(plan.config);
        head.check_connect(plan.config);
    }
}

/// A client reads a response. The result does not depend on how the bytes are split, an error is
/// repeated, and every other door gives the same result. The end of the stream or the deadline ends
/// what is not complete.
pub fn client_handshake(data: &[u8]) {
    let start = [ACCEPT, &accept_key(), "\r\n"].concat();
    let plan = Plan::new(data, &start);
    let whole = plan.each_split(|reads| response(reads, plan.config));
    if let Some(event) = plan.event {
        let whole = (whole.0.as_ref())
            .map(|view| view.as_ref().map(|(status, _)| *status == 101))
            .map_err(|error| *error);
        interrupted(started(plan.config).0, &plan.pieces(), event, whole);
    }
    if let Some(head) = Head::split(&plan.stream, plan.config) {
        head.check_response(plan.config, &whole.0);
    }
}

struct Plan {
    config: Config,
    sizes: Vec<u8>,
    /// Something happens behind so many of the pieces.
    event: Option<(usize, Event)>,
    stream: Vec<u8>,
}

/// The pieces in which a stream arrives, and the least room of each read.
struct Reads<'a>(&'a [&'a [u8]], usize);

impl Plan {
    /// The first byte tells whether the input follows `start`, how many of the bytes after the
    /// configuration are sizes of reads, and what happens between two of these reads.
    fn new(data: &[u8], start: &str) -> Self {
        let mut script = Script(data);
        let first = script.byte();
        let config = script.config();
        let sizes = script.bytes(usize::from(first % 8)).to_vec();
        let start = if first & 0x80 == 0 { start } else { "" };
        let stream = [start.as_bytes(), script.0].concat();
        let events = [
            None,
            Some(Event::End),
            Some(Event::Early),
            Some(Event::Late),
        ];
        let event = events[usize::from(first >> 3 & 3)];
        Self {
            config,
            sizes,
            event: event.map(|event| (usize::from(first >> 5 & 3), event)),
            stream,
        }
    }

    /// Calls `run` with all bytes at once, with single bytes, and with pieces of the given sizes. The
    /// result must be the same.
    fn each_split<T: PartialEq + core::fmt::Debug>(&self, run: impl Fn(Reads<'_>) -> T) -> T {
        let whole = run(Reads(&[&self.stream], 0));
        let single: Vec<_> = self.stream.chunks(1).collect();
        // Reads for which the memory is documented.
        let room = self.config.max_head_size.min(16 << 10);
        assert_eq!(run(Reads(&single, room)), whole);
        assert_eq!(run(Reads(&self.pieces(), 0)), whole);
        whole
    }

    fn pieces(&self) -> Vec<&[u8]> {
        let (mut pieces, mut rest) = (Vec::new(), &self.stream[..]);
        for size in self.sizes.iter().chain([&255]).cycle() {
            let (piece, left) = rest.split_at((usize::from(*size) + 1).min(rest.len()));
            if piece.is_empty() {
                break;
            }
            pieces.push(piece);
            rest = left;
        }
        pieces
    }
}

/// The result, and the bytes that were written or left.
type Seen<T, E> = (Result<Option<T>, E>, Vec<u8>);

impl Reads<'_> {
    /// Receives the pieces until `next` returns true. Asserts that the work and the memory are those of
    /// a head. Returns what is left.
    fn receive(
        &self,
        config: Config,
        mut next: impl FnMut(&mut Budget, &mut RecvBuf) -> bool,
    ) -> Vec<u8> {
        let (mut input, mut rest) = (RecvBuf::new(), self.0.iter());
        let mut budget = Budget::new(Limits::head(&config));
        for piece in rest.by_ref() {
            let room = piece.len().max(self.1);
            budget.reads(&mut input, piece.len(), room, |input| {
                input.spare(room)[..piece.len()].copy_from_slice(piece);
                input.filled(piece.len());
            });
            let done = next(&mut budget, &mut input);
            budget.check_head(&input);
            if done {
                break;
            }
        }
        budget.check_work(meter::HANDSHAKE);
        let rest = rest.flat_map(|piece| *piece);
        input.unread().iter().chain(rest).copied().collect()
    }
}

fn request(reads: Reads<'_>, config: Config) -> Seen<String, RequestError> {
    let mut out = BytesMut::new();
    let mut handshake = server::Handshake::new(config, Origins::SameOrigin);
    let mut outcome = Ok(None);
    let left = reads.receive(config, |budget, input| {
        match budget.call(|| handshake.next(input, &mut out)) {
            Ok(None) => assert!(out.is_empty()),
            Ok(Some((request, pending))) => {
                assert!(request.path().starts_with('/'));
                let view = format!(
                    "{request:?} {:?} {:?} {:?} {:?}",
                    request.query(),
                    request.subprotocols().collect::<Vec<_>>(),
                    request.extensions().collect::<Vec<_>>(),
                    request.headers().collect::<Vec<_>>(),
                );
                let accept = request.subprotocols().last().map(str::to_owned);
                let accept = accept
                    .as_deref()
                    .map_or(Accept::new(), |name| Accept::new().subprotocol(name));
                let ws = pending
                    .accept(accept, &mut out)
                    .expect("an offered subprotocol");
                assert!(out.starts_with(b"HTTP/1.1 101 "));
                assert_eq!(ws.deflate().is_some(), find(&out, b"permessage-deflate"));
                outcome = Ok(Some(view));
            }
            Err(error) => {
                let status = format!("HTTP/1.1 {} ", error.status().expect("the stream goes on"));
                assert!(out.starts_with(status.as_bytes()));
                let before = out.len();
                assert_eq!(handshake.next(input, &mut out).err(), Some(error));
                let late = handshake.handle_timeout(Duration::MAX, &mut out);
                assert_eq!((late, out.len()), (Err(error), before));
                outcome = Err(error);
            }
        }
        outcome != Ok(None)
    });
    let left = match outcome {
        Ok(Some(_)) => left,
        _ => Vec::new(),
    };
    (outcome, [&out[..], &left].concat())
}

fn find(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn started(config: Config) -> (client::Handshake, BytesMut) {
    let mut out = BytesMut::new();
    let request = client_request();
    let handshake = client::Handshake::start(&request, Seed::from([7; 32]), config, &mut out);
    (handshake.expect("a request"), out)
}

/// The seed is fixed, so the key is.
fn accept_key() -> String {
    let (_, out) = started(Config::new());
    let text = String::from_utf8(out.to_vec()).expect("ASCII");
    let key = text
        .split("Sec-WebSocket-Key: ")
        .nth(1)
        .and_then(|rest| rest.get(..24));
    let accept = handshake::accept_key(key.expect("a key").as_bytes());
    String::from_utf8(accept.to_vec()).expect("ASCII")
}

fn response(reads: Reads<'_>, config: Config) -> Seen<(u16, String), ResponseError> {
    let (mut handshake, _) = started(config);
    let (mut outcome, mut body) = (Ok(None), None);
    let left = reads.receive(config, |budget, input| {
        match budget.call(|| handshake.next(input)) {
            Ok(None) => {}
            Ok(Some(Outcome::Accepted(_, response))) => {
                let headers = response.headers().collect::<Vec<_>>();
                outcome = Ok(Some((101, format!("{response:?} {headers:?}"))));
            }
            Ok(Some(Outcome::Refused(response))) => {
                let headers = response.headers().collect::<Vec<_>>();
                let view = format!("{:?} {headers:?}", response.reason());
                outcome = Ok(Some((response.status(), view)));
                body = Some(response.body().to_vec());
            }
            Err(error) => {
                assert_eq!(handshake.next(input).err(), Some(error));
                assert_eq!(handshake.handle_timeout(Duration::MAX), Err(error));
                outcome = Err(error);
            }
        }
        // More of the body can follow.
        outcome != Ok(None) && body.is_none()
    });
    let left = match outcome {
        Ok(Some(_)) => body.unwrap_or(left),
        _ => Vec::new(),
    };
    (outcome, left)
}
