//! Proves what the handshake of a server does with valid requests (RFC 6455 §4.2): what the
//! application sees, and the responses for its decisions. The result does not depend on how the
//! bytes are split, and no bytes cause a panic.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use core::time::Duration;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::Index};
use websocket_proto::handshake::{
    HeadError,
    server::{Accept, Handshake, Origins, Reject, RequestError},
};
use websocket_proto::{Config, RecvBuf};

mod support;

use support::{
    http::split_at,
    server::{
        accepts, assert_refused, edited, outcome, outcome_of, pending, refuses, replaced, with,
    },
};

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
    let mut handshake = Handshake::new(Config::new(), origins);
    let (request, pending) = handshake.next(&mut input, &mut out).unwrap().unwrap();
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
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (_, _pending) = handshake.next(&mut input, &mut out).unwrap().unwrap();
    input.extend_from_slice(b"frames");
    assert!(handshake.next(&mut input, &mut out).unwrap().is_none());
    assert_eq!(input.unread(), b"frames");
    handshake.end_of_stream();
    assert!(handshake.next(&mut input, &mut out).unwrap().is_none());
    assert_eq!(handshake.deadline(Duration::ZERO), None);
    assert_eq!(handshake.handle_timeout(Duration::MAX, &mut out), Ok(()));
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
fn a_rejection_has_the_phrase_of_its_status() {
    // RFC 9110 §15, RFC 6585. An uncommon status has none.
    for (status, phrase) in [
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (410, "Gone"),
        (413, "Content Too Large"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (599, ""),
    ] {
        let mut out = BytesMut::new();
        let rejection = Reject::new(status);
        pending(&with(&[])).reject(rejection, &mut out).unwrap();
        let line = format!("HTTP/1.1 {status} {phrase}\r\n");
        assert!(out.starts_with(line.as_bytes()), "{out:?}");
    }
}

#[test]
fn a_request_can_be_logged_without_its_values() {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    // The second name has the length of `Sec-WebSocket-Extensions`.
    input.extend_from_slice(&with(&["Cookie: secret", "X-Sec-WebSocket-Trackers: x"]));
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (request, _) = handshake.next(&mut input, &mut out).unwrap().unwrap();
    let shown = format!("{:?}", request.headers());
    assert!(
        shown.contains("\"Cookie\"") && shown.contains("Trackers") && !shown.contains("secret"),
        "{shown}"
    );
    let shown = format!("{:?}", Accept::new().header("Set-Cookie", "secret"));
    assert!(
        shown.contains("Set-Cookie") && !shown.contains("secret"),
        "{shown}"
    );
}

/// Browsers have no other place for a password than the list of subprotocols.
#[test]
fn fixed_51_a_handshake_can_be_logged_without_subprotocols_and_bodies() {
    let pending = pending(&with(&["Sec-WebSocket-Protocol: bearer, secret"]));
    let reject = Reject::new(403).header("X-Name", "secret").body(b"secret");
    for (shown, visible) in [
        (format!("{pending:?}"), "Pending"),
        (format!("{reject:?}"), "body: 6"),
    ] {
        assert!(
            shown.contains(visible) && !shown.contains("secret"),
            "{shown}"
        );
    }
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
        let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
        let (request, pending) = handshake.next(&mut input, &mut out).unwrap().unwrap();
        let seen = (request.path(), request.query(), request.host());
        assert_eq!(seen, expected, "{target}");
        pending.accept(Accept::new(), &mut out).unwrap();
    };
    see("/", ("/", None, "example.com"));
    see("//a//b", ("//a//b", None, "example.com"));
    see("/a?", ("/a", Some(""), "example.com"));
    see("/a?b?c", ("/a", Some("b?c"), "example.com"));
    // Browsers do not encode these characters.
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
        "sec-websocket-extensions:\tx-c ; d=1 ",
    ]));
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (request, _pending) = handshake.next(&mut input, &mut out).unwrap().unwrap();
    assert_eq!(
        request.extensions().collect::<Vec<_>>(),
        [
            "permessage-deflate; client_max_window_bits",
            "x-a;q=\"\\b\"",
            "x-c ; d=1"
        ]
    );
}

/// RFC 6455 §9.1 uses the grammar of RFC 2616 "including the "implied *LWS rule"": white space
/// "can be included between any two adjacent words (token or quoted-string), and between adjacent
/// words and separators" (RFC 2616 §2.1).
#[test]
fn fixed_04_white_space_around_the_separators_of_extensions() {
    for value in [
        "a;b = 1",
        "a;b= 1",
        "a;b =1",
        "a\t;\tb\t=\t\"1\" , c ; d \t= \te ",
    ] {
        accepts(&with(&[&format!("Sec-WebSocket-Extensions: {value}")]));
    }
    // White space inside a token or a quoted string is an error.
    for value in [
        "a;b c=1",
        "a;b=1 2",
        "a;b=\" 1\"",
        "a;b=\"1 \"",
        "a;b = = 1",
        "a; = 1",
        "a;b = ",
    ] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        refuses(&with(&[&line]), RequestError::Extensions, 400);
    }
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

// --- the application's decisions ---------------------------------------------------------------

#[test]
fn a_rejection_is_a_whole_response() {
    let mut out = BytesMut::new();
    let response = Reject::new(401)
        .header("WWW-Authenticate", "Basic")
        .body(b"who are you?");
    pending(&with(&[])).reject(response, &mut out).unwrap();
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

/// "A 304 response is terminated by the end of the header section; it cannot contain content"
/// (RFC 9110 §15.4.5). Its `Content-Length` would have to be that of a 200 (OK) response (§8.6),
/// which is not known, so it has none.
#[test]
fn fixed_08_a_304_has_no_body() {
    for response in [Reject::new(304), Reject::new(304).body(b"a body")] {
        let mut out = BytesMut::new();
        let response = response.header("ETag", "\"a\"");
        pending(&with(&[])).reject(response, &mut out).unwrap();
        assert_eq!(
            out[..],
            *b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\n\r\n"
        );
    }
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

/// Valid and invalid requests, followed by more bytes.
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
        let cuts = cuts.iter().map(|cut| cut.index(request.len() + 1));
        let whole = ask(vec![&request]);
        prop_assert_eq!(&ask(split_at(&request, cuts)), &whole);
        prop_assert_eq!(&ask(request.chunks(1).collect()), &whole);
    }

    #[test]
    fn random_bytes_are_not_accepted(bytes in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..4)) {
        let cuts = cuts.iter().map(|cut| cut.index(bytes.len() + 1));
        let outcome = outcome(split_at(&bytes, cuts), Config::new(), Origins::Any);
        prop_assert!(!matches!(outcome.result, Ok(Some(_))));
    }

    #[test]
    fn a_changed_byte_is_no_panic(at in any::<Index>(), byte in any::<u8>()) {
        let mut request = with(&["Origin: https://example.com", "Sec-WebSocket-Protocol: a, b"]);
        let at = at.index(request.len());
        request[at] = byte;
        let outcome = outcome_of(&request);
        if let Err(error) = outcome.result {
            assert_refused(&outcome, error, error.status().unwrap());
        }
    }
}
