//! Which engine the broker has.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::channel::Channel;
use super::channels::Channels;
use super::counts::Counters;
use super::memory::{Claims, REPEAT};
use super::nats::NatsLog;
use super::redis::RedisLog;
use super::remote::Remote;
use super::types::{
    BrokerError, EngineState, EngineUrl, Epoch, HistoryLimits, Position, Published,
};

/// For how long a node goes on following a channel that it has no subscribers of: the only one may
/// have lost its connection for a moment.
const LINGER: Duration = Duration::from_secs(10);

pub(super) enum Engine {
    Memory(Claims),
    Redis(Remote<RedisLog>),
    Nats(Remote<NatsLog>),
}

impl Engine {
    pub async fn start(
        url: &EngineUrl,
        limits: HistoryLimits,
        channels: &Arc<Channels>,
        counters: &Arc<Counters>,
        state: &watch::Sender<EngineState>,
    ) -> Result<Self, BrokerError> {
        let (channels, counters, state) = (channels.clone(), counters.clone(), state.clone());
        Ok(match url {
            EngineUrl::Memory => {
                state.send_replace(EngineState::Up);
                Self::Memory(Claims::default())
            }
            EngineUrl::Redis(url) => {
                Self::Redis(Remote::start(url, limits, channels, counters, state).await?)
            }
            EngineUrl::Nats(url) => {
                Self::Nats(Remote::start(url, limits, channels, counters, state).await?)
            }
        })
    }

    /// The channel; if it is new to this node, with its history.
    pub async fn open(&self, channels: &Channels, name: &str) -> Result<Arc<Channel>, BrokerError> {
        match self {
            Self::Memory(_) => channels.open(name, || Position {
                epoch: Epoch::random(),
                offset: 0,
            }),
            Self::Redis(remote) => remote.open(name).await,
            Self::Nats(remote) => remote.open(name).await,
        }
    }

    pub async fn publish(
        &self,
        channels: &Channels,
        name: &str,
        id: &str,
        payload: Bytes,
    ) -> Result<Published, BrokerError> {
        match self {
            Self::Memory(_) => loop {
                let channel = self.open(channels, name).await?;
                // Otherwise it was forgotten in this moment.
                if let Ok((position, duplicate)) = channel.append(id, payload.clone()) {
                    channels.trim();
                    return Ok(channel.published(position, duplicate).await);
                }
            },
            Self::Redis(remote) => remote.publish(name, id, &payload).await,
            Self::Nats(remote) => remote.publish(name, id, &payload).await,
        }
    }

    /// Sends a signal to the other nodes.
    pub fn signal(&self, name: &str, payload: &Bytes) {
        match self {
            Self::Memory(_) => {}
            Self::Redis(remote) => remote.signal(name, payload),
            Self::Nats(remote) => remote.signal(name, payload),
        }
    }

    pub async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, BrokerError> {
        match self {
            Self::Memory(claims) => claims.claim(key, ttl, Instant::now()),
            Self::Redis(remote) => remote.claim(key, ttl).await,
            Self::Nats(remote) => remote.claim(key, ttl).await,
        }
    }

    pub async fn tidy(&self) -> Result<(), BrokerError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(remote) => remote.tidy().await,
            Self::Nats(remote) => remote.tidy().await,
        }
    }

    /// For how long a channel is kept that nobody uses.
    pub fn unused(&self, limits: HistoryLimits) -> Duration {
        match self {
            Self::Memory(_) => limits.age.max(REPEAT),
            Self::Redis(_) | Self::Nats(_) => LINGER,
        }
    }
}
