//! The handshake (RFC 6455 §4), for clients and for servers. The result is a
//! [`Connection`](crate::Connection).
//!
//! ```text
//! client                                         server
//! Request
//! Handshake::start ────── GET request ─────────▶ Handshake::next
//!                                                Request, Pending
//!                                                Pending::accept
//! Handshake::next  ◀───── 101 response ───────── Connection
//! Outcome::Accepted
//! Connection
//! ```
//!
//! [`client`] and [`server`] each show the loop for their role. Both handshakes are called like a
//! [`Connection`](crate::Connection): `next` after each read, `end_of_stream` when the read returns
//! 0 bytes, `deadline` before each wait, and `handle_timeout` when the deadline has passed. They
//! use the same input and output buffers as the connection that follows.
//!
//! If another implementation does the HTTP, such as hyper, and for HTTP/2 and HTTP/3, use
//! [`values`]: the same rules over names and values of header fields.
//!
//! This example runs both sides in one program:
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use websocket_proto::{Config, Event, RecvBuf, Seed};
//! use websocket_proto::handshake::{client, server};
//!
//! // The client writes a request.
//! let request = client::Request::new("ws://example.com/chat")?
//!     .subprotocol("chat");
//! let (mut client_in, mut client_out) = (RecvBuf::new(), BytesMut::new());
//! let seed = Seed::from([7; 32]); // Outside of tests: Seed::from_os()
//! let mut client_handshake = client::Handshake::start(
//!     &request, seed, Config::new(), &mut client_out,
//! )?;
//!
//! // The server reads the request, and accepts it.
//! let mut server_handshake =
//!     server::Handshake::new(Config::new(), server::Origins::SameOrigin);
//! let (mut server_in, mut server_out) = (RecvBuf::new(), BytesMut::new());
//! server_in.extend_from_slice(&client_out.split());
//! let (request, pending) = server_handshake
//!     .next(&mut server_in, &mut server_out)?
//!     .expect("a complete head");
//! assert_eq!(request.path(), "/chat");
//! let response = match request.subprotocols().find(|&it| it == "chat") {
//!     Some(name) => server::Accept::new().subprotocol(name),
//!     None => server::Accept::new(),
//! };
//! let mut server = pending.accept(response, &mut server_out)?;
//! // The first message can follow the response at once.
//! server.send_text("welcome", &mut server_out)?;
//!
//! // The client checks the response.
//! client_in.extend_from_slice(&server_out.split());
//! let outcome =
//!     client_handshake.next(&mut client_in)?.expect("a complete head");
//! let mut client = match outcome {
//!     client::Outcome::Accepted(connection, response) => {
//!         assert_eq!(response.subprotocol(), Some("chat"));
//!         connection
//!     }
//!     client::Outcome::Refused(response) => {
//!         panic!("refused with {}", response.status())
//!     }
//! };
//! let event = client.next_event(&mut client_in, &mut client_out)?;
//! assert_eq!(event, Some(Event::Text("welcome")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! | Limit | Default | A server responds with | A client reports |
//! |---|---|---|---|
//! | [`Config::max_head_size`] | 16 KiB | 431 | [`HttpError::HeadTooLong`] |
//! | [`Config::max_headers`] | 64 | 431 | [`HttpError::TooManyFields`] |
//! | [`Config::handshake_timeout`] | 10 s | 408 | [`ResponseError::Timeout`] |
//!
//! The work is linear in the number of bytes received, even if they arrive one by one. A server
//! allocates no memory for a request, except for offers of subprotocols, and of compression if there
//! are several.
//!
//! # Errors
//!
//! | Type | Reported to | Mistake of |
//! |---|---|---|
//! | [`RequestError`] | server | client |
//! | [`ResponseError`] | client | server |
//! | [`Refusal`], a `RequestError` with its response | server over [`values`] | client |
//! | [`HttpError`], a part of both | server, client | peer: syntax and size of the head |
//! | [`HeadError`] | server, client | own application |
//! | [`UrlError`] | client | own application |
//!
//! [`Config::max_head_size`]: crate::Config::max_head_size
//! [`Config::max_headers`]: crate::Config::max_headers
//! [`Config::handshake_timeout`]: crate::Config::handshake_timeout
//! [`Refusal`]: values::Refusal
//! [`RequestError`]: server::RequestError
//! [`ResponseError`]: client::ResponseError
//! [`ResponseError::Timeout`]: client::ResponseError::Timeout
//! [`UrlError`]: client::UrlError

use core::time::Duration;

pub mod client;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod server;
pub mod values;

// Both roles.
mod fields;
mod head;
mod key;
mod lines;
mod parse;
// Server.
mod body;
mod decision;
mod origin;
mod request;
mod request_rules;
mod target;
// Client.
mod response;
mod url;

pub use fields::{HeadError, Header, Headers};
pub use head::HttpError;
pub use key::accept_key;

/// How a handshake travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// An upgrade of HTTP/1.1 (RFC 6455 §4).
    Upgrade,
    /// An extended CONNECT of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220).
    Connect,
}

impl Way {
    /// Only an upgrade has an accept key.
    const fn of(accept_key: Option<&key::AcceptKey>) -> Self {
        match accept_key {
            Some(_) => Self::Upgrade,
            None => Self::Connect,
        }
    }
}

/// The deadline of a handshake. The first call of `deadline` or `is_due` fixes it.
#[derive(Debug)]
struct Timer {
    timeout: Duration,
    due: Option<Duration>,
}

impl Timer {
    const fn new(timeout: Duration) -> Self {
        Self { timeout, due: None }
    }

    /// `Duration::MAX` means no deadline.
    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let due = *self.due.get_or_insert(now.saturating_add(self.timeout));
        (due != Duration::MAX).then_some(due)
    }

    fn is_due(&mut self, now: Duration) -> bool {
        self.deadline(now).is_some_and(|due| now >= due)
    }
}
