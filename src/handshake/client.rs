//! The opening handshake of a client (RFC 6455 §4.1).
//!
//! 1. [`Request::new`] says where to connect to;
//! 2. [`Handshake::start`] writes the request;
//! 3. [`Handshake::next`] after each read, until it returns the [`Answer`]: the [`Connection`], or
//!    a [`Response`] that refuses one.
//!
//! ```
//! use bytes::BytesMut;
//! use websocket_proto::{Config, RecvBuf, Seed};
//! use websocket_proto::handshake::client::{Answer, Handshake, Request};
//!
//! let request = Request::new("ws://example.com/chat")?;
//! // Connect to `request.host()` and `request.port()`, with TLS if `request.is_secure()`.
//! let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
//! let seed = Seed::from([7; 32]);              // Seed::from_os() outside of a test
//! let mut opening = Handshake::start(&request, seed, Config::new(), &mut out)?;
//! // Flush `out`.
//! # let mut socket: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: ws://example.org/\r\n\r\n";
//!
//! let answer = loop {
//!     // On an error, close the stream.
//!     if let Some(answer) = opening.next(&mut input)? {
//!         break answer;
//!     }
//!     match std::io::Read::read(&mut socket, input.spare(4096))? {
//!         0 => opening.end_of_stream(),
//!         n => input.filled(n),
//!     }
//! };
//! match answer {
//!     Answer::Accepted(connection, response) => {
//!         println!("speaking {:?}", response.subprotocol());
//!         // Go on with `connection`, `input` and `out`.
//!     }
//!     Answer::Refused(response) => {
//!         println!("{} {}: {:?}", response.status(), response.reason(), response.header("Location"));
//! #       assert_eq!((response.status(), response.reason()), (302, "Found"));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use bytes::BytesMut;

use super::{
    HeadError, HttpError, Timer,
    head::{HeadScan, Kind, ResponseHead},
    key::{self, AcceptKey},
    response::check,
};
use crate::{
    Config, Connection, RecvBuf, Seed,
    deflate::{Agreed, Params},
    seed::MaskKeys,
};

pub use super::{
    response::{Response, ResponseError},
    url::{Request, UrlError},
};

/// The opening handshake of a client, from its request to the answer.
///
/// The [module](self) shows the order of the calls.
///
/// ```
/// use bytes::BytesMut;
/// use std::time::Duration;
/// use websocket_proto::{Config, Seed};
/// use websocket_proto::handshake::client::{Handshake, Request, ResponseError};
///
/// let request = Request::new("ws://example.com/")?;
/// let mut out = BytesMut::new();
/// let mut opening = Handshake::start(&request, Seed::from([7; 32]), Config::new(), &mut out)?;
/// assert!(out.starts_with(b"GET / HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let deadline = opening.deadline(Duration::ZERO).expect("there is a limit by default");
/// assert_eq!(deadline, Duration::from_secs(10));
/// assert_eq!(opening.handle_timeout(deadline), Err(ResponseError::Timeout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    expected: AcceptKey,
    /// The subprotocols that were offered, as a list.
    offered: String,
    /// What was offered of permessage-deflate.
    deflate_offers: Vec<Params>,
    /// Taken by the connection.
    mask_keys: Option<Box<MaskKeys>>,
    scan: HeadScan,
    /// The bytes of interim responses.
    skipped: usize,
    timer: Timer,
    eof: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Receiving,
    Accepted,
    /// By a response whose head, of this length, stays in the receive buffer.
    Refused {
        head: usize,
    },
    Failed(ResponseError),
}

/// What a final response says, with the compression that is agreed on.
enum Verdict {
    Accepts(Option<Params>),
    Refuses,
}

impl Handshake {
    /// Writes the request. The seed is used up: for the nonce, and for the mask keys of the
    /// connection.
    ///
    /// # Errors
    ///
    /// [`HeadError`], where the request must not be sent. Nothing is written then.
    pub fn start(
        request: &Request<'_>,
        seed: Seed,
        config: Config,
        out: &mut BytesMut,
    ) -> Result<Self, HeadError> {
        request.check()?;
        let mut mask_keys = Box::new(MaskKeys::new(seed));
        // "The nonce MUST be selected randomly for each connection." (§4.1, item 7)
        let key = key::encode_key(mask_keys.nonce());
        let deflate_offers = request.deflate_offers(&config);
        request.write(&key, &deflate_offers, out);
        Ok(Self {
            expected: key::accept_key(&key),
            offered: request.offers(),
            deflate_offers,
            mask_keys: Some(mask_keys),
            scan: HeadScan::new(Kind::Response),
            skipped: 0,
            timer: Timer::new(config.opening_timeout),
            config,
            eof: false,
            state: State::Receiving,
        })
    }

