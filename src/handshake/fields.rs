//! Header fields (RFC 9110 §5): received ones, and those that the application adds.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use bytes::BytesMut;

use super::lines::split_field;
use crate::{
    grammar::{is_same, is_token, is_value, list},
    meter,
};

/// One header field of a request or response.
///
/// ```
/// use websocket_proto::handshake::Header;
///
/// let header = Header { name: "Cookie", value: b"id=7" };
/// assert!(header.is("cookie"));
/// ```
// Exhaustive: a header field has a name and a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header<'b> {
    /// The name as received: a token (RFC 9110 §5.6.2). Case has no meaning.
    pub name: &'b str,
    /// The value without the white space around it. It is often ASCII, but can contain any bytes
    /// except control characters other than the tab.
    pub value: &'b [u8],
}

impl Header<'_> {
    /// Whether the field has this name. Case is ignored.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Shows the length of the value only: cookies are secrets and must not appear in logs.
impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .finish()
    }
}

/// Iterates over the header fields of a request or response, in the order of arrival. A name can
/// occur several times.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::server::{Handshake, Origins};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(
///     b"GET / HTTP/1.1\r\nHost: example.com\r\n\
///       Upgrade: websocket\r\nConnection: Upgrade\r\n\
///       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///       Sec-WebSocket-Version: 13\r\n\
///       Cookie: a=1\r\ncookie: b=2\r\n\r\n",
/// );
/// let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (request, _pending) =
///     handshake.next(&mut input, &mut out)?.expect("a complete head");
/// assert_eq!(request.headers().count(), 7);
/// let mut cookies = request.headers().filter(|it| it.is("Cookie"));
/// assert_eq!(cookies.next().unwrap().value, b"a=1");
/// assert_eq!(cookies.next().unwrap().value, b"b=2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Headers<'b> {
    /// Well-formed field lines, without the empty line after them.
    lines: &'b [u8],
}

impl<'b> Headers<'b> {
    pub(super) fn new(lines: &'b [u8]) -> Self {
        Self { lines }
    }

    /// The value of the first field of this name.
    pub(super) fn value(mut self, name: &str) -> Option<&'b [u8]> {
        core::iter::from_fn(|| self.next_field())
            .find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The elements of a list, from all fields of this name: "its combined field value consists of
    /// the list of corresponding field line values within that section, concatenated in order,
    /// with each field line value separated by a comma" (RFC 9110 §5.2).
    pub(super) fn list(self, name: &str) -> impl Iterator<Item = &'b str> + use<'b, '_> {
        self.filter(move |header| header.is(name))
            .flat_map(|header| list(header.value))
            .filter_map(|element| core::str::from_utf8(element).ok())
    }

    fn next_field(&mut self) -> Option<(&'b [u8], &'b [u8])> {
        let (name, value, rest) = split_field(self.lines)?;
        self.lines = rest;
        Some((name, value))
    }
}

impl<'b> Iterator for Headers<'b> {
    type Item = Header<'b>;

    fn next(&mut self) -> Option<Header<'b>> {
        let (name, value) = self.next_field()?;
        let name = core::str::from_utf8(name).ok()?;
        Some(Header { name, value })
    }
}

/// Shows the names only, because values can contain cookies and passwords.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.clone().map(|header| header.name))
            .finish()
    }
}

/// Header fields that the application adds to the request or response.
#[derive(Clone, Default)]
pub(super) struct OwnFields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> OwnFields<'a> {
    pub(super) fn push(&mut self, name: &'a str, value: &'a str) {
        self.0.push((name, value));
    }

    /// Protects the head against values that the application takes from others: no CR, LF or NUL
    /// gets into it, and no field that decides about the handshake or the length of the body.
    pub(super) fn check(&self) -> Result<(), HeadError> {
        for (name, value) in &self.0 {
            if !is_token(name.as_bytes()) {
                return Err(HeadError::InvalidHeaderName);
            }
            if !is_value(value.as_bytes()) {
                return Err(HeadError::InvalidHeaderValue);
            }
            let prefix = name.as_bytes().get(..WEBSOCKET.len());
            if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(WEBSOCKET))
                || RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name))
            {
                return Err(HeadError::ReservedHeader);
            }
        }
        Ok(())
    }

    /// Calls `put` with the name and the value of each field.
    pub(super) fn each(&self, put: &mut dyn FnMut(&str, &str)) {
        for (name, value) in &self.0 {
            put(name, value);
        }
    }
}

/// Shows the names only, as [`Headers`] does.
impl fmt::Debug for OwnFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// The fields that the handshake writes itself, besides `Sec-WebSocket-*`.
const RESERVED: [&str; 6] = [
    "Host",
    "Origin",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
];
const WEBSOCKET: &[u8] = b"Sec-WebSocket-";

