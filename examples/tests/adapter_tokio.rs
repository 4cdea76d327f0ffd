//! Proves what the page of the adapter for tokio promises: cancel safety, no lost wake-ups, time
//! limits, back-pressure, and an orderly end in every case.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use examples::adapters::tokio::{HIGH_WATER, Message, Messages, Reader, Socket, Stream, Writer};
use futures_util::{SinkExt, StreamExt, task::AtomicWaker};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf,
    duplex,
};
use tokio::sync::mpsc;
use tokio::task::{coop, yield_now};
use tokio::time::{Instant, advance, sleep, timeout};
use tokio::{join, spawn};
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins, Reject};
use websocket_proto::{
    CloseCode, Config, Connection, Error, Event, ProtocolError, ReadyState, RecvBuf, SendError,
};

mod support;

use support::wire::{self, Frame};
use support::{Broken, Flaky, Random, Side, alive, client, server, text, timeless};

fn socket<S: Stream>(stream: S, ws: Connection) -> Socket<S> {
    Socket::new(stream, ws, RecvBuf::new())
}

/// Sends messages back, until the end.
async fn echo<S: Stream>(socket: &mut Socket<S>) -> Result<usize, Error> {
    let mut count = 0;
    while let Some((event, ws, out)) = socket.recv_reply().await? {
        match event {
            _ if ws.state() != ReadyState::Open => continue,
            Event::Text(text) => ws.send_text(text, out)?,
            Event::Binary(bytes) => ws.send_binary(bytes, out)?,
            _ => continue,
        }
        count += 1;
    }
    Ok(count)
}

/// A peer that speaks frames.
struct Peer {
    stream: DuplexStream,
    /// What has arrived.
    input: BytesMut,
}

impl Peer {
    fn new(stream: DuplexStream) -> Self {
        let input = BytesMut::new();
        Self { stream, input }
    }

