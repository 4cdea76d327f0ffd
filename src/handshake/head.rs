//! What can be wrong with the text of an HTTP/1.1 head, and where the head ends.

use crate::{
    grammar::{is_token_char, value_len},
    meter,
};

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
    pub(super) fn find_end(
        &mut self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, HttpError> {
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
            meter::bytes(1);
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
                // received obs-fold" (RFC 9112 §5.2). A client does not replace it either: no server
                // of WebSocket sends it.
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

    /// Whether the method is HEAD. The arguments are those of the last call of
    /// [`read`](Self::read). What is behind the limit does not count: it can be there or not.
    pub(super) fn is_head_request(&self, bytes: &[u8], limit: usize) -> bool {
        bytes
            .get(self.start..bytes.len().min(limit))
            .is_some_and(|line| line.starts_with(b"HEAD "))
    }
}

/// Why a complete head is refused. Another version of HTTP is not malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseError {
    Http(HttpError),
    Version,
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

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
