//! A naive server and a naive client for the handshake, written from RFC 9112, RFC 9110, RFC 6455 and
//! RFC 7692: slow and plain. They share no code with the crate. Text is what the bytes are in Latin-1.
//!
//! Where an RFC lets a recipient choose, they do what the crate documents: a line must end with CRLF, a
//! field must not be folded, and of several errors, syntax and then the order of `RequestError` decides.

use base64::{Engine, alphabet, engine::general_purpose as base64_engine};
use sha1::{Digest, Sha1};
use websocket_proto::deflate::Params;

use super::http::{
    BAD, Limits, Stop, Stop::Status, has_body, head, host_and_port, is_resource, is_token,
    request_line, split_target, status_line, trim,
};

#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub query: Option<String>,
    pub host: String,
    pub subprotocols: Vec<String>,
    pub extensions: Vec<String>,
    pub offers: Vec<Params>,
    pub key: String,
    pub len: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    Accepted {
        subprotocol: Option<String>,
        deflate: Option<Params>,
        /// With interim responses.
        len: usize,
    },
    Refused(u16),
}

/// What a client has offered.
#[derive(Debug, Default)]
pub struct Offer {
    pub key: String,
    pub subprotocols: Vec<String>,
    pub deflate: Vec<Params>,
}

impl Request {
    /// Path and query.
    pub fn resource(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        self.path.clone() + &query.unwrap_or_default()
    }

    pub fn offer(&self) -> Offer {
        Offer {
            key: self.key.clone(),
            subprotocols: self.subprotocols.clone(),
            deflate: self.offers.clone(),
        }
    }
}

/// RFC 6455 §4.2.1. `same_origin`: a page of another origin is not allowed.
pub fn request(bytes: &[u8], limits: Limits, same_origin: bool) -> Result<Request, Stop> {
    let head = head(bytes, limits, true)?;
    let [method, target, version] = request_line(&head.start_line).ok_or(BAD)?;
    match version.as_bytes() {
        [b'1', b'.', b'1'..=b'9'] => {}
        _ => return Err(Status(505)),
    }
    if method != "GET" {
        return Err(Status(405));
    }
    let (authority, resource) = split_target(target).ok_or(BAD)?;
    if !is_resource(resource) || authority.is_some_and(|it| host_and_port(it).is_none()) {
        return Err(BAD);
    }
    // RFC 9112 §6.3, and a handshake has no body.
    match has_body(&head) {
        None => return Err(BAD),
        Some(true) => return Err(Status(413)),
        Some(false) => {}
    }
    // RFC 9112 §3.2, §3.2.2.
    let host = head.sole("host")?.filter(|it| host_and_port(it).is_some());
    let host = authority.unwrap_or(host.ok_or(BAD)?);
    if !head
        .list("upgrade")
        .any(|it| it.eq_ignore_ascii_case("websocket"))
    {
        return Err(Status(426));
    }
    if !head
        .list("connection")
        .any(|it| it.eq_ignore_ascii_case("upgrade"))
    {
        return Err(BAD);
    }
    // §4.2.1 item 6, §11.3.5.
    if head.sole("sec-websocket-version")? != Some("13") {
        return Err(Status(426));
    }
    let key = head
        .sole("sec-websocket-key")?
        .filter(|key| is_key(key))
        .ok_or(BAD)?;
    if let Some(origin) = head.sole("origin")? {
        if origin.is_empty() || !origin.is_ascii() {
            return Err(BAD);
        }
        if same_origin && !is_same_origin(origin, host) {
            return Err(Status(403));
        }
    }
    // §11.3.4 and §11.3.2: lists of at least one element.
    let subprotocols = head.elements("sec-websocket-protocol")?;
    if !subprotocols.iter().all(|it| is_token(it)) {
        return Err(BAD);
    }
    let extensions = head.elements("sec-websocket-extensions")?;
    let parsed: Option<Vec<_>> = extensions.iter().map(|it| extension(it)).collect();
    let offers = parsed.ok_or(BAD)?;
    let offers = offers
        .iter()
        .filter(|(name, _)| name == "permessage-deflate");
    let (path, query) = match resource.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (resource, None),
    };
    Ok(Request {
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        query,
        host: host.to_owned(),
        subprotocols,
        offers: offers
            .filter_map(|(_, params)| deflate(params, true))
            .collect(),
        extensions,
        key: key.to_owned(),
        len: head.len,
    })
}

