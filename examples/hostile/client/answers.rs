//! Responses to the handshake: wrong ones, and unusual ones that a client accepts.
use std::time::Duration;

use crate::attack::{Attack, Part, Want};
use crate::frames::{PING, Side};
use crate::http::{ACCEPT, Lines};
use crate::tables::garbage;
use crate::verdict::PROBE;

/// RFC 6455 §4.1: the client fails the connection.
const RULE: &str = "RFC 6455 §4.1";
const FIELDS: usize = 1 << 17;

pub fn attacks() -> Vec<Attack> {
    let mut rows = vec![row("correct", RULE, goes_on(), Lines::response())];
    wrong(&mut rows);
    offers(&mut rows);
    syntax(&mut rows);
    unusual(&mut rows);
    large(&mut rows);
    rows
}

fn row(name: &str, rule: &'static str, want: Want, head: impl Into<Vec<u8>>) -> Attack {
    Attack::new(format!("response/{name}"), rule, want).head(head)
}

/// A response that the client must not accept.
fn bad(name: &str, head: impl Into<Vec<u8>>) -> Attack {
    row(name, RULE, Want::NotOpened, head)
}

/// The client answers pings.
fn goes_on() -> Want {
    Want::Served(Vec::new())
}

#[rustfmt::skip]
fn wrong(rows: &mut Vec<Attack>) {
    let right = Lines::response;
    let accept = "Sec-WebSocket-Accept";
    // Without a length, the end of the stream would be the end of the body.
    let status = |line: &str| right().line(|_| line.into()).with("Content-Length: 0");
    let hello = Side::Server.frame(PING, PROBE).bytes();
    let early = [
        &Vec::from(right().set(accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="))[..],
        &hello,
    ]
    .concat();
    rows.extend([
        bad("no-accept", right().without(accept)),
        bad("other-accept", right().set(accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        bad("other-accept-and-frame", early),
        bad("empty-accept", right().set(accept, "")),
        bad("accept-padded", right().set(accept, &format!("{ACCEPT}="))),
        bad("accept-with-a-tail", right().set(accept, &format!("{ACCEPT}, {ACCEPT}"))),
        bad("accept-cut", right().set(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo")),
        bad("accept-twice", right().with(format!("{accept}: {ACCEPT}"))),
        bad("accept-quoted", right().set(accept, &format!("\"{ACCEPT}\""))),
        bad("no-upgrade", right().without("Upgrade")),
        bad("other-upgrade", right().set("Upgrade", "h2c")),
        bad("two-upgrades", right().set("Upgrade", "websocket, h2c")).lenient(),
        bad("no-connection", right().without("Connection")),
        bad("connection-close", right().set("Connection", "close")),
        bad("status-100", status("HTTP/1.1 100 Continue")),
        bad("status-200", status("HTTP/1.1 200 OK")),
        bad("status-204", status("HTTP/1.1 204 No Content")),
        bad("status-301", status("HTTP/1.1 301 Moved")),
        bad("status-400", status("HTTP/1.1 400 Bad Request")),
        bad("status-426", status("HTTP/1.1 426 Upgrade Required").with("Sec-WebSocket-Version: 8")),
        bad("status-503", status("HTTP/1.1 503 Service Unavailable")),
        bad("status-1010", status("HTTP/1.1 1010 Switching")),
        bad("status-10", status("HTTP/1.1 10 Switching")),
        bad("status-plus-101", status("HTTP/1.1 +101 Switching")),
        bad("http-1.0", status("HTTP/1.0 101 Switching Protocols")),
        bad("http-2.0", status("HTTP/2.0 101 Switching Protocols")),
        bad("http-0.9", status("Hello")),
        bad("subprotocol", right().with("Sec-WebSocket-Protocol: never-offered")),
        bad("empty-subprotocol", right().with("Sec-WebSocket-Protocol:")).lenient(),
        bad("extension", right().with("Sec-WebSocket-Extensions: never-offered")),
    ]);
}

/// Answers to offers of compression, also to clients that offer none (RFC 7692 §7.1).
#[rustfmt::skip]
fn offers(rows: &mut Vec<Attack>) {
    for (name, parameters) in [
        ("server-window-7", "server_max_window_bits=7"),
        ("server-window-16", "server_max_window_bits=16"),
        ("server-window-empty", "server_max_window_bits="),
        ("server-window-plus-9", "server_max_window_bits=+9"),
        ("server-window-09", "server_max_window_bits=09"),
        ("server-window-1e1", "server_max_window_bits=1e1"),
        (
            "server-window-9999999999",
            "server_max_window_bits=9999999999",
        ),
        ("server-window-without-value", "server_max_window_bits"),
        (
            "server-window-twice",
            "server_max_window_bits=10; server_max_window_bits=10",
        ),
        ("client-window-7", "client_max_window_bits=7"),
        ("client-window-16", "client_max_window_bits=16"),
        ("client-window-without-value", "client_max_window_bits"),
        ("takeover-with-value", "server_no_context_takeover=1"),
        (
            "takeover-twice",
            "client_no_context_takeover; client_no_context_takeover",
        ),
        ("unknown-parameter", "unknown"),
    ] {
        let field = format!("Sec-WebSocket-Extensions: permessage-deflate; {parameters}");
        let rule = "RFC 7692 §7.1";
        let name = format!("deflate-{name}");
        rows.push(row(&name, rule, Want::NotOpened, Lines::response().with(field)));
    }
    let twice = "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate";
    rows.push(row("deflate-twice", "RFC 7692 §5", Want::NotOpened, Lines::response().with(twice)));
}

/// What RFC 9112 says of the syntax. Clients may accept more than servers.
#[rustfmt::skip]
fn syntax(rows: &mut Vec<Attack>) {
    let right = Lines::response;
    let bytes = |line: &[u8]| {
        let mut head: Vec<u8> = right().into();
        head.truncate(head.len() - 2);
        [&head[..], line, b"\r\n\r\n"].concat()
    };
    rows.extend([
        bad("bare-lf", right().ending("\n")).lenient(),
        bad("bare-cr", bytes(b"X-Name: a\rb")).lenient(),
        bad("obs-fold", bytes(b"X-Name: a\r\n b")).lenient(),
        bad("space-before-colon", bytes(b"X-Name : a")).lenient(),
        bad("no-colon", bytes(b"X-Name")).lenient(),
        bad("nul-in-value", bytes(b"X-Name: a\0b")).lenient(),
        bad("garbage", garbage(4096)),
        bad("nothing", Vec::new()).ends(),
        bad("half", &b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs"[..]).ends(),
        bad("tls-alert", *b"\x15\x03\x01\x00\x02\x02\x46").ends(),
    ]);
}

/// Legal responses.
#[rustfmt::skip]
fn unusual(rows: &mut Vec<Attack>) {
    let right = Lines::response;
    let frame = Side::Server.frame(PING, "early").bytes();
    let early = [&Vec::from(right())[..], &frame].concat();
    let mut lower = right();
    for line in &mut lower.lines {
        let (name, value) = line.split_once(':').expect("a field");
        *line = format!("{}:{value}", name.to_lowercase());
    }
    rows.extend([
        row("frame-with-head", RULE, goes_on(), early),
        row("bytewise", RULE, goes_on(), Vec::new())
            .head_parts(vec![Part::Bytewise(right().into())]),
        // Whatever its fields say, a 101 has no body (RFC 9112 §6.3).
        row("content-length", "RFC 9112 §6.3", goes_on(), right().with("Content-Length: 5")).lenient(),
        row("chunked", "RFC 9112 §6.3", goes_on(), right().with("Transfer-Encoding: chunked")).lenient(),
        row("names-in-lower-case", "RFC 9110 §5.1", goes_on(), lower),
        row("upgrade-in-capitals", RULE, goes_on(), right().set("Upgrade", "WebSocket")),
        row("connection-list", RULE, goes_on(), right().set("Connection", "keep-alive, upgrade")),
        row("no-reason", "RFC 9112 §4", goes_on(), right().line(|_| "HTTP/1.1 101 ".into())).lenient(),
        row("http-1.2", "RFC 9110 §2.5", goes_on(), right().line(|_| "HTTP/1.2 101 Switching".into())).lenient(),
        row("empty-list-elements", "RFC 9110 §5.6.1", goes_on(), right().set("Upgrade", "websocket,")).lenient(),
    ]);
}

#[rustfmt::skip]
fn large(rows: &mut Vec<Attack>) {
    let field = b"X-Name: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n".to_vec();
    let start: Vec<u8> = Lines::response().into();
    let start = start[..start.len() - 2].to_vec();
    let long = |len: usize| Lines::response().with(format!("X-Name: {}", "a".repeat(len)));
    let many = (0..1000).fold(Lines::response(), |it, n| it.with(format!("X-{n}: {n}")));
    let endless = |name, parts| bad(name, Vec::new()).head_parts(parts);
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    rows.extend([
        bad("1000-fields", many).lenient(),
        bad("1-MiB-field", long(1 << 20)).lenient(),
        endless("endless-fields", vec![Part::Bytes(start), Part::Repeat(field, FIELDS)]),
        endless("endless-line", vec![Part::Repeat(b"a".into(), 8 << 20)]),
        endless("endless-body", vec![Part::Bytes(refusal), Part::Repeat(vec![b'a'; 1 << 10], 8 << 10)]),
    ]);
}

/// What takes longer than a client should wait. Only with `--patience`.
pub fn slow() -> Vec<Attack> {
    let row = |name: &str| Attack::new(format!("slow/{name}"), "half-open peers", Want::Ended);
    let second = Duration::from_secs(1);
    vec![
        row("no-response").head_parts(Vec::new()),
        row("response").head_parts(vec![Part::Drip(
            b"HTTP/1.1 101 a".into(),
            b"a".into(),
            second,
        )]),
        row("no-pong"),
        row("never-ends-tcp").sends(Side::Client.frame(PING, "masked")),
    ]
}

impl Attack {
    /// The stream ends behind the head.
    fn ends(mut self) -> Self {
        if let crate::attack::Head::Raw(parts) = &mut self.head {
            parts.push(Part::Shutdown);
        }
        self
    }
}
