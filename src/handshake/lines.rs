//! The lines of an HTTP/1.1 head (RFC 9112 §2.1, §5).

use crate::grammar::{token_len, trim, value_len};

/// Splits off the first line, without its CRLF. `None` if the line has no end, if it does not end
/// with CRLF, or if it contains a control character other than the tab.
#[inline(always)]
pub(super) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(value_len(bytes))?;
    Some((line, rest.strip_prefix(b"\r\n")?))
}

/// Splits off the first field line: its name, its value without the white space around it, and the
/// bytes after it. `None` if it is malformed or not complete.
#[inline(always)]
pub(super) fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = bytes.split_at_checked(token_len(bytes))?;
    let (value, rest) = split_line(rest.strip_prefix(b":")?)?;
    (!name.is_empty()).then_some((name, trim(value), rest))
}
