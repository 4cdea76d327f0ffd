//! The rooms of a node: who is in them on this node, and how their readers are woken.
//!
//! A room has one subscription of the broker for all of its readers. A stored message only wakes them:
//! they take it from the broker's ring themselves. Signals, such as typing, are framed once and put into
//! the mailbox of each reader, which is bounded.
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, Weak};

use prometheus_client::metrics::gauge::Gauge;
use tokio::select;
use tokio::sync::{Notify, OnceCell};
use tokio::time::{Instant, sleep_until};
use websocket_proto::Prepared;
use websocket_proto::deflate::{DeflateConfig, Preparer};

use super::presence::{Diff, Gossip, HEARTBEAT, Presence, Signal};
use super::protocol::{Output, Stored};
use super::{lock, or_pending};
use crate::broker::{BrokerError, Callback, EngineState, Event, Message, MessageBroker, Position};

mod seat;

pub use seat::{Entered, Mailbox, Seat};

thread_local! {
    /// The compressor of all messages for several readers.
    static PREPARER: RefCell<Option<Preparer>> = const { RefCell::new(None) };
}

/// What all rooms of a node share.
pub struct Rooms {
    broker: Arc<MessageBroker>,
    /// Of this process: see [`Signal::node`].
    node: u64,
    number: AtomicU64,
    deflate: Option<DeflateConfig>,
    gauge: Gauge,
    open: Mutex<HashMap<Arc<str>, Open>>,
}

/// A room, and the number of its seats.
struct Open {
    room: Arc<Room>,
    seats: usize,
}

/// A room on this node.
pub struct Room {
    pub name: Arc<str>,
    /// The name in the broker, apart from the channels of other parts of the program.
    pub channel: String,
    rooms: Weak<Rooms>,
    /// Does not keep the room.
    callback: Callback,
    subscribed: OnceCell<()>,
    /// Counts stored messages and resets: a reader looks at the history only if it has changed.
    news: AtomicU64,
    state: Mutex<State>,
    /// Wakes the task of the room.
    changed: Notify,
}

struct State {
    presence: Presence,
    /// The last signals of a room that is closed.
    closed: Option<Vec<Vec<u8>>>,
    readers: HashMap<u64, Arc<Mailbox>>,
}

impl Rooms {
    /// `node` is a random number: see [`Signal::node`]. `gauge` counts the rooms.
    pub fn new(
        broker: Arc<MessageBroker>,
        node: u64,
        deflate: Option<DeflateConfig>,
        gauge: Gauge,
    ) -> Arc<Self> {
        Arc::new(Self {
            broker,
            node,
            number: AtomicU64::new(1),
            deflate,
            gauge,
            open: Mutex::default(),
        })
    }

    /// Frames a message once for all readers.
    pub fn frame(&self, output: &Output<'_>) -> Prepared {
        let message = Prepared::text(&output.json());
        let Some(config) = self.deflate else {
            return message;
        };
        PREPARER.with_borrow_mut(|preparer| {
            message.compressed(preparer.get_or_insert_with(|| Preparer::new(config)))
        })
    }

    /// Frames a stored message.
    pub fn message(&self, room: &str, message: &Message) -> Prepared {
        let stored = serde_json::from_slice(&message.payload).unwrap_or_else(|error| {
            // Someone else writes into our channels. Clients get it as an empty message, because offsets
            // have no gaps.
            tracing::warn!(room, %error, "a stored message cannot be read");
            Stored::default()
        });
        let Position { epoch, offset } = message.position;
        let Stored { id, from, text, at } = stored;
        self.frame(&Output::Message {
            room: room.into(),
            epoch,
            offset,
            id,
            from,
            text,
            at,
        })
    }

    /// Whether somebody on this node is in the room.
    pub fn is_open(&self, name: &str) -> bool {
        lock(&self.open).contains_key(name)
    }

    /// Enters a room, and opens it if this is the first connection of the node there.
    pub async fn enter(
        self: Arc<Self>,
        name: &str,
        mailbox: Arc<Mailbox>,
    ) -> Result<Entered, BrokerError> {
        let room = self.reserve(name);
        // From here on, it is given back also if this future is dropped.
        let seat = Seat::new(room, Arc::clone(&self), mailbox);
        seat.room.open(&self).await?;
        Ok(seat.enter())
    }

    fn reserve(self: &Arc<Self>, name: &str) -> Arc<Room> {
        let mut open = lock(&self.open);
        if let Some(open) = open.get_mut(name) {
            open.seats += 1;
            return Arc::clone(&open.room);
        }
        let room = Room::new(name.into(), self);
        let opened = Open {
            room: Arc::clone(&room),
            seats: 1,
        };
        open.insert(Arc::clone(&room.name), opened);
        self.gauge.inc();
        room
    }

    fn give_back(&self, room: &Room) {
        let mut open = lock(&self.open);
        let Some(entry) = open.get_mut(&room.name) else {
            return;
        };
        entry.seats -= 1;
        if entry.seats == 0 {
            // Under the lock: the signals of the next room of this name must have higher numbers.
            room.close(self);
            open.remove(&room.name);
            drop(open);
            self.gauge.dec();
            self.broker.unsubscribe(&room.channel, &room.callback);
        }
    }

    fn signals(&self, gossip: &[Gossip]) -> Vec<Vec<u8>> {
        gossip.iter().map(|gossip| self.signal(gossip)).collect()
    }

