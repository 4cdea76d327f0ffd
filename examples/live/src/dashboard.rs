//! The metrics of the server as a live plot, in binary messages.
use axum::Router;

use crate::server::App;

pub fn routes() -> Router<App> {
    Router::new()
}
