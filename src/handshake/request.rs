//! The request of a handshake as the server sees it, and its rules (RFC 6455 §4.2.1).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{
    HttpError,
    body::Body,
    fields::{Header, Headers},
    head::{ParseError, RequestHead},
    key::{self, AcceptKey},
    origin::{Origins, split_authority},
    target::Target,
};
use crate::{
    deflate::Params,
    grammar::{Extension, is_token, list, lists},
};

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
    target: Target<'b>,
    fields: Headers<'b>,
}

impl<'b> Request<'b> {
    /// `head` has passed [`check`].
    pub(super) fn new(head: &'b [u8]) -> Self {
        let head = RequestHead::split(head);
        Self {
            target: Target::parse(head.target).unwrap_or_default(),
            fields: head.fields,
        }
    }

    /// The path of the request target. It starts with `/` and consists of visible ASCII characters.
    /// It is not percent-decoded.
    pub fn path(&self) -> &'b str {
        let resource = self.target.resource;
        match resource.split_once('?').map_or(resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// The query of the request target: what follows the first `?`. It is not percent-decoded.
    pub fn query(&self) -> Option<&'b str> {
        self.target.resource.split_once('?').map(|(_, query)| query)
    }

    /// The host that the request is for, with its port if the client sent one.
    ///
    /// It is the value of the `Host` field. If the target is in absolute form, it is the host of
    /// the target instead (RFC 9112 §3.2.2).
    pub fn host(&self) -> &'b str {
        let host = || self.text("Host").unwrap_or_default();
        self.target.authority.unwrap_or_else(host)
    }

    /// The origin of the web page that connects (RFC 6454 §7). `None` means that the client is not
    /// a browser. The [`Origins`] have accepted it.
    pub fn origin(&self) -> Option<&'b str> {
        self.text("Origin")
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

    fn text(&self, name: &str) -> Option<&'b str> {
        core::str::from_utf8(self.header(name)?).ok()
    }
}

impl fmt::Debug for Request<'_> {
    /// Leaves out the header fields, because they can contain cookies and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.target.resource)
            .field("host", &self.host())
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// The request of the client is not a valid handshake, is not allowed, or did not arrive in time.
///
/// When the error is returned, `out` contains the response to the client: flush it and close the
/// stream. The response has the status of [`status`](Self::status), and its body is the text of the
/// error. Each variant ends with its status here. Later calls return the same error.
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
    /// The version of HTTP is 1.0, or its major version is not 1. 505.
    #[error("the version of HTTP must be 1.1 (RFC 6455 §4.2.1)")]
    HttpVersion,
    /// The method is not GET. 405.
    #[error("the method of a handshake must be GET (RFC 6455 §4.2.1)")]
    Method,
    /// The target is neither in origin form nor in absolute form, or it has a fragment. 400.
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
    /// `Host` is missing, occurs several times, or is not a host. 400.
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
    /// The [`Origins`] do not accept the web page. 403.
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
    /// The status of the response in `out`; `None` if no response is written.
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

/// What the response depends on.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) accept_key: AcceptKey,
    /// The offered subprotocols, as a list.
    pub(super) subprotocols: Box<str>,
    /// The valid offers of permessage-deflate.
    pub(super) deflate_offers: Box<[Params]>,
}

/// Checks a complete head.
pub(super) fn check(
    head: &[u8],
    max_fields: usize,
    origins: &Origins,
) -> Result<Facts, RequestError> {
    let RequestHead {
        method,
        target,
        fields,
    } = RequestHead::parse(head, max_fields)?;
    if method != b"GET" {
        return Err(RequestError::Method);
    }
    let target = Target::parse(target).ok_or(RequestError::Target)?;
    check_fields(target, fields, origins)
}

/// The header fields of the handshake, collected in one pass.
#[derive(Default)]
struct Found<'b> {
    host: Single<'b>,
    key: Single<'b>,
    version: Single<'b>,
    origin: Single<'b>,
    upgrade: bool,
    connection: bool,
    body: Body<'b>,
    malformed_subprotocol: bool,
    malformed_extension: bool,
    subprotocols: String,
    deflate_offers: Vec<Params>,
}

/// The value of a field that must not occur twice.
#[derive(Debug, Default, Clone, Copy)]
enum Single<'b> {
    #[default]
    Missing,
    One(&'b [u8]),
    Many,
}

