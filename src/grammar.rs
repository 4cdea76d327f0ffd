//! The grammars of header field values that both handshakes use: tokens and lists (RFC 9110 §5.6),
//! and extensions (RFC 6455 §9.1). Tokens and values are read 8 bytes at a time.

use crate::meter;

/// The elements of a list (RFC 9110 §5.6.1), without the white space around them. Empty elements
/// are left out: "A recipient MUST parse and ignore a reasonable number of empty list elements"
/// (§5.6.1.2).
///
/// A comma always separates. A quoted string cannot contain one, because in the lists of a
/// handshake it contains a token (RFC 6455 §9.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    meter::bytes(value.len());
    let elements = value.split(|&byte| byte == b',').map(trim);
    elements.filter(|element| !element.is_empty())
}

/// The item, if there is exactly one.
pub(crate) fn sole<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// Removes optional white space, which is spaces and tabs (RFC 9110 §5.6.3), from both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    let len = bytes.len();
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    meter::bytes(len - bytes.len());
    bytes
}

/// Whether the list contains this element. Case is ignored.
pub(crate) fn lists<const N: usize>(value: &[u8], element: &[u8; N]) -> bool {
    // Most lists have one element.
    is_same(value, element) || list(value).any(|item| is_same(item, element))
}

/// Whether the text is the known one. Case is ignored. It is fastest if the case is the same.
#[inline]
pub(crate) fn is_same<const N: usize>(text: &[u8], known: &[u8; N]) -> bool {
    text.len() == N && (text == known || text.eq_ignore_ascii_case(known))
}

/// One well-formed element of `Sec-WebSocket-Extensions` (RFC 6455 §9.1). Names are case-sensitive,
/// because no RFC says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension<'a>(&'a [u8]);

impl<'a> Extension<'a> {
    pub(crate) fn parse(element: &'a [u8]) -> Option<Self> {
        let extension = Self(element);
        let well_formed = is_token(extension.name())
            && extension.parts().skip(1).all(|part| param(part).is_some());
        well_formed.then_some(extension)
    }

    pub(crate) fn name(self) -> &'a [u8] {
        self.parts().next().unwrap_or_default()
    }

    /// The names of the parameters, each with its value if it has one.
    pub(crate) fn params(self) -> impl Iterator<Item = (&'a [u8], Option<Value<'a>>)> {
        self.parts().skip(1).filter_map(param)
    }

    fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        meter::bytes(self.0.len());
        self.0.split(|&byte| byte == b';').map(trim)
    }
}

/// `extension-param = token [ "=" (token | quoted-string) ]` (RFC 6455 §9.1). White space is
/// allowed around the `=`, because this grammar includes the "implied *LWS rule" of RFC 2616 §2.1.
fn param(part: &[u8]) -> Option<(&[u8], Option<Value<'_>>)> {
    meter::bytes(part.len());
    let (name, value) = match part.iter().position(|&byte| byte == b'=') {
        None => (part, None),
        Some(equals) => (
            trim(&part[..equals]),
            Some(Value::parse(trim(&part[equals + 1..]))?),
        ),
    };
    is_token(name).then_some((name, value))
}

/// The value of a parameter: a token, with or without quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// "the value after quoted-string unescaping MUST conform to the 'token' ABNF" (RFC 6455 §9.1)
    fn parse(value: &'a [u8]) -> Option<Self> {
        let [b'"', quoted @ .., b'"'] = value else {
            return is_token(value).then_some(Self(value));
        };
        // A backslash at the end escapes the closing quote, so the string has no end.
        let value = Self(quoted);
        let is_token = !quoted.is_empty() && value.bytes().all(is_token_char);
        (is_token && !quoted.ends_with(b"\\")).then_some(value)
    }

    /// The token, without the backslashes that escape its characters.
    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        meter::bytes(self.0.len());
        let mut escaped = false;
        self.0.iter().copied().filter(move |&byte| {
            escaped = byte == b'\\' && !escaped;
            !escaped
        })
    }
}

/// `token` (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

/// The number of bytes at the start that can be in a token.
#[inline(always)]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    skip(bytes, other_than_letters, is_token_char)
}

