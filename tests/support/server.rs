//! The handshake of a server: requests of clients, and their outcomes.

use bytes::BytesMut;
use websocket_proto::handshake::server::{Accept, Handshake, Origins, Pending, RequestError};
use websocket_proto::{Config, RecvBuf};

use super::http::Head;

pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

// --- what a client sends -----------------------------------------------------------------------

/// A valid request.
pub fn request() -> Head {
    Head::new([
        "GET /chat?room=7 HTTP/1.1",
        "Host: example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        &format!("Sec-WebSocket-Key: {KEY}"),
        "Sec-WebSocket-Version: 13",
    ])
}

/// A valid request with changed lines.
pub fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    request().edited(edit).bytes()
}

/// A valid request with further lines.
pub fn with(further: &[&str]) -> Vec<u8> {
    request().with(further).bytes()
}

/// A valid request in which the line of this name is replaced or removed.
pub fn replaced(name: &str, line: Option<&str>) -> Vec<u8> {
    request().replaced(name, line).bytes()
}

// --- the outcome --------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub result: Result<Option<String>, RequestError>,
    pub out: String,
    pub left: Vec<u8>,
}

pub fn outcome<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    config: Config,
    origins: Origins,
) -> Outcome {
    let mut handshake = Handshake::new(config, origins);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut result = Ok(None);
    for chunk in chunks {
        input.extend_from_slice(chunk);
        if result != Ok(None) {
            continue;
        }
        match handshake.next(&mut input, &mut out) {
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
            handshake.next(&mut input, &mut out).err(),
            result.clone().err()
        );
    }
    Outcome {
        result,
        out: String::from_utf8(out.to_vec()).expect("heads are text"),
        left: input.unread().to_vec(),
    }
}

pub fn outcome_of(request: &[u8]) -> Outcome {
    outcome([request], Config::new(), Origins::SameOrigin)
}

#[track_caller]
pub fn accepts(request: &[u8]) -> Outcome {
    let outcome = outcome_of(request);
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

/// Asserts that a request is refused with a complete response that tells why.
#[track_caller]
pub fn refuses(request: &[u8], error: RequestError, status: u16) -> Outcome {
    let outcome = outcome_of(request);
    assert_refused(&outcome, error, status);
    outcome
}

#[track_caller]
pub fn assert_refused(outcome: &Outcome, error: RequestError, status: u16) {
    assert_eq!(outcome.result, Err(error));
    assert_eq!(error.status(), Some(status));
    assert!(outcome.left.is_empty(), "later bytes are dropped too");
    let (head, body) = outcome.out.split_once("\r\n\r\n").expect("a complete head");
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

/// The decision to make about a valid request.
pub fn pending(request: &[u8]) -> Pending {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(request);
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let (_, pending) = handshake.next(&mut input, &mut out).unwrap().unwrap();
    pending
}
