//! Moves bytes between a stream and the buffers of a connection, and waits for deadlines. All state is
//! here and none in futures, so a future that is dropped loses nothing.
use std::task::{Context, Poll, Poll::Pending, Poll::Ready, ready};
use std::{io, pin::Pin, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use websocket_proto::{Error, Fault, RecvBuf};

/// How long the peer may take to end the stream after the end of the connection.
pub(super) const FINISH: Duration = Duration::from_secs(5);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream, its clock and its timer.
pub(super) struct Transport<S> {
    pub(super) stream: S,
    /// The clock of tokio, which tests can pause.
    pub(super) start: Instant,
    timer: Pin<Box<Sleep>>,
    pub(super) writing: Writing,
    /// The first error. The engine only knows that the stream has ended.
    error: Option<io::Error>,
    /// An error was returned. It comes once.
    pub(super) told: bool,
    end: End,
}

/// The progress of the orderly end.
enum End {
    No,
    /// Flush and shut down writing, until this instant at most.
    Flush(Duration),
    /// Read and drop, until this instant at most.
    Drain(Duration),
    Over,
}

/// Why a wait has ended.
pub(super) enum Wake {
    Progress,
    /// The stream has ended or failed.
    End,
    Deadline,
}

impl<S: Stream> Transport<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            start: Instant::now(),
            timer: Box::pin(sleep(Duration::ZERO)),
            writing: Writing::default(),
            error: None,
            told: false,
            end: End::No,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Writes, reads if there is an `input`, and waits until something has happened.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        input: Option<&mut RecvBuf>,
        out: &mut BytesMut,
        deadline: Option<Duration>,
    ) -> Poll<Wake> {
        let (unsent, unflushed) = (out.len(), self.writing.unflushed);
        let _ = self.poll_flush(cx, out);
        if let Some(input) = input {
            if let Ready(n) = self.poll_read(cx, input) {
                return Ready(if n > 0 { Wake::Progress } else { Wake::End });
            }
            input.release(); // a connection that waits needs no memory
        }
        // Who waits for the flush may be all that is left, and nothing else would wake it.
        if out.len() < unsent || unflushed && !self.writing.unflushed {
            return Ready(Wake::Progress);
        }
        if out.is_empty() {
            *out = BytesMut::new();
        }
        self.poll_timer(cx, deadline).map(|()| Wake::Deadline)
    }

    /// Writes `out`, and flushes the stream. If that fails, what the peer has sent before, such as a
    /// Close frame, is still read.
    fn poll_flush(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<()> {
        if let Err(error) = ready!(self.writing.poll(cx, &mut self.stream, out)) {
            self.error.get_or_insert(error);
        }
        Ready(())
    }

    /// Returns the number of bytes; 0 at the end of the stream and after an error.
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut RecvBuf) -> Poll<usize> {
        Ready(match ready!(poll_read(cx, &mut self.stream, input)) {
            Ok(n) => n,
            Err(error) => {
                self.error.get_or_insert(error);
                0
            }
        })
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, deadline: Option<Duration>) -> Poll<()> {
        // `Instant + Duration` panics if the sum is out of range.
        let Some(at) = deadline.and_then(|at| self.start.checked_add(at)) else {
            return Pending;
        };
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        self.timer.as_mut().poll(cx)
    }

    /// Whether the orderly end is complete.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.end, End::Over)
    }

    /// See [`cause`].
    pub(super) fn cause(&mut self, error: impl Into<Error>) -> Error {
        cause(error, &mut self.error)
    }

    /// Ends the stream in order: flushes, shuts down writing (TLS then sends close_notify), and reads
    /// and drops. If a TCP socket is closed while input is unread, the last bytes may not arrive.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<()> {
        loop {
            let (End::Flush(at) | End::Drain(at)) = self.end else {
                if let End::Over = self.end {
                    return Ready(());
                }
                self.end = End::Flush(self.now() + FINISH);
                continue;
            };
            if self.poll_timer(cx, Some(at)).is_ready() {
                self.end = End::Over;
            } else if let End::Flush(at) = self.end {
                ready!(self.poll_flush(cx, out));
                let stream = &mut self.stream;
                let shut = ready!(again(|| Pin::new(&mut *stream).poll_shutdown(cx)));
                self.end = shut.map_or(End::Over, |()| End::Drain(at));
            } else if ready!(self.poll_read(cx, &mut RecvBuf::new())) == 0 {
                self.end = End::Over;
            }
        }
    }
}

/// The state of the writing side of a stream.
#[derive(Default)]
pub(super) struct Writing {
    /// The stream has a buffer of its own, as TLS has, and it was not flushed.
    pub(super) unflushed: bool,
    /// A write has failed. What is written after it could follow a part of a frame.
    pub(super) failed: Option<io::ErrorKind>,
}

impl Writing {
    /// Writes `out`, and flushes the stream. After an error nothing is written any more, and `out` is
    /// empty. The error comes once.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
        out: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            out.clear();
        }
        let result = ready!(self.poll_all(cx, stream, out));
        if let Err(error) = &result {
            out.clear();
            self.unflushed = false;
            self.failed = Some(error.kind());
        }
        Ready(result)
    }

    fn poll_all(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
        out: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        while !out.is_empty() {
            self.unflushed = true;
            match ready!(again(|| Pin::new(&mut *stream).poll_write(cx, out)))? {
                0 => return Ready(Err(io::ErrorKind::WriteZero.into())),
                n => out.advance(n),
            }
        }
        if self.unflushed {
            ready!(again(|| Pin::new(&mut *stream).poll_flush(cx)))?;
            self.unflushed = false;
        }
        Ready(Ok(()))
    }
}

/// Reads once. Returns the number of bytes.
pub(super) fn poll_read(
    cx: &mut Context<'_>,
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut RecvBuf,
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(input.spare(input.read_size()));
    let result = again(|| Pin::new(&mut *stream).poll_read(cx, &mut room));
    let n = room.filled().len();
    input.filled(n);
    result.map_ok(|()| n)
}

/// Polls until no signal interrupts the call.
pub(super) fn again<T>(mut poll: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match poll() {
            Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// If the engine only knows that nothing arrives any more: the error of the stream that tells why.
pub(super) fn cause(error: impl Into<Error>, stream: &mut Option<io::Error>) -> Error {
    let error = error.into();
    match stream.take() {
        Some(cause) if error.fault() == Fault::Transport => cause.into(),
        _ => error,
    }
}
