//! Handshakes over the types of the crate [`http`], as hyper and axum use them (feature
//! `http`).
//!
//! It is the same as [`values`], and that module explains what the HTTP
//! implementation does. The version of a message decides: HTTP/1.1 is an upgrade, HTTP/2 and HTTP/3
//! are an extended CONNECT.
//!
//! - Server: [`check`] a request, decide, and convert the [`values::Response`].
//! - Client: convert the [`values::Request`], and [`finish`] with the response.
//!
//! A handler of a server, without the I/O:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use websocket_proto::{Config, Connection};
//! use websocket_proto::handshake::http::check;
//! use websocket_proto::handshake::server::{Accept, Origins, Reject};
//!
//! type Error = Box<dyn std::error::Error>;
//!
//! /// `protocol` is the `:protocol` of a CONNECT: for example the value of
//! /// `request.extensions().get::<hyper::ext::Protocol>()`.
//! fn handle<B>(
//!     request: &Request<B>,
//!     protocol: Option<&str>,
//! ) -> Result<(Response<Bytes>, Option<Connection>), Error> {
//!     let (origins, config) = (Origins::SameOrigin, Config::new());
//!     let mut connection = None;
//!     let response = match check(request, protocol, &origins, config) {
//!         Err(refusal) => refusal.response(),
//!         Ok(pending) if request.uri().path() != "/chat" => {
//!             pending.reject(Reject::new(404))?
//!         }
//!         Ok(pending) => {
//!             let (ws, response) = pending.accept(Accept::new())?;
//!             connection = Some(ws);
//!             response
//!         }
//!     };
//!     Ok((response.try_into()?, connection))
//! }
//! # let request = Request::get("/chat").header("Host", "example.com")
//! #     .header("Upgrade", "websocket").header("Connection", "Upgrade")
//! #     .header("Sec-WebSocket-Version", "13")
//! #     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==").body(())?;
//! # let (response, connection) = handle(&request, None)?;
//! # assert!(connection.is_some());
//! # assert_eq!(response.headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//! # assert_eq!(handle(&Request::new(()), None)?.0.status(), 400);
//! # Ok::<(), Error>(())
//! ```
//!
//! # With hyper and axum
//!
//! The folder `examples/http` of the repository has complete programs.
//!
//! - Serve connections with `serve_connection_with_upgrades`, as `axum::serve` does. hyper applies
//!   time limits only if its builders have a `timer`, which `axum::serve` does not set.
//! - Spawn a task that waits for `hyper::upgrade::on(request)`, and return the response:
//!   `response.map(Full::new)`, or `response.map(Body::from)` with axum. Do not wait for the stream
//!   in the handler: hyper hands it over after it has sent the response.
//! - The stream is an `Upgraded` in both versions of HTTP. `hyper_util::rt::TokioIo` makes a stream
//!   of tokio from it. If the task takes `Upgraded` apart by `downcast`, it copies
//!   `Parts::read_buf` into the [`RecvBuf`](crate::RecvBuf) before its first read.
//! - For HTTP/2, call `enable_connect_protocol` on the builder of the server. `axum::serve` does so
//!   if the feature `http2` of axum is enabled. A route that takes only GET does not see a CONNECT:
//!   use `axum::routing::any`.
//! - An extractor of axum that implements `FromRequestParts` has no [`Request`]. It makes one with
//!   `Request::from_parts(parts.clone(), ())`.

use alloc::string::ToString;

use bytes::Bytes;

use ::http::{Error, Request, Response, Version};

use super::{
    Header,
    client::ResponseError,
    server::Origins,
    values::{self, Connect, Handshake, Pending, Refusal, Upgrade},
};
use crate::{config::Config, connection::Connection};

/// Checks a request that a server has received, like [`Upgrade::check`] and [`Connect::check`].
///
/// `protocol` is the `:protocol` of a CONNECT, because [`Request`] has no place for it. hyper has it
/// in the extensions of the request, as `hyper::ext::Protocol`. It has no effect in HTTP/1.1.
///
/// The parser of a [`Uri`](::http::Uri) drops a fragment, which the target must not have, so this
/// function cannot refuse it.
///
/// # Errors
///
/// [`Refusal`] if the request is not a valid handshake, or is not allowed. Send its
/// [`response`](Refusal::response).
///
/// ```
/// use http::{Request, Version};
/// use websocket_proto::Config;
/// use websocket_proto::handshake::{http::check, server::Origins};
///
/// let request = Request::connect("https://example.com/chat")
///     .version(Version::HTTP_2)
///     .header("Sec-WebSocket-Version", "13")
///     .body(())?;
/// let (origins, config) = (Origins::SameOrigin, Config::new());
/// assert!(check(&request, Some("websocket"), &origins, config).is_ok());
/// assert!(check(&request, None, &origins, config).is_err());
/// # Ok::<(), http::Error>(())
/// ```
pub fn check<B>(
    request: &Request<B>,
    protocol: Option<&str>,
    origins: &Origins,
    config: Config,
) -> Result<Pending, Refusal> {
    let (method, uri) = (request.method().as_str(), request.uri());
    let fields = fields(request.headers());
    match request.version() {
        Version::HTTP_2 | Version::HTTP_3 => {
            let connect = Connect {
                method,
                protocol,
                scheme: uri.scheme_str(),
                authority: uri.authority().map(|authority| authority.as_str()),
                path: uri.path_and_query().map(|path| path.as_str()),
            };
            connect.check(fields, origins, config)
        }
        version => {
            let upgrade = Upgrade {
                method,
                target: &uri.to_string(),
                version: numbers(version),
            };
            upgrade.check(fields, origins, config)
        }
    }
}

