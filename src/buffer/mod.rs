//! The receive memory of a connection, and the position in it.
//!
//! ```text
//! 0          message.start   message.end      raw            end          memory.len()
//! | delivered |   message     |     gap        |  unread      |    spare    |
//! ```
//!
//! `message` is the part of a fragmented message that has been assembled. The payload of the next
//! fragment is moved once, over the gap, to the end of `message`. All other bytes stay where they
//! were read until [`RecvBuf::spare`] makes room.

use alloc::{string::String, vec::Vec};
use core::{fmt, ops::Range};

use crate::{
    deflate::Inflated,
    message::{Assembly, MessageKind},
    meter,
    utf8::{InvalidUtf8, complete_len},
};

mod park;
mod text;

pub(crate) use park::Parked;

/// How many bytes of plain memory are kept while a compressed message arrives, and of inflated
/// memory while a plain one arrives. For plain memory and a text that is collected it is four times
/// as much. So a peer cannot make more than one of them long.
const KEPT: usize = 64 << 10;

/// The part of the maximum size of a message that the buffer grows by if reads become longer while it
/// is at that size.
const LONGER: usize = 8;

/// The longest payload that waits in the buffer until all of it is here, in bytes.
pub(crate) const WAITING: usize = 16 << 10;

/// The longest incomplete header or control frame, in bytes.
const INCOMPLETE: usize = 2 + 4 + 125 - 1;

/// The sizes of reads that [`RecvBuf::read_size`] advises: into a buffer without memory, usually, and
/// inside a long frame.
const FIRST_READ: usize = 2 << 10;
const READ: usize = 16 << 10;
const LONG_READ: usize = 64 << 10;

/// The receive buffer of one connection. The caller reads into it, the connection takes frames out
/// of it, and events borrow from it.
///
/// A new buffer has no heap memory. It grows with the bytes that arrive, never with a length that a
/// peer announces: see [`Config::max_message_size`](crate::Config::max_message_size).
/// [`release`](Self::release) gives the memory back.
///
/// The buffer also holds the position inside a frame or message that is not complete. You
/// can replace the buffer of a connection by another one only if [`is_idle`](Self::is_idle) is true.
/// Call
/// [`clear`](Self::clear) before you use a buffer for another connection.
///
/// ```
/// use websocket_proto::RecvBuf;
///
/// let mut input = RecvBuf::new();
/// let mut socket: &[u8] = b"bytes from a peer";
///
/// // Room for a read of at most 4096 bytes.
/// let spare = input.spare(4096);
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
    /// The message under way.
    pub(crate) assembly: Option<Assembly>,
    /// The last text that was collected piece by piece.
    text: String,
    /// The last message that arrived compressed, inflated.
    pub(crate) inflated: Inflated,
    /// What is known of the frame whose bytes wait here until all of them have arrived.
    pub(crate) waiting: Waiting,
    /// The length of the room that `spare` lent last.
    room: usize,
    /// `filled` was not called since.
    lent: bool,
    /// Bytes have arrived since the last `take_heard`.
    pub(crate) heard: bool,
}

/// A frame that is not taken before all of it has arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    /// Bytes of the payload that have arrived.
    pub(crate) received: u32,
    /// Bytes that have not arrived; 0 if no frame waits.
    pub(crate) missing: u32,
}

impl Waiting {
    const NOTHING: Self = Self {
        received: 0,
        missing: 0,
    };

