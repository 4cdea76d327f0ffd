//! The opening handshake of a server (RFC 6455 §4.2), as a function of bytes and instants.
//!
//! A number in the name of a test is a row of the list of what has broken WebSocket libraries.

use core::time::Duration;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::Index};
use websocket_proto::handshake::{
    HeadError, HttpError,
    server::{Accept, Handshake, Origins, Pending, Reject, RequestError},
};
use websocket_proto::{Config, RecvBuf};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

// --- what a peer sends -------------------------------------------------------------------------

/// A valid request with `edit` done to its lines.
fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    let mut lines: Vec<String> = vec![
        "GET /chat?room=7 HTTP/1.1".into(),
        "Host: example.com".into(),
        "Upgrade: websocket".into(),
        "Connection: Upgrade".into(),
        format!("Sec-WebSocket-Key: {KEY}"),
        "Sec-WebSocket-Version: 13".into(),
    ];
    edit(&mut lines);
    let mut request = lines.join("\r\n");
    request.push_str("\r\n\r\n");
    request.into_bytes()
}

/// A valid request with further lines.
fn with(further: &[&str]) -> Vec<u8> {
    edited(|lines| lines.extend(further.iter().map(|&line| line.into())))
}

/// A valid request whose line of this name is another, or is missing.
fn replaced(name: &str, line: Option<&str>) -> Vec<u8> {
    edited(|lines| {
        let at = lines.iter().position(|line| line.starts_with(name));
        let at = at.expect("there is such a line");
        match line {
            Some(line) => lines[at] = line.into(),
            None => drop(lines.remove(at)),
        }
    })
}

// --- what becomes of it ------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    result: Result<Option<String>, RequestError>,
    out: String,
    left: Vec<u8>,
}

fn outcome<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    config: Config,
    origins: Origins,
) -> Outcome {
    let mut opening = Handshake::new(config, origins);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut result = Ok(None);
    for chunk in chunks {
        input.extend_from_slice(chunk);
        if result != Ok(None) {
            continue;
        }
        match opening.next(&mut input, &mut out) {
            Ok(None) => {}
            Ok(Some((request, pending))) => {
                let headers: Vec<_> = request.headers().collect();
                let protocols: Vec<_> = request.subprotocols().collect();
                let extensions: Vec<_> = request.extensions().collect();
                let seen = format!("{request:?} {headers:?} {protocols:?} {extensions:?}");
                pending
                    .accept(Accept::new(), &mut out)
                    .expect("a plain 101");
                result = Ok(Some(seen));
            }
            Err(error) => {
                assert!(input.unread().is_empty(), "the input is dropped");
                result = Err(error);
            }
        }
    }
    if result.is_err() {
        assert_eq!(
            opening.next(&mut input, &mut out).err(),
            result.clone().err()
        );
    }
    Outcome {
        result,
        out: String::from_utf8(out.to_vec()).expect("heads are text"),
        left: input.unread().to_vec(),
    }
}

fn answer_to(request: &[u8]) -> Outcome {
    outcome([request], Config::new(), Origins::SameOrigin)
}

#[track_caller]
fn accepts(request: &[u8]) -> Outcome {
    let outcome = answer_to(request);
    assert!(
        matches!(outcome.result, Ok(Some(_))),
        "{:?}",
        outcome.result
    );
    assert!(
        outcome
            .out
            .starts_with("HTTP/1.1 101 Switching Protocols\r\n")
    );
    outcome
}

/// Asserts that a request is refused, with a response that is whole and says why.
#[track_caller]
fn refuses(request: &[u8], error: RequestError, status: u16) -> Outcome {
    let outcome = answer_to(request);
    assert_refused(&outcome, error, status);
    outcome
}

