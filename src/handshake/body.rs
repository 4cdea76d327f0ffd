//! Whether a request has a body (RFC 9112 §6.3). A handshake must not have one: one side could read
//! its bytes as a body and the other as frames, which allows request smuggling.

use crate::grammar::list;

/// What the header fields say about a body.
#[derive(Debug, Default)]
pub(super) struct Body<'b> {
    /// The `Content-Length` without leading zeros.
    length: Option<&'b [u8]>,
    /// The last coding of all `Transfer-Encoding` fields.
    coding: Option<&'b [u8]>,
    /// A `Content-Length` is malformed, or two of them differ.
    invalid: bool,
}

impl<'b> Body<'b> {
    /// "If a message is received without Transfer-Encoding and with an invalid Content-Length
    /// header field, then the message framing is invalid [...], unless the field value can be
    /// successfully parsed as a comma-separated list [...], all values in the list are valid, and
    /// all values in the list are the same" (item 5).
    pub(super) fn add_content_length(&mut self, value: &'b [u8]) {
        self.invalid |= list(value).next().is_none();
        for length in list(value) {
            let zeros = length.iter().take_while(|&&digit| digit == b'0').count();
            // A number of any size is valid (RFC 9110 §8.6), so the digits are compared as text.
            let significant = &length[zeros..];
            self.invalid |= !length.iter().all(u8::is_ascii_digit)
                || *self.length.get_or_insert(significant) != significant;
        }
    }

    pub(super) fn add_transfer_encoding(&mut self, value: &'b [u8]) {
        // A field without a coding does not change which one is the last.
        let coding = list(value).last().or(self.coding);
        self.coding = Some(coding.unwrap_or_default());
    }

    /// Whether there is a body; `None` if the fields are invalid.
    pub(super) fn exists(&self) -> Option<bool> {
        match (self.coding, self.length) {
            _ if self.invalid => None,
            (None, length) => Some(length.is_some_and(|digits| !digits.is_empty())),
            // "If a Transfer-Encoding header field is present in a request and the chunked
            // transfer coding is not the final encoding, the message body length cannot be
            // determined reliably; the server MUST respond with the 400 (Bad Request) status code"
            // (item 4).
            (Some(coding), None) => coding.eq_ignore_ascii_case(b"chunked").then_some(true),
            // "Such a message might indicate an attempt to perform request smuggling [...] and
            // ought to be handled as an error" (item 3).
            (Some(_), Some(_)) => None,
        }
    }
}
