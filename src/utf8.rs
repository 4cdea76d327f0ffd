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
        let Err(error) = simdutf8::compat::from_utf8(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        let incomplete = &piece[error.valid_up_to()..];
        self.carry[..incomplete.len()].copy_from_slice(incomplete);
        self.carried = incomplete.len() as u8;
        Ok(())
    }
}
