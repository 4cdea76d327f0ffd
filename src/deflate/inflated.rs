//! The memory that messages are inflated into.

use alloc::{string::String, vec, vec::Vec};

use super::WINDOW;
use crate::{
    message::{MessageKind, Piece},
    meter,
    utf8::{self, InvalidUtf8, complete_len, whole_characters},
};

/// Maximum number of bytes that are inflated at once. An unfinished message takes its inflated
/// length and this much.
const ROOM: usize = 64 << 10;

/// Minimum size of the first room, in bytes. It is small because most messages are short.
const FIRST: usize = 4 << 10;

/// Minimum size of a chunk of a longer message, in bytes.
const CHUNK: usize = 16 << 10;

/// Maximum number of chunks that one call joins: 4 MiB of them. The first one counts by its length.
const JOINED: usize = 64;

/// Maximum room that stays unused at the end of a chunk of text, in bytes: a character has up to 4
/// bytes and is not split between two chunks.
const MAX_INCOMPLETE: usize = 3;

/// `simdutf8` checks blocks of this many bytes. It is several times slower if the last one is not
/// full.
const BLOCK: usize = 64;

/// A message while it is inflated. It stays here until the next compressed message begins.
///
/// The codec writes into `fresh`. A message that arrives in one piece and fits into `fresh` stays
/// there, and the event borrows it. Any other message moves from `fresh` to the chunks of `stored`,
/// which are joined when the message is complete. A single growing vector would copy the message
/// each time it grows, and hold it twice each time.
///
/// A message that is delivered in parts leaves through `taken`, first the chunks, then what is in
/// `fresh`. No chunk is added any more.
///
/// Text is validated once, when it leaves `fresh`.
#[derive(Default)]
pub(crate) struct Inflated {
    /// The room for the codec. Every byte is initialised, because safe Rust cannot write into
    /// uninitialised memory.
    fresh: Vec<u8>,
    /// Number of bytes in `fresh` that belong to the message.
    filled: usize,
    stored: Stored,
    /// Number of bytes of the message that have left `fresh`.
    stored_len: usize,
    /// In parts: the number of chunks that were taken and dropped.
    dropped: usize,
    /// In parts: the part that was taken last. Its memory is reused before the next part.
    taken: Taken,
}

/// A part of a message that is delivered in parts.
#[derive(Debug, Default, Clone, Copy)]
enum Taken {
    #[default]
    Nothing,
    /// The first chunk that was not dropped.
    Chunk,
    /// The first bytes of `fresh`.
    Fresh(usize),
}

impl Inflated {
    pub(crate) const fn new() -> Self {
        Self {
            fresh: Vec::new(),
            filled: 0,
            stored: Stored::Binary(Vec::new()),
            stored_len: 0,
            dropped: 0,
            taken: Taken::Nothing,
        }
    }

    /// Begins a message. Drops the last message, but reuses its memory.
    pub(crate) fn begin(&mut self, kind: MessageKind) {
        (self.filled, self.stored_len) = (0, 0);
        (self.dropped, self.taken) = (0, Taken::Nothing);
        self.stored.begin(kind);
    }

    /// Returns room for the beginning of a message, to inflate `input` bytes into. It is empty if the
    /// message may have no bytes.
    pub(crate) fn first_room(&mut self, limit: usize, input: usize) -> &mut [u8] {
        if self.fresh.is_empty() {
            self.enlarge_fresh(first_len(input).min(limit));
        }
        let len = self.end().min(limit);
        &mut self.fresh[..len]
    }

    /// Number of bytes that were inflated of the message so far.
    pub(crate) fn len(&self) -> usize {
        self.stored_len + self.filled
    }

