//! Validation of UTF-8 that arrives in pieces (RFC 6455 §8.1).

use core::fmt;

use crate::meter;

/// The state between two pieces of a text: the first bytes of an incomplete character.
#[derive(Clone, Copy, Default)]
pub(crate) struct Utf8 {
    carry: [u8; 3],
    carried: u8,
}

/// Shows no bytes of the text.
impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.carried)
    }
}

/// A byte makes the text invalid, whatever follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl Utf8 {
    /// Checks the next piece. Fails at the first byte that makes the text invalid.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.carried > 0 {
            let [first, rest @ ..] = piece else {
                return Ok(());
            };
            piece = rest;
            self.push_byte(*first)?;
        }
        self.push_whole(piece)
    }

    /// Whether the text so far ends with a complete character.
    pub(crate) fn is_complete(&self) -> bool {
        self.carried == 0
    }

    /// Adds one byte to the incomplete character.
    fn push_byte(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        let mut character = [0; 4];
        let len = usize::from(self.carried);
        character[..len].copy_from_slice(&self.carry[..len]);
        character[len] = byte;
        self.carried = 0;
        self.push_whole(&character[..=len])
    }

    /// Checks a piece that starts with a new character.
    fn push_whole(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let (_, incomplete) = whole_characters(piece)?;
        self.carry[..incomplete.len()].copy_from_slice(incomplete);
        self.carried = incomplete.len() as u8;
        Ok(())
    }
}

/// Splits a piece into its text and the first bytes, at most three, of an incomplete character at
/// its end. Fails if a byte makes the text invalid. Reads the piece only once.
pub(crate) fn whole_characters(piece: &[u8]) -> Result<(&str, &[u8]), InvalidUtf8> {
    let (whole, incomplete) = piece.split_at(complete_len(piece)?);
    Ok((text(whole)?, incomplete))
}

/// Returns the bytes as text. Reads them once.
#[inline(always)]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    meter::bytes(bytes.len());
    simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

/// The length of a piece without the incomplete character at its end. Looks only at the last three
/// bytes. Fails if the incomplete character is already invalid.
pub(crate) fn complete_len(piece: &[u8]) -> Result<usize, InvalidUtf8> {
    let len = piece.len() - incomplete_len(piece);
    match core::str::from_utf8(&piece[len..]) {
        Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
        _ => Ok(len),
    }
}

/// The number of bytes at the end that belong to an incomplete character.
fn incomplete_len(piece: &[u8]) -> usize {
    let last = piece.iter().rev().take(3).zip(1..);
    let mut lead = last.skip_while(|&(byte, _)| matches!(byte, 0x80..=0xBF));
    match lead.next() {
        Some((0xC0..=0xDF, len @ 1)) => len,
        Some((0xE0..=0xEF, len @ 1..=2)) => len,
        Some((0xF0..=0xFF, len)) => len,
        _ => 0,
    }
}
