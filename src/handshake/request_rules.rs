//! The rules about the request of a handshake (RFC 6455 §4.2.1, RFC 8441 §5). They know names and
//! values, not bytes, so there is one set of them for all versions of HTTP.

use alloc::string::String;
use core::fmt;

use super::{
    body::Body,
    fields::{Name, Single},
    key::{self, AcceptKey},
    origin::{Origins, split_authority},
    request::RequestError,
    target::Target,
};
use crate::{
    deflate::{Offers, Params},
    grammar::{Extension, is_token, list, lists},
};

/// The pseudo-header fields of an extended CONNECT (RFC 8441 §4, RFC 9220 §3) that another
/// implementation has received by HTTP/2 or HTTP/3. A field that the request does not have is
/// `None`.
///
/// ```
/// use websocket_proto::Config;
/// use websocket_proto::handshake::{Header, server, values::Connect};
///
/// let connect = Connect {
///     method: "CONNECT",
///     protocol: Some("websocket"),
///     scheme: Some("https"),
///     authority: Some("example.com"),
///     path: Some("/chat"),
/// };
/// let fields = [
///     Header { name: "sec-websocket-version", value: b"13" },
///     Header { name: "origin", value: b"https://example.com" },
/// ];
/// let origins = server::Origins::SameOrigin;
/// let pending = connect.check(fields, &origins, Config::new())?;
///
/// let (connection, response) = pending.accept(server::Accept::new())?;
/// assert_eq!(response.status(), 200);
/// # let _ = connection;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Exhaustive: RFC 8441 defines these five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connect<'a> {
    /// `:method`.
    pub method: &'a str,
    /// `:protocol`. A request without it is another one than an extended CONNECT.
    pub protocol: Option<&'a str>,
    /// `:scheme`.
    pub scheme: Option<&'a str>,
    /// `:authority`. If it is missing, `Host` stands for it.
    pub authority: Option<&'a str>,
    /// `:path`, with the query.
    pub path: Option<&'a str>,
}

/// What the response depends on.
pub(super) struct Facts {
    /// `None` in the response to a CONNECT.
    pub(super) accept_key: Option<AcceptKey>,
    /// The offered subprotocols, as a list.
    pub(super) subprotocols: String,
    /// The valid offers of permessage-deflate.
    pub(super) deflate_offers: Offers,
}

/// Leaves out the subprotocols: browsers have no other place for a password.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("deflate_offers", &self.deflate_offers)
            .finish_non_exhaustive()
    }
}

/// The header fields of the handshake, collected in one pass.
#[derive(Default)]
pub(super) struct Found<'b> {
    host: Single<'b>,
    key: Single<'b>,
    version: Single<'b>,
    origin: Single<'b>,
    upgrade: bool,
    connection: bool,
    body: Body<'b>,
    malformed_subprotocol: bool,
    malformed_extension: bool,
    subprotocols: String,
    deflate_offers: Offers,
}

impl<'b> Found<'b> {
    #[inline]
    pub(super) fn add(&mut self, name: &[u8], value: &'b [u8]) {
        match Name::of(name) {
            Some(Name::Host) => self.host.add(value),
            Some(Name::Key) => self.key.add(value),
            Some(Name::Version) => self.version.add(value),
            Some(Name::Origin) => self.origin.add(value),
            Some(Name::Upgrade) => self.upgrade |= lists(value, b"websocket"),
            Some(Name::Connection) => self.connection |= lists(value, b"Upgrade"),
            Some(Name::ContentLength) => self.body.add_content_length(value),
            Some(Name::TransferEncoding) => self.body.add_transfer_encoding(value),
            Some(Name::Protocol) => self.add_subprotocols(value),
            Some(Name::Extensions) => self.add_extensions(value),
            Some(Name::Accept) | None => {}
        }
    }

    fn add_subprotocols(&mut self, value: &[u8]) {
        for name in list(value) {
            match core::str::from_utf8(name) {
                Ok(name) if is_token(name.as_bytes()) => {
                    self.subprotocols.push_str(name);
                    self.subprotocols.push(',');
                }
                _ => self.malformed_subprotocol = true,
            }
        }
    }

    fn add_extensions(&mut self, value: &[u8]) {
        let (common, offer) = Params::COMMON_OFFER;
        if value == common {
            return self.deflate_offers.push(offer);
        }
        for element in list(value) {
            match Extension::parse(element).map(Params::offered) {
                None => self.malformed_extension = true,
                Some(None) => {}
                Some(Some(offer)) => self.deflate_offers.push(offer),
            }
        }
    }

    /// Checks an upgrade of HTTP/1.1, in the order of [`RequestError`].
    pub(super) fn check_upgrade(
        self,
        method: &[u8],
        target: &[u8],
        origins: &Origins,
    ) -> Result<Facts, RequestError> {
        if method != b"GET" {
            return Err(RequestError::Method);
        }
        let target = Target::parse(target).ok_or(RequestError::Target)?;
        self.check_body()?;
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
        // message that lacks a Host header field and to any request message that contains more
        // than one Host header field line or a Host header field with an invalid field value"
        // (RFC 9112 §3.2).
        let host = self.sole_host()?.ok_or(RequestError::Host)?;
        let host = target.authority.unwrap_or(host);
        if !self.upgrade {
            return Err(RequestError::Upgrade);
        }
        if !self.connection {
            return Err(RequestError::Connection);
        }
        self.check_version()?;
        let accept_key = match self.key {
            Single::One(key) if key::is_key(key) => key::accept_key(key),
            _ => return Err(RequestError::Key),
        };
        self.check_offers(host, Some(accept_key), origins)
    }