    async fn send(&mut self, frame: Frame) {
        let bytes = frame.to(Side::Server).bytes();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The frames until one with this opcode. Fails if the stream ends before.
    async fn until(&mut self, opcode: u8) -> Frame {
        loop {
            while let Some(frame) = self.take() {
                if frame.opcode == opcode {
                    return frame;
                }
            }
            assert_ne!(self.stream.read_buf(&mut self.input).await.unwrap(), 0);
        }
    }

    /// Frames from a server, of at most 125 bytes.
    fn take(&mut self) -> Option<Frame> {
        let len = 2 + usize::from(*self.input.get(1)?);
        assert!(len < 128);
        if self.input.len() < len {
            return None;
        }
        let frame = wire::frames(&self.input.split_to(len));
        frame.into_iter().next()
    }

    async fn ended(&mut self) -> bool {
        self.stream.read(&mut [0; 1]).await.unwrap() == 0
    }
}

/// A server's socket and a peer.
fn with_peer(config: Config) -> (Socket<DuplexStream>, Peer) {
    let (ours, theirs) = duplex(1000);
    (socket(ours, server(config)), Peer::new(theirs))
}

type Halves = (
    Reader<ReadHalf<DuplexStream>>,
    Writer<WriteHalf<DuplexStream>>,
);

fn halves(socket: Socket<DuplexStream>) -> Halves {
    socket.split(tokio::io::split)
}

/// Waits until at most `limit` bytes are unsent, or the connection is done.
async fn unsent<S: Stream>(socket: &mut Socket<S>, limit: usize) {
    while socket.out.len() > limit && !socket.ws.is_done() {
        socket.wait().await;
    }
}

/// How long the peer may take to end the stream after the end of the connection, in seconds.
const FINISH: u64 = 5;

// Cancel safety.

#[tokio::test(start_paused = true)]
async fn a_dropped_future_loses_nothing_and_doubles_nothing() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let (ours, theirs) = duplex(1 + random.below(100) as usize);
        let (ours, theirs) = (Flaky::new(ours, seed), Flaky::new(theirs, !seed));
        let mut server = socket(ours, server(timeless()));
        let mut client = socket(theirs, client(timeless()));
        let mut server_random = Random(seed ^ 99);
        let serving = async {
            loop {
                let event = often_dropped!(server_random, async {
                    let Some((event, ws, out)) = server.recv_reply().await? else {
                        return Ok(None);
                    };
                    match event {
                        Event::Text(text) => ws.send_text(text, out)?,
                        Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                        _ => {}
                    }
                    Ok::<_, Error>(Some(text(event)))
                });
                match event {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let talking = async {
            for round in 0..20 {
                let mut expected = Vec::new();
                for _ in 0..random.below(5) {
                    often_dropped!(random, unsent(&mut client, HIGH_WATER));
                    let Socket { ws, out, .. } = &mut client;
                    if random.below(2) == 0 {
                        let bytes = vec![round; random.below(300) as usize];
                        ws.send_binary(&bytes, out).unwrap();
                        expected.push(text(Event::Binary(&bytes)));
                    } else {
                        let word = format!("{}", random.below(1 << 40));
                        ws.send_text(&word, out).unwrap();
                        expected.push(text(Event::Text(&word)));
                    }
                }
                if random.below(2) == 0 {
                    often_dropped!(random, unsent(&mut client, 0));
                }
                for expected in expected {
                    let event = often_dropped!(random, async {
                        client.recv().await.map(|event| event.map(text))
                    });
                    assert_eq!(event.unwrap(), Some(expected), "seed {seed}");
                }
            }
            often_dropped!(random, client.close(CloseCode::NORMAL, "done")).unwrap();
            assert!(client.recv().await.unwrap().is_none());
        };
        alive(async { join!(serving, talking) }).await;
        assert_eq!(server.ws.close_received().unwrap().reason, "done");
        assert_eq!(client.ws.error(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_recv_of_a_reader_loses_nothing() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (ours, theirs) = duplex(1 + random.below(100) as usize);
        let socket = socket(Flaky::new(ours, seed), server(timeless()));
        let (mut reader, writer) = socket.split(tokio::io::split);
        let (sender, messages) = mpsc::channel(1);
        let writing = writer.run(messages, |ws, out, text: String| ws.send_text(&text, out));
        let reading = async move {
            let mut events = Vec::new();
            while let Some(event) =
                often_dropped!(random, async { reader.recv().await.unwrap().map(text) })
            {
                if let Some(text) = event.strip_prefix("text ") {
                    sender.send(text.to_owned()).await.unwrap();
                }
                events.push(event);
            }
            events
        };
        let peer = async {
            let mut sent = Vec::new();
            for i in 0..20 {
                sent.extend(wire::text(&format!("{i}")).to(Side::Server).bytes());
                sent.extend(wire::ping(format!("{i}")).to(Side::Server).bytes());
            }
            let (mut from, mut to) = tokio::io::split(theirs);
            let mut got = Vec::new();
            let (_, written) = join!(
                async {
                    // The answer to a Close frame would overtake messages in the channel.
                    while !got.windows(4).any(|it| it == b"\x81\x0219") {
                        assert_ne!(from.read_buf(&mut got).await.unwrap(), 0);
                    }
                },
                to.write_all(&sent)
            );
            written.unwrap();
            let close = wire::close(1000, "").to(Side::Server).bytes();
            to.write_all(&close).await.unwrap();
            from.read_to_end(&mut got).await.unwrap();
            wire::frames(&got)
        };
        let (events, written, frames) = alive(async { join!(reading, writing, peer) }).await;
        written.unwrap();
        let expected = (0..20).flat_map(|i| {
            let ping = i.to_string();
            [format!("text {i}"), format!("Ping({} bytes)", ping.len())]
        });
        let expected: Vec<_> = expected.chain(["close Some(1000) ".into()]).collect();
        assert_eq!(events, expected, "seed {seed}");
        let texts = frames.iter().filter(|frame| frame.opcode == wire::TEXT);
        let texts: Vec<_> = texts.map(|frame| frame.payload.clone()).collect();
        let all: Vec<_> = (0..20).map(|i| i.to_string().into_bytes()).collect();
        assert_eq!(texts, all, "seed {seed}");
        assert_eq!(frames.last().unwrap().close_code(), 1000);
        let pong = frames.iter().rfind(|frame| frame.opcode == wire::PONG);
        assert_eq!(pong.unwrap().payload, b"19");
    }
}

#[tokio::test(start_paused = true)]
async fn notes_wait_for_a_busy_writer() {
    let (socket, mut peer) = with_peer(timeless());
    let (mut reader, writer) = halves(socket);
    // More than the channel holds.
    for i in 0..40 {
        peer.send(wire::ping(i.to_string())).await;
        assert!(matches!(reader.recv().await, Ok(Some(Event::Ping(_)))));
    }
    let (_sender, messages) = mpsc::channel::<String>(1);
    let reading = spawn(async move { reader.recv().await.unwrap().map(text) });
    let writing = spawn(writer.run(messages, |ws, out, text| ws.send_text(&text, out)));
    let last = async { while peer.until(wire::PONG).await.payload != b"39" {} };
    alive(last).await;
    peer.send(wire::close(1000, "")).await;
    assert_eq!(reading.await.unwrap().unwrap(), "close Some(1000) ");
    // The reader was dropped, so the writer does not wait.
    alive(writing).await.unwrap().unwrap();
}

// Wake-ups.

/// In each direction.
const MESSAGES: u64 = 500_000;

async fn send_all(writer: Writer<WriteHalf<DuplexStream>>) -> Result<(), Error> {
    let (sender, messages) = mpsc::channel(100);
    let sending = async move {
        for i in 0..MESSAGES {
            sender.send(i).await.unwrap();
        }
        sender
    };
    let running = writer.run(messages, |ws, out, i: u64| {
        ws.send_binary(&i.to_be_bytes(), out)
    });
    // The sender is kept: only the end of the peer ends the connection.
    join!(sending, running).1
}

async fn receive_all(mut reader: Reader<ReadHalf<DuplexStream>>) -> Reader<ReadHalf<DuplexStream>> {
    for i in 0..MESSAGES {
        let event = reader.recv().await.unwrap().expect("a message");
        assert_eq!(event, Event::Binary(&i.to_be_bytes()));
    }
    reader
}

/// Both sides send and receive at once, each in two tasks.
async fn two_tasks_on_each_side() {
    let (ours, theirs) = duplex(5000);
    let (server_reader, server_writer) = halves(socket(ours, server(timeless())));
    let (client_reader, client_writer) = halves(socket(theirs, client(timeless())));
    let writers = [
        spawn(send_all(server_writer)),
        spawn(send_all(client_writer)),
    ];
    let readers = [
        spawn(receive_all(server_reader)),
        spawn(receive_all(client_reader)),
    ];
    let [server_reader, client_reader] = readers;
    let mut server_reader = server_reader.await.unwrap();
    // A reader that is dropped closes the connection.
    drop(client_reader.await.unwrap());
    let close = server_reader.recv().await.unwrap().map(text);
    assert_eq!(close.unwrap(), "close Some(1001) ");
    assert!(server_reader.recv().await.unwrap().is_none());
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost_between_two_tasks() {
    alive(two_tasks_on_each_side()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_between_two_threads() {
    timeout(Duration::from_secs(100), two_tasks_on_each_side())
        .await
        .expect("a lost wake-up");
}

/// `StreamExt::split` for two tasks: each polls the same socket.
#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost_between_a_stream_and_a_sink() {
    const COUNT: u64 = 20_000;
    let (ours, theirs) = duplex(300);
    let sides = [
        Messages::new(socket(ours, server(timeless()))),
        Messages::new(socket(theirs, client(timeless()))),
    ];
    let tasks = sides.map(|messages| {
        let (mut sink, mut stream) = messages.split();
        let sending = spawn(async move {
            for i in 0..COUNT {
                sink.feed(Message::Text(i.to_string())).await.unwrap();
                if i % 7 == 0 {
                    sink.flush().await.unwrap();
                }
            }
            sink.flush().await.unwrap();
            sink
        });
        let receiving = spawn(async move {
            for i in 0..COUNT {
                let message = stream.next().await.unwrap().unwrap();
                assert_eq!(message, Message::Text(i.to_string()));
            }
            stream
        });
        (sending, receiving)
    });
    let [server, client] = tasks;
    let joined = alive(async { join!(server.0, server.1, client.0, client.1) }).await;
    let (mut sink, stream) = (joined.0.unwrap(), joined.1.unwrap());
    let (_client_sink, client_stream) = (joined.2.unwrap(), joined.3.unwrap());
    // The sink does the closing handshake while both streams are polled.
    let all = |stream: futures_util::stream::SplitStream<_>| spawn(stream.collect::<Vec<_>>());
    let (events, client_events) = (all(stream), all(client_stream));
    alive(sink.close()).await.unwrap();
    let (events, client_events) = alive(async { join!(events, client_events) }).await;
    let close = Message::Close(Some(CloseCode::NORMAL), String::new());
    assert_eq!(client_events.unwrap().pop().unwrap().unwrap(), close);
    assert!(events.unwrap().iter().all(Result::is_ok));
}

/// A stream with a buffer, as TLS has: it takes everything, but flushes only when the test says so.
/// The peer sends nothing.
#[derive(Default)]
struct Buffered {
    flushes: Arc<(AtomicBool, AtomicWaker)>,
}

impl AsyncRead for Buffered {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (flushes, waker) = &*self.flushes;
        waker.register(cx.waker());
        match flushes.load(SeqCst) {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// The flush of the stream is the last thing that happens.
#[tokio::test(start_paused = true)]
async fn fixed_35_no_wake_up_is_lost_by_a_stream_with_a_buffer() {
    let stream = Buffered::default();
    let flushes = Arc::clone(&stream.flushes);
    let mut messages = Messages::new(socket(stream, server(timeless())));
    let sending = spawn(async move { messages.send(Message::Text("a".into())).await });
    sleep(Duration::from_secs(1)).await;
    assert!(!sending.is_finished());
    flushes.0.store(true, SeqCst);
    flushes.1.wake();
    alive(sending).await.unwrap().unwrap();
}

// Time.

/// A peer that sends pongs as fast as they are read, and takes nothing.
struct Flood;

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // As a socket of tokio: other tasks run in between.
        ready!(coop::poll_proceed(cx)).made_progress();
        for _ in 0..room.remaining() / 6 {
            room.put_slice(&wire::pong("").to(Side::Server).bytes());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn fixed_36_a_peer_that_sends_without_end_does_not_put_off_deadlines() {
    let mut closing = socket(Flood, server(Config::new()));
    let closing = spawn(async move { closing.close(CloseCode::POLICY_VIOLATION, "").await });
    yield_now().await;
    for limit in [Config::new().close_timeout, Duration::from_secs(FINISH)] {
        assert!(!closing.is_finished());
        advance(limit).await;
        // In each turn, the other task takes up to 128 events.
        for _ in 0..100 {
            yield_now().await;
        }
    }
    assert!(closing.is_finished());
    let result = closing.await.unwrap();
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::CloseTimeout))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_and_then_given_up() {
    let (mut socket, mut peer) = with_peer(Config::new());
    let start = Instant::now();
    let serving = spawn(async move {
        let result = echo(&mut socket).await;
        (result, start.elapsed())
    });
    let ping = peer.until(wire::PING).await;
    assert_eq!(start.elapsed().as_secs(), 20);
    peer.send(wire::pong(ping.payload)).await;
    peer.until(wire::PING).await;
    assert_eq!(start.elapsed().as_secs(), 40);
    assert_eq!(peer.until(wire::CLOSE).await.close_code(), 1011);
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(peer.ended().await);
    // The peer does not end its stream.
    let (result, end) = serving.await.unwrap();
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::PongTimeout))
    ));
    assert_eq!(end.as_secs(), 60 + FINISH);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_of_two_tasks_is_asked_and_then_given_up() {
    let (socket, mut peer) = with_peer(Config::new());
    let start = Instant::now();
    let (mut reader, writer) = halves(socket);
    let (_sender, messages) = mpsc::channel::<String>(1);
    let writing = spawn(writer.run(messages, |ws, out, text| ws.send_text(&text, out)));
    let reading = spawn(async move {
        while let Some(event) = reader.recv().await.unwrap() {
            assert!(matches!(event, Event::Pong(_)));
        }
        start.elapsed()
    });
    let ping = peer.until(wire::PING).await;
    peer.send(wire::pong(ping.payload)).await;
    peer.until(wire::PING).await;
    assert_eq!(start.elapsed().as_secs(), 40);
    assert_eq!(peer.until(wire::CLOSE).await.close_code(), 1011);
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(peer.ended().await);
    let result = writing.await.unwrap();
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::PongTimeout))
    ));
    assert_eq!(reading.await.unwrap().as_secs(), 60 + FINISH);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_deadline() {
    let (ours, mut theirs) = duplex(1000);
    let start = Instant::now();
    let handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let serving = spawn(Socket::accept(ours, handshake, async |_| Ok(Accept::new())));
    let mut response = Vec::new();
    theirs.read_to_end(&mut response).await.unwrap();
    assert!(response.starts_with(b"HTTP/1.1 408 "));
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(theirs);
    assert!(matches!(serving.await.unwrap(), Err(Error::Request(_))));

    let (ours, _theirs) = duplex(1000);
    let request = Request::new("ws://localhost/").unwrap();
    let result = Socket::connect(ours, &request, Config::new(), |_| ()).await;
    assert!(matches!(result, Err(Error::Response(_))));
}

#[tokio::test(start_paused = true)]
async fn handshakes_accept_and_reject() {
    for seed in 0..20 {
        for path in ["chat", "attic"] {
            let (ours, theirs) = duplex(100);
            let serving = spawn(async move {
                let handshake = Handshake::new(Config::new(), Origins::SameOrigin);
                let decide = Socket::accept(Flaky::new(ours, seed), handshake, async |request| {
                    match (request.path(), request.subprotocols().next()) {
                        ("/chat", Some(name)) => Ok(Accept::new().subprotocol(name)),
                        _ => Err(Reject::new(404)),
                    }
                });
                match decide.await.unwrap() {
                    Some(mut socket) => Some(echo(&mut socket).await.unwrap()),
                    None => None,
                }
            });
            let url = format!("ws://localhost/{path}");
            let request = Request::new(&url).unwrap().subprotocol("talk");
            let mut seen = None;
            let stream = Flaky::new(theirs, !seed);
            let opened = Socket::connect(stream, &request, Config::new(), |response| {
                seen = response.subprotocol().map(str::to_owned);
            });
            match opened.await {
                Ok(mut client) => {
                    assert_eq!((path, seen.as_deref()), ("chat", Some("talk")));
                    let Socket { ws, out, .. } = &mut client;
                    ws.send_text("hello", out).unwrap();
                    assert_eq!(client.recv().await.unwrap(), Some(Event::Text("hello")));
                    client.close(CloseCode::NORMAL, "").await.unwrap();
                    assert_eq!(serving.await.unwrap(), Some(1));
                }
                Err(error) => {
                    assert!(matches!((path, error), ("attic", Error::Refused(404))));
                    assert_eq!(serving.await.unwrap(), None);
                }
            }
        }
    }
}

// The end.

#[tokio::test(start_paused = true)]
async fn both_sides_close_at_once() {
    let (ours, theirs) = duplex(1000);
    let mut server = socket(ours, server(Config::new()));
    let mut client = socket(theirs, client(Config::new()));
    let start = Instant::now();
    let closed = join!(
        server.close(CloseCode::GOING_AWAY, "server"),
        client.close(CloseCode::NORMAL, "client")
    );
    closed.0.unwrap();
    closed.1.unwrap();
    assert_eq!(server.ws.close_received().unwrap().reason, "client");
    assert_eq!(client.ws.close_received().unwrap().reason, "server");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_violation_is_answered_before_the_end() {
    // A frame that is not masked, then more than the stream can hold.
    let wrong = [wire::text("x").bytes(), vec![0; 5000]].concat();
    for two_tasks in [false, true] {
        let (mut socket, mut peer) = with_peer(Config::new());
        let serving = spawn(async move {
            if !two_tasks {
                return echo(&mut socket).await.unwrap_err();
            }
            let (mut reader, writer) = halves(socket);
            let (_sender, messages) = mpsc::channel::<String>(1);
            let writing = spawn(writer.run(messages, |ws, out, text| ws.send_text(&text, out)));
            let error = reader.recv().await.unwrap_err();
            assert_eq!(
                writing.await.unwrap().unwrap_err().to_string(),
                error.to_string()
            );
            error
        });
        peer.stream.write_all(&wrong).await.unwrap();
        assert_eq!(peer.until(wire::CLOSE).await.close_code(), 1002);
        assert!(peer.ended().await);
        let end = Instant::now();
        drop(peer);
        let error = serving.await.unwrap();
        assert!(matches!(
            error,
            Error::Protocol(ProtocolError::UnmaskedFrame)
        ));
        assert_eq!(end.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_is_an_error() {
    for (bytes, messages) in [(0, 0), (4, 0), (8, 1), (10, 1)] {
        let hello = wire::text("hi").to(Side::Server).bytes();
        assert_eq!(hello.len(), 8);
        for two_tasks in [false, true] {
            let (mut socket, mut peer) = with_peer(Config::new());
            let sent = [&hello[..], &hello].concat();
            peer.stream.write_all(&sent[..bytes]).await.unwrap();
            drop(peer);
            let (error, count) = if two_tasks {
                let (mut reader, writer) = halves(socket);
                let (_sender, messages) = mpsc::channel::<String>(1);
                let writing = writer.run(messages, |ws, out, text| ws.send_text(&text, out));
                let reading = async {
                    let mut count = 0;
                    loop {
                        match reader.recv().await {
                            Ok(event) => count += usize::from(event.is_some()),
                            Err(error) => break (error, count),
                        }
                    }
                };
                let ends = join!(writing, reading);
                ends.0.unwrap_err();
                ends.1
            } else {
                let mut count = 0;
                loop {
                    match socket.recv().await {
                        Ok(event) => count += usize::from(event.is_some()),
                        Err(error) => break (error, count),
                    }
                }
            };
            assert!(matches!(error, Error::Protocol(ProtocolError::EndOfStream)));
            assert_eq!(count, messages);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_stream_is_reported() {
    let mut socket = socket(Broken, server(Config::new()));
    let error = socket.recv().await.unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.to_string() == "no route"));
    assert!(socket.recv().await.unwrap().is_none());
}

// Back-pressure.

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_has_to_wait() {
    let (mut socket, mut peer) = with_peer(timeless());
    let message = wire::frame(true, wire::BINARY, [1; 1000])
        .to(Side::Server)
        .bytes();
    let mut sent = 0;
    let writing = async {
        loop {
            peer.stream.write_all(&message).await.unwrap();
            sent += message.len();
        }
    };
    let stuck = timeout(Duration::from_secs(1000), async {
        join!(echo(&mut socket), writing)
    });
    stuck.await.map(|_| ()).unwrap_err();
    let unsent = socket.out.len();
    assert!(
        (HIGH_WATER..HIGH_WATER + 2000).contains(&unsent),
        "{unsent}"
    );
    // Both pipes, the output, and one read.
    assert!((HIGH_WATER..HIGH_WATER + 20_000).contains(&sent), "{sent}");

    // With keepalive the server gives up.
    let (mut socket, mut peer) = with_peer(Config::new());
    let writing = async { while peer.stream.write_all(&message).await.is_ok() {} };
    let start = Instant::now();
    let (result, ()) = join!(
        async {
            let result = echo(&mut socket).await;
            drop(socket);
            result
        },
        writing
    );
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::PongTimeout))
    ));
    assert_eq!(start.elapsed().as_secs(), 40 + FINISH);
}

#[tokio::test(start_paused = true)]
async fn messages_for_a_peer_that_does_not_read_have_to_wait() {
    // A task that sends.
    let (mut socket, _peer) = with_peer(Config::new());
    let start = Instant::now();
    let mut sent = 0;
    let error = loop {
        unsent(&mut socket, HIGH_WATER).await;
        if let Some(error) = socket.ws.error() {
            socket.finish().await;
            break error;
        }
        let Socket { ws, out, .. } = &mut socket;
        ws.send_binary(&[0; 1000], out).unwrap();
        sent += 1000;
    };
    assert_eq!(error, ProtocolError::PongTimeout);
    assert!((HIGH_WATER..HIGH_WATER + 3000).contains(&sent), "{sent}");
    assert_eq!(start.elapsed().as_secs(), 40 + FINISH);

    // Two tasks: the channel fills.
    let (socket, _peer) = with_peer(Config::new());
    let (mut reader, writer) = halves(socket);
    let (sender, messages) = mpsc::channel(1);
    let writing = writer.run(messages, |ws, out, bytes: Vec<u8>| {
        ws.send_binary(&bytes, out)
    });
    let sending = async {
        let mut sent = 0;
        while sender.send(vec![0; 1000]).await.is_ok() {
            sent += 1000;
        }
        sent
    };
    let (result, sent, read) = join!(writing, sending, reader.recv());
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::PongTimeout))
    ));
    assert!((HIGH_WATER..HIGH_WATER + 5000).contains(&sent), "{sent}");
    assert!(read.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_alive() {
    // An event that is not taken does not hide that the peer is alive.
    let (mut socket, mut peer) = with_peer(Config::new());
    peer.send(wire::text("wait")).await;
    let Socket { ws, out, .. } = &mut socket;
    ws.send_binary(&[0; 20_000], out).unwrap();
    let reading = async {
        let mut got = 0;
        while got < 20_004 {
            sleep(Duration::from_secs(15)).await;
            got += peer.stream.read(&mut [0; 500]).await.unwrap();
            peer.send(wire::pong("")).await;
        }
        peer
    };
    let start = Instant::now();
    let ((), _peer) = join!(unsent(&mut socket, 0), reading);
    assert!(start.elapsed().as_secs() > 500);
    assert_eq!(socket.recv().await.unwrap(), Some(Event::Text("wait")));
}

// Stream and Sink.

#[tokio::test(start_paused = true)]
async fn a_sink_buffers_flushes_and_closes() {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use futures_util::Sink;

    let (ours, theirs) = duplex(1000);
    let mut messages = Messages::new(socket(ours, server(Config::new())));
    let mut client = socket(theirs, client(Config::new()));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut count = 0;
    // Ready until the high-water mark.
    while Pin::new(&mut messages)
        .poll_ready(cx)
        .map(Result::unwrap)
        .is_ready()
    {
        let message = Message::Binary(vec![0; 996].into());
        Pin::new(&mut messages).start_send(message).unwrap();
        count += 1;
    }
    assert_eq!(count, HIGH_WATER / 1000 + 2);
    assert!(Pin::new(&mut messages).poll_flush(cx).is_pending());
    let receiving = async {
        for _ in 0..count {
            assert!(matches!(client.recv().await, Ok(Some(Event::Binary(_)))));
        }
    };
    alive(async { join!(messages.flush(), receiving).0.unwrap() }).await;
    assert!(messages.socket.out.is_empty());

    messages.feed(Message::Ping("ping".into())).await.unwrap();
    messages.send(Message::Pong("pong".into())).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(Event::Ping(b"ping")));
    assert_eq!(client.recv().await.unwrap(), Some(Event::Pong(b"pong")));
    let long = messages.send(Message::Ping(vec![0; 126].into())).await;
    assert!(matches!(long, Err(Error::Send(SendError::ControlTooLong))));

    // The pong of the client arrives during the closing handshake, and is dropped.
    assert!(Pin::new(&mut messages).poll_close(cx).is_pending());
    assert!(matches!(
        Pin::new(&mut messages).poll_close(cx),
        Poll::Pending
    ));
    let (closed, end) = alive(async {
        join!(messages.close(), async {
            let close = client.recv().await.unwrap().map(text);
            assert_eq!(close.unwrap(), "close Some(1000) ");
            client.recv().await.unwrap().map(text)
        })
    })
    .await;
    assert_eq!((closed.unwrap(), end), ((), None));
    assert!(messages.next().await.is_none());
    let late = messages.send(Message::Text("late".into())).await;
    assert!(matches!(late, Err(Error::Closed(Some(CloseCode::NORMAL)))));
}

#[tokio::test(start_paused = true)]
async fn a_stream_returns_all_messages_and_ends() {
    let (ours, theirs) = duplex(1000);
    let echoing = spawn(async move {
        // The usual echo: `forward` closes the sink at the end of the stream.
        let (sink, stream) = Messages::new(socket(ours, server(Config::new()))).split();
        stream.forward(sink).await
    });
    let mut client = Messages::new(socket(theirs, client(Config::new())));
    for message in [
        Message::Text("text".into()),
        Message::Binary(vec![7; 70_000].into()),
        Message::Close(Some(CloseCode::NORMAL), String::new()),
    ] {
        client.send(message.clone()).await.unwrap();
        assert_eq!(alive(client.next()).await.unwrap().unwrap(), message);
    }
    assert!(alive(client.next()).await.is_none());
    echoing.await.unwrap().unwrap();
}
