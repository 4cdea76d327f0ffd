//! From a request to a WebSocket.
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{HOST, HeaderValue, ORIGIN};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use websocket_proto::handshake::http::check;
use websocket_proto::handshake::server::{Accept, Origins, RequestError};
use websocket_proto::{Config, RecvBuf};

use examples::adapters::tokio::Socket;

use super::Slot;

/// Characters of a header field in the log.
const VALUE: usize = 100;

/// A WebSocket over the connection of an HTTP request.
pub type WebSocket = Socket<TokioIo<upgrade::Upgraded>>;

/// Checks the handshake and starts `talk` in a task of its own once the response is sent. A request
/// that is no handshake, or has a foreign Origin, gets the response that says why.
pub fn upgrade<F>(
    request: Request,
    origins: &Origins,
    config: Config,
    talk: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    // The server waits for this connection when it stops: see `Slot`.
    let slot = request.extensions().get::<Slot>().cloned();
    let response = match check(&request, None, origins, config) {
        Err(refusal) if refusal.error() == RequestError::OriginNotAllowed => {
            return foreign(&request);
        }
        Err(refusal) => refusal.response(),
        Ok(pending) => match pending.accept(Accept::new()) {
            Ok((ws, response)) => {
                let upgrading = upgrade::on(request);
                tokio::spawn(async move {
                    match upgrading.await {
                        Ok(stream) => {
                            let socket = Socket::new(TokioIo::new(stream), ws, RecvBuf::new());
                            // In a task of its own: this one has room for what is not needed any more.
                            tokio::spawn(talk(socket).map(|()| drop(slot)));
                        }
                        Err(error) => tracing::debug!(%error, "upgrade failed"),
                    }
                });
                response
            }
            Err(error) => {
                tracing::error!(%error, "handshake");
                return internal_error();
            }
        },
    };
    match Response::<Bytes>::try_from(response) {
        Ok(response) => response.map(Body::from),
        Err(error) => {
            tracing::error!(%error, "response");
            internal_error()
        }
    }
}

/// Often it is a proxy that does not pass on Host as it is: so both are named.
fn foreign(request: &Request) -> Response {
    let field = |name| -> String {
        let value = request.headers().get(name).map(HeaderValue::to_str);
        let value = value.and_then(Result::ok).unwrap_or_default();
        value.chars().take(VALUE).collect()
    };
    let (origin, host) = (field(ORIGIN), field(HOST));
    tracing::info!(
        origin,
        host,
        "a page of this Origin may not connect to this host: see --origin"
    );
    let text = format!("a page of {origin} may not connect to the host {host}: see --origin\n");
    (StatusCode::FORBIDDEN, text).into_response()
}

fn internal_error() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
