//! The handshake of a client over values.

use alloc::{boxed::Box, string::String};

use super::{Fields, received::Start};
use crate::{
    config::Config,
    connection::Connection,
    deflate::Agreed,
    handshake::{
        HeadError, Header, HttpError, Way, key,
        response::{Found, Offer, ResponseError},
        url,
    },
    seed::{MaskKeys, Seed},
};

/// The handshake of a client, from its request to the response.
///
/// ```
/// use websocket_proto::{Config, Seed};
/// use websocket_proto::handshake::{client, values};
///
/// let request = client::Request::new("ws://example.com/chat")?;
/// let seed = Seed::from([7; 32]);
/// let (handshake, sent) =
///     values::Handshake::upgrade(&request, seed, Config::new())?;
/// assert_eq!((sent.method(), sent.target()), ("GET", "/chat"));
///
/// // The response has arrived.
/// let connection = handshake.finish((1, 1), 404, [])?;
/// assert!(connection.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "`finish` returns the connection"]
pub struct Handshake {
    offer: Offer,
    mask_keys: Box<MaskKeys>,
    config: Config,
}

impl Handshake {
    /// Starts an upgrade of HTTP/1.1 (RFC 6455 §4.1), and returns the request to send. `config`
    /// holds the limits of the response and those of the connection.
    ///
    /// `seed` makes the key of the request and the mask keys of the connection. Use a new random
    /// [`Seed`] for each handshake.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the request must not be sent.
    pub fn upgrade(
        request: &url::Request<'_>,
        seed: Seed,
        config: Config,
    ) -> Result<(Self, Request), HeadError> {
        Self::start(Way::Upgrade, request, seed, config)
    }

    /// Starts an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441 §5, RFC 9220 §3), and returns the
    /// request to send. `config` holds the limits of the response and those of the connection.
    /// Send it only if the server has sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1.
    ///
    /// `seed` makes the mask keys of the connection. Use a new random [`Seed`] for each handshake.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the request must not be sent.
    pub fn connect(
        request: &url::Request<'_>,
        seed: Seed,
        config: Config,
    ) -> Result<(Self, Request), HeadError> {
        Self::start(Way::Connect, request, seed, config)
    }

    fn start(
        way: Way,
        request: &url::Request<'_>,
        seed: Seed,
        config: Config,
    ) -> Result<(Self, Request), HeadError> {
        request.check()?;
        let mut mask_keys = Box::new(MaskKeys::new(seed));
        let key = match way {
            Way::Upgrade => Some(key::encode_key(mask_keys.nonce())),
            Way::Connect => None,
        };
        let offer = request.offer(key.as_ref(), &config);
        let mut fields = Fields::new(way);
        // A CONNECT has no key, and none of the fields that only HTTP/1.1 has (RFC 8441 §5).
        if let Some(key) = &key {
            fields.push("Host", &request.authority());
            fields.push("Upgrade", "websocket");
            fields.push("Connection", "Upgrade");
            fields.push("Sec-WebSocket-Key", key::as_str(key));
        }
        fields.push("Sec-WebSocket-Version", "13");
        request.each_field(&offer, &mut |name, value| fields.push(name, value));
        let handshake = Self {
            offer,
            mask_keys,
            config,
        };
        let sent = Request {
            secure: request.is_secure(),
            authority: request.authority().into_owned(),
            target: request.target().into_owned(),
            fields,
        };
        Ok((handshake, sent))
    }

    /// Checks the final response, and returns the connection; `None` if the server refuses: the
    /// status is neither 101 nor, for a CONNECT, 200.
    ///
    /// `version` is the major and the minor version of HTTP: (1, 1), (2, 0) or (3, 0). `fields` are
    /// all header fields of the response. If the server accepts, `Sec-WebSocket-Protocol` is a
    /// subprotocol of the request, or there is no such field. Do not pass interim responses, such
    /// as 103.
    ///
    /// # Errors
    ///
    /// [`ResponseError`] if the response is not a valid response to the handshake. Close the
    /// stream, or reset it in HTTP/2 and HTTP/3.
    pub fn finish<'f>(
        self,
        version: (u8, u8),
        status: u16,
        fields: impl IntoIterator<Item = Header<'f>>,
    ) -> Result<Option<Connection>, ResponseError> {
        let way = Way::of(self.offer.accept_key.as_ref());
        let start = Start {
            way,
            // `HTTP/1.1`, the status between two spaces, and the end of the line.
            size: 15,
            is_valid: status <= 999,
        };
        let mut found = Found::default();
        start.read(fields, &self.config, |field| {
            found.add(field.name.as_bytes(), field.value)
        })?;
        match (way, version.0, status) {
            (Way::Upgrade, 1, 101) if version.1 == 0 => return Err(ResponseError::HttpVersion),
            (Way::Upgrade, 1, 101) | (Way::Connect, 2.., 200) => {}
            (Way::Upgrade, 1, 200..) | (Way::Connect, 2.., 201..) => return Ok(None),
            (Way::Upgrade, 1, 100..) | (Way::Connect, 2.., 100..) => {
                return Err(ResponseError::Interim);
            }
            (Way::Upgrade, 1, _) | (Way::Connect, 2.., _) => {
                return Err(HttpError::StartLine.into());
            }
            _ => return Err(ResponseError::HttpVersion),
        }
        let agreed = found.check(&self.offer)?.zip(self.config.deflate());
        let agreed = agreed.map(|(params, config)| Agreed { params, config });
        let mask_keys = Some(self.mask_keys);
        Ok(Some(Connection::opened(mask_keys, &self.config, agreed)))
    }
}

/// A request for the HTTP implementation to send.
///
/// ```
/// use websocket_proto::{Config, Seed};
/// use websocket_proto::handshake::{client, values};
///
/// let request = client::Request::new("wss://example.com:8443/chat?room=7")?
///     .origin("https://example.com");
/// let seed = Seed::from([7; 32]);
/// let (_, sent) =
///     values::Handshake::connect(&request, seed, Config::new())?;
/// assert_eq!(sent.method(), "CONNECT");
/// assert_eq!(sent.protocol(), Some("websocket"));
/// assert_eq!(sent.scheme(), "https");
/// assert_eq!(sent.authority(), "example.com:8443");
/// assert_eq!(sent.target(), "/chat?room=7");
/// let names: Vec<_> = sent.fields().map(|field| field.name).collect();
/// assert_eq!(names, ["sec-websocket-version", "origin"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    secure: bool,
    authority: String,
    target: String,
    fields: Fields,
}

impl Request {
    /// The method: `GET` for an upgrade, `CONNECT` for HTTP/2 and HTTP/3.
    pub fn method(&self) -> &'static str {
        match self.fields.way {
            Way::Upgrade => "GET",
            Way::Connect => "CONNECT",
        }
    }

    /// The `:protocol` of a CONNECT: `websocket`. An upgrade has none.
    pub fn protocol(&self) -> Option<&'static str> {
        match self.fields.way {
            Way::Upgrade => None,
            Way::Connect => Some("websocket"),
        }
    }

    /// The scheme: `https` if the URL has `wss`, otherwise `http` (RFC 8441 §5).
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The `:authority`: the host, and the port if it is not the default. An upgrade has it as
    /// `Host` among its [`fields`](Self::fields).
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The target of an upgrade or the `:path` of a CONNECT: the path and the query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The header fields. In a CONNECT the names are in lower case (RFC 9113 §8.2).
    pub fn fields(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter()
    }
}