/// Whether this can be a field value (RFC 9110 §5.5).
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    value_len(bytes) == bytes.len()
}

/// The number of bytes at the start that can be in a field value.
// Inlined into a larger loop it takes more instructions: there are too few registers for its
// constants.
#[inline(never)]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    skip(bytes, control_chars, is_value_char)
}

/// The number of bytes at the start that can be in the name of a host: the unreserved characters of
/// RFC 3986 §2.3, and `%`.
pub(crate) fn host_name_len(bytes: &[u8]) -> usize {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    skip(bytes, other_than_letters, is_unreserved)
}

/// The number of bytes at the start that are members of a set.
///
/// `others` sets the top bit of the first of 8 bytes that is not a member. It can do so for a member
/// too: `is_member` decides.
#[inline(always)]
fn skip(bytes: &[u8], others: fn(u64) -> u64, is_member: fn(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let others = others(u64::from_le_bytes(*word));
        if others == 0 {
            at += 8;
            continue;
        }
        at += others.trailing_zeros() as usize / 8;
        if !is_member(bytes[at]) {
            meter::bytes(at);
            return at;
        }
        at += 1;
    }
    let rest = bytes[at..].iter();
    let len = at + rest.take_while(|&&byte| is_member(byte)).count();
    meter::bytes(len);
    len
}

/// Repeats a byte 8 times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Finds bytes other than letters and `-`. Most names consist of these.
#[inline(always)]
fn other_than_letters(word: u64) -> u64 {
    // No sum of two bytes below 0x80 reaches the next byte.
    let low = (word | all(0x20)) & all(0x7F);
    let from_a = low + all(0x80 - b'a');
    let above_z = low + all(0x7F - b'z');
    let letters = from_a & !above_z;
    let no_hyphen = ((word ^ all(b'-')) & all(0x7F)) + all(0x7F);
    (word | (!letters & no_hyphen)) & all(0x80)
}

/// Finds control characters, the tab included.
#[inline(always)]
fn control_chars(word: u64) -> u64 {
    // If a byte borrows from the byte above it, a space there is found too.
    let below_space = word.wrapping_sub(all(0x20));
    let is_delete = (word ^ all(0x7F)).wrapping_sub(all(1));
    (below_space | is_delete) & !word & all(0x80)
}

const fn is_value_char(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

pub(crate) const fn is_token_char(byte: u8) -> bool {
    TOKEN_CHARS[byte as usize]
}

static TOKEN_CHARS: [bool; 256] = {
    let mut chars = [false; 256];
    let mut byte = 0;
    while byte < chars.len() {
        chars[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut others: &[u8] = b"!#$%&'*+-.^_`|~";
    while let [byte, rest @ ..] = others {
        chars[*byte as usize] = true;
        others = rest;
    }
    chars
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte at each place among members, before and after others.
    #[test]
    fn lengths_are_those_of_the_plain_loop() {
        type Case = (fn(&[u8]) -> usize, fn(u8) -> bool);
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let cases: [Case; 3] = [
            (token_len, token),
            (value_len, is_value_char),
            (host_name_len, host),
        ];
        for (len, is_member) in cases {
            let check = |text: &[u8]| {
                let plain = text.iter().take_while(|&&byte| is_member(byte)).count();
                assert_eq!(len(text), plain, "{text:?}");
            };
            for filler in [b'a', b'Z', b'5', b'%'] {
                for size in 0..28 {
                    let mut text = [filler; 28];
                    check(&text[..size]);
                    for (at, byte) in (0..size).flat_map(|at| (0..=255).map(move |byte| (at, byte)))
                    {
                        text[at] = byte;
                        check(&text[..size]);
                        // Bytes at the edges of the sets follow.
                        for (next, edge) in [(1, b' '), (1, 0x80), (2, 0x7F), (3, b'{')] {
                            if at + next < size {
                                text[at + next] = edge;
                                check(&text[..size]);
                                text[at + next] = filler;
                            }
                        }
                        text[at] = filler;
                    }
                }
            }
        }
    }
}
