//! The grammars of header field values that both handshakes use: tokens and lists (RFC 9110 §5.6),
//! and extensions (RFC 6455 §9.1).

/// The elements of a list (RFC 9110 §5.6.1), without the white space around them. Empty elements
/// are left out: "A recipient MUST parse and ignore a reasonable number of empty list elements"
/// (§5.6.1.2).
///
/// A comma always separates. A quoted string cannot contain one, because in the lists of a
/// handshake it contains a token (RFC 6455 §9.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let elements = value.split(|&byte| byte == b',').map(trim);
    elements.filter(|element| !element.is_empty())
}

/// The item, if there is exactly one.
pub(crate) fn sole<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// Removes optional white space, which is spaces and tabs (RFC 9110 §5.6.3), from both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether the list contains this element. Case is ignored.
pub(crate) fn lists(value: &[u8], element: &str) -> bool {
    list(value).any(|item| item.eq_ignore_ascii_case(element.as_bytes()))
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
        self.0.split(|&byte| byte == b';').map(trim)
    }
}

/// `extension-param = token [ "=" (token | quoted-string) ]` (RFC 6455 §9.1). White space is
/// allowed around the `=`, because this grammar includes the "implied *LWS rule" of RFC 2616 §2.1.
fn param(part: &[u8]) -> Option<(&[u8], Option<Value<'_>>)> {
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
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    let chars = bytes.iter().take_while(|&&byte| is_token_char(byte));
    chars.count()
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
