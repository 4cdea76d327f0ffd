//! Proves that a server refuses an invalid request with the right status (RFC 6455 §4.2.1, RFC
//! 9112): every status, the order of the rules, the limits, the deadline, and fields that other
//! implementations read in different ways.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use core::time::Duration;

use bytes::BytesMut;
use websocket_proto::handshake::{
    HttpError,
    server::{Handshake, Origins, RequestError},
};
use websocket_proto::{Config, RecvBuf};

mod support;

use support::config;
use support::server::{
    KEY, Outcome, accepts, assert_refused, edited, outcome, outcome_of, refuses, replaced, with,
};

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
        "GET  HTTP/1.1",
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
    let outcome = outcome_of(&replaced("GET", Some("HEAD / HTTP/1.1")));
    assert_eq!(outcome.result, Err(RequestError::Method));
    assert!(outcome.out.starts_with("HTTP/1.1 405 "));
    assert!(outcome.out.ends_with("\r\n\r\n"));
}

/// With a limit in front of the space behind `HEAD`, the response had a body if no more had arrived.
#[test]
fn fixed_33_what_is_behind_the_limit_does_not_change_a_refusal() {
    let request = b"\r\nHEAD / HTTP/1.1\r\n\r\n";
    for limit in 0..10 {
        let config = config(|c| c.max_head_size = limit);
        let [whole, by_byte] = [request.len(), 1]
            .map(|size| outcome(request.chunks(size), config, Origins::SameOrigin));
        let error = RequestError::Http(HttpError::HeadTooLong);
        assert_eq!(whole.result, Err(error));
        assert_eq!(whole.out, by_byte.out, "{limit}");
        // "\r\nHEAD " has seven bytes.
        assert_eq!(whole.out.ends_with("\r\n\r\n"), limit >= 7, "{limit}");
    }
}

#[test]
fn fixed_08_no_response_to_head_has_a_body() {
    let no_body = |out: &str, status: &str| {
        assert!(out.starts_with(&format!("HTTP/1.1 {status} ")), "{out}");
        assert!(out.ends_with("\r\n\r\n"), "{out}");
        // "A server [...] MUST NOT send Content-Length in such a response unless its field value
        // equals the decimal number of octets that would have been sent [...] if the same request
        // had used the GET method" (RFC 9110 §8.6). The response to GET is another one.
        assert!(!out.contains("Content-Length"), "{out}");
    };
    let head = |lines: &str| replaced("GET", Some(&format!("{lines}HEAD / HTTP/1.1")));
    no_body(&outcome_of(&head("")).out, "405");
    no_body(&outcome_of(&head("\r\n")).out, "405");
    no_body(&outcome_of(&head("\r\n\r\n\r\n")).out, "405");
    let by_byte = outcome(head("\r\n").chunks(1), Config::new(), Origins::SameOrigin);
    no_body(&by_byte.out, "405");
    no_body(&outcome_of(b"\r\nHEAD / HTTP/1.1\n").out, "400");
    no_body(&outcome_of(b"\r\nHEAD / HTTP/2.0\r\n\r\n").out, "505");

    // Also if the head is not complete at the deadline.
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let deadline = handshake.deadline(Duration::ZERO).unwrap();
    input.extend_from_slice(b"\r\nHEAD / HTTP/1.1\r\nHost");
    assert!(handshake.next(&mut input, &mut out).unwrap().is_none());
    let result = handshake.handle_timeout(deadline, &mut out);
    assert_eq!(result, Err(RequestError::Timeout));
    no_body(core::str::from_utf8(&out).unwrap(), "408");

    // These are other methods: names are case-sensitive (RFC 9110 §9.1).
    for line in ["head / HTTP/1.1", "HEADER / HTTP/1.1"] {
        refuses(&replaced("GET", Some(line)), RequestError::Method, 405);
    }
}

