//! Proves that a handshake over values (`handshake::values`) keeps to the same rules as the parser:
//! a table of requests and responses goes through both.

use allocation_counter::measure;
use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use websocket_proto::handshake::{
    HeadError, HttpError,
    client::{self, ResponseError},
    server::{Accept, Origins, Reject, RequestError},
    values::{Connect, Handshake, Upgrade},
};
use websocket_proto::{Config, Connection, Event, RecvBuf, Seed};

mod support;

use support::{
    client::started,
    config,
    doors::{
        Parsed, answer_by_bytes, answer_by_values, by_bytes, by_values, configs, connect, field,
        pendings, request, requests, responses, upgrade, version,
    },
    http::Head,
    server,
};

// --- the same as the parser --------------------------------------------------------------------

#[test]
fn requests_get_the_same_verdict_and_response_as_from_the_parser() {
    let listed = Origins::listed(["https://evil.example"]).unwrap();
    let (mut accepted, mut errors) = (0, Vec::new());
    for request in requests() {
        for config in configs() {
            for origins in [&Origins::SameOrigin, &Origins::Any, &listed] {
                let verdict = by_bytes(&request, origins, config);
                assert_eq!(by_values(&request, origins, config), verdict, "{request:?}");
                match verdict.error {
                    None => accepted += 1,
                    Some(error) if errors.contains(&error) => {}
                    Some(error) => errors.push(error),
                }
            }
        }
    }
    // The table reaches each rule, except for those about bytes, limits, time and CONNECT.
    assert!(accepted > 100, "{accepted}");
    assert_eq!(errors.len(), 17, "{errors:?}");
}

#[test]
fn a_target_that_cannot_be_on_a_request_line_is_malformed() {
    let malformed = RequestError::Http(HttpError::StartLine);
    for (method, target) in [
        ("GET", ""),
        ("GET", "/a b"),
        ("GET", "/a\r\nX: y"),
        ("G T", "/"),
        ("", "/"),
    ] {
        let version = (1, 1);
        let upgrade = Upgrade {
            method,
            target,
            version,
        };
        let refusal = upgrade.check([], &Origins::Any, Config::new()).unwrap_err();
        assert_eq!(refusal.error(), malformed, "{method} {target}");
        assert_eq!(RequestError::from(refusal), malformed);
        let error = websocket_proto::Error::from(refusal);
        assert!(matches!(error, websocket_proto::Error::Request(it) if it == malformed));
        assert_eq!(refusal.response().status(), 400);
    }
}

#[test]
fn responses_get_the_same_verdict_as_from_the_parser() {
    let (mut accepted, mut refused, mut errors) = (0, 0, Vec::new());
    for response in responses() {
        for config in configs() {
            let answer = answer_by_bytes(&response, config);
            assert_eq!(answer_by_values(&response, config), answer, "{response:?}");
            match answer {
                Ok(Some(_)) => accepted += 1,
                Ok(None) => refused += 1,
                Err(error) if errors.contains(&error) => {}
                Err(error) => errors.push(error),
            }
        }
    }
    assert!(accepted > 50 && refused > 50, "{accepted} {refused}");
    let deflate = usize::from(cfg!(feature = "deflate"));
    assert_eq!(errors.len(), 8 + deflate, "{errors:?}");
}

proptest! {
    #[test]
    fn any_fields_get_the_same_verdict_as_from_the_parser(
        fields in vec((0..NAMES.len(), "[ -~\t\u{1}\u{e9}]{0,20}"), 0..4),
        lists in vec((0..NAMES.len(), "([a-c;=,\" ]|chat|permessage-deflate){0,6}"), 0..4),
    ) {
        let line = |(at, value): &(usize, String)| format!("{}: {value}", NAMES[*at]);
        let lines: Vec<_> = fields.iter().chain(&lists).map(line).collect();
        let lines: Vec<_> = lines.iter().map(|line| &line[..]).collect();
        let (request, response) = (server::request(), support::client::response());
        let (request, response) = (request.with(&lines), response.with(&lines));
        for config in configs() {
            let verdict = by_bytes(&request, &Origins::SameOrigin, config);
            prop_assert_eq!(by_values(&request, &Origins::SameOrigin, config), verdict);
            let answer = answer_by_bytes(&response, config);
            prop_assert_eq!(answer_by_values(&response, config), answer);
        }
    }
}

const NAMES: [&str; 7] = [
    "Cookie",
    "Origin",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
];

