//! What Redis and NATS have in common for the broker: a log for each channel, which also pushes what
//! is new. `follower` does the rest for both.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::types::{HistoryLimits, Position};

/// Why a log did not do it. Callers of the broker get it if it is a `BrokerError`: the engine is up and has
/// refused. Otherwise they get `Away`, and the broker logs it.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection to the logs of all channels. It is dropped at its first failure, and made anew.
pub(super) trait Log: Sized + Send + Sync + 'static {
    const NAME: &str;

    /// Checks a URL.
    fn check_url(url: &str) -> Result<(), String>;

    fn connect(
        url: &str,
        limits: HistoryLimits,
        pushes: Pushes,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Answers if the engine can store messages.
    fn check(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Pushes what is new in a channel, from now on.
    fn listen(&self, channel: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    fn unlisten(&self, channel: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The messages after `known`. If its epoch is another one: all of them.
    ///
    /// `known`, here and in `append`, is what this node has seen. If the log ends before it in the same
    /// epoch, an older state was restored: the log first gets a new epoch.
    fn read(
        &self,
        channel: &str,
        known: Option<Position>,
    ) -> impl Future<Output = Result<Tail, Failure>> + Send;

    /// Stores a message, unless one with this id is there: then the position of that one and `true`.
    fn append(
        &self,
        channel: &str,
        id: &str,
        payload: &Bytes,
        known: Option<Position>,
    ) -> impl Future<Output = Result<(Position, bool), Failure>> + Send;

    /// Pushes a signal to all nodes that listen.
    fn send(
        &self,
        channel: &str,
        signal: &[u8],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// See [`MessageBroker::claim`](super::MessageBroker::claim).
    fn claim(&self, key: &str, ttl: Duration)
    -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Removes what nobody uses any more, if it does not expire by itself. It may take long.
    fn tidy(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Ok(()))
    }
}

/// A part of a log, up to its end.
pub(super) struct Tail {
    /// Of the last message.
    pub position: Position,
    /// If an older state was restored: where this epoch began, as a position of the epoch before.
    /// Messages up to there are the same in both.
    pub forked: Option<Position>,
    /// Oldest first.
    pub entries: Vec<Entry>,
}

impl Tail {
    /// The position before the first entry.
    pub fn start(&self) -> Position {
        let first = self.entries.first();
        Position {
            offset: first.map_or(self.position.offset, |entry| entry.offset - 1),
            ..self.position
        }
    }
}

pub(super) struct Entry {
    pub offset: u64,
    pub age: Duration,
    pub payload: Bytes,
}

/// What a log pushes.
pub(super) struct Push {
    pub channel: String,
    pub what: Pushed,
}

pub(super) enum Pushed {
    Message(Position, Bytes),
    Signal(Bytes),
}

/// Where a log puts what it pushes: a queue with a limit.
#[derive(Clone)]
pub(super) struct Pushes {
    queue: mpsc::Sender<Push>,
    missed: Arc<AtomicBool>,
    lost: Arc<Notify>,
    look: Arc<Notify>,
}

impl Pushes {
    /// `look` is notified if the log should be looked at.
    pub fn new(limit: usize, look: Arc<Notify>) -> (Self, mpsc::Receiver<Push>) {
        let (queue, pushed) = mpsc::channel(limit);
        let pushes = Self {
            queue,
            missed: Arc::default(),
            lost: Arc::default(),
            look,
        };
        (pushes, pushed)
    }

    /// If the queue is full, the push is dropped. Messages are read from the log later.
    pub fn push(&self, push: Push) {
        if self.queue.try_send(push).is_err() {
            self.missed();
        }
    }

    /// Something was not pushed.
    pub fn missed(&self) {
        self.missed.store(true, Ordering::Release);
        self.look.notify_one();
    }

    /// Whether something was not pushed since the last call.
    pub fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }

    /// The connection was lost.
    pub fn lost(&self) {
        self.lost.notify_one();
    }

    /// Waits until the connection was lost.
    pub async fn until_lost(&self) {
        self.lost.notified().await;
    }
}
