//! Proves that a client accepts only valid responses (RFC 6455 §4.1): the fields that a response
//! must and must not have, and its size. The result does not depend on how the bytes are split, and
//! no bytes cause a panic.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use proptest::{collection::vec, prelude::*, sample::Index};
use websocket_proto::Config;
use websocket_proto::handshake::{
    HttpError,
    client::{Request, ResponseError},
};

mod support;

use support::{
    client::{
        Outcome, URL, accepts, edited, fails, outcome, outcome_of, replaced, right_accept, with,
    },
    http::split_at,
};

// --- the response ------------------------------------------------------------------------------

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
    // A proxy can refuse with HTTP/1.0.
    let refused = outcome_of(b"HTTP/1.0 502 Bad Gateway\r\n\r\n");
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
}

#[test]
fn fixed_07_a_higher_minor_version_of_http_is_taken_for_1_1() {
    for minor in 1..=9 {
        accepts(&replaced("HTTP", Some(&format!("HTTP/1.{minor} 101 Sure"))));
    }
    let refused = outcome_of(b"HTTP/1.2 404 Not Found\r\n\r\n");
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
    for line in [
        "HTTP/1.10 101 x",
        "HTTP/1 101 x",
        "HTTP/1.x 101 x",
        "HTTP/11 101 x",
    ] {
        let error = ResponseError::Http(HttpError::StartLine);
        fails(&replaced("HTTP", Some(line)), error);
    }
    fails(
        b"HTTP/2.0 404 Not Found\r\n\r\n",
        ResponseError::HttpVersion,
    );
}

/// "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110
/// §5.6.1.2). The limit on the head limits the number.
#[test]
fn fixed_05_empty_elements_of_upgrade_and_connection() {
    for value in ["websocket,", ",websocket", " , ,\twebsocket ,, "] {
        accepts(&replaced("Upgrade", Some(&format!("Upgrade: {value}"))));
    }
    accepts(&with(&["Upgrade: "]));
    accepts(&replaced("Connection", Some("Connection: ,,upgrade,")));
    for value in ["", ",", "websocket, websocket", "websocket, h2c"] {
        let line = format!("Upgrade: {value}");
        fails(&replaced("Upgrade", Some(&line)), ResponseError::Upgrade);
    }
}

#[test]
fn malformed_responses() {
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

    // The limit applies to all of them together.
    let endless = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    fails(&endless, ResponseError::Http(HttpError::HeadTooLong));
}

#[test]
fn field_01_a_response_byte_by_byte_up_to_the_limit() {
    let limit = Config::new().max_head_size;
    let mut response = with(&["X: "]);
    response.truncate(response.len() - 4);
    response.resize(limit - 4, b'x');
    response.extend_from_slice(b"\r\n\r\n");
    let request = Request::new(URL).unwrap();
    let whole = outcome_of(&response);
    assert!(matches!(whole, Outcome::Accepted { .. }));
    assert_eq!(outcome(response.chunks(1), &request, Config::new()), whole);

    response.insert(limit - 4, b'x');
    let error = ResponseError::Http(HttpError::HeadTooLong);
    assert_eq!(outcome_of(&response[..limit]), Outcome::Nothing);
    fails(&response[..=limit], error);
    assert_eq!(
        outcome(response.chunks(1), &request, Config::new()),
        Outcome::Failed(error)
    );
}

#[test]
fn field_02_too_many_headers() {
    // A valid response has three fields.
    let further = |n: usize| edited(|response| response.extend(vec!["X: y".into(); n]));
    accepts(&further(64 - 3));
    for fields in [65, 129, 1000] {
        let error = ResponseError::Http(HttpError::TooManyFields);
        fails(&further(fields - 3), error);
    }
}

// --- any split, any bytes ----------------------------------------------------------------------

/// Valid and invalid responses, followed by more bytes.
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

proptest! {
    #[test]
    fn any_split_gives_the_same(response in any_response(), cuts in vec(any::<Index>(), 0..8)) {
        let mut config = Config::new();
        config.max_head_size = 2000;
        config.max_headers = 6;
        let request = Request::new(URL).unwrap().subprotocol("a");
        let whole = outcome([&response[..]], &request, config);
        let cuts = cuts.iter().map(|cut| cut.index(response.len() + 1));
        prop_assert_eq!(&outcome(split_at(&response, cuts), &request, config), &whole);
        prop_assert_eq!(&outcome(response.chunks(1), &request, config), &whole);
    }

    #[test]
    fn random_bytes_are_not_accepted(bytes in vec(any::<u8>(), 0..500), cuts in vec(any::<Index>(), 0..4)) {
        let request = Request::new(URL).unwrap();
        let cuts = cuts.iter().map(|cut| cut.index(bytes.len() + 1));
        let outcome = outcome(split_at(&bytes, cuts), &request, Config::new());
        let accepted = matches!(outcome, Outcome::Accepted { .. });
        prop_assert!(!accepted);
    }

    #[test]
    fn a_changed_byte_is_no_panic(at in any::<Index>(), byte in any::<u8>()) {
        let mut response = with(&["Server: x"]);
        let at = at.index(response.len());
        response[at] = byte;
        outcome_of(&response);
    }
}
