//! The request of a handshake as the server sees it (RFC 6455 §4.2.1).

use core::fmt;

use super::{HttpError, fields::Headers, head::ParseError, parse::RequestHead, target::Target};
#[cfg(feature = "deflate")]
use crate::{deflate::Params, grammar::Extension};

/// A valid request of a handshake. It borrows the receive buffer.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::server::{Handshake, Origins};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(
///     b"GET /room?id=7 HTTP/1.1\r\nHost: example.com\r\n\
///       Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
///       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///       Sec-WebSocket-Version: 13\r\n\
///       Origin: https://example.com\r\n\
///       Sec-WebSocket-Protocol: chat, superchat\r\n\r\n",
/// );
/// let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (request, _pending) =
///     handshake.next(&mut input, &mut out)?.expect("a complete head");
/// assert_eq!(request.path(), "/room");
/// assert_eq!(request.query(), Some("id=7"));
/// assert_eq!(request.host(), "example.com");
/// assert_eq!(request.origin(), Some("https://example.com"));
/// assert!(request.subprotocols().any(|name| name == "superchat"));
/// assert_eq!(request.header("upgrade"), Some(&b"websocket"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Request<'b> {
    /// The host of the target, in absolute form only.
    authority: Option<&'b [u8]>,
    /// Path and query.
    resource: &'b str,
    fields: Headers<'b>,
}

impl<'b> Request<'b> {
    /// `bytes` are those of the head, which has passed the rules.
    pub(super) fn new(head: &RequestHead, bytes: &'b [u8]) -> Self {
        let target = Target::split(head.target(bytes)).unwrap_or_default();
        Self {
            authority: target.authority,
            resource: text(target.resource).unwrap_or_default(),
            fields: head.fields(bytes),
        }
    }

    /// The path of the request target. It starts with `/` and consists of visible ASCII characters.
    /// It is not percent-decoded.
    pub fn path(&self) -> &'b str {
        match self.resource.split_once('?') {
            Some(("", _)) => "/",
            Some((path, _)) => path,
            None if self.resource.is_empty() => "/",
            None => self.resource,
        }
    }

    /// The query of the request target: what follows the first `?`. It is not percent-decoded.
    pub fn query(&self) -> Option<&'b str> {
        self.resource.split_once('?').map(|(_, query)| query)
    }

    /// The host that the request is for, with its port if the client sent one.
    ///
    /// It is the value of the `Host` field. If the target is in absolute form, it is the host of
    /// the target instead (RFC 9112 §3.2.2).
    pub fn host(&self) -> &'b str {
        let host = self.authority.or_else(|| self.header("Host"));
        host.and_then(text).unwrap_or_default()
    }

    /// The origin of the web page that connects (RFC 6454 §7). `None` means that the client is not
    /// a browser. The [`Origins`](super::server::Origins) have accepted it.
    pub fn origin(&self) -> Option<&'b str> {
        self.header("Origin").and_then(text)
    }

    /// The subprotocols that the client offers, the preferred one first. To choose one, call
    /// [`Accept::subprotocol`](super::server::Accept::subprotocol).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.headers().list("Sec-WebSocket-Protocol")
    }

    /// The extensions that the client offers, the preferred one first, each with its parameters:
    /// for example `permessage-deflate; client_max_window_bits`. They conform to the grammar of RFC
    /// 6455 §9.1.
    pub fn extensions(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.headers().list("Sec-WebSocket-Extensions")
    }

    /// The valid offers of permessage-deflate (RFC 7692 §7.1), the preferred one first. The server
    /// chooses one of them in [`Pending::accept`](super::server::Pending::accept), by
    /// [`Config::deflate`](field@crate::Config::deflate) or
    /// [`Accept::deflate`](super::server::Accept::deflate).
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use websocket_proto::{Config, RecvBuf, handshake::server::{Handshake, Origins}};
    /// # let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    /// # input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.com\r\n\
    /// #     Upgrade: websocket\r\nConnection: Upgrade\r\n\
    /// #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    /// #     Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7, x-other\r\n\
    /// #     Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n\r\n");
    /// # let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    /// # let (request, _pending) = handshake.next(&mut input, &mut out)?.expect("it is complete");
    /// for offer in request.deflate_offers() {
    ///     println!("{offer}");
    /// }
    /// # let bits: Vec<_> = request.deflate_offers().map(|it| it.server_max_window_bits).collect();
    /// # assert_eq!((request.extensions().count(), &bits[..]), (3, &[Some(9)][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate_offers(&self) -> impl Iterator<Item = Params> + use<'b> {
        let elements = self.extensions().map(str::as_bytes);
        elements
            .filter_map(Extension::parse)
            .filter_map(Params::offered)
    }

    /// The value of the first header field with this name. Case is ignored.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().value(name)
    }

    /// All header fields.
    pub fn headers(&self) -> Headers<'b> {
        self.fields.clone()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

