//! What the simulation knows: the time, what will happen, and each connection.

use std::{cmp::Reverse, collections::BinaryHeap};

use websocket_proto::{deflate::Pool, meter};

use crate::{
    budget,
    checks::{self, Ledger},
    content::Content,
    network::{Link, Way},
    peer::{Io, Peer, Shared},
    report::Report,
    run::Failure,
    scenario::{End, Plan, Role},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Open,
    /// Something arrives at the server.
    Up,
    /// Something arrives at the peer, or its time has come.
    Down,
    Broadcast,
}

/// What is separate from the connections and the server.
pub(crate) struct Core {
    pub(crate) now: u64,
    /// When, a number that keeps the order, which connection, what.
    pub(crate) queue: BinaryHeap<Reverse<(u64, u64, u32, What)>>,
    pushed: u64,
    pub(crate) shared: Shared,
    /// The server's keys of connections that it must look at.
    pub(crate) ready: Vec<usize>,
    /// Connections that something has happened to.
    pub(crate) stirred: Vec<u32>,
    pub(crate) broadcasts: u32,
    pub(crate) open: u64,
    /// The connection for which the server or a peer was called last.
    pub(crate) at_work: Option<u32>,
    pub(crate) failure: Option<Failure>,
    /// The meter before the call that is measured.
    pub(crate) before: meter::Work,
    pub(crate) report: Report,
    pub(crate) trace: Option<Vec<String>>,
}

/// A connection: both of its ends, and what is known of it.
pub(crate) struct Conn {
    pub(crate) plan: Plan,
    pub(crate) link: Link,
    pub(crate) peer: Peer,
    pub(crate) ledger: Ledger,
    pub(crate) key: Option<usize>,
    pub(crate) stirred: bool,
    /// When it is in the queue, for `What::Up` and `What::Down`.
    pub(crate) up_at: u64,
    pub(crate) down_at: u64,
}

impl Core {
    pub(crate) fn new(seed: u64, planned: usize, traced: bool) -> Self {
        Self {
            now: 0,
            queue: BinaryHeap::new(),
            pushed: 0,
            shared: Shared {
                content: Content::new(seed),
                pool: Pool::new(),
                scratch: Vec::new(),
            },
            ready: Vec::new(),
            stirred: Vec::new(),
            broadcasts: 0,
            open: 0,
            at_work: None,
            failure: None,
            before: meter::Work::default(),
            report: Report::of(planned),
            trace: traced.then(Vec::new),
        }
    }

    pub(crate) fn push(&mut self, at: u64, id: u32, what: What) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, id, what)));
    }

    pub(crate) fn fail(&self, id: Option<u32>, what: &str) -> Result<(), Failure> {
        Err(Failure {
            id,
            at: self.now,
            what: what.into(),
        })
    }

    /// Notes a failure inside the server's turn, which ends before it counts.
    pub(crate) fn note(&mut self, id: u32, what: String) {
        self.failure.get_or_insert(Failure {
            id: Some(id),
            at: self.now,
            what,
        });
    }

    pub(crate) fn trace(&mut self, id: u32, line: impl Fn() -> String) {
        if let Some(lines) = &mut self.trace {
            lines.push(at(self.now, id, &line()));
        }
    }

    pub(crate) fn stir(&mut self, conn: &mut Conn) {
        if !std::mem::replace(&mut conn.stirred, true) {
            self.stirred.push(conn.plan.id);
        }
    }

    /// The peer's turn.
    pub(crate) fn wake(&mut self, conn: &mut Conn) -> Result<(), Failure> {
        let (now, id) = (self.now, conn.plan.id);
        self.at_work = Some(id);
        let trace = &mut self.trace;
        let mut io = Io {
            plan: &conn.plan,
            now,
            link: &mut conn.link,
            ledger: &mut conn.ledger,
            shared: &mut self.shared,
            trace: &mut |line| {
                if let Some(lines) = trace {
                    lines.push(at(now, id, &line()));
                }
            },
        };
        let messages = io.ledger.messages;
        let wakes = conn.peer.wake(&mut io);
        self.report.messages += conn.ledger.messages - messages;
        match wakes {
            Ok(None) => {}
            Ok(Some(at)) => self.down(conn, at.max(now + 1)),
            Err(what) => self.fail(Some(id), &what)?,
        }
        self.stir(conn);
        Ok(())
    }

    fn up(&mut self, conn: &mut Conn, at: u64) {
        if at < conn.up_at {
            conn.up_at = at;
            self.push(at, conn.plan.id, What::Up);
        }
    }

    fn down(&mut self, conn: &mut Conn, at: u64) {
        if at < conn.down_at {
            conn.down_at = at;
            self.push(at, conn.plan.id, What::Down);
        }
    }

    /// Puts into the queue what will happen to the connection.
    pub(crate) fn schedule(&mut self, conn: &mut Conn) {
        let now = self.now;
        if let Some(at) = conn.link.next(Way::ToServer, now) {
            self.up(conn, at);
        }
        if let Some(at) = conn.link.next(Way::ToPeer, now) {
            self.down(conn, at);
        }
        // A writer waits for room.
        if conn.link.take_unblocked(Way::ToServer) {
            self.down(conn, now + 1);
        }
        if conn.link.take_unblocked(Way::ToPeer) {
            self.up(conn, now + 1);
        }
        // A peer that does not read must learn that the server has closed.
        if conn.ledger.closed == Some(now) && conn.ledger.peer.is_none() {
            self.down(conn, now + 1);
        }
    }

    /// Checks a connection that is over.
    pub(crate) fn verify(&mut self, conn: &Conn) -> Result<(), Failure> {
        let (id, ledger) = (conn.plan.id, &conn.ledger);
        self.open -= 1;
        let failed = conn.link.is_reset || conn.link.is_silent;
        if let Err(what) = ledger.verify(&conn.plan, failed) {
            self.fail(Some(id), &what)?;
        }
        let answers = checks::most_answered(ledger.read);
        if ledger.answered > answers {
            let what = format!(
                "{} bytes of output for {} bytes",
                ledger.answered, ledger.read
            );
            self.fail(Some(id), &what)?;
        }
        let costs = [
            (ledger.handshake, meter::HANDSHAKE),
            (ledger.open, budget::per_byte(conn.plan.door)),
        ];
        for (cost, per_byte) in costs {
            let most = cost.most(per_byte, ledger.read);
            self.report.worked(per_byte, cost.work, most, ledger.read);
            if !cost.work.is_within(most) {
                let (work, read) = (cost.work, ledger.read);
                let what = format!("{work:?} for {read} bytes, the bound is {most:?}");
                self.fail(Some(id), &what)?;
            }
        }
        self.report.ended(&conn.plan, ledger, self.now);
        Ok(())
    }
}

/// A line of the trace.
fn at(now: u64, id: u32, line: &str) -> String {
    format!("{:6}.{:03} s  #{id:<6} {line}", now / 1000, now % 1000)
}

impl Conn {
    pub(crate) fn new(plan: Plan, seed: u64, now: u64) -> Self {
        let cut = match &plan.role {
            Role::Honest(honest) => match honest.end {
                End::Cut { after, silent } => Some((after, silent)),
                _ => None,
            },
            Role::Attack(_) => None,
        };
        Self {
            link: Link::new(&plan, cut, seed),
            peer: Peer::new(&plan, seed),
            ledger: Ledger::new(now),
            key: None,
            stirred: false,
            up_at: u64::MAX,
            down_at: u64::MAX,
            plan,
        }
    }
}