#[test]
fn the_request_of_a_client_is_the_one_that_the_parser_reads() {
    for config in configs() {
        let (_, text) = started(&request(), config);
        let lines = text.trim_end().split("\r\n").map(Into::into).collect();
        let head = Head { lines };
        let parsed = Parsed::new(&head);
        let (_, sent) = upgrade(config);
        assert_eq!(parsed.start, [sent.method(), sent.target(), "HTTP/1.1"]);
        assert_eq!(sent.protocol(), None);
        let fields: Vec<_> = sent.fields().collect();
        assert_eq!(parsed.headers().collect::<Vec<_>>(), fields);
    }
}

/// The parser cannot see a line end in a value. An HTTP library that does not check values can pass
/// one on, and the program behind the handshake could.
#[test]
fn fixed_34_a_line_end_in_a_value_is_refused_everywhere() {
    let [request, response] = [server::request(), support::client::response()];
    let config = Config::new();
    for value in [
        "a\n", "\na", "a\r\n", "\ra", "a\r\nb", "a\x0c", "\x0ca", "a\x0b",
    ] {
        let line = format!("X: {value}");
        let refused = Some(RequestError::Http(HttpError::Field));
        let request = request.clone().with(&[&line]);
        let verdict = by_values(&request, &Origins::Any, config);
        assert_eq!(verdict.error, refused, "{value:?}");
        let response = response.clone().with(&[&line]);
        let refused = Err(ResponseError::Http(HttpError::Field));
        let answer = answer_by_values(&response, config);
        assert_eq!(answer, refused, "{value:?}");
    }
    for value in ["", " a", "a\t", " \ta \t"] {
        let request = request.clone().with(&[&format!("X: {value}")]);
        assert_eq!(by_values(&request, &Origins::Any, config).error, None);
    }
}

/// `max_head_size` is the size that the head would have as text.
#[test]
fn the_limits_are_those_of_the_parser() {
    let request = server::request().with(&["Cookie: a", "cookie: b"]);
    let response = support::client::response().with(&["Set-Cookie: a"]);
    let (len, answer_len) = (request.bytes().len(), response.bytes().len());
    for max in 0..=len + 1 {
        let config = config(|config| config.max_head_size = max);
        let verdict = by_bytes(&request, &Origins::Any, config);
        assert_eq!(by_values(&request, &Origins::Any, config), verdict, "{max}");
        let too_long = (max < len).then_some(RequestError::Http(HttpError::HeadTooLong));
        assert_eq!(verdict.error, too_long, "{max}");
    }
    // Without the reason phrase, which is no value.
    let response = response.edited(|lines| lines[0] = "HTTP/1.1 101 ".into());
    let answer_len = answer_len - "Switching Protocols".len();
    for max in 0..=answer_len + 1 {
        let config = config(|config| config.max_head_size = max);
        let answer = answer_by_values(&response, config);
        assert_eq!(answer.is_ok(), max >= answer_len, "{max}");
        assert_eq!(answer, answer_by_bytes(&response, config), "{max}");
    }
    // A field that is malformed counts before one that is too many, if it is not behind it.
    for lines in [&["X y: 1", "Z: 1"], &["Z: 1", "X y: 1"]] {
        let request = request.clone().with(lines);
        for max in 0..12 {
            let config = config(|config| config.max_headers = max);
            let verdict = by_bytes(&request, &Origins::Any, config);
            assert_eq!(by_values(&request, &Origins::Any, config), verdict, "{max}");
            let is_too_many = verdict.error == Some(HttpError::TooManyFields.into());
            let valid = if lines[0] == "Z: 1" { 8 } else { 7 };
            assert_eq!(is_too_many, max < valid, "{max}");
        }
    }
    // Values above 128 count as 128.
    let many = vec!["X: 1"; 124];
    for (fields, is_too_many) in [(&many[..123], false), (&many, true)] {
        let request = server::request().with(fields);
        let config = config(|config| config.max_headers = usize::MAX);
        let verdict = by_values(&request, &Origins::Any, config);
        assert_eq!(verdict.error.is_some(), is_too_many);
        assert_eq!(by_bytes(&request, &Origins::Any, config), verdict);
    }
}

#[test]
fn fields_without_end_are_not_read_for_ever() {
    let mut read = 0;
    let fields = core::iter::repeat_with(|| {
        read += 1;
        field("Sec-WebSocket-Protocol", "chat")
    });
    let upgrade = Upgrade {
        method: "GET",
        target: "/",
        version: (1, 1),
    };
    let refusal = upgrade
        .check(fields, &Origins::Any, Config::new())
        .unwrap_err();
    assert_eq!(refusal.error(), HttpError::HeadTooLong.into());
    assert_eq!(refusal.response().status(), 431);
    assert!(read < 16_384 / 28 + 2, "{read}");
}

