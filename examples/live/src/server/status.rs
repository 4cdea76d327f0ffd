//! `/metrics` for Prometheus, and `/healthz` for load balancers.
use std::sync::atomic::Ordering::Relaxed;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;

use crate::broker::EngineState;

use super::{App, process::usage};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
}

async fn metrics(State(app): State<App>) -> Response {
    if let Some(usage) = usage() {
        app.metrics
            .memory
            .set(usage.memory.try_into().unwrap_or(i64::MAX));
        let cpu = usage.cpu.as_secs_f64().to_bits();
        app.metrics.cpu.inner().store(cpu, Relaxed);
    }
    app.metrics
        .sockets
        .set(app.sockets().try_into().unwrap_or(i64::MAX));
    let up = app.broker.state().borrow().eq(&EngineState::Up);
    app.metrics.engine_up.set(up.into());
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &app.registry) {
        tracing::error!(%error, "metrics");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// A server that stops takes no new connections: only a connection that is open gets its 503.
async fn health(State(app): State<App>) -> (StatusCode, String) {
    match app.unavailable() {
        None => (StatusCode::OK, "ok\n".into()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
