//! One channel of this node: its ring, its subscribers, and the order in which they are told.
//!
//! What happens in a channel goes into a queue, under the lock. One thread at a time takes from the
//! queue and calls the subscribers, without the lock: so they are told in order, and may call the
//! broker. Whoever adds something while another thread is at it leaves it to that thread.
use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::counts::Counters;
use super::held::Held;
use super::memory::Ids;
use super::ring::Ring;
use super::types::{
    Callback, Event, History, HistoryLimits, Message, Position, Published, Subscribed,
};

mod following;
#[cfg(test)]
mod tests;

/// Events that a caller delivers before it leaves the rest to a task of its own.
const BATCH: usize = 64;

thread_local! {
    /// A callback runs on this thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

pub(super) struct Channel {
    pub name: Arc<str>,
    counters: Arc<Counters>,
    state: Mutex<State>,
    idle: AtomicBool,
}

struct State {
    ring: Ring,
    /// Of the last message whose subscribers have been told.
    delivered: Position,
    ids: Ids,
    /// Shared with the thread that delivers, so that changes do not wait for it.
    subscribers: Arc<Vec<Subscriber>>,
    queue: VecDeque<Queued>,
    /// Number of the next entry of the queue.
    next: u64,
    delivering: bool,
    /// Publishers that wait until a message is delivered, by its offset.
    waiting: BTreeMap<u64, Vec<oneshot::Sender<usize>>>,
    /// Of the last publish or unsubscribe.
    used: Instant,
    /// The broker has forgotten the channel.
    closed: bool,
}

#[derive(Clone)]
struct Subscriber {
    callback: Callback,
    /// The first entry of the queue that it is told.
    from: u64,
    gone: Arc<AtomicBool>,
}

struct Queued {
    number: u64,
    happened: Happened,
}

enum Happened {
    Message(Arc<Message>),
    Signal(Bytes, Option<oneshot::Sender<usize>>),
    Reset(Position),
}

/// The broker has forgotten the channel. Open it again.
pub(super) struct Closed;

impl Channel {
    pub fn new(
        name: Arc<str>,
        limits: HistoryLimits,
        position: Position,
        counters: Arc<Counters>,
        held: &Arc<Held>,
    ) -> Self {
        Self {
            name,
            counters,
            state: Mutex::new(State {
                ring: Ring::new(limits, position, held.clone()),
                delivered: position,
                ids: Ids::new(limits, held.clone()),
                subscribers: Arc::default(),
                queue: VecDeque::new(),
                next: 0,
                delivering: false,
                waiting: BTreeMap::new(),
                used: Instant::now(),
                closed: false,
            }),
            idle: AtomicBool::new(false),
        }
    }

    /// Whether the channel is in the list of idle ones: sets it, returns what it was.
    pub fn listed_as_idle(&self, listed: bool) -> bool {
        self.idle.swap(listed, Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn position(&self) -> Position {
        self.state().ring.position()
    }

    pub fn subscribe(&self, callback: &Callback) -> Result<Subscribed, Closed> {
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        let position = state.ring.position();
        let already = state.index(callback).is_some();
        if !already {
            let subscriber = Subscriber {
                callback: callback.clone(),
                from: state.next,
                gone: Arc::default(),
            };
            Arc::make_mut(&mut state.subscribers).push(subscriber);
        }
        Ok(Subscribed { position, already })
    }

    /// Returns the number of subscribers that are left, or `None` if it was none.
    pub fn unsubscribe(&self, callback: &Callback) -> Option<usize> {
        let mut state = self.state();
        let index = state.index(callback)?;
        state.used = Instant::now();
        let subscribers = Arc::make_mut(&mut state.subscribers);
        let subscriber = subscribers.swap_remove(index);
        let left = subscribers.len();
        subscriber.gone.store(true, Ordering::Release);
        // The callback may be dropped after this, and its destructor may call the broker.
        drop(state);
        Some(left)
    }

    /// Without subscribers since then.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        state.subscribers.is_empty().then_some(state.used)
    }

    /// Closes the channel if it has no subscribers.
    pub fn close(&self) -> bool {
        let mut state = self.state();
        state.closed |= state.subscribers.is_empty();
        state.closed
    }

    pub fn expire(&self, now: Instant) {
        let mut state = self.state();
        state.ring.expire(now);
        state.ids.expire(now);
    }

    /// Forgets messages and ids that are older than this.
    pub fn keep(&self, age: Duration, now: Instant) {
        let mut state = self.state();
        state.ring.keep(age, now);
        state.ids.keep(age, now);
    }

    /// The time of its oldest message or id.
    pub fn oldest(&self) -> Option<Instant> {
        let state = self.state();
        let times = [state.ring.oldest(), state.ids.oldest()];
        times.into_iter().flatten().min()
    }

    pub fn history(&self, after: Option<Position>, limit: usize) -> History {
        let mut state = self.state();
        state.ring.expire(Instant::now());
        state.ring.read(after, limit)
    }

    /// Stores a message here, where no engine does it: gives it the next offset.
    pub fn append(&self, id: &str, payload: Bytes) -> Result<(Position, bool), Closed> {
        let now = Instant::now();
        let mut state = self.state();
        if state.closed {
            return Err(Closed);
        }
        state.used = now;
        state.ring.expire(now);
        let mut position = state.ring.position();
        position.offset += 1;
        if let Some(offset) = state.ids.first(id, position.offset, now) {
            position.offset = offset;
            return Ok((position, true));
        }
        self.push(&mut state, now, position, payload);
        Ok((position, false))
    }

    fn push(&self, state: &mut State, at: Instant, position: Position, payload: Bytes) {
        let message = Arc::new(Message::new(self.name.clone(), position, payload));
        state.ring.push(at, message.clone());
        state.enqueue(Happened::Message(message));
    }

    /// Waits until a stored message is delivered here. `notified` is 0 if there is nobody to tell.
    pub async fn published(self: &Arc<Self>, position: Position, duplicate: bool) -> Published {
        let waiting = self.state().wait_for(position);
        self.deliver();
        let notified = match waiting {
            Ok(delivered) => delivered.await.unwrap_or(0),
            Err(notified) => notified,
        };
        Published {
            notified: if duplicate { 0 } else { notified },
            position,
            duplicate,
        }
    }

    pub async fn signal(self: &Arc<Self>, payload: Bytes) -> usize {
        let (done, delivered) = oneshot::channel();
        let subscribers = {
            let mut state = self.state();
            state.enqueue(Happened::Signal(payload, Some(done)));
            state.subscribers.len()
        };
        self.deliver();
        if INSIDE.get() {
            return subscribers;
        }
        delivered.await.unwrap_or(0)
    }

    /// Tells the subscribers what is in the queue, unless another thread does.
    pub fn deliver(self: &Arc<Self>) {
        let mut state = self.state();
        if !state.delivering && !state.queue.is_empty() {
            state.delivering = true;
            drop(state);
            self.take_turns(BATCH);
        }
    }

    fn take_turns(self: &Arc<Self>, mut turns: usize) {
        loop {
            let mut state = self.state();
            let Some(queued) = state.queue.pop_front() else {
                state.delivering = false;
                state.queue.shrink_to(BATCH);
                return;
            };
            if turns == 0
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                // This caller has done enough for others.
                state.queue.push_front(queued);
                let channel = self.clone();
                runtime.spawn(async move { channel.take_turns(BATCH) });
                return;
            }
            turns = turns.saturating_sub(1);
            let subscribers = state.subscribers.clone();
            drop(state);
            self.tell(queued, &subscribers);
        }
    }

    fn tell(&self, Queued { number, happened }: Queued, subscribers: &[Subscriber]) {
        let event = match &happened {
            Happened::Message(message) => Event::Message(message),
            Happened::Signal(payload, _) => Event::Signal(payload),
            Happened::Reset(position) => Event::Reset(*position),
        };
        let mut notified = 0;
        for subscriber in subscribers {
            if subscriber.from > number || subscriber.gone.load(Ordering::Acquire) {
                continue;
            }
            match inside(|| (subscriber.callback)(&self.name, event)) {
                Ok(()) => notified += 1,
                Err(_) => {
                    // The panic's text may have been made from the message, so it is not logged here.
                    tracing::error!(channel = &*self.name, "a subscriber panicked: removed");
                    Counters::add(&self.counters.panicked, 1);
                    self.unsubscribe(&subscriber.callback);
                }
            }
        }
        Counters::add(&self.counters.notified, notified as u64);
        match happened {
            Happened::Message(message) => {
                let _ = message.notified.set(notified);
                for done in self.state().delivered(message.position) {
                    let _ = done.send(notified);
                }
            }
            Happened::Signal(_, Some(done)) => drop(done.send(notified)),
            Happened::Signal(_, None) | Happened::Reset(_) => {}
        }
    }
}

impl State {
    fn index(&self, callback: &Callback) -> Option<usize> {
        let mut subscribers = self.subscribers.iter();
        subscribers.position(|subscriber| Arc::ptr_eq(&subscriber.callback, callback))
    }

    fn enqueue(&mut self, happened: Happened) {
        let number = self.next;
        self.next += 1;
        self.queue.push_back(Queued { number, happened });
    }

    /// A message was delivered. Returns who waits for it.
    fn delivered(&mut self, position: Position) -> Vec<oneshot::Sender<usize>> {
        self.delivered = position;
        if position.epoch != self.ring.position().epoch {
            return Vec::new(); // Those who wait do so for a later epoch.
        }
        // Offsets before it that were skipped are not delivered any more.
        let later = self.waiting.split_off(&(position.offset + 1));
        let mut waiting = std::mem::replace(&mut self.waiting, later);
        waiting.remove(&position.offset).unwrap_or_default()
    }

    /// What to wait for, or the number of notified subscribers if there is nothing to wait for.
    fn wait_for(&mut self, position: Position) -> Result<oneshot::Receiver<usize>, usize> {
        let last = self.delivered;
        if last.epoch == position.epoch && last.offset >= position.offset {
            let message = self.ring.get(position.offset);
            let notified = message.and_then(|message| message.notified.get());
            return Err(notified.copied().unwrap_or(0));
        }
        if self.subscribers.is_empty() || self.ring.position().epoch != position.epoch {
            return Err(0);
        }
        if INSIDE.get() {
            // The thread that would deliver it is this one.
            return Err(self.subscribers.len());
        }
        let (done, delivered) = oneshot::channel();
        self.waiting.entry(position.offset).or_default().push(done);
        Ok(delivered)
    }
}

/// Calls a subscriber and catches its panic.
fn inside(call: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    let before = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(before);
    result
}

/// Locks, also if a thread has panicked with the lock. Nothing that can panic runs under a lock here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
