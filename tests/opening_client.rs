//! The opening handshake of a client (RFC 6455 §4.1), as a function of bytes and instants, and
//! both roles against each other.
//!
//! A number in the name of a test is a row of the list of what has broken WebSocket libraries.

use core::time::Duration;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::Index};
use websocket_proto::handshake::{
    HeadError, HttpError, accept_key,
    client::{Answer, Handshake, Request, ResponseError, UrlError},
    server,
};
use websocket_proto::{Config, Event, RecvBuf, Seed};

const URL: &str = "ws://example.com/chat?room=7";

// --- what a server sends -----------------------------------------------------------------------

/// A handshake under way, and what it has written. The seed is always the same.
fn started(request: &Request<'_>, config: Config) -> (Handshake, String) {
    let mut out = BytesMut::new();
    let opening = Handshake::start(request, Seed::from([7; 32]), config, &mut out).unwrap();
    (opening, String::from_utf8(out.to_vec()).unwrap())
}

/// The value of a header field.
fn value<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines
        .into_iter()
        .find(|line| line.0 == name)
        .map(|line| line.1)
}

/// The `Sec-WebSocket-Accept` that is right for [`started`].
fn right_accept() -> String {
    let (_, request) = started(&Request::new(URL).unwrap(), Config::new());
    let key = value(&request, "Sec-WebSocket-Key").unwrap();
    String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap()
}

/// A valid response with `edit` done to its lines.
fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    let mut lines: Vec<String> = vec![
        "HTTP/1.1 101 Switching Protocols".into(),
        "Upgrade: websocket".into(),
        "Connection: Upgrade".into(),
        format!("Sec-WebSocket-Accept: {}", right_accept()),
    ];
    edit(&mut lines);
    let mut response = lines.join("\r\n");
    response.push_str("\r\n\r\n");
    response.into_bytes()
}

/// A valid response with further lines.
fn with(further: &[&str]) -> Vec<u8> {
    edited(|lines| lines.extend(further.iter().map(|&line| line.into())))
}

/// A valid response whose line of this name is another, or is missing.
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
enum Outcome {
    Nothing,
    Accepted {
        response: String,
        subprotocol: Option<String>,
        left: Vec<u8>,
    },
    Refused {
        response: String,
        body: Vec<u8>,
    },
    Failed(ResponseError),
}

fn outcome<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    request: &Request<'_>,
    config: Config,
) -> Outcome {
    let (mut opening, _) = started(request, config);
    let mut input = RecvBuf::new();
    let mut outcome = Outcome::Nothing;
    for chunk in chunks {
        input.extend_from_slice(chunk);
        match opening.next(&mut input) {
            Ok(None) => {}
            Ok(Some(Answer::Accepted(_, response))) => {
                let headers: Vec<_> = response.headers().collect();
                assert_eq!((response.status(), response.body()), (101, &b""[..]));
                outcome = Outcome::Accepted {
                    response: format!("{} {headers:?}", response.reason()),
                    subprotocol: response.subprotocol().map(Into::into),
                    left: Vec::new(),
                };
            }
            Ok(Some(Answer::Refused(response))) => {
                let headers: Vec<_> = response.headers().collect();
                let (status, reason) = (response.status(), response.reason());
                outcome = Outcome::Refused {
                    response: format!("{status} {reason} {headers:?}"),
                    body: response.body().to_vec(),
                };
            }
            Err(error) => {
                assert!(input.unread().is_empty(), "the input is dropped");
                outcome = Outcome::Failed(error);
            }
        }
    }
    match &mut outcome {
        Outcome::Accepted { left, .. } => {
            assert!(opening.next(&mut input).unwrap().is_none());
            *left = input.unread().to_vec();
        }
        Outcome::Failed(error) => {
            assert_eq!(opening.next(&mut input).unwrap_err(), *error);
            assert!(input.unread().is_empty(), "the input is dropped");
            assert!(error.to_string().contains("RFC "), "{error}");
        }
        _ => {}
    }
    outcome
}

fn answer(response: &[u8]) -> Outcome {
    outcome([response], &Request::new(URL).unwrap(), Config::new())
}

