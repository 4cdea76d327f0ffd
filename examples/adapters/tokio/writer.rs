//! The task that writes: see [`Socket::split`](super::Socket::split).

use std::{future::poll_fn, pin::Pin};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use websocket_proto::{CloseCode, Error, Notes, ReadyState, SendError, SendHalf};

use super::transport::{FINISH, Writing, again, cause};
use super::{HIGH_WATER, split::at};

/// The half that sends, keeps the time and decides when the connection is over.
pub struct Writer<W> {
    pub(super) ws: SendHalf,
    pub(super) stream: W,
    pub(super) out: BytesMut,
    pub(super) writing: Writing,
    pub(super) start: Instant,
    pub(super) notes: mpsc::Receiver<Notes>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Sends messages until the connection is over. If all senders are dropped, closes the
    /// connection with 1000.
    ///
    /// `send` calls a method of [`SendHalf`] for a message. It is called while the connection is
    /// open, and at most [`HIGH_WATER`] bytes are unsent. If it fails, the connection is closed with
    /// 1011. Messages that were not sent are dropped with the channel.
    ///
    /// If the future is dropped, the connection ends at once, without a Close frame.
    pub async fn run<M>(
        mut self,
        mut messages: mpsc::Receiver<M>,
        mut send: impl FnMut(&mut SendHalf, &mut BytesMut, M) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let (mut failed, mut broken) = (Ok(()), None);
        let Self {
            ws,
            stream,
            out,
            writing,
            start,
            notes,
        } = &mut self;
        while !ws.is_done() {
            let deadline = ws
                .deadline(start.elapsed())
                .and_then(|at| start.checked_add(at));
            let may_send = out.len() <= HIGH_WATER && ws.state() == ReadyState::Open;
            select! {
                heard = notes.recv() => {
                    let Some(heard) = heard else {
                        ws.close(CloseCode::GOING_AWAY, "", out)?;
                        break; // nobody reads the answer
                    };
                    ws.hear(heard, out);
                    while let Ok(heard) = notes.try_recv() {
                        ws.hear(heard, out);
                    }
                }
                // If the stream fails, the reader notices as well, and tells how it ended.
                written = poll_fn(|cx| writing.poll(cx, stream, out)),
                    if writing.unflushed || !out.is_empty() =>
                {
                    broken = broken.or(written.err());
                    *out = BytesMut::new(); // a connection that waits needs no memory for it
                }
                message = messages.recv(), if may_send => {
                    let mut next = message;
                    if next.is_none() {
                        ws.close(CloseCode::NORMAL, "", out)?;
                    }
                    while let Some(message) = next {
                        if let Err(error) = send(ws, out, message) {
                            failed = Err(error);
                            ws.close(CloseCode::INTERNAL_ERROR, "", out)?;
                        }
                        let more = out.len() <= HIGH_WATER && ws.state() == ReadyState::Open;
                        next = if more { messages.try_recv().ok() } else { None };
                    }
                }
                () = at(deadline) => {
                    // What was heard is a sign of life.
                    while let Ok(heard) = notes.try_recv() {
                        ws.hear(heard, out);
                    }
                    // If it fails, `ws.is_done()`.
                    let _ = ws.handle_timeout(start.elapsed(), out);
                }
            }
        }
        let finish = async {
            poll_fn(|cx| writing.poll(cx, stream, out)).await?;
            poll_fn(|cx| again(|| Pin::new(&mut *stream).poll_shutdown(cx))).await
        };
        let _ = timeout(FINISH, finish).await;
        failed?;
        ws.error()
            .map_or(Ok(()), |error| Err(cause(error, &mut broken)))
    }
}
