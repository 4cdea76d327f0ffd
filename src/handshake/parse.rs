//! Parses the head of a request or response of HTTP/1.1 (RFC 9112 §3, §4, §5).

use super::{
    fields::Headers,
    head::{HttpError, ParseError},
    lines::{split_field, split_line},
};
use crate::{grammar::token_len, meter};

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
    /// An error is final if [`HeadScan`](super::head::HeadScan) has found the end of the head.
    /// Otherwise it can also mean that the head is not complete, or breaks a rule that `HeadScan`
    /// checks first.
    pub(super) fn parse<'b>(
        bytes: &'b [u8],
        max_fields: usize,
        add: impl FnMut(&'b [u8], &'b [u8]),
    ) -> Result<Self, ParseError> {
        let (line, lines) = split_line(bytes).ok_or(START_LINE)?;
        let [method, target, version] = request_line(line).ok_or(START_LINE)?;
        let version = http_version(version).ok_or(START_LINE)?;
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
fn request_line(line: &[u8]) -> Option<[&[u8]; 3]> {
    let (method, rest) = line.split_at(token_len(line));
    let (target, version) = rest.strip_prefix(b" ")?.split_last_chunk::<9>()?;
    let version = version.strip_prefix(b" ")?;
    meter::bytes(target.len());
    let is_target = !target.is_empty() && !target.iter().any(|&byte| matches!(byte, b' ' | b'\t'));
    (!method.is_empty() && is_target).then_some([method, target, version])
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
        meter::step();
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
    use crate::handshake::head::{HeadScan, Kind};

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
}
