//! Keeps the channels of this node equal to the logs of an engine: connects, follows, reconnects.
//!
//! One task does all of it, so the messages of a channel come in order. What the log pushes goes into
//! the channel. If something is missing, it is read from the log: after a gap in the offsets, after a
//! reconnect, and now and then for each channel, because a push can be lost without a gap after it.
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use super::channel::{Channel, lock};
use super::channels::Channels;
use super::counts::Counters;
use super::log::{Failure, Log, Push, Pushed, Pushes, Tail};
use super::types::{BrokerError, EngineState, Epoch, HistoryLimits, Position, Published};

/// How long callers wait for the engine.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the connection is checked.
const CHECK: Duration = Duration::from_secs(1);
/// In how many checks all channels are compared with their log.
const ROUND: usize = 30;
/// The longest pause before a reconnect.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Channels that are read at the same time.
const READS: usize = 64;
/// Pushes that wait. Messages above it are read from the log, signals are lost.
const PUSHES: usize = 4096;
/// Signals of this node that wait.
const SIGNALS: usize = 256;

/// An engine that is another process.
pub(super) struct Remote<L: Log> {
    shared: Arc<Shared<L>>,
    follow: mpsc::Sender<Follow>,
    signals: mpsc::Sender<(Arc<str>, Bytes)>,
    /// They end with this.
    _tasks: JoinSet<()>,
}

struct Shared<L> {
    url: String,
    /// Of this broker, in its signals.
    id: Epoch,
    limits: HistoryLimits,
    channels: Arc<Channels>,
    counters: Arc<Counters>,
    state: watch::Sender<EngineState>,
    /// While the engine is up.
    log: Mutex<Option<Arc<L>>>,
    /// The connection should be looked at.
    look: Arc<Notify>,
}

/// Asks for a channel that this node does not follow yet.
struct Follow {
    channel: String,
    done: oneshot::Sender<Result<(), BrokerError>>,
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
        let follower = Follower {
            shared: shared.clone(),
            asked,
            listening: HashSet::new(),
            unchecked: Vec::new(),
        };
        tasks.spawn(follower.run());
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
        timeout(PATIENCE, asked)
            .await
            .map_err(|_| BrokerError::Away)??;
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
        let answer = timeout_at(deadline, append).await;
        let (position, duplicate) = self.shared.answer(answer)?;
        // It is stored. It comes back as a push, or after a reconnect.
        let Some(channel) = self.shared.channels.get(name) else {
            return Ok(Published {
                notified: 0,
                position,
                duplicate,
            });
        };
        let published = timeout_at(deadline, channel.published(position, duplicate)).await;
        Ok(published.unwrap_or(Published {
            notified: 0,
            position,
            duplicate,
        }))
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
        self.shared
            .answer(timeout(PATIENCE, log.claim(key, ttl)).await)
    }
}

impl<L: Log> Shared<L> {
    fn log(&self) -> Result<Arc<L>, BrokerError> {
        lock(&self.log).clone().ok_or(BrokerError::Away)
    }

    /// Reads what comes after `known` in the log of a channel. `listen`: listens to it before.
    async fn read(
        &self,
        log: &L,
        name: &str,
        known: Option<Position>,
        listen: bool,
    ) -> Result<Tail, Failure> {
        if listen {
            timeout(PATIENCE, log.listen(name)).await??;
        }
        Counters::add(&self.counters.log_reads, 1);
        timeout(PATIENCE, log.read(name, known)).await?
    }