#[track_caller]
fn assert_refused(outcome: &Outcome, error: RequestError, status: u16) {
    assert_eq!(outcome.result, Err(error));
    assert_eq!(error.status(), Some(status));
    assert!(outcome.left.is_empty(), "it is dropped later on, too");
    let (head, body) = outcome.out.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("close"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    assert!(head.contains("Content-Type: text/plain"), "{head}");
    assert_eq!(body, format!("{error}\n"));
    assert!(body.contains("RFC "), "{body}");
}

/// The request of `request`, and the handshake it came through.
fn pending(request: &[u8]) -> Pending {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(request);
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let (_, pending) = opening.next(&mut input, &mut out).unwrap().unwrap();
    pending
}

// --- requests that are accepted ----------------------------------------------------------------

#[test]
fn the_request_of_rfc_6455_1_3() {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(
        b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
          Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
          Sec-WebSocket-Version: 13\r\nX: first\r\nX: second\r\n\r\n",
    );
    let origins = Origins::listed(["http://example.com"]).unwrap();
    let mut opening = Handshake::new(Config::new(), origins);
    let (request, pending) = opening.next(&mut input, &mut out).unwrap().unwrap();
    assert_eq!(request.path(), "/chat");
    assert_eq!(request.query(), None);
    assert_eq!(request.host(), "server.example.com");
    assert_eq!(request.origin(), Some("http://example.com"));
    assert_eq!(
        request.subprotocols().collect::<Vec<_>>(),
        ["chat", "superchat"]
    );
    assert_eq!(request.extensions().count(), 0);
    assert_eq!(request.headers().count(), 9);
    assert_eq!(request.header("x"), Some(&b"first"[..]));
    assert_eq!(request.header("y"), None);
    assert!(out.is_empty());

    pending
        .accept(Accept::new().subprotocol("chat"), &mut out)
        .unwrap();
    assert_eq!(
        out[..],
        *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
           Sec-WebSocket-Protocol: chat\r\n\r\n"
    );
}

#[test]
fn bytes_behind_the_head_are_left_for_the_connection() {
    let mut request = with(&[]);
    request.extend_from_slice(b"\x81\x85first frame");
    assert_eq!(accepts(&request).left, b"\x81\x85first frame");
}

#[test]
fn a_handshake_that_is_over_leaves_the_input_alone() {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&with(&[]));
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let (_, _pending) = opening.next(&mut input, &mut out).unwrap().unwrap();
    input.extend_from_slice(b"frames");
    assert!(opening.next(&mut input, &mut out).unwrap().is_none());
    assert_eq!(input.unread(), b"frames");
    opening.end_of_stream();
    assert!(opening.next(&mut input, &mut out).unwrap().is_none());
    assert_eq!(opening.deadline(Duration::ZERO), None);
    assert_eq!(opening.handle_timeout(Duration::MAX, &mut out), Ok(()));
    assert!(out.is_empty());
}

#[test]
fn a_decision_can_be_put_aside() {
    fn is_owned<T: Send + Sync + 'static>(_: &T) {}
    let pending = pending(&with(&[]));
    is_owned(&pending);
    pending
        .reject(Reject::new(404), &mut BytesMut::new())
        .unwrap();
}

#[test]
fn empty_lines_before_the_request_are_ignored() {
    let request = [b"\r\n\r\n".to_vec(), with(&[])].concat();
    let seen = accepts(&request).result.unwrap().unwrap();
    assert!(
        seen.contains("/chat?room=7") && seen.contains("Host"),
        "{seen}"
    );
}

#[test]
fn targets_in_all_forms() {
    let see = |target: &str, expected: (&str, Option<&str>, &str)| {
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let line = format!("GET {target} HTTP/1.1");
        input.extend_from_slice(&replaced("GET", Some(&line)));
        let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
        let (request, pending) = opening.next(&mut input, &mut out).unwrap().unwrap();
        let seen = (request.path(), request.query(), request.host());
        assert_eq!(seen, expected, "{target}");
        pending.accept(Accept::new(), &mut out).unwrap();
    };
    see("/", ("/", None, "example.com"));
    see("//a//b", ("//a//b", None, "example.com"));
    see("/a?", ("/a", Some(""), "example.com"));
    see("/a?b?c", ("/a", Some("b?c"), "example.com"));
    // As browsers send it.
    see("/a%20b?c[]=|^", ("/a%20b", Some("c[]=|^"), "example.com"));
    see("http://other:81/a?b", ("/a", Some("b"), "other:81"));
    see("WSS://[::1]", ("/", None, "[::1]"));
    see("https://other?b", ("/", Some("b"), "other"));

    for target in [
        "*",
        "example.com:443",
        "a/b",
        "/a#b",
        "ftp://example.com/",
        "http:///a",
        "http://user@example.com/",
        "/\u{e9}",
    ] {
        let line = format!("GET {target} HTTP/1.1");
        refuses(&replaced("GET", Some(&line)), RequestError::Target, 400);
    }
}

#[test]
fn extensions_over_several_lines() {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&with(&[
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, , x-a;q=\"\\b\"",
        "sec-websocket-extensions:\tx-c ; d = 1 ",
    ]));
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    // White space around `=` is not in the grammar.
    let error = opening.next(&mut input, &mut out).unwrap_err();
    assert_eq!(error, RequestError::Extensions);

    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&with(&[
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, , x-a;q=\"\\b\"",
        "sec-websocket-extensions:\tx-c ; d=1 ",
    ]));
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let (request, _pending) = opening.next(&mut input, &mut out).unwrap().unwrap();
    assert_eq!(
        request.extensions().collect::<Vec<_>>(),
        [
            "permessage-deflate; client_max_window_bits",
            "x-a;q=\"\\b\"",
            "x-c ; d=1"
        ]
    );
}

