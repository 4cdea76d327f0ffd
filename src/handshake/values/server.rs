//! The handshake of a server over values.

use bytes::Bytes;

use alloc::format;
use core::fmt;

use super::{Fields, received::Start};
use crate::{
    config::Config,
    connection::Connection,
    grammar::{is_token, list},
    handshake::{
        HeadError, Header, Way,
        decision::{Accept, Reject, response_to},
        key,
        origin::Origins,
        request::RequestError,
        request_rules::{Connect, Facts, Found},
    },
};

/// The first line of a request of HTTP/1.1 that another implementation has received.
///
/// ```
/// use websocket_proto::Config;
/// use websocket_proto::handshake::{Header, server, values::Upgrade};
///
/// let fields = [
///     ("Host", "example.com"),
///     ("Upgrade", "websocket"),
///     ("Connection", "Upgrade"),
///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Version", "13"),
/// ];
/// let fields = fields
///     .map(|(name, value)| Header { name, value: value.as_bytes() });
/// let upgrade =
///     Upgrade { method: "GET", target: "/chat", version: (1, 1) };
/// let origins = server::Origins::SameOrigin;
/// let pending = upgrade.check(fields, &origins, Config::new())?;
///
/// let (connection, response) = pending.accept(server::Accept::new())?;
/// assert_eq!(response.status(), 101);
/// let accept = response
///     .fields()
///     .find(|field| field.is("Sec-WebSocket-Accept"))
///     .unwrap();
/// assert_eq!(accept.value, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # let _ = connection;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Exhaustive: a request line has three parts (RFC 9112 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Upgrade<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target as received: a path with its query, or an absolute URI (RFC 9112 §3.2).
    pub target: &'a str,
    /// The major and the minor version of HTTP. (1, 0) is refused.
    pub version: (u8, u8),
}

impl Upgrade<'_> {
    /// Checks the request (RFC 6455 §4.2.1). `fields` are all its header fields, in the order of
    /// arrival. `config` holds the limits of the request and those of the connection. `origins`
    /// decides which web pages may connect.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the request is not a valid handshake, or is not allowed. Send its
    /// [`response`](Refusal::response).
    pub fn check<'f>(
        self,
        fields: impl IntoIterator<Item = Header<'f>>,
        origins: &Origins,
        config: Config,
    ) -> Result<Pending, Refusal> {
        let start = Start {
            way: Way::Upgrade,
            // Two spaces, `HTTP/1.1` and the end of the line.
            size: self.method.len() + self.target.len() + 12,
            is_valid: is_token(self.method.as_bytes())
                && !self.target.is_empty()
                && !self
                    .target
                    .bytes()
                    .any(|byte| byte == b' ' || byte.is_ascii_control()),
        };
        let rules = |found: Found<'f>| match self.version {
            (1, 1..) => {
                found.check_upgrade(self.method.as_bytes(), self.target.as_bytes(), origins)
            }
            _ => Err(RequestError::HttpVersion),
        };
        check(start, fields, config, rules)
    }
}

impl Connect<'_> {
    /// Checks the request (RFC 8441 §5). `fields` are all its header fields but for the
    /// pseudo-header fields, in the order of arrival. `config` holds the limits of the request and
    /// those of the connection. `origins` decides which web pages may connect.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the request is not a valid handshake, or is not allowed. Send its
    /// [`response`](Refusal::response).
    pub fn check<'f>(
        self,
        fields: impl IntoIterator<Item = Header<'f>>,
        origins: &Origins,
        config: Config,
    ) -> Result<Pending, Refusal> {
        let others = [self.protocol, self.scheme, self.authority, self.path];
        let others = others.iter().flatten().map(|value| value.len());
        let start = Start {
            way: Way::Connect,
            size: self.method.len() + others.sum::<usize>() + 12,
            is_valid: is_token(self.method.as_bytes()),
        };
        let rules = |found: Found<'f>| found.check_connect(self, origins);
        check(start, fields, config, rules)
    }
}

fn check<'f>(
    start: Start,
    fields: impl IntoIterator<Item = Header<'f>>,
    config: Config,
    rules: impl FnOnce(Found<'f>) -> Result<Facts, RequestError>,
) -> Result<Pending, Refusal> {
    let mut found = Found::default();
    let read = start.read(fields, &config, |field| {
        found.add(field.name.as_bytes(), field.value);
    });
    let way = start.way;
    match read.map_err(RequestError::Http).and_then(|()| rules(found)) {
        Ok(facts) => Ok(Pending { facts, config }),
        Err(error) => Err(Refusal { error, way }),
    }
}

/// A valid request that waits for the decision of the application.
///
/// It differs from [`server::Pending`](crate::handshake::server::Pending) in that the response is
/// returned instead of being written as text of HTTP/1.1.
///
/// ```
/// use websocket_proto::handshake::HeadError;
/// use websocket_proto::handshake::server::{Accept, Reject};
/// use websocket_proto::handshake::values::{Pending, Response};
/// use websocket_proto::Connection;
///
/// fn decide(
///     pending: Pending,
///     path: &str,
/// ) -> Result<(Option<Connection>, Response), HeadError> {
///     if path != "/chat" {
///         return Ok((None, pending.reject(Reject::new(404))?));
///     }
///     let (connection, response) = pending.accept(Accept::new())?;
///     Ok((Some(connection), response))
/// }
/// ```
#[derive(Debug)]
#[must_use = "the client waits for `accept` or `reject`"]
pub struct Pending {
    facts: Facts,
    config: Config,
}

