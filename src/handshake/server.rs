//! The opening handshake of a server (RFC 6455 §4.2).
//!
//! 1. [`Handshake::next`] after each read, until it returns the [`Request`] and a [`Pending`];
//! 2. the application looks at the request, for as long as it likes: `Pending` borrows nothing;
//! 3. [`Pending::accept`] gives the [`Connection`], [`Pending::reject`] another response.
//!
//! ```
//! use bytes::BytesMut;
//! use websocket_proto::{Config, RecvBuf};
//! use websocket_proto::handshake::server::{Accept, Handshake, Origins, Reject};
//!
//! # let mut socket: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\
//! #     Upgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n\
//! #     Sec-WebSocket-Version: 13\r\n\r\n";
//! let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
//! let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//!
//! let (request, pending) = loop {
//!     // On an error the response is in `out`: flush it and close the stream.
//!     if let Some(opened) = opening.next(&mut input, &mut out)? {
//!         break opened;
//!     }
//!     match std::io::Read::read(&mut socket, input.spare(4096))? {
//!         0 => opening.end_of_stream(),
//!         n => input.filled(n),
//!     }
//! };
//!
//! let connection = match request.path() {
//!     "/chat" => Some(pending.accept(Accept::new().subprotocol("chat"), &mut out)?),
//!     _ => {
//!         pending.reject(Reject::new(404), &mut out)?;
//!         None
//!     }
//! };
//! assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! // Flush `out`, and go on with `connection`, `input` and `out`.
//! # assert!(connection.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::boxed::Box;
use core::time::Duration;

use bytes::BytesMut;

use super::{
    HeadError, Timer,
    answer::{write_error, write_internal_error},
    head::{HeadScan, Kind},
    key::AcceptKey,
    request::{Facts, check},
};
use crate::{Config, Connection, RecvBuf, deflate::Params};

pub use super::{
    answer::{Accept, Reject},
    origin::{HostList, OriginList, Origins},
    request::{Request, RequestError},
};

/// The opening handshake of a server, as long as its head is under way.
///
/// The [module](self) shows the order of the calls.
///
/// ```
/// use bytes::BytesMut;
/// use std::time::Duration;
/// use websocket_proto::Config;
/// use websocket_proto::handshake::server::{Handshake, Origins, RequestError};
///
/// let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// let deadline = opening.deadline(Duration::ZERO).expect("there is a limit by default");
/// assert_eq!(deadline, Duration::from_secs(10));
///
/// let mut out = BytesMut::new();
/// assert_eq!(opening.handle_timeout(deadline, &mut out), Err(RequestError::Timeout));
/// assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    origins: Origins,
    scan: HeadScan,
    timer: Timer,
    eof: bool,
    /// The method is HEAD, so that no response has a body.
    is_head: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Receiving,
    Requested,
    Failed(RequestError),
}

impl Handshake {
    /// A handshake of which nothing has arrived yet.
    pub fn new(config: Config, origins: Origins) -> Self {
        Self {
            scan: HeadScan::new(Kind::Request),
            timer: Timer::new(config.opening_timeout),
            config,
            origins,
            eof: false,
            is_head: false,
            state: State::Receiving,
        }
    }

