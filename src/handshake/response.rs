//! The response of a handshake as the client sees it, and its rules (RFC 6455 §4.1).

use alloc::string::String;
use core::fmt;

use super::{
    HttpError,
    fields::{Headers, Name, Single},
    head::ParseError,
    key::AcceptKey,
    parse::ResponseHead,
};
use crate::{
    deflate::{Offers, Params, is_deflate},
    grammar::{Extension, list, lists, sole},
};

/// The final response to a handshake. It borrows the receive buffer.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, Seed};
/// use websocket_proto::handshake::client::{Handshake, Outcome, Request};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// let request = Request::new("ws://example.com/")?;
/// let seed = Seed::from([7; 32]);
/// let mut handshake =
///     Handshake::start(&request, seed, Config::new(), &mut out)?;
///
/// input.extend_from_slice(
///     b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ngo ",
/// );
/// let Some(Outcome::Refused(response)) = handshake.next(&mut input)?
///     else { unreachable!() };
/// assert_eq!(response.status(), 403);
/// assert_eq!(response.reason(), "Forbidden");
/// assert_eq!(response.header("content-length"), Some(&b"7"[..]));
/// assert_eq!(response.body(), b"go ");
///
/// // More of the body arrives.
/// input.extend_from_slice(b"away");
/// let Some(Outcome::Refused(response)) = handshake.next(&mut input)?
///     else { unreachable!() };
/// assert_eq!(response.body(), b"go away");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Response<'b> {
    status: u16,
    reason: &'b [u8],
    fields: Headers<'b>,
    body: &'b [u8],
}

impl<'b> Response<'b> {
    /// `bytes` are those of the head, and behind it those of the body.
    pub(super) fn new(head: &ResponseHead, bytes: &'b [u8]) -> Self {
        Self {
            status: head.status,
            reason: head.reason(bytes),
            fields: head.fields(bytes),
            body: bytes.get(head.len()..).unwrap_or_default(),
        }
    }

    /// The status: 101 if the server accepts, 200 to 999 if it refuses.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase. It is empty if the response has none, or if it is not UTF-8.
    pub fn reason(&self) -> &'b str {
        core::str::from_utf8(self.reason).unwrap_or_default()
    }

    /// The subprotocol that the server chose. If the status is 101, it is one of those that the
    /// request offers.
    pub fn subprotocol(&self) -> Option<&'b str> {
        core::str::from_utf8(self.header("Sec-WebSocket-Protocol")?).ok()
    }

    /// The value of the first header field with this name. Case is ignored.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().value(name)
    }

    /// All header fields.
    pub fn headers(&self) -> Headers<'b> {
        self.fields.clone()
    }

    /// The part of the body that has arrived, up to the limit that
    /// [`Handshake::next`](super::client::Handshake::next) describes. It is empty with status 101.
    ///
    /// A transfer coding such as `chunked` is not removed. To find the end of the body, compare
    /// with `Content-Length`, or read until the end of the stream.
    pub fn body(&self) -> &'b [u8] {
        self.body
    }
}

impl fmt::Debug for Response<'_> {
    /// Leaves out the header fields, because they can contain cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .field("reason", &self.reason())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The response of the server is not a valid response to a handshake, or did not arrive in time
/// (RFC 6455 §4.1).
///
/// Close the stream. There is nothing to send.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, Seed};
/// use websocket_proto::handshake::client::{
///     Handshake, Request, ResponseError,
/// };
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// let request = Request::new("ws://example.com/")?;
/// let seed = Seed::from([7; 32]);
/// let mut handshake =
///     Handshake::start(&request, seed, Config::new(), &mut out)?;
/// input.extend_from_slice(
///     b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
/// );
/// let error = handshake.next(&mut input).unwrap_err();
/// assert_eq!(error, ResponseError::Upgrade);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The bytes are not the head of a response, or they exceed a limit.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The major version of HTTP is not 1, or the version is 1.0 and the status is 101. For a
    /// CONNECT: the major version is 1.
    #[error("the version of HTTP must be that of the request, and not 1.0 (RFC 6455 §4.1)")]
    HttpVersion,
    /// The status is that of an interim response, 100 to 199, but not 101; or it is 101 in response
    /// to a CONNECT. Only a handshake over [`values`](super::values) reports it.
    #[error("the status is not that of a final response (RFC 9110 §15.2, RFC 9113 §8.6)")]
    Interim,
    /// `Upgrade` is missing or is not `websocket`.
    #[error("the Upgrade field of the response must be websocket (RFC 6455 §4.1)")]
    Upgrade,
    /// `Connection` does not contain `upgrade`.
    #[error("the Connection field of the response must contain upgrade (RFC 6455 §4.1)")]
    Connection,
    /// `Sec-WebSocket-Accept` is missing, occurs several times, or does not match the key of the
    /// request.
    #[error("the Sec-WebSocket-Accept does not match the key (RFC 6455 §4.1)")]
    Accept,
    /// `Sec-WebSocket-Extensions` contains an extension that was not offered or several extensions,
    /// or it is malformed (§9.1).
    #[error("the server chose an extension that was not offered (RFC 6455 §4.1)")]
    Extension,
    /// The parameters of permessage-deflate are invalid, or fit none of the offers.
    #[error("the server's parameters of permessage-deflate fit no offer (RFC 7692 §5.1, §7.1)")]
    DeflateParameters,
    /// The server chose a subprotocol that was not offered, or several.
    #[error("the server chose a subprotocol that was not offered (RFC 6455 §4.1)")]
    Subprotocol,
    /// The response did not arrive within
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout).
    #[error("the handshake took too long (RFC 6455 §7.1.7)")]
    Timeout,
    /// The stream ended before the head was complete.
    #[error("the stream ended before the handshake was complete (RFC 9112 §8)")]
    EndOfStream,
}