    /// What a caller is told of an answer of the engine.
    fn answer<T, E>(&self, answer: Result<Result<T, Failure>, E>) -> Result<T, BrokerError> {
        match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => tracing::debug!(engine = L::NAME, %error, "the engine has refused"),
            Err(_) => tracing::debug!(engine = L::NAME, "the engine has not answered in time"),
        }
        self.look.notify_one();
        Err(BrokerError::Away)
    }

    /// Makes the engine available to callers, or not.
    fn set_log(&self, log: Option<Arc<L>>) {
        let state = match log {
            Some(_) => EngineState::Up,
            None => EngineState::Away,
        };
        *lock(&self.log) = log;
        let changed = self
            .state
            .send_if_modified(|now| std::mem::replace(now, state) != state);
        match state {
            EngineState::Up if changed => tracing::info!(engine = L::NAME, "the engine is up"),
            EngineState::Away if changed => {
                Counters::add(&self.counters.away, 1);
                tracing::warn!(engine = L::NAME, "the engine is away");
            }
            _ => {}
        }
    }
}

/// Signals have a task of their own: nobody waits for them.
async fn send_signals<L: Log>(
    shared: Arc<Shared<L>>,
    mut signals: mpsc::Receiver<(Arc<str>, Bytes)>,
) {
    let mut batch = Vec::new();
    while signals.recv_many(&mut batch, READS).await > 0 {
        let count = batch.len() as u64;
        let sent = match shared.log() {
            Ok(log) => {
                let sends = batch
                    .iter()
                    .map(|(channel, signal)| log.send(channel, signal));
                let sent = timeout(PATIENCE, futures_util::future::try_join_all(sends)).await;
                shared.answer(sent).is_ok()
            }
            Err(_) => false,
        };
        if !sent {
            Counters::add(&shared.counters.dropped_signals, count);
        }
        batch.clear();
    }
}

struct Follower<L: Log> {
    shared: Arc<Shared<L>>,
    asked: mpsc::Receiver<Follow>,
    /// Channels that the log pushes.
    listening: HashSet<Arc<str>>,
    /// Channels to be compared with their log in this round.
    unchecked: Vec<Arc<Channel>>,
}

