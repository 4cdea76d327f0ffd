//! From bytes to one HTTP/1.1 head: where it ends, and whether it is one.

use httparse::{Error, Status};

use super::fields::{Headers, is_value_char};
use crate::grammar::{is_token, is_token_char};

/// The bytes are not the head of an HTTP/1.1 request or response, or too much of one.
///
/// Both roles report it, as [`RequestError::Http`] and [`ResponseError::Http`].
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::{HttpError, server::{Handshake, Origins, RequestError}};
///
/// let mut opening = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(&[0x16]);                  // the first byte of a TLS ClientHello
/// let error = opening.next(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, RequestError::Http(HttpError::FirstByte));
/// ```
///
/// [`RequestError::Http`]: super::server::RequestError::Http
/// [`ResponseError::Http`]: super::client::ResponseError::Http
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The first byte cannot begin a message of HTTP/1.1, as where the peer speaks TLS. 400.
    #[error("the first byte does not begin an HTTP/1.1 message (RFC 9112 §2.1)")]
    FirstByte,
    /// A line that ends with LF alone, or a CR that no LF follows. 400.
    #[error("a line does not end with CRLF (RFC 9112 §2.2)")]
    LineEnding,
    /// A header field that continues on a second line. 400.
    #[error("a header field is folded over several lines (RFC 9112 §5.2)")]
    FoldedField,
    /// A request line or status line that is malformed. 400.
    #[error("the first line is malformed (RFC 9112 §3, §4)")]
    StartLine,
    /// A header field that is malformed: no name, a name that is not a token, a space before the
    /// colon, or a control character in the value. 400.
    #[error("a header field is malformed (RFC 9112 §5)")]
    Field,
    /// More bytes than [`Config::max_head_size`](crate::Config::max_head_size). 431.
    #[error("the head is longer than this endpoint accepts (RFC 6585 §5)")]
    HeadTooLong,
    /// More header fields than [`Config::max_headers`](crate::Config::max_headers). 431.
    #[error("there are more header fields than this endpoint accepts (RFC 6585 §5)")]
    TooManyFields,
}

/// What a head may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// Finds the end of a head that arrives in pieces. It looks at no byte twice.
#[derive(Debug)]
pub(super) struct HeadScan {
    kind: Kind,
    place: Place,
    /// Where the start line begins, behind empty lines.
    start: usize,
    /// How many bytes have been looked at.
    scanned: usize,
}

/// The place in the head that the next byte is for.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The first byte of all, or behind empty lines.
    First,
    /// Behind the CR of an empty line before the head.
    FirstCr,
    /// Inside of a line.
    Line,
    /// Behind the CR of a line.
    LineCr,
    /// At the start of a line that is not the first.
    Next,
    /// Behind the CR of the empty line that ends the head.
    LastCr,
}

impl HeadScan {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            place: Place::First,
            start: 0,
            scanned: 0,
        }
    }

    /// The length of the head at the start of `bytes`, or `None` where its end is not here yet.
    ///
    /// Each call is given what the last one was given, and whatever has arrived since. The first
    /// byte that is against a rule decides, and the limit counts as one: so the answer does not
    /// depend on how the bytes were split.
    pub(super) fn find_end(
        &mut self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, HttpError> {
        let window = &bytes[..bytes.len().min(limit)];
        while let Some(rest @ [byte, ..]) = window.get(self.scanned..) {
            if let Place::Line = self.place {
                let skip = rest.iter().take_while(|&&b| b != b'\r' && b != b'\n');
                let skip = skip.count();
                if skip > 0 {
                    self.scanned += skip;
                    continue;
                }
            }
            self.scanned += 1;
            self.place = match (self.place, byte) {
                // "a server that is expecting to receive and parse a request-line SHOULD ignore
                // at least one empty line (CRLF) received prior to the request-line" (RFC 9112
                // §2.2).
                (Place::First, b'\r') if self.kind == Kind::Request => Place::FirstCr,
                (Place::FirstCr, b'\n') => {
                    self.start = self.scanned;
                    Place::First
                }
                (Place::First, b'H') if self.kind == Kind::Response => Place::Line,
                (Place::First, &byte) if self.kind == Kind::Request && is_token_char(byte) => {
                    Place::Line
                }
                (Place::First, _) => return Err(HttpError::FirstByte),

                (Place::LastCr, b'\n') => return Ok(Some(self.scanned)),
                (Place::LineCr, b'\n') => Place::Next,
                // "A recipient of such a bare CR MUST consider that element to be invalid or
                // replace each bare CR with SP", and "MAY recognize a single LF as a line
                // terminator" (RFC 9112 §2.2). Readings that differ smuggle requests past a
                // proxy, so both are refused.
                (Place::LineCr | Place::FirstCr | Place::LastCr, _) | (_, b'\n') => {
                    return Err(HttpError::LineEnding);
                }

                // "A server that receives an obs-fold in a request message [...] MUST either
                // reject the message by sending a 400 (Bad Request) [...] or replace each
                // received obs-fold" (RFC 9112 §5.2).
                (Place::Next, b' ' | b'\t') => return Err(HttpError::FoldedField),
                (Place::Next, b'\r') => Place::LastCr,
                (Place::Line, b'\r') => Place::LineCr,
                (Place::Line | Place::Next, _) => Place::Line,
            };
        }
        if bytes.len() > limit {
            return Err(HttpError::HeadTooLong);
        }
        Ok(None)
    }

    /// Whether the method is HEAD. `bytes` is what the last [`find_end`](Self::find_end) was given.
    pub(super) fn is_head_request(&self, bytes: &[u8]) -> bool {
        bytes
            .get(self.start..)
            .is_some_and(|line| line.starts_with(b"HEAD "))
    }
}

