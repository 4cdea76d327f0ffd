//! Moves the bytes between a stream of tokio and the buffers of a connection.
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use websocket_proto::RecvBuf;

const READ: usize = 16 << 10;
const FINISH: Duration = Duration::from_secs(5);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream and its clock.
pub(super) struct Transport<S> {
    stream: S,
    start: Instant,
    unflushed: bool,
}

pub(super) enum Wake {
    Progress,
    End,
    Deadline,
}

impl<S: Stream> Transport<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            start: Instant::now(),
            unflushed: false,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) async fn wait(
        &mut self,
        input: &mut RecvBuf,
        out: &mut BytesMut,
        receive: bool,
        deadline: Option<Duration>,
    ) -> io::Result<Wake> {
        let far_away = Duration::from_secs(1 << 30);
        let at = self.start + deadline.unwrap_or(far_away);
        let progress = poll_fn(|cx| self.poll(cx, input, out, receive));
        timeout_at(at, progress).await.unwrap_or(Ok(Wake::Deadline))
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut RecvBuf,
        out: &mut BytesMut,
        receive: bool,
    ) -> Poll<io::Result<Wake>> {
        let mut wake = Poll::Pending;
        while !out.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, out) {
                Poll::Pending => break,
                Poll::Ready(Ok(n @ 1..)) => {
                    out.advance(n);
                    (self.unflushed, wake) = (true, Poll::Ready(Ok(Wake::Progress)));
                }
                // The peer is gone. What it sent before, such as a Close frame, is still read.
                Poll::Ready(_) => out.clear(),
            }
        }
        // TLS has a buffer of its own.
        if self.unflushed {
            self.unflushed = Pin::new(&mut self.stream).poll_flush(cx).is_pending();
        }
        if !receive {
            return wake;
        }
        let mut room = ReadBuf::new(input.spare(READ));
        match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Pending => {
                input.release(); // an idle connection holds no memory
                wake
            }
            Poll::Ready(Ok(())) => {
                let n = room.filled().len();
                input.filled(n);
                Poll::Ready(Ok(if n > 0 { Wake::Progress } else { Wake::End }))
            }
            // The connection knows whether the closing handshake was complete: with a Close frame,
            // it matters little that TLS did not say goodbye (close_notify) or that TCP was reset.
            Poll::Ready(Err(error)) => Poll::Ready(match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Ok(Wake::End),
                _ => Err(error),
            }),
        }
    }

    /// Closing a socket with unread input resets it, and the peer may lose what was sent last. So
    /// this reads until the peer ends the stream as well. `shutdown` of TLS sends close_notify.
    pub(super) async fn finish(&mut self, out: &mut BytesMut) {
        let finish = async {
            self.stream.write_all_buf(out).await?;
            self.stream.shutdown().await?;
            let mut dropped = vec![0; 4096];
            while self.stream.read(&mut dropped).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        let _ = timeout(FINISH, finish).await;
    }
}
