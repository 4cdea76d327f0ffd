//! The bodies for the handshakes of both roles, through every door: bytes, values, the types of the
//! crate `http`, and CONNECT.
//!
//! The input can follow a valid head without its end, so that it gets past the first rules.

use core::time::Duration;

use bytes::BytesMut;
use websocket_proto::{
    Config, RecvBuf, Seed,
    handshake::{
        self, Header,
        client::{self, Outcome, ResponseError},
        server::{self, Accept, Origins, RequestError},
        values::{self, Connect, Upgrade},
    },
    meter,
};

use crate::{budget::Budget, script::Script};

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// The key of the seed that is used here.
const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";

/// A server reads a request. The result does not depend on how the bytes are split, an error has
/// its response and is repeated, bytes after an accepted head are left for the connection, and values
/// give the same result as bytes.
pub fn server_handshake(data: &[u8]) {
    let plan = Plan::new(data, REQUEST);
    let run = |pieces: &[&[u8]]| request(pieces, plan.config);
    let whole = run(&[&plan.stream]);
    plan.each_split(|pieces| assert_eq!(run(pieces), whole));
    if let Some(head) = Head::split(&plan.stream, plan.config) {
        let error = whole.0.as_ref().err().copied();
        head.check_values(plan.config, error);
        head.check_http(plan.config);
        head.check_connect(plan.config);
    }
}

/// A client reads a response. The result does not depend on how the bytes are split, an error is
/// repeated, and values give the same result as bytes.
pub fn client_handshake(data: &[u8]) {
    let start = [ACCEPT, &accept_key(), "\r\n"].concat();
    let plan = Plan::new(data, &start);
    let run = |pieces: &[&[u8]]| response(pieces, plan.config);
    let whole = run(&[&plan.stream]);
    plan.each_split(|pieces| assert_eq!(run(pieces), whole));
    if let Some(head) = Head::split(&plan.stream, plan.config) {
        head.check_response(plan.config, &whole.0);
    }
}

struct Plan {
    config: Config,
    sizes: Vec<u8>,
    stream: Vec<u8>,
}

impl Plan {
    /// The first byte tells whether the input follows `start`, and how many of the bytes after the
    /// configuration are sizes of reads.
    fn new(data: &[u8], start: &str) -> Self {
        let mut script = Script(data);
        let first = script.byte();
        let config = script.config();
        let sizes = script.bytes(usize::from(first % 8)).to_vec();
        let start = if first & 0x80 == 0 { start } else { "" };
        let stream = [start.as_bytes(), script.0].concat();
        Self {
            config,
            sizes,
            stream,
        }
    }

    /// Calls `run` with single bytes, and with pieces of the given sizes.
    fn each_split(&self, run: impl Fn(&[&[u8]])) {
        run(&self.stream.chunks(1).collect::<Vec<_>>());
        let (mut pieces, mut rest) = (Vec::new(), &self.stream[..]);
        for size in self.sizes.iter().chain([&255]).cycle() {
            let (piece, left) = rest.split_at((usize::from(*size) + 1).min(rest.len()));
            if piece.is_empty() {
                break;
            }
            pieces.push(piece);
            rest = left;
        }
        run(&pieces);
    }
}

/// The result, and the bytes that were written or left.
type Seen<T, E> = (Result<Option<T>, E>, Vec<u8>);

/// Receives a piece. Asserts that the work and the memory are those of a head.
fn fill(budget: &mut Budget, input: &mut RecvBuf, piece: &[u8]) {
    let len = piece.len();
    budget.reads(input, len, len, |input| input.extend_from_slice(piece));
}

fn check(budget: &Budget) {
    budget.check_work(meter::HANDSHAKE);
    // The offers of compression, of which each has 18 bytes or more, and of subprotocols; a response
    // or a connection.
    budget.check_memory(None, 2 * budget.received + 2048);
}

