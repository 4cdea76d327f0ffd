//! The server program: an event loop in one thread, as an embedder would write it. It echoes each
//! message and sends broadcasts. All connections share one receive buffer, one pool of codecs and
//! one list of deadlines.
//!
//! It knows nothing of the simulation but the [`Host`], which stands for the operating system and
//! for what an application does with messages.

use std::{mem, time::Duration};

use bytes::Buf;
use websocket_proto::{
    Deadlines, Delivery, Event, OutQueue, Output, Prepared, ProtocolError, ReadyState, RecvBuf,
    deflate::{DeflateConfig, Pool, Preparer},
    handshake::server::{Accept, Handshake, Origins, RequestError},
    meter::{PARK, new_room},
};

pub mod config;
mod serve;
mod ws;

use crate::{
    budget::Charge,
    network::Read,
    scenario::{Bug, Door},
};
use config::{BROADCAST_LIMIT, HEAD, HIGH_WATER, LINGER, READ, TURN, config};
use ws::Ws;

/// What the server needs of the rest of the world. `id` is the number of a connection.
pub trait Host {
    fn read(&mut self, id: u32, into: &mut [u8]) -> Read;
    /// Returns how many bytes were taken. What a connection that is gone takes is lost.
    fn write(&mut self, id: u32, bytes: &[u8]) -> usize;
    /// Ends the stream to the peer.
    fn shutdown(&mut self, id: u32);
    fn close(&mut self, id: u32);

    fn received(&mut self, id: u32, event: &Event<'_>);
    fn sent(&mut self, id: u32, what: Sent);
    /// The server sends a Close frame first.
    fn closing(&mut self, id: u32);
    fn ended(&mut self, id: u32, how: Ended);
    /// What the connection has cost: bytes of output that nobody but the peer has caused.
    fn answered(&mut self, id: u32, bytes: usize);
    /// The receive buffer is idle after the last event.
    fn idle(&mut self, id: u32);
    /// Around each call of the crate that receives. `room` is what `meter::most` allows for, in bytes.
    fn working(&mut self, id: u32);
    fn worked(&mut self, id: u32, stage: Stage, room: u64);
}

/// What a connection does, for the bound of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Handshake,
    Open,
}

/// A message that the server has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The answer to the last message that was received.
    Echo,
    Broadcast(u32),
}

/// How a connection has ended, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Refused(RequestError),
    Failed(ProtocolError),
    /// With both Close frames: the codes of the server's and of the peer's.
    Closed([Option<u16>; 2]),
}

struct Slot {
    id: u32,
    door: Door,
    phase: Phase,
    out: OutQueue,
    touched: bool,
    /// There may be events that were not taken.
    more: bool,
    eof: bool,
    in_room: bool,
    /// A message is echoed in parts.
    echoing: bool,
    /// After so many messages the server closes.
    quit_after: u32,
    messages: u32,
    charge: Charge,
}

enum Phase {
    /// A handshake cannot share its buffer.
    Connecting(Box<(Handshake, RecvBuf)>),
    Open(Ws),
    /// Nothing but flushing, and reading until the end.
    Ending,
}

pub struct Server {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    touched: Vec<usize>,
    input: RecvBuf,
    pool: Pool,
    preparer: Preparer,
    deadlines: Deadlines,
    bug: Option<Bug>,
    /// What the memory of all connections may be, in bytes.
    charged: usize,
    /// What is not charged any more after this turn.
    freed: usize,
    /// What was charged in the last turn.
    most_charged: usize,
}

/// The number of bytes of a slot, for the budget.
pub const SLOT: usize = size_of::<Option<Slot>>();
pub const HALVES: usize = size_of::<ws::Halves>();
pub const CONNECTING: usize = size_of::<(Handshake, RecvBuf)>();

