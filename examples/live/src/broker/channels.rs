//! The channels of this node.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::channel::{Channel, lock};
use super::counts::Counters;
use super::held::Held;
use super::types::{BrokerError, HistoryLimits, Position};

/// The channels of this node, at most `limits.channels`.
pub(super) struct Channels {
    limits: HistoryLimits,
    counters: Arc<Counters>,
    held: Arc<Held>,
    open: Mutex<Open>,
    /// Locked while a thread looks for what can be forgotten.
    trimming: Mutex<()>,
}

#[derive(Default)]
struct Open {
    by_name: HashMap<Arc<str>, Arc<Channel>>,
    /// Channels that had no subscribers at some time, oldest first: to find one that can be forgotten
    /// without looking at all of them. Some have subscribers again; a channel is here at most once.
    idle: VecDeque<(Instant, Arc<Channel>)>,
}

impl Channels {
    pub fn new(limits: HistoryLimits, counters: Arc<Counters>) -> Self {
        Self {
            limits,
            counters,
            held: Arc::default(),
            open: Mutex::default(),
            trimming: Mutex::default(),
        }
    }

    pub fn len(&self) -> usize {
        lock(&self.open).by_name.len()
    }

    pub fn get(&self, name: &str) -> Option<Arc<Channel>> {
        lock(&self.open).by_name.get(name).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Channel>> {
        lock(&self.open).by_name.values().cloned().collect()
    }

    /// The channel of this name. If there is none it is made, after `position`.
    pub fn open(
        &self,
        name: &str,
        position: impl FnOnce() -> Position,
    ) -> Result<Arc<Channel>, BrokerError> {
        let mut open = lock(&self.open);
        if let Some(channel) = open.by_name.get(name) {
            return Ok(channel.clone());
        }
        if !open.make_room(self.limits) {
            return Err(BrokerError::TooManyChannels);
        }
        let counters = self.counters.clone();
        let channel = Channel::new(name.into(), self.limits, position(), counters, &self.held);
        let channel = Arc::new(channel);
        open.by_name.insert(channel.name.clone(), channel.clone());
        open.idle.push_back((Instant::now(), channel.clone()));
        channel.listed_as_idle(true);
        Ok(channel)
    }

    /// Whether one more channel can be opened. Forgets one for it if it must.
    pub fn make_room(&self) -> bool {
        lock(&self.open).make_room(self.limits)
    }

    /// Call it if the last subscriber of a channel is gone.
    pub fn idle(&self, channel: &Arc<Channel>) {
        let mut open = lock(&self.open);
        if !channel.listed_as_idle(true) {
            open.idle.push_back((Instant::now(), channel.clone()));
        }
    }

    /// The memory of all channels: see [`HistoryLimits::memory`].
    pub fn memory(&self) -> usize {
        self.held.bytes()
    }

    /// Call it after messages were stored. Above the limit of memory, forgets the oldest messages of all
    /// channels until an eighth of the memory is free: so it looks at the channels seldom.
    pub fn trim(&self) {
        let limit = self.limits.memory;
        if self.memory() <= limit {
            return;
        }
        let Ok(_alone) = self.trimming.try_lock() else {
            return; // Another thread does it.
        };
        // A moment later: of age 0 nothing is kept.
        let now = Instant::now() + Duration::from_nanos(1);
        let channels = self.all();
        let oldest = channels.iter().filter_map(|channel| channel.oldest()).min();
        let age = now.saturating_duration_since(oldest.unwrap_or(now));
        for eighths in (0..8).rev() {
            for channel in &channels {
                channel.keep(age * eighths / 8, now);
            }
            if self.memory() <= limit - limit / 8 {
                return;
            }
        }
    }

    /// Forgets old messages, and channels without subscribers that were not used for a time.
    pub fn expire(&self, unused: Duration) {
        let now = Instant::now();
        for channel in self.all() {
            channel.expire(now);
            if channel.idle_since().is_some() {
                self.idle(&channel); // if its last subscriber has panicked
            }
        }
        // One at a time: others need the lock, too.
        while lock(&self.open).forget_one(unused) {}
    }
}

impl Open {
    fn make_room(&mut self, limits: HistoryLimits) -> bool {
        self.by_name.len() < limits.channels || self.forget_one(Duration::ZERO)
    }

    /// Forgets the channel that was not used for the longest time, at least for `unused`.
    fn forget_one(&mut self, unused: Duration) -> bool {
        let now = Instant::now();
        // One that was used since it came in goes to the end, so each is met twice at most.
        for _ in 0..2 * self.idle.len() {
            match self.idle.front() {
                Some((since, _)) if now.saturating_duration_since(*since) >= unused => {}
                _ => return false,
            }
            let Some((since, channel)) = self.idle.pop_front() else {
                return false;
            };
            match channel.idle_since() {
                Some(used) if used > since => self.idle.push_back((used, channel)),
                Some(_) if channel.close() => {
                    self.by_name.remove(&channel.name);
                    return true;
                }
                // It has subscribers again.
                _ => drop(channel.listed_as_idle(false)),
            }
        }
        false
    }
}
