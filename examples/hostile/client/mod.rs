//! The attacks on clients.
use crate::attack::{Attack, Want};
use crate::frames::Side;
use crate::tables;

mod answers;
mod play;
mod run;

pub use run::run;

/// All attacks, in the order of the table.
pub fn attacks(count: usize) -> Vec<Attack> {
    let mut rows = answers::attacks();
    let frames = tables::attacks(Side::Server, count).into_iter();
    // A client opens one connection.
    rows.extend(frames.filter(|it| it.connections == 1).map(|mut attack| {
        if let Want::Served(answers) | Want::Either(answers, _) = &mut attack.want {
            answers.clear(); // it need not echo anything
        }
        attack
    }));
    rows.extend(answers::slow());
    rows
}