#[track_caller]
fn accepts(response: &[u8]) {
    let outcome = answer(response);
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

#[track_caller]
fn fails(response: &[u8], error: ResponseError) {
    let text = String::from_utf8_lossy(response).into_owned();
    assert_eq!(answer(response), Outcome::Failed(error), "{text}");
}

// --- the request -------------------------------------------------------------------------------

#[test]
fn the_request_on_the_wire() {
    let request = Request::new(URL)
        .unwrap()
        .subprotocol("chat")
        .subprotocol("superchat")
        .origin("https://example.com")
        .header("Cookie", "id=7")
        .header("Authorization", "Bearer x");
    let (_, text) = started(&request, Config::new());
    let key = value(&text, "Sec-WebSocket-Key").unwrap();
    assert_eq!(key.len(), 24);
    assert_eq!(
        text,
        format!(
            "GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Origin: https://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\
             Cookie: id=7\r\nAuthorization: Bearer x\r\n\r\n"
        )
    );
}

#[test]
fn every_seed_has_its_key() {
    let key = |seed: u8| {
        let mut out = BytesMut::new();
        let request = Request::new(URL).unwrap();
        Handshake::start(&request, Seed::from([seed; 32]), Config::new(), &mut out).unwrap();
        let text = String::from_utf8(out.to_vec()).unwrap();
        value(&text, "Sec-WebSocket-Key").unwrap().to_owned()
    };
    let mut keys: Vec<_> = (0..=255).map(key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 256);
}

#[test]
fn urls() {
    let see = |url: &str, connect: (&str, u16, bool), target: &str, host: &str| {
        let request = Request::new(url).unwrap();
        assert_eq!(
            (request.host(), request.port(), request.is_secure()),
            connect,
            "{url}"
        );
        let (_, text) = started(&request, Config::new());
        assert!(
            text.starts_with(&format!("GET {target} HTTP/1.1\r\n")),
            "{text}"
        );
        assert_eq!(value(&text, "Host"), Some(host), "{url}");
    };
    see("ws://a", ("a", 80, false), "/", "a");
    see("wss://a", ("a", 443, true), "/", "a");
    see("WSS://a:443/", ("a", 443, true), "/", "a");
    see("ws://a:443/", ("a", 443, false), "/", "a:443");
    see("ws://a:80/", ("a", 80, false), "/", "a");
    see("ws://a:/b", ("a", 80, false), "/b", "a");
    see("ws://a?b=c", ("a", 80, false), "/?b=c", "a");
    see("ws://a/?", ("a", 80, false), "/?", "a");
    see("ws://a//b/../c%20d", ("a", 80, false), "//b/../c%20d", "a");
    see("ws://[::1]/", ("::1", 80, false), "/", "[::1]");
    see(
        "wss://[2001:db8::1]:8443/",
        ("2001:db8::1", 8443, true),
        "/",
        "[2001:db8::1]:8443",
    );
    see(
        "ws://127.0.0.1:65535/",
        ("127.0.0.1", 65535, false),
        "/",
        "127.0.0.1:65535",
    );
}

#[test]
fn urls_that_are_refused() {
    for (url, error) in [
        ("", UrlError::Syntax),
        ("example.com", UrlError::Syntax),
        ("/chat", UrlError::Syntax),
        ("ws://a b/", UrlError::Syntax),
        ("ws://a/\u{e9}", UrlError::Syntax),
        ("ws://a/%zz", UrlError::Syntax),
        ("http://a/", UrlError::Scheme),
        ("wsss://a/", UrlError::Scheme),
        ("ws:a", UrlError::Host),
        ("ws:///a", UrlError::Host),
        ("ws://:80/", UrlError::Host),
        ("ws://a:0/", UrlError::Host),
        ("ws://a:65536/", UrlError::Host),
        ("ws://%41/", UrlError::Host),
        ("ws://[v1.a]/", UrlError::Host),
        ("ws://user@a/", UrlError::UserInfo),
        ("ws://user:secret@a/", UrlError::UserInfo),
        ("ws://@a/", UrlError::UserInfo),
        ("ws://a/#", UrlError::Fragment),
        ("ws://a/#b", UrlError::Fragment),
    ] {
        assert_eq!(Request::new(url).unwrap_err(), error, "{url}");
    }
}

#[test]
fn field_16_an_application_cannot_break_the_request() {
    for url in [
        "ws://a/\r\nX: y",
        "ws://a/\n",
        "ws://a/\0",
        "ws://a\r\n/",
        "ws://a/?b\r\n",
        "ws://a/ HTTP/1.1",
    ] {
        assert_eq!(Request::new(url).unwrap_err(), UrlError::Syntax, "{url:?}");
    }

    let start = |request: Request<'_>| {
        let mut out = BytesMut::new();
        let error = Handshake::start(&request, Seed::from([7; 32]), Config::new(), &mut out);
        assert!(out.is_empty());
        error.unwrap_err()
    };
    let request = || Request::new(URL).unwrap();
    for value in ["a\r\nb", "\n", "\r", "a\0", "\u{1}", "\u{7f}"] {
        let error = start(request().header("X", value));
        assert_eq!(error, HeadError::InvalidHeaderValue, "{value:?}");
    }
    for name in ["", " ", "a b", "a:", "a\r\nb", "a\0", "\u{e9}", "(a)"] {
        let error = start(request().header(name, "x"));
        assert_eq!(error, HeadError::InvalidHeaderName, "{name:?}");
    }
    for name in [
        "host",
        "Upgrade",
        "Connection",
        "Origin",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-extensions",
    ] {
        assert_eq!(
            start(request().header(name, "x")),
            HeadError::ReservedHeader,
            "{name}"
        );
    }
    for name in [
        "", " ", "a b", "a,b", "a\r\n", "a\0", "\u{e9}", "\"a\"", "a/b",
    ] {
        let error = start(request().subprotocol(name));
        assert_eq!(error, HeadError::InvalidSubprotocol, "{name:?}");
    }
    let twice = request().subprotocol("a").subprotocol("b").subprotocol("a");
    assert_eq!(start(twice), HeadError::InvalidSubprotocol);
    for origin in [
        "",
        "a",
        "https://",
        "https://a\r\nb",
        "https://a/",
        "https://a b",
        "NULL",
    ] {
        let error = start(request().origin(origin));
        assert_eq!(error, HeadError::InvalidOrigin, "{origin:?}");
    }
    started(&request().origin("null"), Config::new());
}

