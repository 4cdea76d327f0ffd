//! Rooms: the JSON messages, tokens, limits, presence, and the session of one connection.
//!
//! | module | what it does |
//! |---|---|
//! | [`protocol`] | the messages, and what is wrong with an input |
//! | [`token`] | who may open a connection |
//! | [`limits`] | how much a client may ask for |
//! | [`presence`] | who is in a room, over all nodes |
//! | [`room`] | a room on this node: its members, and the wake-up of its readers |
//! | [`session`] | one connection |
//! | [`http`] | `POST /token`, and `GET /chat` up to the 101 |
use std::future::pending;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use examples::Failure;
use governor::clock::DefaultClock;
use websocket_proto::deflate::DeflateConfig;

use crate::broker::MessageBroker;
use crate::options::Serve;
use crate::server::metrics::Metrics;

pub mod http;
pub mod limits;
pub mod presence;
pub mod protocol;
pub mod room;
pub mod session;
pub mod token;

pub use http::routes;

/// What all connections of the chat share.
pub struct Chat {
    tokens: token::Tokens,
    connections: Arc<limits::Connections>,
    rooms: Arc<room::Rooms>,
    ids: AtomicU64,
}

impl Chat {
    /// Fails if the secret is too short, or if the system has no random numbers.
    pub fn new(
        options: &Serve,
        broker: &Arc<MessageBroker>,
        metrics: &Metrics,
        deflate: Option<DeflateConfig>,
    ) -> Result<Self, Failure> {
        let max = (options.max_connections, options.max_connections_per_user);
        let rooms = metrics.rooms.clone();
        Ok(Self {
            tokens: match &options.secret {
                Some(secret) if secret.len() < token::SECRET => {
                    // Without the value: it must not get into logs.
                    return Err("--secret or LIVE_SECRET: at least 16 random characters".into());
                }
                Some(secret) => token::Tokens::new(secret.as_bytes()),
                None => token::Tokens::random()?,
            },
            connections: limits::Connections::new(max.0, max.1, DefaultClock::default()),
            rooms: room::Rooms::new(Arc::clone(broker), getrandom::u64()?, deflate, rooms),
            ids: AtomicU64::new(0),
        })
    }
}

/// A thread that panicked while it held the lock has left a state that is whole: it is changed in steps
/// that cannot fail in between.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the future, or for ever if there is none.
async fn or_pending<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