impl<L: Log> Follower<L> {
    async fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let started = Instant::now();
            let Err(error) = self.connect_and_follow().await else {
                return;
            };
            tracing::debug!(engine = L::NAME, %error, "the engine is away");
            self.shared.set_log(None);
            while let Ok(Follow { done, .. }) = self.asked.try_recv() {
                let _ = done.send(Err(BrokerError::Away));
            }
            pause = match started.elapsed() > 2 * MAX_PAUSE {
                true => Duration::ZERO,
                false => (2 * pause).clamp(Duration::from_millis(50), MAX_PAUSE),
            };
            // All nodes lose the engine at the same time. They should not come back at the same time.
            let jitter = (getrandom::u32().unwrap_or(0) % 256) as f64 / 512.0;
            sleep(pause.mul_f64(1.0 - jitter)).await;
        }
    }

    async fn connect_and_follow(&mut self) -> Result<(), Failure> {
        let (pushes, mut pushed) = Pushes::new(PUSHES, self.shared.look.clone());
        let connect = L::connect(&self.shared.url, self.shared.limits, pushes.clone());
        let log = Arc::new(timeout(PATIENCE, connect).await??);
        timeout(PATIENCE, log.check()).await??;
        self.listening.clear();
        let channels = self.shared.channels.all();
        self.listening
            .extend(channels.iter().map(|c| c.name.clone()));
        self.compare(&log, channels, true).await?;
        self.shared.set_log(Some(log.clone()));

        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pushes_now, mut asked_now) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                _ = pushed.recv_many(&mut pushes_now, READS) => {
                    for push in pushes_now.drain(..) {
                        self.take_in(&log, push).await?;
                    }
                }
                n = self.asked.recv_many(&mut asked_now, READS) => {
                    if n == 0 {
                        return Ok(()); // the broker is gone
                    }
                    self.follow(&log, &mut asked_now).await?;
                }
                () = self.shared.look.notified() => {
                    timeout(PATIENCE, log.check()).await??;
                    if pushes.take_missed() {
                        self.compare(&log, self.shared.channels.all(), false).await?;
                    }
                }
                _ = checks.tick() => {
                    timeout(PATIENCE, log.check()).await??;
                    self.forget(&log).await?;
                    let part = self.next_part();
                    self.compare(&log, part, false).await?;
                }
            }
        }
    }

    async fn take_in(&self, log: &L, Push { channel, what }: Push) -> Result<(), Failure> {
        // Not there: forgotten, and soon not listened to.
        let Some(channel) = self.shared.channels.get(&channel) else {
            return Ok(());
        };
        match what {
            Pushed::Message(position, payload) => {
                if !channel.take_in(position, payload) {
                    self.compare(log, vec![channel], false).await?;
                    return Ok(());
                }
            }
            Pushed::Signal(signal) => {
                let id = self.shared.id.to_string();
                if signal.len() < id.len() || signal.starts_with(id.as_bytes()) {
                    return Ok(());
                }
                channel.signalled(signal.slice(id.len()..));
            }
        }
        channel.deliver();
        Ok(())
    }

    /// Reads what is missing in channels. `listen`: listens to them before.
    async fn compare(
        &self,
        log: &L,
        channels: Vec<Arc<Channel>>,
        listen: bool,
    ) -> Result<(), Failure> {
        let shared = &self.shared;
        let reads = stream::iter(channels).map(|channel| async move {
            let known = Some(channel.position());
            let tail = shared.read(log, &channel.name, known, listen).await?;
            Ok::<_, Failure>((channel, tail))
        });
        let mut reads = reads.buffer_unordered(READS);
        while let Some(read) = reads.next().await {
            let (channel, tail) = read?;
            channel.catch_up(tail);
            channel.deliver();
        }
        Ok(())
    }

    /// Follows new channels.
    async fn follow(&mut self, log: &L, asked: &mut Vec<Follow>) -> Result<(), Failure> {
        let shared = &self.shared;
        let names: HashSet<String> = asked.iter().map(|f| f.channel.clone()).collect();
        let new = names.into_iter();
        let new = new.filter(|name| shared.channels.get(name).is_none());
        let reads = stream::iter(new).map(|name| async move {
            let tail = shared.read(log, &name, None, true).await?;
            Ok::<_, Failure>((name, tail))
        });
        let mut reads = reads.buffer_unordered(READS);
        let mut full = false;
        let mut failure = None;
        while let Some(read) = reads.next().await {
            match read {
                Ok((name, tail)) => {
                    let before = Position {
                        offset: tail
                            .entries
                            .first()
                            .map_or(tail.position.offset, |e| e.offset - 1),
                        ..tail.position
                    };
                    match shared.channels.open(&name, || before) {
                        Ok(channel) => {
                            channel.catch_up(tail);
                            channel.deliver();
                        }
                        Err(_) => full = true,
                    }
                    self.listening.insert(name.into());
                }
                Err(error) => failure = Some(error),
            }
        }
        drop(reads);
        for Follow { channel, done } in asked.drain(..) {
            let result = match self.shared.channels.get(&channel) {
                Some(_) => Ok(()),
                None if full => Err(BrokerError::TooManyChannels),
                None => Err(BrokerError::Away),
            };
            let _ = done.send(result);
        }
        if let Some(error) = failure {
            tracing::warn!(engine = L::NAME, %error, "a channel cannot be followed");
            timeout(PATIENCE, log.check()).await??;
        }
        Ok(())
    }

    /// Stops listening to channels that the broker has forgotten.
    async fn forget(&mut self, log: &L) -> Result<(), Failure> {
        let channels = &self.shared.channels;
        let forgotten = self
            .listening
            .extract_if(|name| channels.get(name).is_none());
        for name in forgotten.collect::<Vec<_>>() {
            timeout(PATIENCE, log.unlisten(&name)).await??;
        }
        Ok(())
    }

    /// The channels that are compared now: all of them in a round.
    fn next_part(&mut self) -> Vec<Arc<Channel>> {
        if self.unchecked.is_empty() {
            self.unchecked = self.shared.channels.all();
        }
        let part = self.listening.len().div_ceil(ROUND);
        let rest = self.unchecked.len().saturating_sub(part);
        self.unchecked.split_off(rest)
    }
}
