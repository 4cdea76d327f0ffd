//! Keeps the channels of this node equal to the logs of an engine: connects, follows, reconnects.
//!
//! One task does all of it, so the messages of a channel come in order. What the log pushes goes into
//! the channel. If something is missing, it is read from the log: after a gap in the offsets, after a
//! reconnect, and now and then for each channel, because a push can be lost without a gap after it.
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::channel::Channel;
use super::counts::Counters;
use super::log::{Failure, Log, Push, Pushed, Pushes, Tail};
use super::remote::{PATIENCE, Shared};
use super::types::{BrokerError, Position, random};

#[cfg(test)]
mod tests;

/// How often the connection is checked.
const CHECK: Duration = Duration::from_secs(1);
/// In how many checks all channels are compared with their log.
const ROUND: usize = 30;
/// How often the log is asked to remove what nobody uses: often, as NATS reserves disk for each channel.
pub(super) const TIDY: Duration = Duration::from_secs(60);
/// The longest pause before a reconnect.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Channels that are read at the same time.
const READS: usize = 64;
/// Pushes that wait. Messages above it are read from the log, signals are lost.
const PUSHES: usize = 4096;

/// Asks for a channel that this node does not follow yet.
pub(super) struct Follow {
    pub channel: String,
    pub done: oneshot::Sender<Result<(), BrokerError>>,
}

pub(super) struct Follower<L: Log> {
    shared: Arc<Shared<L>>,
    asked: mpsc::Receiver<Follow>,
    /// Channels that the log pushes.
    listening: HashSet<Arc<str>>,
    /// Channels to be compared with their log in this round.
    unchecked: Vec<Arc<Channel>>,
}

impl<L: Log> Follower<L> {
    pub fn new(shared: Arc<Shared<L>>, asked: mpsc::Receiver<Follow>) -> Self {
        Self {
            shared,
            asked,
            listening: HashSet::new(),
            unchecked: Vec::new(),
        }
    }

    pub async fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut told = None;
        loop {
            let started = Instant::now();
            let Err(error) = self.connect_and_follow().await else {
                return;
            };
            let cause = cause(&error);
            let news = self.shared.set_log(None) || told.as_ref() != Some(&cause);
            match news {
                true => tracing::warn!(engine = L::NAME, cause, "the engine is away"),
                false => tracing::debug!(engine = L::NAME, cause, "the engine is still away"),
            }
            told = Some(cause);
            while let Ok(Follow { done, .. }) = self.asked.try_recv() {
                let _ = done.send(Err(BrokerError::Away));
            }
            pause = match started.elapsed() > 2 * MAX_PAUSE {
                true => Duration::ZERO,
                false => (2 * pause).clamp(Duration::from_millis(50), MAX_PAUSE),
            };
            // All nodes lose the engine at the same time. They should not come back at the same time.
            sleep(pause.mul_f64(1.0 - random_part() / 2.0)).await;
        }
    }

    async fn connect_and_follow(&mut self) -> Result<(), Failure> {
        let (pushes, mut pushed) = Pushes::new(PUSHES, self.shared.look.clone());
        let connect = L::connect(&self.shared.url, self.shared.limits, pushes.clone());
        let log = Arc::new(timeout(PATIENCE, connect).await??);
        tokio::select! {
            result = self.catch_up_and_follow(log, &pushes, &mut pushed) => result,
            () = pushes.until_lost() => Err("the connection was lost".into()),
        }
    }

    async fn catch_up_and_follow(
        &mut self,
        log: Arc<L>,
        pushes: &Pushes,
        pushed: &mut mpsc::Receiver<Push>,
    ) -> Result<(), Failure> {
        timeout(PATIENCE, log.check()).await??;
        self.listening.clear();
        let channels = self.shared.channels.all();
        self.listening
            .extend(channels.iter().map(|c| c.name.clone()));
        self.compare(&log, channels, true).await?;
        self.shared.set_log(Some(log.clone()));
        tracing::info!(engine = L::NAME, "the engine is up");

        let mut tasks = JoinSet::new();
        tasks.spawn(tidy(log.clone()));
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
                self.shared.channels.trim();
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
            let tail = read(shared, log, &channel.name, known, listen).await?;
            Ok::<_, Failure>((channel, tail))
        });
        let mut reads = reads.buffer_unordered(READS);
        while let Some(read) = reads.next().await {
            let (channel, tail) = read?;
            channel.catch_up(tail);
            shared.channels.trim();
            channel.deliver();
        }
        Ok(())
    }

    /// Follows new channels.
    async fn follow(&mut self, log: &L, asked: &mut Vec<Follow>) -> Result<(), Failure> {
        let shared = &self.shared;
        let asked_for: HashSet<Arc<str>> = asked.iter().map(|f| (*f.channel).into()).collect();
        let mut new: Vec<_> = asked_for.into_iter().collect();
        new.retain(|name| shared.channels.get(name).is_none());
        let mut full = !new.is_empty() && !shared.channels.make_room();
        if full {
            new.clear();
        }
        self.listening.extend(new.iter().cloned());
        let reads = stream::iter(new).map(|name| async move {
            let tail = read(shared, log, &name, None, true).await?;
            Ok::<_, Failure>((name, tail))
        });
        let mut reads = reads.buffer_unordered(READS);
        let mut failure = None;
        while let Some(read) = reads.next().await {
            match read {
                Ok((name, tail)) => match shared.channels.open(&name, || tail.start()) {
                    Ok(channel) => {
                        channel.catch_up(tail);
                        shared.channels.trim();
                        channel.deliver();
                    }
                    Err(_) => full = true,
                },
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
        let mut part = self.unchecked.split_off(rest);
        part.retain(|channel| self.shared.channels.get(&channel.name).is_some());
        part
    }
}

/// Reads what comes after `known` in the log of a channel. `listen`: listens to it before.
async fn read<L: Log>(
    shared: &Shared<L>,
    log: &L,
    name: &str,
    known: Option<Position>,
    listen: bool,
) -> Result<Tail, Failure> {
    if listen {
        timeout(PATIENCE, log.listen(name)).await??;
    }
    Counters::add(&shared.counters.log_reads, 1);
    timeout(PATIENCE, log.read(name, known)).await?
}

/// Has a task of its own, because it may take long.
async fn tidy<L: Log>(log: Arc<L>) {
    loop {
        // Not all nodes at the same time.
        sleep(TIDY.mul_f64(1.0 + random_part())).await;
        if let Err(error) = log.tidy().await {
            tracing::debug!(engine = L::NAME, %error, "tidying up");
        }
    }
}

/// For the log: one line.
fn cause(error: &Failure) -> String {
    if error.is::<Elapsed>() {
        return format!("no answer within {PATIENCE:?}");
    }
    let text = error.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// From 0 to 1.
fn random_part() -> f64 {
    random() as f64 / u64::MAX as f64
}