impl Server {
    pub fn new(bug: Option<Bug>) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            input: RecvBuf::new(),
            pool: Pool::new(),
            preparer: Preparer::new(DeflateConfig::new()),
            deadlines: Deadlines::new(),
            bug,
            charged: 0,
            freed: 0,
            most_charged: 0,
        }
    }

    /// Takes a new connection. Returns its key.
    pub fn accept(&mut self, id: u32, door: Door) -> usize {
        let handshake = Handshake::new(config(door), Origins::SameOrigin);
        let key = self.free.pop().unwrap_or(self.slots.len());
        if key == self.slots.capacity() {
            self.slots.reserve_exact(key / 4 + 4); // a `Vec` would take twice as much
        }
        self.slots
            .resize_with(self.slots.len().max(key + 1), || None);
        self.slots[key] = Some(Slot {
            id,
            door,
            phase: Phase::Connecting(Box::new((handshake, RecvBuf::new()))),
            out: OutQueue::new(),
            touched: false,
            more: false,
            eof: false,
            in_room: false,
            echoing: false,
            quit_after: u32::MAX,
            messages: 0,
            charge: Charge::default(),
        });
        self.touch(key);
        self.charge(key);
        key
    }

    /// Serves each connection that is ready once, then those whose time has come, and flushes.
    /// Returns whether there is more to do at once.
    pub fn turn(&mut self, now: u64, ready: &[usize], host: &mut impl Host) -> bool {
        for key in self.take_touched() {
            self.serve(key, now, host);
        }
        for &key in ready {
            self.serve(key, now, host);
        }
        let instant = Duration::from_millis(now);
        while let Some(key) = self.deadlines.pop_expired(instant) {
            self.expire(key, now, host);
        }
        for key in self.take_touched() {
            self.flush(key, now, host);
        }
        self.most_charged = self.charged;
        self.charged -= mem::take(&mut self.freed);
        !self.touched.is_empty()
    }

    /// When the server must be called even if nothing arrives.
    pub fn earliest(&self) -> Option<Duration> {
        self.deadlines.earliest()
    }

    /// Sends a message to all connections in the room.
    pub fn broadcast(&mut self, number: u32, text: &str, host: &mut impl Host) {
        let message = Prepared::text(text).compressed(&mut self.preparer);
        for key in 0..self.slots.len() {
            let Some(Slot {
                id,
                phase: Phase::Open(ws),
                out,
                in_room: true,
                ..
            }) = &mut self.slots[key]
            else {
                continue;
            };
            ws.lend(&mut self.pool);
            let delivery = ws.broadcast(&message, BROADCAST_LIMIT, out);
            ws.hibernate(&mut self.pool);
            if let Ok(Delivery::Sent | Delivery::Queued) = delivery {
                host.sent(*id, Sent::Broadcast(number));
                self.touch(key);
                self.charge(key);
            }
        }
    }

    /// What the memory of the connections might be at most in the last turn, in bytes.
    pub fn most_charged(&self) -> usize {
        self.most_charged
    }

    /// How many slots there are, used and free.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none) && self.deadlines.is_empty()
    }

    fn charge(&mut self, key: usize) {
        let Some(slot) = &mut self.slots[key] else {
            return;
        };
        let connecting = matches!(slot.phase, Phase::Connecting(_));
        slot.charge.unsent(slot.out.unsent());
        let before = slot.charge.charged;
        let after = slot.charge.update(slot.door, connecting);
        self.charged += after.saturating_sub(before);
        self.freed += before.saturating_sub(after);
    }

    fn touch(&mut self, key: usize) {
        if let Some(Some(slot)) = self.slots.get_mut(key)
            && !mem::replace(&mut slot.touched, true)
        {
            self.touched.push(key);
        }
    }

    fn take_touched(&mut self) -> Vec<usize> {
        for &key in &self.touched {
            if let Some(slot) = &mut self.slots[key] {
                slot.touched = false;
            }
        }
        mem::take(&mut self.touched)
    }

    /// Whether the mistake happens on this connection.
    fn has_bug(&self, bug: Bug, key: usize) -> bool {
        let slot = self.slots[key].as_ref();
        let Some(slot) = slot.filter(|_| self.bug == Some(bug)) else {
            return false;
        };
        // One connection would not be seen among the codecs of the pool.
        let some = bug == Bug::KeepCodecs || slot.id % 8 == 3;
        some && slot.messages >= 3
    }
}
