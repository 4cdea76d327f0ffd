//! The request of a client: a WebSocket URI (RFC 6455 §3), offers and header fields.

use alloc::{borrow::Cow, format, string::ToString, vec::Vec};
use core::fmt;

use bytes::BytesMut;
use fluent_uri::Uri;

use super::{
    HeadError,
    fields::{OwnFields, write_field},
    key,
    origin::{Origin, split_authority},
    response::Offer,
};
#[cfg(feature = "deflate")]
use crate::deflate::Params;
use crate::{config::Config, deflate::Offers, grammar::is_token};

/// The request that a client sends. It borrows all its strings.
///
/// ```
/// use websocket_proto::handshake::client::Request;
///
/// let request = Request::new("wss://example.com/chat?room=7")?
///     .subprotocol("chat")
///     .header("Authorization", "Bearer secret");
/// assert_eq!(request.host(), "example.com");
/// assert_eq!(request.port(), 443);
/// assert!(request.is_secure());
///
/// let request = Request::new("ws://[::1]:8080")?;
/// assert_eq!(request.host(), "::1");
/// assert_eq!(request.port(), 8080);
/// assert!(!request.is_secure());
/// # Ok::<(), websocket_proto::handshake::client::UrlError>(())
/// ```
#[derive(Clone)]
#[must_use = "`Handshake::start` sends it"]
pub struct Request<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    /// The path and the query. The path can be empty.
    resource: &'a str,
    origin: Option<&'a str>,
    subprotocols: Vec<&'a str>,
    deflate_offers: Offers,
    fields: OwnFields<'a>,
}

impl<'a> Request<'a> {
    /// Parses a `ws` or `wss` URI (RFC 6455 §3).
    ///
    /// Characters outside of ASCII must be encoded: percent-encoded in the path and query, as
    /// Punycode in the host. If the transport has no host names, like a pipe, use a URI such as
    /// `ws://localhost/`. Its host is then only sent as the `Host` field.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the text is not a WebSocket URI.
    pub fn new(url: &'a str) -> Result<Self, UrlError> {
        let uri = Uri::parse(url).map_err(|_| UrlError::Syntax)?;
        let secure = match uri.scheme().as_str() {
            scheme if scheme.eq_ignore_ascii_case("ws") => false,
            scheme if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UrlError::Scheme),
        };
        if uri.has_fragment() {
            return Err(UrlError::Fragment);
        }
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.has_userinfo() {
            return Err(UrlError::UserInfo);
        }
        let authority = authority.as_str();
        let (host, port) = split_authority(authority.as_bytes()).ok_or(UrlError::Host)?;
        let host = &authority[..host.len()];
        let port = port.unwrap_or(default_port(secure));
        // Resolvers do not percent-decode.
        if port == 0 || host.contains('%') {
            return Err(UrlError::Host);
        }
        Ok(Self {
            secure,
            host,
            port,
            // There is no fragment after it.
            resource: url
                .split_once("://")
                .map_or("", |(_, it)| &it[authority.len()..]),
            origin: None,
            subprotocols: Vec::new(),
            deflate_offers: Offers::default(),
            fields: OwnFields::default(),
        })
    }

    /// Offers a subprotocol. Call it several times to offer several, the preferred one first.
    /// [`Response::subprotocol`](super::client::Response::subprotocol) tells which one the server
    /// chose.
    ///
    /// [`Handshake::start`](super::client::Handshake::start) fails with
    /// [`HeadError::InvalidSubprotocol`] if a name is not a token or is offered twice.
    pub fn subprotocol(mut self, name: &'a str) -> Self {
        self.subprotocols.push(name);
        self
    }

    /// Offers permessage-deflate with these parameters (RFC 7692 §7.1), in place of the offer
    /// that [`Config::deflate`](field@crate::Config::deflate) makes. Call it several times to make
    /// several offers, the preferred one first. Nothing is offered if `Config::deflate` is `None`.
    ///
    /// [`Handshake::start`](super::client::Handshake::start) fails with
    /// [`HeadError::InvalidWindowBits`] if a window size is not supported.
    ///
    /// Make two offers if you set `server_no_context_takeover` only to save memory. Some servers,
    /// tornado and Mojolicious among them, accept an offer but do not include
    /// `server_no_context_takeover` in the response. RFC 7692 §7.1.1.1 requires it, so with a
    /// single offer the handshake fails. The second offer accepts such a response. A server that
    /// keeps to RFC 7692 chooses the first one.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use websocket_proto::{Config, Seed, deflate::{DeflateConfig, Params}};
    /// use websocket_proto::handshake::client::{Handshake, Request};
    ///
    /// let mut deflate = DeflateConfig::new();
    /// deflate.server_no_context_takeover = true;
    /// let strict = deflate.offer();
    /// let plain = Params { server_no_context_takeover: false, ..strict };
    /// let request = Request::new("ws://example.com/")?
    ///     .deflate_offer(strict)
    ///     .deflate_offer(plain);
    ///
    /// let mut config = Config::new();
    /// config.deflate = Some(deflate);
    /// let mut out = BytesMut::new();
    /// Handshake::start(&request, Seed::from([7; 32]), config, &mut out)?;
    /// assert!(String::from_utf8_lossy(&out).contains(
    ///     "Sec-WebSocket-Extensions: permessage-deflate; \
    ///      server_no_context_takeover; client_max_window_bits, \
    ///      permessage-deflate; client_max_window_bits\r\n"
    /// ));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate_offer(mut self, offer: Params) -> Self {
        self.deflate_offers.push(offer);
        self
    }

    /// Sends an `Origin`, as browsers do (RFC 6454 §7): for example `https://example.com`, or
    /// `null`.
    ///
    /// [`Handshake::start`](super::client::Handshake::start) fails with
    /// [`HeadError::InvalidOrigin`] if it has another form.
    pub fn origin(mut self, origin: &'a str) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Adds a header field.
    ///
    /// [`Handshake::start`](super::client::Handshake::start) fails with a [`HeadError`] if the name
    /// is not a token, if the handshake writes this field itself, or if the value contains a
    /// control character other than the tab.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push(name, value);
        self
    }

    /// The host to connect to. An IPv6 address has no brackets.
    pub fn host(&self) -> &'a str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to. Default: 80 for `ws`, 443 for `wss`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether to use TLS: the scheme is `wss`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Checks what the application has added. [`new`](Self::new) has checked the URI.
    pub(super) fn check(&self) -> Result<(), HeadError> {
        self.fields.check()?;
        if let Some(origin) = self.origin
            && origin != "null"
            && Origin::parse(origin.as_bytes()).is_none()
        {
            return Err(HeadError::InvalidOrigin);
        }
        // "The elements that comprise this value MUST be non-empty strings with characters in the
        // range U+0021 to U+007E not including separator characters as defined in [RFC2616] and
        // MUST all be unique strings." (§4.1, item 10)
        for (at, name) in self.subprotocols.iter().enumerate() {
            if !is_token(name.as_bytes()) || self.subprotocols[..at].contains(name) {
                return Err(HeadError::InvalidSubprotocol);
            }
        }
        if !self.deflate_offers.iter().all(|it| it.is_offerable()) {
            return Err(HeadError::InvalidWindowBits);
        }
        Ok(())
    }

    /// What the response must agree with. A CONNECT has no key.
    pub(super) fn offer(&self, key: Option<&[u8; 24]>, config: &Config) -> Offer {
        Offer {
            accept_key: key.map(|key| key::accept_key(key)),
            subprotocols: self.subprotocols.join(", "),
            deflate: match config.deflate() {
                None => Offers::default(),
                Some(config) if self.deflate_offers.is_empty() => config.offer().into(),
                Some(_) => self.deflate_offers.clone(),
            },
        }
    }

    /// The path and the query.
    pub(super) fn target(&self) -> Cow<'a, str> {
        match self.resource.starts_with('/') {
            true => self.resource.into(),
            false => format!("/{}", self.resource).into(),
        }
    }

    /// The host, and the port if it is not the default.
    pub(super) fn authority(&self) -> Cow<'a, str> {
        match self.port {
            port if port == default_port(self.secure) => self.host.into(),
            port => format!("{}:{port}", self.host).into(),
        }
    }

    /// Calls `put` with the name and the value of each field of the request (RFC 6455 §4.1) that
    /// the application decides about. The request has passed [`check`](Self::check).
    pub(super) fn each_field(&self, offer: &Offer, put: &mut dyn FnMut(&str, &str)) {
        if let Some(origin) = self.origin {
            put("Origin", origin);
        }
        if !offer.subprotocols.is_empty() {
            put("Sec-WebSocket-Protocol", &offer.subprotocols);
        }
        if !offer.deflate.is_empty() {
            // "An element preceding another element has higher preference." (RFC 7692 §5)
            let offers: Vec<_> = offer.deflate.iter().map(|it| it.to_string()).collect();
            put("Sec-WebSocket-Extensions", &offers.join(", "));
        }
        self.fields.each(put);
    }

    /// Writes the request of an upgrade.
    pub(super) fn write(&self, key: &[u8; 24], offer: &Offer, out: &mut BytesMut) {
        let (target, host) = (self.target(), self.authority());
        for part in ["GET ", &target, " HTTP/1.1\r\nHost: ", &host, UPGRADE] {
            out.extend_from_slice(part.as_bytes());
        }
        let end = out.len() - AFTER_KEY.len();
        out[end - key.len()..end].copy_from_slice(key);
        self.each_field(offer, &mut |name, value| write_field(out, name, value));
        out.extend_from_slice(b"\r\n");
    }
}

