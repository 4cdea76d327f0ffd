//! The handshake of a server (RFC 6455 §4.2).
//!
//! 1. [`Handshake::next`] reads the request. Call it after each read, until it returns the
//!    [`Request`] and a [`Pending`].
//! 2. The application looks at the request and decides. `Pending` borrows nothing, so it can be
//!    kept while the application asks a database, for example.
//! 3. [`Pending::accept`] returns the [`Connection`]. [`Pending::reject`] sends another response.
//!
//! ```
//! use bytes::BytesMut;
//! use std::io::{Read, Write};
//! use std::time::Instant;
//! use websocket_proto::{Config, Connection, RecvBuf};
//! use websocket_proto::handshake::server::{
//!     Accept, Handshake, Origins, Reject,
//! };
//!
//! /// Reads the request and decides. `None` means that it was rejected.
//! fn accept(
//!     socket: &mut impl Read,
//!     input: &mut RecvBuf,
//!     out: &mut BytesMut,
//! ) -> Result<Option<Connection>, Box<dyn std::error::Error>> {
//!     let start = Instant::now();
//!     let mut handshake =
//!         Handshake::new(Config::new(), Origins::SameOrigin);
//!     let (request, pending) = loop {
//!         if let Some(received) = handshake.next(input, out)? {
//!             break received;
//!         }
//!         // It cannot interrupt a read: set a read timeout as well, as
//!         // the example of the crate does.
//!         handshake.handle_timeout(start.elapsed(), out)?;
//!         match socket.read(input.spare(4096))? {
//!             0 => handshake.end_of_stream(),
//!             n => input.filled(n),
//!         }
//!     };
//!     if request.path() == "/chat" {
//!         Ok(Some(pending.accept(Accept::new(), out)?))
//!     } else {
//!         pending.reject(Reject::new(404), out)?;
//!         Ok(None)
//!     }
//! }
//!
//! # let mut socket = std::io::Cursor::new(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\
//! #     Upgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #     Sec-WebSocket-Version: 13\r\n\r\n".to_vec());
//! let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//! let result = accept(&mut socket, &mut input, &mut out);
//! // Flush in any case. After an error, `out` contains the response too.
//! # assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! socket.write_all(&out.split())?;
//! if let Some(connection) = result? {
//!     // Continue with `connection`, and with the same `input` and `out`.
//! }
//! // Otherwise close the stream.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::time::Duration;

use super::{
    HeadError, Timer,
    decision::{write_error, write_internal_error},
    head::{HeadScan, Kind},
    parse::RequestHead,
    request_rules::{Facts, Found},
};
use crate::{buffer::RecvBuf, config::Config, connection::Connection, meter, output::Output};

pub use super::{
    decision::{Accept, Reject},
    origin::{HostList, OriginList, Origins},
    request::{Request, RequestError},
};