    /// The answer, once its head has arrived whole; `None` when more bytes are needed.
    ///
    /// Call it after every read, with the same `input`. Interim responses such as 103 are
    /// skipped.
    ///
    /// After [`Answer::Accepted`] the head has been taken out of `input`, what is left are the
    /// first bytes of the connection, and later calls return `None`. After [`Answer::Refused`] the
    /// response stays in `input`: to see more of its body, read more and call again, also after the
    /// end of the stream. Head and body are kept up to [`Config::max_head_size`] bytes together;
    /// what arrives beyond is dropped. For another opening, [clear](RecvBuf::clear) the buffer.
    ///
    /// # Errors
    ///
    /// [`ResponseError`], where the answer is not one to an opening. Close the stream; there is
    /// nothing to send (§4.1). Every later call repeats the error, and drops what has arrived.
    pub fn next<'b>(
        &mut self,
        input: &'b mut RecvBuf,
    ) -> Result<Option<Answer<'b>>, ResponseError> {
        match self.state {
            State::Receiving => {}
            State::Accepted => return Ok(None),
            State::Refused { head } => return Ok(Some(self.refused(head, input))),
            State::Failed(error) => {
                input.clear();
                return Err(error);
            }
        }
        let (len, verdict) = match self.receive(input) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.fail(error, input)),
        };
        Ok(Some(match (verdict, self.mask_keys.take()) {
            (Verdict::Accepts(params), Some(mask_keys)) => {
                self.state = State::Accepted;
                let head = input.consume(len);
                let agreed = params.zip(self.config.deflate());
                let agreed = agreed.map(|(params, config)| Agreed { params, config });
                Answer::Accepted(
                    Connection::opened(Some(mask_keys), &self.config, agreed),
                    Response::new(input.get(head), b""),
                )
            }
            _ => {
                self.state = State::Refused { head: len };
                self.refused(len, input)
            }
        }))
    }

    /// Tells that the server has ended the stream: the read returned 0. Go on with
    /// [`next`](Self::next), which reports [`ResponseError::EndOfStream`] where the answer is not
    /// whole. It may as well be the end of the body of a response that refuses.
    pub fn end_of_stream(&mut self) {
        self.eof = true;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, or `None` for not at all.
    ///
    /// The first call starts [`Config::opening_timeout`]; nothing that arrives extends it, nor
    /// does the body of a response that refuses. For instants, see
    /// [`Connection`](crate::Connection#time).
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Receiving | State::Refused { .. } => self.timer.deadline(now),
            State::Accepted | State::Failed(_) => None,
        }
    }

    /// Gives up where the deadline has passed at `now`. Too early a call does nothing.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Timeout`]. An earlier error is repeated.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), ResponseError> {
        match self.state {
            State::Receiving | State::Refused { .. } if self.timer.is_due(now) => {
                self.state = State::Failed(ResponseError::Timeout);
                Err(ResponseError::Timeout)
            }
            State::Receiving | State::Refused { .. } | State::Accepted => Ok(()),
            State::Failed(error) => Err(error),
        }
    }

    /// The length of the final response and what it says, once its head is whole.
    fn receive(&mut self, input: &mut RecvBuf) -> Result<Option<(usize, Verdict)>, ResponseError> {
        loop {
            let unread = input.unread();
            let Some(len) = self.scan.find_end(unread, self.room())? else {
                return match self.eof {
                    true => Err(ResponseError::EndOfStream),
                    false => Ok(None),
                };
            };
            let head = ResponseHead::parse(&unread[..len], self.config.max_headers)?;
            match head.status {
                101 => {
                    let deflate =
                        check(&head, &self.expected, &self.offered, &self.deflate_offers)?;
                    return Ok(Some((len, Verdict::Accepts(deflate))));
                }
                // "A client MUST be able to parse one or more 1xx responses received prior to a
                // final response" (RFC 9110 §15.2).
                100..=199 => {
                    input.consume(len);
                    self.skipped += len;
                    self.scan = HeadScan::new(Kind::Response);
                }
                200.. => return Ok(Some((len, Verdict::Refuses))),
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

    /// How long a head may be, in bytes, behind the interim ones.
    fn room(&self) -> usize {
        self.config.max_head_size.saturating_sub(self.skipped)
    }

    /// The response that refuses, with as much of its body as is here and has room.
    fn refused<'b>(&self, head: usize, input: &'b mut RecvBuf) -> Answer<'b> {
        input.truncate_unread(self.room());
        let unread = input.unread();
        let (head, body) = unread.split_at(head.min(unread.len()));
        Answer::Refused(Response::new(head, body))
    }
}

/// What the server says to an opening.
///
/// ```
/// use websocket_proto::{Connection, handshake::client::Answer};
///
/// fn connection(answer: Answer<'_>) -> Result<Connection, String> {
///     match answer {
///         Answer::Accepted(connection, _) => Ok(connection),
///         Answer::Refused(response) => Err(format!("the server says {}", response.status())),
///     }
/// }
/// ```
// Exhaustive: every final response accepts or refuses.
#[derive(Debug)]
#[must_use]
pub enum Answer<'b> {
    /// The connection is open.
    Accepted(Connection, Response<'b>),
    /// A response with another status than 101, for the application to judge: a redirection, a
    /// request to log in, an error.
    Refused(Response<'b>),
}
