//! The memory that messages are inflated into.

use alloc::{vec, vec::Vec};
use core::fmt;

/// How many bytes are inflated at once, at most: what a message can cost above its length while it
/// is under way.
pub(crate) const CHUNK: usize = 16 << 10;

/// What is made room for at first: most messages are short.
const FIRST: usize = 4 << 10;

/// A message while it inflates, and until the next one.
///
/// It grows by chunks instead of by longer and longer copies of itself. So a message that never
/// becomes whole, as that of a bomb, takes no more than its length and a chunk; one that does is
/// copied once, when the chunks are joined.
#[derive(Default)]
pub(crate) struct Inflated {
    /// Every byte is initialised: safe Rust has no other way to lend room to inflate into.
    first: Vec<u8>,
    more: Vec<Vec<u8>>,
    len: usize,
}

impl Inflated {
    pub(crate) const fn new() -> Self {
        Self {
            first: Vec::new(),
            more: Vec::new(),
            len: 0,
        }
    }

    /// Forgets the message, and keeps its memory for the next.
    pub(crate) fn clear(&mut self) {
        self.more = Vec::new();
        self.len = 0;
    }

    /// Bytes of heap memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.first.capacity() + self.more.iter().map(Vec::capacity).sum::<usize>()
    }

    /// Room for what comes next: what the last message left, or a new chunk. None once there are
    /// `limit` bytes.
    pub(super) fn room(&mut self, limit: usize) -> &mut [u8] {
        let most = CHUNK.min(limit.saturating_sub(self.len));
        if self.first.is_empty() {
            self.first = vec![0; most.min(FIRST)];
        }
        let Some(behind) = self.len.checked_sub(self.first.len()) else {
            let end = self.first.len().min(limit.max(self.len));
            return &mut self.first[self.len..end];
        };
        // All of them are as long as a chunk, but for the last one before the limit.
        let (index, at) = (behind / CHUNK, behind % CHUNK);
        if index == self.more.len() && most > 0 {
            self.more.push(vec![0; most]);
        }
        let chunk = self.more.get_mut(index).map(|chunk| &mut chunk[at..]);
        chunk.unwrap_or_default()
    }

    /// Tells that `n` bytes have been written into the room, and lends them.
    pub(super) fn written(&mut self, n: usize) -> &[u8] {
        let at = self.len;
        self.len += n;
        match at.checked_sub(self.first.len()) {
            Some(behind) if n > 0 => &self.more[behind / CHUNK][behind % CHUNK..][..n],
            Some(_) => &[],
            None => &self.first[at..self.len],
        }
    }

    /// The message so far, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut len = self.len;
        let chunks = core::iter::once(&self.first).chain(&self.more);
        chunks.map(move |chunk| {
            let piece = &chunk[..chunk.len().min(len)];
            len -= piece.len();
            piece
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes one piece of the whole message.
    pub(super) fn join(&mut self) -> &[u8] {
        if !self.more.is_empty() {
            // With a byte to spare, so that the next message of this length leaves some room, and
            // is not taken to have more to come.
            let mut whole = Vec::with_capacity(self.len + 1);
            self.pieces()
                .for_each(|piece| whole.extend_from_slice(piece));
            whole.push(0);
            self.first = whole;
            self.more = Vec::new();
        }
        self.bytes()
    }

    /// The message, once it is whole.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.first[..self.len]
    }
}

/// Messages are not for logs.
impl fmt::Debug for Inflated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflated")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
