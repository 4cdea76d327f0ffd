//! Proves that a handshake over the types of the crate `http` keeps to the same rules as the
//! parser, and that its requests and responses are those of `handshake::values`.

#![cfg(feature = "http")]

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use websocket_proto::handshake::{
    HttpError,
    client::ResponseError,
    http::{check, finish},
    server::{Accept, Origins, Reject, RequestError},
    values,
};
use websocket_proto::{Config, Event, RecvBuf};

mod support;

use support::{
    client,
    doors::{
        self, Answer, Parsed, Verdict, answer_by_bytes, by_bytes, compression, configs, connect,
        decided, requests, responses, upgrade,
    },
    http::Head,
    server,
};

/// The version, if it exists in the crate `http` and is one of HTTP/1.
fn version(text: &str) -> Option<Version> {
    match text {
        "HTTP/1.0" => Some(Version::HTTP_10),
        "HTTP/1.1" => Some(Version::HTTP_11),
        _ => None,
    }
}

fn header_fields(parsed: &Parsed<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let fields = parsed.fields.iter();
    fields
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok()?;
            Some((name, value))
        })
        .collect()
}

/// The request; `None` if the crate `http` has no place for it.
fn request(head: &Head) -> Option<Request<()>> {
    let parsed = Parsed::new(head);
    let [method, target, version_text] = parsed.start;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse().ok()?;
    *request.version_mut() = version(version_text)?;
    for (name, value) in header_fields(&parsed)? {
        request.headers_mut().append(name, value);
    }
    // The parser of a `Uri` drops it.
    (!target.contains('#')).then_some(request)
}

/// The response; `None` if the crate `http` has no place for it.
fn response(head: &Head) -> Option<Response<()>> {
    let parsed = Parsed::new(head);
    let mut response = Response::new(());
    *response.version_mut() = version(parsed.start[0])?;
    *response.status_mut() = StatusCode::from_bytes(parsed.start[1].as_bytes()).ok()?;
    for (name, value) in header_fields(&parsed)? {
        response.headers_mut().append(name, value);
    }
    Some(response)
}

fn by_http(request: &Request<()>, origins: &Origins, config: Config) -> Verdict {
    let (error, response, connection) = decided(check(request, None, origins, config));
    let response: Response<Bytes> = response.try_into().expect("few fields");
    assert_eq!(response.version(), Version::HTTP_11);
    let headers = response.headers().iter();
    let fields = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let status = response.status().as_u16();
    Verdict::new(error, status, fields, response.body(), connection)
}

#[test]
fn requests_get_the_same_verdict_and_response_as_from_the_parser() {
    let (mut accepted, mut errors) = (0, Vec::new());
    for head in requests() {
        let Some(request) = request(&head) else {
            continue;
        };
        for config in configs() {
            let verdict = by_bytes(&head, &Origins::SameOrigin, config);
            assert_eq!(
                by_http(&request, &Origins::SameOrigin, config),
                verdict,
                "{head:?}"
            );
            match verdict.error {
                None => accepted += 1,
                Some(error) if errors.contains(&error) => {}
                Some(error) => errors.push(error),
            }
        }
    }
    // Malformed fields and first lines have no place in the crate `http`.
    assert!(accepted > 100, "{accepted}");
    assert_eq!(errors.len(), 15, "{errors:?}");
}

#[test]
fn responses_get_the_same_verdict_as_from_the_parser() {
    let (mut accepted, mut errors) = (0, Vec::new());
    for head in responses() {
        let Some(response) = response(&head) else {
            continue;
        };
        for config in configs() {
            let (handshake, _) = upgrade(config);
            let finished = finish(handshake, &response);
            let answer: Answer = finished.map(|it| it.map(|it| compression(&it)));
            assert_eq!(answer, answer_by_bytes(&head, config), "{head:?}");
            match answer {
                Ok(answer) => accepted += usize::from(answer.is_some()),
                Err(error) if errors.contains(&error) => {}
                Err(error) => errors.push(error),
            }
        }
    }
    assert!(accepted > 50, "{accepted}");
    assert_eq!(
        errors.len(),
        6 + usize::from(cfg!(feature = "deflate")),
        "{errors:?}"
    );
}