fn request(pieces: &[&[u8]], config: Config) -> Seen<String, RequestError> {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut budget = Budget::default();
    let mut handshake = server::Handshake::new(config, Origins::SameOrigin);
    let mut outcome = Ok(None);
    for piece in pieces {
        fill(&mut budget, &mut input, piece);
        if outcome != Ok(None) {
            continue;
        }
        match budget.call(|| handshake.next(&mut input, &mut out)) {
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
                assert_eq!(handshake.next(&mut input, &mut out).err(), Some(error));
                let late = handshake.handle_timeout(Duration::MAX, &mut out);
                assert_eq!((late, out.len()), (Err(error), before));
                outcome = Err(error);
            }
        }
    }
    check(&budget);
    let left = match out.starts_with(b"HTTP/1.1 101 ") {
        true => input.unread(),
        false => b"",
    };
    (outcome, [&out[..], left].concat())
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

fn client_request() -> client::Request<'static> {
    client::Request::new("ws://example.com/")
        .expect("a URL")
        .subprotocol("chat")
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

fn response(pieces: &[&[u8]], config: Config) -> Seen<(u16, String), ResponseError> {
    let (mut handshake, _) = started(config);
    let mut input = RecvBuf::new();
    let mut budget = Budget::default();
    let mut outcome = Ok(None);
    let (mut rest, mut open) = (Vec::new(), false);
    for piece in pieces {
        fill(&mut budget, &mut input, piece);
        if open {
            continue;
        }
        match budget.call(|| handshake.next(&mut input)) {
            Ok(None) => {}
            Ok(Some(Outcome::Accepted(_, response))) => {
                let headers = response.headers().collect::<Vec<_>>();
                outcome = Ok(Some((101, format!("{response:?} {headers:?}"))));
                open = true;
            }
            Ok(Some(Outcome::Refused(response))) => {
                let headers = response.headers().collect::<Vec<_>>();
                let view = format!("{:?} {headers:?}", response.reason());
                outcome = Ok(Some((response.status(), view)));
                rest = response.body().to_vec();
            }
            Err(error) => {
                assert_eq!(handshake.next(&mut input).err(), Some(error));
                assert_eq!(handshake.handle_timeout(Duration::MAX), Err(error));
                outcome = Err(error);
            }
        }
    }
    check(&budget);
    if open {
        rest = input.unread().to_vec();
    }
    (outcome, rest)
}

/// A whole head as text, split in the simplest way.
struct Head<'h> {
    start: [&'h str; 3],
    fields: Vec<(&'h str, &'h str)>,
}

