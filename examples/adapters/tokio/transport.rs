//! Moves bytes between a stream and the buffers of a connection, and waits for deadlines. All state is
//! here and none in futures, so a future that is dropped loses nothing.
use std::task::{Context, Poll, Poll::Pending, Poll::Ready, ready};
use std::{io, pin::Pin, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use websocket_proto::{Error, ProtocolError, RecvBuf};

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
    /// The stream has a buffer of its own, as TLS has, and it was not flushed.
    pub(super) unflushed: bool,
    /// The first error. The engine only knows that the stream has ended.
    pub(super) error: Option<io::Error>,
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
            unflushed: false,
            error: None,
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
        let unsent = out.len();
        let _ = self.poll_flush(cx, out);
        if let Some(input) = input {
            if let Ready(n) = self.poll_read(cx, input) {
                return Ready(if n > 0 { Wake::Progress } else { Wake::End });
            }
            input.release(); // a connection that waits needs no memory
        }
        if out.len() < unsent {
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
        if let Err(error) = ready!(poll_write(cx, &mut self.stream, out, &mut self.unflushed)) {
            self.error.get_or_insert(error);
        }
        Ready(())
    }

    /// Returns the number of bytes; 0 at the end of the stream and after an error.
    fn poll_read(&mut self, cx: &mut Context<'_>, input: &mut RecvBuf) -> Poll<usize> {
        let mut room = ReadBuf::new(input.spare(input.read_size()));
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
        let n = room.filled().len();
        input.filled(n);
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        Ready(n)
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

    /// If the engine only knows that the stream has ended: the error that ended it.
    pub(super) fn cause(&mut self, error: ProtocolError) -> Error {
        match self.error.take() {
            Some(cause) if error == ProtocolError::EndOfStream => cause.into(),
            _ => error.into(),
        }
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
                let shut = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
                self.end = shut.map_or(End::Over, |()| End::Drain(at));
            } else if ready!(self.poll_read(cx, &mut RecvBuf::new())) == 0 {
                self.end = End::Over;
            }
        }
    }
}

/// Writes `out`, and flushes the stream. After an error `out` is empty, because the peer does not read.
pub(super) fn poll_write(
    cx: &mut Context<'_>,
    stream: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> Poll<io::Result<()>> {
    while !out.is_empty() {
        *unflushed = true;
        match ready!(Pin::new(&mut *stream).poll_write(cx, out)) {
            Ok(n @ 1..) => out.advance(n),
            failed => {
                out.clear();
                *unflushed = false;
                return Ready(failed.and(Err(io::ErrorKind::WriteZero.into())));
            }
        }
    }
    if *unflushed {
        let flushed = ready!(Pin::new(stream).poll_flush(cx));
        *unflushed = false;
        return Ready(flushed);
    }
    Ready(Ok(()))
}