#[test]
fn status_408_at_the_deadline() {
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let mut out = BytesMut::new();
    let start = Duration::from_secs(1000);
    assert_eq!(handshake.handle_timeout(start, &mut out), Ok(()));
    let deadline = handshake.deadline(start).unwrap();
    assert_eq!(deadline, start + Config::new().handshake_timeout);
    let before = deadline - Duration::from_nanos(1);
    assert_eq!(handshake.handle_timeout(before, &mut out), Ok(()));
    assert!(out.is_empty());

    assert_eq!(
        handshake.handle_timeout(deadline, &mut out),
        Err(RequestError::Timeout)
    );
    let outcome = Outcome {
        result: Err(RequestError::Timeout),
        out: String::from_utf8(out.to_vec()).unwrap(),
        left: Vec::new(),
    };
    assert_refused(&outcome, RequestError::Timeout, 408);

    // Later calls return the error again, and write nothing.
    let written = out.len();
    let mut input = RecvBuf::new();
    input.extend_from_slice(&with(&[]));
    assert_eq!(
        handshake.next(&mut input, &mut out).unwrap_err(),
        RequestError::Timeout
    );
    assert_eq!(
        handshake.handle_timeout(deadline, &mut out),
        Err(RequestError::Timeout)
    );
    handshake.end_of_stream();
    let error = handshake.next(&mut input, &mut out).unwrap_err();
    assert_eq!(error, RequestError::Timeout);
    assert_eq!(handshake.deadline(deadline), None);
    assert_eq!((out.len(), input.unread()), (written, &b""[..]));
}

