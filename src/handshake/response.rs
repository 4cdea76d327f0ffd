//! The response to an opening as the client sees it, and the rules for it (RFC 6455 §4.1).

use core::fmt;

use super::{
    HttpError,
    fields::Headers,
    head::{ParseError, ResponseHead},
    key::AcceptKey,
};
use crate::{
    deflate::{Params, is_deflate},
    grammar::{Extension, list, lists, sole},
};

/// The final response to an opening: a view of the bytes in the receive buffer.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, Seed};
/// use websocket_proto::handshake::client::{Answer, Handshake, Request};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// let request = Request::new("ws://example.com/")?;
/// let mut opening = Handshake::start(&request, Seed::from([7; 32]), Config::new(), &mut out)?;
///
/// input.extend_from_slice(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ngo ");
/// let Some(Answer::Refused(response)) = opening.next(&mut input)? else { unreachable!() };
/// assert_eq!((response.status(), response.reason()), (403, "Forbidden"));
/// assert_eq!(response.header("content-length"), Some(&b"7"[..]));
/// assert_eq!(response.body(), b"go ");
///
/// input.extend_from_slice(b"away");
/// let Some(Answer::Refused(response)) = opening.next(&mut input)? else { unreachable!() };
/// assert_eq!(response.body(), b"go away");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Response<'b> {
    head: ResponseHead<'b>,
    body: &'b [u8],
}

impl<'b> Response<'b> {
    pub(super) fn new(head: &'b [u8], body: &'b [u8]) -> Self {
        Self {
            head: ResponseHead::split(head),
            body,
        }
    }

    /// The status: 101, or 200 to 999.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The reason phrase; empty where there is none, or where it is not UTF-8.
    pub fn reason(&self) -> &'b str {
        core::str::from_utf8(self.head.reason).unwrap_or_default()
    }

    /// The subprotocol that the server chose, one of those that were offered. The status is 101.
    pub fn subprotocol(&self) -> Option<&'b str> {
        core::str::from_utf8(self.header("Sec-WebSocket-Protocol")?).ok()
    }

    /// The value of the first header field of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().value(name)
    }

    /// All header fields.
    pub fn headers(&self) -> Headers<'b> {
        self.head.fields.clone()
    }

    /// What has arrived of the body, up to the limit that
    /// [`Handshake::next`](super::client::Handshake::next) names. A transfer
    /// coding such as `chunked` is not undone, and whether the body is whole is for the caller to
    /// judge, by `Content-Length` or the end of the stream. Empty with status 101.
    pub fn body(&self) -> &'b [u8] {
        self.body
    }
}

impl fmt::Debug for Response<'_> {
    /// Leaves out the header fields, as they hold cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .field("reason", &self.reason())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The server's answer does not open a connection, nor does it refuse one (RFC 6455 §4.1).
///
/// A client that fails the opening sends nothing more: close the stream.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, Seed};
/// use websocket_proto::handshake::client::{Handshake, Request, ResponseError};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// let request = Request::new("ws://example.com/")?;
/// let mut opening = Handshake::start(&request, Seed::from([7; 32]), Config::new(), &mut out)?;
/// input.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n");
/// assert_eq!(opening.next(&mut input).unwrap_err(), ResponseError::Upgrade);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// Bytes that are not the head of a response, or too many.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another version of HTTP than 1.1, or than 1.0 in a response that refuses.
    #[error("the version of HTTP must be 1.1 (RFC 6455 §4.1)")]
    HttpVersion,
    /// Not exactly one `Upgrade`, or it is not `websocket`.
    #[error("the Upgrade field of the response must be websocket (RFC 6455 §4.1)")]
    Upgrade,
    /// `Connection` does not name `upgrade`.
    #[error("the Connection field of the response must name upgrade (RFC 6455 §4.1)")]
    Connection,
    /// Not exactly one `Sec-WebSocket-Accept`, or it does not answer the key that was sent.
    #[error("the Sec-WebSocket-Accept does not answer the key (RFC 6455 §4.1)")]
    Accept,
    /// An extension that was not offered, more than one, or a field that is malformed (§9.1).
    #[error("the server chose an extension that was not offered (RFC 6455 §4.1)")]
    Extension,
    /// Permessage-deflate with parameters that do not exist, are wrong, or agree to none of the
    /// offers.
    #[error(
        "the server's parameters of permessage-deflate agree to no offer (RFC 7692 §5.1, §7.1)"
    )]
    DeflateParameters,
    /// A subprotocol that was not offered, or more than one.
    #[error("the server chose a subprotocol that was not offered (RFC 6455 §4.1)")]
    Subprotocol,
    /// The answer did not arrive within
    /// [`Config::opening_timeout`](crate::Config::opening_timeout).
    #[error("the opening took too long (RFC 6455 §7.1.7)")]
    Timeout,
    /// The stream ended inside of the head.
    #[error("the stream ended before the opening was complete (RFC 9112 §8)")]
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

/// The rules for a response with status 101 (§4.1, items 2 to 6 on the server's response), in the
/// order in which they are reported; and the compression that is agreed on.
pub(super) fn check(
    head: &ResponseHead<'_>,
    expected: &AcceptKey,
    offered: &str,
    deflate_offers: &[Params],
) -> Result<Option<Params>, ResponseError> {
    let values = |name: &'static str| {
        let fields = head.fields.clone().filter(move |field| field.is(name));
        fields.map(|field| field.value)
    };
    if head.version == b"HTTP/1.0" {
        return Err(ResponseError::HttpVersion);
    }
    let upgrade = sole(values("Upgrade").flat_map(list));
    if !upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket")) {
        return Err(ResponseError::Upgrade);
    }
    if !values("Connection").any(|value| lists(value, "upgrade")) {
        return Err(ResponseError::Connection);
    }
    if sole(values("Sec-WebSocket-Accept")) != Some(&expected[..]) {
        return Err(ResponseError::Accept);
    }
    let mut deflate = None;
    if values("Sec-WebSocket-Extensions").next().is_some() {
        // Nothing else is ever offered, and "the client MUST _Fail the WebSocket Connection_" where
        // the field "indicates the use of an extension that was not present in the client's
        // handshake" (item 5).
        let chosen = sole(values("Sec-WebSocket-Extensions"))
            .and_then(|value| sole(list(value)))
            .and_then(Extension::parse)
            .filter(|it| is_deflate(*it) && !deflate_offers.is_empty())
            .ok_or(ResponseError::Extension)?;
        let agreed = Params::answered(deflate_offers, chosen);
        deflate = Some(agreed.ok_or(ResponseError::DeflateParameters)?);
    }
    let is_offered = |name: &[u8]| list(offered.as_bytes()).any(|offer| offer == name);
    if values("Sec-WebSocket-Protocol").next().is_some()
        && !sole(values("Sec-WebSocket-Protocol")).is_some_and(is_offered)
    {
        return Err(ResponseError::Subprotocol);
    }
    Ok(deflate)
}
