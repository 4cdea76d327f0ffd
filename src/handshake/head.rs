//! Finds the end of an HTTP/1.1 head and checks its syntax.

use super::{
    fields::Headers,
    lines::{split_field, split_line},
};
use crate::grammar::{is_token_char, token_len, value_len};

/// The bytes are not the head of an HTTP/1.1 request or response, or they exceed a limit.
///
/// Both roles report it, as [`RequestError::Http`] and [`ResponseError::Http`]. The number after
/// each variant is the status that a server sends.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, RecvBuf};
/// use websocket_proto::handshake::HttpError;
/// use websocket_proto::handshake::server::{
///     Handshake, Origins, RequestError,
/// };
///
/// let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// // The first byte of a TLS ClientHello.
/// input.extend_from_slice(&[0x16]);
/// let error = handshake.next(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, RequestError::Http(HttpError::FirstByte));
/// ```
///
/// [`RequestError::Http`]: super::server::RequestError::Http
/// [`ResponseError::Http`]: super::client::ResponseError::Http
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The first byte cannot start an HTTP/1.1 message. For instance, the peer uses TLS. 400.
    #[error("the first byte does not start an HTTP/1.1 message (RFC 9112 §2.1)")]
    FirstByte,
    /// A line ends with LF alone, or a CR is not followed by LF. 400.
    #[error("a line does not end with CRLF (RFC 9112 §2.2)")]
    LineEnding,
    /// A header field continues on a second line. 400.
    #[error("a header field is folded over several lines (RFC 9112 §5.2)")]
    FoldedField,
    /// The request line or status line is malformed. 400.
    #[error("the first line is malformed (RFC 9112 §3, §4)")]
    StartLine,
    /// A header field is malformed: it has no name, its name is not a token, a space precedes the
    /// colon, or the value contains a control character. 400.
    #[error("a header field is malformed (RFC 9112 §5)")]
    Field,
    /// A message of HTTP/2 or HTTP/3 contains a header field that only HTTP/1.1 has: `Connection`,
    /// `Proxy-Connection`, `Keep-Alive`, `Transfer-Encoding` or `Upgrade`. Only a handshake over
    /// [`values`](super::values) reports it. 400.
    #[error("a header field is specific to a connection of HTTP/1.1 (RFC 9113 §8.2.2)")]
    ConnectionSpecific,
    /// The head is longer than [`Config::max_head_size`](crate::Config::max_head_size). 431.
    #[error("the head is longer than this endpoint accepts (RFC 6585 §5)")]
    HeadTooLong,
    /// There are more header fields than [`Config::max_headers`](crate::Config::max_headers). 431.
    #[error("there are more header fields than this endpoint accepts (RFC 6585 §5)")]
    TooManyFields,
}

/// Requests and responses start with different bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// Finds the end of a head that arrives in pieces. It reads each byte once, so that its work is
/// linear even if the head arrives byte by byte.
#[derive(Debug)]
pub(super) struct HeadScan {
    kind: Kind,
    place: Place,
    /// Position of the start line, after empty lines.
    start: usize,
    /// Number of bytes read.
    scanned: usize,
}

