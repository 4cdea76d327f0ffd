//! The attacks by frames, for both sides.
use crate::attack::{Attack, Want};
use crate::frames::Side;

mod deflate;
mod floods;
mod frames;

pub use deflate::offer;

/// What this side sends. A flood sends `count` of each.
pub fn attacks(side: Side, count: usize) -> Vec<Attack> {
    let mut rows = frames::attacks(side);
    rows.extend(deflate::attacks(side, count));
    rows.extend(floods::attacks(side, count));
    rows
}

/// A text that nobody may answer, because it is behind a Close frame.
pub const LATE: &str = "too late";

/// An echo server answers these texts. A client only goes on.
pub fn served(answers: &[&str]) -> Want {
    Want::Served(texts(answers))
}

fn texts(answers: &[&str]) -> Vec<String> {
    answers.iter().map(|it| it.to_string()).collect()
}

/// Bytes that look random and are always the same, without an end of a line.
pub fn garbage(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let byte = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(byte).collect()
}
