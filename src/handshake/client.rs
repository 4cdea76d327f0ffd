//! The handshake of a client (RFC 6455 §4.1).
//!
//! 1. [`Request::new`] parses the URL, and tells the host and the port to connect to.
//! 2. [`Handshake::start`] writes the request.
//! 3. [`Handshake::next`] reads the response. Call it after each read, until it returns the
//!    [`Outcome`]: a [`Connection`], or a [`Response`] that refuses it.
//!
//! ```
//! use bytes::BytesMut;
//! use std::io::{Read, Write};
//! use std::time::Instant;
//! use websocket_proto::{Config, RecvBuf, Seed};
//! use websocket_proto::handshake::client::{Handshake, Outcome, Request};
//!
//! let request = Request::new("ws://example.com/chat")?;
//! let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//! let seed = Seed::from([7; 32]); // Outside of tests: Seed::from_os()
//! let mut handshake =
//!     Handshake::start(&request, seed, Config::new(), &mut out)?;
//!
//! // Connect to `request.host()` and `request.port()`, with TLS if
//! // `request.is_secure()`.
//! # // Writing replaces the request with itself, then the response is read.
//! # let response = b"HTTP/1.1 404 Not Found\r\n\r\n";
//! # let mut socket = std::io::Cursor::new([&out[..], response].concat());
//! socket.write_all(&out.split())?;
//!
//! let start = Instant::now();
//! let connection = loop {
//!     // After an error close the stream.
//!     match handshake.next(&mut input)? {
//!         Some(Outcome::Accepted(connection, _)) => break Some(connection),
//!         Some(Outcome::Refused(response)) => {
//!             println!("refused with status {}", response.status());
//! #           assert_eq!(response.status(), 404);
//!             break None;
//!         }
//!         None => {}
//!     }
//!     // It cannot interrupt a read: set a read timeout as well, as the
//!     // example of the crate does.
//!     handshake.handle_timeout(start.elapsed())?;
//!     match socket.read(input.spare(4096))? {
//!         0 => handshake.end_of_stream(),
//!         n => input.filled(n),
//!     }
//! };
//! if let Some(connection) = connection {
//!     // Continue with `connection`, and with the same `input` and `out`.
//! }
//! // Otherwise close the stream.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::boxed::Box;
use core::time::Duration;

use super::{
    HeadError, HttpError, Timer,
    head::{HeadScan, Kind},
    key,
    parse::ResponseHead,
    response::{Found, Offer},
};
use crate::{
    buffer::RecvBuf,
    config::Config,
    connection::Connection,
    deflate::{Agreed, Params},
    meter,
    output::Output,
    seed::{MaskKeys, Seed},
};

pub use super::{
    response::{Response, ResponseError},
    url::{Request, UrlError},
};

/// The handshake of a client, from its request to the response.
///
/// The [module](self) shows the order of the calls.
///
/// ```
/// use bytes::BytesMut;
/// use std::time::Duration;
/// use websocket_proto::{Config, Seed};
/// use websocket_proto::handshake::client::{
///     Handshake, Request, ResponseError,
/// };
///
/// let request = Request::new("ws://example.com/")?;
/// let seed = Seed::from([7; 32]);
/// let mut out = BytesMut::new();
/// let mut handshake =
///     Handshake::start(&request, seed, Config::new(), &mut out)?;
/// assert!(out.starts_with(b"GET / HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let deadline = handshake.deadline(Duration::ZERO);
/// assert_eq!(deadline, Some(Duration::from_secs(10)));
///
/// // Nothing arrives for 10 s.
/// let result = handshake.handle_timeout(Duration::from_secs(10));
/// assert_eq!(result, Err(ResponseError::Timeout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    offer: Offer,
    /// `None` after the connection has taken them.
    mask_keys: Option<Box<MaskKeys>>,
    scan: HeadScan,
    /// Number of bytes of interim responses.
    skipped: usize,
    timer: Timer,
    eof: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Receiving,
    Accepted,
    /// The response stays in the receive buffer.
    Refused(ResponseHead),
    Failed(ResponseError),
}

