//! The clock and the scheduler. All instants are in milliseconds.

use std::{cmp::Reverse, collections::HashMap};

use allocation_counter::measure;
use websocket_proto::MessageKind;

use crate::{
    budget,
    content::BROADCAST,
    kernel::Kernel,
    network::Way,
    run::{Failure, Progress},
    scenario::{Plan, Scenario},
    server::Server,
    state::{Conn, Core, What},
};

/// How often the server sends a broadcast.
const BROADCAST_EVERY: u64 = 5_000;
/// How long after the last connection was opened all must have ended.
const PATIENCE: u64 = 3_600_000;
/// How often the server may say that it has more to do, without time passing.
const TURNS: u32 = 100_000;

pub(crate) struct World {
    seed: u64,
    /// The connections that are not open yet.
    plans: HashMap<u32, Plan>,
    pub(crate) core: Core,
    /// The open connections, at their numbers.
    conns: Vec<Option<Box<Conn>>>,
    server: Server,
    /// The server's memory, in bytes.
    memory: i64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, traced: bool) -> Self {
        let plans = scenario.plans();
        let most = plans.iter().map(|plan| plan.id + 1).max().unwrap_or(0);
        let mut conns = Vec::new();
        conns.resize_with(most as usize, || None);
        let mut core = Core::new(scenario.seed, plans.len(), traced);
        for plan in &plans {
            core.push(plan.opens_at, plan.id, What::Open);
        }
        core.push(BROADCAST_EVERY, BROADCAST, What::Broadcast);
        // It owns no heap memory yet, but for its codec: that of broadcasts.
        let mut server = None;
        let info = measure(|| server = Some(Server::new(scenario.bug)));
        let server = server.expect("it was made");
        Self {
            seed: scenario.seed,
            plans: plans.into_iter().map(|plan| (plan.id, plan)).collect(),
            core,
            conns,
            server,
            memory: info.bytes_current,
        }
    }

    pub(crate) fn run(&mut self, progress: Option<&Progress>) -> Result<(), Failure> {
        let queue = self.core.queue.iter();
        let last = queue.map(|Reverse((at, ..))| *at).max().unwrap_or(0);
        let mut shown = 0;
        while self.core.report.ended < self.core.report.planned {
            let due = self.server.earliest().map(|at| at.as_millis() as u64);
            let next = self.core.queue.peek().map(|Reverse((at, ..))| *at);
            let Some(next) = due.into_iter().chain(next).min() else {
                return self
                    .core
                    .fail(None, "connections are open, but nothing happens");
            };
            self.core.now = next.max(self.core.now);
            if self.core.now > last + PATIENCE {
                return self.core.fail(None, "connections do not end");
            }
            self.events()?;
            self.serve()?;
            self.settle()?;
            if let Some(progress) = progress
                && self.core.report.messages >= shown
            {
                shown = self.core.report.messages + 20_000;
                let done = self.core.report.ended as f64 / self.core.report.planned as f64;
                *progress.lock().expect("no panic") = (self.core.report.clone(), done);
            }
        }
        self.finish()
    }

    /// What arrives at this instant.
    fn events(&mut self) -> Result<(), Failure> {
        let now = self.core.now;
        while let Some(&Reverse((at, _, id, what))) = self.core.queue.peek()
            && at <= now
        {
            self.core.queue.pop();
            if what == What::Broadcast {
                self.broadcast();
                continue;
            }
            if let Some(plan) = self.plans.remove(&id) {
                let conn = Conn::new(plan, self.seed, now);
                self.conns[id as usize] = Some(Box::new(conn));
            }
            let Some(conn) = &mut self.conns[id as usize] else {
                continue;
            };
            match what {
                What::Open => {
                    let accept = || conn.key = Some(self.server.accept(id, conn.plan.door));
                    self.memory += measure(accept).bytes_current;
                    self.core.ready.extend(conn.key);
                    self.core.open += 1;
                    self.core.report.opened(&conn.plan, self.core.open);
                    self.core.wake(conn)?;
                }
                What::Up if at == conn.up_at => {
                    conn.up_at = u64::MAX;
                    conn.link.arrive(Way::ToServer, now);
                    self.core.ready.extend(conn.key);
                    self.core.stir(conn);
                }
                What::Down if at == conn.down_at => {
                    conn.down_at = u64::MAX;
                    conn.link.arrive(Way::ToPeer, now);
                    self.core.wake(conn)?;
                }
                _ => {} // It was put off.
            }
        }
        Ok(())
    }

    fn broadcast(&mut self) {
        let number = self.core.broadcasts;
        self.core.broadcasts += 1;
        self.core
            .push(self.core.now + BROADCAST_EVERY, BROADCAST, What::Broadcast);
        let content = &self.core.shared.content;
        let message = content.message(BROADCAST, number);
        // The prepared text is UTF-8: broadcasts of other kinds are left out.
        if message.kind != MessageKind::Text {
            return;
        }
        let mut bytes = Vec::new();
        content.write(&message, &mut bytes);
        let text = String::from_utf8(bytes).expect("a text");
        let (core, conns) = (&mut self.core, &mut self.conns);
        let info = measure(|| {
            self.server
                .broadcast(number, &text, &mut Kernel { core, conns });
        });
        self.memory += info.bytes_current;
    }

    /// The server's turns at this instant.
    fn serve(&mut self) -> Result<(), Failure> {
        let mut ready = std::mem::take(&mut self.core.ready);
        for _ in 0..TURNS {
            let (core, conns) = (&mut self.core, &mut self.conns);
            let now = core.now;
            let mut more = false;
            let info =
                measure(|| more = self.server.turn(now, &ready, &mut Kernel { core, conns }));
            ready.clear();
            let peak = self.memory + info.bytes_max as i64;
            self.memory += info.bytes_current;
            let bound = self.server.most_charged() + budget::shared(self.server.slots());
            self.core
                .report
                .memory(peak as u64, bound as u64, self.core.open);
            if peak > bound as i64 {
                let what = format!("the server has {peak} bytes of memory, the bound is {bound}");
                return self.core.fail(None, &what);
            }
            if let Some(failure) = self.core.failure.take() {
                return Err(failure);
            }
            if !more {
                let due = self.server.earliest();
                if due.is_some_and(|due| due.as_millis() as u64 <= now) {
                    return self.core.fail(None, "a deadline has passed unserved");
                }
                self.core.ready = ready;
                return Ok(());
            }
        }
        self.core.fail(None, "the server has always more to do")
    }

    /// Puts into the queue what will arrive, and closes the books of connections that are over.
    fn settle(&mut self) -> Result<(), Failure> {
        let mut stirred = std::mem::take(&mut self.core.stirred);
        for id in stirred.drain(..) {
            let Some(conn) = &mut self.conns[id as usize] else {
                continue;
            };
            conn.stirred = false;
            self.core.schedule(conn);
            if conn.ledger.closed.is_some() && conn.ledger.peer.is_some() {
                let conn = self.conns[id as usize].take().expect("it was there");
                self.core.verify(&conn)?;
            }
        }
        self.core.stirred = stirred;
        Ok(())
    }

    /// The server gives everything back.
    fn finish(&mut self) -> Result<(), Failure> {
        if !self.server.is_empty() {
            return self.core.fail(None, "the server still has connections");
        }
        let server = std::mem::replace(&mut self.server, Server::new(None));
        let info = measure(|| drop(server));
        match self.memory + info.bytes_current {
            0 => Ok(()),
            left => self.core.fail(
                None,
                &format!("{left} bytes of the server's memory are lost"),
            ),
        }
    }
}
