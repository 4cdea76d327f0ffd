//! Proves that the adapter for tokio survives every fault at every operation, in every way to use it:
//! see `support/run.rs`. No fault needs a time limit to be noticed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{cell::RefCell, io, io::ErrorKind};

use examples::adapters::tokio::{Message, Messages, Socket};
use examples::echo::echo;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::{join, time::Instant};
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{CloseCode, Config, Error, Event, ProtocolError, ReadyState, RecvBuf};

#[path = "../echo_tokio.rs"]
#[allow(dead_code, reason = "its main function")]
mod echo_tokio;
mod support;

use support::line::{End, Fault, Line};
use support::peer::{Peer, TALKS, Talk, may_send, note, note_of, send};
use support::run::{Log, each_fault, each_pair};
use support::stream::pending;
use support::{Broken, Side, alive, server, wire};

type Outcome = Result<(), Error>;
/// What two futures of one task write to.
type Shared<'a> = &'a RefCell<Log>;

async fn accept(end: End, talk: Talk, log: Shared<'_>) -> Result<Option<Socket<End>>, Error> {
    let handshake = Handshake::new(talk.config(), Origins::SameOrigin);
    let socket = Socket::accept(end, handshake, async |_| Ok(Accept::new())).await?;
    log.borrow_mut().opened = socket.is_some();
    Ok(socket)
}

async fn connect(end: End, talk: Talk, log: Shared<'_>) -> Result<Socket<End>, Error> {
    let request = Request::new("ws://localhost/")?;
    let socket = Socket::connect(end, &request, talk.config(), |_| ()).await?;
    log.borrow_mut().opened = true;
    Ok(socket)
}

/// `recv_reply`: each reply leaves in the next call.
async fn replies(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let Some(mut socket) = accept(end, talk, log).await? else {
        return Ok(());
    };
    loop {
        match socket.recv_reply().await {
            Ok(Some((event, ws, out))) => {
                log.borrow_mut().got.extend(note(event));
                log.borrow_mut().sent.extend(note(event));
                if matches!(event, Event::Text(_) | Event::Binary(_)) {
                    assert_eq!(ws.state(), ReadyState::Open);
                    send(ws, event.payload(), out);
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                log.borrow_mut().failed(&error);
                assert!(
                    matches!(socket.recv().await, Ok(None)),
                    "the error comes once"
                );
                return Err(error);
            }
        }
    }
}

/// `echo.rs`: what the echo servers on TLS and on hyper do.
async fn waits(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let Some(mut socket) = accept(end.clone(), talk, log).await? else {
        return Ok(());
    };
    let result = echo(&mut socket).await;
    socket.finish().await;
    log.borrow_mut().told(&end, &result);
    result
}

/// `echo_tokio.rs`, which has a loop of its own. A socket has no buffer that is to be flushed.
async fn own_loop(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    end.line().has_buffer = false;
    let (_stop, stopping) = watch::channel(());
    let result = echo_tokio::serve(end.clone(), &talk.config(), stopping).await;
    log.borrow_mut().told(&end, &result);
    result
}

impl echo_tokio::Stream for End {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line();
        if line.is_readable() {
            return Poll::Ready(Ok(()));
        }
        line.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.line().read(room)?;
        read.ok_or(ErrorKind::WouldBlock.into())
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.line().write(bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.line().shutdown() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {} // shutdown(2) never is
            result => return pending(cx, result),
        }
        echo_tokio::Stream::poll_shutdown(self, cx)
    }
}

/// One task that uses a `Stream` and a `Sink`, as the chat on axum.
async fn messages(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let Some(socket) = accept(end, talk, log).await? else {
        return Ok(());
    };
    let mut messages = Messages::new(socket);
    while let Some(message) = messages.next().await {
        let message = message.inspect_err(|error| log.borrow_mut().failed(error))?;
        let note = noted(&message);
        log.borrow_mut().got.extend(note.clone());
        log.borrow_mut().sent.extend(note);
        if let Message::Text(_) | Message::Binary(_) = message {
            messages.send(message).await?;
        }
    }
    Ok(())
}

