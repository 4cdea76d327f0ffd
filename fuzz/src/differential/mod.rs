//! Differential oracles: the crate and another implementation, the judge, get the same bytes and
//! must give the same result.
//!
//! | subject | judge |
//! |---|---|
//! | [`frames`] | tungstenite |
//! | [`deflate`] | flate2 with miniz_oxide |
//! | [`handshake`] | a naive parser, written from the RFCs |
//! | [`utf8`] | `core::str::from_utf8` |
//!
//! Where the two may differ, the subject has a [`Row`], which names the sentence of the RFC that
//! decides. A difference without a row panics.
//!
//! This is no module of the library of this package, because that is compiled into tests of the crate
//! as well, which has none of the judges. The fuzz target and `tests.rs` include it.

use crate::support::Side;

pub mod deflate;
pub mod frames;
pub mod handshake;
mod heads;
mod http;
mod naive;
pub mod sockets;
mod streams;
pub mod utf8;

/// A justified difference between the crate and its judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub name: &'static str,
    /// What the judge does, and what the crate does.
    pub difference: &'static str,
    /// The section of the RFC and what it says.
    pub rfc: &'static str,
    pub right: Right,
}

/// Who follows the RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    Crate,
    Judge,
    /// The RFC allows both.
    Both,
}

/// The rows that a comparison has used.
pub type Used = Vec<&'static Row>;

/// A body, and the table of its differences.
pub struct Subject {
    pub name: &'static str,
    /// Panics if the crate and the judge differ and no row explains it.
    pub body: fn(&[u8]) -> Used,
    pub rows: &'static [&'static Row],
}

pub const SUBJECTS: [Subject; 4] = [
    frames::SUBJECT,
    deflate::SUBJECT,
    handshake::SUBJECT,
    utf8::SUBJECT,
];

/// The first byte selects the subject. Returns the rows that were used.
pub fn run(data: &[u8]) -> Used {
    match data {
        [subject, data @ ..] => (SUBJECTS[usize::from(*subject) % SUBJECTS.len()].body)(data),
        [] => Used::new(),
    }
}

/// Decisions made of bytes. If no byte is left, each decision is the first option.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    fn side(&mut self) -> Side {
        self.pick(&[Side::Server, Side::Client])
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let n = n.min(self.0.len());
        self.0.split_off(..n).unwrap_or_default()
    }

    /// Up to four sizes of reads. They are repeated, see [`pieces`].
    fn sizes(&mut self) -> Vec<usize> {
        let n = self.below(5);
        (0..n)
            .map(|_| match self.byte() {
                255 => 20_000,
                byte => usize::from(byte) % 100 + 1,
            })
            .collect()
    }

    /// Text with characters of all lengths, made of up to 31 bytes, and repeated now and then.
    fn text(&mut self) -> String {
        const LEADS: [char; 12] = [
            'a',
            ' ',
            '~',
            '\u{7f}',
            '\u{80}',
            '\u{7ff}',
            '\u{800}',
            '\u{d7ff}',
            '\u{e000}',
            '\u{ffff}',
            '\u{10000}',
            '\u{10ffff}',
        ];
        let n = self.below(32);
        let text: String = (0..n)
            .map(|_| match self.byte() {
                byte @ 0..128 => char::from(byte),
                byte => LEADS[usize::from(byte) % LEADS.len()],
            })
            .collect();
        match self.one_in(16) {
            true => text.repeat(self.pick(&[3, 40, 300])),
            false => text,
        }
    }
}

/// Splits a stream into pieces of these sizes, again and again. Without a size it is one piece. What
/// follows 1000 pieces is one piece too, because long streams in short reads take long.
fn pieces<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle().take(1000) {
        let (piece, rest) = stream.split_at((*size).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