impl fmt::Debug for Request<'_> {
    /// Leaves out the header fields, because they can contain cookies and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.resource)
            .field("host", &self.host())
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// The request of the client is not a valid handshake, is not allowed, or did not arrive in time.
///
/// When the error is returned, `out` contains the response to the client: flush it and close the
/// stream. The response has the status of [`status`](Self::status), and its body is the text of the
/// error. Each variant ends with its status here. Later calls return the same error. Over
/// [`values`](super::values), the response is in the [`Refusal`](super::values::Refusal).
///
/// If a request breaks several rules, one error is reported: errors of syntax first, and otherwise
/// the first one in the order of this list.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::server::{
///     Handshake, Origins, RequestError,
/// };
///
/// let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// // A browser that visits the URL as a web page.
/// input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
/// let error = handshake.next(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, RequestError::Upgrade);
/// assert_eq!(error.status(), Some(426));
/// assert!(out.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The bytes are not the head of a request, or they exceed a limit. 400 or 431.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The version of HTTP is 1.0, or the major version of an upgrade is not 1. 505.
    #[error("the version of HTTP must be 1.1 (RFC 6455 §4.2.1)")]
    HttpVersion,
    /// The method is not GET. In HTTP/2 and HTTP/3: it is not CONNECT. 405.
    #[error("the method must be GET, in HTTP/2 and 3 CONNECT (RFC 6455 §4.2.1, RFC 8441 §4)")]
    Method,
    /// The `:protocol` of a CONNECT is missing or is not `websocket`. 501.
    #[error("the :protocol of a CONNECT must be websocket (RFC 8441 §5, RFC 9220 §3)")]
    Protocol,
    /// The target is neither in origin form nor in absolute form, or it has a fragment. In a
    /// CONNECT: the `:scheme` is neither `http` nor `https`, or the `:path` is not a path. 400.
    #[error("the target must be a path, without a fragment (RFC 9112 §3.2, RFC 6455 §3)")]
    Target,
    /// It is not clear whether the request has a body. `Content-Length` is malformed, or occurs
    /// with different values, or occurs together with `Transfer-Encoding`; or `Transfer-Encoding`
    /// does not end with `chunked`. 400.
    #[error("Content-Length or Transfer-Encoding is invalid (RFC 9112 §6.3)")]
    Framing,
    /// The request has a body: a `Content-Length` other than 0, or `Transfer-Encoding: chunked`.
    /// One side could read these bytes as a body and the other as frames. 413.
    #[error("a handshake must not have a body (RFC 6455 §4.1, RFC 9110 §9.3.1)")]
    Body,
    /// `Host` is missing, occurs several times, or is not a host. In a CONNECT, an `:authority`
    /// stands for it, and is no host or differs from it. 400.
    #[error("there must be one valid Host (RFC 9112 §3.2)")]
    Host,
    /// `Upgrade` does not contain `websocket`. 426.
    #[error("the Upgrade field must contain websocket (RFC 6455 §4.2.1)")]
    Upgrade,
    /// `Connection` does not contain `upgrade`. 400.
    #[error("the Connection field must contain upgrade (RFC 6455 §4.2.1)")]
    Connection,
    /// `Sec-WebSocket-Version` occurs several times. 400.
    #[error("there is more than one Sec-WebSocket-Version (RFC 6455 §11.3.5)")]
    DuplicateVersion,
    /// `Sec-WebSocket-Version` is missing or is not 13. 426.
    #[error("the Sec-WebSocket-Version must be 13 (RFC 6455 §4.2.1, §4.4)")]
    Version,
    /// `Sec-WebSocket-Key` is missing, occurs several times, or is not 16 bytes in base64. 400.
    #[error("there must be one Sec-WebSocket-Key of 16 bytes in base64 (RFC 6455 §4.2.1)")]
    Key,
    /// `Origin` occurs several times, is empty, or is not ASCII. 400.
    #[error("there is more than one Origin, or it is not text (RFC 6454 §7.3)")]
    InvalidOrigin,
    /// The [`Origins`](super::server::Origins) do not accept the web page. 403.
    #[error("this Origin is not allowed to connect (RFC 6455 §10.2)")]
    OriginNotAllowed,
    /// An offered subprotocol is not a token. 400.
    #[error("an offered subprotocol is not a token (RFC 6455 §4.1)")]
    Subprotocols,
    /// The offered extensions do not conform to the grammar. 400.
    #[error("the offered extensions are malformed (RFC 6455 §9.1)")]
    Extensions,
    /// The head did not arrive within
    /// [`Config::handshake_timeout`](crate::Config::handshake_timeout). 408.
    #[error("the handshake took too long (RFC 9110 §15.5.9)")]
    Timeout,
    /// The stream ended before the head was complete. No response is written.
    #[error("the stream ended before the handshake was complete (RFC 9112 §8)")]
    EndOfStream,
}

impl RequestError {
    /// The status of the response in `out`; `None` if no response is written. A CONNECT is refused
    /// with 400 where this is 426: HTTP/2 and HTTP/3 have no upgrade.
    pub fn status(&self) -> Option<u16> {
        Some(match self {
            Self::Http(HttpError::HeadTooLong | HttpError::TooManyFields) => 431,
            Self::Http(_)
            | Self::Target
            | Self::Framing
            | Self::Host
            | Self::Connection
            | Self::DuplicateVersion
            | Self::Key
            | Self::InvalidOrigin
            | Self::Subprotocols
            | Self::Extensions => 400,
            Self::OriginNotAllowed => 403,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::Body => 413,
            Self::Upgrade | Self::Version => 426,
            Self::Protocol => 501,
            Self::HttpVersion => 505,
            Self::EndOfStream => return None,
        })
    }
}

impl From<ParseError> for RequestError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Http(error) => Self::Http(error),
            ParseError::Version => Self::HttpVersion,
        }
    }
}
