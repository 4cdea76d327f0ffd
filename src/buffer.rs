//! All receive memory of a connection, and the position in it.
//!
//! ```text
//! 0          message.start   message.end      raw            end          memory.len()
//! | delivered |   message     |     gap        |  unread      |    spare    |
//! ```
//!
//! `message` is what has been assembled of the message under way; a further fragment's payload
//! moves over the gap, once, to its end. Everything else stays where the network put it until
//! [`RecvBuf::spare`] makes room.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use crate::{deflate::Inflated, message::Assembly};

/// How many bytes an idle kind of memory may keep, without compression or with it.
const KEPT: usize = 64 << 10;

/// The receive buffer of one connection: the caller reads into it, the connection takes frames
/// out of it, and events borrow from it.
///
/// It starts without heap memory, grows with the bytes that arrive (never with what a peer
/// announces), and gives everything back on [`release`](Self::release). The position inside a
/// half-received frame or message is kept here too, so a buffer stays with its connection while
/// it is not [idle](Self::is_idle).
///
/// ```
/// use websocket_proto::RecvBuf;
///
/// let mut input = RecvBuf::new();
/// let mut socket: &[u8] = b"bytes from a peer";
///
/// let spare = input.spare(4096);                              // at least 4096 bytes of room
/// let n = std::io::Read::read(&mut socket, spare)?;
/// input.filled(n);
/// assert_eq!(input.unread(), b"bytes from a peer");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct RecvBuf {
    /// Every byte is initialised: safe Rust has no other way to lend room to read into.
    memory: Vec<u8>,
    raw: usize,
    end: usize,
    pub(crate) message: Range<usize>,
    /// Decoding progress: the message of which some part has arrived.
    pub(crate) assembly: Option<Assembly>,
    /// The last message that was compressed.
    pub(crate) inflated: Inflated,
    /// How much of the spare room has been lent and not been filled yet.
    lent: usize,
    heard: bool,
}

impl RecvBuf {
    /// An empty buffer, without heap memory.
    pub const fn new() -> Self {
        Self {
            memory: Vec::new(),
            raw: 0,
            end: 0,
            message: 0..0,
            assembly: None,
            inflated: Inflated::new(),
            lent: 0,
            heard: false,
        }
    }

