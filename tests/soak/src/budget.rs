//! What the server's memory may be, computed from its `Config`, its constants, and what its
//! connections hold: the rows of the manual's tables, added up.

use websocket_proto::meter::{self, Work};

use crate::{
    scenario::Door,
    server::{
        CONNECTING, HALVES, SLOT,
        config::{HEAD, MAX_MESSAGE, READ},
    },
};

/// "An incomplete header (14 bytes) or control frame (130 bytes)", "about 260 bytes" for the state
/// of a message under way, and the boxes around them.
const PARKED: usize = 14 + 130 + 260 + 100;
/// "For text 256 KiB."
const TEXT: usize = 256 << 10;
/// "A compressed message under way holds its inflated size and 64 KiB."
const INFLATED: usize = MAX_MESSAGE + (64 << 10);
/// The manual's tables of `deflate`.
const INFLATER: usize = 47_680;
const COMPRESSOR: usize = 279_816;
/// The server's windows of 12 and 15 bits, in the pool and on a connection, and the preparer.
const COMPRESSORS: usize = 4;
const STATE: usize = 40;
const HISTORY: usize = 32;
/// The two Close frames of a connection: their reasons are short.
const CLOSE: usize = 400;
/// A deadline, its place, and the keys in the server's lists.
const KEYS: usize = 2 * (4 + 16 + 8 + 8);

/// What one connection may hold.
#[derive(Debug, Default, Clone, Copy)]
pub struct Charge {
    /// Bytes that were read since no message was under way.
    pub held: usize,
    /// The most bytes that were unsent since the last complete flush.
    unsent: usize,
    /// What was charged last, in bytes.
    pub charged: usize,
}

impl Charge {
    pub fn unsent(&mut self, unsent: usize) {
        self.unsent = self.unsent.max(unsent);
    }

    pub fn flushed(&mut self) {
        self.unsent = 0;
    }

    pub fn update(&mut self, door: Door, connecting: bool) -> usize {
        let heap = match connecting {
            // Its own buffer, which grows by doubling.
            true => CONNECTING + 2 * (self.held + HEAD),
            false => open(door) + under_way(door, self.held),
        };
        // A queue of bytes and of shared payloads grows by doubling, and keeps the room in front of
        // what was not flushed.
        self.charged = KEYS + heap + 3 * self.unsent;
        self.charged
    }
}

/// An open connection without a message under way.
fn open(door: Door) -> usize {
    let halves = if door.has_halves() { HALVES + 32 } else { 0 };
    let history = |bits: u32| STATE + HISTORY + (1 << bits);
    CLOSE
        + halves
        + match door {
            Door::Plain | Door::Parts | Door::Halves => 0,
            Door::Alone => 2 * STATE,
            Door::Takeover => 2 * history(15),
            Door::HalvesTakeover => 2 * history(12),
        }
}

/// A message under way.
fn under_way(door: Door, held: usize) -> usize {
    if held == 0 {
        return 0;
    }
    // What is more than an eighth of the shared memory takes that memory along (`park`), up to the
    // limit of a message and one read.
    let plain = PARKED + (8 * held).min(MAX_MESSAGE + READ + TEXT);
    match door.compresses() {
        true => plain + INFLATED + INFLATER,
        false => plain,
    }
}

/// What all connections share: slots (twice, when they move), the receive buffer at its largest
/// (twice, when it grows), the pool, the preparer, and one broadcast.
pub fn shared(slots: usize) -> usize {
    let slots = slots.max(4) * SLOT * 9 / 4;
    let input = 2 * (MAX_MESSAGE + READ + TEXT + INFLATED);
    slots + input + INFLATER + COMPRESSORS * COMPRESSOR + (64 << 10)
}

/// The work of the calls of one kind, as the meter of the crate counts it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub work: Work,
    calls: u64,
    room: u64,
}

impl Cost {
    pub fn add(&mut self, work: Work, room: u64) {
        self.work.bytes += work.bytes;
        self.work.steps += work.steps;
        self.calls += 1;
        self.room += room;
    }

    /// The documented bound for so many received bytes.
    pub fn most(&self, per_byte: u64, received: u64) -> Work {
        meter::most(per_byte, received, self.calls, self.room)
    }
}

/// The work that a received byte can cause on an open connection.
pub fn per_byte(door: Door) -> u64 {
    match door.compresses() {
        true => meter::DEFLATE,
        false => meter::PLAIN,
    }
}