/// The fields beyond `max_headers` are read up to `max_head_size`, because a head that is too long is
/// the first error. They cost no memory.
#[test]
fn field_02_too_many_headers() {
    let lines = |further: usize| vec!["Sec-WebSocket-Protocol: chat"; further];
    let too_many = HttpError::TooManyFields;
    for (further, error) in [(64 - 5, None), (65 - 5, Some(too_many.into()))] {
        let request = server::request().with(&lines(further));
        let verdict = by_values(&request, &Origins::Any, Config::new());
        assert_eq!(verdict.error, error);
    }
    for (further, error) in [(64 - 3, None), (65 - 3, Some(too_many.into()))] {
        let response = support::client::response().with(&vec!["X: y"; further]);
        let answer = answer_by_values(&response, Config::new());
        assert_eq!(answer.err(), error);
    }
    let cost = |further: usize| {
        let request = server::request().with(&lines(further));
        let parsed = Parsed::new(&request);
        let [method, target, _] = parsed.start;
        let version = (1, 1);
        let upgrade = Upgrade {
            method,
            target,
            version,
        };
        let mut read = 0;
        let info = measure(|| {
            let fields = parsed.headers().inspect(|_| read += 1);
            let result = upgrade.check(fields, &Origins::Any, Config::new());
            assert_eq!(result.unwrap_err().error(), too_many.into());
        });
        assert_eq!(read, 5 + further, "all are read");
        info.bytes_total
    };
    assert_eq!(cost(500), cost(65 - 5));
}

#[test]
fn the_response_to_an_upgrade_names_one_protocol_and_one_extension() {
    let finish = |lines: &[&str]| {
        let response = support::client::response().replaced("Upgrade", None);
        let config = configs().pop().unwrap();
        let answer = answer_by_values(&response.with(lines), config);
        answer.map(|connection| connection.is_some())
    };
    assert_eq!(finish(&["Upgrade: , WebSocket ,"]), Ok(true));
    for lines in [
        &["Upgrade: websocket, h2c"][..],
        &["Upgrade: websocket", "Upgrade: websocket"],
    ] {
        assert_eq!(finish(lines), Err(ResponseError::Upgrade), "{lines:?}");
    }
    let extension = "Sec-WebSocket-Extensions: permessage-deflate";
    let lines = ["Upgrade: websocket", extension, extension];
    assert_eq!(finish(&lines[..2]).is_ok(), cfg!(feature = "deflate"));
    assert_eq!(finish(&lines), Err(ResponseError::Extension));
}

#[test]
fn the_response_to_an_upgrade_is_final_and_of_http_1() {
    let valid = support::client::response();
    let parsed = Parsed::new(&valid);
    let finish = |version, status| {
        let (handshake, _) = upgrade(Config::new());
        let finished = handshake.finish(version, status, parsed.headers());
        finished.map(|connection| connection.is_some())
    };
    assert_eq!(finish(version("HTTP/1.1"), 101), Ok(true));
    assert_eq!(finish((1, 1), 200), Ok(false));
    assert_eq!(finish((1, 0), 404), Ok(false));
    assert_eq!(finish((1, 1), 103), Err(ResponseError::Interim));
    for status in [101, 200] {
        assert_eq!(finish((2, 0), status), Err(ResponseError::HttpVersion));
    }
}

// --- what the application adds -----------------------------------------------------------------

#[test]
fn fields_of_the_application_cannot_change_the_handshake() {
    let cases = [
        ("X", "a\r\nSet-Cookie: id=7", HeadError::InvalidHeaderValue),
        ("X", "a\0", HeadError::InvalidHeaderValue),
        ("X: a\r\nY", "b", HeadError::InvalidHeaderName),
        (":status", "200", HeadError::InvalidHeaderName),
        ("", "a", HeadError::InvalidHeaderName),
        ("Upgrade", "h2c", HeadError::ReservedHeader),
        ("content-length", "5", HeadError::ReservedHeader),
        ("Transfer-Encoding", "chunked", HeadError::ReservedHeader),
        ("sec-websocket-extensions", "x", HeadError::ReservedHeader),
    ];
    for (name, value, error) in cases {
        for pending in pendings() {
            let accept = Accept::new().header(name, value);
            assert_eq!(pending.accept(accept).unwrap_err(), error, "{name}");
        }
        for pending in pendings() {
            let reject = Reject::new(403).header(name, value);
            assert_eq!(pending.reject(reject).unwrap_err(), error, "{name}");
        }
        let request = client::Request::new("ws://example.com/")
            .unwrap()
            .header(name, value);
        for start in [Handshake::upgrade, Handshake::connect] {
            let started = start(&request, Seed::from([7; 32]), Config::new());
            assert_eq!(started.unwrap_err(), error, "{name}");
        }
    }
    for pending in pendings() {
        let accept = Accept::new().subprotocol("c");
        assert_eq!(
            pending.accept(accept).unwrap_err(),
            HeadError::SubprotocolNotOffered
        );
    }
    for status in [101, 200, 299, 600] {
        for pending in pendings() {
            let error = pending.reject(Reject::new(status)).unwrap_err();
            assert_eq!(error, HeadError::InvalidStatus);
        }
    }
}