fn noted(message: &Message) -> Option<String> {
    match message {
        Message::Text(text) => Some(note_of(text.as_bytes())),
        Message::Binary(bytes) => Some(note_of(bytes)),
        Message::Close(code, _) => Some(format!("close {}", code.map_or(1005, u16::from))),
        _ => None,
    }
}

/// Two tasks, with a channel between them.
async fn halves(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let Some(socket) = accept(end, talk, log).await? else {
        return Ok(());
    };
    let (mut reader, writer) = socket.split(split);
    let (sender, channel) = mpsc::channel(10);
    let writing = writer.run(channel, |ws, out, message: Vec<u8>| {
        log.borrow_mut().sent.push(note_of(&message));
        match String::from_utf8(message) {
            Ok(text) => ws.send_text(&text, out),
            Err(error) => ws.send_binary(error.as_bytes(), out),
        }
    });
    let reading = async {
        while let Some(event) = reader.recv().await? {
            log.borrow_mut().got.extend(note(event));
            if matches!(event, Event::Text(_) | Event::Binary(_)) {
                let _ = sender.send(event.payload().to_vec()).await;
            }
        }
        Ok(())
    };
    let (read, written) = join!(reading, writing);
    let result = match (read, written) {
        (Err(_), Err(error @ Error::Io(_))) => Err(error), // it tells more
        (read, written) => read.and(written),
    };
    match &result {
        Ok(()) => log.borrow_mut().sent.push("close 1000".into()),
        Err(error) => log.borrow_mut().failed(error),
    }
    result
}

/// A client that waits for the echo of each message.
async fn client(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let mut socket = connect(end, talk, log).await?;
    let messages = talk.messages();
    loop {
        let (got, sent) = (log.borrow().got.len(), log.borrow().sent.len());
        if got == messages.len() {
            log.borrow_mut().sent.push("close 1000".into());
            return socket.close(CloseCode::NORMAL, "bye").await;
        }
        for message in &messages[sent..may_send(&messages, got)] {
            send(&mut socket.ws, message, &mut socket.out);
            log.borrow_mut().sent.push(note_of(message));
        }
        match socket.recv().await? {
            Some(event) => log.borrow_mut().got.extend(note(event)),
            None => return Ok(()),
        }
    }
}

/// A client whose `Stream` and `Sink` are used by two futures.
async fn split_client(end: End, talk: Talk, log: Shared<'_>) -> Outcome {
    let socket = connect(end.clone(), talk, log).await?;
    let (mut sink, mut stream) = Messages::new(socket).split();
    let messages = talk.messages();
    let sending = async {
        for message in &messages {
            let note = note_of(message);
            let message = match String::from_utf8(message.clone()) {
                Ok(text) => Message::Text(text),
                Err(error) => Message::Binary(error.into_bytes().into()),
            };
            let sent = sink.send(message).await;
            // If it has failed, the message may have left or not.
            if sent.is_ok() || end.line().peer.heard.len() > log.borrow().sent.len() {
                log.borrow_mut().sent.push(note);
            }
            sent?;
        }
        Ok::<_, Error>(())
    };
    let receiving = async {
        while log.borrow().got.len() < messages.len() {
            match stream.next().await {
                Some(message) => log.borrow_mut().got.extend(noted(&message?)),
                None => break,
            }
        }
        Ok::<_, Error>(())
    };
    let (sent, received) = join!(sending, receiving);
    received?;
    sent?;
    log.borrow_mut().sent.push("close 1000".into());
    sink.close().await
}

type App = for<'a> fn(End, Talk, Shared<'a>) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// Runs an application with each fault, and the tiny talk with each pair of faults.
fn survives(name: &str, peer: fn(Talk) -> Peer, app: App) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let run = |talk, plan: &[(usize, Fault)]| {
        let end = End::new(Line::new(name, talk, peer(talk), plan));
        let log = RefCell::default();
        let result = runtime.block_on(async {
            let start = Instant::now();
            let result = alive(app(end.clone(), talk, &log)).await;
            assert!(
                start.elapsed().is_zero(),
                "{}: only a timer woke it",
                end.line()
            );
            result
        });
        end.into_run(log.into_inner(), result)
    };
    let huge = run(Talk::Huge, &[]);
    huge.check(&huge);
    let runs = each_pair(|plan| run(Talk::Tiny, plan));
    assert!(runs > 1000, "{runs}");
    for talk in TALKS {
        let runs = each_fault(|plan| run(talk, plan));
        assert!(runs > 50, "{runs}");
    }
}

