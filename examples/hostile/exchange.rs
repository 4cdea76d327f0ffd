//! Writes and reads at the same time, within bounded time.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::attack::Part;

/// A peer that refuses something does it within this time, or the probe is sent.
const PAUSE: Duration = Duration::from_millis(200);
/// A peer that takes nothing for so long waits for a reader.
const DEAF: Duration = Duration::from_secs(1);
/// One look at the clock.
const TICK: Duration = Duration::from_millis(10);
const CHUNK: usize = 64 << 10;

/// Times that the user can set.
#[derive(Clone, Copy)]
pub struct Times {
    /// A peer that is silent for so long hangs.
    pub wait: Duration,
    /// For the attacks that are slow themselves.
    pub patience: Option<Duration>,
}

/// What to do on one connection.
#[derive(Default)]
pub struct Plan<'a> {
    pub parts: &'a [Part],
    /// Is sent after a pause: a peer that answers it has accepted all before it.
    pub probe: &'a [u8],
    /// Reads nothing until all is written, or nothing more is taken.
    pub deaf: bool,
    /// The end, if nothing arrives and nothing is taken for so long.
    pub wait: Duration,
    /// The end, if bytes drip.
    pub patience: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// `hear` has heard enough.
    Heard,
    /// The peer has ended the stream, or reset it.
    Tcp,
    /// Nothing arrives any more, but the stream is open.
    Quiet,
    /// The same, and the peer has not taken all bytes.
    Stuck,
}

/// Returns how many bytes the peer took, and how it ended. `hear` gets what is read, and returns
/// whether it has heard enough.
pub fn exchange(
    stream: &TcpStream,
    plan: &Plan<'_>,
    hear: &mut dyn FnMut(&[u8]) -> bool,
) -> (u64, End) {
    let writer = Writer::default();
    let _ = stream.set_read_timeout(Some(TICK));
    let _ = stream.set_write_timeout(Some(10 * TICK));
    let end = thread::scope(|scope| {
        scope.spawn(|| writer.run(stream, plan.parts));
        if plan.deaf {
            writer.wait(plan.wait.min(DEAF));
        }
        let end = read(stream, plan, &writer, hear);
        writer.stop.store(true, Relaxed);
        end
    });
    (writer.taken.load(Relaxed), end)
}

fn read(
    mut stream: &TcpStream,
    plan: &Plan<'_>,
    writer: &Writer,
    hear: &mut dyn FnMut(&[u8]) -> bool,
) -> End {
    let (start, mut last, mut taken) = (Instant::now(), Instant::now(), 0);
    let (mut probe, mut buf) = (plan.probe, [0; CHUNK]);
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return End::Tcp,
            Ok(n) if hear(&buf[..n]) => return End::Heard,
            Ok(_) => last = Instant::now(),
            Err(error) if is_pause(error.kind()) => {}
            Err(_) => return End::Tcp,
        }
        if taken != writer.taken.load(Relaxed) {
            taken = writer.taken.load(Relaxed);
            last = Instant::now();
        }
        let done = writer.done.load(Relaxed);
        let quiet = last.elapsed();
        let is_over = match plan.patience {
            Some(patience) => start.elapsed() > patience,
            None => quiet > plan.wait,
        };
        if is_over {
            return if done { End::Quiet } else { End::Stuck };
        }
        if done && quiet > PAUSE && !probe.is_empty() {
            let _ = stream.write_all(probe); // a failure is seen by the next read
            probe = &[];
            last = Instant::now();
        }
    }
}

#[derive(Default)]
struct Writer {
    taken: AtomicU64,
    done: AtomicBool,
    stop: AtomicBool,
}

impl Writer {
    fn run(&self, stream: &TcpStream, parts: &[Part]) {
        for part in parts {
            if self.part(stream, part).is_none() {
                break;
            }
        }
        self.done.store(true, Relaxed);
    }

    /// `None`: no more bytes are taken or wanted.
    fn part(&self, stream: &TcpStream, part: &Part) -> Option<()> {
        match part {
            Part::Bytes(bytes) => self.write(stream, bytes),
            Part::Repeat(bytes, times) => {
                let many = (CHUNK / bytes.len()).clamp(1, (*times).max(1));
                let chunk = bytes.repeat(many);
                (0..times / many).try_for_each(|_| self.write(stream, &chunk))?;
                self.write(stream, &bytes.repeat(times % many))
            }
            Part::Bytewise(bytes) => {
                let mut bytes = bytes.chunks(1);
                bytes.try_for_each(|byte| self.write(stream, byte))
            }
            Part::Drip(first, again, interval) => {
                let bytes = first.iter().chain(again.iter().cycle());
                for byte in bytes {
                    self.write(stream, &[*byte])?;
                    let next = Instant::now() + *interval;
                    while Instant::now() < next {
                        if self.stop.load(Relaxed) {
                            return None;
                        }
                        sleep(TICK.min(*interval));
                    }
                }
                Some(())
            }
            Part::Shutdown => stream.shutdown(Shutdown::Write).ok(),
        }
    }

    fn write(&self, mut stream: &TcpStream, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(n) => {
                    self.taken.fetch_add(n as u64, Relaxed);
                    bytes = &bytes[n..];
                }
                Err(error) if is_pause(error.kind()) => {}
                Err(_) => return None,
            }
            if self.stop.load(Relaxed) {
                return None;
            }
        }
        Some(())
    }

    /// Waits until all is written, or nothing more is taken.
    fn wait(&self, wait: Duration) {
        let (mut taken, mut last) = (0, Instant::now());
        while !self.done.load(Relaxed) && last.elapsed() < wait {
            sleep(TICK);
            if taken != self.taken.load(Relaxed) {
                taken = self.taken.load(Relaxed);
                last = Instant::now();
            }
        }
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(kind, Interrupted | TimedOut | WouldBlock)
}
