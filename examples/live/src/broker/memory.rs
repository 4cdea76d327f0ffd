//! The engine in process: the rings are the history. What else it needs is here: ids of messages, so
//! that a repetition is stored once, and claims.
use std::cmp::Reverse;
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::channel::lock;
use super::held::Held;
use super::types::{BrokerError, HistoryLimits};

/// For how long an id makes a repetition harmless.
pub(super) const REPEAT: Duration = Duration::from_secs(300);
/// Ids that are kept for each message of the history. A busy channel forgets them before `REPEAT`.
const IDS_PER_MESSAGE: usize = 10;
/// The longest time of a claim. A token needs half of it. NATS keeps each claim for so long.
pub(super) const MAX_CLAIM: Duration = Duration::from_secs(120);
/// Claims that are kept. More are refused, because forgetting one would let a token work twice.
const CLAIMS: usize = 1 << 18;

/// A text as a number: ids and keys of any length cost 8 bytes. The hash has a random key of this
/// process, so nobody can make texts that collide; by chance, one of 10^12 in a full channel does.
fn digest(text: &str) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    KEYS.get_or_init(RandomState::new).hash_one(text)
}

/// The memory of an id, in a map and in a queue.
const ID_COST: usize = 48;

/// The ids of the last messages of a channel.
pub(super) struct Ids {
    max: usize,
    held: Arc<Held>,
    offsets: HashMap<u64, u64>,
    /// Oldest first.
    order: VecDeque<(Instant, u64)>,
}

impl Ids {
    pub fn new(limits: HistoryLimits, held: Arc<Held>) -> Self {
        Self {
            held,
            max: limits.count.saturating_mul(IDS_PER_MESSAGE),
            offsets: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The offset of the first message with this id. `None`: there was none, now it is `offset`.
    pub fn first(&mut self, id: &str, offset: u64, now: Instant) -> Option<u64> {
        self.expire(now);
        let id = digest(id);
        match self.offsets.entry(id) {
            Entry::Occupied(first) => return Some(*first.get()),
            Entry::Vacant(vacant) => vacant.insert(offset),
        };
        self.order.push_back((now, id));
        self.held.add(ID_COST);
        if self.order.len() > self.max {
            self.forget_oldest();
        }
        None
    }

    pub fn expire(&mut self, now: Instant) {
        self.keep(REPEAT, now);
    }

    /// Forgets ids that are older than this.
    pub fn keep(&mut self, age: Duration, now: Instant) {
        while let Some((at, _)) = self.order.front()
            && now.saturating_duration_since(*at) > age
        {
            self.forget_oldest();
        }
        if self.order.is_empty() && self.offsets.capacity() > 0 {
            (self.order, self.offsets) = Default::default(); // gives the memory back
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.offsets.remove(&id);
            self.held.remove(ID_COST);
        }
    }

    /// When the oldest id came.
    pub fn oldest(&self) -> Option<Instant> {
        self.order.front().map(|(at, _)| *at)
    }
}

impl Drop for Ids {
    fn drop(&mut self) {
        self.held.remove(ID_COST * self.order.len());
    }
}

/// Keys that were claimed.
#[derive(Default)]
pub(super) struct Claims(Mutex<Claimed>);

#[derive(Default)]
struct Claimed {
    ends: HashMap<u64, Instant>,
    /// The next one to end first.
    order: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Claims {
    pub fn claim(&self, key: &str, ttl: Duration, now: Instant) -> Result<bool, BrokerError> {
        let mut claimed = lock(&self.0);
        while let Some(Reverse((end, key))) = claimed.order.peek().copied()
            && end <= now
        {
            claimed.order.pop();
            claimed.ends.remove(&key);
        }
        if claimed.ends.len() >= CLAIMS {
            return Err(BrokerError::TooManyClaims);
        }
        let (key, end) = (digest(key), now + ttl);
        if let Entry::Vacant(vacant) = claimed.ends.entry(key) {
            vacant.insert(end);
            claimed.order.push(Reverse((end, key)));
            return Ok(true);
        }
        Ok(false)
    }
}
