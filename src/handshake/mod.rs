//! The opening handshakes (RFC 6455 §4): bytes in, a decision by the application, a
//! [`Connection`](crate::Connection) out.
//!
//! ```text
//! client::Request ─▶ client::Handshake ── GET ──▶ server::Handshake ─▶ Request + Pending
//!                                                                               │ accept
//!   Connection ◀─ Answer::Accepted ◀───── 101 ─────────────────────────────────▶ Connection
//! ```
//!
//! Both handshakes are called like a connection: `next` after each read, `end_of_stream`,
//! `deadline` before each wait, `handle_timeout` when it passes. The request and the response are
//! views of the receive buffer; the connection continues with the same buffers.
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use websocket_proto::{Config, Event, RecvBuf, Seed};
//! use websocket_proto::handshake::{client, server};
//!
//! // The client asks.
//! let request = client::Request::new("ws://example.com/chat")?.subprotocol("chat");
//! let (mut client_in, mut client_out) = (RecvBuf::new(), BytesMut::new());
//! let seed = Seed::from([7; 32]);                      // Seed::from_os() outside of a test
//! let mut asking = client::Handshake::start(&request, seed, Config::new(), &mut client_out)?;
//!
//! // The server reads the request, decides, and accepts.
//! let mut listening = server::Handshake::new(Config::new(), server::Origins::SameOrigin);
//! let (mut server_in, mut server_out) = (RecvBuf::new(), BytesMut::new());
//! server_in.extend_from_slice(&client_out.split());
//! let (request, pending) = listening.next(&mut server_in, &mut server_out)?.expect("it is whole");
//! assert_eq!(request.path(), "/chat");
//! let answer = match request.subprotocols().find(|&name| name == "chat") {
//!     Some(name) => server::Accept::new().subprotocol(name),
//!     None => server::Accept::new(),
//! };
//! let mut server_ws = pending.accept(answer, &mut server_out)?;
//! server_ws.send_text("welcome", &mut server_out)?;     // behind the response at once
//!
//! // The client verifies the answer.
//! client_in.extend_from_slice(&server_out.split());
//! let mut client_ws = match asking.next(&mut client_in)?.expect("it is whole") {
//!     client::Answer::Accepted(ws, response) => {
//!         assert_eq!(response.subprotocol(), Some("chat"));
//!         ws
//!     }
//!     client::Answer::Refused(response) => panic!("refused with {}", response.status()),
//! };
//! let event = client_ws.next_event(&mut client_in, &mut client_out)?;
//! assert_eq!(event, Some(Event::Text("welcome")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What bounds an opening is in [`Config`](crate::Config): the bytes of a head, its header
//! fields, and the time in all. Each byte of a head is looked at a fixed number of times, however
//! the bytes drip in. Nothing is allocated for a request but copies of the subprotocols and of the
//! compression that it offers.
//!
//! Two kinds of error tell whose fault it was. [`RequestError`](server::RequestError) and
//! [`ResponseError`](client::ResponseError) are the peer's, and [`HttpError`] is what they have in
//! common. [`HeadError`] and [`UrlError`](client::UrlError) are the application's.

use core::time::Duration;

pub mod client;
pub mod server;

// What both roles share.
mod fields;
mod head;
mod key;
// What a server reads, decides by, and writes.
mod answer;
mod body;
mod origin;
mod request;
mod target;
// What a client writes and reads.
mod response;
mod url;

pub use fields::{HeadError, Header, Headers};
pub use head::HttpError;
pub use key::accept_key;

/// The deadline of an opening. It starts when it is first asked for, and never moves.
#[derive(Debug)]
struct Timer {
    timeout: Duration,
    due: Option<Duration>,
}

impl Timer {
    const fn new(timeout: Duration) -> Self {
        Self { timeout, due: None }
    }

    /// An instant beyond all others is none.
    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let due = *self.due.get_or_insert(now.saturating_add(self.timeout));
        (due != Duration::MAX).then_some(due)
    }

    fn is_due(&mut self, now: Duration) -> bool {
        self.deadline(now).is_some_and(|due| now >= due)
    }
}
