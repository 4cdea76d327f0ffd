//! Requests: heads that a server refuses, and unusual ones that it accepts.
use super::Server;
use crate::attack::{Attack, Part, Want};
use crate::frames::{Side, TEXT};
use crate::http::Lines;
use crate::tables::{garbage, served};

const BAD: Want = Want::Refused(&[400]);
const VERSION: Want = Want::Refused(&[400, 426]);
const TOO_LARGE: Want = Want::Refused(&[400, 414, 431]);
const FRAMING: &str = "RFC 9112 §6.3";

pub fn attacks(server: &Server) -> Vec<Attack> {
    let request = || Lines::request(&server.host, &server.path);
    let mut rows = Vec::new();
    wrong(request, &mut rows);
    syntax(request, &mut rows);
    bodies(request, &mut rows);
    unusual(request, &mut rows);
    large(request, &mut rows);
    offers(request, &mut rows);
    if server.same_origin {
        origins(server, request, &mut rows);
    }
    rows
}

/// A row of this group, whose head is the attack.
fn row(name: &str, rule: &'static str, want: Want, head: impl Into<Vec<u8>>) -> Attack {
    Attack::new(format!("head/{name}"), rule, want).head(head)
}

/// What RFC 6455 §4.2.1 says of the request.
#[rustfmt::skip]
fn wrong(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let key = "Sec-WebSocket-Key";
    let version = "Sec-WebSocket-Version";
    let again = |name: &str, value: &str| request().with(format!("{name}: {value}"));
    let rule = "RFC 6455 §4.2.1";
    let host = "RFC 9112 §3.2";
    rows.extend([
        row("no-host", host, BAD, request().without("Host")),
        row("two-hosts", host, BAD, again("Host", "other.example")),
        row("no-upgrade", rule, Want::Refused(&[400, 426]), request().without("Upgrade")),
        row("other-upgrade", rule, Want::Refused(&[400, 426]), request().set("Upgrade", "h2c")),
        row("no-connection", rule, Want::Refused(&[400, 426]), request().without("Connection")),
        row("connection-close", rule, Want::Refused(&[400, 426]), request().set("Connection", "close")),
        row("no-key", rule, BAD, request().without(key)),
        row("two-keys", rule, BAD, again(key, "AQIDBAUGBwgJCgsMDQ4PEA==")),
        row("empty-key", rule, BAD, request().set(key, "")),
        row("key-of-15-bytes", rule, BAD, request().set(key, "AQIDBAUGBwgJCgsMDQ4P")),
        row("key-of-17-bytes", rule, BAD, request().set(key, "AQIDBAUGBwgJCgsMDQ4PEBE=")),
        row("key-not-base64", rule, BAD, request().set(key, "AQIDBAUGBwgJCgsMDQ4P!===")),
        row("no-version", rule, VERSION, request().without(version)),
        row("version-8", "RFC 6455 §4.4", VERSION, request().set(version, "8")),
        row("version-99", "RFC 6455 §4.4", VERSION, request().set(version, "99")),
        row("version-013", "RFC 6455 §4.1", VERSION, request().set(version, "013")),
        row("two-versions", "aiohttp CVE-2026-69243", VERSION, again(version, "8")),
        row("post", rule, Want::Refused(&[400, 405]), request().line(|it| it.replace("GET", "POST"))),
        row("http-1.0", rule, Want::Refused(&[400, 426, 505]), request().line(|it| it.replace("1.1", "1.0"))),
        row("http-2.0", rule, Want::Refused(&[400, 426, 505]), request().line(|it| it.replace("1.1", "2.0"))),
        row(
            "head-has-no-body",
            "RFC 9110 §9.3.2",
            Want::RefusedWithoutBody(&[200, 400, 404, 405, 426]),
            request().line(|it| it.replace("GET", "HEAD")),
        ),
    ]);
}

