//! An engine that is another process, as callers see it: they never wait for it for long.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::channel::{Channel, lock};
use super::channels::Channels;
use super::counts::Counters;
use super::follower::{Follow, Follower, TIDY};
use super::log::{Failure, Log};
use super::types::{BrokerError, EngineState, Epoch, HistoryLimits, Published};

/// How long callers wait for the engine.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Signals of this node that wait. More are lost.
const SIGNALS: usize = 256;
/// Signals that are sent at the same time.
const SENDS: usize = 64;

/// An engine that is another process.
pub(super) struct Remote<L: Log> {
    shared: Arc<Shared<L>>,
    follow: mpsc::Sender<Follow>,
    signals: mpsc::Sender<(Arc<str>, Bytes)>,
    /// They end with this.
    _tasks: JoinSet<()>,
}

/// What callers and the follower share.
pub(super) struct Shared<L> {
    pub url: String,
    /// Of this broker, in its signals.
    pub id: Epoch,
    pub limits: HistoryLimits,
    pub channels: Arc<Channels>,
    pub counters: Arc<Counters>,
    /// The connection should be looked at.
    pub look: Arc<Notify>,
    state: watch::Sender<EngineState>,
    /// While the engine is up.
    log: Mutex<Option<Arc<L>>>,
}

impl<L: Log> Remote<L> {
    /// Waits for the engine for a moment. If it is away, it is connected to later.
    pub async fn start(
        url: &str,
        limits: HistoryLimits,
        channels: Arc<Channels>,
        counters: Arc<Counters>,
        state: watch::Sender<EngineState>,
    ) -> Result<Self, BrokerError> {
        L::check_url(url).map_err(BrokerError::BadUrl)?;
        let mut up = state.subscribe();
        let shared = Arc::new(Shared {
            url: url.into(),
            id: Epoch::random(),
            limits,
            channels,
            counters,
            state,
            log: Mutex::new(None),
            look: Arc::default(),
        });
        let (follow, asked) = mpsc::channel(1024);
        let (signals, signalled) = mpsc::channel(SIGNALS);
        let mut tasks = JoinSet::new();
        tasks.spawn(send_signals(shared.clone(), signalled));
        tasks.spawn(Follower::new(shared.clone(), asked).run());
        let _ = timeout(PATIENCE, up.wait_for(|state| *state == EngineState::Up)).await;
        Ok(Self {
            shared,
            follow,
            signals,
            _tasks: tasks,
        })
    }

    /// The channel, once this node follows it.
    pub async fn open(&self, name: &str) -> Result<Arc<Channel>, BrokerError> {
        if let Some(channel) = self.shared.channels.get(name) {
            return Ok(channel);
        }
        self.shared.log()?;
        let (done, followed) = oneshot::channel();
        let channel = name.into();
        let asked = async {
            let _ = self.follow.send(Follow { channel, done }).await;
            followed.await.unwrap_or(Err(BrokerError::Away))
        };
        let in_time = timeout(PATIENCE, asked).await;
        in_time.unwrap_or(Err(BrokerError::Away))?;
        // Not there: forgotten since then, so there are too many.
        let channel = self.shared.channels.get(name);
        channel.ok_or(BrokerError::TooManyChannels)
    }

    pub async fn publish(
        &self,
        name: &str,
        id: &str,
        payload: &Bytes,
    ) -> Result<Published, BrokerError> {
        let deadline = Instant::now() + PATIENCE;
        let log = self.shared.log()?;
        let known = self.shared.channels.get(name).map(|c| c.position());
        let append = log.append(name, id, payload, known);
        let (position, duplicate) = self.shared.ask(deadline, append).await?;
        // It is stored. If its push is late, its subscribers are told after this.
        let unheard = Published {
            notified: 0,
            position,
            duplicate,
        };
        let Some(channel) = self.shared.channels.get(name) else {
            return Ok(unheard);
        };
        let published = timeout_at(deadline, channel.published(position, duplicate)).await;
        Ok(published.unwrap_or(unheard))
    }

    /// Sends a signal to the other nodes, without waiting for it.
    pub fn signal(&self, name: &str, payload: &Bytes) {
        let signal = [self.shared.id.to_string().as_bytes(), payload].concat();
        if self.signals.try_send((name.into(), signal.into())).is_err() {
            Counters::add(&self.shared.counters.dropped_signals, 1);
        }
    }

    pub async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, BrokerError> {
        let log = self.shared.log()?;
        let deadline = Instant::now() + PATIENCE;
        self.shared.ask(deadline, log.claim(key, ttl)).await
    }

    pub async fn tidy(&self) -> Result<(), BrokerError> {
        let log = self.shared.log()?;
        self.shared.ask(Instant::now() + TIDY, log.tidy()).await
    }
}

impl<L: Log> Shared<L> {
    fn log(&self) -> Result<Arc<L>, BrokerError> {
        lock(&self.log).clone().ok_or(BrokerError::Away)
    }

    /// Waits for an answer of the engine, not longer than a caller would.
    async fn ask<T>(
        &self,
        deadline: Instant,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, BrokerError> {
        let mut state = self.state.subscribe();
        tokio::select! {
            biased;
            answer = timeout_at(deadline, request) => match answer {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => match error.downcast() {
                    Ok(refused) => return Err(*refused),
                    Err(error) => {
                        tracing::debug!(engine = L::NAME, %error, "the engine has failed");
                    }
                },
                Err(_) => tracing::debug!(engine = L::NAME, "the engine has not answered"),
            },
            _ = state.wait_for(|state| *state == EngineState::Away) => {}
        }
        self.look.notify_one();
        Err(BrokerError::Away)
    }

    /// Makes the engine available to callers, or not. Returns whether this is a change.
    pub fn set_log(&self, log: Option<Arc<L>>) -> bool {
        let state = match log {
            Some(_) => EngineState::Up,
            None => EngineState::Away,
        };
        // With the lock, so that no caller sees the one without the other.
        let mut current = lock(&self.log);
        *current = log;
        let replace = |now: &mut _| std::mem::replace(now, state) != state;
        let changed = self.state.send_if_modified(replace);
        if changed && state == EngineState::Away {
            Counters::add(&self.counters.away, 1);
        }
        changed
    }
}

/// Signals have a task of their own: nobody waits for them.
async fn send_signals<L: Log>(
    shared: Arc<Shared<L>>,
    mut signals: mpsc::Receiver<(Arc<str>, Bytes)>,
) {
    let mut batch = Vec::new();
    while signals.recv_many(&mut batch, SENDS).await > 0 {
        let count = batch.len() as u64;
        let sent = match shared.log() {
            Ok(log) => {
                let sends = batch
                    .iter()
                    .map(|(channel, signal)| log.send(channel, signal));
                let deadline = Instant::now() + PATIENCE;
                shared.ask(deadline, try_join_all(sends)).await.is_ok()
            }
            Err(_) => false,
        };
        if !sent {
            Counters::add(&shared.counters.dropped_signals, count);
        }
        batch.clear();
    }
}
