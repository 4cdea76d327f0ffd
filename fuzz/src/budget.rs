//! What calls of the crate may cost: their number, their memory and their work. A run that exceeds
//! one of them fails.

use allocation_counter::measure;
use websocket_proto::{
    RecvBuf,
    meter::{self, Work, work},
};

/// Heap memory of the two codecs, in bytes, for any parameters: the manual of `deflate` has a table.
pub(crate) const CODECS: usize = 47_680 + 494_856;

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
    /// Heap memory that calls have left allocated.
    held: i64,
    peak: i64,
}

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
        self.peak = self.peak.max(self.held + memory.bytes_max as i64);
        self.held += memory.bytes_current;
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
        self.room += meter::new_room(input, capacity, room);
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

    /// Checks the memory, against what `Config::max_message_size` documents, if a message has at most
    /// `limit` bytes and what inflates it at most `inflated`. `extra` are bytes that something else
    /// may take.
    ///
    /// A limit that is not reached does not count: the memory grows with the bytes that arrive.
    pub(crate) fn check_memory(&self, limit: usize, inflated: usize, extra: usize) {
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
        let most = plain + text + inflated + output + extra;
        assert!(self.peak <= most as i64, "{most} bytes: {self:?}");
    }
}
