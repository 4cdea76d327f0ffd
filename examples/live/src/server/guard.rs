//! What holds for all requests: time for the body, headers of the responses, and one line of log.
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::App;
use super::log::millis;

/// The largest body that a route takes, in bytes, and how long it may take to arrive.
const BODY: usize = 1 << 10;
const BODY_TIME: Duration = Duration::from_secs(10);
/// Characters of a path in the log.
const PATH: usize = 100;

/// No inline scripts and styles, nothing from other hosts, and no frame around the page: text that is
/// taken for markup by mistake does no harm.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

pub fn around(router: Router<App>, app: &App) -> Router<App> {
    router
        .layer(from_fn(body_in_time))
        .layer(map_response(headers))
        .layer(from_fn_with_state(app.clone(), log))
}

/// Takes the body before the handler runs: hyper limits only the time for the head.
async fn body_in_time(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > BODY as u64 {
        return too_long();
    }
    match timeout(BODY_TIME, to_bytes(body, BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Ok(Err(_)) => too_long(),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    }
}

fn too_long() -> Response {
    let reason = "the body has more than 1024 bytes";
    refuse(StatusCode::PAYLOAD_TOO_LARGE, reason)
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    let body = serde_json::json!({ "error": reason }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    // With `nosniff`, data is never a page, and the comparison would count 200 bytes for each poll.
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    if !matches!(kind, b"application/json" | b"text/event-stream") {
        headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    }
    response
}

/// Logs the path without the query, which has the token of the chat.
async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH).collect();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let ms = millis(start.elapsed());
    // Programs ask for these every second.
    match &*path {
        "/healthz" | "/metrics" => {
            tracing::debug!(%method, path, status, ms, node = app.node, "request");
        }
        _ => tracing::info!(%method, path, status, ms, node = app.node, "request"),
    }
    response
}