    /// Checks an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441 §4, §5), in the order of
    /// [`RequestError`]. The fields that RFC 8441 replaces are not looked at: `Upgrade`,
    /// `Connection` and `Sec-WebSocket-Key`.
    pub(super) fn check_connect(
        self,
        request: Connect<'_>,
        origins: &Origins,
    ) -> Result<Facts, RequestError> {
        if request.method != "CONNECT" {
            return Err(RequestError::Method);
        }
        let is_websocket = |it: &str| it.eq_ignore_ascii_case("websocket");
        if !request.protocol.is_some_and(is_websocket) {
            return Err(RequestError::Protocol);
        }
        // "On requests that contain the :protocol pseudo-header field, the :scheme and :path
        // pseudo-header fields of the target URI (see Section 5) MUST also be included." (RFC
        // 8441 §4)
        let default_port = match request.scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => 443,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => 80,
            _ => return Err(RequestError::Target),
        };
        let path = request.path.unwrap_or_default();
        Target::parse(path.as_bytes())
            .filter(|target| target.authority.is_none())
            .ok_or(RequestError::Target)?;
        self.check_body()?;
        let host = self.connect_host(request.authority, default_port)?;
        self.check_version()?;
        self.check_offers(host, None, origins)
    }

    /// The host of a CONNECT: the `:authority`, or the `Host` if there is no `:authority`.
    fn connect_host<'a>(
        &self,
        authority: Option<&'a str>,
        default_port: u16,
    ) -> Result<&'a [u8], RequestError>
    where
        'b: 'a,
    {
        let host = self.sole_host()?;
        let Some(authority) = authority.map(str::as_bytes) else {
            return host.ok_or(RequestError::Host);
        };
        let entity = |authority| {
            let (name, port) = split_authority(authority)?;
            Some((name, port.unwrap_or(default_port)))
        };
        let (name, port) = entity(authority).ok_or(RequestError::Host)?;
        // A request is malformed if its Host "identifies an entity that differs from the entity in
        // the ":authority" pseudo-header field" (RFC 9113 §8.3.1).
        match host.and_then(entity) {
            Some((other, other_port))
                if !name.eq_ignore_ascii_case(other) || port != other_port =>
            {
                Err(RequestError::Host)
            }
            _ => Ok(authority),
        }
    }

    fn check_body(&self) -> Result<(), RequestError> {
        match self.body.exists() {
            None => Err(RequestError::Framing),
            Some(true) => Err(RequestError::Body),
            Some(false) => Ok(()),
        }
    }

    /// The valid value of `Host`; `None` if there is no such field.
    fn sole_host(&self) -> Result<Option<&'b [u8]>, RequestError> {
        match self.host {
            Single::Missing => Ok(None),
            Single::One(host) if split_authority(host).is_some() => Ok(Some(host)),
            Single::One(_) | Single::Many => Err(RequestError::Host),
        }
    }

    fn check_version(&self) -> Result<(), RequestError> {
        match self.version {
            Single::One(b"13") => Ok(()),
            Single::Many => Err(RequestError::DuplicateVersion),
            _ => Err(RequestError::Version),
        }
    }

    /// Checks the origin, the subprotocols and the extensions.
    fn check_offers(
        self,
        host: &[u8],
        accept_key: Option<AcceptKey>,
        origins: &Origins,
    ) -> Result<Facts, RequestError> {
        check_origin(self.origin, host, origins)?;
        if self.malformed_subprotocol {
            return Err(RequestError::Subprotocols);
        }
        // "If a value is received by either the client or the server during negotiation that does
        // not conform to the ABNF below, the recipient of such malformed data MUST immediately
        // _Fail the WebSocket Connection_" (§9.1).
        if self.malformed_extension {
            return Err(RequestError::Extensions);
        }
        Ok(Facts {
            accept_key,
            subprotocols: self.subprotocols,
            deflate_offers: self.deflate_offers,
        })
    }
}

fn check_origin(origin: Single<'_>, host: &[u8], origins: &Origins) -> Result<(), RequestError> {
    let origin = match origin {
        // "A connection attempt lacking this header field SHOULD NOT be interpreted as coming
        // from a browser client." (§4.2.1, item 7)
        Single::Missing => return Ok(()),
        // `Request::origin` would return `None` for it, as if the client was not a browser. So it
        // is an error even if any origin is accepted.
        Single::One(origin) if !origin.is_empty() && origin.is_ascii() => origin,
        Single::One(_) | Single::Many => return Err(RequestError::InvalidOrigin),
    };
    match origins.allow(origin, host) {
        true => Ok(()),
        false => Err(RequestError::OriginNotAllowed),
    }
}