/// The place of the next byte in the head.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The first byte, also after empty lines.
    First,
    /// After the CR of an empty line before the head.
    FirstCr,
    /// Inside a line.
    Line,
    /// After the CR of a line.
    LineCr,
    /// At the start of a line other than the first.
    Next,
    /// After the CR of the empty line that ends the head.
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

    /// Parses the head at the start of `bytes`. Returns `None` if its end has not arrived. `parse`
    /// gets the head without the empty lines before it.
    ///
    /// Most heads arrive whole and are well-formed, so at first `parse` is called alone, and reads
    /// each byte once. If it fails, the scan finds out whether the head is complete and which error
    /// is the first.
    pub(super) fn read<'b, T>(
        &mut self,
        bytes: &'b [u8],
        limit: usize,
        mut parse: impl FnMut(&'b [u8]) -> Result<T, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        let window = &bytes[..bytes.len().min(limit)];
        if self.scanned == 0
            && let Ok(head) = parse(window)
        {
            return Ok(Some(head));
        }
        match self.find_end(bytes, limit) {
            Ok(Some(end)) => parse(&window[self.start..end]).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(ParseError::Http(error)),
        }
    }

    /// Position of the start line, after empty lines.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// Returns the length of the head at the start of `bytes`, or `None` if its end has not
    /// arrived.
    ///
    /// Each call gets the bytes of the last call, and those that have arrived since. The first byte
    /// that breaks a rule decides about the error, and the limit is one of the rules. So the result
    /// does not depend on how the bytes were split.
    fn find_end(&mut self, bytes: &[u8], limit: usize) -> Result<Option<usize>, HttpError> {
        let window = &bytes[..bytes.len().min(limit)];
        while let Some(rest @ [byte, ..]) = window.get(self.scanned..) {
            if let Place::Line = self.place {
                let skip = value_len(rest);
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
                // terminator" (RFC 9112 §2.2). If a proxy reads them differently, a request can be
                // smuggled past it, so both are errors.
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

    /// Whether the method is HEAD. `bytes` are those of the last call of
    /// [`find_end`](Self::find_end).
    pub(super) fn is_head_request(&self, bytes: &[u8]) -> bool {
        bytes
            .get(self.start..)
            .is_some_and(|line| line.starts_with(b"HEAD "))
    }
}

/// Why a complete head is refused. Another version of HTTP is not malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseError {
    Http(HttpError),
    Version,
}

/// The head of a request, as the lengths of its parts. It borrows nothing, so the receive buffer can
/// move on before the parts are taken out of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestHead {
    method: usize,
    target: usize,
    fields: usize,
}

impl RequestHead {
    /// Parses the head at the start of `bytes`, of HTTP/1.1 or a later minor version. Calls `add`
    /// with the name and the value of each field.
    ///
    /// An error is final if [`HeadScan`] has found the end of the head. Otherwise it can also mean
    /// that the head is not complete, or breaks a rule that [`HeadScan`] checks first.
    pub(super) fn parse<'b>(
        bytes: &'b [u8],
        max_fields: usize,
        add: impl FnMut(&'b [u8], &'b [u8]),
    ) -> Result<Self, ParseError> {
        let (line, lines) = split_line(bytes).ok_or(START_LINE)?;
        let (method, target, version) = request_line(line).ok_or(START_LINE)?;
        let head = Self {
            method: method.len(),
            target: target.len(),
            fields: parse_fields(lines, max_fields, add)?,
        };
        match version {
            (1, 1..) => Ok(head),
            _ => Err(ParseError::Version),
        }
    }

    pub(super) fn method<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        part(bytes, 0, self.method)
    }

    pub(super) fn target<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        part(bytes, self.method + 1, self.target)
    }

    pub(super) fn fields<'b>(&self, bytes: &'b [u8]) -> Headers<'b> {
        Headers::new(part(bytes, self.line(), self.fields))
    }

    /// The number of bytes, with the empty line at the end.
    pub(super) const fn len(&self) -> usize {
        self.line() + self.fields + 2
    }

    /// The request line, which also has two spaces, `HTTP/1.1` and the end of the line.
    const fn line(&self) -> usize {
        self.method + self.target + 12
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3).
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8], (u8, u8))> {
    let (method, rest) = line.split_at(token_len(line));
    let (target, version) = rest.strip_prefix(b" ")?.split_last_chunk::<9>()?;
    let version = http_version(version.strip_prefix(b" ")?)?;
    let is_target = !target.is_empty() && !target.iter().any(|&byte| matches!(byte, b' ' | b'\t'));
    (!method.is_empty() && is_target).then_some((method, target, version))
}

/// The head of a response, like [`RequestHead`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) minor_version: u8,
    reason: usize,
    line: usize,
    fields: usize,
}

