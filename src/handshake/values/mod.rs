//! Handshakes whose HTTP another implementation reads and writes: an upgrade of HTTP/1.1, or an
//! extended CONNECT of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220).
//!
//! Method, target, status and header fields go in and out as values. The rules, the
//! [`Origins`](super::server::Origins), the limits and the negotiation are those of
//! [`server`](super::server) and [`client`](super::client). The module `http` does the same over
//! the types of the crate `http` (feature `http`).
//!
//! | | HTTP/1.1 | HTTP/2 and HTTP/3 |
//! |---|---|---|
//! | server checks | [`Upgrade`] | [`Connect`] |
//! | server decides | [`Pending`] | [`Pending`] |
//! | client starts | [`Handshake::upgrade`] | [`Handshake::connect`] |
//! | client checks | [`Handshake::finish`] | [`Handshake::finish`] |
//! | accepted with | 101 | 200 |
//!
//! This example runs both sides of an extended CONNECT in one program:
//!
//! ```
//! use bytes::BytesMut;
//! use websocket_proto::{Config, Event, RecvBuf, Seed};
//! use websocket_proto::handshake::{client, server, values};
//!
//! // The client makes the fields of its request. HTTP/2 sends them.
//! let request = client::Request::new("wss://example.com/chat")?
//!     .subprotocol("chat");
//! let seed = Seed::from([7; 32]); // Outside of tests: Seed::from_os()
//! let (handshake, sent) =
//!     values::Handshake::connect(&request, seed, Config::new())?;
//!
//! // The server has received them.
//! let connect = values::Connect {
//!     method: sent.method(),
//!     protocol: sent.protocol(),
//!     scheme: Some(sent.scheme()),
//!     authority: Some(sent.authority()),
//!     path: Some(sent.target()),
//! };
//! let origins = server::Origins::SameOrigin;
//! let (mut server, response) =
//!     match connect.check(sent.fields(), &origins, Config::new()) {
//!         Ok(pending) => {
//!             let mut known = ["chat.v2", "chat"].into_iter();
//!             let mut accept = server::Accept::new();
//!             if let Some(name) = known.find(|it| pending.offers(it)) {
//!                 accept = accept.subprotocol(name);
//!             }
//!             pending.accept(accept)?
//!         }
//!         Err(refusal) => {
//!             let _response = refusal.response(); // Send it.
//!             return Err(refusal.into());
//!         }
//!     };
//! assert_eq!(response.status(), 200);
//!
//! // The client has received the response of the server.
//! let (status, fields) = (response.status(), response.fields());
//! let mut client =
//!     handshake.finish((2, 0), status, fields)?.expect("accepted");
//!
//! // Frames are the payload of DATA frames.
//! let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//! server.send_text("welcome", &mut out)?;
//! input.extend_from_slice(&out.split());
//! let event = client.next_event(&mut input, &mut out)?;
//! assert_eq!(event, Some(Event::Text("welcome")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the HTTP implementation does
//!
//! - It sends the response, and frames its body: `Content-Length` and `Connection: close` are not
//!   among [`Response::fields`].
//! - It applies a time limit to the handshake. [`Config::handshake_timeout`] has no effect here.
//! - It hands over the stream. If bytes of the stream were received together with the handshake
//!   (`read_buf` of hyper's `Parts`), copy them into the [`RecvBuf`] before the first read.
//! - **HTTP/2 and HTTP/3:** a server advertises SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3), and
//!   a client sends a CONNECT only after it has received that setting.
//!
//! # The stream of an extended CONNECT
//!
//! The payload of the DATA frames is the stream. The frames of a client are masked, as in
//! HTTP/1.1. The end of the stream corresponds to the end of a TCP connection (RFC 8441 §5, RFC
//! 9220 §3):
//!
//! | TCP | HTTP/2 | HTTP/3 |
//! |---|---|---|
//! | orderly end, received or sent | END_STREAM | FIN |
//! | reset | RST_STREAM with CANCEL | H3_REQUEST_CANCELLED |
//!
//! When one of them is received, call [`Connection::end_of_stream`]. When
//! [`Connection::is_done`] is true, or after an error, flush `out` and send END_STREAM or FIN. Reset
//! the stream if the peer does not end its side.
//!
//! # Limits
//!
//! [`Config::max_headers`] applies as in HTTP/1.1. [`Config::max_head_size`] limits the size that
//! the head would have as text of HTTP/1.1; of a CONNECT, all pseudo-header fields count. The
//! HTTP implementation has limits of its own, and holds the head in its memory before it gets here.
//!
//! Fields that cannot be in a head of HTTP/1.1, because of CR or LF for example, are refused with
//! [`HttpError::Field`](super::HttpError::Field). In a CONNECT or its response, a field that only
//! HTTP/1.1 has is refused with
//! [`HttpError::ConnectionSpecific`](super::HttpError::ConnectionSpecific), because such a message
//! is malformed (RFC 9113 §8.2.2, RFC 9114 §4.2). `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`
//! have no meaning there, and are ignored.
//!
//! [`Config::handshake_timeout`]: crate::Config::handshake_timeout
//! [`Config::max_headers`]: crate::Config::max_headers
//! [`Config::max_head_size`]: crate::Config::max_head_size
//! [`RecvBuf`]: crate::RecvBuf
//! [`Connection::end_of_stream`]: crate::Connection::end_of_stream
//! [`Connection::is_done`]: crate::Connection::is_done

mod client;
mod received;
mod server;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use super::{Header, Way};

pub use super::request_rules::Connect;
pub use client::{Handshake, Request};
pub use server::{Pending, Refusal, Response, Upgrade};

/// The header fields of a message to send.
#[derive(Clone)]
struct Fields {
    way: Way,
    list: Vec<(Box<str>, Box<str>)>,
}

impl Fields {
    const fn new(way: Way) -> Self {
        let list = Vec::new();
        Self { way, list }
    }

    fn push(&mut self, name: &str, value: &str) {
        let name = match self.way {
            Way::Upgrade => name.into(),
            // "Field names MUST be converted to lowercase when constructing an HTTP/2 message"
            // (RFC 9113 §8.2).
            Way::Connect => name.to_ascii_lowercase().into(),
        };
        self.list.push((name, value.into()));
    }

    fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        let fields = self.list.iter();
        fields.map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
    }
}

/// Shows the names only, because values can contain cookies and passwords.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.list.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}