impl From<ParseError> for ResponseError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Http(error) => Self::Http(error),
            ParseError::Version => Self::HttpVersion,
        }
    }
}

/// What the response must agree with.
pub(super) struct Offer {
    /// `None` for a CONNECT.
    pub(super) accept_key: Option<AcceptKey>,
    /// The offered subprotocols, as a list.
    pub(super) subprotocols: String,
    /// The offers of permessage-deflate.
    pub(super) deflate: Offers,
}

/// Leaves out the subprotocols: browsers have no other place for a password.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("deflate", &self.deflate)
            .finish_non_exhaustive()
    }
}

/// The header fields of a response that accepts, collected in one pass.
#[derive(Default)]
pub(super) struct Found<'b> {
    upgrade: Single<'b>,
    connection: bool,
    accept: Single<'b>,
    extensions: Single<'b>,
    subprotocol: Single<'b>,
}

impl<'b> Found<'b> {
    #[inline]
    pub(super) fn add(&mut self, name: &[u8], value: &'b [u8]) {
        match Name::of(name) {
            Some(Name::Upgrade) => list(value).for_each(|protocol| self.upgrade.add(protocol)),
            Some(Name::Connection) => self.connection |= lists(value, b"Upgrade"),
            Some(Name::Accept) => self.accept.add(value),
            Some(Name::Extensions) => self.extensions.add(value),
            Some(Name::Protocol) => self.subprotocol.add(value),
            _ => {}
        }
    }

    /// Checks a response with status 101, or with status 200 to a CONNECT (§4.1, items 2 to 6 on
    /// the server's response; RFC 8441 §5), in the order of [`ResponseError`]. Returns the
    /// compression that is agreed on.
    pub(super) fn check(&self, offer: &Offer) -> Result<Option<Params>, ResponseError> {
        if let Some(accept_key) = &offer.accept_key {
            match self.upgrade {
                Single::One(upgrade) if upgrade.eq_ignore_ascii_case(b"websocket") => {}
                _ => return Err(ResponseError::Upgrade),
            }
            if !self.connection {
                return Err(ResponseError::Connection);
            }
            match self.accept {
                Single::One(accept) if accept == accept_key => {}
                _ => return Err(ResponseError::Accept),
            }
        }
        let deflate = match self.extensions {
            Single::Missing => None,
            Single::One(value) => Some(agree(&offer.deflate, value)?),
            Single::Many => return Err(ResponseError::Extension),
        };
        let is_offered = |name: &[u8]| list(offer.subprotocols.as_bytes()).any(|it| it == name);
        match self.subprotocol {
            Single::Missing => Ok(deflate),
            Single::One(name) if is_offered(name) => Ok(deflate),
            _ => Err(ResponseError::Subprotocol),
        }
    }
}

/// "[If] this header field indicates the use of an extension that was not present in the client's
/// handshake [...], the client MUST _Fail the WebSocket Connection_" (§4.1, item 5). No extension
/// but permessage-deflate is ever offered.
fn agree(offers: &Offers, value: &[u8]) -> Result<Params, ResponseError> {
    let chosen = sole(list(value))
        .and_then(Extension::parse)
        .filter(|it| is_deflate(*it) && !offers.is_empty())
        .ok_or(ResponseError::Extension)?;
    Params::negotiate(offers.iter(), chosen).ok_or(ResponseError::DeflateParameters)
}