#[test]
fn a_server_that_replies() {
    survives("replies", Peer::client, |end, talk, log| {
        Box::pin(replies(end, talk, log))
    });
}

#[test]
fn a_server_that_waits() {
    survives("waits", Peer::client, |end, talk, log| {
        Box::pin(waits(end, talk, log))
    });
}

#[test]
fn a_server_with_a_loop_of_its_own() {
    survives("echo_tokio", Peer::client, |end, talk, log| {
        Box::pin(own_loop(end, talk, log))
    });
}

#[test]
fn a_server_with_a_stream_and_a_sink() {
    survives("messages", Peer::client, |end, talk, log| {
        Box::pin(messages(end, talk, log))
    });
}

#[test]
fn a_server_of_two_tasks() {
    survives("halves", Peer::client, |end, talk, log| {
        Box::pin(halves(end, talk, log))
    });
}

#[test]
fn a_client() {
    survives("client", Peer::server, |end, talk, log| {
        Box::pin(client(end, talk, log))
    });
}

#[test]
fn a_client_with_a_stream_and_a_sink() {
    survives("split", Peer::server, |end, talk, log| {
        Box::pin(split_client(end, talk, log))
    });
}

/// The peer is silent, so only keepalive ends the connection. The write that failed is the reason.
#[tokio::test(start_paused = true)]
async fn a_time_limit_names_the_write_that_failed() {
    let named =
        |error: Error| assert!(matches!(error, Error::Io(it) if it.to_string() == "no route"));
    let (silent, _peer) = duplex(10);
    let ws = server(Config::new());
    let mut socket = Socket::new(tokio::io::join(silent, Broken), ws, RecvBuf::new());
    named(socket.recv().await.unwrap_err());

    let (silent, _peer) = duplex(10);
    let ws = server(Config::new());
    let socket = Socket::new(tokio::io::join(silent, Broken), ws, RecvBuf::new());
    let (mut reader, writer) = socket.split(split);
    let (_sender, messages) = mpsc::channel::<()>(1);
    let (written, read) = join!(writer.run(messages, |_, _, ()| Ok(())), reader.recv());
    named(written.unwrap_err());
    assert!(matches!(read, Ok(None)));
}

/// The sink may find out first that the connection is over, and end the stream. Then the stream
/// still returns the Close frame, or the error.
#[tokio::test(start_paused = true)]
async fn a_sink_does_not_hide_the_end() {
    let close = wire::close(1000, "").to(Side::Server);
    for last in [close, wire::text("not masked")] {
        let (ours, mut theirs) = duplex(20);
        let socket = Socket::new(ours, server(Config::new()), RecvBuf::new());
        let mut messages = Messages::new(socket);
        messages
            .feed(Message::Binary(vec![7; 100].into()))
            .await
            .unwrap();
        let flush = async {
            let _ = messages.flush().await;
        };
        let peer = async {
            // The server can write no more before it sees the end.
            theirs.write_all(&last.bytes()).await.unwrap();
            tokio::task::yield_now().await;
            theirs.shutdown().await.unwrap();
            let mut received = Vec::new();
            while received.len() < 102 {
                let n = theirs.read_buf(&mut received).await.unwrap();
                assert_ne!(n, 0, "{}", received.len());
            }
            theirs
        };
        let ((), _theirs) = alive(async { join!(flush, peer) }).await;
        let end = alive(messages.next()).await.expect("not hidden");
        match last.opcode {
            wire::CLOSE => assert!(matches!(end, Ok(Message::Close(..)))),
            _ => assert!(matches!(
                end,
                Err(Error::Protocol(ProtocolError::UnmaskedFrame))
            )),
        }
        assert!(alive(messages.next()).await.is_none());
    }
}
