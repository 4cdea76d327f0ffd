//! Proves that the handshake by an extended CONNECT keeps to RFC 8441 (HTTP/2) and RFC 9220 (HTTP/3),
//! for both roles.

use websocket_proto::handshake::{
    Header, HttpError,
    client::{Request, ResponseError},
    server::{Accept, Origins, RequestError},
    values::{Connect, Handshake},
};
use websocket_proto::{Config, Seed};

mod support;

use support::{
    config,
    doors::{CONNECT, Verdict, connect, field, pendings, verdict},
};

// --- extended CONNECT, the server --------------------------------------------------------------

fn connected<'f>(request: Connect<'_>, fields: impl IntoIterator<Item = Header<'f>>) -> Verdict {
    verdict(request.check(fields, &Origins::SameOrigin, Config::new()))
}

/// A valid CONNECT with further fields.
fn h2<'f>(fields: impl IntoIterator<Item = Header<'f>>) -> Verdict {
    let version = [field("sec-websocket-version", "13")];
    connected(CONNECT, version.into_iter().chain(fields))
}

#[test]
fn a_connect_is_accepted_with_200_and_without_fields_of_http_1() {
    let verdict = h2([
        field("origin", "https://example.com"),
        field("sec-websocket-protocol", "chat"),
    ]);
    assert_eq!(
        (verdict.error, verdict.status, &verdict.body[..]),
        (None, 200, "")
    );
    let fields = verdict
        .fields
        .iter()
        .map(|(name, value)| (&name[..], &value[..]));
    let expected = [("sec-websocket-protocol", "chat"), ("set-cookie", "id=7")];
    assert_eq!(fields.collect::<Vec<_>>(), expected);

    // "Field names MUST be converted to lowercase" (RFC 9113 §8.2).
    let [_, pending] = pendings();
    let (_, response) = pending
        .accept(Accept::new().header("Set-Cookie", "ID=7"))
        .unwrap();
    let sole = response.fields().next().unwrap();
    assert_eq!((sole.name, sole.value), ("set-cookie", &b"ID=7"[..]));
}

#[test]
fn a_connect_needs_its_pseudo_header_fields() {
    let cases = [
        (
            Connect {
                method: "GET",
                ..CONNECT
            },
            RequestError::Method,
            405,
        ),
        (
            Connect {
                method: "connect",
                ..CONNECT
            },
            RequestError::Method,
            405,
        ),
        (
            Connect {
                method: "",
                ..CONNECT
            },
            HttpError::StartLine.into(),
            400,
        ),
        // A CONNECT for a proxy.
        (
            Connect {
                protocol: None,
                scheme: None,
                path: None,
                ..CONNECT
            },
            RequestError::Protocol,
            501,
        ),
        (
            Connect {
                protocol: Some("webtransport"),
                ..CONNECT
            },
            RequestError::Protocol,
            501,
        ),
        (
            Connect {
                protocol: Some(""),
                ..CONNECT
            },
            RequestError::Protocol,
            501,
        ),
        (
            Connect {
                scheme: None,
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                scheme: Some("wss"),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: None,
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: Some(""),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: Some("*"),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: Some("/#a"),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: Some("/a b"),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                path: Some("https://example.com/"),
                ..CONNECT
            },
            RequestError::Target,
            400,
        ),
        (
            Connect {
                authority: None,
                ..CONNECT
            },
            RequestError::Host,
            400,
        ),
        (
            Connect {
                authority: Some(""),
                ..CONNECT
            },
            RequestError::Host,
            400,
        ),
        (
            Connect {
                authority: Some("user@example.com"),
                ..CONNECT
            },
            RequestError::Host,
            400,
        ),
    ];
    let version = [field("sec-websocket-version", "13")];
    for (request, error, status) in cases {
        let verdict = connected(request, version);
        assert_eq!(
            (verdict.error, verdict.status),
            (Some(error), status),
            "{request:?}"
        );
        assert_eq!(verdict.body, format!("{error}\n"));
        let allow = verdict.fields.iter().find(|(name, _)| name == "allow");
        let allow = allow.map(|(_, value)| &value[..]);
        assert_eq!(allow, (status == 405).then_some("CONNECT"));
    }
    let valid = [
        Connect {
            protocol: Some("WebSocket"),
            ..CONNECT
        },
        Connect {
            scheme: Some("HTTP"),
            ..CONNECT
        },
        Connect {
            path: Some("/"),
            ..CONNECT
        },
        Connect {
            authority: Some("[::1]:8080"),
            ..CONNECT
        },
    ];
    for request in valid {
        assert_eq!(connected(request, version).error, None, "{request:?}");
    }
}

