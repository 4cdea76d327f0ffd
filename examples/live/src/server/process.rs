//! What the process uses, from `/proc` (other systems than Linux: nothing), and how many files it may open.
use std::fs::read_to_string;
use std::time::Duration;

/// Memory and time since the start of the process.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory: u64,
    /// User and system time of all threads.
    pub cpu: Duration,
}

/// The present usage.
pub fn usage() -> Option<Usage> {
    Some(Usage {
        memory: memory(&read_to_string("/proc/self/status").ok()?)?,
        cpu: cpu(&read_to_string("/proc/self/stat").ok()?)?,
    })
}

fn memory(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn cpu(stat: &str) -> Option<Duration> {
    // The second field is the name of the program, which can have spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11); // fields 14 and 15 of proc(5)
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    // Linux reports these times in hundredths of a second, whatever the tick of its kernel is.
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Raises the number of files that this process may open as far as the system allows, and returns it.
/// `None`: there is no limit. Each connection is a file, and the usual limit of a shell is 1024.
pub fn raise_file_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => maximum,
            Err(_) => current, // macOS allows less than it says
        }
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a ) (b) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 3 0 100 1000 200";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu("7 (short) S 1"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(memory("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(memory("Name:\tx\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_and_time() {
        let before = usage().unwrap();
        let mut sum = 0_u64;
        while usage().unwrap().cpu == before.cpu {
            sum = std::hint::black_box((0..100_000).fold(sum, u64::wrapping_add));
        }
        assert!(before.memory > 1 << 16);
    }
}
