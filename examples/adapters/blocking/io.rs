//! The stream with its unsent output and its clock.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use websocket_proto::{Clock, Error, Fault, RecvBuf};

use super::END;

/// How long a peer may read nothing, and how long all of a write may take, with one second more for
/// each `MIN_RATE` bytes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const MIN_RATE: usize = 1000;

/// What a socket needs of a stream. For TLS, implement it for the TLS stream.
pub trait Transport: Read + Write {
    /// Limits the time of each read: after it, they fail with `TimedOut` or `WouldBlock`. It is
    /// never zero; `None` means for ever.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// The same for each write.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the stream to the peer. For TLS, send `close_notify` first. Reading goes on.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// The stream and its unsent output.
pub(super) struct Io<S> {
    stream: S,
    pub(super) out: BytesMut,
    pub(super) clock: Clock,
    /// An error of the stream. It tells why the stream has ended early.
    error: Option<io::Error>,
    /// A write has failed. What is written after it could follow a part of a frame.
    failed: Option<ErrorKind>,
    /// The stream was ended.
    pub(super) over: bool,
}

impl<S: Transport> Io<S> {
    pub(super) fn new(mut stream: S) -> io::Result<Self> {
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self {
            stream,
            out: BytesMut::new(),
            clock: Clock::start(),
            error: None,
            failed: None,
            over: false,
        })
    }

    /// Reads once, until the deadline at most. Returns whether the stream has ended or failed.
    pub(super) fn read(&mut self, input: &mut RecvBuf, deadline: Option<Duration>) -> bool {
        let timeout = self.clock.timeout(deadline);
        let ready = self.stream.set_read_timeout(timeout);
        match ready.and_then(|()| self.stream.read(input.spare(input.read_size()))) {
            Ok(n) => {
                input.filled(n);
                n == 0
            }
            Err(error) if is_pause(&error) => false,
            Err(error) => {
                self.error.get_or_insert(error);
                true
            }
        }
    }

    /// Writes what is unsent. After an error nothing is written any more, and `out` is empty.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let result = match self.failed {
            Some(kind) => Err(kind.into()),
            None => self.write(),
        };
        self.out.clear();
        result.map_err(|error| {
            let late = is_pause(&error);
            let error = if late {
                ErrorKind::TimedOut.into()
            } else {
                error
            };
            self.failed = Some(error.kind());
            error
        })
    }

    fn write(&mut self) -> io::Result<()> {
        let rate = Duration::from_secs((self.out.len() / MIN_RATE) as u64);
        let end = self.clock.now() + WRITE_TIMEOUT + rate;
        while !self.out.is_empty() {
            match again(|| self.stream.write(&self.out))? {
                0 => return Err(ErrorKind::WriteZero.into()),
                n => self.out.advance(n),
            }
            if self.clock.now() > end {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        again(|| self.stream.flush())
    }

    /// Writes what is unsent. Fails if the peer does not read. After other errors, what the peer
    /// sent before, such as a Close frame, is still read.
    pub(super) fn flush_before_read(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                self.over = true;
                Err(error)
            }
            Err(error) => {
                self.error.get_or_insert(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// If the engine only knows that nothing arrives any more: the error of the stream that tells why.
    pub(super) fn cause(&mut self, error: impl Into<Error>) -> Error {
        let error = error.into();
        match self.error.take() {
            Some(cause) if error.fault() == Fault::Transport => cause.into(),
            _ => error,
        }
    }

    /// Ends the stream in order: writes, shuts writing down, then reads and drops. If a TCP socket
    /// is closed while input is unread, the Close frame may not arrive.
    pub(super) fn end(&mut self) {
        let open = !std::mem::replace(&mut self.over, true);
        if !open || self.flush().is_err() || again(|| self.stream.shutdown_write()).is_err() {
            return;
        }
        let (end, mut dropped) = (self.clock.now() + END, RecvBuf::new());
        while self.clock.now() < end && !self.read(&mut dropped, Some(end)) {
            dropped.clear();
        }
    }
}

/// Calls until no signal interrupts the call.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