/// "A server SHOULD treat a request as malformed if it contains a Host header field that identifies
/// an entity that differs from the entity in the ":authority" pseudo-header field." (RFC 9113
/// §8.3.1)
#[test]
fn host_stands_for_a_missing_authority_and_must_not_differ_from_it() {
    let cases: [(Option<&str>, &[&str], bool); 12] = [
        (Some("example.com"), &[], true),
        (Some("example.com"), &["example.com"], true),
        (Some("example.com"), &["EXAMPLE.com:443"], true),
        (Some("example.com:443"), &["example.com"], true),
        (Some("example.com"), &["example.com:80"], false),
        (Some("example.com"), &["evil.example"], false),
        (Some("example.com"), &["example.com", "example.com"], false),
        (Some("example.com"), &[""], false),
        (None, &["example.com"], true),
        (None, &["example.com", "example.com"], false),
        (None, &["a b"], false),
        (None, &[], false),
    ];
    for (authority, hosts, is_valid) in cases {
        let request = Connect {
            authority,
            ..CONNECT
        };
        let fields = hosts.iter().map(|host| field("host", host));
        // The origin is compared with the host that counts.
        let others = [
            field("sec-websocket-version", "13"),
            field("origin", "https://example.com"),
        ];
        let verdict = connected(request, fields.chain(others));
        let error = (!is_valid).then_some(RequestError::Host);
        assert_eq!(verdict.error, error, "{authority:?} {hosts:?}");
    }
}

/// The fields of the handshake have the meaning that they have in HTTP/1.1 (RFC 8441 §5).
#[test]
fn a_connect_keeps_to_the_rules_of_the_handshake() {
    let error = |name, value| h2([field(name, value)]).error;
    let origin = |value| error("origin", value);
    assert_eq!(
        origin("https://evil.example"),
        Some(RequestError::OriginNotAllowed)
    );
    assert_eq!(origin(""), Some(RequestError::InvalidOrigin));
    let version = error("sec-websocket-version", "13");
    assert_eq!(version, Some(RequestError::DuplicateVersion));
    let subprotocol = error("sec-websocket-protocol", "a b");
    assert_eq!(subprotocol, Some(RequestError::Subprotocols));
    let extension = error("sec-websocket-extensions", ";");
    assert_eq!(extension, Some(RequestError::Extensions));
    assert_eq!(error("content-length", "5"), Some(RequestError::Body));
    assert_eq!(error("content-length", "x"), Some(RequestError::Framing));
    assert_eq!(error("content-length", "0"), None);
    assert_eq!(error("x y", "0"), Some(HttpError::Field.into()));

    // There is no upgrade in HTTP/2, so the status is not 426.
    for fields in [&[][..], &[field("sec-websocket-version", "8")]] {
        let verdict = connected(CONNECT, fields.iter().copied());
        assert_eq!(
            (verdict.error, verdict.status),
            (Some(RequestError::Version), 400)
        );
        let version = ("sec-websocket-version".into(), "13".into());
        assert!(verdict.fields.contains(&version));
        assert!(!verdict.fields.iter().any(|(name, _)| name == "upgrade"));
    }
}