/// Why a whole head cannot be read. A version that this endpoint does not speak is not malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseError {
    Http(HttpError),
    Version,
}

/// The parts of a request head.
#[derive(Debug, Clone)]
pub(super) struct RequestHead<'b> {
    pub(super) method: &'b [u8],
    pub(super) target: &'b [u8],
    pub(super) fields: Headers<'b>,
}

impl<'b> RequestHead<'b> {
    /// Parses a whole head of HTTP/1.1 or a later minor version, in which [`HeadScan`] has found
    /// the end.
    pub(super) fn parse(head: &'b [u8], max_fields: usize) -> Result<Self, ParseError> {
        let ([method, target, version], fields) = split(head);
        let is_target = !target.is_empty() && !target.iter().any(u8::is_ascii_control);
        let version = http_version(version)
            .filter(|_| is_token(method) && is_target)
            .ok_or(ParseError::Http(HttpError::StartLine))?;
        check_fields(fields, max_fields)?;
        match version {
            (1, 1..) => Ok(Self::split(head)),
            _ => Err(ParseError::Version),
        }
    }

    /// The parts of a head that has been parsed before.
    pub(super) fn split(head: &'b [u8]) -> Self {
        let ([method, target, _], fields) = split(head);
        Self {
            method,
            target,
            fields: Headers::new(fields),
        }
    }
}

/// The parts of a response head.
#[derive(Debug, Clone)]
pub(super) struct ResponseHead<'b> {
    /// The status line up to the status: `HTTP/1.1`.
    pub(super) version: &'b [u8],
    pub(super) status: u16,
    pub(super) reason: &'b [u8],
    pub(super) fields: Headers<'b>,
}

impl<'b> ResponseHead<'b> {
    /// Parses a whole head of HTTP/1.0, HTTP/1.1 or a later minor version, in which [`HeadScan`]
    /// has found the end.
    pub(super) fn parse(head: &'b [u8], max_fields: usize) -> Result<Self, ParseError> {
        let ([version, status, reason], fields) = split(head);
        let is_status = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
        let version = http_version(version)
            .filter(|_| is_status && reason.iter().copied().all(is_value_char))
            .ok_or(ParseError::Http(HttpError::StartLine))?;
        check_fields(fields, max_fields)?;
        match version {
            (1, _) => Ok(Self::split(head)),
            _ => Err(ParseError::Version),
        }
    }

    /// The parts of a head that has been parsed before.
    pub(super) fn split(head: &'b [u8]) -> Self {
        let ([version, digits, reason], fields) = split(head);
        Self {
            version,
            status: digits
                .iter()
                .fold(0, |status, digit| 10 * status + u16::from(digit & 0x0F)),
            reason,
            fields: Headers::new(fields),
        }
    }
}

/// The three parts of the start line, and the field lines as far as the end of the head.
fn split(head: &[u8]) -> ([&[u8]; 3], &[u8]) {
    let head = head.trim_ascii_start();
    let end = head.iter().position(|&byte| byte == b'\r');
    let (line, fields) = head.split_at(end.unwrap_or(head.len()));
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let parts = [(); 3].map(|()| parts.next().unwrap_or_default());
    (parts, fields.get(2..).unwrap_or_default())
}

/// The major and the minor version (RFC 9112 §2.3).
///
/// "A recipient that receives a message with a major version number that it implements and a minor
/// version number higher than what it implements SHOULD process the message as if it was in the
/// highest minor version within that major version to which the recipient is conformant" (RFC 9110
/// §2.5). `httparse` fails on HTTP/1.2, so it only reads the field lines.
fn http_version(text: &[u8]) -> Option<(u8, u8)> {
    match text.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}

/// The most header fields that there is room for.
const MAX_FIELDS: usize = 128;

fn check_fields(fields: &[u8], max_fields: usize) -> Result<(), ParseError> {
    let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(fields, &mut room[..max_fields.min(MAX_FIELDS)]) {
        Ok(Status::Complete((len, _))) if len == fields.len() => Ok(()),
        Err(Error::TooManyHeaders) => Err(ParseError::Http(HttpError::TooManyFields)),
        _ => Err(ParseError::Http(HttpError::Field)),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The work is linear, as a byte that was looked at is never looked at again. Were
    /// it, the LF in its place would be an error.
    #[test]
    fn field_01_no_byte_is_looked_at_twice() {
        let mut head = b"GET / HTTP/1.1\r\nHost: example.com\r\nX: ".to_vec();
        head.resize(16_380, b'x');
        head.extend_from_slice(b"\r\n\r\n");

        let mut scan = HeadScan::new(Kind::Request);
        let mut seen = Vec::new();
        for (at, &byte) in head.iter().enumerate() {
            seen.push(byte);
            let end = (at + 1 == head.len()).then_some(head.len());
            assert_eq!(scan.find_end(&seen, 16_384), Ok(end), "byte {at}");
            seen[at] = b'\n';
        }
    }

    #[test]
    fn a_shorter_buffer_than_before_is_no_panic() {
        let mut scan = HeadScan::new(Kind::Request);
        assert_eq!(scan.find_end(b"GET /", 100), Ok(None));
        assert_eq!(scan.find_end(b"G", 100), Ok(None));
    }
}
