//! What the tests of the adapters share.
#![allow(dead_code, unreachable_pub, unused_imports)]

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, time::Duration};

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::timeout;
use websocket_proto::{Config, Connection, Event, RecvBuf, Role, Seed};

pub mod line;
pub mod peer;
pub mod run;
pub mod stream;
#[path = "../../../tests/support/wire.rs"]
pub mod wire;

/// The receiver of a frame: see `Frame::to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

pub fn server(config: Config) -> Connection {
    Connection::assume_opened(Role::Server, config)
}

pub fn client(config: Config) -> Connection {
    Connection::assume_opened(Role::Client(Seed::from([7; 32])), config)
}

/// A configuration without time limits for an open connection. With a paused clock, a task that is
/// never woken would otherwise be woken by the next ping.
pub fn timeless() -> Config {
    let mut config = Config::new();
    config.ping_interval = None;
    config.message_timeout = None;
    config.close_timeout = Duration::MAX;
    config
}

/// With a paused clock, fails at once if all tasks wait for something that never happens.
pub async fn alive<T>(future: impl Future<Output = T>) -> T {
    let day = Duration::from_secs(86_400);
    timeout(day, future).await.expect("a lost wake-up")
}

/// An event with its own memory, to be compared.
pub fn text(event: Event<'_>) -> String {
    match event {
        Event::Text(text) => format!("text {text}"),
        Event::Binary(bytes) => format!("binary {} {:?}", bytes.len(), bytes.first()),
        Event::Close(close) => format!("close {:?} {}", close.code.map(u16::from), close.reason),
        other => format!("{other:?}"),
    }
}

/// A small deterministic generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// A stream that is often pending, and reads and writes only a few bytes at a time. Like a TLS
/// stream, it sends only what was flushed.
pub struct Flaky<S> {
    pub inner: S,
    pub random: Random,
    unflushed: Vec<u8>,
}

impl<S> Flaky<S> {
    pub fn new(inner: S, seed: u64) -> Self {
        let (random, unflushed) = (Random(seed), Vec::new());
        Self {
            inner,
            random,
            unflushed,
        }
    }

    fn pending(&mut self, cx: &Context<'_>) -> bool {
        let pending = self.random.below(3) == 0;
        if pending {
            cx.waker().wake_by_ref();
        }
        pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flaky<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pending(cx) {
            return Poll::Pending;
        }
        let max = 1 + self.random.below(40) as usize;
        let mut part = buf.take(max);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let n = part.filled().len();
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flaky<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.pending(cx) {
            return Poll::Pending;
        }
        if self.unflushed.len() > 100 {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        let n = bytes.len().min(1 + self.random.below(40) as usize);
        self.unflushed.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.unflushed.is_empty() {
            if this.pending(cx) {
                return Poll::Pending;
            }
            let n = ready!(Pin::new(&mut this.inner).poll_write(cx, &this.unflushed))?;
            this.unflushed.drain(..n);
        }
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A stream that fails.
pub struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("no route")))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::other("no route")))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future a few times and drops it, again and again, until it is ready.
#[macro_export]
macro_rules! often_dropped {
    ($random:expr, $future:expr) => {
        loop {
            let mut polls = $random.below(4);
            let mut future = std::pin::pin!($future);
            let done = std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
                std::task::Poll::Pending if polls == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => {
                    polls -= 1;
                    std::task::Poll::Pending
                }
            });
            match done.await {
                Some(done) => break done,
                // Other tasks must run: what the future waits for may come from them.
                None => tokio::task::yield_now().await,
            }
        }
    };
}