#[test]
fn the_offers_can_be_read_before_the_decision() {
    for pending in pendings() {
        assert_eq!(pending.subprotocols().collect::<Vec<_>>(), ["chat", "b"]);
        assert!(pending.offers("b") && !pending.offers("B") && !pending.offers("chat, b"));
        // A name that the request lends can be chosen, too.
        let last = pending.subprotocols().last().unwrap().to_owned();
        let (_, response) = pending.accept(Accept::new().subprotocol(&last)).unwrap();
        assert!(
            response
                .fields()
                .any(|it| it.is("Sec-WebSocket-Protocol") && it.value == b"b")
        );
    }
}

#[test]
fn a_rejection_has_the_fields_that_its_status_requires() {
    for (pending, is_upgrade) in pendings().into_iter().zip([true, false]) {
        let response = pending.reject(Reject::new(426).body(b"no")).unwrap();
        let names: Vec<_> = response.fields().map(|it| it.name.to_lowercase()).collect();
        match is_upgrade {
            true => assert_eq!(names, ["connection", "upgrade", "sec-websocket-version"]),
            false => assert_eq!(names, ["sec-websocket-version"]),
        }
        assert_eq!((response.status(), &response.body()[..]), (426, &b"no"[..]));
    }
    for pending in pendings() {
        let reject = Reject::new(304).header("ETag", "\"7\"").body(b"no");
        let response = pending.reject(reject).unwrap();
        assert_eq!((response.fields().count(), response.body().len()), (1, 0));
    }
}

#[test]
fn debug_shows_no_value_of_a_field() {
    for pending in pendings() {
        let accept = Accept::new().header("Set-Cookie", "secret");
        let (_, response) = pending.accept(accept).unwrap();
        let text = format!("{response:?}").to_lowercase();
        assert!(
            text.contains("set-cookie") && !text.contains("secret"),
            "{text}"
        );
    }
    for (_, sent) in [upgrade(Config::new()), connect(Config::new())] {
        let text = format!("{sent:?}").to_lowercase();
        assert!(text.contains("cookie") && !text.contains("id=7"), "{text}");
    }
}

// --- both roles --------------------------------------------------------------------------------

/// Both sides over values: `None` is an upgrade, otherwise the version of the CONNECT.
fn joined(connect_version: Option<(u8, u8)>, config: Config) -> (Connection, Connection) {
    let (handshake, sent) = match connect_version {
        None => upgrade(config),
        Some(_) => connect(config),
    };
    let checked = match connect_version {
        None => {
            let (method, target) = (sent.method(), sent.target());
            let version = (1, 1);
            let upgrade = Upgrade {
                method,
                target,
                version,
            };
            upgrade.check(sent.fields(), &Origins::SameOrigin, config)
        }
        Some(_) => {
            let connect = Connect {
                method: sent.method(),
                protocol: sent.protocol(),
                scheme: Some(sent.scheme()),
                authority: Some(sent.authority()),
                path: Some(sent.target()),
            };
            connect.check(sent.fields(), &Origins::SameOrigin, config)
        }
    };
    let accept = Accept::new().subprotocol("superchat");
    let (server, response) = checked.unwrap().accept(accept).unwrap();
    let version = connect_version.unwrap_or((1, 1));
    let client = handshake.finish(version, response.status(), response.fields());
    (client.unwrap().expect("accepted"), server)
}

#[test]
fn both_roles_over_values_exchange_messages() {
    let text = "Hello, Hello, Hello! ".repeat(100);
    for config in configs() {
        for version in [None, Some((2, 0)), Some((3, 0))] {
            let (mut client, mut server) = joined(version, config);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            client.send_text(&text, &mut out).unwrap();
            #[cfg(feature = "deflate")]
            assert_eq!(out.len() < 200, config.deflate.is_some(), "compressed");
            // The frames of a client are masked in HTTP/2, too.
            assert_eq!(out[1] & 0x80, 0x80);
            input.extend_from_slice(&out.split());
            let event = server.next_event(&mut input, &mut out).unwrap();
            assert_eq!(event, Some(Event::Text(&text)));

            server.send_text(&text, &mut out).unwrap();
            let mut input = RecvBuf::new();
            input.extend_from_slice(&out.split());
            let event = client.next_event(&mut input, &mut out).unwrap();
            assert_eq!(event, Some(Event::Text(&text)));
        }
    }
}