#[test]
fn malformed_extensions_are_refused() {
    for value in [
        ";",
        "a;",
        "a;;b",
        "a b",
        "a;b=",
        "a;=1",
        "a;b=\"\"",
        "a;b=\"",
        "a;b=\"c\"d",
        "a;b=\"c,d\"",
        "a;b=\"c\\\"",
        "a;b==c",
        "\"a\"",
        "a, b c",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        refuses(&with(&[&line]), RequestError::Extensions, 400);
        let lines = [&line, "Sec-WebSocket-Extensions: fine"];
        refuses(&with(&lines), RequestError::Extensions, 400);
    }
}

// --- every status ------------------------------------------------------------------------------

#[test]
fn status_400_for_what_is_malformed() {
    refuses(
        b"\x16\x03\x01",
        RequestError::Http(HttpError::FirstByte),
        400,
    );
    refuses(
        b" GET / HTTP/1.1",
        RequestError::Http(HttpError::FirstByte),
        400,
    );
    let start_lines = [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET /",
        "GET",
        "G@T / HTTP/1.1",
        "GET /\0 HTTP/1.1",
    ];
    for line in start_lines {
        let request = replaced("GET", Some(line));
        refuses(&request, RequestError::Http(HttpError::StartLine), 400);
    }
    refuses(&replaced("Connection", None), RequestError::Connection, 400);
    let line = Some("Connection: keep-alive, upgraded");
    refuses(&replaced("Connection", line), RequestError::Connection, 400);
}

#[test]
fn status_405_names_the_method_that_is_allowed() {
    for line in ["POST / HTTP/1.1", "get / HTTP/1.1", "CONNECT / HTTP/1.1"] {
        let outcome = refuses(&replaced("GET", Some(line)), RequestError::Method, 405);
        assert!(outcome.out.contains("\r\nAllow: GET\r\n"));
    }
}

#[test]
fn the_response_to_head_has_no_body() {
    let outcome = answer_to(&replaced("GET", Some("HEAD / HTTP/1.1")));
    assert_eq!(outcome.result, Err(RequestError::Method));
    assert!(outcome.out.starts_with("HTTP/1.1 405 "));
    assert!(outcome.out.ends_with("\r\n\r\n"));
    assert!(!outcome.out.contains("Content-Length: 0"));
}

#[test]
fn status_408_at_the_deadline() {
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let mut out = BytesMut::new();
    let start = Duration::from_secs(1000);
    assert_eq!(opening.handle_timeout(start, &mut out), Ok(()));
    let deadline = opening.deadline(start).unwrap();
    assert_eq!(deadline, start + Config::new().opening_timeout);
    let before = deadline - Duration::from_nanos(1);
    assert_eq!(opening.handle_timeout(before, &mut out), Ok(()));
    assert!(out.is_empty());

    assert_eq!(
        opening.handle_timeout(deadline, &mut out),
        Err(RequestError::Timeout)
    );
    let outcome = Outcome {
        result: Err(RequestError::Timeout),
        out: String::from_utf8(out.to_vec()).unwrap(),
        left: Vec::new(),
    };
    assert_refused(&outcome, RequestError::Timeout, 408);

    // It is repeated, but not written twice.
    let written = out.len();
    let mut input = RecvBuf::new();
    input.extend_from_slice(&with(&[]));
    assert_eq!(
        opening.next(&mut input, &mut out).unwrap_err(),
        RequestError::Timeout
    );
    assert_eq!(
        opening.handle_timeout(deadline, &mut out),
        Err(RequestError::Timeout)
    );
    opening.end_of_stream();
    let error = opening.next(&mut input, &mut out).unwrap_err();
    assert_eq!(error, RequestError::Timeout);
    assert_eq!(opening.deadline(deadline), None);
    assert_eq!((out.len(), input.unread()), (written, &b""[..]));
}

#[test]
fn a_timeout_beyond_all_instants_is_none() {
    let mut config = Config::new();
    config.opening_timeout = Duration::MAX;
    let mut opening = Handshake::new(config, Origins::SameOrigin);
    assert_eq!(opening.deadline(Duration::from_secs(1)), None);
    let result = opening.handle_timeout(Duration::MAX, &mut BytesMut::new());
    assert_eq!(result, Ok(()));
}

