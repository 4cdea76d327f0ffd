//! What calls of the crate may cost: their number, their memory and their work. A run that exceeds
//! one of them fails.

use std::{cell::Cell, rc::Rc};

use allocation_counter::measure;
use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, RecvBuf,
    deflate::{Compression, DeflateConfig, Params},
    meter::{self, Work, work},
};

use crate::support::{
    Side,
    deflate::{Peer, compressed},
};

/// Heap memory of the two codecs, in bytes, for any parameters: the manual of `deflate` has a table.
pub(crate) const CODECS: usize = 47_680 + 494_856;

/// The same for a connection of these parameters, measured.
pub(crate) fn codecs_of(side: Side, params: Params, own: DeflateConfig) -> usize {
    let ws = Connection::assume_opened(side.role(), Config::new());
    let mut ws = ws.with_deflate(params, own);
    ws.set_compression(Compression::Always);
    let message = compressed(Peer::new(9).message(&[b'a'; 100]));
    let message = message.to(side).bytes();
    let memory = measure(|| {
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        ws.send_binary(&[b'a'; 100], &mut out).expect("it is open");
        input.extend_from_slice(&message);
        let event = ws.next_event(&mut input, &mut out);
        assert!(matches!(event, Ok(Some(Event::Binary(_)))));
    });
    let codecs = memory.bytes_current as usize;
    // The histories of two short messages, and the mask keys.
    assert!(codecs <= CODECS + 1024, "{codecs} bytes");
    codecs
}

/// The two histories of a connection, in bytes.
pub(crate) const HISTORIES: usize = 2 * (32 + (32 << 10)) + 2 * 40;

/// The longest incomplete header or control frame, in bytes.
const INCOMPLETE: usize = 130;

const KIB: usize = 1 << 10;

/// What one side may receive: what the documented bounds of memory depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// `Config::max_message_size` and `Config::parts_above`.
    pub(crate) message: usize,
    pub(crate) parts: usize,
    /// The longest message and the longest text that the peer has sent, if they are known.
    pub(crate) longest: usize,
    pub(crate) text: usize,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            message: config.max_message_size,
            parts: config.parts_above,
            longest: usize::MAX,
            text: usize::MAX,
        }
    }

    /// The same for a handshake: the head is the message.
    pub(crate) fn head(config: &Config) -> Self {
        Self {
            message: config.max_head_size,
            ..Self::new(config)
        }
    }
}

/// Counts what one side costs.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    /// Bytes received.
    pub(crate) received: usize,
    /// Bytes of room that `meter::most` allows for, and the longest room that was lent at once.
    room: u64,
    most_room: usize,
    /// The longest read of the application into a buffer of its own.
    most_own: usize,
    /// Bytes that were unsent at once.
    most_unsent: usize,
    parks: bool,
    calls: u64,
    bytes: u64,
    steps: u64,
    memory: Memory,
}

/// Nothing is received.
impl Default for Budget {
    fn default() -> Self {
        Self::new(Limits {
            message: 0,
            parts: 0,
            longest: 0,
            text: 0,
        })
    }
}