#[test]
fn a_timeout_beyond_all_instants_is_none() {
    let mut config = Config::new();
    config.handshake_timeout = Duration::MAX;
    let mut handshake = Handshake::new(config, Origins::SameOrigin);
    assert_eq!(handshake.deadline(Duration::from_secs(1)), None);
    let result = handshake.handle_timeout(Duration::MAX, &mut BytesMut::new());
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
    for version in ["1.0", "2.0", "2.1", "0.9", "3.0"] {
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

/// "A recipient that receives a message with a major version number that it implements and a
/// minor version number higher than what it implements SHOULD process the message as if it was in
/// the highest minor version within that major version to which the recipient is conformant."
/// (RFC 9110 §2.5)
#[test]
fn fixed_07_a_higher_minor_version_of_http_is_taken_for_1_1() {
    for minor in 1..=9 {
        let line = format!("GET /chat HTTP/1.{minor}");
        let outcome = accepts(&replaced("GET", Some(&line)));
        assert!(outcome.result.unwrap().unwrap().contains("\"/chat\""));
    }
    for version in [
        "HTTP/1.10",
        "HTTP/1.",
        "HTTP/1.x",
        "HTTP/11",
        "HTTP/1.2 ",
        "HTTP /1.2",
    ] {
        let request = replaced("GET", Some(&format!("GET / {version}")));
        refuses(&request, RequestError::Http(HttpError::StartLine), 400);
    }
    // Errors of syntax are reported first.
    for version in ["1.0", "1.2", "2.0"] {
        let request = format!("GET / HTTP/{version}\r\nno colon\r\n\r\n");
        let error = RequestError::Http(HttpError::Field);
        refuses(request.as_bytes(), error, 400);
    }
}

#[test]
fn no_response_when_the_stream_ends() {
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(b"GET / HT");
    assert!(handshake.next(&mut input, &mut out).unwrap().is_none());
    handshake.end_of_stream();
    assert_eq!(RequestError::EndOfStream.status(), None);
    let error = handshake.next(&mut input, &mut out).unwrap_err();
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
    // The error, and the corrected line that leads to the next error.
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
    for (error, at, corrected) in steps {
        refuses(&request(&lines), error, error.status().unwrap());
        lines[at] = corrected.into();
    }
    accepts(&request(&lines));
}

// --- defects that others had -------------------------------------------------------------------

/// The longest request within the default limits.
fn longest() -> Vec<u8> {
    let mut request = with(&["X: "]);
    request.truncate(request.len() - 4);
    request.resize(Config::new().max_head_size - 4, b'x');
    request.extend_from_slice(b"\r\n\r\n");
    request
}

#[test]
fn field_01_byte_by_byte_up_to_the_limit() {
    // A unit test in src/handshake/head.rs shows that the work is linear.
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
    assert_eq!(outcome_of(&request[..limit]).result, Ok(None));
    let outcome = outcome(request.chunks(1), Config::new(), Origins::SameOrigin);
    assert_eq!(outcome.result, Err(error));

    // A peer that sends far more than the limit.
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
    // Lists can occur several times.
    accepts(&with(&["Upgrade: websocket", "Connection: Upgrade"]));
    accepts(&with(&["Upgrade: h2c", "Connection: close"]));
}

#[test]
fn field_03_long_lists_have_a_defined_status() {
    // benches/handshake.rs shows that the work is linear.
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
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut now = Duration::from_secs(5);
    let mut result = Ok(());
    for &byte in &request {
        let deadline = handshake.deadline(now).expect("it never moves");
        assert_eq!(deadline, Duration::from_secs(15));
        if now >= deadline {
            result = handshake.handle_timeout(now, &mut out);
            break;
        }
        input.extend_from_slice(&[byte]);
        assert!(handshake.next(&mut input, &mut out).unwrap().is_none());
        now += Duration::from_secs(9);
    }
    assert_eq!(result, Err(RequestError::Timeout));
    assert_eq!(now, Duration::from_secs(23));
    assert!(out.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn field_15_a_body_is_refused() {
    for lines in [
        &["Content-Length: 1"][..],
        &["Content-Length: 0005"],
        &["Content-Length: 5, 5"],
        &["Content-Length: 5", "Content-Length: 05"],
        &["Content-Length: 18446744073709551616"],
        &["Content-Length: 100000000000000000000000000000000000000000"],
        &["Transfer-Encoding: chunked"],
        &["transfer-encoding: gzip, Chunked"],
        &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
    ] {
        refuses(&with(lines), RequestError::Body, 413);
    }
}

/// An empty field adds nothing to the list (RFC 9110 §5.6.1.2).
#[test]
fn fixed_23_an_empty_second_transfer_encoding_changes_nothing() {
    for lines in [
        ["Transfer-Encoding: chunked", "Transfer-Encoding:"],
        ["Transfer-Encoding:", "Transfer-Encoding: chunked"],
    ] {
        refuses(&with(&lines), RequestError::Body, 413);
    }
}

/// "If a message is received without Transfer-Encoding and with an invalid Content-Length header
/// field, then the message framing is invalid [...], unless the field value can be successfully
/// parsed as a comma-separated list [...], all values in the list are valid, and all values in
/// the list are the same" (RFC 9112 §6.3, item 5).
#[test]
fn fixed_06_an_invalid_length_of_the_body_is_400() {
    for value in [
        "",
        ",",
        "+0",
        "-0",
        "0x0",
        "0.0",
        "0 0",
        "0;",
        "\"0\"",
        "a",
        "0, 5",
        "0, +0",
        "5, 0",
        "\u{660}",
        "18446744073709551616, 0",
    ] {
        let line = format!("Content-Length: {value}");
        refuses(&with(&[&line]), RequestError::Framing, 400);
    }
    for lines in [
        ["Content-Length: 0", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 0"],
        ["Content-Length: 0", "Content-Length: "],
        ["Content-Length: ", "Content-Length: 0"],
        // "Such a message might indicate an attempt to perform request smuggling [...] and ought
        // to be handled as an error" (item 3).
        ["Transfer-Encoding: chunked", "Content-Length: 0"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ] {
        refuses(&with(&lines), RequestError::Framing, 400);
    }
    // "If a Transfer-Encoding header field is present in a request and the chunked transfer
    // coding is not the final encoding, the message body length cannot be determined reliably;
    // the server MUST respond with the 400 (Bad Request) status code" (item 4).
    for value in [
        "",
        "identity",
        "gzip",
        "chunked, gzip",
        "chunked;a=b",
        "chunkedx",
    ] {
        let line = format!("Transfer-Encoding: {value}");
        refuses(&with(&[&line]), RequestError::Framing, 400);
    }
    for lines in [
        &["Content-Length: 0"][..],
        &["Content-Length: 00"],
        &["Content-Length: 00000000000000000000000000000000000000"],
        &["Content-Length: 0, 0"],
        &["Content-Length: 0,, 00,"],
        &["Content-Length: 0", "content-length: 0"],
    ] {
        accepts(&with(lines));
    }
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
    // The grammar allows any value for the four bits after the 16 bytes (RFC 6455 §11.3.1).
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
