//! Plays all attacks on one server.
use std::thread;
use std::time::{Duration, Instant};

use super::{Server, attacks, play::play, witness};
use crate::args::Options;
use crate::attack::Attack;
use crate::exchange::Times;
use crate::hear::Seen;
use crate::process::Process;
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
        let before = self.process.map(|it| {
            it.forget();
            (it.cpu(), it.memory())
        });
        let start = Instant::now();
        let played = play(self.server, attack, self.options.times);
        let wall = start.elapsed();
        let mut cost = Cost {
            wall,
            ..Cost::default()
        };
        if let (Some(process), Some((cpu, memory))) = (self.process, before) {
            let cpu = process.cpu().zip(cpu);
            let memory = process.peak().zip(memory);
            cost.cpu = cpu.map(|(now, then)| now.saturating_sub(then));
            cost.memory = memory.map(|(now, then)| now.saturating_sub(then));
        }
        let (verdict, outcome) = match played {
            Ok(seen) => {
                cost.sent = seen.sent;
                self.judge(attack, &seen, cost)
            }
            Err(error) => (Verdict::Fail, format!("cannot connect: {error}")),
        };
        let (verdict, outcome, serves) = self.witnesses(verdict, outcome, &mut cost);
        let (name, rule) = (&*attack.name, attack.rule);
        report.row(&Row {
            name,
            rule,
            outcome,
            verdict,
            cost,
        });
        serves
    }

    fn judge(&self, attack: &Attack, seen: &Seen, cost: Cost) -> (Verdict, String) {
        let (verdict, outcome) = judge(attack, seen);
        match cost.memory {
            Some(bytes) if bytes > self.options.memory => (
                Verdict::Fail,
                format!("{outcome}, and took {} MiB", bytes >> 20),
            ),
            _ => (verdict, outcome),
        }
    }

    fn witnesses(
        &mut self,
        verdict: Verdict,
        outcome: String,
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
            let mut cost = Cost {
                wall,
                ..Cost::default()
            };
            let (verdict, outcome) = match played {
                Ok(seen) => {
                    cost.sent = seen.sent;
                    judge(attack, &seen)
                }
                Err(error) => (Verdict::Fail, format!("cannot connect: {error}")),
            };
            let (verdict, outcome, _) = self.witnesses(verdict, outcome, &mut cost);
            let (name, rule) = (&*attack.name, attack.rule);
            report.row(&Row {
                name,
                rule,
                outcome,
                verdict,
                cost,
            });
        }
    }
}