/// The application asked for something that the handshake must not send or cannot use. This is a
/// mistake of this side, not of the peer.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Seed, handshake::{HeadError, client}};
///
/// let request = client::Request::new("ws://example.com/")?
///     .header("X-Name", "a\r\nHost: evil");
/// let mut out = BytesMut::new();
/// let seed = Seed::from([3; 32]);
/// let started =
///     client::Handshake::start(&request, seed, Config::new(), &mut out);
/// assert_eq!(started.unwrap_err(), HeadError::InvalidHeaderValue);
/// assert!(out.is_empty());
/// # Ok::<(), client::UrlError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The name of a header field is not a token.
    #[error("the name of a header field must be a token (RFC 9110 §5.1)")]
    InvalidHeaderName,
    /// The value of a header field contains a control character, such as CR, LF or NUL.
    #[error("the value of a header field must not contain control characters (RFC 9110 §5.5)")]
    InvalidHeaderValue,
    /// The handshake writes this header field itself: `Upgrade`, `Connection`, `Sec-WebSocket-*`,
    /// `Host`, `Origin`, `Content-Length`, `Transfer-Encoding`.
    #[error("the handshake writes this header field itself (RFC 6455 §4)")]
    ReservedHeader,
    /// A subprotocol of the client is not a token, or the client offers it twice.
    #[error("subprotocols must be tokens, each of them offered once (RFC 6455 §4.1)")]
    InvalidSubprotocol,
    /// The server chose a subprotocol that the client does not offer.
    #[error("the subprotocol must be one of those that the client offers (RFC 6455 §4.2.2)")]
    SubprotocolNotOffered,
    /// An offer of compression has a window size that is not supported.
    /// `server_max_window_bits` is 8 to 15, `client_max_window_bits` is 9 to 15.
    #[error("window bits are 8 to 15 for the server, 9 to 15 for the client (RFC 7692 §7.1.2)")]
    InvalidWindowBits,
    /// The status of a [`Reject`](super::server::Reject) is not 300 to 599.
    #[error("a handshake is rejected with a status of 300 to 599 (RFC 9110 §15)")]
    InvalidStatus,
    /// An origin is not of the form `https://example.com` or `https://example.com:8443`.
    #[error("an origin is a scheme, a host and a port, and nothing else (RFC 6454 §6.2)")]
    InvalidOrigin,
    /// A host is not of the form `example.com` or `example.com:8443`.
    #[error("a host is a name or an address, with or without a port (RFC 9110 §7.2)")]
    InvalidHost,
}

/// The header fields that a handshake depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Host,
    Origin,
    Upgrade,
    Connection,
    ContentLength,
    TransferEncoding,
    Key,
    Accept,
    Version,
    Protocol,
    Extensions,
}

impl Name {
    /// Case is ignored. The length of most names rules out all of these.
    #[inline(always)]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name.len() {
            4 if is_same(name, b"Host") => Some(Self::Host),
            6 if is_same(name, b"Origin") => Some(Self::Origin),
            7 if is_same(name, b"Upgrade") => Some(Self::Upgrade),
            10 if is_same(name, b"Connection") => Some(Self::Connection),
            14 if is_same(name, b"Content-Length") => Some(Self::ContentLength),
            17 if is_same(name, b"Sec-WebSocket-Key") => Some(Self::Key),
            17 if is_same(name, b"Transfer-Encoding") => Some(Self::TransferEncoding),
            20 if is_same(name, b"Sec-WebSocket-Accept") => Some(Self::Accept),
            21 if is_same(name, b"Sec-WebSocket-Version") => Some(Self::Version),
            22 if is_same(name, b"Sec-WebSocket-Protocol") => Some(Self::Protocol),
            24 if is_same(name, b"Sec-WebSocket-Extensions") => Some(Self::Extensions),
            _ => None,
        }
    }
}

/// The value of a field that must not occur twice.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Single<'b> {
    #[default]
    Missing,
    One(&'b [u8]),
    Many,
}

impl<'b> Single<'b> {
    pub(super) fn add(&mut self, value: &'b [u8]) {
        *self = match self {
            Self::Missing => Self::One(value),
            _ => Self::Many,
        };
    }
}

/// Appends a field line of HTTP/1.1 to `out`.
pub(super) fn write_field(out: &mut BytesMut, name: &str, value: &str) {
    meter::bytes(name.len() + value.len());
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends text to `out`.
pub(super) fn write(out: &mut BytesMut, text: fmt::Arguments<'_>) {
    // Writing cannot fail: a `BytesMut` grows as needed.
    let _ = out.write_fmt(text);
}