    /// Heap memory, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.fresh.capacity() + self.stored.capacity()
    }

    /// Returns the end of the message so far (all of it, or at least one window) and room to
    /// inflate `input` bytes into. If the message has `limit` bytes, the room is empty.
    ///
    /// Fails if the message is a text and contains an invalid byte.
    pub(crate) fn lend(
        &mut self,
        limit: usize,
        input: usize,
    ) -> Result<(impl Iterator<Item = &[u8]> + Clone, &mut [u8]), InvalidUtf8> {
        let left = limit.saturating_sub(self.len());
        if left > 0 && self.filled == self.end() {
            self.store(limit)?;
            // `shrink` leaves an incomplete character.
            let len = match self.fresh.len() <= MAX_INCOMPLETE {
                true => first_len(input),
                false => ROOM,
            };
            self.enlarge_fresh(len.min(limit - self.stored_len));
        }
        let end = self.end();
        let (filled, room) = self.fresh[..end].split_at_mut(self.filled);
        let room_len = room.len().min(left);
        let so_far = self.stored.window().chain([&*filled]);
        Ok((so_far, &mut room[..room_len]))
    }

    /// The usable length of `fresh`. Its content must fit into the room of the next chunk.
    fn end(&self) -> usize {
        self.fresh.len().min(self.stored.next_room())
    }

    /// Makes `fresh` at least `len` bytes long. The old memory is freed before the new one is
    /// allocated.
    fn enlarge_fresh(&mut self, len: usize) {
        if self.fresh.len() < len {
            let mut start = [0; MAX_INCOMPLETE];
            let start = &mut start[..self.filled];
            start.copy_from_slice(&self.fresh[..self.filled]);
            self.fresh = Vec::new();
            meter::bytes(len);
            self.fresh = vec![0; len];
            self.fresh[..self.filled].copy_from_slice(start);
        }
    }

    /// Adds the first `n` bytes of the room to the message. Call it after writing them.
    pub(crate) fn written(&mut self, n: usize) {
        self.filled += n;
    }

    /// Moves the content of `fresh` to `stored`. An incomplete character at the end of a text
    /// stays.
    ///
    /// Fails if the message is a text and contains an invalid byte.
    pub(crate) fn store(&mut self, limit: usize) -> Result<(), InvalidUtf8> {
        let fresh = &self.fresh[..self.filled];
        let text = match self.stored {
            Stored::Text(_) => Some(whole_characters(fresh)?.0),
            Stored::Binary(_) => None,
        };
        let moved = text.map_or(fresh.len(), str::len);
        if moved > self.stored.room() {
            let chunk = moved.max(CHUNK).min(limit - self.stored_len);
            self.stored.add_chunk(chunk);
        }
        meter::bytes(self.filled);
        match (&mut self.stored, text) {
            (Stored::Text(chunks), Some(text)) => chunks.last_mut().map(|it| it.push_str(text)),
            (Stored::Binary(chunks), _) => chunks.last_mut().map(|it| it.extend_from_slice(fresh)),
            _ => None,
        };
        self.stored_len += moved;
        self.fresh.copy_within(moved..self.filled, 0);
        self.filled -= moved;
        Ok(())
    }

    /// Validates the content of `fresh`, if the message is a text.
    pub(crate) fn validate(&self) -> Result<(), InvalidUtf8> {
        match self.stored {
            Stored::Text(_) => whole_characters(&self.fresh[..self.filled]).map(drop),
            Stored::Binary(_) => Ok(()),
        }
    }

    /// Joins the chunks of the message, some MiB in one call. Call it when the message is complete,
    /// until it returns `true`.
    pub(crate) fn join(&mut self, limit: usize) -> Result<bool, InvalidUtf8> {
        if self.stored_len == 0 {
            return Ok(true);
        }
        self.store(limit)?;
        if self.filled > 0 {
            // The text ends inside a character.
            return Err(InvalidUtf8);
        }
        if self.stored.len() > 1 {
            // The chunks and the joined message exist at once, so this room must not.
            self.fresh = Vec::new();
        }
        Ok(match &mut self.stored {
            Stored::Text(chunks) => join(
                chunks,
                self.stored_len,
                String::len,
                String::capacity,
                String::with_capacity,
                |whole, chunk| {
                    meter::bytes(chunk.len());
                    whole.push_str(chunk);
                },
            ),
            Stored::Binary(chunks) => join(
                chunks,
                self.stored_len,
                Vec::len,
                Vec::capacity,
                Vec::with_capacity,
                |whole, chunk| {
                    meter::bytes(chunk.len());
                    whole.extend_from_slice(chunk);
                },
            ),
        })
    }

    /// Whether a part must be taken before there is room again. Only for a message in parts.
    pub(crate) fn is_full(&self) -> bool {
        self.filled == self.end() && self.filled > MAX_INCOMPLETE
    }

    /// Whether chunks are left from before the message was delivered in parts.
    pub(crate) fn has_chunks(&self) -> bool {
        self.dropped < self.stored.len() && !self.stored.chunk(self.dropped).is_empty()
    }

    /// Returns the number of bytes in `fresh` that can be delivered: for a text, those before an
    /// incomplete character. Fails if that character is already invalid.
    pub(crate) fn complete(&self) -> Result<usize, InvalidUtf8> {
        let fresh = &self.fresh[..self.filled];
        match self.stored {
            Stored::Text(_) => complete_len(fresh),
            Stored::Binary(_) => Ok(fresh.len()),
        }
    }

    /// Number of bytes in `fresh`.
    pub(crate) fn left(&self) -> usize {
        self.filled
    }

    /// Takes the next part: a chunk, or `n` bytes of `fresh`.
    pub(crate) fn take_part(&mut self, n: usize) {
        self.taken = match self.has_chunks() {
            true => Taken::Chunk,
            false => Taken::Fresh(n),
        };
    }

    /// Drops the part that was taken, so that its memory can be reused.
    pub(crate) fn drop_part(&mut self) {
        match core::mem::take(&mut self.taken) {
            Taken::Nothing => {}
            Taken::Chunk => {
                self.stored.free_chunk(self.dropped);
                self.dropped += 1;
                if !self.has_chunks() {
                    self.stored.free();
                    self.dropped = 0;
                }
            }
            Taken::Fresh(n) => {
                let was_full = self.is_full();
                meter::bytes(self.filled - n);
                self.fresh.copy_within(n..self.filled, 0);
                self.filled -= n;
                self.stored_len += n;
                if was_full && self.filled <= MAX_INCOMPLETE {
                    // In steps: `shrink` can follow, and then it was for nothing.
                    self.enlarge_fresh(ROOM.min(4 * self.fresh.len()));
                }
            }
        }
    }

    /// Gives back memory that another message has made long. Does nothing if that would move much.
    pub(crate) fn shrink(&mut self) {
        self.drop_part();
        if self.has_chunks() {
            // With others behind it, the first one has no room, or they are being joined in it.
            if self.stored.len() == 1 {
                self.stored.shrink_first();
            }
            return;
        }
        self.stored.free();
        self.dropped = 0;
        let kept = match self.filled {
            // It costs nothing to make new room.
            0..=MAX_INCOMPLETE => self.filled,
            _ => FIRST,
        };
        if self.filled <= kept && kept < self.fresh.len() {
            meter::bytes(kept);
            let mut fresh = vec![0; kept];
            fresh[..self.filled].copy_from_slice(&self.fresh[..self.filled]);
            self.fresh = fresh;
        }
    }

    /// The message as bytes, after [`join`](Self::join), or the part that was taken.
    pub(crate) fn bytes(&self, piece: Piece) -> &[u8] {
        match (piece, self.taken) {
            (Piece::Whole, _) if self.stored_len > 0 => self.stored.chunk(0),
            (Piece::Whole, _) => &self.fresh[..self.filled],
            (_, Taken::Chunk) => self.stored.chunk(self.dropped),
            (_, Taken::Fresh(n)) => &self.fresh[..n],
            (_, Taken::Nothing) => &[],
        }
    }

    /// The same as text. Fails if it is not valid UTF-8, or ends inside a character.
    pub(crate) fn text(&mut self, piece: Piece) -> Result<&str, InvalidUtf8> {
        if piece == Piece::Whole && self.stored_len == 0 {
            // Zeros behind the text make the last block full. If the text ends inside a character,
            // they are the error.
            let len = self.filled;
            let padded = match self.fresh[len..].first_chunk_mut::<BLOCK>() {
                Some(unused) => {
                    *unused = [0; BLOCK];
                    len.next_multiple_of(BLOCK)
                }
                None => len,
            };
            return utf8::text(&self.fresh[..padded]).map(|text| &text[..len]);
        }
        match (&self.stored, piece, self.taken) {
            (Stored::Text(chunks), Piece::Whole, _) => Ok(&chunks[0]),
            (Stored::Text(chunks), Piece::Part, Taken::Chunk) => Ok(&chunks[self.dropped]),
            _ => utf8::text(self.bytes(piece)),
        }
    }
}