/// Heap memory, in bytes: what calls have left allocated, and the most that there was. Connections
/// that share codecs share it, because one can free what another one has allocated.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(Rc<Cell<(i64, i64)>>);

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            received: 0,
            room: 0,
            most_room: 0,
            most_own: 0,
            most_unsent: 0,
            parks: false,
            calls: 0,
            bytes: 0,
            steps: 0,
            memory: Memory::default(),
        }
    }

    /// Makes a call that is due because the peer has sent something.
    pub(crate) fn call<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let before = work();
        let result = self.own(call);
        let done = work() - before;
        self.calls += 1;
        self.bytes += done.bytes;
        self.steps += done.steps;
        result
    }

    /// Makes a call that the application decides to make. Only its memory counts.
    pub(crate) fn own<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let mut result = None;
        let memory = measure(|| result = Some(call()));
        let (held, peak) = self.memory.0.get();
        let peak = peak.max(held + memory.bytes_max as i64);
        (self.memory.0).set((held + memory.bytes_current, peak));
        result.expect("it was called")
    }

    /// A call that is a read of so many bytes, into so much room.
    pub(crate) fn reads(
        &mut self,
        input: &mut RecvBuf,
        bytes: usize,
        room: usize,
        read: impl FnOnce(&mut RecvBuf),
    ) {
        self.receives(bytes, room);
        self.makes_room(input, room, read);
    }

    pub(crate) fn receives(&mut self, bytes: usize, room: usize) {
        self.received += bytes;
        // An empty read gets room for one byte.
        self.most_room = self.most_room.max(room.max(1));
    }

    /// The application reads into a buffer of its own, with so much room.
    pub(crate) fn reads_elsewhere(&mut self, room: usize) {
        self.most_own = self.most_own.max(room);
    }

    /// A call that can make the buffer longer, by so many bytes for itself.
    fn makes_room(&mut self, input: &mut RecvBuf, room: usize, call: impl FnOnce(&mut RecvBuf)) {
        let capacity = input.capacity();
        self.call(|| call(input));
        self.room += meter::new_room(capacity, input.capacity(), room);
    }

    /// The connection is parked. What it keeps is moved back later.
    pub(crate) fn parks(&mut self) {
        self.parks = true;
        self.room += meter::park(self.most_room);
    }

    /// A call that moves back what was parked.
    pub(crate) fn resumes(&mut self, input: &mut RecvBuf, resume: impl FnOnce(&mut RecvBuf)) {
        self.makes_room(input, meter::park(self.most_room) as usize, resume);
    }

    pub(crate) fn unsent(&mut self, bytes: usize) {
        self.most_unsent = self.most_unsent.max(bytes);
    }

    /// Checks the work, if each received byte may cause `per_byte`.
    pub(crate) fn check_work(&self, per_byte: u64) {
        let done = Work {
            bytes: self.bytes,
            steps: self.steps,
        };
        let most = meter::most(per_byte, self.received as u64, self.calls, self.room);
        assert!(done.is_within(most), "{done:?} of {most:?}: {self:?}");
    }

    /// Counts the memory together with that of another side.
    pub(crate) fn share_memory(&mut self, other: &Self) {
        self.memory = other.memory.clone();
    }

    pub(crate) fn peak(&self) -> i64 {
        self.memory.0.get().1
    }

    /// Checks the length of the receive buffer, if so many bytes were inflated; `None` without
    /// compression.
    pub(crate) fn check_buffer(&self, input: &RecvBuf, inflated: Option<usize>) {
        let (most, capacity) = (self.most_buffer(inflated), input.capacity());
        assert!(
            capacity <= most,
            "a buffer of {capacity} instead of {most} bytes, {inflated:?} inflated: {self:?}"
        );
    }

    /// Checks the memory of all calls: see [`most_memory`](Self::most_memory). `extra` are bytes that
    /// something else may take.
    pub(crate) fn check_memory(&self, inflated: Option<usize>, extra: usize) {
        let most = self.most_memory(inflated) + extra;
        let peak = self.peak();
        assert!(peak <= most as i64, "{peak} of {most} bytes: {self:?}");
    }

    /// The most bytes of a message that can be in the buffer.
    fn whole(&self) -> usize {
        let Limits {
            message,
            parts,
            longest,
            ..
        } = self.limits;
        message.min(parts).min(longest).min(self.received)
    }

    /// The documented length of a buffer with plain messages, in bytes.
    ///
    /// Its limits are rarely reached by an input for the fuzzer, so it must also keep to the rule that
    /// the buffer doubles at most.
    fn most_plain(&self) -> usize {
        let (room, limit) = (self.most_room, self.limits.message.min(self.limits.parts));
        let limited = limit.saturating_add(limit / 8 + room + INCOMPLETE);
        let arrived = self.received.min(self.whole() + INCOMPLETE + 14);
        let text = match self.whole().min(self.limits.text) {
            0 if self.limits.text == 0 => 0,
            // In parts, an incomplete character is not part of the limit.
            len => (256 * KIB).min(limit.saturating_add(3)).min(2 * len + 3),
        };
        limited.min(2 * (arrived + room)) + text
    }

    /// What inflated messages take, documented: until they are complete, and while they are joined.
    fn most_inflated(&self, inflated: usize) -> (usize, usize) {
        let Limits {
            message,
            parts,
            longest,
            ..
        } = self.limits;
        let longest = message.min(longest).min(inflated);
        let whole = longest.min(parts);
        let more = if whole < longest { 128 * KIB } else { 64 * KIB };
        let room = self.most_room;
        (whole + room + more, 2 * whole + room + 8 * KIB)
    }

    /// The documented length of the receive buffer.
    fn most_buffer(&self, inflated: Option<usize>) -> usize {
        let plain = self.most_plain();
        inflated.map_or(plain, |inflated| {
            plain.max(self.most_inflated(inflated).0) + 64 * KIB
        })
    }

    /// Checks the memory of a handshake: four times its limit, if that is the length of a read, and a
    /// response or a connection.
    ///
    /// If reads are shorter, the buffer doubles like any other.
    pub(crate) fn check_head(&self, input: &RecvBuf) {
        let (limit, room) = (self.limits.message, self.most_room);
        let arrived = 2 * (limit.min(self.received) + room);
        assert!(input.capacity() <= arrived, "{input:?}: {self:?}");
        let most = match room >= limit {
            true => 2 * (limit + room),
            false => 2 * arrived,
        };
        let (peak, most) = (self.peak(), most + 1024);
        assert!(peak <= most as i64, "{peak} of {most} bytes: {self:?}");
    }

    /// The most memory that is documented (SECURITY.md, `Config::max_message_size`), without the codecs.
    ///
    /// Plain memory grows: the old one is there as well for a moment. A parked message is there beside
    /// the shared buffer.
    pub(crate) fn most_memory(&self, inflated: Option<usize>) -> usize {
        let plain = 2 * self.most_plain();
        let receiving = inflated.map_or(plain, |inflated| {
            let (held, joined) = self.most_inflated(inflated);
            plain.max(held).max(joined) + 64 * KIB + HISTORIES
        });
        let parked = match (self.parks, self.whole()) {
            (false, _) => 0,
            (true, len @ ..=4096) => len + 280,
            (true, len) => 8 * len + 280,
        };
        let parked_inflated = match inflated {
            Some(inflated) if self.parks => self.limits.message.min(inflated) + 64 * KIB,
            _ => 0,
        };
        // Memory with room for less than twice what is unsent is left for memory of twice the size, if
        // what was written in front of the rest is too short to be used again.
        let output = 6 * self.most_unsent;
        // A client's mask keys, both Close frames.
        receiving + parked + parked_inflated + self.most_own + output + 260 + 300
    }
}
