//! The handshake of a client: responses of servers, and their outcomes.

use bytes::BytesMut;
use websocket_proto::handshake::{
    accept_key,
    client::{self, Handshake, Request, ResponseError},
};
use websocket_proto::{Config, RecvBuf, Seed};

use super::http::Head;

pub const URL: &str = "ws://example.com/chat?room=7";

// --- what a server sends -----------------------------------------------------------------------

/// A handshake that has started, and its request. The seed is always the same.
pub fn started(request: &Request<'_>, config: Config) -> (Handshake, String) {
    let mut out = BytesMut::new();
    let handshake = Handshake::start(request, Seed::from([7; 32]), config, &mut out).unwrap();
    (handshake, String::from_utf8(out.to_vec()).unwrap())
}

/// The value of a header field.
pub fn value<'t>(head: &'t str, name: &str) -> Option<&'t str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines
        .into_iter()
        .find(|line| line.0 == name)
        .map(|line| line.1)
}

/// The `Sec-WebSocket-Accept` for the key of [`started`].
pub fn right_accept() -> String {
    let (_, request) = started(&Request::new(URL).unwrap(), Config::new());
    let key = value(&request, "Sec-WebSocket-Key").unwrap();
    String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap()
}

/// A valid response.
pub fn response() -> Head {
    Head::new([
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        &format!("Sec-WebSocket-Accept: {}", right_accept()),
    ])
}

/// A valid response with changed lines.
pub fn edited(edit: impl FnOnce(&mut Vec<String>)) -> Vec<u8> {
    response().edited(edit).bytes()
}

/// A valid response with further lines.
pub fn with(further: &[&str]) -> Vec<u8> {
    response().with(further).bytes()
}

/// A valid response in which the line of this name is replaced or removed.
pub fn replaced(name: &str, line: Option<&str>) -> Vec<u8> {
    response().replaced(name, line).bytes()
}

// --- the outcome --------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
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

pub fn outcome<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    request: &Request<'_>,
    config: Config,
) -> Outcome {
    let (mut handshake, _) = started(request, config);
    let mut input = RecvBuf::new();
    let mut outcome = Outcome::Nothing;
    for chunk in chunks {
        input.extend_from_slice(chunk);
        match handshake.next(&mut input) {
            Ok(None) => {}
            Ok(Some(client::Outcome::Accepted(_, response))) => {
                let headers: Vec<_> = response.headers().collect();
                assert_eq!((response.status(), response.body()), (101, &b""[..]));
                outcome = Outcome::Accepted {
                    response: format!("{} {headers:?}", response.reason()),
                    subprotocol: response.subprotocol().map(Into::into),
                    left: Vec::new(),
                };
            }
            Ok(Some(client::Outcome::Refused(response))) => {
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
            assert!(handshake.next(&mut input).unwrap().is_none());
            *left = input.unread().to_vec();
        }
        Outcome::Failed(error) => {
            assert_eq!(handshake.next(&mut input).unwrap_err(), *error);
            assert!(input.unread().is_empty(), "the input is dropped");
            assert!(error.to_string().contains("RFC "), "{error}");
        }
        _ => {}
    }
    outcome
}

pub fn outcome_of(response: &[u8]) -> Outcome {
    outcome([response], &Request::new(URL).unwrap(), Config::new())
}

#[track_caller]
pub fn accepts(response: &[u8]) {
    let outcome = outcome_of(response);
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

#[track_caller]
pub fn fails(response: &[u8], error: ResponseError) {
    let text = String::from_utf8_lossy(response).into_owned();
    assert_eq!(outcome_of(response), Outcome::Failed(error), "{text}");
}
