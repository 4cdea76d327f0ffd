//! The bodies for the handshakes of both roles. The input can follow a valid head without its end,
//! so that it gets past the first rules.

use bytes::BytesMut;
use websocket_proto::{
    RecvBuf, Seed,
    handshake::{
        client::{self, Outcome},
        server::{self, Accept, Origins},
    },
};

use super::{cut, limits};

const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// A server reads a request. The result does not depend on how the bytes are split, an error has
/// its response and is repeated, and bytes after an accepted head are left for the connection.
pub fn server_handshake(data: &[u8]) {
    handshake(data, REQUEST, request);
}

/// A client reads a response. The result does not depend on how the bytes are split, and an error
/// is repeated.
pub fn client_handshake(data: &[u8]) {
    let (_, out) = start();
    // The seed is fixed, so the key is.
    let key = out[..]
        .split(|&byte| byte == b'\r')
        .find_map(|line| line.strip_prefix(KEY))
        .expect("a key");
    let accept = websocket_proto::handshake::accept_key(key);
    let head = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: ",
        &accept[..],
        b"\r\n",
    ];
    handshake(data, &head.concat(), response);
}

const KEY: &[u8] = b"\nSec-WebSocket-Key: ";

/// The first byte tells whether the input follows `head`, and how many of the next bytes are the
/// sizes of reads.
fn handshake(data: &[u8], head: &[u8], run: impl Fn(&[&[u8]]) -> Seen) {
    let [first, data @ ..] = data else { return };
    let (sizes, noise) = data.split_at(usize::from(first % 8).min(data.len()));
    let head = if first & 0x80 == 0 { head } else { b"" };
    let stream = [head, noise].concat();
    let whole = run(&[&stream]);
    for sizes in [&[0; 4096][..], sizes] {
        assert_eq!(run(&cut(&stream, sizes)), whole);
    }
}

/// What the handshake reported, and the bytes that it wrote or left.
type Seen = (String, Vec<u8>);

fn request(pieces: &[&[u8]]) -> Seen {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut handshake = server::Handshake::new(limits(), Origins::SameOrigin);
    let mut outcome = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        if outcome.is_some() {
            continue;
        }
        match handshake.next(&mut input, &mut out) {
            Ok(None) => assert!(out.is_empty()),
            Ok(Some((request, pending))) => {
                assert!(request.path().starts_with('/'));
                let view = format!(
                    "{:?} {:?} {:?} {:?} {:?}",
                    request,
                    request.query(),
                    request.subprotocols().collect::<Vec<_>>(),
                    request.extensions().collect::<Vec<_>>(),
                    request.headers().collect::<Vec<_>>(),
                );
                let accept = request.subprotocols().last().map(str::to_owned);
                let accept = accept
                    .as_deref()
                    .map_or(Accept::new(), |name| Accept::new().subprotocol(name));
                pending
                    .accept(accept, &mut out)
                    .expect("an offered subprotocol");
                assert!(out.starts_with(b"HTTP/1.1 101 "));
                outcome = Some(view);
            }
            Err(error) => {
                let status = format!("HTTP/1.1 {} ", error.status().expect("the stream goes on"));
                assert!(out.starts_with(status.as_bytes()));
                let before = out.len();
                assert_eq!(handshake.next(&mut input, &mut out).err(), Some(error));
                assert_eq!(out.len(), before);
                outcome = Some(error.to_string());
            }
        }
    }
    let leftover = if out.starts_with(b"HTTP/1.1 101 ") {
        input.unread()
    } else {
        b""
    };
    (format!("{outcome:?}"), [&out[..], leftover].concat())
}

fn start() -> (client::Handshake, BytesMut) {
    let mut out = BytesMut::new();
    let request = client::Request::new("ws://example.com/")
        .expect("a URL")
        .subprotocol("chat");
    let handshake = client::Handshake::start(&request, Seed::from([7; 32]), limits(), &mut out);
    (handshake.expect("a request"), out)
}

fn response(pieces: &[&[u8]]) -> Seen {
    let (mut handshake, _) = start();
    let mut input = RecvBuf::new();
    let mut outcome = (String::from("nothing"), Vec::new());
    let mut open = false;
    for piece in pieces {
        input.extend_from_slice(piece);
        if open {
            continue;
        }
        match handshake.next(&mut input) {
            Ok(None) => {}
            Ok(Some(Outcome::Accepted(_, response))) => {
                outcome.0 = format!("{response:?} {:?}", response.headers().collect::<Vec<_>>());
                open = true;
            }
            Ok(Some(Outcome::Refused(response))) => {
                let headers = response.headers().collect::<Vec<_>>();
                outcome.0 = format!("{} {:?} {headers:?}", response.status(), response.reason());
                outcome.1 = response.body().to_vec();
            }
            Err(error) => {
                assert_eq!(handshake.next(&mut input).err(), Some(error));
                outcome.0 = error.to_string();
            }
        }
    }
    if open {
        outcome.1 = input.unread().to_vec();
    }
    outcome
}