/// Checks the final response that a client has received, like [`Handshake::finish`]. Returns the
/// connection; `None` if the server refuses: the status is neither 101 nor, for a CONNECT, 200.
///
/// # Errors
///
/// [`ResponseError`] if the response is not a valid response to the handshake. Close the stream, or
/// reset it in HTTP/2 and HTTP/3.
///
/// ```
/// use http::{Request, Response, Version};
/// use websocket_proto::{Config, Seed};
/// use websocket_proto::handshake::{client, http::finish, values::Handshake};
///
/// let request = client::Request::new("wss://example.com/chat")?;
/// let seed = Seed::from([7; 32]); // Outside of tests: Seed::from_os()
/// let (handshake, sent) =
///     Handshake::connect(&request, seed, Config::new())?;
/// let sent: Request<()> = sent.try_into()?;
/// assert_eq!(sent.method(), "CONNECT");
///
/// let response =
///     Response::builder().version(Version::HTTP_2).status(200).body(())?;
/// assert!(finish(handshake, &response)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn finish<B>(
    handshake: Handshake,
    response: &Response<B>,
) -> Result<Option<Connection>, ResponseError> {
    let version = numbers(response.version());
    let fields = fields(response.headers());
    handshake.finish(version, response.status().as_u16(), fields)
}

/// Makes a response for a server. The body is empty if the handshake is accepted.
///
/// # Errors
///
/// [`Error`] if the application has added more header fields, or longer names, than a
/// [`HeaderMap`](::http::HeaderMap) can hold: about 24,000 names of up to 64 KiB. Respond with
/// status 500.
impl TryFrom<values::Response> for Response<Bytes> {
    type Error = Error;

    fn try_from(response: values::Response) -> Result<Self, Error> {
        let mut builder = Response::builder().status(response.status());
        for Header { name, value } in response.fields() {
            builder = builder.header(name, value);
        }
        builder.body(response.body().clone())
    }
}

/// Makes a request for a client. Its URI is absolute, as clients with connection pools and HTTP/2
/// need it. Its version is HTTP/1.1 or, for a CONNECT, HTTP/2.
///
/// For a connection of HTTP/1.1 that sends the URI as it is (`hyper::client::conn::http1`), set the
/// URI to [`values::Request::target`]. For a CONNECT, pass on
/// [`values::Request::protocol`], because [`Request`] has no place for it: insert a
/// `hyper::ext::Protocol` into the extensions of the request.
///
/// # Errors
///
/// [`Error`] if the URI, or the number or names of the header fields that the application has added,
/// are longer than the crate `http` allows.
impl TryFrom<values::Request> for Request<()> {
    type Error = Error;

    fn try_from(request: values::Request) -> Result<Self, Error> {
        let uri = ::http::Uri::builder()
            .scheme(request.scheme())
            .authority(request.authority())
            .path_and_query(request.target())
            .build()?;
        let version = match request.protocol() {
            None => Version::HTTP_11,
            Some(_) => Version::HTTP_2,
        };
        let mut builder = Request::builder()
            .method(request.method())
            .uri(uri)
            .version(version);
        for Header { name, value } in request.fields() {
            builder = builder.header(name, value);
        }
        builder.body(())
    }
}

fn fields(headers: &::http::HeaderMap) -> impl Iterator<Item = Header<'_>> {
    headers.iter().map(|(name, value)| Header {
        name: name.as_str(),
        value: value.as_bytes(),
    })
}

/// The major and the minor version.
fn numbers(version: Version) -> (u8, u8) {
    match version {
        Version::HTTP_10 => (1, 0),
        Version::HTTP_11 => (1, 1),
        Version::HTTP_2 => (2, 0),
        Version::HTTP_3 => (3, 0),
        _ => (0, 9),
    }
}