#[test]
fn status_426_says_what_is_spoken_here() {
    let upgrades = [None, Some("Upgrade: h2c"), Some("Upgrade: websocket2")];
    for line in upgrades {
        let outcome = refuses(&replaced("Upgrade", line), RequestError::Upgrade, 426);
        assert!(outcome.out.contains("\r\nUpgrade: websocket\r\n"));
    }
    let versions = ["", "8", "013", "13, 8", "+13"].map(|v| format!("Sec-WebSocket-Version: {v}"));
    for line in versions.iter().map(|line| Some(&line[..])).chain([None]) {
        let request = replaced("Sec-WebSocket-Version", line);
        let outcome = refuses(&request, RequestError::Version, 426);
        assert!(outcome.out.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

#[test]
fn status_505_for_another_version_of_http() {
    for version in ["1.0", "2.0", "1.2", "0.9", "3.0"] {
        let line = format!("GET / HTTP/{version}");
        refuses(
            &replaced("GET", Some(&line)),
            RequestError::HttpVersion,
            505,
        );
    }
    // The preface of HTTP/2.
    refuses(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        RequestError::HttpVersion,
        505,
    );
}

#[test]
fn no_response_when_the_stream_ends() {
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(b"GET / HT");
    assert!(opening.next(&mut input, &mut out).unwrap().is_none());
    opening.end_of_stream();
    assert_eq!(RequestError::EndOfStream.status(), None);
    let error = opening.next(&mut input, &mut out).unwrap_err();
    assert_eq!(error, RequestError::EndOfStream);
    assert!(out.is_empty() && input.unread().is_empty());
}

#[test]
fn the_first_rule_in_the_order_of_the_errors_is_reported() {
    let bad = [
        "P@T * HTTP/1.0",
        "Content-Length: 5",
        "Host: ?",
        "Upgrade: x",
        "Connection: x",
        "Sec-WebSocket-Version: 12",
        "Sec-WebSocket-Version: 11",
        "Sec-WebSocket-Key: x",
        "Origin: \u{e9}",
        "Sec-WebSocket-Protocol: (",
        "Sec-WebSocket-Extensions: (",
    ];
    let mut lines: Vec<String> = bad.map(Into::into).to_vec();
    let key = format!("Sec-WebSocket-Key: {KEY}");
    // The line that is mended to get to the next error.
    let steps = [
        (
            RequestError::Http(HttpError::StartLine),
            0,
            "PUT * HTTP/1.0",
        ),
        (RequestError::HttpVersion, 0, "PUT * HTTP/1.1"),
        (RequestError::Method, 0, "GET * HTTP/1.1"),
        (RequestError::Target, 0, "GET / HTTP/1.1"),
        (RequestError::Body, 1, "Content-Length: 0"),
        (RequestError::Host, 2, "Host: example.com"),
        (RequestError::Upgrade, 3, "Upgrade: websocket"),
        (RequestError::Connection, 4, "Connection: upgrade"),
        (RequestError::DuplicateVersion, 5, "X: y"),
        (RequestError::Version, 6, "Sec-WebSocket-Version: 13"),
        (RequestError::Key, 7, &key),
        (RequestError::InvalidOrigin, 8, "Origin: https://evil.com"),
        (
            RequestError::OriginNotAllowed,
            8,
            "Origin: https://example.com",
        ),
        (RequestError::Subprotocols, 9, "Sec-WebSocket-Protocol: a"),
        (RequestError::Extensions, 10, "Sec-WebSocket-Extensions: a"),
    ];
    let request = |lines: &[String]| (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    for (error, at, mended) in steps {
        refuses(&request(&lines), error, error.status().unwrap());
        lines[at] = mended.into();
    }
    accepts(&request(&lines));
}

// --- what has broken others --------------------------------------------------------------------

/// The longest request that the default limits allow.
fn longest() -> Vec<u8> {
    let mut request = with(&["X: "]);
    request.truncate(request.len() - 4);
    request.resize(Config::new().max_head_size - 4, b'x');
    request.extend_from_slice(b"\r\n\r\n");
    request
}

#[test]
fn field_01_byte_by_byte_up_to_the_limit() {
    // That the work is linear is shown beside the scanner, in src/handshake/head.rs.
    let request = longest();
    let whole = accepts(&request);
    let config = Config::new();
    assert_eq!(
        outcome(request.chunks(1), config, Origins::SameOrigin),
        whole
    );
}

#[test]
fn field_01_one_byte_more_than_the_limit_is_431_before_the_end() {
    let limit = Config::new().max_head_size;
    let error = RequestError::Http(HttpError::HeadTooLong);
    let mut request = longest();
    request.insert(request.len() - 4, b'x');
    refuses(&request, error, 431);
    refuses(&request[..=limit], error, 431);
    assert_eq!(answer_to(&request[..limit]).result, Ok(None));
    let outcome = outcome(request.chunks(1), Config::new(), Origins::SameOrigin);
    assert_eq!(outcome.result, Err(error));

    // One that never ends, from a peer that sends more than it is let.
    let endless = [&request[..100], &[b'y'; 1_000_000]].concat();
    refuses(&endless, error, 431);
}

#[test]
fn field_02_too_many_headers() {
    let lines = |n: usize| -> Vec<String> { (0..n).map(|n| format!("X-{n}: y")).collect() };
    let further = |n: usize| edited(|request| request.extend(lines(n)));
    accepts(&further(64 - 5));
    let error = RequestError::Http(HttpError::TooManyFields);
    refuses(&further(65 - 5), error, 431);
    refuses(&further(129 - 5), error, 431);
    refuses(&further(1000), error, 431);

    let mut config = Config::new();
    config.max_headers = usize::MAX;
    let most = outcome([&further(128 - 5)[..]], config, Origins::SameOrigin);
    assert!(matches!(most.result, Ok(Some(_))), "{:?}", most.result);
    let more = outcome([&further(129 - 5)[..]], config, Origins::SameOrigin);
    assert_refused(&more, error, 431);
    config.max_headers = 0;
    let none = outcome([&with(&[])[..]], config, Origins::SameOrigin);
    assert_refused(&none, error, 431);
}

#[test]
fn field_02_empty_names_and_doubled_headers() {
    for line in [
        ": empty",
        ":",
        "no colon",
        "na me: x",
        "n\u{e9}: x",
        "x: \u{7f}",
        "x: \0",
    ] {
        let request = edited(|lines| lines.insert(1, line.into()));
        refuses(&request, RequestError::Http(HttpError::Field), 400);
    }
    refuses(&with(&["Host: example.com"]), RequestError::Host, 400);
    refuses(&replaced("Host", None), RequestError::Host, 400);
    for host in [
        "", "a b", "a,b", "user@a", "a/b", "a:b", "a:65536", "a:+1", "[::1", "[]", ":80",
    ] {
        let line = format!("Host: {host}");
        refuses(&replaced("Host", Some(&line)), RequestError::Host, 400);
    }
    for host in [
        "a:",
        "a:1",
        "[::1]",
        "[::1]:80",
        "127.0.0.1:65535",
        "a_b.c~d-e",
        "EXAMPLE.com.",
    ] {
        let line = format!("Host: {host}");
        accepts(&replaced("Host", Some(&line)));
    }
    refuses(
        &with(&[&format!("sec-websocket-key: {KEY}")]),
        RequestError::Key,
        400,
    );
    let error = RequestError::DuplicateVersion;
    refuses(&with(&["sec-websocket-version: 13"]), error, 400);
    // A list, so it may come twice.
    accepts(&with(&["Upgrade: websocket", "Connection: Upgrade"]));
    accepts(&with(&["Upgrade: h2c", "Connection: close"]));
}

#[test]
fn field_03_long_lists_have_a_defined_status() {
    // That the work is linear is shown by benches/opening.rs.
    let mut config = Config::new();
    config.max_head_size = 1 << 20;
    let spaces = format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(50_000));
    let quotes = format!("Sec-WebSocket-Extensions: a; b=\"{}", "\\\"".repeat(50_000));
    let commas = format!("Sec-WebSocket-Protocol: {}", ",".repeat(100_000));
    let names = format!("Sec-WebSocket-Protocol: {}", "a,".repeat(50_000));
    let ask = |line: &str| outcome([&with(&[line])[..]], config, Origins::SameOrigin);
    assert_refused(&ask(&spaces), RequestError::Subprotocols, 400);
    assert_refused(&ask(&quotes), RequestError::Extensions, 400);
    assert!(matches!(ask(&commas).result, Ok(Some(_))));
    assert!(matches!(ask(&names).result, Ok(Some(_))));
}

#[test]
fn field_12_a_slow_drip_is_dropped_at_the_deadline() {
    let request = with(&[]);
    let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut now = Duration::from_secs(5);
    let mut result = Ok(());
    for &byte in &request {
        let deadline = opening.deadline(now).expect("it never moves");
        assert_eq!(deadline, Duration::from_secs(15));
        if now >= deadline {
            result = opening.handle_timeout(now, &mut out);
            break;
        }
        input.extend_from_slice(&[byte]);
        assert!(opening.next(&mut input, &mut out).unwrap().is_none());
        now += Duration::from_secs(9);
    }
    assert_eq!(result, Err(RequestError::Timeout));
    assert_eq!(now, Duration::from_secs(23));
    assert!(out.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn field_15_a_body_is_refused() {
    for line in [
        "Content-Length: 1",
        "Content-Length: 00",
        "Content-Length: ",
        "Content-Length: +0",
    ] {
        refuses(&with(&[line]), RequestError::Body, 413);
    }
    refuses(
        &with(&["Transfer-Encoding: chunked"]),
        RequestError::Body,
        413,
    );
    refuses(
        &with(&["transfer-encoding: identity"]),
        RequestError::Body,
        413,
    );
    refuses(
        &with(&["Content-Length: 0", "Content-Length: 5"]),
        RequestError::Body,
        413,
    );
    refuses(
        &with(&["Content-Length: 5", "Content-Length: 0"]),
        RequestError::Body,
        413,
    );
    accepts(&with(&["Content-Length: 0"]));
}

#[test]
fn field_15_lines_that_others_read_differently_are_refused() {
    use HttpError::{Field, FoldedField, LineEnding};
    let swap = |from: &str, to: &str| {
        let request = String::from_utf8(with(&["X: y"])).unwrap();
        request.replacen(from, to, 1).into_bytes()
    };
    let cases = [
        (swap("\r\nX", "\nX"), LineEnding),
        (swap("y\r\n\r\n", "y\n\n"), LineEnding),
        (swap("\r\n\r\n", "\r\n\n"), LineEnding),
        (swap("X: y", "X: y\rz"), LineEnding),
        (swap("X: y", "\rX: y"), LineEnding),
        (swap("GET", "\rGET"), LineEnding),
        (swap("X: y", "X:\r\n y"), FoldedField),
        (swap("X: y", "X:\r\n\ty"), FoldedField),
        (swap("Host", " Host"), FoldedField),
        (swap("X: y", "X : y"), Field),
        (swap("X: y", "X\t: y"), Field),
    ];
    for (request, error) in cases {
        refuses(&request, RequestError::Http(error), 400);
    }
}

#[test]
fn field_16_an_application_cannot_break_the_response() {
    let cases = [
        ("X", "a\r\nb", HeadError::InvalidHeaderValue),
        ("X", "a\nb", HeadError::InvalidHeaderValue),
        ("X", "a\0", HeadError::InvalidHeaderValue),
        ("X", "\u{7f}", HeadError::InvalidHeaderValue),
        ("", "a", HeadError::InvalidHeaderName),
        ("X: y\r\nZ", "a", HeadError::InvalidHeaderName),
        ("X Y", "a", HeadError::InvalidHeaderName),
        ("X\u{e9}", "a", HeadError::InvalidHeaderName),
        ("upgrade", "a", HeadError::ReservedHeader),
        ("Connection", "a", HeadError::ReservedHeader),
        ("Content-Length", "0", HeadError::ReservedHeader),
        ("TRANSFER-ENCODING", "a", HeadError::ReservedHeader),
        ("Sec-WebSocket-Accept", "a", HeadError::ReservedHeader),
        ("sec-websocket-anything", "a", HeadError::ReservedHeader),
    ];
    for (name, value, error) in cases {
        let mut out = BytesMut::new();
        let accepted = pending(&with(&[])).accept(Accept::new().header(name, value), &mut out);
        assert_eq!(accepted.unwrap_err(), error, "{name}: {value}");
        let mut other = BytesMut::new();
        let rejected = pending(&with(&[])).reject(Reject::new(404).header(name, value), &mut other);
        assert_eq!(rejected.unwrap_err(), error, "{name}: {value}");

        // The peer is answered all the same, and is not told why.
        assert!(out.starts_with(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n"));
        let text = String::from_utf8(out.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert_eq!(out, other);
    }
}

#[test]
fn field_16_a_subprotocol_that_was_not_offered() {
    let cases = [
        (with(&[]), "chat"),
        (with(&[]), ""),
        (with(&["Sec-WebSocket-Protocol: chat"]), "Chat"),
        (
            with(&["Sec-WebSocket-Protocol: chat, superchat"]),
            "chat,superchat",
        ),
        (
            with(&["Sec-WebSocket-Protocol: chat, superchat"]),
            "chat\r\n",
        ),
    ];
    for (request, name) in cases {
        let mut out = BytesMut::new();
        let accepted = pending(&request).accept(Accept::new().subprotocol(name), &mut out);
        assert_eq!(accepted.unwrap_err(), HeadError::SubprotocolNotOffered);
        assert!(out.starts_with(b"HTTP/1.1 500 "));
    }
    let request = with(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b ,,c"]);
    for name in ["a", "b", "c"] {
        let mut out = BytesMut::new();
        pending(&request)
            .accept(Accept::new().subprotocol(name), &mut out)
            .unwrap();
        let line = format!("\r\nSec-WebSocket-Protocol: {name}\r\n");
        assert!(String::from_utf8_lossy(&out).contains(&line));
    }
}

#[test]
fn field_17_the_same_origin() {
    let ask = |host: &str, origin: &str| {
        let request = edited(|lines| {
            lines[1] = format!("Host: {host}");
            lines.push(format!("Origin: {origin}"));
        });
        answer_to(&request).result.map(|_| ())
    };
    for (host, origin) in [
        ("example.com", "https://example.com"),
        ("example.com", "http://example.com"),
        ("EXAMPLE.com", "https://Example.COM"),
        ("example.com", "HTTPS://example.com"),
        ("example.com:443", "https://example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com:80", "http://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("127.0.0.1", "http://127.0.0.1"),
    ] {
        assert_eq!(ask(host, origin), Ok(()), "{host} {origin}");
    }
    for (host, origin) in [
        ("example.com", "null"),
        ("null", "null"),
        ("example.com", "https://evil.com"),
        ("example.com", "https://example.com:8443"),
        ("example.com:8443", "https://example.com"),
        ("example.com:80", "https://example.com"),
        ("example.com", "https://example.com."),
        ("example.com.", "https://example.com"),
        ("example.com", "https://example.com.evil"),
        ("example.com", "https://evil-example.com"),
        ("example.com", "https://www.example.com"),
        ("example.com", "https://example.com@evil.com"),
        ("example.com", "https://evil@example.com"),
        ("example.com", "https://example.com/"),
        ("example.com", "https://example.com/path"),
        ("example.com", "https://example.com?"),
        ("example.com", "https://example.com#"),
        ("example.com", "https://example.com:0443x"),
        ("example.com", "https://example.com:+443"),
        ("example.com", "https://example.com https://evil.com"),
        ("example.com", "https://example.com, https://evil.com"),
        ("example.com", "//example.com"),
        ("example.com", "example.com"),
        ("example.com", "://example.com"),
        ("example.com", "1https://example.com"),
        ("example.com", "moz-extension://example.com"),
        ("example.com", "https://"),
    ] {
        assert_eq!(
            ask(host, origin),
            Err(RequestError::OriginNotAllowed),
            "{host} {origin}"
        );
    }
    refuses(
        &with(&["Origin: https://evil.com"]),
        RequestError::OriginNotAllowed,
        403,
    );
    // Not from a browser.
    accepts(&with(&[]));
}

#[test]
fn field_17_a_target_in_absolute_form_replaces_the_host() {
    let ask = |origin: &str| {
        let request = edited(|lines| {
            lines[0] = "GET http://other.com:81/ HTTP/1.1".into();
            lines.push(format!("Origin: {origin}"));
        });
        answer_to(&request).result.map(|_| ())
    };
    assert_eq!(ask("http://other.com:81"), Ok(()));
    assert_eq!(
        ask("http://example.com"),
        Err(RequestError::OriginNotAllowed)
    );
}

#[test]
fn field_17_origins_that_are_no_text_or_come_twice() {
    for lines in [
        &["Origin: "][..],
        &["Origin: \u{e9}"],
        &["Origin: null", "Origin: null"],
    ] {
        for origins in [Origins::SameOrigin, Origins::Any] {
            let outcome = outcome([&with(lines)[..]], Config::new(), origins);
            assert_refused(&outcome, RequestError::InvalidOrigin, 400);
        }
    }
}

#[test]
fn field_17_a_list_of_origins_and_any() {
    let origins = Origins::listed([
        "https://example.org",
        "http://localhost:3000",
        "https://Example.net:443",
        "chrome-extension://abcdefgh",
    ])
    .unwrap();
    let ask = |origins: &Origins, origin: &str| {
        let request = with(&[&format!("Origin: {origin}")]);
        outcome([&request[..]], Config::new(), origins.clone())
            .result
            .map(|_| ())
    };
    for origin in [
        "https://example.org",
        "https://EXAMPLE.org:443",
        "http://localhost:3000",
        "https://example.net",
        "chrome-extension://abcdefgh",
    ] {
        assert_eq!(ask(&origins, origin), Ok(()), "{origin}");
    }
    for origin in [
        "http://example.org",
        "http://example.org:443",
        "https://example.org:8443",
        "https://example.org.",
        "https://example.org.evil",
        "http://localhost",
        "https://example.com",
        "null",
    ] {
        assert_eq!(
            ask(&origins, origin),
            Err(RequestError::OriginNotAllowed),
            "{origin}"
        );
        assert_eq!(ask(&Origins::Any, origin), Ok(()), "{origin}");
    }
    let none = Origins::listed::<[&str; 0]>([]).unwrap();
    assert_eq!(
        ask(&none, "https://example.com"),
        Err(RequestError::OriginNotAllowed)
    );

    for entry in [
        "null",
        "1https://example.com",
        "h_ttps://example.com",
        "*",
        "example.com",
        "https://example.com/",
        "https://*.example.com",
        "",
    ] {
        assert_eq!(
            Origins::listed([entry]).unwrap_err(),
            HeadError::InvalidOrigin,
            "{entry}"
        );
    }
}

#[test]
fn field_18_upgrade_and_connection_are_lists_in_any_case() {
    accepts(&replaced("Upgrade", Some("Upgrade: WebSocket")));
    accepts(&replaced("Upgrade", Some("upgrade:h2c , WEBSOCKET")));
    accepts(&replaced(
        "Connection",
        Some("Connection: keep-alive, Upgrade"),
    ));
    accepts(&replaced("Connection", Some("CONNECTION: ,,upgrade,")));
    accepts(&edited(|lines| {
        lines[3] = "Connection: keep-alive".into();
        lines.push("Connection: Upgrade".into());
    }));
}

#[test]
fn field_18_a_key_that_is_not_16_bytes() {
    let missing = replaced("Sec-WebSocket-Key", None);
    refuses(&missing, RequestError::Key, 400);
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZWVl",
        "dGhlIHNhbXBsZSBub25jZQ==, x",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub2-jZQ==",
        "dGhlIHNhbXBs ZSBub25jZQ=",
    ] {
        let line = format!("Sec-WebSocket-Key: {key}");
        refuses(
            &replaced("Sec-WebSocket-Key", Some(&line)),
            RequestError::Key,
            400,
        );
    }
    // The grammar leaves the four bits behind the 16 bytes free (RFC 6455 §11.3.1).
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==";
    accepts(&replaced("Sec-WebSocket-Key", Some(line)));
}

#[test]
fn field_18_an_offered_subprotocol_that_is_not_a_token() {
    for value in ["a b", "a, b c", "\"a\"", "a;b", "\u{e9}", "a/b"] {
        let line = format!("Sec-WebSocket-Protocol: {value}");
        refuses(&with(&[&line]), RequestError::Subprotocols, 400);
    }
    accepts(&with(&["Sec-WebSocket-Protocol: ,, a ,,"]));
}

// --- the application's answers -----------------------------------------------------------------

#[test]
fn a_rejection_is_a_whole_response() {
    let mut out = BytesMut::new();
    let answer = Reject::new(401)
        .header("WWW-Authenticate", "Basic")
        .body(b"who are you?");
    pending(&with(&[])).reject(answer, &mut out).unwrap();
    assert_eq!(
        out[..],
        *b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Basic\r\n\
           Content-Length: 12\r\n\r\nwho are you?"
    );
    let mut out = BytesMut::new();
    pending(&with(&[]))
        .reject(Reject::new(599), &mut out)
        .unwrap();
    assert_eq!(
        out[..],
        *b"HTTP/1.1 599 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn a_status_that_does_not_reject() {
    for status in [0, 99, 100, 101, 200, 204, 299, 600, 1000] {
        let mut out = BytesMut::new();
        let rejected = pending(&with(&[])).reject(Reject::new(status), &mut out);
        assert_eq!(rejected, Err(HeadError::InvalidStatus));
        assert!(out.starts_with(b"HTTP/1.1 500 "));
    }
}

#[test]
fn the_errors_are_small() {
    assert!(size_of::<RequestError>() <= 2);
    assert!(size_of::<HeadError>() <= 1);
}

// --- any split, any bytes ----------------------------------------------------------------------

/// Requests of every kind, with something behind them.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("Origin: https://example.com".to_owned()),
        Just("Origin: null".to_owned()),
        Just("Sec-WebSocket-Protocol: a, b".to_owned()),
        Just("Sec-WebSocket-Extensions: a; b=\"c\"".to_owned()),
        Just("Sec-WebSocket-Extensions: \"".to_owned()),
        Just("Content-Length: 5".to_owned()),
        Just("X:\r\n folded".to_owned()),
        Just("X: bare\nfeed".to_owned()),
        Just("X: bare\rreturn".to_owned()),
        "[ -~]{0,30}",
        "X-[a-z]{1,5}: [ -~]{0,2000}",
    ];
    let (removed, further) = (vec(any::<Index>(), 0..2), vec(line, 0..5));
    let behind = vec(any::<u8>(), 0..20);
    (removed, further, behind).prop_map(|(removed, further, behind)| {
        let mut request = edited(|lines| {
            for index in removed {
                lines.remove(index.index(lines.len()));
            }
            lines.extend(further);
        });
        request.extend(behind);
        request
    })
}

fn split_at<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut from = 0;
    let chunks = cuts
        .into_iter()
        .map(|to| &bytes[core::mem::replace(&mut from, to)..to]);
    chunks.collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same(request in any_request(), cuts in vec(any::<Index>(), 0..8)) {
        let mut config = Config::new();
        config.max_head_size = 3000;
        config.max_headers = 8;
        let ask = |chunks: Vec<&[u8]>| {
            let mut outcome = outcome(chunks, config, Origins::SameOrigin);
            if outcome.result.is_err() {
                outcome.left.clear();
            }
            outcome
        };
        let whole = ask(vec![&request]);
        prop_assert_eq!(&ask(split_at(&request, &cuts)), &whole);
        prop_assert_eq!(&ask(request.chunks(1).collect()), &whole);
    }

    #[test]
    fn random_bytes_are_answered(bytes in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..4)) {
        let outcome = outcome(split_at(&bytes, &cuts), Config::new(), Origins::Any);
        prop_assert!(!matches!(outcome.result, Ok(Some(_))));
    }

    #[test]
    fn a_changed_byte_is_no_panic(at in any::<Index>(), byte in any::<u8>()) {
        let mut request = with(&["Origin: https://example.com", "Sec-WebSocket-Protocol: a, b"]);
        let at = at.index(request.len());
        request[at] = byte;
        let outcome = answer_to(&request);
        if let Err(error) = outcome.result {
            assert_refused(&outcome, error, error.status().unwrap());
        }
    }
}
