//! The request of an opening as the server sees it, and the rules for it (RFC 6455 §4.2.1).

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

/// A request for an opening that has passed all rules: a view of the bytes in the receive buffer.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, handshake::server::{Handshake, Origins}};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(b"GET /room?id=7 HTTP/1.1\r\nHost: example.com\r\n\
///     Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
///     Origin: https://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n");
/// let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (request, pending) = opening.next(&mut input, &mut out)?.expect("it is whole");
/// assert_eq!((request.path(), request.query()), ("/room", Some("id=7")));
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
    /// A view of a head that has passed [`check`].
    pub(super) fn new(head: &'b [u8]) -> Self {
        let head = RequestHead::split(head);
        Self {
            target: Target::parse(head.target).unwrap_or_default(),
            fields: head.fields,
        }
    }

    /// The path of the target: it begins with `/`, is visible ASCII, and is not
    /// percent-decoded.
    pub fn path(&self) -> &'b str {
        let resource = self.target.resource;
        match resource.split_once('?').map_or(resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the first `?` of the target, not percent-decoded.
    pub fn query(&self) -> Option<&'b str> {
        self.target.resource.split_once('?').map(|(_, query)| query)
    }

    /// The host that the request is for, with the port where one was given. For a target in
    /// absolute form this is the host of the target, which replaces the field (RFC 9112 §3.2.2).
    pub fn host(&self) -> &'b str {
        let host = || self.text("Host").unwrap_or_default();
        self.target.authority.unwrap_or_else(host)
    }

    /// The origin of the web page whose script asks (RFC 6454 §7), or `None` where the client is
    /// not a browser. The [`Origins`] have accepted it.
    pub fn origin(&self) -> Option<&'b str> {
        self.text("Origin")
    }

    /// The subprotocols that the client offers, the one that it prefers first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.headers().list("Sec-WebSocket-Protocol")
    }

    /// The extensions that the client offers with their parameters, such as
    /// `permessage-deflate; client_max_window_bits`, the one that it prefers first. They conform
    /// to the grammar of RFC 6455 §9.1.
    pub fn extensions(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.headers().list("Sec-WebSocket-Extensions")
    }

    /// The offers of permessage-deflate that are valid (RFC 7692 §7.1), the one that the client
    /// prefers first. [`Accept::deflate`](super::server::Accept::deflate) decides about them.
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
    /// # let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
    /// # let (request, pending) = opening.next(&mut input, &mut out)?.expect("it is whole");
    /// for offer in request.deflate_offers() {
    ///     assert_eq!(offer.server_max_window_bits, Some(9));     // there is no 7
    /// }
    /// # assert_eq!((request.extensions().count(), request.deflate_offers().count()), (3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate_offers(&self) -> impl Iterator<Item = Params> + use<'b> {
        let elements = self.extensions().map(str::as_bytes);
        elements
            .filter_map(Extension::parse)
            .filter_map(Params::offered)
    }

    /// The value of the first header field of this name, in whatever case.
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
    /// Leaves out the header fields, as they hold cookies and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.target.resource)
            .field("host", &self.host())
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// The peer's request cannot be an opening, or must not become a connection.
///
/// The response with [`status`](Self::status) is already in `out` when the error is returned; its
/// body says the same as the error. Every later call repeats the error.
///
/// Where a request breaks several rules, one of them is reported: a rule about its bytes before
/// one about their meaning, and of those the first in the order of this list.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::server::{Handshake, Origins, RequestError};
///
/// let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");   // a plain visit
/// let error = opening.next(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, RequestError::Upgrade);
/// assert_eq!(error.status(), Some(426));
/// assert!(out.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Bytes that are not the head of a request, or too many. 400, 431.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another version of HTTP than 1.1. 505.
    #[error("the version of HTTP must be 1.1 (RFC 6455 §4.2.1)")]
    HttpVersion,
    /// Another method than GET. 405.
    #[error("the method of an opening must be GET (RFC 6455 §4.2.1)")]
    Method,
    /// A target that is neither in origin form nor in absolute form, or has a fragment. 400.
    #[error("the target must be a path, without a fragment (RFC 9112 §3.2, RFC 6455 §3)")]
    Target,
    /// A `Content-Length` that is not a number, or several that differ; a `Transfer-Encoding` that
    /// does not end with `chunked`, or one beside a `Content-Length`. 400.
    #[error("the length of the body is not known (RFC 9112 §6.3)")]
    Framing,
    /// A `Content-Length` other than 0, or a `Transfer-Encoding`: bytes that one side could read
    /// as a body and the other as frames. 413.
    #[error("an opening must not have a body (RFC 6455 §4.1, RFC 9110 §9.3.1)")]
    Body,
    /// No `Host`, several, or one that is not a host. 400.
    #[error("there must be one valid Host (RFC 9112 §3.2)")]
    Host,
    /// `Upgrade` does not name `websocket`. 426.
    #[error("the Upgrade field must name websocket (RFC 6455 §4.2.1)")]
    Upgrade,
    /// `Connection` does not name `upgrade`. 400.
    #[error("the Connection field must name upgrade (RFC 6455 §4.2.1)")]
    Connection,
    /// `Sec-WebSocket-Version` more than once. 400.
    #[error("there is more than one Sec-WebSocket-Version (RFC 6455 §11.3.5)")]
    DuplicateVersion,
    /// `Sec-WebSocket-Version` is missing or not 13. 426.
    #[error("the Sec-WebSocket-Version must be 13 (RFC 6455 §4.2.1, §4.4)")]
    Version,
    /// No `Sec-WebSocket-Key`, several, or one that is not 16 bytes in base64. 400.
    #[error("there must be one Sec-WebSocket-Key of 16 bytes in base64 (RFC 6455 §4.2.1)")]
    Key,
    /// Several `Origin` fields, or one that is empty or not text. 400.
    #[error("there is more than one Origin, or it is not text (RFC 6454 §7.3)")]
    InvalidOrigin,
    /// The web page is not among the [`Origins`] that may connect. 403.
    #[error("the Origin may not open a connection here (RFC 6455 §10.2)")]
    OriginNotAllowed,
    /// An offered subprotocol that is not a token. 400.
    #[error("an offered subprotocol is not a token (RFC 6455 §4.1)")]
    Subprotocols,
    /// Offered extensions that do not conform to their grammar. 400.
    #[error("the offered extensions are malformed (RFC 6455 §9.1)")]
    Extensions,
    /// The head did not arrive within
    /// [`Config::opening_timeout`](crate::Config::opening_timeout). 408.
    #[error("the opening took too long (RFC 9110 §15.5.9)")]
    Timeout,
    /// The stream ended inside of the head. There is no response, as nobody waits for one.
    #[error("the stream ended before the opening was complete (RFC 9112 §8)")]
    EndOfStream,
}

impl RequestError {
    /// The status of the response that the peer is sent; `None` where it is sent none.
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

/// What the answer to a request needs to know of it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) accept_key: AcceptKey,
    /// The subprotocols that were offered, as a list.
    pub(super) subprotocols: Box<str>,
    /// The valid offers of permessage-deflate.
    pub(super) deflate_offers: Box<[Params]>,
}

/// Checks a whole head against all rules.
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

/// The header fields of one head that are about the opening, each looked for once.
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

/// The value of a field that must not be there twice.
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

/// The rules, in the order in which they are reported. They know header fields, not bytes.
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
        // What is not text would look like no origin to the application, so it is an error even
        // where any origin is accepted.
        Single::One(origin) if !origin.is_empty() && origin.is_ascii() => origin,
        Single::One(_) | Single::Many => return Err(RequestError::InvalidOrigin),
    };
    match core::str::from_utf8(origin) {
        Ok(origin) if origins.allow(origin, host) => Ok(()),
        _ => Err(RequestError::OriginNotAllowed),
    }
}