impl Pending {
    /// The subprotocols that the client offers, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let names = list(self.facts.subprotocols.as_bytes());
        names.filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// Whether the client offers this subprotocol. Names are case-sensitive.
    pub fn offers(&self, subprotocol: &str) -> bool {
        self.subprotocols().any(|name| name == subprotocol)
    }

    /// Accepts the handshake: returns the connection, and the response to send. Its status is 101,
    /// or 200 for a CONNECT (RFC 6455 §4.2.2, RFC 8441 §5).
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the response must not be sent. Respond with status 500.
    pub fn accept(self, response: Accept<'_>) -> Result<(Connection, Response), HeadError> {
        let Self { facts, config } = self;
        response.check(&facts.subprotocols)?;
        let agreed = response.agree(&facts.deflate_offers, config.deflate());
        let params = agreed.map(|agreed| agreed.params);
        let accept_key = facts.accept_key.as_ref();
        let way = Way::of(accept_key);
        let status = match way {
            Way::Upgrade => 101,
            Way::Connect => 200,
        };
        let mut fields = Fields::new(way);
        if let Some(key) = accept_key {
            fields.push("Upgrade", "websocket");
            fields.push("Connection", "Upgrade");
            fields.push("Sec-WebSocket-Accept", key::as_str(key));
        }
        response.each_field(params, &mut |name, value| fields.push(name, value));
        let body = Bytes::new();
        let response = Response {
            status,
            fields,
            body,
        };
        Ok((Connection::opened(None, &config, agreed), response))
    }

    /// Rejects the handshake: returns the response to send.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the response must not be sent. Respond with status 500.
    pub fn reject(self, response: Reject<'_>) -> Result<Response, HeadError> {
        response.check()?;
        let way = Way::of(self.facts.accept_key.as_ref());
        Ok(Response::new(&response, way))
    }
}

/// The request is not a valid handshake, or is not allowed.
///
/// ```
/// use websocket_proto::Config;
/// use websocket_proto::handshake::server::{Origins, RequestError};
/// use websocket_proto::handshake::values::Connect;
///
/// // WebTransport, for example.
/// let connect = Connect {
///     method: "CONNECT",
///     protocol: Some("webtransport"),
///     scheme: Some("https"),
///     authority: Some("example.com"),
///     path: Some("/"),
/// };
/// let refusal = connect
///     .check([], &Origins::SameOrigin, Config::new())
///     .unwrap_err();
/// assert_eq!(refusal.error(), RequestError::Protocol);
/// assert_eq!(refusal.response().status(), 501);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Refusal {
    error: RequestError,
    way: Way,
}

impl Refusal {
    /// Why the request is refused.
    pub fn error(&self) -> RequestError {
        self.error
    }

    /// The response to send. Its body is the text of the error.
    pub fn response(&self) -> Response {
        let text = format!("{}\n", self.error);
        let response = response_to(self.error, self.way, &text);
        // The peer of a request that was received is not gone.
        let response = response.unwrap_or_else(|| Reject::new(400));
        Response::new(&response, self.way)
    }
}

impl From<Refusal> for RequestError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

/// A response for the HTTP implementation to send.
///
/// ```
/// use websocket_proto::handshake::values::Response;
///
/// /// The head of HTTP/1.1, for example.
/// fn head(response: &Response) -> Vec<u8> {
///     let mut head =
///         format!("HTTP/1.1 {} \r\n", response.status()).into_bytes();
///     for field in response.fields() {
///         let line = [field.name.as_bytes(), b": ", field.value, b"\r\n"];
///         head.extend(line.concat());
///     }
///     if response.status() != 101 {
///         let length = response.body().len();
///         head.extend(format!("Content-Length: {length}\r\n").bytes());
///     }
///     head.extend(b"\r\n");
///     head
/// }
/// ```
#[derive(Clone)]
pub struct Response {
    status: u16,
    fields: Fields,
    body: Bytes,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("fields", &self.fields)
            .field("body", &self.body.len())
            .finish()
    }
}

impl Response {
    fn new(response: &Reject<'_>, way: Way) -> Self {
        let mut fields = Fields::new(way);
        if way == Way::Upgrade && response.status() == 426 {
            // "A sender of Upgrade MUST also send an "Upgrade" connection option in the Connection
            // header field" (RFC 9110 §7.8).
            fields.push("Connection", "Upgrade");
        }
        response.each_field(way, &mut |name, value| fields.push(name, value));
        Self {
            status: response.status(),
            fields,
            body: Bytes::copy_from_slice(response.content()),
        }
    }

    /// The status: 101 or 200 if the handshake is accepted, 300 to 599 otherwise.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The header fields. In a response to a CONNECT the names are in lower case (RFC 9113 §8.2).
    ///
    /// `Content-Length` and `Connection: close` are not among them: the HTTP implementation decides
    /// how the body and the stream end.
    pub fn fields(&self) -> impl Iterator<Item = Header<'_>> {
        self.fields.iter()
    }

    /// The body. It is empty if the handshake is accepted, and if the status is 304. Do not send it
    /// in a response to HEAD (RFC 9110 §9.3.2).
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// The response to a CONNECT cannot be written as text of HTTP/1.1:
///
/// ```compile_fail,E0061
/// # use websocket_proto::handshake::{server::Accept, values::Pending};
/// # fn decide(pending: Pending, out: &mut bytes::BytesMut) {
/// pending.accept(Accept::new(), out);
/// # }
/// ```
#[cfg(doctest)]
struct MustNotCompile;
