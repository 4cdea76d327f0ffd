//! Header fields (RFC 9110 §5): those that arrived, and those that the application sets.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use bytes::BytesMut;

use crate::grammar::{is_token, list};

/// One header field of a request or response.
///
/// ```
/// use websocket_proto::handshake::Header;
///
/// let header = Header { name: "Cookie", value: b"id=7" };
/// assert!(header.is("cookie"));
/// ```
// Exhaustive: a header field has a name and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header<'b> {
    /// The name as it was sent: a token, whose case has no meaning.
    pub name: &'b str,
    /// The value without the white space around it. Most values are ASCII; none holds a control
    /// character but the tab.
    pub value: &'b [u8],
}

impl Header<'_> {
    /// Whether this is the name of the field, in whatever case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The header fields of a head, in the order in which they arrived. A name can occur several
/// times.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf, handshake::server::{Handshake, Origins}};
///
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n");
/// let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (request, pending) = opening.next(&mut input, &mut out)?.expect("it is whole");
/// assert_eq!(request.headers().count(), 7);
/// let cookies: Vec<_> = request.headers().filter(|header| header.is("Cookie")).collect();
/// assert_eq!((cookies[0].value, cookies[1].value), (&b"a=1"[..], &b"b=2"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Headers<'b> {
    /// Field lines that have been parsed once and are known to be well-formed.
    lines: &'b [u8],
}

impl<'b> Headers<'b> {
    /// The fields in the lines of a head behind the first, as far as the empty line.
    pub(super) fn new(lines: &'b [u8]) -> Self {
        Self { lines }
    }

    /// The value of the first field of this name.
    pub(super) fn value(mut self, name: &str) -> Option<&'b [u8]> {
        self.find(|header| header.is(name))
            .map(|header| header.value)
    }

    /// The elements of a list that may be spread over several fields of this name: "its combined
    /// field value consists of the list of corresponding field line values within that section,
    /// concatenated in order, with each field line value separated by a comma" (RFC 9110 §5.3).
    pub(super) fn list(self, name: &str) -> impl Iterator<Item = &'b str> + use<'b, '_> {
        self.filter(move |header| header.is(name))
            .flat_map(|header| list(header.value))
            .filter_map(|element| core::str::from_utf8(element).ok())
    }
}

impl<'b> Iterator for Headers<'b> {
    type Item = Header<'b>;

    fn next(&mut self) -> Option<Header<'b>> {
        let end = self.lines.iter().position(|&byte| byte == b'\r')?;
        let (line, rest) = self.lines.split_at(end);
        let colon = line.iter().position(|&byte| byte == b':')?;
        self.lines = rest.get(2..).unwrap_or_default();
        Some(Header {
            name: core::str::from_utf8(&line[..colon]).ok()?,
            value: line[colon + 1..].trim_ascii(),
        })
    }
}

/// Values hold cookies and passwords: only the names are shown.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.clone().map(|header| header.name))
            .finish()
    }
}

/// Header fields that the application adds to a head of ours.
#[derive(Clone, Default)]
pub(super) struct OwnFields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> OwnFields<'a> {
    pub(super) fn push(&mut self, name: &'a str, value: &'a str) {
        self.0.push((name, value));
    }

    /// What keeps a head whole, whatever the application was given by others: no CR, LF or NUL
    /// gets into it, and no field that decides about the opening or the length of the body.
    pub(super) fn check(&self) -> Result<(), HeadError> {
        for (name, value) in &self.0 {
            if !is_token(name.as_bytes()) {
                return Err(HeadError::InvalidHeaderName);
            }
            if !value.bytes().all(is_value_char) {
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

    pub(super) fn write(&self, out: &mut BytesMut) {
        for (name, value) in &self.0 {
            write(out, format_args!("{name}: {value}\r\n"));
        }
    }
}

/// As for [`Headers`].
impl fmt::Debug for OwnFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// What an opening writes itself, besides `Sec-WebSocket-*`.
const RESERVED: [&str; 6] = [
    "Host",
    "Origin",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
];
const WEBSOCKET: &[u8] = b"Sec-WebSocket-";

/// The application asked for a head that must not be sent. It is our fault, not the peer's.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Seed, handshake::{HeadError, client}};
///
/// let request = client::Request::new("ws://example.com/")?.header("X-Name", "a\r\nHost: evil");
/// let mut out = BytesMut::new();
/// let seed = Seed::from([3; 32]);
/// let error = client::Handshake::start(&request, seed, Config::new(), &mut out).unwrap_err();
/// assert_eq!(error, HeadError::InvalidHeaderValue);
/// assert!(out.is_empty());
/// # Ok::<(), client::UrlError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The name of a header field that is not a token.
    #[error("the name of a header field must be a token (RFC 9110 §5.1)")]
    InvalidHeaderName,
    /// The value of a header field with a control character, such as CR, LF or NUL.
    #[error("the value of a header field must not hold control characters (RFC 9110 §5.5)")]
    InvalidHeaderValue,
    /// A header field that the opening writes itself: `Upgrade`, `Connection`, `Sec-WebSocket-*`,
    /// `Host`, `Origin`, `Content-Length`, `Transfer-Encoding`.
    #[error("this header field is written by the opening itself (RFC 6455 §4)")]
    ReservedHeader,
    /// A subprotocol that is not a token, or that the client names twice.
    #[error("subprotocols must be tokens, each of them named once (RFC 6455 §4.1)")]
    InvalidSubprotocol,
    /// The server chose a subprotocol that the client did not offer.
    #[error("the subprotocol must be one of those that the client offers (RFC 6455 §4.2.2)")]
    SubprotocolNotOffered,
    /// An offer of compression with a window of another size than two to the power of 8 to 15
    /// bytes, or less than 9 for the client's own.
    #[error("window bits are 8 to 15, those of the client 9 to 15 (RFC 7692 §7.1.2)")]
    InvalidWindowBits,
    /// A status for [`Reject`](super::server::Reject) that does not reject: not 300 to 599.
    #[error("an opening is rejected with a status of 300 to 599 (RFC 9110 §15)")]
    InvalidStatus,
    /// An origin that is not of the form `https://example.com:8443`.
    #[error("an origin is a scheme, a host and a port, and nothing else (RFC 6454 §6.2)")]
    InvalidOrigin,
    /// A host that is not of the form `example.com` or `example.com:8443`.
    #[error("a host is a name or an address, with or without a port (RFC 9110 §7.2)")]
    InvalidHost,
}

/// What a `field-value` consists of (RFC 9110 §5.5).
pub(super) const fn is_value_char(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Appends text to `out`.
pub(super) fn write(out: &mut BytesMut, text: fmt::Arguments<'_>) {
    // A `BytesMut` grows, and the strings and numbers that are written do not fail.
    let _ = out.write_fmt(text);
}
