//! What a run has shown.

use websocket_proto::meter::{self, Work};

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    checks::Ledger,
    random::hash,
    scenario::{Plan, Role},
    server::Ended,
};

/// Everything in it is a function of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub planned: u64,
    pub opened: u64,
    pub ended: u64,
    /// The most connections at once.
    pub most_open: u64,
    pub messages: u64,
    /// Bytes that the server has read and written.
    pub received: u64,
    pub sent: u64,
    /// Bytes of output that peers have caused without a message.
    pub answered: u64,
    /// How often a connection of this kind has ended in this way.
    ends: BTreeMap<(&'static str, String), u64>,
    attacks: u64,
    /// The most memory of the server in bytes, its bound at that time, and the connections.
    memory: (u64, u64, u64),
    /// The largest share of the bound that was used at any time, in thousandths.
    memory_share: u64,
    /// For each bound of work for a byte: the connections that have caused the most work, in bytes
    /// of work and in bytes received, and the largest share of the bound, in thousandths.
    work: BTreeMap<u64, (u64, u64, u64)>,
    /// Virtual time, in milliseconds.
    pub time: u64,
    /// A number that differs if anything does.
    pub digest: u64,
}

impl Report {
    pub fn of(planned: usize) -> Self {
        Self {
            planned: planned as u64,
            ..Self::default()
        }
    }

    pub fn opened(&mut self, plan: &Plan, open: u64) {
        self.opened += 1;
        self.attacks += u64::from(matches!(plan.role, Role::Attack(_)));
        self.most_open = self.most_open.max(open);
    }

    pub fn memory(&mut self, peak: u64, bound: u64, open: u64) {
        if peak > self.memory.0 {
            self.memory = (peak, bound, open);
        }
        self.memory_share = self.memory_share.max(1000 * peak / bound);
    }

    /// Notes the work of a connection.
    pub fn worked(&mut self, per_byte: u64, work: Work, most: Work, received: u64) {
        let share = 1000 * work.bytes / most.bytes.max(1);
        let share = share.max(1000 * work.steps / most.steps.max(1));
        let sum = self.work.entry(per_byte).or_default();
        *sum = (sum.0 + work.bytes, sum.1 + received, sum.2.max(share));
    }

    pub fn ended(&mut self, plan: &Plan, ledger: &Ledger, now: u64) {
        self.ended += 1;
        self.time = now;
        let (at, how) = ledger.ended.expect("it was verified");
        let name = match &plan.role {
            Role::Honest(_) => "honest",
            Role::Attack(attack) => attack.name,
        };
        *self.ends.entry((name, outcome(how))).or_default() += 1;
        let facts = format!("{now} {at} {how:?} {:?} {}", ledger.peer, ledger.messages);
        let facts = facts
            .bytes()
            .fold(plan.id.into(), |sum, byte| hash(sum, byte.into(), 0));
        self.digest = hash(self.digest ^ facts, ledger.received, ledger.sent)
            ^ hash(ledger.read, ledger.answered as u32, 1);
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.opened += other.opened;
        self.ended += other.ended;
        self.most_open = self.most_open.max(other.most_open);
        self.messages += other.messages;
        self.received += other.received;
        self.sent += other.sent;
        self.answered += other.answered;
        for (key, n) in &other.ends {
            *self.ends.entry(key.clone()).or_default() += n;
        }
        self.attacks += other.attacks;
        self.memory = self.memory.max(other.memory);
        self.memory_share = self.memory_share.max(other.memory_share);
        for (&per_byte, &(bytes, received, share)) in &other.work {
            let work = self.work.entry(per_byte).or_default();
            *work = (work.0 + bytes, work.1 + received, work.2.max(share));
        }
        self.time += other.time;
        self.digest = hash(self.digest ^ other.digest, 0, 0);
    }
}

/// How a connection has ended, in few words.
fn outcome(how: Ended) -> String {
    let code = |code: Option<u16>| code.map_or("no code".into(), |code| code.to_string());
    match how {
        Ended::Refused(error) => match error.status() {
            Some(status) => format!("refused with {status}"),
            None => "gone during the handshake".into(),
        },
        Ended::Failed(error) => match error.close_code() {
            Some(code) => format!("failed with {}", u16::from(code)),
            None => format!("{error:?}"),
        },
        Ended::Closed([_, received]) => format!("closed with {}", code(received)),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            f,
            "{:58} {:>9}",
            "attack: how its connections ended", "times"
        )?;
        for ((name, end), times) in &self.ends {
            writeln!(f, "{:58} {times:>9}", format!("{name}: {end}"))?;
        }
        let (peak, bound, open) = self.memory;
        writeln!(
            f,
            "\nconnections opened      {} ({} attacks), {} at once",
            self.opened, self.attacks, self.most_open
        )?;
        writeln!(f, "messages checked        {}", self.messages)?;
        writeln!(
            f,
            "server received, sent   {:.1} MiB, {:.1} MiB",
            mib(self.received),
            mib(self.sent)
        )?;
        writeln!(
            f,
            "output without message  {:.4} bytes a received byte (bound: 1, and 1151 a connection)",
            self.answered as f64 / self.received.max(1) as f64
        )?;
        writeln!(
            f,
            "server's memory         {:.1} MiB at most, with {open} connections: {} bytes each",
            mib(peak),
            peak / open.max(1)
        )?;
        writeln!(
            f,
            "  its bound             {:.1} MiB then; at most {:.1} % of the bound was used",
            mib(bound),
            self.memory_share as f64 / 10.0
        )?;
        for (&per_byte, &(bytes, received, share)) in &self.work {
            let name = match per_byte {
                meter::HANDSHAKE => "handshakes",
                meter::PLAIN => "without compression",
                _ => "with compression",
            };
            writeln!(
                f,
                "work, {name:18} {:.2} bytes a received byte (bound: {per_byte}, and calls and room); a \
                 connection used at most {:.1} % of its bound",
                bytes as f64 / received.max(1) as f64,
                share as f64 / 10.0
            )?;
        }
        writeln!(
            f,
            "virtual time            {:?}",
            Duration::from_millis(self.time)
        )?;
        write!(f, "digest                  {:016x}", self.digest)
    }
}
