//! HTTP, TLS, metrics, and the shutdown.
use std::sync::Arc;

use tokio::sync::watch;
use websocket_proto::{Config, handshake::server::Origins};

use crate::broker::MessageBroker;
use crate::options::Serve;

pub mod meter;
pub mod metrics;
pub mod upgrade;

/// What all requests share: the state of the router.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    pub options: Serve,
    pub broker: Arc<MessageBroker>,
    pub metrics: metrics::Metrics,
    pub origins: Origins,
    /// Of all WebSockets: limits, keepalive, compression.
    pub config: Config,
    /// Becomes `true` when the server stops: sessions then close with 1001.
    pub stopping: watch::Receiver<bool>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