/// The handshake of a server, until the request is complete.
///
/// The [module](self) shows the order of the calls.
///
/// ```
/// use bytes::BytesMut;
/// use std::time::Duration;
/// use websocket_proto::Config;
/// use websocket_proto::handshake::server::{
///     Handshake, Origins, RequestError,
/// };
///
/// let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// let deadline = handshake.deadline(Duration::ZERO);
/// assert_eq!(deadline, Some(Duration::from_secs(10)));
///
/// // Nothing arrives for 10 s.
/// let mut out = BytesMut::new();
/// let result =
///     handshake.handle_timeout(Duration::from_secs(10), &mut out);
/// assert_eq!(result, Err(RequestError::Timeout));
/// assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    origins: Origins,
    scan: HeadScan,
    timer: Timer,
    eof: bool,
    /// The method is HEAD, so a response must not have a body (RFC 9110 §9.3.2).
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
    /// Starts a handshake. `config` holds its limits and those of the connection. `origins` decides
    /// which web pages may connect.
    pub fn new(config: Config, origins: Origins) -> Self {
        Self {
            scan: HeadScan::new(Kind::Request),
            timer: Timer::new(config.handshake_timeout),
            config,
            origins,
            eof: false,
            is_head: false,
            state: State::Receiving,
        }
    }

    /// Returns the request when it is complete, or `None` if more bytes are needed. Call it after
    /// every read, always with the same `input`.
    ///
    /// The bytes of the request are taken out of `input`. The bytes after them belong to the
    /// connection. Later calls return `None`.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the request is not a valid handshake, or is not allowed. The response is
    /// in `out`: flush it and close the stream. Later calls return the same error, write nothing,
    /// and drop the bytes in `input`.
    pub fn next<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        out: &mut dyn Output,
    ) -> Result<Option<(Request<'b>, Pending)>, RequestError> {
        meter::step();
        match self.state {
            State::Receiving => {}
            State::Requested => return Ok(None),
            State::Failed(error) => {
                input.clear();
                return Err(error);
            }
        }
        let received = self.receive(input.unread());
        let (head, facts) = match received {
            Ok(Some(received)) => received,
            unfinished => {
                let limit = self.config.max_head_size;
                self.is_head = self.scan.is_head_request(input.unread(), limit);
                let Err(error) = unfinished else {
                    return Ok(None);
                };
                input.clear();
                return Err(self.fail(error, out));
            }
        };
        self.state = State::Requested;
        input.consume(self.scan.start());
        let bytes = input.consume(head.len());
        let request = Request::new(&head, input.get(bytes));
        let config = self.config;
        Ok(Some((request, Pending { facts, config })))
    }

    /// Tells the handshake that the client has ended the stream: a read returned 0. Then call
    /// [`next`](Self::next), which fails with [`RequestError::EndOfStream`] if the request is not
    /// complete.
    pub fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), or `None` if there is no
    /// deadline. Call it before waiting for bytes.
    ///
    /// The first call of `deadline` or `handle_timeout` starts [`Config::handshake_timeout`]. Bytes
    /// that arrive do not extend it. `now` is the time since any fixed instant; see
    /// [`Connection`](crate::Connection#time). The deadline can be earlier than `now`.
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Receiving => self.timer.deadline(now),
            State::Requested | State::Failed(_) => None,
        }
    }

    /// Ends the handshake if its deadline has passed at `now`. Call it when the deadline has
    /// passed. A call before that does nothing.
    ///
    /// # Errors
    ///
    /// [`RequestError::Timeout`] if the deadline has passed. The response is in `out`: flush it and
    /// close the stream. An earlier error is returned again.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut dyn Output,
    ) -> Result<(), RequestError> {
        match self.state {
            State::Receiving if self.timer.is_due(now) => {
                Err(self.fail(RequestError::Timeout, out))
            }
            State::Receiving | State::Requested => Ok(()),
            State::Failed(error) => Err(error),
        }
    }

    /// The head and what the response depends on, when the head is complete.
    fn receive(&mut self, unread: &[u8]) -> Result<Option<(RequestHead, Facts)>, RequestError> {
        let Config {
            max_head_size,
            max_headers,
            ..
        } = self.config;
        let mut found = Found::default();
        let read = self.scan.read(unread, max_head_size, |bytes| {
            RequestHead::parse(bytes, max_headers, |name, value| found.add(name, value))
                .inspect_err(|_| found = Found::default())
        });
        let Some(head) = read? else {
            return match self.eof {
                true => Err(RequestError::EndOfStream),
                false => Ok(None),
            };
        };
        let bytes = &unread[self.scan.start()..];
        let (method, target) = (head.method(bytes), head.target(bytes));
        let facts = found.check_upgrade(method, target, &self.origins)?;
        Ok(Some((head, facts)))
    }

    #[cold]
    fn fail(&mut self, error: RequestError, out: &mut dyn Output) -> RequestError {
        self.state = State::Failed(error);
        write_error(error, self.is_head, out.tail());
        error
    }
}

/// A valid request that waits for the decision of the application.
///
/// It borrows nothing, so the application can keep it and decide later. No deadline applies to the
/// decision: set one if it can take long. If you drop the `Pending`, the client gets no response:
/// close the stream.
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
/// # let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// # let (_, pending) = handshake.next(&mut input, &mut out)?.unwrap();
/// let response = Accept::new().header("Server", "example");
/// let connection = pending.accept(response, &mut out)?;
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
#[derive(Debug)]
#[must_use = "the client waits for `accept` or `reject`"]
pub struct Pending {
    facts: Facts,
    config: Config,
}

impl Pending {
    /// Accepts the handshake (RFC 6455 §4.2.2): writes the response with status 101, and returns
    /// the connection. The connection can write to `out` at once.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the response must not be sent. `out` then contains a response with status
    /// 500: flush it and close the stream.
    pub fn accept(
        self,
        response: Accept<'_>,
        out: &mut dyn Output,
    ) -> Result<Connection, HeadError> {
        let agreed = response.agree(&self.facts.deflate_offers, self.config.deflate());
        let params = agreed.map(|agreed| agreed.params);
        match response.write(&self.facts, params, out.tail()) {
            Ok(()) => Ok(Connection::opened(None, &self.config, agreed)),
            Err(error) => {
                write_internal_error(out.tail());
                Err(error)
            }
        }
    }

    /// Rejects the handshake: writes the response. Flush `out` and close the stream.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the response must not be sent. `out` then contains a response with status
    /// 500: flush it and close the stream.
    pub fn reject(self, response: Reject<'_>, out: &mut dyn Output) -> Result<(), HeadError> {
        response
            .write(out.tail())
            .inspect_err(|_| write_internal_error(out.tail()))
    }
}

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
/// The request borrows the receive buffer, so it cannot outlive the next read:
///
/// ```compile_fail,E0499
/// # use websocket_proto::RecvBuf;
/// # use websocket_proto::handshake::server::{Handshake, RequestError};
/// # fn read(handshake: &mut Handshake, input: &mut RecvBuf, out: &mut bytes::BytesMut)
/// #     -> Result<(), RequestError> {
/// if let Some((request, pending)) = handshake.next(input, out)? {
///     let room = input.spare(4096);
///     println!("{}", request.path());
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(doctest)]
struct MustNotCompile;
