//! The responses of a server: the head of a 101, or a complete response that rejects.

use alloc::{format, string::ToString};
use core::fmt;

use bytes::BytesMut;

use super::{
    HeadError, Way,
    fields::{OwnFields, write, write_field},
    request::RequestError,
    request_rules::Facts,
};
use crate::{
    deflate::{Agreed, DeflateConfig, Offers, Params},
    grammar::list,
};

/// Accepts a handshake: the subprotocol, the compression and further header fields of the
/// response. Pass it to [`Pending::accept`](super::server::Pending::accept).
///
/// ```
/// use websocket_proto::handshake::server::Accept;
///
/// let plain = Accept::new();
/// let chat = Accept::new()
///     .subprotocol("chat")
///     .header("Set-Cookie", "id=7; HttpOnly");
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "`Pending::accept` sends it"]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    /// If set, it replaces [`Config::deflate`](crate::Config).
    deflate: Option<Option<DeflateConfig>>,
    fields: OwnFields<'a>,
}

impl<'a> Accept<'a> {
    /// Accepts without a subprotocol and without further header fields, and with the compression
    /// of the [`Config`](crate::Config).
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a subprotocol. Names are case-sensitive.
    ///
    /// [`Pending::accept`](super::server::Pending::accept) fails with
    /// [`HeadError::SubprotocolNotOffered`] if the client does not offer it.
    pub fn subprotocol(mut self, name: &'a str) -> Self {
        self.subprotocol = Some(name);
        self
    }

    /// Uses this configuration for the connection instead of
    /// [`Config::deflate`](field@crate::Config::deflate). `None` accepts no compression.
    ///
    /// The server accepts the first offer of the client that this configuration can accept. If
    /// there is none, the connection is not compressed.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use websocket_proto::{Config, RecvBuf, deflate::DeflateConfig};
    /// use websocket_proto::handshake::server::{Accept, Handshake, Origins};
    ///
    /// # let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    /// # input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: example.com\r\n\
    /// #     Upgrade: websocket\r\nConnection: Upgrade\r\n\
    /// #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    /// #     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n");
    /// # let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    /// # let (_, pending) = handshake.next(&mut input, &mut out)?.expect("it is complete");
    /// let mut small = DeflateConfig::new();
    /// small.server_no_context_takeover = true;
    /// small.client_max_window_bits = 10;
    /// let ws = pending.accept(Accept::new().deflate(Some(small)), &mut out)?;
    /// assert!(String::from_utf8_lossy(&out).contains(
    ///     "Sec-WebSocket-Extensions: permessage-deflate; \
    ///      server_no_context_takeover; client_max_window_bits=10\r\n"
    /// ));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: Option<DeflateConfig>) -> Self {
        self.deflate = Some(config);
        self
    }

    /// Adds a header field.
    ///
    /// [`Pending::accept`](super::server::Pending::accept) fails with a [`HeadError`] if the name
    /// is not a token, if the handshake writes this field itself, or if the value contains a
    /// control character other than the tab.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push(name, value);
        self
    }

    /// Chooses one of these offers. `config` is the default of the server.
    pub(super) fn agree(&self, offers: &Offers, config: Option<DeflateConfig>) -> Option<Agreed> {
        let config = self.deflate.unwrap_or(config)?;
        let params = config.choose(offers.iter())?;
        Some(Agreed { params, config })
    }

    /// Checks what the application has chosen and added.
    pub(super) fn check(&self, offered: &str) -> Result<(), HeadError> {
        self.fields.check()?;
        match self.subprotocol {
            Some(name) if !list(offered.as_bytes()).any(|offer| offer == name.as_bytes()) => {
                Err(HeadError::SubprotocolNotOffered)
            }
            _ => Ok(()),
        }
    }

    /// Calls `put` with the name and the value of each field of the response that the application
    /// decides about. It has passed [`check`](Self::check).
    pub(super) fn each_field(&self, deflate: Option<Params>, put: &mut dyn FnMut(&str, &str)) {
        if let Some(name) = self.subprotocol {
            put("Sec-WebSocket-Protocol", name);
        }
        if let Some(params) = deflate {
            put("Sec-WebSocket-Extensions", &params.to_string());
        }
        self.fields.each(put);
    }

    /// Writes the response to an upgrade. Writes nothing if it must not be sent.
    pub(super) fn write(
        &self,
        facts: &Facts,
        deflate: Option<Params>,
        out: &mut BytesMut,
    ) -> Result<(), HeadError> {
        self.check(&facts.subprotocols)?;
        out.extend_from_slice(SWITCHING_PROTOCOLS);
        let key = out.len() - 30..out.len() - 2;
        out[key].copy_from_slice(&facts.accept_key.unwrap_or_default());
        self.each_field(deflate, &mut |name, value| write_field(out, name, value));
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// The start of a response with status 101. The key replaces the dashes.
const SWITCHING_PROTOCOLS: &[u8; 127] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ----------------------------\r\n";

/// Rejects a handshake: a response with a status of 300 to 599. Pass it to
/// [`Pending::reject`](super::server::Pending::reject).
///
/// `Content-Length` and `Connection: close` are added. A response with status 304 has no body and
/// no `Content-Length` (RFC 9110 §15.4.5).
///
/// ```
/// use websocket_proto::handshake::server::Reject;
///
/// let unauthorized = Reject::new(401)
///     .header("WWW-Authenticate", "Bearer")
///     .header("Content-Type", "text/plain")
///     .body(b"please log in\n");
/// let moved = Reject::new(308)
///     .header("Location", "https://ws.example.com/");
/// ```
#[derive(Clone)]
#[must_use = "`Pending::reject` sends it"]
pub struct Reject<'a> {
    status: u16,
    fields: OwnFields<'a>,
    body: &'a [u8],
}

