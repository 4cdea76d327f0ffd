//! The response of a handshake as the client sees it, and its rules (RFC 6455 §4.1).

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

    /// The status: 101 if the server accepts, 200 to 999 if it refuses.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The reason phrase. It is empty if the response has none, or if it is not UTF-8.
    pub fn reason(&self) -> &'b str {
        core::str::from_utf8(self.head.reason).unwrap_or_default()
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
        self.head.fields.clone()
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
    /// The major version of HTTP is not 1, or the version is 1.0 and the status is 101.
    #[error("the version of HTTP must be 1.1 (RFC 6455 §4.1)")]
    HttpVersion,
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

/// Checks a response with status 101 (§4.1, items 2 to 6 on the server's response), in the order of
/// [`ResponseError`]. Returns the compression that is agreed on.
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
        // "[If] this header field indicates the use of an extension that was not present in the
        // client's handshake [...], the client MUST _Fail the WebSocket Connection_" (item 5). No
        // other extension is ever offered.
        let chosen = sole(values("Sec-WebSocket-Extensions"))
            .and_then(|value| sole(list(value)))
            .and_then(Extension::parse)
            .filter(|it| is_deflate(*it) && !deflate_offers.is_empty())
            .ok_or(ResponseError::Extension)?;
        let agreed = Params::negotiate(deflate_offers, chosen);
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
