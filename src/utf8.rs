//! UTF-8 that arrives in pieces: valid so far, or wrong at this byte (RFC 6455 §8.1).

/// The state between two pieces of a text: the bytes of a character of which not all are here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Utf8 {
    carry: [u8; 3],
    carried: u8,
}

/// A byte that cannot follow what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

impl Utf8 {
    /// Checks a further piece. Fails as soon as a byte rules out that the text is valid.
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

    /// Whether the text may end here.
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

    /// Checks a piece that starts at a character.
    fn push_whole(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let (_, incomplete) = whole_characters(piece)?;
        self.carry[..incomplete.len()].copy_from_slice(incomplete);
        self.carried = incomplete.len() as u8;
        Ok(())
    }
}

/// The text at the start of a piece, and the up to three bytes of a character whose rest is not
/// here. Fails if a byte rules out that the text is valid. The piece is looked at once.
pub(crate) fn whole_characters(piece: &[u8]) -> Result<(&str, &[u8]), InvalidUtf8> {
    let (whole, incomplete) = piece.split_at(piece.len() - incomplete_len(piece));
    let text = simdutf8::basic::from_utf8(whole).map_err(|_| InvalidUtf8)?;
    // Its first bytes may already be those of no character.
    match core::str::from_utf8(incomplete) {
        Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
        _ => Ok((text, incomplete)),
    }
}

/// How many bytes at the end begin a character that needs more of them.
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
