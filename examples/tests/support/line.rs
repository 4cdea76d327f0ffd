//! A stream in memory whose n-th operation fails. `run.rs` has what must hold whatever happens.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use websocket_proto::Error;

use super::peer::{Peer, Talk};
use super::run::{Log, Run};

/// What one operation does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Reads or writes one byte.
    Short,
    WouldBlock,
    Interrupted,
    /// `Ok(0)`: the end of the stream, or a write that takes nothing.
    Zero,
    Fails(ErrorKind),
}

pub const FAULTS: [Fault; 7] = [
    Fault::Short,
    Fault::WouldBlock,
    Fault::Interrupted,
    Fault::Zero,
    Fault::Fails(ErrorKind::ConnectionReset),
    Fault::Fails(ErrorKind::BrokenPipe),
    Fault::Fails(ErrorKind::Other),
];

/// The faults at operations, counted from 0.
pub type Plan = Vec<(usize, Fault)>;

/// Bytes of the longest read and write.
pub const CHUNK: usize = 16 << 10;

/// More operations than any run needs. With short reads and writes, a run needs a few hundred.
const ENDLESS: usize = 2000;

/// What lies between the stream and the peer: TLS. It knows which byte is the next one, so it may write
/// again after a failed write.
pub trait Cover: Send {
    fn receive(&mut self, bytes: &[u8], peer: &mut Peer);
    fn take(&mut self, room: &mut [u8], peer: &mut Peer) -> usize;
}

/// A stream and its peer. Operations return `WouldBlock` if they are to be tried again.
pub struct Line {
    /// What is tested, for messages.
    name: String,
    plan: Plan,
    pub peer: Peer,
    pub cover: Option<Box<dyn Cover>>,
    pub ops: usize,
    /// The stream sends only what was flushed, as TLS does, or what fills its buffer.
    pub has_buffer: bool,
    unflushed: Vec<u8>,
    /// `WouldBlock` means that a time limit has passed, so a write has failed.
    pub has_time_limits: bool,
    /// The adapter tells only that the stream has ended.
    pub hides_errors: bool,
    pub was_read: bool,
    /// A read has told that nothing follows.
    was_over: bool,
    pub shut: bool,
    /// What has failed: reads, writes, and the shutdown. `None` is the end of the stream.
    pub failed_read: Option<Option<ErrorKind>>,
    pub failed_write: Option<ErrorKind>,
    pub failed_shutdown: bool,
    /// Of the task that waits for the peer.
    pub waker: Option<Waker>,
}

impl Line {
    pub fn new(name: &str, talk: Talk, peer: Peer, plan: &[(usize, Fault)]) -> Self {
        Self {
            name: format!("{name} {talk:?}"),
            plan: plan.to_vec(),
            peer,
            cover: None,
            ops: 0,
            has_buffer: true,
            unflushed: Vec::new(),
            has_time_limits: false,
            hides_errors: false,
            was_read: false,
            was_over: false,
            shut: false,
            failed_read: None,
            failed_write: None,
            failed_shutdown: false,
            waker: None,
        }
    }

    /// Counts an operation, and returns its fault.
    fn next(&mut self) -> Option<Fault> {
        let n = self.ops;
        self.ops += 1;
        assert!(n < ENDLESS, "{self}: it goes on for ever");
        let fault = self.plan.iter().find(|it| it.0 == n).map(|it| it.1);
        // Below TLS is a socket that does not block, and no signal interrupts a call that does not
        // block. `tokio-rustls` would end its handshake.
        fault.filter(|it| self.cover.is_none() || *it != Fault::Interrupted)
    }

    /// `Ok(None)`: the peer has nothing to say.
    pub fn read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let read = self.try_read(room);
        self.was_over |= match &read {
            Ok(n) => *n == Some(0),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        read
    }

    fn try_read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        assert!(!room.is_empty(), "{self}: a read without room");
        let max = match self.next() {
            None => CHUNK,
            Some(Fault::Short) => 1,
            Some(Fault::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
            Some(Fault::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Fault::Zero) => {
                self.failed_read.get_or_insert(None);
                return Ok(Some(0));
            }
            Some(Fault::Fails(kind)) => {
                self.failed_read = Some(Some(kind));
                return Err(kind.into());
            }
        };
        if self.failed_read.is_some() {
            return Ok(Some(0));
        }
        let max = room.len().min(max);
        // After a failed write the peer is gone, but what it has sent before is there.
        let gone = self.failed_write.is_some() || self.failed_shutdown;
        let taken = match &mut self.cover {
            Some(cover) => cover.take(&mut room[..max], &mut self.peer),
            None => self.peer.take(&mut room[..max]),
        };
        match taken {
            0 if self.peer.ended || gone => Ok(Some(0)),
            0 => Ok(None),
            n => {
                self.was_read = true;
                Ok(Some(n))
            }
        }
    }

