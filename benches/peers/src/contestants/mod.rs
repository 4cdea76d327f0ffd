//! Who is measured. Each module tells which settings its contestant got, and why.

use crate::tasks::{Job, Task};

mod fastwebsockets;
mod floor;
mod nexus;
mod ours;
mod sockudo;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod websocket_sans_io;
#[cfg(feature = "wslay")]
#[expect(unsafe_code, reason = "a library in C")]
mod wslay;
mod wtx;
mod yawc;

/// A library, or one of the ways in which ours can be used.
pub struct Contestant {
    pub name: &'static str,
    pub side: Side,
    /// Its work for a task, in each shape that is worth a look: the fastest counts. Empty if it
    /// cannot do it.
    pub jobs: fn(&Task) -> Vec<Job>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Ours,
    Peer,
    /// Plain code for the same work.
    Floor,
}

/// Everyone, in the order of the plots.
pub fn all() -> Vec<Contestant> {
    let peer = |name, jobs| Contestant {
        name,
        side: Side::Peer,
        jobs,
    };
    let mut all = ours::contestants();
    all.extend([
        peer("nexus-web", nexus::jobs as fn(&Task) -> Vec<Job>),
        peer("tokio-websockets", tokio_websockets::jobs),
        peer("fastwebsockets", fastwebsockets::jobs),
        peer("tungstenite", tungstenite::jobs),
        peer("sockudo-ws", sockudo::jobs),
        peer("yawc", yawc::jobs),
        peer("wtx", wtx::jobs),
        peer("websocket-sans-io", websocket_sans_io::jobs),
        peer("web-socket", web_socket::jobs),
        peer("soketto", soketto::jobs),
    ]);
    #[cfg(feature = "wslay")]
    all.push(peer("wslay (C)", wslay::jobs));
    all.extend(floor::contestants());
    all
}