impl<'h> Head<'h> {
    /// `None` if the head is not complete, within the limits, and text.
    fn split(stream: &'h [u8], config: Config) -> Option<Self> {
        let text = core::str::from_utf8(stream).ok()?;
        let (head, _) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut parts = lines.next()?.splitn(3, ' ');
        let start = [parts.next()?, parts.next()?, parts.next()?];
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.trim_matches([' ', '\t'])))
        });
        let fields = fields.collect::<Option<Vec<_>>>()?;
        // Values count as if a space was between each name and its value.
        let fields_len = fields
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4);
        let values_len = text.find("\r\n")? + 4 + fields_len.sum::<usize>();
        let is_within = values_len.max(head.len() + 4) <= config.max_head_size
            && fields.len() <= config.max_headers.min(128);
        is_within.then_some(Self { start, fields })
    }

    fn headers(&self) -> impl Iterator<Item = Header<'h>> {
        self.fields.iter().map(|&(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
    }

    fn version(text: &str) -> Option<(u8, u8)> {
        match text.strip_prefix("HTTP/")?.as_bytes() {
            [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
            _ => None,
        }
    }

    /// The values give the same verdict as the bytes, but for the syntax that only bytes have.
    fn check_values(&self, config: Config, error: Option<RequestError>) {
        let [method, target, version] = self.start;
        let Some(version) = Self::version(version) else {
            return;
        };
        let upgrade = Upgrade {
            method,
            target,
            version,
        };
        let result = upgrade.check(self.headers(), &Origins::SameOrigin, config);
        let refused = result.as_ref().err().map(|refusal| refusal.error());
        if !matches!(error, Some(RequestError::Http(_))) {
            assert_eq!(refused, error);
        }
        match result {
            Ok(pending) => {
                let (_, response) = pending.accept(Accept::new()).expect("nothing to refuse");
                assert_eq!(response.status(), 101);
            }
            Err(refusal) => assert!(refusal.response().status() >= 400),
        }
    }

    /// The types of the crate `http` give the same verdict, if they can hold the head.
    fn check_http(&self, config: Config) {
        let [method, target, _] = self.start;
        let mut builder = http::Request::builder().method(method).uri(target);
        for (name, value) in &self.fields {
            builder = builder.header(*name, *value);
        }
        let Ok(request) = builder.body(()) else {
            return;
        };
        let origins = Origins::SameOrigin;
        let result = handshake::http::check(&request, None, &origins, config);
        // `http` normalises the target.
        let uri = request.uri().to_string();
        if uri == target {
            let (method, version) = (request.method().as_str(), (1, 1));
            let upgrade = Upgrade {
                method,
                target,
                version,
            };
            let values = upgrade.check(self.headers(), &origins, config);
            assert_eq!(result.is_ok(), values.is_ok());
        }
    }

    /// The same fields with pseudo-header fields in front.
    fn check_connect(&self, config: Config) {
        let [method, target, _] = self.start;
        let field = |name: &str| {
            let mut fields = self.fields.iter();
            fields.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(*value))
        };
        let fields = self.fields.iter().filter(|(name, _)| {
            let names = [
                "upgrade",
                "connection",
                "transfer-encoding",
                "sec-websocket-key",
            ];
            !names.contains(&name.to_ascii_lowercase().as_str())
        });
        let fields: Vec<_> = fields.copied().collect();
        for method in [method, "CONNECT"] {
            let connect = Connect {
                method,
                protocol: Some(field("Upgrade").unwrap_or("websocket")),
                scheme: Some(field("X").unwrap_or("https")),
                authority: field("Host"),
                path: Some(target),
            };
            let check = || {
                let headers = fields.iter().map(|&(name, value)| Header {
                    name,
                    value: value.as_bytes(),
                });
                connect.check(headers, &Origins::SameOrigin, config)
            };
            match check() {
                Ok(pending) => {
                    let (_, response) = pending.accept(Accept::new()).expect("it is valid");
                    assert_eq!((method, response.status()), ("CONNECT", 200));
                }
                Err(refusal) => {
                    assert_eq!(
                        check().err().map(|again| again.error()),
                        Some(refusal.error())
                    );
                    assert!(refusal.response().status() >= 400);
                }
            }
        }
    }

    /// The values of a response give the same verdict as its bytes.
    fn check_response(&self, config: Config, seen: &Result<Option<(u16, String)>, ResponseError>) {
        let [version, status, _] = self.start;
        let (Some(version), Ok(status)) = (Self::version(version), status.parse::<u16>()) else {
            return;
        };
        // An interim response is not the last one.
        if (100..200).contains(&status) && status != 101 {
            return;
        }
        let request = client_request();
        let upgrade = values::Handshake::upgrade(&request, Seed::from([7; 32]), config);
        let (handshake, sent) = upgrade.expect("a request");
        assert!(sent.fields().count() >= 4);
        let result = handshake.finish(version, status, self.headers());
        match (seen, result) {
            (Err(ResponseError::Http(_)), _) => {}
            (Err(error), result) => assert_eq!(Some(*error), result.err()),
            (Ok(Some((status, _))), result) => {
                assert_eq!(
                    result.expect("the bytes are valid").is_some(),
                    *status == 101
                );
            }
            (Ok(None), _) => unreachable!("the head is complete"),
        }
    }
}