#[test]
fn the_limits_apply() {
    let head = server::request();
    let request = request(&head).unwrap();
    for max in [0, 1, head.bytes().len() - 1, head.bytes().len()] {
        let config = support::config(|config| config.max_head_size = max);
        let verdict = by_bytes(&head, &Origins::Any, config);
        assert_eq!(by_http(&request, &Origins::Any, config), verdict, "{max}");
    }
    let config = support::config(|config| config.max_headers = 4);
    let verdict = by_http(&request, &Origins::Any, config);
    assert_eq!(verdict.error, Some(HttpError::TooManyFields.into()));
    assert_eq!(verdict.status, 431);

    // As many fields as a `HeaderMap` can have.
    let mut request = Request::new(());
    for _ in 0..20_000 {
        request
            .headers_mut()
            .append("cookie", HeaderValue::from_static("a"));
    }
    let verdict = by_http(&request, &Origins::Any, Config::new());
    assert_eq!(verdict.error, Some(HttpError::HeadTooLong.into()));
}

#[test]
fn values_that_are_not_text_are_kept() {
    let mut request = request(&server::request()).unwrap();
    let value = HeaderValue::from_bytes(b"\xE9\xFF").unwrap();
    request.headers_mut().insert("cookie", value.clone());
    assert!(check(&request, None, &Origins::Any, Config::new()).is_ok());
    request.headers_mut().insert("origin", value);
    let refusal = check(&request, None, &Origins::Any, Config::new()).unwrap_err();
    assert_eq!(refusal.error(), RequestError::InvalidOrigin);
}

/// A valid CONNECT as a server has it.
fn extended_connect(version: Version) -> Request<()> {
    Request::connect("https://example.com/chat?room=7")
        .version(version)
        .header("sec-websocket-version", "13")
        .header("origin", "https://example.com")
        .body(())
        .unwrap()
}

#[test]
fn the_version_decides_between_upgrade_and_connect() {
    let result = |request: &Request<()>, protocol| {
        let checked = check(request, protocol, &Origins::SameOrigin, Config::new());
        checked.map(drop).map_err(|refusal| refusal.error())
    };
    let websocket = Some("websocket");
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let mut request = extended_connect(version);
        assert_eq!(result(&request, websocket), Ok(()));
        assert_eq!(result(&request, None), Err(RequestError::Protocol));
        assert_eq!(
            result(&request, Some("connect-udp")),
            Err(RequestError::Protocol)
        );

        // A CONNECT for a proxy, and a page.
        *request.uri_mut() = Uri::from_static("example.com:443");
        assert_eq!(result(&request, None), Err(RequestError::Protocol));
        assert_eq!(result(&request, websocket), Err(RequestError::Target));
        *request.uri_mut() = Uri::from_static("/chat");
        assert_eq!(result(&request, websocket), Err(RequestError::Target));
        *request.method_mut() = Method::GET;
        assert_eq!(result(&request, websocket), Err(RequestError::Method));

        let mut request = extended_connect(version);
        request
            .headers_mut()
            .insert("upgrade", HeaderValue::from_static("websocket"));
        let error = RequestError::Http(HttpError::ConnectionSpecific);
        assert_eq!(result(&request, websocket), Err(error));
    }
    for version in [Version::HTTP_09, Version::HTTP_10] {
        let request = extended_connect(version);
        assert_eq!(result(&request, websocket), Err(RequestError::HttpVersion));
    }
    // In HTTP/1.1 there is no `:protocol`.
    let upgrade = request(&server::request()).unwrap();
    assert_eq!(result(&upgrade, websocket), Ok(()));
    assert_eq!(
        result(&extended_connect(Version::HTTP_11), websocket),
        Err(RequestError::Method)
    );
}

