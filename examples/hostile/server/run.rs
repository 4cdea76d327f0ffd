//! Plays all attacks on one server.
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{Server, attacks, play::play, witness};
use crate::args::Options;
use crate::attack::Attack;
use crate::exchange::Times;
use crate::hear::Seen;
use crate::process::{Measured, Process};
use crate::report::{Cost, Report, Row};
use crate::verdict::{Verdict, judge};

/// An echo of a witness that takes longer shows that the attack stops the server.
const STALL: Duration = Duration::from_secs(3);
/// How long a server may need to serve again.
const RECOVERY: Duration = Duration::from_secs(3);

/// Returns whether the server has passed.
pub fn run(server: &Server, pid: Option<u32>, options: &Options) -> Result<bool, String> {
    let chosen = attacks(server)
        .into_iter()
        .filter(|it| options.wants(&it.name));
    let (slow, quick): (Vec<_>, Vec<_>) = chosen.partition(Attack::is_slow);
    let cannot = |error| format!("an ordinary client is not served: {error}");
    witness::visit(server).map_err(cannot)?;
    let resident = witness::Resident::start(server).map_err(cannot)?;
    let mut all = All {
        server,
        options,
        process: pid.map(Process),
        resident,
    };
    let mut report = Report::start(options.json);
    for attack in &quick {
        if !all.one(attack, &mut report) {
            return Ok(report.end(options.strict));
        }
    }
    if options.times.patience.is_some() {
        all.slow(&slow, &mut report);
    } else if !slow.is_empty() && !options.json {
        println!(
            "{} slow attacks need --patience SECONDS, such as --patience 60",
            slow.len()
        );
    }
    Ok(report.end(options.strict))
}

struct All<'a> {
    server: &'a Server,
    options: &'a Options,
    process: Option<Process>,
    resident: witness::Resident,
}

impl All<'_> {
    /// Returns whether the server serves others afterwards.
    fn one(&mut self, attack: &Attack, report: &mut Report) -> bool {
        let _ = self.resident.ask();
        let used = self.process.map(Process::measure);
        let start = Instant::now();
        let played = play(self.server, attack, self.options.times);
        let wall = start.elapsed();
        self.finish(attack, played, wall, used.as_ref(), report)
    }

    /// Judges, asks the witnesses, and prints the row. Returns whether the server serves others.
    fn finish(
        &mut self,
        attack: &Attack,
        played: io::Result<Seen>,
        wall: Duration,
        used: Option<&Measured>,
        report: &mut Report,
    ) -> bool {
        let sent = played.as_ref().map_or(0, |seen| seen.sent);
        let mut cost = Cost::new(sent, wall, used);
        let judged = match played {
            Ok(seen) => cost.limit(self.options.memory, judge(attack, &seen)),
            Err(error) => (Verdict::Fail, format!("cannot connect: {error}")),
        };
        let (verdict, outcome, serves) = self.witnesses(judged, &mut cost);
        report.row(&Row {
            attack,
            outcome,
            verdict,
            cost,
        });
        serves
    }

    fn witnesses(
        &mut self,
        (verdict, outcome): (Verdict, String),
        cost: &mut Cost,
    ) -> (Verdict, String, bool) {
        let visit = || {
            let end = Instant::now() + RECOVERY;
            loop {
                match witness::visit(self.server) {
                    Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(50)),
                    visit => return visit,
                }
            }
        };
        let visited = visit();
        let echo = match (visited, self.resident.ask()) {
            (Ok(visit), Ok(stayed)) => visit.max(stayed),
            (Err(error), _) => {
                let outcome = format!("{outcome}; others are not served any more: {error}");
                return (Verdict::Fail, outcome, false);
            }
            (Ok(_), Err(error)) => {
                let outcome = format!("{outcome}; another connection broke: {error}");
                return match witness::Resident::start(self.server) {
                    Ok(resident) => {
                        self.resident = resident;
                        (Verdict::Fail, outcome, true)
                    }
                    Err(_) => (Verdict::Fail, outcome, false),
                };
            }
        };
        cost.echo = Some(echo);
        match echo > STALL {
            true => (
                Verdict::Fail,
                format!("{outcome}; others had to wait"),
                true,
            ),
            false => (verdict, outcome, true),
        }
    }

    /// All at the same time, because they only wait.
    fn slow(&mut self, attacks: &[Attack], report: &mut Report) {
        let times: Times = self.options.times;
        let server = self.server;
        let played: Vec<_> = thread::scope(|scope| {
            let play = |attack| {
                let start = Instant::now();
                let played = play(server, attack, times);
                (played, start.elapsed())
            };
            let threads = attacks
                .iter()
                .map(|attack| scope.spawn(move || play(attack)));
            let threads: Vec<_> = threads.collect();
            threads
                .into_iter()
                .map(|it| it.join().expect("it does not panic"))
                .collect()
        });
        for (attack, (played, wall)) in attacks.iter().zip(played) {
            self.finish(attack, played, wall, None, report);
        }
    }
}