impl fmt::Debug for Reject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reject")
            .field("status", &self.status)
            .field("fields", &self.fields)
            .field("body", &self.body.len())
            .finish()
    }
}

impl<'a> Reject<'a> {
    /// Rejects with this status and an empty body.
    ///
    /// [`Pending::reject`](super::server::Pending::reject) fails with
    /// [`HeadError::InvalidStatus`] if the status is not 300 to 599.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            fields: OwnFields::default(),
            body: b"",
        }
    }

    /// Adds a header field.
    ///
    /// [`Pending::reject`](super::server::Pending::reject) fails with a [`HeadError`] if the name
    /// is not a token, if the handshake writes this field itself, or if the value contains a
    /// control character other than the tab.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push(name, value);
        self
    }

    /// Sets the body. It is not sent with status 304.
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Checks what the application has chosen and added.
    pub(super) fn check(&self) -> Result<(), HeadError> {
        if !(300..=599).contains(&self.status) {
            return Err(HeadError::InvalidStatus);
        }
        self.fields.check()
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The body that is sent.
    pub(super) fn content(&self) -> &'a [u8] {
        if self.has_content() { self.body } else { b"" }
    }

    /// "A 304 response [...] cannot contain content or trailers" (RFC 9110 §15.4.5).
    const fn has_content(&self) -> bool {
        self.status != 304
    }

    /// Calls `put` with the name and the value of each field of the response, except for those
    /// that say how long the body and the stream last.
    pub(super) fn each_field(&self, way: Way, put: &mut dyn FnMut(&str, &str)) {
        // "The server MUST send an Upgrade header field in a 426 response" (RFC 9110 §15.5.22);
        // a "|Sec-WebSocket-Version| header field indicating the version(s) the server is capable
        // of understanding" (RFC 6455 §4.2.2).
        if self.status == 426 {
            if way == Way::Upgrade {
                put("Upgrade", "websocket");
            }
            put("Sec-WebSocket-Version", "13");
        }
        self.fields.each(put);
    }

    /// Writes the response. Writes nothing if it must not be sent.
    pub(super) fn write(&self, out: &mut BytesMut) -> Result<(), HeadError> {
        self.check()?;
        self.write_checked(self.has_content(), out);
        Ok(())
    }

    fn write_checked(&self, has_body: bool, out: &mut BytesMut) {
        write_status(self.status, out);
        let connection = match self.status {
            426 => "Upgrade, close",
            _ => "close",
        };
        write_field(out, "Connection", connection);
        self.each_field(Way::Upgrade, &mut |name, value| {
            write_field(out, name, value)
        });
        // A response without a body does not name a length: it would have to be the length of a
        // 200 (OK) response, or of the response to a GET request (RFC 9110 §8.6).
        if has_body {
            let len = self.body.len();
            write(out, format_args!("Content-Length: {len}\r\n\r\n"));
            out.extend_from_slice(self.body);
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The response to a request that is in error, with this text as its body; `None` if the peer is
/// gone.
pub(super) fn response_to(error: RequestError, way: Way, text: &str) -> Option<Reject<'_>> {
    let status = match (error.status()?, way) {
        // "HTTP/2 does not support the 101 (Switching Protocols) informational status code" (RFC
        // 9113 §8.6), so nothing can be upgraded.
        (426, Way::Connect) => 400,
        (status, _) => status,
    };
    let mut response = Reject::new(status)
        .header("Content-Type", "text/plain; charset=utf-8")
        .body(text.as_bytes());
    match (error, way) {
        // "The origin server MUST generate an Allow header field in a 405 response" (RFC 9110
        // §15.5.6).
        (RequestError::Method, Way::Upgrade) => response = response.header("Allow", "GET"),
        (RequestError::Method, Way::Connect) => response = response.header("Allow", "CONNECT"),
        // `each_field` adds it to a 426 only.
        (RequestError::Version, Way::Connect) => {
            response = response.header("Sec-WebSocket-Version", "13");
        }
        _ => {}
    }
    Some(response)
}

/// Writes the response to a request that is in error. Writes nothing if the peer is gone.
pub(super) fn write_error(error: RequestError, is_head: bool, out: &mut BytesMut) {
    let text = format!("{error}\n");
    if let Some(response) = response_to(error, Way::Upgrade, &text) {
        // "The HEAD method is identical to GET except that the server MUST NOT send content in
        // the response" (RFC 9110 §9.3.2).
        response.write_checked(!is_head, out);
    }
}

/// Writes a response in place of one that must not be sent. It does not tell the peer why.
pub(super) fn write_internal_error(out: &mut BytesMut) {
    Reject::new(500)
        .header("Content-Type", "text/plain; charset=utf-8")
        .body(b"the server failed to complete the handshake\n")
        .write_checked(true, out);
}

/// "A server MUST send the space that separates the status-code from the reason-phrase even when
/// the reason-phrase is absent" (RFC 9112 §4).
fn write_status(status: u16, out: &mut BytesMut) {
    let reason = reason(status);
    write(out, format_args!("HTTP/1.1 {status} {reason}\r\n"));
}

/// The reason phrase (RFC 9110 §15, RFC 6585). Clients ignore it, so an uncommon status has none.
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Content Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