    #[inline]
    fn receive(&mut self, n: usize) {
        if self.missing > 0 {
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            self.received = self.received.saturating_add(n);
            self.missing = self.missing.saturating_sub(n);
        }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl RecvBuf {
    /// Makes an empty buffer without heap memory.
    pub const fn new() -> Self {
        Self {
            memory: Vec::new(),
            raw: 0,
            end: 0,
            message: 0..0,
            assembly: None,
            text: String::new(),
            inflated: Inflated::new(),
            waiting: Waiting::NOTHING,
            room: 0,
            lent: false,
            heard: false,
        }
    }

    /// Returns how many bytes are worth reading next. Pass it to [`spare`](Self::spare), or to
    /// [`swap`](Self::swap).
    ///
    /// - Usually it is the size of the buffer, from 2 KiB to 16 KiB, and 16 KiB after a read that filled
    ///   it. Larger reads leave the fastest cache of the CPU, smaller ones cost more system calls.
    /// - In a buffer without memory it is 2 KiB. So a connection that is released at rest, and wakes
    ///   for a short message, does not pay for clearing 16 KiB.
    /// - Inside a frame that is not compressed it is the rest of that frame, if that is more than usual,
    ///   up to 64 KiB. The next frame then begins at the start of the buffer, and nothing has to be
    ///   moved.
    #[inline]
    pub fn read_size(&self) -> usize {
        let usual = match self.memory.len() {
            0 => FIRST_READ,
            len if len == self.end => READ,
            len => len.clamp(FIRST_READ, READ),
        };
        self.missing().clamp(usual, LONG_READ)
    }

    /// The number of bytes of the frame under way that have not arrived. 0 if it is not known.
    #[inline]
    fn missing(&self) -> usize {
        match &self.assembly {
            Some(message) if message.compressed => 0,
            Some(message) => message.remaining(),
            None => self.waiting.missing as usize,
        }
    }

    /// Lends room for the next read: exactly `len` bytes; 0 counts as 1. The bytes in it are
    /// zeros or left over from earlier reads.
    ///
    /// Take all events first. Then call `spare`, read, and call [`filled`](Self::filled) with the
    /// number of bytes that were read. `len` bounds the bytes of one read, and so the work of the
    /// next events. [`read_size`](Self::read_size) is a good choice.
    ///
    /// If the room is too small, the capacity grows, usually to twice as much. For a plain message
    /// under way it never exceeds [`Config::max_message_size`], `len` and the bytes of an incomplete
    /// header or control frame (at most 130) together; if `len` has become larger since the message is
    /// so long, an eighth of that size more. A text that is not ASCII is collected in other memory, so
    /// for it the buffer may be 256 KiB larger.
    ///
    /// # Panics
    ///
    /// If the capacity would exceed what a `Vec` can hold.
    ///
    /// [`Config::max_message_size`]: crate::Config::max_message_size
    #[inline]
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        self.close_gap_if_drained();
        let len = len.max(1);
        // If the rest of the frame does not fit, move the frame now, while it is short.
        if self.memory.len() - self.end < len.max(self.missing()) {
            self.compact();
        }
        let needed = self.end.checked_add(len).expect("capacity overflow");
        if self.memory.len() < needed {
            self.grow(needed);
        }
        (self.room, self.lent) = (len, true);
        &mut self.memory[self.end..needed]
    }

    /// Takes over a buffer that was filled elsewhere, for example by io_uring, and returns another
    /// one to fill next. That one is empty, and has a capacity of at least `room` bytes. Call `swap`
    /// instead of [`spare`](Self::spare) and [`filled`](Self::filled).
    ///
    /// All bytes of the argument `filled` count as received. They are not copied if the buffer holds no bytes:
    /// if it [is idle](Self::is_idle), or if all that has arrived of a message was delivered in
    /// parts. Otherwise the bytes of `filled` are copied behind those in the buffer. To get the first
    /// buffer, pass an empty `Vec`.
    ///
    /// ```
    /// use websocket_proto::RecvBuf;
    ///
    /// let mut input = RecvBuf::new();
    /// let mut buffer = input.swap(Vec::new(), 4096);
    /// for bytes in [b"first", b"other"] {
    ///     // The kernel owns the buffer while it reads.
    ///     buffer.extend_from_slice(bytes);
    ///     buffer = input.swap(buffer, 4096);
    ///     assert!(buffer.is_empty() && buffer.capacity() >= 4096);
    ///     // Take all events.
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spare`](Self::spare).
    pub fn swap(&mut self, mut filled: Vec<u8>, room: usize) -> Vec<u8> {
        self.close_gap_if_drained();
        if self.end > 0 {
            self.extend_from_slice(&filled);
        } else {
            self.end = filled.len();
            (self.lent, self.waiting) = (false, Waiting::NOTHING);
            self.heard |= self.end > 0;
            core::mem::swap(&mut self.memory, &mut filled);
        }
        filled.clear();
        filled.reserve(room);
        filled
    }

    /// Tells the buffer that `n` bytes were read into the room that [`spare`](Self::spare) lent.
    /// Call it once after each `spare`. If nothing was read, the call can be left out.
    ///
    /// # Panics
    ///
    /// If `n` is more than the length of that room, or if `n` is not 0 in a second call for the
    /// same room.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        let lent = if self.lent { self.room } else { 0 };
        self.lent = false;
        assert!(
            n <= lent,
            "filled({n}) was called, but spare() lent {lent} bytes"
        );
        self.end += n;
        self.heard |= n > 0;
        self.waiting.receive(n);
    }

    /// Appends a copy of bytes that were read into other memory, for example by io_uring. It
    /// replaces [`spare`](Self::spare) and [`filled`](Self::filled).
    ///
    /// # Panics
    ///
    /// As [`spare`](Self::spare).
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            meter::bytes(bytes.len());
            self.spare(bytes.len()).copy_from_slice(bytes);
            self.filled(bytes.len());
        }
    }

    /// Returns the bytes that have arrived and were not taken by the handshake or the connection
    /// yet.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.memory[self.raw..self.end]
    }

    /// Whether no message is under way and no byte is unread. The connection can then continue with
    /// another buffer.
    pub fn is_idle(&self) -> bool {
        self.raw == self.end && self.assembly.is_none()
    }

    /// Returns the size of the heap memory of the buffer, in bytes.
    pub fn capacity(&self) -> usize {
        self.memory.capacity() + self.text.capacity() + self.inflated.capacity()
    }

    /// Gives all heap memory back if the buffer [is idle](Self::is_idle). Otherwise it does nothing.
    /// Call it before a long wait.
    pub fn release(&mut self) {
        if self.is_idle() {
            self.memory = Vec::new();
            self.text = String::new();
            self.inflated = Inflated::new();
            // A text that ends inside a character leaves its last bytes.
            self.message = 0..0;
            (self.raw, self.end, self.lent) = (0, 0, false);
        }
    }

    /// Drops the unread bytes and the message under way. Call it before you use the buffer for
    /// another connection.
    pub fn clear(&mut self) {
        self.assembly = None;
        self.text = String::new();
        self.inflated = Inflated::new();
        self.message = 0..0;
        self.raw = self.end;
        self.waiting = Waiting::NOTHING;
        self.heard = false;
    }

    /// Keeps the first `n` unread bytes and drops the others.
    pub(crate) fn truncate_unread(&mut self, n: usize) {
        self.end = self.end.min(self.raw.saturating_add(n));
    }

    /// Whether bytes have arrived since the last call.
    #[inline]
    pub(crate) fn take_heard(&mut self) -> bool {
        core::mem::take(&mut self.heard)
    }

    /// Takes the header and the payload of a frame. Returns the position of the payload.
    #[inline]
    pub(crate) fn consume_frame(&mut self, header_len: usize, len: usize) -> Range<usize> {
        let start = self.raw + header_len;
        self.raw = start + len;
        debug_assert!(self.raw <= self.end);
        start..self.raw
    }

    /// Takes the header and the payload of a frame. Returns the payload.
    #[inline(always)]
    pub(crate) fn take_frame(&mut self, header_len: usize, len: usize) -> &mut [u8] {
        let start = self.raw + header_len;
        self.raw = start + len;
        &mut self.memory[start..start + len]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.memory[range]
    }

    /// Takes the next `n` unread bytes. Returns their position.
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

    /// The payload bytes received of the message under way. `None` if no message is under way, or if
    /// it is complete: it can wait here until the caller takes it.
    pub(crate) fn unfinished(&self) -> Option<usize> {
        match &self.assembly {
            Some(message) => (!message.is_whole()).then(|| message.received()),
            None => (self.waiting.missing > 0).then_some(self.waiting.received as usize),
        }
    }

    /// Begins a message whose payload starts at the next unread byte.
    ///
    /// Plain and compressed messages use different memory. The memory of the other kind is given
    /// back if it is large, so that a peer cannot make both large.
    #[inline]
    pub(crate) fn begin_message(&mut self, assembly: Assembly) {
        if assembly.compressed {
            self.begin_inflating(assembly.kind);
        } else if self.inflated.capacity() > KEPT {
            self.inflated = Inflated::new();
        }
        self.message = self.raw..self.raw;
        self.assembly = Some(assembly);
    }

    /// Prepares for a compressed message.
    pub(crate) fn begin_inflating(&mut self, kind: MessageKind) {
        // The next read needs as much memory as the last one, behind what is incomplete then.
        self.shrink(KEPT.max(self.room.saturating_add(WAITING)));
        if self.text.capacity() > KEPT {
            self.text = String::new();
        }
        self.inflated.begin(kind);
    }

    /// Returns the payload of the next frame with `behind` bytes of memory behind it, and the memory
    /// to inflate it into. `None` if there is not so much memory.
    pub(crate) fn payload_and_behind(
        &mut self,
        header_len: usize,
        len: usize,
        behind: usize,
    ) -> Option<(&mut [u8], &mut Inflated)> {
        let start = self.raw + header_len;
        let payload = self.memory.get_mut(start..start + len + behind)?;
        Some((payload, &mut self.inflated))
    }

    /// Moves the received payload of the current frame to the end of the message and returns it.
    /// `None` if no message is under way.
    #[inline]
    pub(crate) fn append_to_message(&mut self) -> Option<(&mut Assembly, &mut [u8])> {
        let message = self.assembly.as_mut()?;
        let n = message.remaining().min(self.end - self.raw);
        if message.in_parts || message.collected {
            // At most an incomplete character is left of the last piece. It moves to the payload,
            // which is longer.
            let start = self.raw - self.message.len();
            meter::bytes(self.message.len());
            self.memory.copy_within(self.message.clone(), start);
            self.message = start..self.raw;
        }
        let (from, to) = (self.raw, self.message.end);
        if from != to {
            meter::bytes(n);
            self.memory.copy_within(from..from + n, to);
        }
        self.raw += n;
        self.message.end += n;
        Some((message, &mut self.memory[to..to + n]))
    }

    /// Returns the received payload of the current frame, and the memory to inflate it into. `None`
    /// if no message is under way.
    pub(crate) fn compressed(&mut self) -> Option<(&mut Assembly, &mut [u8], &mut Inflated)> {
        let message = self.assembly.as_mut()?;
        let n = message.remaining().min(self.end - self.raw);
        let payload = &mut self.memory[self.raw..self.raw + n];
        Some((message, payload, &mut self.inflated))
    }

    /// Returns the number of bytes of the message that can be delivered: for a text, those before an
    /// incomplete character. Fails if that character is already invalid.
    pub(crate) fn complete(&self, kind: MessageKind) -> Result<usize, InvalidUtf8> {
        match kind {
            MessageKind::Text => complete_len(&self.memory[self.message.clone()]),
            MessageKind::Binary => Ok(self.message.len()),
        }
    }

    /// Takes the first `n` bytes of the message. Returns their position.
    pub(crate) fn take_part(&mut self, n: usize) -> Range<usize> {
        let start = self.message.start;
        self.message.start += n;
        start..start + n
    }

    /// Checks the text that was inflated so far.
    pub(crate) fn check_inflated(&mut self) -> Result<(), InvalidUtf8> {
        match &self.assembly {
            Some(message) => self.inflated.store(message.limit),
            None => Ok(()),
        }
    }

    /// Ends the message. Returns its position.
    pub(crate) fn end_message(&mut self) -> Range<usize> {
        self.assembly = None;
        core::mem::take(&mut self.message)
    }

    /// Grows the memory to at least `needed` bytes.
    fn grow(&mut self, needed: usize) {
        let unread = self.end - self.raw;
        let most = match &self.assembly {
            None if self.waiting.missing > 0 => needed + self.waiting.missing as usize,
            // The caller takes no events.
            _ if unread > INCOMPLETE => usize::MAX,
            // Do not grow beyond the maximum size of the message and what can be incomplete behind
            // it. Without that, each further byte of a header would move the message again.
            Some(message) if !message.compressed => {
                // In parts, an incomplete character can be more than the limit.
                let left = message.limit.saturating_sub(self.message.len());
                let rest = INCOMPLETE - unread;
                // If it was that long before, this read is longer. Reads that become longer each time
                // must not move the message each time.
                let longer = match self.memory.len() > message.limit.saturating_add(INCOMPLETE) {
                    true => message.limit / LONGER,
                    false => 0,
                };
                left.saturating_add(rest + longer).saturating_add(needed)
            }
            _ => needed.saturating_add(INCOMPLETE - unread),
        };
        self.grow_within(needed, most);
    }

    /// The same, usually to twice its length, but not beyond `most` if `needed` is less.
    fn grow_within(&mut self, needed: usize, most: usize) {
        let doubled = self.memory.len().saturating_mul(2);
        let len = needed.max(doubled.min(most));
        if len > 4 * KEPT && !self.assembly.as_ref().is_some_and(|it| it.collected) {
            // The memory of an earlier text may be long.
            self.text = String::new();
        }
        // The old bytes move, and the others are cleared.
        meter::bytes(len);
        self.memory.reserve_exact(len - self.memory.len());
        self.memory.resize(len, 0);
    }

    /// Gives back the memory that the unread bytes do not need, if it is more than `kept`. Room that
    /// is lent must stay.
    fn shrink(&mut self, kept: usize) {
        if !self.lent && self.memory.len() > kept.max(2 * (self.end - self.raw)) {
            self.compact();
            self.memory.truncate(self.end);
            meter::bytes(self.end);
            self.memory.shrink_to_fit();
        }
    }

    /// If no byte is unread, lets the next read follow the message directly.
    fn close_gap_if_drained(&mut self) {
        if self.raw == self.end {
            if self.message.is_empty() {
                self.message = 0..0;
            }
            self.raw = self.message.end;
            self.end = self.message.end;
        }
    }

    /// Moves the message and the unread bytes to the front. Bytes that are there already are not
    /// moved: otherwise each read would copy a long message onto itself.
    fn compact(&mut self) {
        let mut kept = 0;
        if self.assembly.is_some() {
            kept = self.message.len();
            if self.message.start > 0 {
                meter::bytes(kept);
                self.memory.copy_within(self.message.clone(), 0);
            }
        }
        self.message = 0..kept;
        if self.raw > kept {
            meter::bytes(self.end - self.raw);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_52_a_read_of_any_length_ends_the_waiting() {
        for n in [10, usize::MAX] {
            let mut waiting = Waiting {
                received: 5,
                missing: 10,
            };
            waiting.receive(n);
            assert_eq!(waiting.missing, 0);
        }
    }
}
