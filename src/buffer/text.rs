//! How bytes in the buffer become a `&str`. Safe Rust makes one only by a check.

use core::ops::RangeInclusive;

use ascii::AsciiStr;

use super::{KEPT, RecvBuf};
use crate::{
    message::Piece,
    meter,
    utf8::{self, InvalidUtf8, whole_characters},
};

/// `simdutf8` checks blocks of this many bytes. It is several times slower if the last one is not
/// full.
const BLOCK: usize = 64;

/// Shorter texts are not checked in blocks.
const SHORT: usize = 16;

/// A text begins to be collected when so many bytes of it have arrived. With less it stays where it is:
/// to check it twice costs less than to copy it. With more it stays as well: all of it was ASCII until
/// now, and a copy would double the memory.
const COLLECTED: RangeInclusive<usize> = 1 << 10..=KEPT;

impl RecvBuf {
    /// Returns the last `len` bytes that were taken as a text. `ascii` tells that they were seen to be
    /// ASCII.
    ///
    /// The bytes in front of them are not needed any more: they are the header and messages that were
    /// delivered. So zeros are written there, which make the last block of the check full.
    #[inline]
    pub(crate) fn taken_text(&mut self, len: usize, ascii: bool) -> Result<&str, InvalidUtf8> {
        let start = self.raw - len;
        if ascii {
            meter::bytes(len);
            let text = AsciiStr::from_ascii(&self.memory[start..self.raw]);
            return text.map(AsciiStr::as_str).map_err(|_| InvalidUtf8);
        }
        let mut zeros = 0;
        if len > SHORT
            && let Some(unused) = self.memory[..start].last_chunk_mut::<BLOCK>()
        {
            // All of them, because a constant length needs no loop.
            *unused = [0; BLOCK];
            zeros = len.wrapping_neg() % BLOCK;
        }
        let text = utf8::text(&self.memory[start - zeros..self.raw]);
        text.map(|text| &text[zeros..])
    }

    /// Checks what has arrived of a text that is delivered whole, so that it fails at its first wrong
    /// byte (RFC 6455 §8.1). `ascii` tells that the last piece, of `len` bytes, is ASCII.
    ///
    /// Only a check makes a `&str`, so the bytes of a text that stays in the memory are looked at
    /// again in the end. That costs little if they are ASCII. So a text that is not is collected in
    /// a `String`, and each byte of it is looked at once.
    pub(crate) fn check_text(&mut self, len: usize, ascii: bool) -> Result<(), InvalidUtf8> {
        let Some(message) = &mut self.assembly else {
            return Ok(());
        };
        if !message.collected {
            if message.is_whole() {
                return Ok(());
            }
            if ascii && message.checked + len == self.message.len() {
                message.checked += len;
                return Ok(());
            }
        }
        let collect = message.collected || COLLECTED.contains(&self.message.len());
        let from = if collect { 0 } else { message.checked };
        let unchecked = &self.memory[self.message.start + from..self.message.end];
        let (text, _) = whole_characters(unchecked)?;
        if !collect {
            message.checked += text.len();
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        let starts = !message.collected;
        if starts {
            (message.collected, message.checked) = (true, 0);
            self.text.clear();
        }
        let needed = self.text.len() + text.len();
        if self.text.capacity() < needed {
            let doubled = self.text.capacity().saturating_mul(2).min(message.limit);
            let more = needed.max(doubled) - self.text.len();
            meter::bytes(self.text.len());
            self.text.reserve_exact(more);
        }
        meter::bytes(text.len());
        self.text.push_str(text);
        self.message.start += text.len();
        if starts {
            // The memory of an earlier message may be long.
            self.shrink(4 * KEPT);
        }
        Ok(())
    }

    /// Takes the text that was collected: all of the message, or a part of it.
    pub(crate) fn end_collected(&mut self, piece: Piece) {
        match &mut self.assembly {
            Some(message) if piece == Piece::Part => message.collected = false,
            _ => self.assembly = None,
        }
    }

    /// Returns the text that was collected. Fails if the whole text ends inside a character.
    pub(crate) fn collected(&self, piece: Piece) -> Result<&str, InvalidUtf8> {
        match piece == Piece::Part || self.message.is_empty() {
            true => Ok(&self.text),
            false => Err(InvalidUtf8),
        }
    }
}