#[test]
fn a_connect_has_no_key_and_no_field_of_a_connection() {
    // "Implementations using this extended CONNECT to bootstrap WebSockets do not do the processing
    // of the Sec-WebSocket-Key and Sec-WebSocket-Accept header fields" (RFC 8441 §5).
    let keys = [
        field("sec-websocket-key", "x"),
        field("sec-websocket-key", ""),
    ];
    assert_eq!(h2(keys).error, None);

    let specific = [
        "Connection",
        "proxy-connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ];
    for name in specific {
        let verdict = h2([field(name, "")]);
        let error = RequestError::Http(HttpError::ConnectionSpecific);
        assert_eq!(
            (verdict.error, verdict.status),
            (Some(error), 400),
            "{name}"
        );
    }
}

#[test]
fn a_connect_has_the_limits_of_an_upgrade() {
    // All that arrives counts.
    let size = "CONNECT /chat?room=7 HTTP/1.1\r\n\r\n".len() + "websockethttpsexample.com".len();
    let size = size + "sec-websocket-version: 13\r\n".len();
    for (max_head_size, max_headers, error) in [
        (size, 1, None),
        (size - 1, 1, Some(HttpError::HeadTooLong)),
        (size, 0, Some(HttpError::TooManyFields)),
    ] {
        let config = config(|config| {
            config.max_head_size = max_head_size;
            config.max_headers = max_headers;
        });
        let version = [field("sec-websocket-version", "13")];
        let result = CONNECT.check(version, &Origins::Any, config);
        let found = result.err().map(|refusal| refusal.error());
        assert_eq!(found, error.map(RequestError::Http));
    }
}

// --- extended CONNECT, the client --------------------------------------------------------------

#[test]
fn the_connect_of_a_client_has_no_fields_of_http_1() {
    let (_, sent) = connect(Config::new());
    assert_eq!(
        (sent.method(), sent.protocol()),
        ("CONNECT", Some("websocket"))
    );
    assert_eq!(
        (sent.scheme(), sent.authority(), sent.target()),
        ("http", "example.com", "/chat?room=7")
    );
    let wss = Request::new("wss://example.com/chat").unwrap();
    let (_, secure) = Handshake::connect(&wss, Seed::from([7; 32]), Config::new()).unwrap();
    assert_eq!(secure.scheme(), "https");
    let fields: Vec<_> = sent.fields().collect();
    let expected = [
        field("sec-websocket-version", "13"),
        field("origin", "http://example.com"),
        field("sec-websocket-protocol", "chat, superchat"),
        field("cookie", "id=7"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn the_response_to_a_connect() {
    let finish = |version, status, fields: &[Header<'static>]| {
        let (handshake, _) = connect(Config::new());
        let finished = handshake.finish(version, status, fields.iter().copied());
        finished.map(|connection| connection.is_some())
    };
    for version in [(2, 0), (3, 0)] {
        assert_eq!(finish(version, 200, &[]), Ok(true));
        assert_eq!(
            finish(version, 200, &[field("sec-websocket-protocol", "chat")]),
            Ok(true)
        );
        // Ignored (RFC 8441 §5).
        assert_eq!(
            finish(version, 200, &[field("sec-websocket-accept", "x")]),
            Ok(true)
        );
        for status in [201, 204, 302, 404, 501, 999] {
            assert_eq!(finish(version, status, &[]), Ok(false));
        }
        for status in [100, 101, 103, 199] {
            assert_eq!(finish(version, status, &[]), Err(ResponseError::Interim));
        }
        for status in [0, 99, 1000, u16::MAX] {
            let error = HttpError::StartLine.into();
            assert_eq!(finish(version, status, &[]), Err(error));
        }
        let cases = [
            (
                "sec-websocket-protocol",
                "other",
                ResponseError::Subprotocol,
            ),
            (
                "sec-websocket-extensions",
                "permessage-deflate",
                ResponseError::Extension,
            ),
            ("sec-websocket-extensions", "x", ResponseError::Extension),
            (
                "connection",
                "upgrade",
                HttpError::ConnectionSpecific.into(),
            ),
            ("x y", "", HttpError::Field.into()),
        ];
        for (name, value, error) in cases {
            assert_eq!(
                finish(version, 200, &[field(name, value)]),
                Err(error),
                "{name}"
            );
        }
    }
    // The response came by another version than the request.
    for version in [(1, 0), (1, 1)] {
        for status in [101, 200, 404] {
            assert_eq!(
                finish(version, status, &[]),
                Err(ResponseError::HttpVersion)
            );
        }
    }
}

#[test]
fn values_are_bytes() {
    let latin = Header {
        name: "Cookie",
        value: b"\xE9\xFF",
    };
    assert_eq!(h2([latin]).error, None);
    let not_text = Header {
        name: "Origin",
        value: b"\xE9",
    };
    assert_eq!(h2([not_text]).error, Some(RequestError::InvalidOrigin));
}