/// RFC 6455 §4.1, the items about the response.
pub fn response(bytes: &[u8], limits: Limits, offer: &Offer) -> Result<Response, Stop> {
    let mut skipped = 0;
    let head = loop {
        let limits = Limits {
            head: limits.head - skipped,
            ..limits
        };
        let head = head(&bytes[skipped..], limits, false)?;
        skipped += head.len;
        // RFC 9110 §15.2: interim responses may precede the final one.
        match status_line(&head.start_line).ok_or(BAD)? {
            (_, 101) => break head,
            (_, 100..=199) => {}
            (_, status @ 200..) => return Ok(Response::Refused(status)),
            _ => return Err(BAD),
        }
    };
    let upgrade: Vec<_> = head.list("upgrade").collect();
    if head.start_line.starts_with("HTTP/1.0")
        || upgrade.len() != 1
        || !upgrade[0].eq_ignore_ascii_case("websocket")
        || !head
            .list("connection")
            .any(|it| it.eq_ignore_ascii_case("upgrade"))
        || head.sole("sec-websocket-accept")? != Some(&accept(&offer.key))
    {
        return Err(BAD);
    }
    // §11.3.2, §11.3.4: these two MUST NOT appear more than once in a response.
    let deflate = match head.sole("sec-websocket-extensions")? {
        None => None,
        Some(_) => {
            let elements = head.elements("sec-websocket-extensions")?;
            let [element] = &elements[..] else {
                return Err(BAD);
            };
            let (name, params) = extension(element).ok_or(BAD)?;
            let params = deflate(&params, false).filter(|_| name == "permessage-deflate");
            Some(agreed(&offer.deflate, params.ok_or(BAD)?).ok_or(BAD)?)
        }
    };
    let subprotocol = head.sole("sec-websocket-protocol")?.map(str::to_owned);
    if subprotocol
        .as_ref()
        .is_some_and(|it| !offer.subprotocols.contains(it))
    {
        return Err(BAD);
    }
    Ok(Response::Accepted {
        subprotocol,
        deflate,
        len: skipped,
    })
}

/// The parameters of an extension, each with its value if it has one.
type Parameters = Vec<(String, Option<String>)>;

/// §9.1 of RFC 6455: the name and the parameters of an extension.
pub fn extension(element: &str) -> Option<(String, Parameters)> {
    let mut parts = element.split(';').map(trim);
    let name = parts.next().filter(|it| is_token(it))?;
    let mut params = Vec::new();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            None => (part, None),
            Some((name, value)) => (trim(name), Some(unquoted(trim(value))?)),
        };
        is_token(name).then(|| params.push((name.to_owned(), value)))?;
    }
    Some((name.to_owned(), params))
}

/// "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
fn unquoted(value: &str) -> Option<String> {
    let mut token = String::new();
    match value.strip_prefix('"') {
        None => token += value,
        Some(rest) => {
            let mut chars = rest.chars();
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => token.push(chars.next()?),
                    other => token.push(other),
                }
            }
            chars.as_str().is_empty().then_some(())?;
        }
    }
    is_token(&token).then_some(token)
}

/// §7.1 of RFC 7692. An offer may leave out the value of `client_max_window_bits`.
fn deflate(params: &Parameters, is_offer: bool) -> Option<Params> {
    let mut found = Params::default();
    for (at, (name, value)) in params.iter().enumerate() {
        if params[..at].iter().any(|(other, _)| other == name) {
            return None;
        }
        let bits = match value.as_deref() {
            Some(text) => Some((8..=15).find(|bits: &u8| bits.to_string() == text)?),
            None => None,
        };
        match (&**name, bits) {
            ("server_no_context_takeover", None) => found.server_no_context_takeover = true,
            ("client_no_context_takeover", None) => found.client_no_context_takeover = true,
            ("server_max_window_bits", Some(_)) => found.server_max_window_bits = bits,
            ("client_max_window_bits", Some(_)) => found.client_max_window_bits = bits,
            ("client_max_window_bits", None) if is_offer => found.client_max_window_bits = Some(15),
            _ => return None,
        }
    }
    Some(found)
}

/// §7.1 of RFC 7692: the first offer that the response fits, and what follows for both sides.
fn agreed(offers: &[Params], response: Params) -> Option<Params> {
    let fits = |offer: &&Params| {
        let server = match (
            offer.server_max_window_bits,
            response.server_max_window_bits,
        ) {
            (Some(asked), Some(bits)) => bits <= asked,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let client = match (
            offer.client_max_window_bits,
            response.client_max_window_bits,
        ) {
            (Some(most), Some(bits)) => bits <= most,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let takeover = response.server_no_context_takeover || !offer.server_no_context_takeover;
        server && client && takeover
    };
    let offer = offers.iter().find(fits)?;
    let mut agreed = response;
    // §7.1.1.2, §7.1.2.2: what a client says about itself holds without the response.
    agreed.client_no_context_takeover |= offer.client_no_context_takeover;
    if agreed.client_max_window_bits.is_none() {
        agreed.client_max_window_bits = offer.client_max_window_bits.filter(|bits| *bits < 15);
    }
    Some(agreed)
}

/// §4.2.1 item 5: 16 bytes in base64. The ABNF of §11.3.1 leaves the last bits open.
fn is_key(key: &str) -> bool {
    let config = base64_engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engine = base64_engine::GeneralPurpose::new(&alphabet::STANDARD, config);
    engine.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// §4.2.2 item 5.
pub fn accept(key: &str) -> String {
    let text = key.to_owned() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    base64_engine::STANDARD.encode(Sha1::digest(text))
}

/// RFC 6454 §4, §5: the same host and port. The port of a page follows from its scheme.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default = match &*scheme.to_ascii_lowercase() {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let entity = |authority| {
        let (name, port) = host_and_port(authority)?;
        let port = if port.is_empty() { default } else { port };
        Some((
            name.to_ascii_lowercase(),
            port.trim_start_matches('0').to_owned(),
        ))
    };
    entity(authority).is_some_and(|page| Some(page) == entity(host))
}
