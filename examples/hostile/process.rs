//! The CPU time and the memory of the program under test, from /proc (Linux).
use std::fs;
use std::time::Duration;

/// Ticks of /proc/PID/stat. Linux has shown this number to programs for as long as it exists.
const TICKS: u64 = 100;

#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// The CPU time of all threads, in steps of 10 ms.
    pub fn cpu(self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name of the program is in parentheses, and can hold spaces.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11); // utime and stime
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        Some(Duration::from_millis((user + system) * 1000 / TICKS))
    }

    /// Starts to measure.
    pub fn measure(self) -> Measured {
        // The peak starts again. Without the right to do so, it is that of the whole life.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
        Measured {
            process: self,
            cpu: self.cpu(),
            memory: self.status("VmRSS:"),
        }
    }

    fn status(self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib << 10)
    }
}

/// What a process had used when the measurement started.
pub struct Measured {
    process: Process,
    cpu: Option<Duration>,
    memory: Option<u64>,
}

impl Measured {
    /// The CPU time since then. If the process has ended, there is nothing to read.
    pub fn cpu(&self) -> Option<Duration> {
        Some(self.process.cpu()?.saturating_sub(self.cpu?))
    }

    /// By how many bytes the resident memory has grown at most.
    pub fn memory(&self) -> Option<u64> {
        Some(self.process.status("VmHWM:")?.saturating_sub(self.memory?))
    }
}
