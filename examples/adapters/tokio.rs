//! WebSockets over any `AsyncRead + AsyncWrite` of tokio: TCP, TLS, an upgraded HTTP connection. Copy
//! this file and the folder `tokio` unchanged (edition 2024). They need the crates `websocket-proto`,
//! `bytes`, `tokio` (`rt`, `time`), for `messages.rs` also `futures-util` (`sink`), and for `split.rs`
//! and `writer.rs` also `io-util`, `macros` and `sync` of `tokio`. To leave one of them out, delete its
//! lines `mod` and `pub use`. Put the module below another one, such as `adapters`: in the root of a
//! crate, the name `tokio` would hide the crate.
//!
//! [`Socket::accept`] and [`Socket::connect`] do the handshake. Then there are four ways to use it:
//!
//! - [`recv`](Socket::recv) returns events that borrow the receive buffer.
//!   [`recv_reply`](Socket::recv_reply) also returns what a reply needs.
//! - For full control, take events from `ws` yourself, and [`wait`](Socket::wait) when there are none:
//!   see `echo.rs`.
//! - [`Messages`] is a `Stream` and a `Sink` of messages that own their memory.
//! - [`split`](Socket::split) is for two tasks: a [`Reader`] of events that borrow, and a [`Writer`].
//!   Do not share a `Socket` by other means: two tasks that wait would replace each other's waker.
//!
//! While one of its futures waits, the socket writes, answers pings and keeps the time limits.
//! **Cancel safety:** all state is in the socket, so each future can be dropped at any time and called
//! again: nothing is lost, and nothing is sent twice.
//!
//! What it does not do: open TCP or TLS streams; share codecs between connections (`deflate::Pool`);
//! answer pings while no future of it waits; put parts together (`Config::parts_above`).
#![allow(dead_code, unused_imports, reason = "a program uses only a part")]

use std::future::poll_fn;
use std::task::{Context, Poll, Poll::Ready, ready};

use bytes::BytesMut;
use websocket_proto::{CloseCode, Connection, Error, Event, ProtocolError, RecvBuf};

mod handshake;
mod messages;
mod split;
mod transport;
mod writer;

pub use messages::{Message, Messages};
pub use split::Reader;
pub use transport::Stream;
use transport::{Transport, Wake};
pub use writer::Writer;

/// Above this many bytes of unsent output, send nothing of your own, and take no events to which you
/// reply.
pub const HIGH_WATER: usize = 64 << 10;

/// An open connection, its buffers and its stream.
pub struct Socket<S> {
    pub ws: Connection,
    pub input: RecvBuf,
    pub out: BytesMut,
    transport: Transport<S>,
}

impl<S: Stream> Socket<S> {
    /// For a handshake that was done elsewhere. `input` has the bytes that arrived with it.
    pub fn new(stream: S, ws: Connection, input: RecvBuf) -> Self {
        Self {
            ws,
            input,
            out: BytesMut::new(),
            transport: Transport::new(stream),
        }
    }

    /// Returns the next event. `None` or an error comes once, after the orderly end.
    pub async fn recv(&mut self) -> Result<Option<Event<'_>>, Error> {
        Ok(self.recv_reply().await?.map(|(event, ..)| event))
    }

    /// The same, with the connection and `out` for replies. They leave in the next call.
    pub async fn recv_reply(
        &mut self,
    ) -> Result<Option<(Event<'_>, &mut Connection, &mut BytesMut)>, Error> {
        if !poll_fn(|cx| self.poll_event(cx)).await {
            return Ok(None);
        }
        match self.ws.next_event(&mut self.input, &mut self.out) {
            Ok(event) => Ok(event.map(|event| (event, &mut self.ws, &mut self.out))),
            Err(error) => {
                poll_fn(|cx| self.transport.poll_finish(cx, &mut self.out)).await;
                self.transport.told = true;
                Err(self.transport.cause(error))
            }
        }
    }

    /// Sends, receives, or does what is due, and returns when something has happened. While an event
    /// is ready, it does not read.
    ///
    /// When `ws` is done, and after an error of it, call [`finish`](Self::finish).
    pub async fn wait(&mut self) {
        poll_fn(|cx| self.poll_wait(cx)).await;
    }

    /// Turns an error of `ws` into the error of the stream that caused it, such as a reset. `ws` only
    /// knows that the stream has ended.
    pub fn cause(&mut self, error: ProtocolError) -> Error {
        self.transport.cause(error)
    }

    /// Sends the rest of `out`, which has the Close frame also after an error, and ends the stream.
    pub async fn finish(&mut self) {
        poll_fn(|cx| self.transport.poll_finish(cx, &mut self.out)).await;
    }

    /// Does the whole closing handshake. Messages that still arrive are dropped.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.ws.close(code, reason, &mut self.out)?;
        while poll_fn(|cx| self.poll_take(cx, |_| ())).await?.is_some() {}
        Ok(())
    }

    /// Waits until `next_event` has an event or an error. `false`: the connection is over.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // One read can contain thousands of messages. Let other tasks run in between.
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        while !self.transport.told {
            let takes = self.out.len() <= HIGH_WATER || self.ws.error().is_some();
            if takes && self.ws.poll(&mut self.input, &mut self.out) {
                return Ready(true);
            }
            if self.transport.is_over() {
                break;
            }
            ready!(match self.ws.is_done() {
                true => self.transport.poll_finish(cx, &mut self.out),
                false => self.poll_wait(cx),
            });
        }
        Ready(false)
    }

    fn poll_take<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(Event<'_>) -> T,
    ) -> Poll<Result<Option<T>, Error>> {
        if !ready!(self.poll_event(cx)) {
            return Ready(Ok(None));
        }
        match self.ws.next_event(&mut self.input, &mut self.out) {
            Ok(event) => Ready(Ok(event.map(take))),
            Err(error) => {
                ready!(self.transport.poll_finish(cx, &mut self.out));
                self.transport.told = true;
                Ready(Err(self.transport.cause(error)))
            }
        }
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            ws,
            input,
            out,
            transport,
        } = self;
        // An event that is not taken stops reading. Unsent output alone does not: if both ends stopped
        // reading, they would wait for each other for ever.
        let reads = !ws.poll(input, out);
        let deadline = ws.deadline(transport.now());
        match ready!(transport.poll(cx, reads.then_some(&mut *input), out, deadline)) {
            Wake::End => ws.end_of_stream(),
            // A peer that sends without end must not put off a deadline, so each read looks at it. What
            // has arrived is a sign of life, so `ws` sees it first. The error is in `ws.error`.
            Wake::Progress | Wake::Deadline => {
                _ = (ws.poll(input, out), ws.handle_timeout(transport.now(), out));
            }
        }
        Ready(())
    }
}