impl ResponseHead {
    /// Parses the head at the start of `bytes`, of HTTP/1.0 or a later minor version, as
    /// [`RequestHead::parse`] does.
    pub(super) fn parse<'b>(
        bytes: &'b [u8],
        max_fields: usize,
        add: impl FnMut(&'b [u8], &'b [u8]),
    ) -> Result<Self, ParseError> {
        let (line, lines) = split_line(bytes).ok_or(START_LINE)?;
        let (version, status, reason) = status_line(line).ok_or(START_LINE)?;
        let head = Self {
            status,
            minor_version: version.1,
            reason: reason.len(),
            line: line.len(),
            fields: parse_fields(lines, max_fields, add)?,
        };
        match version {
            (1, _) => Ok(head),
            _ => Err(ParseError::Version),
        }
    }

    pub(super) fn reason<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        part(bytes, self.line - self.reason, self.reason)
    }

    pub(super) fn fields<'b>(&self, bytes: &'b [u8]) -> Headers<'b> {
        Headers::new(part(bytes, self.line + 2, self.fields))
    }

    /// The number of bytes, with the empty line at the end.
    pub(super) const fn len(&self) -> usize {
        self.line + 2 + self.fields + 2
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4). Some servers leave out the
/// second space.
fn status_line(line: &[u8]) -> Option<((u8, u8), u16, &[u8])> {
    let (version, rest) = line.split_at_checked(8)?;
    let (digits, rest) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let reason = match rest {
        [] => rest,
        rest => rest.strip_prefix(b" ")?,
    };
    let digit = |digit: &u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
    let status = digits
        .iter()
        .try_fold(0, |status, next| Some(10 * status + digit(next)?))?;
    Some((http_version(version)?, status, reason))
}

/// Empty if the caller has emptied the receive buffer.
fn part(bytes: &[u8], start: usize, len: usize) -> &[u8] {
    bytes.get(start..start + len).unwrap_or_default()
}

const START_LINE: ParseError = ParseError::Http(HttpError::StartLine);

/// The major and the minor version (RFC 9112 §2.3).
///
/// "A recipient that receives a message with a major version number that it implements and a minor
/// version number higher than what it implements SHOULD process the message as if it was in the
/// highest minor version within that major version to which the recipient is conformant" (RFC 9110
/// §2.5).
fn http_version(text: &[u8]) -> Option<(u8, u8)> {
    match text.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}

/// The largest value of `Config::max_headers` that has an effect.
pub(super) const MAX_FIELDS: usize = 128;

/// Parses the field lines up to the empty line. Returns their length.
fn parse_fields<'b>(
    lines: &'b [u8],
    max_fields: usize,
    mut add: impl FnMut(&'b [u8], &'b [u8]),
) -> Result<usize, ParseError> {
    let mut room = max_fields.min(MAX_FIELDS);
    let mut rest = lines;
    while !rest.starts_with(b"\r\n") {
        let (name, value, after) = split_field(rest).ok_or(ParseError::Http(HttpError::Field))?;
        room = room
            .checked_sub(1)
            .ok_or(ParseError::Http(HttpError::TooManyFields))?;
        add(name, value);
        rest = after;
    }
    Ok(lines.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A few field lines, some of them malformed.
    fn any_lines() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            20 => b'a'..=b'z',
            2 => prop::sample::select(&b" \t:-_A7~"[..]),
            1 => any::<u8>(),
        ];
        let line = (vec(byte.clone(), 0..20), vec(byte, 0..40))
            .prop_map(|(name, value)| [&name[..], b":", &value, b"\r\n"].concat());
        vec(line, 0..6).prop_map(|lines| lines.concat())
    }

    proptest! {
        /// `httparse` accepts the same field lines, and finds the same names and values.
        #[test]
        fn fields_are_those_of_httparse(lines in any_lines(), max in 0..6_usize) {
            let head = [b"GET / HTTP/1.1\r\n", &lines[..], b"\r\n"].concat();
            let end = HeadScan::new(Kind::Request).find_end(&head, head.len());
            // httparse accepts a line that ends with LF alone.
            prop_assume!(end == Ok(Some(head.len())));

            let mut room = [httparse::EMPTY_HEADER; 6];
            let expected = match httparse::parse_headers(&head[16..], &mut room[..max]) {
                Ok(httparse::Status::Complete((_, fields))) => {
                    Ok(fields.iter().map(|it| (it.name.as_bytes(), it.value)).collect())
                }
                Err(httparse::Error::TooManyHeaders) => Err(HttpError::TooManyFields),
                _ => Err(HttpError::Field),
            };
            let mut fields = Vec::new();
            let parsed = RequestHead::parse(&head, max, |name, value| fields.push((name, value)));
            let seen = parsed.map(|_| fields);
            prop_assert_eq!(seen, expected.map_err(ParseError::Http));
        }
    }

    /// Each byte that was read is replaced with LF. Reading it again would be an error.
    #[test]
    fn field_01_no_byte_is_read_twice() {
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