/// What a final response says. `Accepts` holds the compression that is agreed on.
enum Verdict {
    Accepts(Option<Params>),
    Refuses,
}

impl Handshake {
    /// Writes the request to `out`, and starts the handshake. `config` holds its limits and those
    /// of the connection.
    ///
    /// `seed` makes the key of the request (§4.1, item 7) and the mask keys of the connection. Use
    /// a new random [`Seed`] for each handshake.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the request must not be sent. Nothing is written then.
    pub fn start(
        request: &Request<'_>,
        seed: Seed,
        config: Config,
        out: &mut dyn Output,
    ) -> Result<Self, HeadError> {
        request.check()?;
        let mut mask_keys = Box::new(MaskKeys::new(seed));
        // "The nonce MUST be selected randomly for each connection." (§4.1, item 7)
        let key = key::encode_key(mask_keys.nonce());
        let offer = request.offer(Some(&key), &config);
        request.write(&key, &offer, out.tail());
        Ok(Self {
            offer,
            mask_keys: Some(mask_keys),
            scan: HeadScan::new(Kind::Response),
            skipped: 0,
            timer: Timer::new(config.handshake_timeout),
            config,
            eof: false,
            state: State::Receiving,
        })
    }

    /// Returns the outcome when the head of the response is complete, or `None` if more bytes are
    /// needed. Call it after every read, always with the same `input`. Interim responses, such as
    /// 103 Early Hints, are skipped.
    ///
    /// With [`Outcome::Accepted`] the head is taken out of `input`. The bytes after it belong to
    /// the connection. Later calls return `None`.
    ///
    /// With [`Outcome::Refused`] the response stays in `input`. To receive more of its body, read
    /// and call `next` again: each call returns `Refused` with the body so far. Stop when
    /// `Content-Length` bytes are there, or after the end of the stream. At most [`Config::max_head_size`]
    /// bytes of the head and body together are kept, and later ones are dropped. Before you use
    /// `input` for another handshake, call [`RecvBuf::clear`].
    ///
    /// # Errors
    ///
    /// [`ResponseError`] if the response is not a valid response to a handshake. Close the stream;
    /// there is nothing to send (§4.1). Later calls return the same error, and drop the bytes in
    /// `input`.
    pub fn next<'b>(
        &mut self,
        input: &'b mut RecvBuf,
    ) -> Result<Option<Outcome<'b>>, ResponseError> {
        meter::step();
        match self.state {
            State::Receiving => {}
            State::Accepted => return Ok(None),
            State::Refused(head) => return Ok(Some(self.refused(&head, input))),
            State::Failed(error) => {
                input.clear();
                return Err(error);
            }
        }
        let (head, verdict) = match self.receive(input) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.fail(error, input)),
        };
        if let Verdict::Accepts(params) = verdict
            && let Some(mask_keys) = self.mask_keys.take()
        {
            self.state = State::Accepted;
            let bytes = input.consume(head.len());
            let agreed = params.zip(self.config.deflate());
            let agreed = agreed.map(|(params, config)| Agreed { params, config });
            return Ok(Some(Outcome::Accepted(
                Connection::opened(Some(mask_keys), &self.config, agreed),
                Response::new(&head, input.get(bytes)),
            )));
        }
        self.state = State::Refused(head);
        Ok(Some(self.refused(&head, input)))
    }

    /// Tells the handshake that the server has ended the stream: a read returned 0. Then call
    /// [`next`](Self::next), which fails with [`ResponseError::EndOfStream`] if the head of the
    /// response is not complete. If the response refuses, the end of the stream can be the end of
    /// its body.
    pub fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), or `None` if there is no
    /// deadline. Call it before waiting for bytes.
    ///
    /// The first call of `deadline` or `handle_timeout` starts [`Config::handshake_timeout`]. Bytes
    /// that arrive do not extend it. It also limits the time for the body of a response that
    /// refuses. `now` is the time since any fixed instant; see
    /// [`Connection`](crate::Connection#time). The deadline can be earlier than `now`.
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Receiving | State::Refused(_) => self.timer.deadline(now),
            State::Accepted | State::Failed(_) => None,
        }
    }

    /// Ends the handshake if its deadline has passed at `now`. Call it when the deadline has
    /// passed. A call before that does nothing.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Timeout`] if the deadline has passed: close the stream. An earlier error is
    /// returned again.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), ResponseError> {
        match self.state {
            State::Receiving | State::Refused(_) if self.timer.is_due(now) => {
                self.state = State::Failed(ResponseError::Timeout);
                Err(ResponseError::Timeout)
            }
            State::Receiving | State::Refused(_) | State::Accepted => Ok(()),
            State::Failed(error) => Err(error),
        }
    }

    /// The head of the final response and what it says, when it is complete.
    fn receive(
        &mut self,
        input: &mut RecvBuf,
    ) -> Result<Option<(ResponseHead, Verdict)>, ResponseError> {
        loop {
            let max_headers = self.config.max_headers;
            let limit = self.room();
            let mut found = Found::default();
            let read = self.scan.read(input.unread(), limit, |bytes| {
                ResponseHead::parse(bytes, max_headers, |name, value| found.add(name, value))
                    .inspect_err(|_| found = Found::default())
            });
            let Some(head) = read? else {
                return match self.eof {
                    true => Err(ResponseError::EndOfStream),
                    false => Ok(None),
                };
            };
            match head.status {
                101 if head.minor_version == 0 => return Err(ResponseError::HttpVersion),
                101 => {
                    let deflate = found.check(&self.offer)?;
                    return Ok(Some((head, Verdict::Accepts(deflate))));
                }
                // "A client MUST be able to parse one or more 1xx responses received prior to a
                // final response" (RFC 9110 §15.2).
                100..=199 => {
                    input.consume(head.len());
                    self.skipped += head.len();
                    self.scan = HeadScan::new(Kind::Response);
                }
                200.. => return Ok(Some((head, Verdict::Refuses))),
                _ => return Err(HttpError::StartLine.into()),
            }
        }
    }

    #[cold]
    fn fail(&mut self, error: ResponseError, input: &mut RecvBuf) -> ResponseError {
        input.clear();
        self.state = State::Failed(error);
        error
    }

    /// Number of bytes that the next head can have. Interim responses count towards the limit, so
    /// that a server cannot send them for ever.
    fn room(&self) -> usize {
        self.config.max_head_size.saturating_sub(self.skipped)
    }

    /// The response that refuses, with the part of its body that has arrived and is within the
    /// limit.
    fn refused<'b>(&self, head: &ResponseHead, input: &'b mut RecvBuf) -> Outcome<'b> {
        input.truncate_unread(self.room());
        Outcome::Refused(Response::new(head, input.unread()))
    }
}

/// What the final response of the server says.
///
/// ```
/// use websocket_proto::{Connection, handshake::client::Outcome};
///
/// fn connection(outcome: Outcome<'_>) -> Result<Connection, String> {
///     match outcome {
///         Outcome::Accepted(connection, _) => Ok(connection),
///         Outcome::Refused(response) => {
///             Err(format!("refused with status {}", response.status()))
///         }
///     }
/// }
/// ```
// Exhaustive: every final response accepts or refuses.
#[derive(Debug)]
#[must_use]
pub enum Outcome<'b> {
    /// The server accepts: the connection is open. The status is 101.
    Accepted(Connection, Response<'b>),
    /// The server refuses: the status is not 101. The application decides what to do, for example
    /// to follow a redirection, to log in, or to report the status.
    Refused(Response<'b>),
}
