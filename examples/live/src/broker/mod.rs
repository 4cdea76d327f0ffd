//! Channels with history, over an engine.
//!
//! Each node keeps the last messages of the channels that it has subscribers of in a ring. Subscribers
//! are told of a message as it is stored; what they missed they read from the ring, at their own
//! speed: `history`. There is no other queue of messages, so a slow reader costs no memory.
//!
//! | file | what it does |
//! |---|---|
//! | `types` | the values that the broker takes and gives |
//! | `ring` | the last messages of a channel |
//! | `channel` | a ring with its subscribers, and the order in which they are told |
//! | `channels` | the channels of this node, and what is forgotten if there are too many or too much |
//! | `held` | how much memory they hold together |
//! | `engine` | which engine the broker has |
//! | `memory` | what only the engine in process needs: ids and claims |
//! | `log` | what Redis and NATS have in common |
//! | `remote` | such an engine as callers see it: they never wait for long |
//! | `follower` | keeps the channels of a node equal to the logs of such an engine |
//! | `redis`, `nats` | what is different in them |
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use channels::Channels;
use counts::Counters;
use engine::Engine;

mod channel;
mod channels;
mod counts;
mod engine;
mod follower;
mod held;
mod log;
mod memory;
mod nats;
mod redis;
mod remote;
mod ring;
mod types;

#[cfg(test)]
mod tests;

pub use counts::Counts;
pub use types::{
    BadEpoch, BrokerError, Callback, EngineState, EngineUrl, Epoch, Event, History, HistoryLimits,
    Message, Position, Published, Subscribed,
};

/// How often old messages and channels are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// Maximum length of an id.
const MAX_ID: usize = 256;
/// Maximum size of a signal.
const MAX_SIGNAL: usize = 64 << 10;

/// Channels with history. See the module.
pub struct MessageBroker {
    node: String,
    limits: HistoryLimits,
    counters: Arc<Counters>,
    channels: Arc<Channels>,
    engine: Engine,
    state: watch::Sender<EngineState>,
}

impl MessageBroker {
    /// Starts the broker of a node. If the engine is away, the node starts all the same and connects
    /// as soon as it can. Call it in a tokio runtime. Fails if the URL is malformed.
    pub async fn start(
        engine: &EngineUrl,
        node: &str,
        mut limits: HistoryLimits,
    ) -> Result<Arc<Self>, BrokerError> {
        limits.count = limits.count.max(1);
        let counters = Arc::<Counters>::default();
        let channels = Arc::new(Channels::new(limits, counters.clone()));
        let state = watch::Sender::new(EngineState::Away);
        let engine = Engine::start(engine, limits, &channels, &counters, &state).await?;
        let broker = Arc::new(Self {
            node: node.into(),
            limits,
            channels,
            counters,
            engine,
            state,
        });
        tokio::spawn(sweep(Arc::downgrade(&broker)));
        Ok(broker)
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Calls `callback` for everything that happens in the channel from now on, in order, and never
    /// twice at a time. Subscribing it again changes nothing.
    ///
    /// A callback that panics is removed; the others are not harmed.
    pub async fn subscribe(
        &self,
        channel: &str,
        callback: Callback,
    ) -> Result<Subscribed, BrokerError> {
        check_channel(channel)?;
        loop {
            let channel = self.engine.open(&self.channels, channel).await?;
            // Otherwise it was forgotten in this moment.
            if let Ok(subscribed) = channel.subscribe(&callback) {
                return Ok(subscribed);
            }
        }
    }

    /// Ends a subscription: `true` if it was one. The callback is not called any more, not even for a
    /// message that others are told of already. A call that runs on another thread may still end.
    pub fn unsubscribe(&self, channel: &str, callback: &Callback) -> bool {
        let Some(channel) = self.channels.get(channel) else {
            return false;
        };
        let left = channel.unsubscribe(callback);
        if left == Some(0) {
            self.channels.idle(&channel);
        }
        left.is_some()
    }

    /// Stores a message, notifies the subscribers of all nodes, and returns after those of this node
    /// were called. From inside a callback it does not wait for them.
    ///
    /// `id` makes a repetition harmless: the same id within 5 minutes is stored once. Choose it
    /// unique in the channel. After `Away` publish the message again with the same id.
    ///
    /// Cancel safety: the message may be stored or not.
    pub async fn publish(
        &self,
        channel: &str,
        id: &str,
        payload: Bytes,
    ) -> Result<Published, BrokerError> {
        check_channel(channel)?;
        if id.is_empty() || id.len() > MAX_ID || id.contains(char::is_control) {
            return Err(BrokerError::BadId);
        }
        check_len(&payload, self.limits.bytes)?;
        let published = self.engine.publish(&self.channels, channel, id, payload);
        let published = published.await?;
        let counter = match published.duplicate {
            true => &self.counters.duplicates,
            false => &self.counters.published,
        };
        Counters::add(counter, 1);
        Ok(published)
    }

    /// Tells the subscribers of all nodes something that is not stored. Returns how many of this node
    /// were notified. Other nodes may miss it, for example while the engine is away. At most 64 KiB.
    pub async fn signal(&self, channel: &str, payload: Bytes) -> Result<usize, BrokerError> {
        check_channel(channel)?;
        check_len(&payload, MAX_SIGNAL)?;
        self.engine.signal(channel, &payload);
        match self.channels.get(channel) {
            Some(channel) => Ok(channel.signal(payload).await),
            None => Ok(0),
        }
    }

    /// Stored messages of a channel that has subscribers on this node: at most `limit` after `after`,
    /// or the last `limit` if `after` is `None` or something after it was lost. Reads the memory of this
    /// node, also while the engine is away. A channel that this node does not know has epoch 0.
    pub fn history(&self, channel: &str, after: Option<Position>, limit: usize) -> History {
        match self.channels.get(channel) {
            Some(channel) => channel.history(after, limit),
            None => History {
                messages: Vec::new(),
                position: Position::UNKNOWN,
                lost: after.is_some(),
            },
        }
    }

    /// True for the first that claims the key within `ttl`, over all nodes. For tokens that work once.
    /// A claim lasts 2 minutes at most.
    pub async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, BrokerError> {
        if key.is_empty() || key.len() > MAX_ID || key.contains(char::is_control) {
            return Err(BrokerError::BadId);
        }
        self.engine.claim(key, ttl.min(memory::MAX_CLAIM)).await
    }

    /// Removes channels from the engine that are empty and that no node uses. The broker does it every
    /// minute or two.
    pub async fn tidy(&self) -> Result<(), BrokerError> {
        self.engine.tidy().await
    }

    /// Whether the engine can be reached.
    pub fn state(&self) -> watch::Receiver<EngineState> {
        self.state.subscribe()
    }

    /// What the broker has counted.
    pub fn counts(&self) -> Counts {
        self.counters.counts(&self.channels)
    }
}

async fn sweep(broker: Weak<MessageBroker>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(broker) = broker.upgrade() else {
            return;
        };
        let unused = broker.engine.unused(broker.limits);
        broker.channels.expire(unused);
    }
}

fn check_channel(name: &str) -> Result<(), BrokerError> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    match (1..=64).contains(&name.len()) && name.bytes().all(valid) {
        true => Ok(()),
        false => Err(BrokerError::BadChannel),
    }
}

fn check_len(payload: &Bytes, limit: usize) -> Result<(), BrokerError> {
    match payload.len() <= limit {
        true => Ok(()),
        false => Err(BrokerError::TooLong { limit }),
    }
}
