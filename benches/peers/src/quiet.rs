//! Was the machine quiet enough to trust the figures?

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

use crate::clock;

/// What happened on the machine while it was watched.
#[derive(Debug, Clone, Copy)]
pub struct Neighbours {
    /// The part of the time on the wall in which this process used a core. For a program with one
    /// thread that always works it is 1, unless others want the same core.
    pub own: f64,
    /// The cores that other processes kept busy, on average. They share caches and memory.
    pub others: f64,
    /// The part of all time that the hypervisor gave to other machines.
    pub steal: f64,
}

/// Watches the machine. It reads `/proc/stat`, so elsewhere than on Linux it sees this process only.
#[derive(Debug)]
pub struct Watch {
    wall: Instant,
    cpu: Duration,
    machine: Option<Machine>,
}

impl Watch {
    pub fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: clock::process_cpu(),
            machine: Machine::read(),
        }
    }

    /// What happened since the start.
    pub fn look(&self) -> Neighbours {
        let wall = self.wall.elapsed().as_secs_f64();
        let own = (clock::process_cpu() - self.cpu).as_secs_f64() / wall;
        let (mut others, mut steal) = (0.0, 0.0);
        if let (Some(before), Some(now)) = (self.machine, Machine::read()) {
            let total = (now.total - before.total).max(1.0);
            let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
            others = ((now.busy - before.busy) / total * cores - own).max(0.0);
            steal = (now.steal - before.steal) / total;
        }
        Neighbours { own, others, steal }
    }
}

/// The first line of `/proc/stat`, in ticks.
#[derive(Debug, Clone, Copy)]
struct Machine {
    busy: f64,
    steal: f64,
    total: f64,
}

impl Machine {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<f64> = (stat.lines().next()?.split_whitespace().skip(1))
            .filter_map(|it| it.parse().ok())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self {
            busy,
            steal,
            total: busy + idle + iowait + steal,
        })
    }
}

/// One criterion: a figure and what it may be at most.
#[derive(Debug, Clone)]
pub struct Check {
    pub what: String,
    pub value: f64,
    pub limit: f64,
}

impl Check {
    pub fn is_met(&self) -> bool {
        self.value <= self.limit
    }
}

/// All criteria. Its `Display` explains them.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Adds a criterion. Values that are not numbers fail.
    pub fn at_most(&mut self, limit: f64, value: f64, what: impl Into<String>) {
        let what = what.into();
        self.checks.push(Check { what, value, limit });
    }

    /// Adds the criteria that do not depend on what is measured. `expected` is the part of the time
    /// on the wall in which this process should have had a core.
    pub fn neighbours(&mut self, neighbours: &Neighbours, expected: f64) {
        self.at_most(
            0.03,
            expected - neighbours.own,
            "part of the time in which the program wanted a core and had none",
        );
        self.at_most(
            0.10,
            neighbours.others,
            "cores kept busy by other processes: they use the same caches and memory",
        );
        self.at_most(
            0.01,
            neighbours.steal,
            "part of the time that the hypervisor gave to other machines",
        );
    }

    pub fn is_quiet(&self) -> bool {
        self.checks.iter().all(Check::is_met)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_quiet() {
            true => writeln!(f, "QUIET ENOUGH TO TRUST. All of these hold:")?,
            false => writeln!(f, "NOT QUIET ENOUGH TO TRUST. Compare nothing closely:")?,
        }
        for check in &self.checks {
            let mark = if check.is_met() { "ok  " } else { "FAIL" };
            let Check { what, value, limit } = check;
            writeln!(f, "  {mark} {value:>7.3} (at most {limit:.3})  {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_criterion_that_fails_decides() {
        let mut verdict = Verdict::default();
        verdict.at_most(0.1, 0.05, "spread");
        assert!(verdict.is_quiet());
        verdict.at_most(0.1, f64::NAN, "no figure");
        assert!(!verdict.is_quiet());
        assert!(verdict.to_string().contains("FAIL"));
    }
}
