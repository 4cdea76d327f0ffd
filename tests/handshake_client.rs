//! Proves what the handshake of a client does (RFC 6455 §4.1): the request for a URL, the outcome
//! for a response that accepts or refuses, the deadline, and that both roles understand each other.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use core::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use websocket_proto::handshake::{
    HeadError,
    client::{Handshake, Outcome, Request, ResponseError, UrlError},
    server,
};
use websocket_proto::{Config, Event, RecvBuf, Seed};

mod support;

use support::client::{URL, started, value, with};

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
fn fixed_51_a_handshake_can_be_logged_without_subprotocols() {
    let request = Request::new(URL).unwrap().subprotocol("secret");
    let (handshake, _) = started(&request, Config::new());
    let shown = format!("{request:?} {handshake:?}");
    assert!(
        shown.contains("example.com") && !shown.contains("secret"),
        "{shown}"
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
#[cfg(feature = "getrandom")]
fn every_seed_of_the_system_is_another() {
    let keys = [(); 2].map(|()| {
        let mut out = BytesMut::new();
        let seed = Seed::from_os().expect("entropy");
        Handshake::start(&Request::new(URL).unwrap(), seed, Config::new(), &mut out).unwrap();
        out
    });
    assert_ne!(keys[0], keys[1]);
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

proptest! {
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

// --- a response that accepts -------------------------------------------------------------------

#[test]
fn bytes_behind_the_head_are_the_first_frames() {
    let mut response = with(&["Server: x"]);
    response.extend_from_slice(b"\x81\x02hi");
    let (mut handshake, _) = started(&Request::new(URL).unwrap(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&response);
    let Some(Outcome::Accepted(mut ws, response)) = handshake.next(&mut input).unwrap() else {
        panic!("it is accepted");
    };
    assert_eq!(response.reason(), "Switching Protocols");
    assert_eq!(response.header("server"), Some(&b"x"[..]));
    let event = ws.next_event(&mut input, &mut out).unwrap();
    assert_eq!(event, Some(Event::Text("hi")));
    handshake.end_of_stream();
    assert!(handshake.next(&mut input).unwrap().is_none());
    assert_eq!(handshake.deadline(Duration::ZERO), None);
    assert_eq!(handshake.handle_timeout(Duration::MAX), Ok(()));
}

// --- refusals ----------------------------------------------------------------------------------

#[test]
fn a_refusal_shows_more_of_its_body_with_every_read() {
    let (mut handshake, _) = started(&Request::new(URL).unwrap(), Config::new());
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n");
    let mut body = Vec::new();
    for piece in [&b""[..], b"who ", b"are ", b"you?"] {
        input.extend_from_slice(piece);
        body.extend_from_slice(piece);
        let Some(Outcome::Refused(response)) = handshake.next(&mut input).unwrap() else {
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
    // The end of the stream is the end of the body.
    handshake.end_of_stream();
    let Some(Outcome::Refused(response)) = handshake.next(&mut input).unwrap() else {
        panic!("it is refused");
    };
    assert_eq!(response.status(), 401);
}

#[test]
fn the_body_of_a_refusal_is_bounded() {
    let config = Config::new();
    let (mut handshake, _) = started(&Request::new(URL).unwrap(), config);
    let mut input = RecvBuf::new();
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    input.extend_from_slice(head);
    for _ in 0..1000 {
        input.extend_from_slice(&[b'x'; 4096]);
        let Some(Outcome::Refused(response)) = handshake.next(&mut input).unwrap() else {
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
        let (mut handshake, _) = started(&Request::new(URL).unwrap(), Config::new());
        let mut input = RecvBuf::new();
        input.extend_from_slice(response);
        let Some(Outcome::Refused(response)) = handshake.next(&mut input).unwrap() else {
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
        let (mut handshake, _) = started(&Request::new(URL).unwrap(), Config::new());
        let mut input = RecvBuf::new();
        let mut now = Duration::from_secs(5);
        let mut result = Ok(());
        for &byte in &head {
            let deadline = handshake.deadline(now).expect("it never moves");
            assert_eq!(deadline, Duration::from_secs(15));
            result = handshake.handle_timeout(now);
            if result.is_err() {
                break;
            }
            input.extend_from_slice(&[byte]);
            handshake.next(&mut input).unwrap();
            now += Duration::from_millis(200);
        }
        assert_eq!(
            (result, now),
            (Err(ResponseError::Timeout), Duration::from_secs(15))
        );
        assert_eq!(
            handshake.next(&mut input).unwrap_err(),
            ResponseError::Timeout
        );
        assert_eq!(handshake.deadline(now), None);
    }
}

#[test]
fn the_stream_ends_too_early() {
    let (mut handshake, _) = started(&Request::new(URL).unwrap(), Config::new());
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"HTTP/1.1 101 Sw");
    assert!(handshake.next(&mut input).unwrap().is_none());
    handshake.end_of_stream();
    assert_eq!(
        handshake.next(&mut input).unwrap_err(),
        ResponseError::EndOfStream
    );
    let result = handshake.handle_timeout(Duration::MAX);
    assert_eq!(result, Err(ResponseError::EndOfStream));
}

#[test]
fn the_errors_are_small() {
    assert!(size_of::<ResponseError>() <= 2);
    assert!(size_of::<UrlError>() <= 1);
}

// --- both roles --------------------------------------------------------------------------------

/// Moves up to `size` bytes from one side to the other.
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
        let response = server::Accept::new().subprotocol("b");
        let mut server_ws = pending.accept(response, &mut server_out).unwrap();
        server_ws.send_text("first", &mut server_out).unwrap();

        let mut client_ws = loop {
            assert!(deliver(&mut server_out, &mut client_in, size));
            match asking.next(&mut client_in).unwrap() {
                None => {}
                Some(Outcome::Accepted(ws, response)) => {
                    assert_eq!(response.subprotocol(), Some("b"));
                    break ws;
                }
                Some(Outcome::Refused(response)) => panic!("{response:?}"),
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
        let Some(Outcome::Refused(response)) = client.next(&mut input).unwrap() else {
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