/// What RFC 9112 says of the syntax.
#[rustfmt::skip]
fn syntax(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let bytes = |line: &[u8]| {
        let mut head: Vec<u8> = request().into();
        head.truncate(head.len() - 2);
        [&head[..], line, b"\r\n\r\n"].concat()
    };
    let colon = request().with("X-Name : value");
    rows.extend([
        row("bare-lf", "RFC 9112 §2.2", BAD, request().ending("\n")).lenient(),
        row("bare-cr", "RFC 9112 §2.2", BAD, bytes(b"X-Name: a\rb")).lenient(),
        row("obs-fold", "RFC 9112 §5.2", BAD, bytes(b"X-Name: a\r\n b")).lenient(),
        row("space-before-colon", "RFC 9112 §5.1", BAD, colon),
        row("empty-name", "RFC 9110 §5.1", BAD, request().with(": value")),
        row("no-colon", "RFC 9112 §5", BAD, request().with("X-Name")),
        row("name-is-no-token", "RFC 9110 §5.1", BAD, request().with("X(Name): value")),
        row("nul-in-value", "RFC 9110 §5.5", BAD, bytes(b"X-Name: a\0b")).lenient(),
        row("space-in-target", "RFC 9112 §3.2", BAD, request().line(|it| it.replacen(" HTTP", "x y HTTP", 1))),
        row("nul-in-target", "RFC 9112 §3.2", BAD, request().line(|it| it.replacen(" HTTP", "\0 HTTP", 1))),
        row("no-target", "RFC 9112 §3", BAD, request().line(|_| "GET HTTP/1.1".into())),
        row("space-before-fields", "RFC 9112 §2.2", BAD, request().line(|it| format!("{it}\r\n X-Name: value"))),
        row("garbage", "RFC 9112 §2.2", BAD, garbage(4096)),
        row("tls-hello", "RFC 9112 §2.2", BAD, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".repeat(4)),
        row("http2-preface", "RFC 9113 §3.4", Want::Survived, *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        row("nothing", "health checks", Want::Survived, []).part_of_head(Part::Shutdown),
        row("half", "RFC 9112 §8", Want::Survived, &b"GET / HTTP/1.1\r\nHost: a"[..]).part_of_head(Part::Shutdown),
    ]);
}

/// A body could be read as frames by one side only.
#[rustfmt::skip]
fn bodies(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let smuggling = "Netty GHSA-4mp9-239f-g9hg";
    let refused = Want::Refused(&[400, 411, 413, 501]);
    let head = |lines: &[&str]| lines.iter().fold(request(), |it, line| it.with(*line));
    let body = |lines: &[&str], body: &str| [&Vec::from(head(lines))[..], body.as_bytes()].concat();
    rows.extend([
        row("content-length", smuggling, refused.clone(), body(&["Content-Length: 5"], "Hello")).lenient(),
        row("chunked", smuggling, refused.clone(), body(&["Transfer-Encoding: chunked"], "0\r\n\r\n")).lenient(),
        row(
            "length-and-chunked",
            FRAMING,
            refused,
            body(
                &["Content-Length: 5", "Transfer-Encoding: chunked"],
                "0\r\n\r\n",
            ),
        )
        .lenient(),
        row("two-lengths", FRAMING, BAD, body(&["Content-Length: 5", "Content-Length: 6"], "")),
        row("length-plus-5", FRAMING, BAD, body(&["Content-Length: +5"], "")),
        row(
            "length-overflows",
            FRAMING,
            Want::Refused(&[400, 413]),
            body(&["Content-Length: 99999999999999999999"], ""),
        ),
        row(
            "chunked-then-gzip",
            FRAMING,
            Want::Refused(&[400, 501]),
            body(&["Transfer-Encoding: chunked, gzip"], ""),
        ),
    ]);
}

/// Legal requests. A server that refuses them loses users.
#[rustfmt::skip]
fn unusual(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let frame = Side::Client.frame(TEXT, "early").bytes();
    let early = [&Vec::from(request())[..], &frame].concat();
    let mut lower = request();
    for line in &mut lower.lines {
        let (name, value) = line.split_once(':').expect("a field");
        *line = format!("{}:{value}", name.to_lowercase());
    }
    let plain = || served(&[]);
    rows.extend([
        // A client must wait for the response. Not all servers can tell that it has not.
        row("first-frame-with-head", "RFC 6455 §4.1", Want::Survived, early),
        row("upgrade-in-capitals", "RFC 6455 §4.2.1", plain(), request().set("Upgrade", "WebSocket")),
        row("keep-alive-too", "RFC 6455 §4.2.1", plain(), request().set("Connection", "keep-alive, Upgrade")),
        row("names-in-lower-case", "RFC 9110 §5.1", plain(), lower),
        row("http-1.2", "RFC 9110 §2.5", plain(), request().line(|it| it.replace("1.1", "1.2"))).lenient(),
        row("empty-list-elements", "RFC 9110 §5.6.1", plain(), request().set("Upgrade", ", websocket,")).lenient(),
        row("two-upgrades", "RFC 9110 §5.3", Want::Survived, request().with("Upgrade: websocket")),
        row("content-length-00", "RFC 9110 §8.6", plain(), request().with("Content-Length: 00")).lenient(),
        row("content-length-twice-0", "RFC 9110 §8.6", plain(), request().with("Content-Length: 0, 0")).lenient(),
        row("content-length-0", "RFC 9112 §6", plain(), request().with("Content-Length: 0")),
        row("subprotocol", "RFC 6455 §4.2.2", plain(), request().with("Sec-WebSocket-Protocol: unknown")).lenient(),
        row("extension", "RFC 6455 §9.1", Want::Declined, request().with("Sec-WebSocket-Extensions: unknown; a=1")),
        row("bytewise", "tungstenite CVE-2023-43669", plain(), [])
            .head_parts(vec![Part::Bytewise(request().into())]),
    ]);
}

/// Heads near and above the limits of servers: refused or accepted, but in linear time.
#[rustfmt::skip]
fn large(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let fields = |count: usize| (0..count).fold(request(), |it, n| it.with(format!("X-{n}: {n}")));
    let mut open: Vec<u8> = request().into();
    open.truncate(open.len() - 2); // without the empty line
    let endless = vec![
        Part::Bytes(open),
        Part::Repeat(
            b"X-Name: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n".into(),
            1 << 17,
        ),
    ];
    let line = vec![
        Part::Bytes(b"GET /".into()),
        Part::Repeat(b"a".into(), 8 << 20),
    ];
    let spaces = format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(14_000));
    let quotes = format!(
        "Sec-WebSocket-Extensions: permessage-deflate; a=\"{}",
        "\\\"".repeat(7_000)
    );
    let commas = format!("Sec-WebSocket-Extensions: {}", "a,".repeat(7_000));
    let redos = "ws CVE-2021-32640";
    let long = |len: usize| request().with(format!("X-Name: {}", "a".repeat(len)));
    let mut slow: Vec<u8> = long(15 << 10).into();
    slow.truncate(slow.len() - 2);
    rows.extend([
        row("129-fields", "ws CVE-2024-37890", Want::Survived, fields(129)),
        row("1000-fields", "ws CVE-2024-37890", TOO_LARGE, fields(1000)).lenient(),
        row("64-KiB-field", "RFC 6585 §5", TOO_LARGE, long(64 << 10)).lenient(),
        row("1-MiB-field", "RFC 6585 §5", TOO_LARGE, long(1 << 20)),
        row("endless-fields", "RFC 6585 §5", TOO_LARGE, []).head_parts(endless),
        row("endless-request-line", "RFC 9112 §3", TOO_LARGE, []).head_parts(line),
        row(
            "15-KiB-bytewise",
            "tungstenite CVE-2023-43669",
            Want::Survived,
            [],
        )
        .head_parts(vec![Part::Bytewise(slow), Part::Bytes(b"\r\n".into())]),
        row("spaces-in-subprotocol", redos, Want::Survived, request().with(spaces)),
        row("open-quotes", "faye CVE-2020-7662", Want::Survived, request().with(quotes)),
        row("7000-extensions", redos, Want::Survived, request().with(commas)),
    ]);
}

/// Offers of compression that a server must decline, and legal ones.
#[rustfmt::skip]
fn offers(request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    let field = "Sec-WebSocket-Extensions: permessage-deflate";
    let offer = |offer: &str| request().with(format!("{field}; {offer}"));
    for (name, wrong) in [
        ("window-7", "server_max_window_bits=7"),
        ("window-16", "server_max_window_bits=16"),
        ("window-plus-9", "server_max_window_bits=+9"),
        ("window-09", "server_max_window_bits=09"),
        ("window-1e1", "server_max_window_bits=1e1"),
        ("window-9999999999", "server_max_window_bits=9999999999"),
        ("window-without-value", "server_max_window_bits"),
        (
            "window-twice",
            "server_max_window_bits=10; server_max_window_bits=10",
        ),
        ("client-window-7", "client_max_window_bits=7"),
        ("client-window-16", "client_max_window_bits=16"),
        ("takeover-with-value", "server_no_context_takeover=1"),
        ("unknown-parameter", "unknown"),
    ] {
        let name = format!("offer-{name}");
        rows.push(row(&name, "RFC 7692 §7.1", Want::Declined, offer(wrong)));
    }
    // It breaks the grammar of the field (RFC 6455 §9.1).
    let empty = offer("server_max_window_bits=");
    rows.push(row("offer-window-empty", "RFC 6455 §9.1", BAD, empty).lenient());
    for (name, right) in [
        ("window-8", "server_max_window_bits=8"),
        ("quoted", "client_max_window_bits=\"10\""),
        ("spaces", "client_max_window_bits = 10"),
        ("second", "unknown, permessage-deflate"),
    ] {
        let name = format!("offer-{name}");
        rows.push(row(&name, "RFC 7692 §5", served(&[]), offer(right)).lenient());
    }
}

/// Cross-site hijacking (RFC 6455 §10.2).
#[rustfmt::skip]
fn origins(server: &Server, request: impl Fn() -> Lines, rows: &mut Vec<Attack>) {
    for (name, origin) in [
        ("other", "https://evil.example"),
        ("null", "null"),
        ("other-port", "http://127.0.0.1:1"),
        ("suffix", "https://127.0.0.1.evil.example"),
        ("credentials", "http://127.0.0.1@evil.example"),
        ("empty", ""),
    ] {
        let head = request().with(format!("Origin: {origin}"));
        let rule = "RFC 6455 §10.2";
        rows.push(row(&format!("origin-{name}"), rule, Want::Refused(&[400, 403]), head));
    }
    let same = request().with(format!("Origin: http://{}", server.host));
    // An attacker's name can lead to the address of the server (DNS rebinding).
    let rebound = request()
        .set("Host", "evil.example")
        .with("Origin: http://evil.example");
    rows.extend([
        row("origin-same", "RFC 6455 §10.2", served(&[]), same),
        row("origin-rebound", "RFC 6455 §10.2", Want::Refused(&[400, 403, 421]), rebound).lenient(),
    ]);
}

impl Attack {
    fn part_of_head(mut self, part: Part) -> Self {
        if let crate::attack::Head::Raw(parts) = &mut self.head {
            parts.push(part);
        }
        self
    }
}
