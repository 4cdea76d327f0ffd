//! Two tasks: one reads, the other writes.

use std::future::{pending, poll_fn};
use std::io;

use tokio::io::AsyncRead;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep_until};
use tokio::{select, task::coop};
use websocket_proto::{Error, Event, Notes, RecvBuf, RecvHalf};

use super::transport::{FINISH, cause, poll_read};
use super::{Socket, Writer};

impl<S> Socket<S> {
    /// Splits the socket for two tasks: see [`Reader::recv`] and [`Writer::run`]. `halves` splits the
    /// stream: `TcpStream::into_split` or `tokio::io::split`.
    pub fn split<R, W>(self, halves: impl FnOnce(S) -> (R, W)) -> (Reader<R>, Writer<W>) {
        let (sender, notes) = mpsc::channel(16);
        let (recv, send) = self.ws.split();
        let (reader, stream) = halves(self.transport.stream);
        let link = Link {
            stream: reader,
            notes: sender,
            held: None,
            ended: false,
            error: None,
            end: None,
        };
        let reader = Reader {
            ws: recv,
            input: self.input,
            link,
        };
        let writer = Writer {
            ws: send,
            stream,
            out: self.out,
            writing: self.transport.writing,
            start: self.transport.start,
            notes,
        };
        (reader, writer)
    }
}

/// The half that receives. If it is dropped, the [`Writer`] closes the connection with 1001.
pub struct Reader<R> {
    ws: RecvHalf,
    input: RecvBuf,
    link: Link<R>,
}

/// The stream, and the way to the [`Writer`].
struct Link<R> {
    stream: R,
    notes: mpsc::Sender<Notes>,
    /// Notes for which the channel had no room.
    held: Option<Notes>,
    /// The stream has ended or failed.
    ended: bool,
    error: Option<io::Error>,
    /// The writer has ended. When to stop reading.
    end: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Returns the next event; `None` at the end of the connection. Errors of the writer, such as
    /// timeouts, are returned by [`Writer::run`]. Continue until `None` or an error: the orderly
    /// end is a part of it.
    ///
    /// **Cancel safety:** the future can be dropped at any time.
    pub async fn recv(&mut self) -> Result<Option<Event<'_>>, Error> {
        coop::consume_budget().await;
        while !self.ws.poll(&mut self.input) {
            if self.ws.is_over() || self.link.end.is_some() {
                self.link.finish(&mut self.ws).await;
                return Ok(None);
            }
            self.link.wait(&mut self.ws, &mut self.input).await;
        }
        let event = self.ws.next_event(&mut self.input);
        self.link.tell(&mut self.ws);
        match event {
            Ok(event) => Ok(event),
            Err(error) => {
                self.link.finish(&mut self.ws).await;
                Err(cause(error, &mut self.link.error))
            }
        }
    }
}

impl<R: AsyncRead + Unpin> Link<R> {
    /// Passes notes on, as far as the channel has room.
    fn tell(&mut self, ws: &mut RecvHalf) {
        if let Some(new) = ws.take_notes() {
            match &mut self.held {
                Some(held) => held.merge(new),
                None => self.held = Some(new),
            }
        }
        if let Some(notes) = self.held.take()
            && let Err(TrySendError::Full(notes)) = self.notes.try_send(notes)
        {
            self.held = Some(notes);
        }
    }

    /// Waits until something has happened: a read, the end of the stream or of the writer.
    async fn wait(&mut self, ws: &mut RecvHalf, input: &mut RecvBuf) {
        self.tell(ws);
        let read = poll_fn(|cx| {
            let result = poll_read(cx, &mut self.stream, input);
            if result.is_pending() {
                input.release(); // a connection that waits needs no memory for messages
            }
            result.map_ok(|n| n == 0)
        });
        select! {
            permit = self.notes.reserve(), if self.held.is_some() => {
                if let (Ok(permit), Some(notes)) = (permit, self.held.take()) {
                    permit.send(notes);
                }
            }
            () = self.notes.closed(), if self.end.is_none() => self.end = Some(Instant::now() + FINISH),
            () = at(self.end) => self.ended = true,
            ended = read, if !self.ended => {
                self.ended = *ended.as_ref().unwrap_or(&true);
                self.error = ended.err();
                if self.ended {
                    ws.end_of_stream();
                }
            },
        }
    }

    /// Reads and drops until the stream and the writer have ended. If a TCP socket is closed while
    /// input is unread, the Close frame may not arrive.
    async fn finish(&mut self, ws: &mut RecvHalf) {
        let mut dropped = RecvBuf::new();
        while !(self.ended && self.end.is_some()) {
            self.wait(ws, &mut dropped).await;
            dropped.clear();
        }
    }
}

/// Waits until the instant; for ever without one.
pub(super) async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
