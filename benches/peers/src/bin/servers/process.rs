//! A server in a process of its own, on a core of its own.
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

pub(crate) struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    pub(crate) addr: SocketAddr,
    clock: ClockId,
}

impl Server {
    /// Starts the program on its core, and waits for the line with its address.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let program = command.get_program().display().to_string();
        let text = |error: std::io::Error| format!("{program}: {error}");
        let log_file = File::create(log).map_err(text)?;
        pin(SERVER_CORE).map_err(text)?; // a process starts where the thread is that starts it
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn();
        pin(LOAD_CORE).map_err(text)?;
        let mut child = child.map_err(text)?;
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map_err(text);
        let addr = line
            .trim()
            .rsplit('/')
            .next()
            .and_then(|it| it.parse().ok());
        let clock = clock_getcpuclockid(Pid::from_raw(child.id() as i32));
        match (addr, clock) {
            (Some(addr), Ok(clock)) => Ok(Self {
                child,
                _stdout: stdout,
                addr,
                clock,
            }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                read?;
                let said = fs::read_to_string(log).unwrap_or_default();
                let said = said.lines().last().unwrap_or("it printed no address");
                Err(said.to_string())
            }
        }
    }

    /// The time that all threads of the process have run, in the kernel too.
    pub(crate) fn cpu(&self) -> Duration {
        self.clock.now().map_or(Duration::ZERO, Duration::from)
    }

    /// Waits until the process does nothing any more, for 3 s at most.
    pub(crate) fn settle(&self) {
        let end = Instant::now() + Duration::from_secs(3);
        let mut before = self.cpu();
        while Instant::now() < end {
            sleep(Duration::from_millis(5));
            let now = self.cpu();
            if now - before < Duration::from_micros(100) {
                break;
            }
            before = now;
        }
    }

    /// The resident memory of the process, in bytes. `VmRSS` would be some hundred KiB off.
    pub(crate) fn resident(&self) -> Option<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let rollup = fs::read_to_string(path).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib << 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Moves this thread to a core.
pub(crate) fn pin(core: usize) -> std::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Allows as many open files as the system does, and returns how many these are.
pub(crate) fn raise_file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
}
