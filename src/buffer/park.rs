//! What a connection keeps of a receive buffer that it shares with other connections.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{RecvBuf, Waiting};
use crate::{deflate::Inflated, meter};

/// Up to this many bytes, and up to this part of the shared memory, are copied out of it. If there are
/// more, the memory itself goes along: then new memory is made and cleared at the next read.
/// Otherwise a connection could keep memory that another one has made long.
const COPIED: usize = 4 << 10;
const PART: usize = 8;

/// The unread bytes and the message under way of one connection.
pub(crate) enum Parked {
    /// An incomplete frame header or control frame, or the beginning of a frame that waits.
    Unread(Box<[u8]>, Waiting),
    /// A message under way.
    Message(Box<RecvBuf>),
}

/// Shows sizes only: messages are private and must not appear in logs.
impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(bytes, _) => write!(f, "{} bytes", bytes.len()),
            Self::Message(parked) => parked.fmt(f),
        }
    }
}

impl RecvBuf {
    /// Moves the unread bytes and the message under way out of the buffer. Afterwards the buffer is
    /// idle. Returns `None` if it was idle before.
    pub(crate) fn park(&mut self) -> Option<Box<Parked>> {
        let small = self.is_small(self.message.len() + self.unread().len());
        let parked = match &self.assembly {
            None if self.unread().is_empty() => return None,
            None if small => {
                meter::bytes(self.unread().len());
                Parked::Unread(self.unread().into(), self.waiting)
            }
            _ => Parked::Message(Box::new(self.take(small))),
        };
        self.clear_bytes();
        Some(Box::new(parked))
    }

    fn is_small(&self, len: usize) -> bool {
        len <= COPIED.max(self.memory.capacity() / PART)
    }

    /// Moves everything out of the buffer. If `small`, this buffer keeps the memory.
    fn take(&mut self, small: bool) -> Self {
        let mut taken = Self::new();
        if small {
            let mut bytes = Vec::with_capacity(self.message.len() + self.unread().len());
            bytes.extend_from_slice(self.get(self.message.clone()));
            bytes.extend_from_slice(self.unread());
            taken.message = 0..self.message.len();
            (taken.raw, taken.end) = (self.message.len(), bytes.len());
            meter::bytes(bytes.len());
            taken.memory = bytes;
        } else {
            taken.memory = core::mem::take(&mut self.memory);
            taken.message = self.message.clone();
            (taken.raw, taken.end) = (self.raw, self.end);
        }
        if self.assembly.as_ref().is_some_and(|it| it.compressed) {
            self.inflated.shrink();
            taken.inflated = core::mem::replace(&mut self.inflated, Inflated::new());
        }
        if self.assembly.as_ref().is_some_and(|it| it.collected) {
            taken.text = self.take_text();
        }
        taken.assembly = self.assembly.take();
        taken.waiting = self.waiting;
        taken
    }

    /// Moves the collected text out of the buffer, but not memory that another text has made long.
    fn take_text(&mut self) -> String {
        if self.text.capacity() <= COPIED.max(2 * self.text.len()) {
            return core::mem::take(&mut self.text);
        }
        meter::bytes(self.text.len());
        self.text.as_str().into()
    }

    /// Moves what was parked back into the buffer, in front of what has arrived since.
    ///
    /// # Panics
    ///
    /// If a message of another connection is in the buffer: it was not parked.
    pub(crate) fn unpark(&mut self, parked: Parked) {
        assert!(
            self.assembly.is_none() && self.waiting.missing == 0,
            "a message of another connection is in the shared buffer: call park after its last event"
        );
        let heard = self.take_heard();
        match parked {
            Parked::Unread(bytes, waiting) => {
                let arrived = self.unread().len();
                self.put_in_front(&bytes);
                self.waiting = waiting;
                self.waiting.receive(arrived);
            }
            Parked::Message(parked) => self.put(*parked),
        }
        self.heard = heard;
    }

    /// The reverse of [`take`](Self::take), for a buffer without a message.
    fn put(&mut self, parked: Self) {
        // A longer one is not copied back, so that it is copied out only once: from now on it goes
        // along with its memory. But that must not become as long as a read, each time.
        let copied = COPIED.max(self.room / PART);
        let small = parked.end <= copied.min(self.memory.len());
        let (arrived, mut shared) = (self.raw..self.end, Vec::new());
        if small {
            self.put_in_front(&parked.memory[..parked.end]);
        } else {
            shared = core::mem::replace(&mut self.memory, parked.memory);
            self.clear_bytes();
            self.end = parked.end;
        }
        (self.raw, self.message) = (parked.raw, parked.message);
        if parked.assembly.as_ref().is_some_and(|it| it.compressed) {
            self.inflated = parked.inflated;
        }
        if parked.assembly.as_ref().is_some_and(|it| it.collected) {
            self.text = parked.text;
        }
        self.assembly = parked.assembly;
        self.waiting = parked.waiting;
        match small {
            true => self.waiting.receive(arrived.len()),
            false => self.extend_from_slice(&shared[arrived]),
        }
    }

    /// Puts bytes in front of the unread ones.
    fn put_in_front(&mut self, bytes: &[u8]) {
        let arrived = self.raw..self.end;
        let end = bytes.len() + arrived.len();
        if self.memory.len() < end {
            // What was read can be longer than a message may be, so the memory must not double.
            self.grow_within(end, end);
        }
        meter::bytes(end);
        self.memory.copy_within(arrived, bytes.len());
        self.memory[..bytes.len()].copy_from_slice(bytes);
        self.clear_bytes();
        self.end = end;
    }

    /// Drops the bytes, but keeps the memory and the last inflated message.
    fn clear_bytes(&mut self) {
        self.assembly = None;
        self.message = 0..0;
        (self.raw, self.end, self.lent) = (0, 0, false);
        (self.heard, self.waiting) = (false, Waiting::NOTHING);
    }
}
