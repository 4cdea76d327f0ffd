//! The end of the earlier messages, which both peers keep for context takeover: the LZ77 window of
//! RFC 7692 §7.2.3.2.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::meter;

/// The last bytes of one direction, up to the size of its window.
///
/// zlib has its own copy but gives no access to it. The history outlives a codec: a pool can take
/// the codec of an idle connection, and a codec can be restarted after a final block (RFC 7692
/// §7.2.3.4).
pub(crate) struct History {
    /// A ring once it is as long as the window. Before that it grows, and `oldest` is 0.
    bytes: Vec<u8>,
    /// The position of the oldest byte.
    oldest: u16,
    window: u16,
    /// The number of bytes at the end that the codec has not seen, because another compressor made
    /// their message.
    unseen: u16,
}

impl History {
    pub(crate) fn new(window_bits: u8) -> Box<Self> {
        Box::new(Self {
            bytes: Vec::new(),
            oldest: 0,
            window: 1 << window_bits,
            unseen: 0,
        })
    }

    /// Appends bytes that the codec has processed, after all bytes before them.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.append(piece);
        self.unseen = 0;
    }

    /// Appends bytes that the codec has not seen.
    pub(crate) fn push_unseen(&mut self, piece: &[u8]) {
        self.append(piece);
        let unseen = piece.len().saturating_add(self.unseen.into());
        // At most the window, which fits.
        self.unseen = unseen.min(self.window.into()) as u16;
    }

    /// Appends bytes, and drops the oldest ones beyond the window.
    fn append(&mut self, piece: &[u8]) {
        let window = usize::from(self.window);
        let mut piece = &piece[piece.len().saturating_sub(window)..];
        meter::bytes(piece.len());
        let free = window - self.bytes.len();
        if free > 0 {
            let new;
            (new, piece) = piece.split_at(piece.len().min(free));
            let len = self.bytes.len() + new.len();
            // Doubles the capacity, but does not exceed the window.
            if len > self.bytes.capacity() {
                meter::bytes(self.bytes.len());
                let capacity = (2 * len).min(window);
                self.bytes.reserve_exact(capacity - self.bytes.len());
            }
            self.bytes.extend_from_slice(new);
        }
        while !piece.is_empty() {
            let oldest = &mut self.bytes[self.oldest.into()..];
            let new;
            (new, piece) = piece.split_at(piece.len().min(oldest.len()));
            oldest[..new.len()].copy_from_slice(new);
            // A window is a power of two.
            self.oldest = (self.oldest + new.len() as u16) & (self.window - 1);
        }
    }

    /// The bytes in two slices, oldest first.
    pub(crate) fn slices(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest.into());
        [older, newer]
    }

    /// The bytes that the codec has not seen, in two slices, oldest first.
    pub(crate) fn unseen(&self) -> [&[u8]; 2] {
        let [older, newer] = self.slices();
        let seen = self.bytes.len() - usize::from(self.unseen);
        let seen_of_newer = seen.saturating_sub(older.len());
        [&older[seen.min(older.len())..], &newer[seen_of_newer..]]
    }
}

/// Shows sizes only: messages are private and must not appear in logs.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("len", &self.bytes.len())
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
