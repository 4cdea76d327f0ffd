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

/// Counts what one side costs.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// Bytes received.
    pub(crate) received: usize,
    /// Bytes of room that `meter::most` allows for, and that were lent at once.
    room: u64,
    most_room: usize,
    /// Bytes that were unsent at once.
    most_unsent: usize,
    calls: u64,
    bytes: u64,
    steps: u64,
    memory: Memory,
}

/// Heap memory, in bytes: what calls have left allocated, and the most that there was. Connections
/// that share codecs share it, because one can free what another one has allocated.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(Rc<Cell<(i64, i64)>>);

impl Budget {
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
        let capacity = input.capacity();
        self.receives(bytes);
        self.call(|| read(input));
        self.room += meter::new_room(capacity, input.capacity(), room);
        self.most_room = self.most_room.max(room);
    }

    pub(crate) fn receives(&mut self, bytes: usize) {
        self.received += bytes;
    }

    /// The connection is parked. What it keeps is moved back later.
    pub(crate) fn parks(&mut self) {
        self.room += meter::PARK;
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

    /// Checks the memory: see [`most_memory`](Self::most_memory). `extra` are bytes that something
    /// else may take.
    pub(crate) fn check_memory(&self, limit: usize, inflated: usize, extra: usize) {
        let most = self.most_memory(limit, inflated) + extra;
        assert!(self.peak() <= most as i64, "{most} bytes: {self:?}");
    }

    /// The most memory that `Config::max_message_size` documents, if a message has at most `limit`
    /// bytes and what inflates it at most `inflated`.
    ///
    /// A limit that is not reached does not count: the memory grows with the bytes that arrive.
    pub(crate) fn most_memory(&self, limit: usize, inflated: usize) -> usize {
        let message = limit.min(self.received);
        // The message, an incomplete control frame, and one read. Memory doubles; while it moves,
        // the old one is there as well. A parked message is there as a copy for a moment.
        let plain = 4 * (message + 131 + self.most_room);
        // A text that is collected, and the list of what was parked.
        let text = 3 * message + 512;
        let inflated = match inflated {
            0 => 0,
            // Room of up to 64 KiB, a chunk that is not full, and twice the message.
            inflated => (64 << 10) + (16 << 10) + 2 * inflated + HISTORIES,
        };
        // Memory with room for less than twice what is unsent is left for memory of twice the size, if
        // what was written in front of the rest is too short to be used again.
        let output = 6 * self.most_unsent + 1024;
        plain + text + inflated + output
    }
}