// --- the answer --------------------------------------------------------------------------------

#[test]
fn bytes_behind_the_head_are_the_first_frames() {
    let mut response = with(&["Server: x"]);
    response.extend_from_slice(b"\x81\x02hi");
    let (mut opening, _) = started(&Request::new(URL).unwrap(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&response);
    let Some(Answer::Accepted(mut ws, response)) = opening.next(&mut input).unwrap() else {
        panic!("it is accepted");
    };
    assert_eq!(response.reason(), "Switching Protocols");
    assert_eq!(response.header("server"), Some(&b"x"[..]));
    let event = ws.next_event(&mut input, &mut out).unwrap();
    assert_eq!(event, Some(Event::Text("hi")));
    opening.end_of_stream();
    assert!(opening.next(&mut input).unwrap().is_none());
    assert_eq!(opening.deadline(Duration::ZERO), None);
    assert_eq!(opening.handle_timeout(Duration::MAX), Ok(()));
}

#[test]
fn field_18_the_accept_value() {
    let right = right_accept();
    let wrong = [
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into(),
        "Sec-WebSocket-Accept: ".into(),
        format!("Sec-WebSocket-Accept: {right}="),
        format!("Sec-WebSocket-Accept: {right} x"),
        format!("Sec-WebSocket-Accept: x{right}"),
        format!("Sec-WebSocket-Accept: {right}, {right}"),
        format!("Sec-WebSocket-Accept: \"{right}\""),
        format!("Sec-WebSocket-Accept: {}", right.trim_end_matches('=')),
        format!("Sec-WebSocket-Accept: {}", right.to_lowercase()),
    ];
    for line in &wrong {
        fails(
            &replaced("Sec-WebSocket-Accept", Some(line)),
            ResponseError::Accept,
        );
    }
    fails(
        &replaced("Sec-WebSocket-Accept", None),
        ResponseError::Accept,
    );
    let doubled = with(&[&format!("sec-websocket-accept: {right}")]);
    fails(&doubled, ResponseError::Accept);

    // "ignoring any leading and trailing whitespace" (§4.1, item 4)
    let padded = format!("sec-websocket-accept:\t {right} \t");
    accepts(&replaced("Sec-WebSocket-Accept", Some(&padded)));
}

#[test]
fn field_18_upgrade_and_connection() {
    accepts(&replaced("Upgrade", Some("upgrade: WebSocket")));
    accepts(&replaced(
        "Connection",
        Some("connection: keep-alive, UPGRADE"),
    ));
    accepts(&with(&["Connection: keep-alive"]));
    for line in [
        None,
        Some("Upgrade: h2c"),
        Some("Upgrade: websocket, h2c"),
        Some("Upgrade: "),
    ] {
        fails(&replaced("Upgrade", line), ResponseError::Upgrade);
    }
    fails(&with(&["Upgrade: websocket"]), ResponseError::Upgrade);
    for line in [
        None,
        Some("Connection: close"),
        Some("Connection: upgrades"),
    ] {
        fails(&replaced("Connection", line), ResponseError::Connection);
    }
}

#[test]
fn field_18_a_subprotocol_that_was_not_offered() {
    let offer = Request::new(URL)
        .unwrap()
        .subprotocol("chat")
        .subprotocol("superchat");
    let ask = |lines: &[&str]| match outcome([&with(lines)[..]], &offer, Config::new()) {
        Outcome::Accepted { subprotocol, .. } => Ok(subprotocol),
        Outcome::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&[]), Ok(None));
    assert_eq!(
        ask(&["Sec-WebSocket-Protocol: superchat"]),
        Ok(Some("superchat".into()))
    );
    for lines in [
        &["Sec-WebSocket-Protocol: Chat"][..],
        &["Sec-WebSocket-Protocol: "],
        &["Sec-WebSocket-Protocol: ,"],
        &["Sec-WebSocket-Protocol: chat, superchat"],
        &[
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Protocol: chat",
        ],
        &[
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Protocol: superchat",
        ],
    ] {
        assert_eq!(ask(lines), Err(ResponseError::Subprotocol), "{lines:?}");
    }
    fails(
        &with(&["Sec-WebSocket-Protocol: chat"]),
        ResponseError::Subprotocol,
    );
}