/// The lines of an upgrade after the `Host`. The key replaces the dashes.
const UPGRADE: &str = "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: ------------------------\r\nSec-WebSocket-Version: 13\r\n";
const AFTER_KEY: &str = "\r\nSec-WebSocket-Version: 13\r\n";

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// The text is not a WebSocket URI (RFC 6455 §3).
///
/// ```
/// use websocket_proto::handshake::client::{Request, UrlError};
///
/// let error = Request::new("https://example.com/").unwrap_err();
/// assert_eq!(error, UrlError::Scheme);
/// let error = Request::new("ws://example.com/#top").unwrap_err();
/// assert_eq!(error, UrlError::Fragment);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text is not an absolute URI. For instance, a character is not encoded.
    #[error("this is not an absolute URI; spaces and non-ASCII must be encoded (RFC 3986)")]
    Syntax,
    /// The scheme is neither `ws` nor `wss`.
    #[error("a WebSocket URI starts with ws:// or wss:// (RFC 6455 §3)")]
    Scheme,
    /// The host is missing or is neither a name nor an address, or the port is not 1 to 65535.
    #[error("a WebSocket URI has a host, and a port between 1 and 65535 (RFC 6455 §3)")]
    Host,
    /// There is a user name or a password. To send them, use [`Request::header`].
    #[error("a WebSocket URI has no user information (RFC 6455 §3)")]
    UserInfo,
    /// There is a fragment, which "MUST NOT be used on these URIs".
    #[error("a WebSocket URI has no fragment (RFC 6455 §3)")]
    Fragment,
}

impl fmt::Debug for Request<'_> {
    /// Leaves out the subprotocols and the header fields, because they can contain passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("resource", &self.resource)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