    /// Whether an operation has failed for good.
    pub fn has_failed(&self) -> bool {
        self.failed_read.is_some() || self.failed_write.is_some() || self.failed_shutdown
    }

    /// Whether a read would tell something: also if it is the next fault.
    pub fn is_readable(&self) -> bool {
        let is_over = self.peer.ended || self.has_failed();
        let has_fault = self.plan.iter().any(|it| it.0 == self.ops);
        is_over || has_fault || !self.peer.out.is_empty()
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!bytes.is_empty(), "{self}: a write of nothing");
        assert!(!self.shut, "{self}: a write after the shutdown");
        if let (Some(kind), Some(_)) = (self.failed_write, &self.cover) {
            return Err(kind.into());
        }
        assert_eq!(
            self.failed_write, None,
            "{self}: a write after a failed one"
        );
        let max = match self.next() {
            None => CHUNK,
            Some(Fault::Short) => 1,
            // No socket does it, and tokio-rustls takes it for `WouldBlock`.
            Some(Fault::Zero) if self.cover.is_some() => CHUNK,
            Some(Fault::Zero) => {
                self.fail(Fault::Fails(ErrorKind::WriteZero));
                return Ok(0);
            }
            Some(fault) => return Err(self.fail(fault)),
        };
        let n = bytes.len().min(max);
        self.unflushed.extend_from_slice(&bytes[..n]);
        if self.unflushed.len() > CHUNK || !self.has_buffer {
            self.deliver();
        }
        Ok(n)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        match self.next() {
            Some(fault @ (Fault::WouldBlock | Fault::Interrupted | Fault::Fails(_))) => {
                Err(self.fail(fault))
            }
            _ => {
                self.deliver();
                Ok(())
            }
        }
    }

    pub fn shutdown(&mut self) -> io::Result<()> {
        let before = self.failed_write;
        match self.next() {
            Some(fault @ (Fault::WouldBlock | Fault::Interrupted | Fault::Fails(_))) => {
                let error = self.fail(fault);
                self.failed_shutdown |= self.failed_write != before;
                self.failed_write = before;
                Err(error)
            }
            _ => {
                self.deliver();
                self.shut = true;
                self.peer.end_of_stream();
                Ok(())
            }
        }
    }

    /// A socket is closed. In order, unless there may be unread input: then the kernel resets it.
    pub fn close(&mut self) {
        if self.was_over && self.failed_write.is_none() {
            self.shut = true;
            self.peer.end_of_stream();
        }
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        let (kind, harmless) = match fault {
            Fault::Interrupted => (ErrorKind::Interrupted, true),
            Fault::WouldBlock => (ErrorKind::WouldBlock, !self.has_time_limits),
            Fault::Fails(kind) => (kind, false),
            Fault::Short | Fault::Zero => unreachable!("it does some work"),
        };
        if !harmless {
            self.failed_write = Some(match kind {
                ErrorKind::WouldBlock => ErrorKind::TimedOut,
                kind => kind,
            });
            self.unflushed.clear();
            if let Some(waker) = self.waker.take() {
                waker.wake(); // the peer is gone
            }
        }
        kind.into()
    }

    fn deliver(&mut self) {
        match &mut self.cover {
            Some(cover) => cover.receive(&self.unflushed, &mut self.peer),
            None => self.peer.receive(&self.unflushed),
        }
        self.unflushed.clear();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {:?}, operation {}",
            self.name, self.plan, self.ops
        )
    }
}

/// One end of a line. The test keeps another one.
#[derive(Clone)]
pub struct End(pub Arc<Mutex<Line>>);

impl End {
    pub fn new(line: Line) -> Self {
        Self(Arc::new(Mutex::new(line)))
    }

    pub fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().expect("no panic")
    }

    /// After the end of the program: it must have dropped its stream.
    pub fn into_run(self, log: Log, result: Result<(), Error>) -> Run {
        let line = Arc::into_inner(self.0).expect("the stream is kept");
        let line = line.into_inner().expect("no panic");
        Run { log, result, line }
    }
}

/// Blocks: that the peer has nothing to say is a failure of the test.
impl Read for End {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut line = self.line();
        let read = line.read(room)?;
        Ok(read.unwrap_or_else(|| panic!("{line}: it waits for ever")))
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.line().flush()
    }
}