/// The length of the first room, if a message begins with `input` compressed bytes.
fn first_len(input: usize) -> usize {
    input.saturating_mul(8).clamp(FIRST, ROOM)
}

/// The chunks of a message. The first chunk can be longer than the others: its memory is that of
/// the previous message, whose chunks were joined.
enum Stored {
    Text(Vec<String>),
    Binary(Vec<Vec<u8>>),
}

impl Stored {
    /// Prepares for a message. Keeps the memory of the first chunk, but not if it is so long that one
    /// call could not join it with others.
    fn begin(&mut self, kind: MessageKind) {
        match (&mut *self, kind) {
            (Self::Text(chunks), MessageKind::Text) => {
                chunks.truncate(1);
                chunks.iter_mut().for_each(String::clear);
            }
            (Self::Binary(chunks), MessageKind::Binary) => {
                chunks.truncate(1);
                chunks.iter_mut().for_each(Vec::clear);
            }
            (Self::Binary(chunks), MessageKind::Text) => {
                let first = chunks.drain(..).next().map(|mut memory| {
                    memory.clear();
                    String::from_utf8(memory).unwrap_or_default()
                });
                *self = Self::Text(first.into_iter().collect());
            }
            (Self::Text(chunks), MessageKind::Binary) => {
                let first = chunks.drain(..).next().map(|mut memory| {
                    memory.clear();
                    memory.into_bytes()
                });
                *self = Self::Binary(first.into_iter().collect());
            }
        }
        if self.room() > JOINED * ROOM {
            self.free();
        }
    }

