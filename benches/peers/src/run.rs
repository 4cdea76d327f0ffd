//! The two passes: everybody is checked, and who is right is timed.

use std::{hint::black_box, time::Duration};

use fastrand::Rng;
use indicatif::ProgressBar;

use crate::{
    clock,
    contestants::{Contestant, Side},
    quiet::{Neighbours, Verdict, Watch},
    stats::{Summary, quantile},
    tasks::{self, Group, Job},
    workloads::Workload,
};

/// How long a sample is, about. A sample is one contestant's turn in a round.
const SAMPLE: Duration = Duration::from_micros(1500);

/// One contestant with one workload, in one shape.
pub struct Entry {
    pub workload: String,
    pub contestant: &'static str,
    pub side: Side,
    pub variant: String,
    pub group: Group,
    /// The same as another entry: the distance of the two tells how far to trust the figures.
    pub is_again: bool,
    job: Job,
    cycles: usize,
    samples: Vec<f64>,
}

/// A contestant that did something wrong, and is not timed.
#[derive(Debug)]
pub struct Failure {
    pub workload: String,
    pub contestant: &'static str,
    pub variant: String,
    pub reason: String,
}

/// Time a message, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Row {
    pub workload: String,
    pub contestant: &'static str,
    pub side: Side,
    pub variant: String,
    pub group: Group,
    pub is_again: bool,
    pub ns: Summary,
}

/// All work of these contestants for these workloads.
pub fn entries(workloads: &[Workload], contestants: &[Contestant]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for workload in workloads {
        let mut again = None;
        for contestant in contestants {
            for (task_variant, task) in &workload.tasks {
                for job in (contestant.jobs)(task) {
                    let entry = Entry::new(workload, contestant, task_variant, job);
                    entries.push(entry);
                }
            }
            if again.is_none() && contestant.side == Side::Ours {
                let (variant, task) = &workload.tasks[0];
                let job = (contestant.jobs)(task).into_iter().next();
                again = job.map(|job| Entry::new(workload, contestant, variant, job));
            }
        }
        entries.extend(again.map(|it| Entry {
            is_again: true,
            ..it
        }));
    }
    entries
}

impl Entry {
    fn new(workload: &Workload, contestant: &Contestant, task: &str, job: Job) -> Self {
        let variants = [task, &job.variant];
        let variants: Vec<&str> = variants.into_iter().filter(|it| !it.is_empty()).collect();
        Self {
            workload: workload.name.clone(),
            contestant: contestant.name,
            side: contestant.side,
            variant: variants.join(", "),
            group: job.group,
            is_again: false,
            job,
            cycles: 1,
            samples: Vec::new(),
        }
    }

    /// The CPU time of so many cycles, with new objects that have done the same work before.
    fn time(&self, cycles: usize, rng: &mut Rng) -> Duration {
        // The next buffers lie elsewhere in each round.
        let shim = black_box(vec![0_u8; rng.usize(..1 << 13)]);
        let mut work = (self.job.start)();
        work((cycles / 8).max(1));
        let before = clock::thread_cpu();
        work(cycles);
        let time = clock::thread_cpu() - before;
        drop((work, shim));
        time
    }
}

/// The correctness pass. Returns the entries that are right.
pub fn check(entries: Vec<Entry>, bar: &ProgressBar) -> (Vec<Entry>, Vec<Failure>) {
    let silence = tasks::silence();
    let (mut right, mut failures) = (Vec::new(), Vec::new());
    for entry in entries {
        bar.set_message(format!("{} {}", entry.workload, entry.contestant));
        let result = tasks::quietly(|| (entry.job.check)()).and_then(|it| it);
        bar.inc(1);
        match result {
            Ok(()) => right.push(entry),
            Err(reason) => failures.push(Failure {
                workload: entry.workload,
                contestant: entry.contestant,
                variant: entry.variant,
                reason,
            }),
        }
    }
    drop(silence);
    (right, failures)
}

/// The timed pass. In each round every entry has one turn: workload by workload, within a workload
/// in an order that begins with another contestant each time.
pub fn time(mut entries: Vec<Entry>, rounds: usize, bar: &ProgressBar) -> (Vec<Row>, Neighbours) {
    let mut rng = Rng::with_seed(1);
    for entry in &mut entries {
        let once = entry.time(1, &mut rng).max(Duration::from_nanos(1));
        entry.cycles = (SAMPLE.as_nanos() / once.as_nanos()).max(1) as usize;
    }
    let watch = Watch::start();
    for round in 0..rounds {
        for workload in entries.chunk_by_mut(|a, b| a.workload == b.workload) {
            bar.set_message(workload[0].workload.clone());
            let turns = workload.len();
            for turn in 0..turns {
                let entry = &mut workload[(turn + round) % turns];
                let time = entry.time(entry.cycles, &mut rng);
                let messages = (entry.cycles * entry.job.messages) as f64;
                entry.samples.push(time.as_nanos() as f64 / messages);
            }
            bar.inc(turns as u64);
        }
    }
    let neighbours = watch.look();
    (entries.into_iter().map(Row::new).collect(), neighbours)
}

impl Row {
    fn new(mut entry: Entry) -> Self {
        Self {
            workload: entry.workload,
            contestant: entry.contestant,
            side: entry.side,
            variant: entry.variant,
            group: entry.group,
            is_again: entry.is_again,
            ns: Summary::of(&mut entry.samples),
        }
    }
}

/// Whether the run can be trusted.
pub fn verdict(rows: &[Row], neighbours: &Neighbours) -> Verdict {
    let mut verdict = Verdict::default();
    // Objects are made outside of the timed part, which takes no time on the wall to speak of.
    verdict.neighbours(neighbours, 1.0);
    let floor = |row: &&Row| row.side == Side::Floor;
    let mut spreads: Vec<f64> = rows.iter().filter(floor).map(|it| it.ns.spread()).collect();
    let mut distances: Vec<f64> = (rows.iter().filter(|it| it.is_again))
        .filter_map(|again| {
            let same = |it: &&Row| {
                !it.is_again
                    && (&it.workload, it.contestant, &it.variant, it.group)
                        == (
                            &again.workload,
                            again.contestant,
                            &again.variant,
                            again.group,
                        )
            };
            let first = rows.iter().find(same)?;
            Some((again.ns.median / first.ns.median - 1.0).abs())
        })
        .collect();
    let limits = [
        (
            &mut spreads,
            0.04,
            0.15,
            "spread of the floor rows (distance of quartiles / median)",
        ),
        (
            &mut distances,
            0.01,
            0.05,
            "distance of two medians of the same work, measured twice",
        ),
    ];
    for (values, middle, most, what) in limits {
        if values.is_empty() {
            continue;
        }
        values.sort_by(f64::total_cmp);
        verdict.at_most(
            middle,
            quantile(values, 0.5),
            format!("{what}: in half of the workloads"),
        );
        verdict.at_most(
            most,
            quantile(values, 0.9),
            format!("{what}: in nine of ten workloads"),
        );
    }
    verdict
}
