//! The small grammars of header field values that the openings share: tokens, lists (RFC 9110
//! §5.6), and extensions (RFC 6455 §9.1).

/// The elements of a list (RFC 9110 §5.6.1), without the white space around them and without
/// empty ones.
///
/// It needs no eye for quoted strings: in the lists of an opening they hold tokens only (RFC 6455
/// §9.1), so never a comma.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let elements = value.split(|&byte| byte == b',').map(trim);
    elements.filter(|element| !element.is_empty())
}

/// The only one of these items, or `None` if there are none or several.
pub(crate) fn sole<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// Without the spaces and tabs at both ends: what "optional white space" is (RFC 9110 §5.6.3).
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether the value is a list with this element, in whatever case.
pub(crate) fn lists(value: &[u8], element: &str) -> bool {
    list(value).any(|item| item.eq_ignore_ascii_case(element.as_bytes()))
}

/// One `extension` of the list in `Sec-WebSocket-Extensions` (RFC 6455 §9.1), well-formed. Names
/// are compared as they are: nothing says that their case has no meaning.
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

    /// The names of the parameters, with the value where there is one.
    pub(crate) fn params(self) -> impl Iterator<Item = (&'a [u8], Option<Value<'a>>)> {
        self.parts().skip(1).filter_map(param)
    }

    fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|&byte| byte == b';').map(trim)
    }
}

/// `extension-param = token [ "=" (token | quoted-string) ]`. White space may surround the `=`: the
/// grammar has RFC 2616's "implied *LWS rule".
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

/// The value of a parameter: a token, which may have been quoted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// "the value after quoted-string unescaping MUST conform to the 'token' ABNF" (RFC 6455 §9.1)
    fn parse(value: &'a [u8]) -> Option<Self> {
        let [b'"', quoted @ .., b'"'] = value else {
            return is_token(value).then_some(Self(value));
        };
        // A backslash at the end escapes the closing quote: the string does not end.
        let value = Self(quoted);
        let is_token = !quoted.is_empty() && value.bytes().all(is_token_char);
        (is_token && !quoted.ends_with(b"\\")).then_some(value)
    }

    /// The token, without the backslashes that escape a character of it.
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
    !bytes.is_empty() && bytes.iter().copied().all(is_token_char)
}

pub(crate) const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