    /// What is lost on the way, for example because the engine is away, the next heartbeat mends.
    async fn send(&self, channel: &str, signals: Vec<Vec<u8>>) {
        for signal in signals {
            if let Err(error) = self.broker.signal(channel, signal.into()).await {
                tracing::debug!(channel, %error, "presence");
            }
        }
    }

    fn signal(&self, gossip: &Gossip) -> Vec<u8> {
        let signal = Signal {
            node: self.node,
            number: self.number.fetch_add(1, Relaxed),
            gossip: Cow::Borrowed(gossip),
        };
        serde_json::to_vec(&signal).unwrap_or_default() // it has no maps that could fail
    }
}

impl Room {
    fn new(name: Arc<str>, rooms: &Arc<Rooms>) -> Arc<Self> {
        Arc::new_cyclic(|room: &Weak<Self>| {
            let room = Weak::clone(room);
            Self {
                channel: format!("room-{name}"),
                name,
                rooms: Arc::downgrade(rooms),
                callback: Arc::new(move |_, event| {
                    if let Some(room) = room.upgrade() {
                        room.hear(event);
                    }
                }),
                subscribed: OnceCell::new(),
                news: AtomicU64::new(0),
                state: Mutex::new(State {
                    presence: Presence::new(Instant::now()),
                    closed: None,
                    readers: HashMap::new(),
                }),
                changed: Notify::new(),
            }
        })
    }

    /// How many stored messages and resets there were.
    pub fn news(&self) -> u64 {
        self.news.load(Acquire)
    }

    /// Tells all in the room that a user types, on all nodes.
    pub async fn typing(&self, user: String, on: bool) -> Result<(), BrokerError> {
        let Some(rooms) = self.rooms.upgrade() else {
            return Ok(());
        };
        let signal = rooms.signal(&Gossip::Typing { user, on });
        rooms.broker.signal(&self.channel, signal.into()).await?;
        Ok(())
    }

    /// The first who opens a room subscribes, and the others wait for that.
    async fn open(self: &Arc<Self>, rooms: &Arc<Rooms>) -> Result<(), BrokerError> {
        let subscribe = async || {
            let callback = Arc::clone(&self.callback);
            rooms.broker.subscribe(&self.channel, callback).await?;
            tokio::spawn(Arc::clone(self).run(Arc::clone(rooms)));
            Ok(())
        };
        self.subscribed.get_or_try_init(subscribe).await.map(|_| ())
    }

    fn close(&self, rooms: &Rooms) {
        let mut state = lock(&self.state);
        let gossip = state.presence.gossip(Instant::now());
        state.closed = Some(rooms.signals(&gossip));
        self.changed.notify_one();
    }

    fn hear(&self, event: Event<'_>) {
        match event {
            Event::Message(_) | Event::Reset(_) => {
                self.news.fetch_add(1, Release);
                let state = lock(&self.state);
                let readers = state.readers.values();
                readers.for_each(|reader| reader.wake.notify_one());
            }
            Event::Signal(bytes) => match serde_json::from_slice(bytes) {
                Ok(signal) => self.hear_signal(&signal),
                Err(error) => tracing::debug!(room = %self.name, %error, "signal"),
            },
        }
    }

    fn hear_signal(&self, signal: &Signal<'_>) {
        let Some(rooms) = self.rooms.upgrade() else {
            return;
        };
        if let Gossip::Typing { user, on } = &*signal.gossip {
            let typing = rooms.frame(&Output::Typing {
                room: (&*self.name).into(),
                user: user.into(),
                on: *on,
            });
            let state = lock(&self.state);
            let others = state.readers.values().filter(|it| *it.user != **user);
            others.for_each(|reader| reader.push(&self.name, &typing));
        } else if signal.node != rooms.node {
            let Signal { node, number, .. } = *signal;
            let mut state = lock(&self.state);
            let presence = &mut state.presence;
            presence.hear(node, number, &signal.gossip, Instant::now());
            self.changed.notify_one();
        }
    }

    /// Tells the other nodes and the clients of this node who is here, until the room is closed.
    async fn run(self: Arc<Self>, rooms: Arc<Rooms>) {
        let mut engine = rooms.broker.state();
        let mut sending = None;
        loop {
            let deadline = {
                let mut state = lock(&self.state);
                let now = Instant::now();
                let up = *engine.borrow_and_update() == EngineState::Up;
                state.presence.engine(up, now);
                if sending.is_none() {
                    let signals = match &mut state.closed {
                        Some(last) if last.is_empty() => return,
                        Some(last) => mem::take(last),
                        None => rooms.signals(&state.presence.gossip(now)),
                    };
                    if !signals.is_empty() {
                        sending = Some(Box::pin(rooms.send(&self.channel, signals)));
                    }
                }
                if let Some(diff) = state.presence.diff(now) {
                    let presence = rooms.frame(&self.presence(&diff));
                    let readers = state.readers.values();
                    readers.for_each(|reader| reader.push(&self.name, &presence));
                }
                let deadline = state.presence.deadline(sending.is_some());
                deadline.unwrap_or(now + HEARTBEAT)
            };
            select! {
                () = self.changed.notified() => {}
                Ok(()) = engine.changed() => {}
                () = or_pending(&mut sending) => sending = None,
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn presence<'a>(&'a self, diff: &'a Diff) -> Output<'a> {
        Output::Presence {
            room: (&*self.name).into(),
            joined: diff.joined.iter().map(|user| (&**user).into()).collect(),
            left: diff.left.iter().map(|user| (&**user).into()).collect(),
            count: diff.count,
        }
    }
}