    /// Room left in the last chunk, or the room of a new chunk if the last one is full, in bytes.
    fn next_room(&self) -> usize {
        match self.room() {
            0..=MAX_INCOMPLETE => ROOM,
            room => room,
        }
    }

    /// Room left in the last chunk, in bytes.
    fn room(&self) -> usize {
        match self {
            Self::Text(chunks) => chunks.last().map_or(0, |it| it.capacity() - it.len()),
            Self::Binary(chunks) => chunks.last().map_or(0, |it| it.capacity() - it.len()),
        }
    }

    fn add_chunk(&mut self, capacity: usize) {
        match self {
            Self::Text(chunks) => chunks.push(String::with_capacity(capacity)),
            Self::Binary(chunks) => chunks.push(Vec::with_capacity(capacity)),
        }
    }

    /// Frees the memory of a chunk.
    fn free_chunk(&mut self, index: usize) {
        match self {
            Self::Text(chunks) => chunks[index] = String::new(),
            Self::Binary(chunks) => chunks[index] = Vec::new(),
        }
    }

    /// Gives back the memory of the first chunk that is not used, if it is long.
    fn shrink_first(&mut self) {
        let (len, capacity) = match self {
            Self::Text(chunks) => (chunks[0].len(), chunks[0].capacity()),
            Self::Binary(chunks) => (chunks[0].len(), chunks[0].capacity()),
        };
        // A chunk of this message is not longer.
        if capacity > CHUNK.max(2 * len) {
            meter::bytes(len);
            match self {
                Self::Text(chunks) => chunks[0].shrink_to_fit(),
                Self::Binary(chunks) => chunks[0].shrink_to_fit(),
            }
        }
    }

    /// Frees all chunks.
    fn free(&mut self) {
        match self {
            Self::Text(chunks) => *chunks = Vec::new(),
            Self::Binary(chunks) => *chunks = Vec::new(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(chunks) => chunks.len(),
            Self::Binary(chunks) => chunks.len(),
        }
    }

    fn chunk(&self, index: usize) -> &[u8] {
        match self {
            Self::Text(chunks) => chunks[index].as_bytes(),
            Self::Binary(chunks) => &chunks[index],
        }
    }

    /// The last chunks that together contain one window. Earlier chunks are not visited, because a
    /// peer decides how often this is called, and the cost must not grow with the message.
    fn window(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let (mut first, mut len) = (self.len(), 0);
        while first > 0 && len < WINDOW {
            first -= 1;
            len += self.chunk(first).len();
        }
        (first..self.len()).map(|index| self.chunk(index))
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Text(chunks) => {
                let list = chunks.capacity() * size_of::<String>();
                list + chunks.iter().map(String::capacity).sum::<usize>()
            }
            Self::Binary(chunks) => {
                let list = chunks.capacity() * size_of::<Vec<u8>>();
                list + chunks.iter().map(Vec::capacity).sum::<usize>()
            }
        }
    }
}

/// Moves chunks into the first one, which gets room for `len` bytes. Returns whether all of them are
/// there.
fn join<C>(
    chunks: &mut Vec<C>,
    len: usize,
    len_of: fn(&C) -> usize,
    capacity: fn(&C) -> usize,
    with_capacity: fn(usize) -> C,
    append: fn(&mut C, &C),
) -> bool {
    let Some((whole, rest)) = chunks.split_first_mut() else {
        return true;
    };
    let mut most = JOINED;
    if !rest.is_empty() && capacity(whole) < len {
        let first = core::mem::replace(whole, with_capacity(len));
        append(whole, &first);
        // It can be as long as all that a call joins. Each call joins something.
        most -= len_of(&first).div_ceil(ROOM).min(JOINED - 1);
    }
    let moved = rest.len().min(most);
    rest[..moved].iter().for_each(|chunk| append(whole, chunk));
    chunks.drain(1..=moved);
    chunks.len() == 1
}

impl Default for Stored {
    fn default() -> Self {
        Self::Binary(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After each final block the window is loaded again, so `lend` must return about one window
    /// however long the message is.
    #[test]
    fn fixed_01_the_window_does_not_cost_the_length_of_the_message() {
        for kind in [MessageKind::Binary, MessageKind::Text] {
            let mut inflated = Inflated::new();
            inflated.begin(kind);
            for n in 1..=512 {
                let (so_far, room) = inflated.lend(usize::MAX, ROOM).unwrap();
                let pieces = so_far.clone().count();
                let len = so_far.map(<[u8]>::len).sum::<usize>();
                assert!(pieces <= 4, "{pieces} pieces of {n}");
                assert!(n < 4 || (WINDOW..WINDOW + 2 * ROOM).contains(&len), "{len}");
                let room = room.len();
                inflated.written(room);
            }
        }
    }
}