#[test]
fn more_fields_than_a_header_map_can_hold_are_an_error() {
    let pending = || {
        let request = extended_connect(Version::HTTP_2);
        check(&request, Some("websocket"), &Origins::Any, Config::new()).unwrap()
    };
    let names: Vec<_> = (0..40_000).map(|n| format!("X-{n}")).collect();
    let accept = Accept::new();
    let accept = names
        .iter()
        .fold(accept, |accept, name| accept.header(name, "1"));
    let (_, response) = pending().accept(accept).unwrap();
    assert!(Response::<Bytes>::try_from(response).is_err());

    let name = "x".repeat(1 << 16);
    let response = pending()
        .reject(Reject::new(404).header(&name, "1"))
        .unwrap();
    assert!(Response::<Bytes>::try_from(response).is_err());

    let url = format!("ws://example.com/{}", "x".repeat(1 << 16));
    let request = websocket_proto::handshake::client::Request::new(&url).unwrap();
    let seed = websocket_proto::Seed::from([7; 32]);
    let (_, sent) = values::Handshake::connect(&request, seed, Config::new()).unwrap();
    assert!(Request::<()>::try_from(sent).is_err());
}

#[test]
fn a_rejection_keeps_its_body() {
    let request = extended_connect(Version::HTTP_2);
    let checked = check(&request, Some("websocket"), &Origins::Any, Config::new());
    let reject = Reject::new(401)
        .header("WWW-Authenticate", "Bearer")
        .body(b"log in");
    let response = checked.unwrap().reject(reject).unwrap();
    let response: Response<Bytes> = response.try_into().unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(
        (response.headers().len(), &response.body()[..]),
        (1, &b"log in"[..])
    );
}

#[test]
fn the_request_of_a_client() {
    let (_, sent) = upgrade(Config::new());
    let request: Request<()> = sent.try_into().unwrap();
    assert_eq!(
        (request.method(), request.version()),
        (&Method::GET, Version::HTTP_11)
    );
    assert_eq!(
        request.uri(),
        client::URL.replace("ws://", "http://").as_str()
    );
    assert_eq!(request.headers()["host"], "example.com");
    assert_eq!(request.headers().len(), 8);

    let (_, sent) = connect(Config::new());
    let request: Request<()> = sent.try_into().unwrap();
    assert_eq!(
        (request.method(), request.version()),
        (&Method::CONNECT, Version::HTTP_2)
    );
    assert_eq!(
        request.uri(),
        client::URL.replace("ws://", "http://").as_str()
    );
    assert!(!request.headers().contains_key("host"));
    assert_eq!(request.headers().len(), 4);
}

#[test]
fn the_response_must_come_by_the_version_of_the_request() {
    for (version, is_connect) in [
        (Version::HTTP_10, false),
        (Version::HTTP_11, false),
        (Version::HTTP_2, true),
        (Version::HTTP_3, true),
    ] {
        for status in [200, 404] {
            let response = Response::builder()
                .version(version)
                .status(status)
                .body(())
                .unwrap();
            let result = |(handshake, _): (values::Handshake, values::Request)| {
                finish(handshake, &response).map(|connection| connection.is_some())
            };
            let (connected, upgraded) = (
                result(connect(Config::new())),
                result(upgrade(Config::new())),
            );
            if is_connect {
                assert_eq!(connected, Ok(status == 200));
                assert_eq!(upgraded, Err(ResponseError::HttpVersion));
            } else {
                assert_eq!(connected, Err(ResponseError::HttpVersion));
                assert_eq!(upgraded, Ok(false));
            }
        }
    }
}

#[test]
fn both_roles_over_http_exchange_messages() {
    let text = "Hello, Hello, Hello! ".repeat(100);
    for config in configs() {
        for version in [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            let (handshake, sent) = match version {
                Version::HTTP_11 => upgrade(config),
                _ => connect(config),
            };
            let protocol = sent.protocol();
            let mut request: Request<()> = sent.try_into().unwrap();
            *request.version_mut() = version;
            let pending = check(&request, protocol, &Origins::SameOrigin, config).unwrap();
            let (mut server, response) = pending.accept(doors::accept()).unwrap();
            let mut response: Response<Bytes> = response.try_into().unwrap();
            *response.version_mut() = version;
            assert_eq!(response.headers()["set-cookie"], "id=7");
            let client = finish(handshake, &response).unwrap();

            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            client
                .expect("accepted")
                .send_text(&text, &mut out)
                .unwrap();
            #[cfg(feature = "deflate")]
            assert_eq!(out.len() < 200, config.deflate.is_some(), "compressed");
            input.extend_from_slice(&out.split());
            let event = server.next_event(&mut input, &mut out).unwrap();
            assert_eq!(event, Some(Event::Text(&text)));
        }
    }
}
