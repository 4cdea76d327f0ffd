//! The attacks on servers.
use crate::attack::{Attack, Want};
use crate::verdict::PROBE;

mod deflate;
mod floods;
mod frames;
pub mod heads;
mod play;
mod run;
mod slow;
mod witness;

pub use play::Times;
use play::play;
pub use run::run;

/// What the attacks need to know of a server.
pub struct Server {
    pub addr: std::net::SocketAddr,
    pub host: String,
    pub path: String,
    /// How much of each a flood sends.
    pub count: usize,
    /// It refuses web pages of other origins.
    pub same_origin: bool,
}

/// All attacks, in the order of the table.
pub fn attacks(server: &Server) -> Vec<Attack> {
    let mut rows = heads::attacks(server);
    rows.extend(frames::attacks());
    rows.extend(deflate::attacks(server));
    rows.extend(floods::attacks(server));
    rows.extend(slow::attacks(server));
    rows
}

/// The server answers these texts, and then the probe.
fn served(answers: &[&str]) -> Want {
    Want::Served(texts(answers))
}

fn texts(answers: &[&str]) -> Vec<String> {
    let probe = [PROBE];
    answers
        .iter()
        .chain(&probe)
        .map(|it| it.to_string())
        .collect()
}