#[test]
fn field_09_and_18_an_extension_that_was_not_offered() {
    for value in [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=1e1",
        "permessage-deflate; server_max_window_bits=9999999999",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate, permessage-deflate",
        "x-unknown",
        "",
        "\"",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        fails(&with(&[&line]), ResponseError::Extension);
    }
}

#[test]
fn versions_of_http() {
    fails(
        &replaced("HTTP", Some("HTTP/1.0 101 Sure")),
        ResponseError::HttpVersion,
    );
    fails(
        &replaced("HTTP", Some("HTTP/2.0 101 Sure")),
        ResponseError::HttpVersion,
    );
    // A proxy may refuse in its own way.
    let refused = answer(b"HTTP/1.0 502 Bad Gateway\r\n\r\n");
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
}

#[test]
fn malformed_answers() {
    use HttpError::{Field, FirstByte, FoldedField, LineEnding, StartLine};
    let cases: [(&[u8], HttpError); 12] = [
        (b"\x15\x03\x01", FirstByte),
        (b"\r\n", FirstByte),
        (b"\x81\x02hi", FirstByte),
        (b"HTTP/1.1 101\n", LineEnding),
        (b"HTTP/1.1 101\rx", LineEnding),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", FoldedField),
        (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", Field),
        (b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", Field),
        (b"HTTP/1.1 20 OK\r\n\r\n", StartLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", StartLine),
        (b"HTTP/1.1 099 Low\r\n\r\n", StartLine),
        (b"HTTP/1.1 abc\r\n\r\n", StartLine),
    ];
    for (response, error) in cases {
        fails(response, ResponseError::Http(error));
    }
}

#[test]
fn interim_responses_are_skipped() {
    let mut response =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_vec();
    response.extend_from_slice(&with(&[]));
    accepts(&response);

    // All of them together are one head to the limit.
    let endless = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    fails(&endless, ResponseError::Http(HttpError::HeadTooLong));
}

#[test]
fn field_01_an_answer_byte_by_byte_up_to_the_limit() {
    let limit = Config::new().max_head_size;
    let mut response = with(&["X: "]);
    response.truncate(response.len() - 4);
    response.resize(limit - 4, b'x');
    response.extend_from_slice(b"\r\n\r\n");
    let request = Request::new(URL).unwrap();
    let whole = answer(&response);
    assert!(matches!(whole, Outcome::Accepted { .. }));
    assert_eq!(outcome(response.chunks(1), &request, Config::new()), whole);

    response.insert(limit - 4, b'x');
    let error = ResponseError::Http(HttpError::HeadTooLong);
    assert_eq!(answer(&response[..limit]), Outcome::Nothing);
    fails(&response[..=limit], error);
    assert_eq!(
        outcome(response.chunks(1), &request, Config::new()),
        Outcome::Failed(error)
    );
}

#[test]
fn field_02_too_many_headers() {
    let lines: Vec<_> = (0..129).map(|n| format!("X-{n}: y")).collect();
    let response = edited(|response| response.extend(lines));
    fails(&response, ResponseError::Http(HttpError::TooManyFields));
    let response = edited(|response| response.extend(vec!["X: y".into(); 60]));
    accepts(&response);
}

// --- refusals ----------------------------------------------------------------------------------

#[test]
fn a_refusal_shows_more_of_its_body_with_every_read() {
    let (mut opening, _) = started(&Request::new(URL).unwrap(), Config::new());
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n");
    let mut body = Vec::new();
    for piece in [&b""[..], b"who ", b"are ", b"you?"] {
        input.extend_from_slice(piece);
        body.extend_from_slice(piece);
        let Some(Answer::Refused(response)) = opening.next(&mut input).unwrap() else {
            panic!("it is refused");
        };
        assert_eq!(
            (response.status(), response.reason()),
            (401, "Unauthorized")
        );
        assert_eq!(response.header("www-authenticate"), Some(&b"Basic"[..]));
        assert_eq!(response.subprotocol(), None);
        assert_eq!(response.body(), body);
    }
    // The end of the body.
    opening.end_of_stream();
    let Some(Answer::Refused(response)) = opening.next(&mut input).unwrap() else {
        panic!("it is refused");
    };
    assert_eq!(response.status(), 401);
}

#[test]
fn the_body_of_a_refusal_is_bounded() {
    let config = Config::new();
    let (mut opening, _) = started(&Request::new(URL).unwrap(), config);
    let mut input = RecvBuf::new();
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    input.extend_from_slice(head);
    for _ in 0..1000 {
        input.extend_from_slice(&[b'x'; 4096]);
        let Some(Answer::Refused(response)) = opening.next(&mut input).unwrap() else {
            panic!("it is refused");
        };
        assert!(head.len() + response.body().len() <= config.max_head_size);
        assert!(response.body().iter().all(|&byte| byte == b'x'));
    }
    assert_eq!(input.unread().len(), config.max_head_size);
    assert!(
        input.capacity() <= 4 * config.max_head_size,
        "{}",
        input.capacity()
    );
}

#[test]
fn a_reason_may_be_missing_or_no_text() {
    for (response, reason) in [
        (&b"HTTP/1.1 404\r\n\r\n"[..], ""),
        (b"HTTP/1.1 404 \r\n\r\n", ""),
        (b"HTTP/1.1 404 a b c\r\n\r\n", "a b c"),
        (b"HTTP/1.1 404 \xff\r\n\r\n", ""),
    ] {
        let (mut opening, _) = started(&Request::new(URL).unwrap(), Config::new());
        let mut input = RecvBuf::new();
        input.extend_from_slice(response);
        let Some(Answer::Refused(response)) = opening.next(&mut input).unwrap() else {
            panic!("it is refused");
        };
        assert_eq!((response.status(), response.reason()), (404, reason));
    }
}

// --- time and the end --------------------------------------------------------------------------

#[test]
fn field_12_a_slow_drip_is_dropped_at_the_deadline() {
    for head in [
        with(&[]),
        b"HTTP/1.1 404 Not Found\r\n\r\nwith an endless body".repeat(2),
    ] {
        let (mut opening, _) = started(&Request::new(URL).unwrap(), Config::new());
        let mut input = RecvBuf::new();
        let mut now = Duration::from_secs(5);
        let mut result = Ok(());
        for &byte in &head {
            let deadline = opening.deadline(now).expect("it never moves");
            assert_eq!(deadline, Duration::from_secs(15));
            result = opening.handle_timeout(now);
            if result.is_err() {
                break;
            }
            input.extend_from_slice(&[byte]);
            opening.next(&mut input).unwrap();
            now += Duration::from_millis(200);
        }
        assert_eq!(
            (result, now),
            (Err(ResponseError::Timeout), Duration::from_secs(15))
        );
        assert_eq!(
            opening.next(&mut input).unwrap_err(),
            ResponseError::Timeout
        );
        assert_eq!(opening.deadline(now), None);
    }
}

#[test]
fn the_stream_ends_too_early() {
    let (mut opening, _) = started(&Request::new(URL).unwrap(), Config::new());
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"HTTP/1.1 101 Sw");
    assert!(opening.next(&mut input).unwrap().is_none());
    opening.end_of_stream();
    assert_eq!(
        opening.next(&mut input).unwrap_err(),
        ResponseError::EndOfStream
    );
    let result = opening.handle_timeout(Duration::MAX);
    assert_eq!(result, Err(ResponseError::EndOfStream));
}

#[test]
fn the_errors_are_small() {
    assert!(size_of::<ResponseError>() <= 2);
    assert!(size_of::<UrlError>() <= 1);
}

// --- both roles --------------------------------------------------------------------------------

/// Gives what one side has written to the other, in pieces of `size` bytes.
fn deliver(from: &mut BytesMut, to: &mut RecvBuf, size: usize) -> bool {
    let piece = from.split_to(size.min(from.len()));
    to.extend_from_slice(&piece);
    !piece.is_empty()
}

#[test]
fn both_roles_open_a_connection_whatever_the_pieces() {
    for size in [1, 2, 3, 7, 64, 4096] {
        let request = Request::new("ws://example.com/").unwrap();
        let request = request
            .subprotocol("a")
            .subprotocol("b")
            .origin("http://example.com");
        let (mut client_in, mut client_out) = (RecvBuf::new(), BytesMut::new());
        let (mut server_in, mut server_out) = (RecvBuf::new(), BytesMut::new());
        let seed = Seed::from([9; 32]);
        let mut asking = Handshake::start(&request, seed, Config::new(), &mut client_out).unwrap();
        let mut listening = server::Handshake::new(Config::new(), server::Origins::SameOrigin);

        let pending = loop {
            assert!(deliver(&mut client_out, &mut server_in, size));
            if let Some((request, pending)) =
                listening.next(&mut server_in, &mut server_out).unwrap()
            {
                assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b"]);
                break pending;
            }
        };
        let answer = server::Accept::new().subprotocol("b");
        let mut server_ws = pending.accept(answer, &mut server_out).unwrap();
        server_ws.send_text("first", &mut server_out).unwrap();

        let mut client_ws = loop {
            assert!(deliver(&mut server_out, &mut client_in, size));
            match asking.next(&mut client_in).unwrap() {
                None => {}
                Some(Answer::Accepted(ws, response)) => {
                    assert_eq!(response.subprotocol(), Some("b"));
                    break ws;
                }
                Some(Answer::Refused(response)) => panic!("{response:?}"),
            }
        };
        while deliver(&mut server_out, &mut client_in, size) {}
        let event = client_ws
            .next_event(&mut client_in, &mut client_out)
            .unwrap();
        assert_eq!(event, Some(Event::Text("first")));

        client_ws.send_text("second", &mut client_out).unwrap();
        while deliver(&mut client_out, &mut server_in, size) {}
        let event = server_ws
            .next_event(&mut server_in, &mut server_out)
            .unwrap();
        assert_eq!(event, Some(Event::Text("second")));
    }
}

#[test]
fn a_client_understands_every_refusal_of_a_server() {
    let talk = |change: (&str, &str), origins: server::Origins| {
        let request = Request::new("ws://example.com/")
            .unwrap()
            .origin("https://example.com");
        let (mut client, text) = started(&request, Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(text.replacen(change.0, change.1, 1).as_bytes());
        let mut server = server::Handshake::new(Config::new(), origins);
        let error = server.next(&mut input, &mut out).unwrap_err();

        let mut input = RecvBuf::new();
        input.extend_from_slice(&out);
        let Some(Answer::Refused(response)) = client.next(&mut input).unwrap() else {
            panic!("it is refused");
        };
        assert_eq!(Some(response.status()), error.status());
        assert_eq!(response.body(), format!("{error}\n").as_bytes());
        let length = response.header("Content-Length").unwrap();
        assert_eq!(length, response.body().len().to_string().as_bytes());
    };
    let any = || server::Origins::Any;
    talk(
        ("", ""),
        server::Origins::listed(["https://other.com"]).unwrap(),
    );
    talk(("GET", "PUT"), any());
    talk(("HTTP/1.1", "HTTP/1.0"), any());
    talk(("websocket", "h2c"), any());
    talk(("13", "12"), any());
    talk(("Host", "Hots"), any());
    talk((": ", " : "), any());
}

// --- any split, any bytes ----------------------------------------------------------------------

/// Responses of every kind, with something behind them.
fn any_response() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        4 => Just("HTTP/1.1 101 Switching Protocols".to_owned()),
        1 => Just("HTTP/1.1 103 Early Hints".to_owned()),
        1 => Just("HTTP/1.1 404 Not Found".to_owned()),
        1 => Just("HTTP/1.0 101 Old".to_owned()),
        1 => "HTTP/1.1 [0-9]{3} [a-z]{0,5}",
    ];
    let line = prop_oneof![
        Just("Sec-WebSocket-Protocol: a".to_owned()),
        Just("Sec-WebSocket-Extensions: a".to_owned()),
        Just("X:\r\n folded".to_owned()),
        Just("X: bare\nfeed".to_owned()),
        "[ -~]{0,30}",
        "X-[a-z]{1,5}: [ -~]{0,1500}",
    ];
    let interim = vec(Just(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]), 0..3);
    let (further, behind) = (vec(line, 0..4), vec(any::<u8>(), 0..1500));
    (interim, status, further, behind).prop_map(|(interim, status, further, behind)| {
        let mut response = interim.concat();
        response.extend(edited(|lines| {
            lines[0] = status;
            lines.extend(further);
        }));
        response.extend(behind);
        response
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
    fn any_split_gives_the_same(response in any_response(), cuts in vec(any::<Index>(), 0..8)) {
        let mut config = Config::new();
        config.max_head_size = 2000;
        config.max_headers = 6;
        let request = Request::new(URL).unwrap().subprotocol("a");
        let whole = outcome([&response[..]], &request, config);
        prop_assert_eq!(&outcome(split_at(&response, &cuts), &request, config), &whole);
        prop_assert_eq!(&outcome(response.chunks(1), &request, config), &whole);
    }

    #[test]
    fn random_bytes_are_no_answer(bytes in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..4)) {
        let request = Request::new(URL).unwrap();
        let outcome = outcome(split_at(&bytes, &cuts), &request, Config::new());
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        prop_assert!(!accepted);
    }

    #[test]
    fn a_changed_byte_is_no_panic(at in any::<Index>(), byte in any::<u8>()) {
        let mut response = with(&["Server: x"]);
        let at = at.index(response.len());
        response[at] = byte;
        answer(&response);
    }

    #[test]
    fn any_url_is_no_panic(url in "(ws|wss|http)?:?/{0,2}[ -~\r\n]{0,30}") {
        if let Ok(request) = Request::new(&url) {
            let (_, text) = started(&request, Config::new());
            let (head, rest) = text.split_once("\r\n\r\n").unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(head.split("\r\n").count(), 6);
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