    /// The request, once its head has arrived whole; `None` when more bytes are needed.
    ///
    /// Call it after every read, with the same `input`. The head is then taken out of `input`,
    /// and what is left are the first bytes of the connection. The handshake is over: later calls
    /// return `None`.
    ///
    /// # Errors
    ///
    /// [`RequestError`], where the request is not an opening, or not a welcome one. The response
    /// is in `out`; flush it, and close the stream. Every later call repeats the error, without
    /// a response, and drops what has arrived.
    pub fn next<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        out: &mut BytesMut,
    ) -> Result<Option<(Request<'b>, Pending)>, RequestError> {
        match self.state {
            State::Receiving => {}
            State::Requested => return Ok(None),
            State::Failed(error) => {
                input.clear();
                return Err(error);
            }
        }
        let received = self.receive(input.unread());
        self.is_head = self.scan.is_head_request(input.unread());
        let (len, facts) = match received {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => {
                input.clear();
                return Err(self.fail(error, out));
            }
        };
        self.state = State::Requested;
        let head = input.consume(len);
        let pending = Pending {
            accept_key: facts.accept_key,
            offered: facts.subprotocols,
            deflate_offers: facts.deflate_offers,
            config: self.config,
        };
        Ok(Some((Request::new(input.get(head)), pending)))
    }

    /// Tells that the peer has ended the stream: the read returned 0. Go on with
    /// [`next`](Self::next), which reports [`RequestError::EndOfStream`] where the request is not
    /// whole.
    pub fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, or `None` for not at all.
    ///
    /// The first call starts [`Config::opening_timeout`]; nothing that arrives extends it. For
    /// instants, see [`Connection`](crate::Connection#time).
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Receiving => self.timer.deadline(now),
            State::Requested | State::Failed(_) => None,
        }
    }

    /// Gives up where the deadline has passed at `now`. Too early a call does nothing.
    ///
    /// # Errors
    ///
    /// [`RequestError::Timeout`], with the response in `out`. An earlier error is repeated.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut BytesMut,
    ) -> Result<(), RequestError> {
        match self.state {
            State::Receiving if self.timer.is_due(now) => {
                Err(self.fail(RequestError::Timeout, out))
            }
            State::Receiving | State::Requested => Ok(()),
            State::Failed(error) => Err(error),
        }
    }

    /// The length of the head and what is in it, once it is whole.
    fn receive(&mut self, unread: &[u8]) -> Result<Option<(usize, Facts)>, RequestError> {
        let Some(len) = self.scan.find_end(unread, self.config.max_head_size)? else {
            return match self.eof {
                true => Err(RequestError::EndOfStream),
                false => Ok(None),
            };
        };
        let facts = check(&unread[..len], self.config.max_headers, &self.origins)?;
        Ok(Some((len, facts)))
    }

    #[cold]
    fn fail(&mut self, error: RequestError, out: &mut BytesMut) -> RequestError {
        self.state = State::Failed(error);
        write_error(error, self.is_head, out);
        error
    }
}

/// A request that waits for the application's decision.
///
/// It borrows nothing, so that a server can put it aside while it asks others. No deadline runs
/// for it. If it is dropped the peer is not answered: close the stream.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::server::{Accept, Handshake, Origins};
///
/// # let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// # input.extend_from_slice(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n\
/// #     Upgrade: websocket\r\nConnection: Upgrade\r\n\
/// #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
/// # let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// # let (_, pending) = opening.next(&mut input, &mut out)?.unwrap();
/// let ws = pending.accept(Accept::new().header("Server", "example"), &mut out)?;
/// assert_eq!(
///     out[..],
///     *b"HTTP/1.1 101 Switching Protocols\r\n\
///        Upgrade: websocket\r\n\
///        Connection: Upgrade\r\n\
///        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///        Server: example\r\n\r\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What does not compile
///
/// A decision is made once:
///
/// ```compile_fail,E0382
/// # use websocket_proto::handshake::server::{Accept, Pending, Reject};
/// # fn decide(pending: Pending, out: &mut bytes::BytesMut) {
/// pending.reject(Reject::new(404), out);
/// pending.accept(Accept::new(), out);
/// # }
/// ```
///
/// The request is a view of the receive buffer, and ends with the next read:
///
/// ```compile_fail,E0499
/// # use websocket_proto::RecvBuf;
/// # use websocket_proto::handshake::server::{Handshake, RequestError};
/// # fn read(opening: &mut Handshake, input: &mut RecvBuf, out: &mut bytes::BytesMut)
/// #     -> Result<(), RequestError> {
/// if let Some((request, pending)) = opening.next(input, out)? {
///     let room = input.spare(4096);
///     println!("{}", request.path());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the peer waits for `accept` or `reject`"]
pub struct Pending {
    accept_key: AcceptKey,
    offered: Box<str>,
    deflate_offers: Box<[Params]>,
    config: Config,
}

impl Pending {
    /// Accepts the opening (RFC 6455 §4.2.2): writes the response with status 101. What follows
    /// in `out` is the connection's.
    ///
    /// # Errors
    ///
    /// [`HeadError`], where the response must not be sent. The peer is then answered with 500:
    /// flush `out`, and close the stream.
    pub fn accept(self, answer: Accept<'_>, out: &mut BytesMut) -> Result<Connection, HeadError> {
        let agreed = answer.agree(&self.deflate_offers, self.config.deflate());
        let params = agreed.map(|agreed| agreed.params);
        match answer.write(&self.accept_key, &self.offered, params, out) {
            Ok(()) => Ok(Connection::opened(None, &self.config, agreed)),
            Err(error) => {
                write_internal_error(out);
                Err(error)
            }
        }
    }

    /// Rejects the opening with a response of the application's. Flush `out`, and close the
    /// stream.
    ///
    /// # Errors
    ///
    /// [`HeadError`], where the response must not be sent. The peer is then answered with 500.
    pub fn reject(self, answer: Reject<'_>, out: &mut BytesMut) -> Result<(), HeadError> {
        answer.write(out).inspect_err(|_| write_internal_error(out))
    }
}
