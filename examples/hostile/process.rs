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

    /// Resident memory in bytes.
    pub fn memory(self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The most since [`forget`](Self::forget).
    pub fn peak(self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// Starts the peak again. Without the right to do so, the peak is that of the whole life.
    pub fn forget(self) -> bool {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").is_ok()
    }

    fn status(self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib << 10)
    }
}