impl<'b> Single<'b> {
    fn add(&mut self, value: &'b [u8]) {
        *self = match self {
            Self::Missing => Self::One(value),
            _ => Self::Many,
        };
    }
}

impl<'b> Found<'b> {
    fn collect(fields: impl Iterator<Item = Header<'b>>) -> Self {
        let mut found = Self::default();
        for field in fields {
            found.add(field);
        }
        found
    }

    fn add(&mut self, field: Header<'b>) {
        let value = field.value;
        if field.is("Host") {
            self.host.add(value);
        } else if field.is("Sec-WebSocket-Key") {
            self.key.add(value);
        } else if field.is("Sec-WebSocket-Version") {
            self.version.add(value);
        } else if field.is("Origin") {
            self.origin.add(value);
        } else if field.is("Upgrade") {
            self.upgrade |= lists(value, "websocket");
        } else if field.is("Connection") {
            self.connection |= lists(value, "upgrade");
        } else if field.is("Content-Length") {
            self.body.add_content_length(value);
        } else if field.is("Transfer-Encoding") {
            self.body.add_transfer_encoding(value);
        } else if field.is("Sec-WebSocket-Protocol") {
            for name in list(value) {
                match core::str::from_utf8(name) {
                    Ok(name) if is_token(name.as_bytes()) => {
                        self.subprotocols.push_str(name);
                        self.subprotocols.push(',');
                    }
                    _ => self.malformed_subprotocol = true,
                }
            }
        } else if field.is("Sec-WebSocket-Extensions") {
            for element in list(value) {
                match Extension::parse(element) {
                    None => self.malformed_extension = true,
                    Some(extension) if cfg!(feature = "deflate") => {
                        self.deflate_offers.extend(Params::offered(extension));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// Checks the header fields, in the order of [`RequestError`].
fn check_fields<'b>(
    target: Target<'b>,
    fields: impl Iterator<Item = Header<'b>>,
    origins: &Origins,
) -> Result<Facts, RequestError> {
    let found = Found::collect(fields);
    match found.body.exists() {
        None => return Err(RequestError::Framing),
        Some(true) => return Err(RequestError::Body),
        Some(false) => {}
    }
    // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
    // that lacks a Host header field and to any request message that contains more than one Host
    // header field line or a Host header field with an invalid field value" (RFC 9112 §3.2).
    let Single::One(host) = found.host else {
        return Err(RequestError::Host);
    };
    let host = core::str::from_utf8(host).map_err(|_| RequestError::Host)?;
    split_authority(host).ok_or(RequestError::Host)?;
    let host = target.authority.unwrap_or(host);

    if !found.upgrade {
        return Err(RequestError::Upgrade);
    }
    if !found.connection {
        return Err(RequestError::Connection);
    }
    match found.version {
        Single::One(b"13") => {}
        Single::Many => return Err(RequestError::DuplicateVersion),
        _ => return Err(RequestError::Version),
    }
    let accept_key = match found.key {
        Single::One(key) if key::is_key(key) => key::accept_key(key),
        _ => return Err(RequestError::Key),
    };

    check_origin(found.origin, host, origins)?;
    if found.malformed_subprotocol {
        return Err(RequestError::Subprotocols);
    }
    // "If a value is received by either the client or the server during negotiation that does
    // not conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail
    // the WebSocket Connection_" (§9.1).
    if found.malformed_extension {
        return Err(RequestError::Extensions);
    }
    Ok(Facts {
        accept_key,
        subprotocols: found.subprotocols.into(),
        deflate_offers: found.deflate_offers.into(),
    })
}

fn check_origin(origin: Single<'_>, host: &str, origins: &Origins) -> Result<(), RequestError> {
    let origin = match origin {
        // "A connection attempt lacking this header field SHOULD NOT be interpreted as coming
        // from a browser client." (§4.2.1, item 7)
        Single::Missing => return Ok(()),
        // `Request::origin` would return `None` for it, as if the client was not a browser. So it
        // is an error even if any origin is accepted.
        Single::One(origin) if !origin.is_empty() && origin.is_ascii() => origin,
        Single::One(_) | Single::Many => return Err(RequestError::InvalidOrigin),
    };
    match core::str::from_utf8(origin) {
        Ok(origin) if origins.allow(origin, host) => Ok(()),
        _ => Err(RequestError::OriginNotAllowed),
    }
}
