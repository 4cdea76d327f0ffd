//! The peers: clients of the server, honest ones and others.

use websocket_proto::deflate::Pool;

pub mod attacks;
mod honest;
mod raw;
mod script;

use crate::{
    checks::{Ledger, PeerEnd},
    content::Content,
    network::{Link, Read, Way},
    scenario::{Plan, Role},
};

/// What the peers share.
pub struct Shared {
    pub content: Content,
    /// The codecs of all honest peers.
    pub pool: Pool,
    pub scratch: Vec<u8>,
}

/// The end of the connection on the side of a peer, and what it may use.
pub struct Io<'a> {
    pub plan: &'a Plan,
    pub now: u64,
    pub link: &'a mut Link,
    pub ledger: &'a mut Ledger,
    pub shared: &'a mut Shared,
    pub trace: &'a mut dyn FnMut(&dyn Fn() -> String),
}

impl Io<'_> {
    fn read(&mut self, into: &mut [u8]) -> Read {
        self.link.read(Way::ToPeer, self.now, into)
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.link.write(Way::ToServer, self.now, bytes)
    }

    /// Ends the stream to the server.
    fn end(&mut self) {
        self.link.end(Way::ToServer, self.now);
    }

    fn reset(&mut self) {
        self.link.is_reset = true;
    }

    fn finish(&mut self, how: PeerEnd) {
        self.trace(|| format!("the peer ends: {how:?}"));
        self.ledger.peer.get_or_insert(how);
    }

    fn trace(&mut self, line: impl Fn() -> String) {
        (self.trace)(&line);
    }
}

pub enum Peer {
    Honest(Box<honest::Client>),
    Raw(Box<raw::Raw>),
}

impl Peer {
    pub fn new(plan: &Plan, seed: u64) -> Self {
        match &plan.role {
            Role::Honest(honest) => Self::Honest(Box::new(honest::Client::new(plan, honest, seed))),
            Role::Attack(attack) => Self::Raw(Box::new(raw::Raw::new(plan, attack, seed))),
        }
    }

    /// Does what is to be done now. Returns when it wants to be called, if nothing arrives before.
    pub fn wake(&mut self, io: &mut Io<'_>) -> Result<Option<u64>, String> {
        if io.ledger.peer.is_some() {
            return Ok(None);
        }
        match self {
            Self::Honest(client) => client.wake(io),
            Self::Raw(raw) => Ok(raw.wake(io)),
        }
    }
}
