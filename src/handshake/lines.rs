//! The lines of an HTTP/1.1 head (RFC 9112 §2.1, §5). They are read 8 bytes at a time.

use crate::grammar::token_len;

/// Splits off the first line, without its CRLF. `None` if the line has no end, if it does not end
/// with CRLF, or if it contains a control character other than the tab.
pub(super) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at(value_len(bytes));
    Some((line, rest.strip_prefix(b"\r\n")?))
}

/// Splits off the first field line: its name, its value without the white space around it, and the
/// bytes after it. `None` if it is malformed or not complete.
pub(super) fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = bytes.split_at(token_len(bytes));
    let (value, rest) = split_line(rest.strip_prefix(b":")?)?;
    (!name.is_empty()).then_some((name, value.trim_ascii(), rest))
}

/// The number of bytes at the start that can be in a field value: all but control characters, of
/// which the tab can be (RFC 9110 §5.5).
pub(super) fn value_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        // The top bit of a byte is set if the byte is below 0x20, or is 0x7F. A subtraction that
        // borrows can spoil bytes above the first such byte, but not that one.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7F);
        let delete = delete.wrapping_sub(ONES) & !delete;
        let found = (control | delete) & TOPS;
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        if bytes[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    let rest = bytes[at..].iter();
    at + rest.take_while(|&&byte| is_value_char(byte)).count()
}

/// The characters of a `field-value` (RFC 9110 §5.5).
pub(super) const fn is_value_char(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