    /// Lends room for the next read: exactly `len` bytes, but at least one. The bytes in it are
    /// zeros or left over from earlier reads.
    ///
    /// Call [`filled`](Self::filled) with the number of bytes that were read. `len` bounds what one
    /// read can bring, and so the work that the next events can cause: 16 KiB is a good choice.
    ///
    /// This is the only call that grows memory. If the room is too small the capacity doubles, but
    /// it never exceeds the unread bytes, `len`, and [`Config::max_message_size`] for a message
    /// under way.
    ///
    /// # Panics
    ///
    /// If the capacity would exceed what a `Vec` can hold.
    ///
    /// [`Config::max_message_size`]: crate::Config::max_message_size
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        self.close_gap_if_drained();
        let len = len.max(1);
        // A frame whose rest does not fit is moved while little of it is here.
        let rest = self.assembly.as_ref().map_or(0, Assembly::remaining);
        if self.memory.len() - self.end < len.max(rest) {
            self.compact();
        }
        let needed = self.end.checked_add(len).expect("capacity overflow");
        if self.memory.len() < needed {
            self.grow(needed);
        }
        self.lent = len;
        &mut self.memory[self.end..needed]
    }

    /// Tells that `n` bytes have been read into what [`spare`](Self::spare) has just lent.
    ///
    /// # Panics
    ///
    /// If `n` is more than the room that `spare` lent, or called twice for the same room.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        let lent = core::mem::take(&mut self.lent);
        assert!(n <= lent, "filled({n}), but spare() had lent {lent} bytes");
        self.end += n;
        self.heard |= n > 0;
    }

    /// Copies bytes in that were read elsewhere, such as a buffer of an io_uring ring.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.spare(bytes.len()).copy_from_slice(bytes);
            self.filled(bytes.len());
        }
    }

    /// The bytes that have arrived and that nothing has taken yet.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.memory[self.raw..self.end]
    }

    /// Whether the buffer is between two messages with nothing unread, so that the connection
    /// could go on with another buffer.
    pub fn is_idle(&self) -> bool {
        self.raw == self.end && self.assembly.is_none()
    }

    /// Bytes of heap memory held.
    pub fn capacity(&self) -> usize {
        self.memory.capacity() + self.inflated.capacity()
    }

    /// Gives all heap memory back if the buffer [is idle](Self::is_idle), and does nothing
    /// otherwise. Call it before a long wait.
    pub fn release(&mut self) {
        if self.is_idle() {
            self.memory = Vec::new();
            self.inflated = Inflated::new();
            (self.raw, self.end, self.lent) = (0, 0, 0);
        }
    }

    /// Drops everything that has arrived, and what is under way. A buffer that is used for another
    /// connection must be cleared in between.
    pub fn clear(&mut self) {
        self.assembly = None;
        self.inflated = Inflated::new();
        self.message = 0..0;
        self.raw = self.end;
    }

    /// Keeps the first `n` unread bytes, and drops what is behind them.
    pub(crate) fn truncate_unread(&mut self, n: usize) {
        self.end = self.end.min(self.raw.saturating_add(n));
    }

    /// Whether bytes have arrived since the last call.
    #[inline]
    pub(crate) fn take_heard(&mut self) -> bool {
        core::mem::take(&mut self.heard)
    }

    /// Takes the header and the payload of a frame, and says where the payload is.
    #[inline]
    pub(crate) fn consume_frame(&mut self, header_len: usize, len: usize) -> Range<usize> {
        let start = self.raw + header_len;
        self.raw = start + len;
        debug_assert!(self.raw <= self.end);
        start..self.raw
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.memory[range]
    }

    /// Takes the next `n` unread bytes, and says where they are.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) -> Range<usize> {
        let start = self.raw;
        self.raw += n;
        debug_assert!(self.raw <= self.end);
        start..self.raw
    }

    #[inline]
    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.memory[range]
    }

    /// Begins a message whose payload starts at the next unread byte. Memory that an earlier
    /// message of the other sort has left is given back: a peer cannot make both of them large.
    pub(crate) fn begin_message(&mut self, assembly: Assembly) {
        if assembly.compressed {
            self.shrink();
            self.inflated.begin(assembly.kind);
        } else if self.inflated.capacity() > KEPT {
            self.inflated = Inflated::new();
        }
        self.message = self.raw..self.raw;
        self.assembly = Some(assembly);
    }

    /// Moves what has arrived of the frame under way to the end of its message, and lends it. `None`
    /// if no message is under way.
    #[inline]
    pub(crate) fn append_to_message(&mut self) -> Option<(&mut Assembly, &mut [u8])> {
        let message = self.assembly.as_mut()?;
        let n = message.remaining().min(self.end - self.raw);
        let (from, to) = (self.raw, self.message.end);
        if from != to {
            self.memory.copy_within(from..from + n, to);
        }
        self.raw += n;
        self.message.end += n;
        Some((message, &mut self.memory[to..to + n]))
    }

    /// Takes what has arrived of the frame under way, `most` bytes of it at once, and lends it
    /// together with what it inflates into. `None` if no message is under way.
    pub(crate) fn take_compressed(
        &mut self,
        most: usize,
    ) -> Option<(&mut Assembly, &mut [u8], &mut Inflated)> {
        let message = self.assembly.as_mut()?;
        let n = message.remaining().min(self.end - self.raw).min(most);
        let piece = &mut self.memory[self.raw..self.raw + n];
        self.raw += n;
        Some((message, piece, &mut self.inflated))
    }

    /// Ends the message, and says where it is.
    pub(crate) fn end_message(&mut self) -> Range<usize> {
        self.assembly = None;
        core::mem::take(&mut self.message)
    }

    /// Grows the memory to `needed` bytes at least.
    fn grow(&mut self, needed: usize) {
        let doubled = self.memory.len().saturating_mul(2);
        let most = match &self.assembly {
            // The last step need not exceed what may become of the message. (More than a part of a
            // control frame is unread only if the caller takes no events.)
            Some(message) if !message.compressed && self.end - self.raw < 256 => {
                needed.saturating_add(message.limit - self.message.len())
            }
            _ => usize::MAX,
        };
        let len = needed.max(doubled.min(most));
        self.memory.reserve_exact(len - self.memory.len());
        self.memory.resize(len, 0);
    }

    /// Gives back what the unread bytes do not need, if that is much.
    fn shrink(&mut self) {
        if self.memory.len() > KEPT.max(2 * (self.end - self.raw)) {
            self.compact();
            self.memory.truncate(self.end);
            self.memory.shrink_to_fit();
        }
    }

    /// Without unread bytes, what comes next can follow the message directly.
    fn close_gap_if_drained(&mut self) {
        if self.raw == self.end {
            if self.assembly.is_none() {
                self.message = 0..0;
            }
            self.raw = self.message.end;
            self.end = self.message.end;
        }
    }

    /// Moves the message and the unread bytes to the front, unless they are there: a long message
    /// that waits for its rest must not be copied onto itself at every read.
    fn compact(&mut self) {
        let mut kept = 0;
        if self.assembly.is_some() {
            kept = self.message.len();
            if self.message.start > 0 {
                self.memory.copy_within(self.message.clone(), 0);
            }
        }
        self.message = 0..kept;
        if self.raw > kept {
            self.memory.copy_within(self.raw..self.end, kept);
        }
        self.end = kept + self.end - self.raw;
        self.raw = kept;
    }
}

impl fmt::Debug for RecvBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBuf")
            .field("unread", &(self.end - self.raw))
            .field("message", &self.message.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
