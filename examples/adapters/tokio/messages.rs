//! `Stream` and `Sink` of messages that own their memory.
use std::io::ErrorKind::Unsupported;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Poll::Pending, Poll::Ready, Wake, Waker, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream as Items, task::AtomicWaker};
use websocket_proto::{CloseCode, CloseFrame, Error, Event, ProtocolError, SendError};

use super::{HIGH_WATER, Socket, Stream};

/// A message or control frame with its own memory. A `Close` without a code is sent as 1000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseCode>, String),
}

/// A `Stream<Item = Result<Message, Error>>` and `Sink<Message>`.
///
/// - The `Stream` also returns pings, which are answered. Poll it until it returns `None` or an error:
///   the answer to a `Close` leaves, and the connection ends in order, only then.
/// - The `Sink` takes messages while at most [`HIGH_WATER`] bytes are unsent. To close it does the
///   whole closing handshake. To go on receiving instead, send a `Message::Close`.
/// - Poll the `Stream` also if you only send: otherwise pings are not answered.
/// - `StreamExt::split` (feature `std` of `futures-util`) makes two halves, for two tasks.
/// - **Cancel safety:** as for [`Socket`]. But `SinkExt::send` can drop its message.
pub struct Messages<S> {
    pub socket: Socket<S>,
    wakers: Arc<Wakers>,
}

/// The tasks of the `Stream` and of the `Sink`. A stream keeps only the waker of the task that polled
/// it last, so two tasks would replace each other's. It gets one waker that wakes both.
#[derive(Default)]
struct Wakers {
    items: AtomicWaker,
    sink: AtomicWaker,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.items.wake();
        self.sink.wake();
    }
}

impl<S: Stream> Messages<S> {
    pub fn new(socket: Socket<S>) -> Self {
        let wakers = Arc::default();
        Self { socket, wakers }
    }

    fn waker(&self) -> Waker {
        Arc::clone(&self.wakers).into()
    }

    /// Waits until at most `limit` bytes are unsent.
    fn poll_unsent(&mut self, cx: &Context<'_>, limit: usize) -> Poll<Result<(), Error>> {
        self.wakers.sink.register(cx.waker());
        let waker = self.waker();
        let cx = &mut Context::from_waker(&waker);
        let socket = &mut self.socket;
        while socket.out.len() > limit || limit == 0 && socket.transport.writing.unflushed {
            if socket.ws.is_done() {
                ready!(socket.transport.poll_finish(cx, &mut socket.out));
                break;
            }
            ready!(socket.poll_wait(cx));
        }
        if let Some(kind) = socket.transport.writing.failed {
            return Ready(Err(std::io::Error::from(kind).into()));
        }
        // The stream was ended before all has left.
        let lost = socket.out.len() > limit;
        let error = socket.ws.error().unwrap_or(ProtocolError::EndOfStream);
        Ready(if lost { Err(error.into()) } else { Ok(()) })
    }
}

impl<S: Stream> Items for Messages<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.wakers.items.register(cx.waker());
        let waker = self.waker();
        let cx = &mut Context::from_waker(&waker);
        match ready!(self.socket.poll_take(cx, message)) {
            Ok(None) => Ready(None),
            Ok(Some(Some(message))) => Ready(Some(message)),
            Ok(Some(None)) => {
                cx.waker().wake_by_ref(); // it costs much to inflate: others first
                Pending
            }
            Err(error) => Ready(Some(Err(error))),
        }
    }
}

/// `None` for [`Event::Progress`], after which more of the message follows.
fn message(event: Event<'_>) -> Option<Result<Message, Error>> {
    Some(Ok(match event {
        Event::Text(text) => Message::Text(text.into()),
        Event::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
        Event::Ping(bytes) => Message::Ping(Bytes::copy_from_slice(bytes)),
        Event::Pong(bytes) => Message::Pong(Bytes::copy_from_slice(bytes)),
        Event::Close(CloseFrame { code, reason }) => Message::Close(code, reason.into()),
        Event::Progress => return None,
        _ => return Some(Err(std::io::Error::from(Unsupported).into())),
    }))
}

impl<S: Stream> Sink<Message> for Messages<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_unsent(cx, HIGH_WATER)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let Socket { ws, out, .. } = &mut self.socket;
        let sent = match message {
            Message::Text(text) => ws.send_text(&text, out),
            Message::Binary(bytes) => ws.send_binary(&bytes, out),
            Message::Ping(bytes) => ws.send_ping(&bytes, out),
            Message::Pong(bytes) => ws.send_pong(&bytes, out),
            Message::Close(code, reason) => {
                ws.close(code.unwrap_or(CloseCode::NORMAL), &reason, out)
            }
        };
        // The reason is more useful than that the connection is not open.
        sent.map_err(|error| match (error, ws.error(), ws.close_received()) {
            (SendError::NotOpen, Some(reason), _) => reason.into(),
            (SendError::NotOpen, None, Some(close)) => Error::Closed(close.code),
            _ => error.into(),
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_unsent(cx, 0)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Socket { ws, out, .. } = &mut self.socket;
        ws.close(CloseCode::NORMAL, "", out)?;
        self.wakers.sink.register(cx.waker());
        let waker = self.waker();
        let cx = &mut Context::from_waker(&waker);
        while ready!(self.socket.poll_take(cx, |_| ()))?.is_some() {}
        Ready(Ok(()))
    }
}
