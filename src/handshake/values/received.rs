//! What the parser of HTTP/1.1 checks, for a head that another implementation has parsed: syntax,
//! size, and number of fields.

use crate::{
    config::Config,
    grammar::{is_token, is_value, trim},
    handshake::{Header, HttpError, Way, parse::MAX_FIELDS},
};

/// A head without its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) way: Way,
    /// Size of the start line, in bytes.
    pub(super) size: usize,
    pub(super) is_valid: bool,
}

impl Start {
    /// Calls `add` for each field, without the white space around its value. Stops at the limit of
    /// the size, so that the work is bounded.
    ///
    /// A head that is too long is the first error, as the parser does not look at such a head.
    /// Otherwise the first error in the order of the head is reported.
    pub(super) fn read<'a>(
        self,
        fields: impl IntoIterator<Item = Header<'a>>,
        config: &Config,
        mut add: impl FnMut(Header<'a>),
    ) -> Result<(), HttpError> {
        let mut error = (!self.is_valid).then_some(HttpError::StartLine);
        let mut room = config.max_head_size;
        let mut take = |size: usize| {
            room = room.checked_sub(size).ok_or(HttpError::HeadTooLong)?;
            Ok::<_, HttpError>(())
        };
        // The empty line after the fields.
        take(self.size.saturating_add(2))?;
        let max_fields = config.max_headers.min(MAX_FIELDS);
        for (at, Header { name, value }) in fields.into_iter().enumerate() {
            // A colon, a space and the end of the line.
            take(name.len().saturating_add(value.len()).saturating_add(4))?;
            let field = Header {
                name,
                value: trim(value),
            };
            if error.is_some() {
                continue;
            }
            error = self.error(field);
            if error.is_none() && at >= max_fields {
                error = Some(HttpError::TooManyFields);
            }
            if error.is_none() {
                add(field);
            }
        }
        error.map_or(Ok(()), Err)
    }

    fn error(&self, field: Header<'_>) -> Option<HttpError> {
        if !is_token(field.name.as_bytes()) || !is_value(field.value) {
            return Some(HttpError::Field);
        }
        let is_specific =
            self.way == Way::Connect && CONNECTION_SPECIFIC.iter().any(|it| field.is(it));
        is_specific.then_some(HttpError::ConnectionSpecific)
    }
}

/// "This includes the Connection header field and those listed as having connection-specific
/// semantics in Section 7.6.1 of [HTTP] (that is, Proxy-Connection, Keep-Alive, Transfer-Encoding,
/// and Upgrade). Any message containing connection-specific header fields MUST be treated as
/// malformed" (RFC 9113 §8.2.2).
const CONNECTION_SPECIFIC: [&str; 5] = [
    "Connection",
    "Proxy-Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "Upgrade",
];
