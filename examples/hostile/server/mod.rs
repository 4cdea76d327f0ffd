//! The attacks on servers.
use crate::attack::Attack;
use crate::frames::Side;
use crate::tables;

mod heads;
mod play;
mod run;
mod slow;
mod witness;

pub use play::{connect, open};
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
    rows.extend(tables::attacks(Side::Client, server.count));
    rows.extend(slow::attacks(server));
    rows
}
