//! The comparison: what arrives, also over connections that break, and whether the server counts
//! exactly what went over its sockets.
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use clap::Parser;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use live::compare::Transport;
use live::compare::client::{Counts, Session, Stats, View, read};
use live::options::Serve;
use live::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serve: Serve,
}

async fn server() -> Server {
    let options = ["live", "--listen", "127.0.0.1:0", "--engine", "memory"];
    Server::start(Options::parse_from(options).serve)
        .await
        .unwrap()
}

/// Reads `count` notifications by all transports, and returns the number of connections of each.
async fn read_all(address: &str, rate: f64, count: u64) -> [u64; 4] {
    let session = Session::open(address, rate).await.unwrap();
    let (_last, known) = watch::channel(Some(session.start() + count));
    let reading = Transport::ALL.map(async |transport| {
        let view = View::new(session.clone(), Duration::from_millis(50), known.clone());
        let reading = timeout(LIMIT, read(transport, &view)).await;
        reading.expect("in time").unwrap();
        let tally = view.into_tally();
        let counts = (tally.received, tally.missed, tally.doubled);
        assert_eq!(counts, (count, 0, 0), "{transport:?}");
        tally.connections
    });
    let connections = join_all(reading).await;
    connections.try_into().unwrap()
}

#[tokio::test]
async fn every_transport_delivers_all_in_order() {
    let server = server().await;
    assert_eq!(
        read_all(&server.addr().to_string(), 100.0, 50).await,
        [1; 4]
    );
}

/// A proxy that ends every connection after some bytes of the server, in the middle of a response.
async fn cutting_proxy(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.addr();
    tokio::spawn(async move {
        for i in 0.. {
            let (client, _) = listener.accept().await.unwrap();
            let upstream = TcpStream::connect(server).await.unwrap();
            // Anywhere in a head, a chunk or a frame. Polls need more: they get all or nothing.
            let limit = [600, 1500, 4000][i % 3] + 97 * i as u64;
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (from_server, mut to_server) = upstream.into_split();
                let upward =
                    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
                let _ = copy(&mut from_server.take(limit), &mut to_client).await;
                upward.abort();
            });
        }
    });
    address
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_over_connections_that_break() {
    let server = server().await;
    let proxy = cutting_proxy(&server).await;
    let connections = read_all(&proxy, 20.0, 60).await;
    assert!(connections.iter().all(|n| *n > 1), "{connections:?}");
}

fn counts(stats: Stats) -> [Counts; 4] {
    [stats.poll, stats.long, stats.events, stats.ws]
}

/// Waits until the server has counted this. It counts what it writes a moment after the client has it.
async fn expect(session: &Session, expected: [(usize, usize, u64); 4]) {
    let expected = expected.map(|(bytes_in, bytes_out, requests)| Counts {
        bytes_in: bytes_in as u64,
        bytes_out: bytes_out as u64,
        requests,
    });
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let counted = counts(session.stats().await.unwrap());
        if counted == expected {
            return;
        }
        if Instant::now() > deadline {
            assert_eq!(counted, expected);
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// The clients of the comparison and the server count the same, for connections that are in use.
#[tokio::test]
async fn both_ends_count_the_same() {
    let server = server().await;
    let session = Session::open(&server.addr().to_string(), 2.0)
        .await
        .unwrap();
    let (_last, known) = watch::channel(None);
    let views = Transport::ALL.map(|transport| {
        let interval = Duration::from_millis(300);
        let view = Arc::new(View::new(session.clone(), interval, known.clone()));
        let reader = Arc::clone(&view);
        tokio::spawn(async move { read(transport, &reader).await.unwrap() });
        view
    });
    let both = async {
        loop {
            let at_client = views.each_ref().map(|view| {
                let tally = view.tally();
                let counts = Counts {
                    bytes_in: tally.up.get(),
                    bytes_out: tally.down.get(),
                    requests: tally.requests,
                };
                (tally.received, counts)
            });
            let at_server = counts(session.stats().await.unwrap());
            let enough = at_client.iter().all(|(received, _)| *received >= 3);
            if enough && at_client.map(|(_, counts)| counts) == at_server {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, both).await.expect("the same counts");
}

/// A connection whose bytes the test counts by itself.
struct Raw {
    stream: TcpStream,
    sent: usize,
    received: usize,
}

impl Raw {
    async fn open(server: &Server) -> Self {
        Self {
            stream: TcpStream::connect(server.addr()).await.unwrap(),
            sent: 0,
            received: 0,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.sent += bytes.len();
    }

    async fn get(&mut self, path: &str, fields: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        self.send(request.as_bytes()).await;
    }

    async fn read(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        let read = timeout(LIMIT, self.stream.read_exact(&mut bytes)).await;
        read.expect("in time").unwrap();
        self.received += n;
        bytes
    }

    async fn read_until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            all.extend(self.read(1).await);
        }
        String::from_utf8(all).unwrap()
    }

    /// Reads a response, and returns its head.
    async fn response(&mut self) -> String {
        let head = self.read_until("\r\n\r\n").await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        self.read(length.unwrap().parse().unwrap()).await;
        head
    }

    /// Sends a request, and reads the response. Returns the bytes of both.
    async fn fetch(&mut self, path: &str) -> (usize, usize) {
        let before = (self.sent, self.received);
        self.get(path, "").await;
        self.response().await;
        (self.sent - before.0, self.received - before.1)
    }
}

#[tokio::test]
async fn transports_on_one_connection_are_counted_apart() {
    let server = server().await;
    let session = Session::open(&server.addr().to_string(), 100.0)
        .await
        .unwrap();
    let mut http = Raw::open(&server).await;
    while session.stats().await.unwrap().seq < 3 {
        sleep(Duration::from_millis(10)).await;
    }
    let path = |transport| session.path(transport, 0);
    let long = http.fetch(&path(Transport::Long)).await;
    let poll = http.fetch(&path(Transport::Poll)).await;
    http.fetch("/healthz").await;
    let again = http.fetch(&path(Transport::Poll)).await;
    let none = (0, 0, 0);
    let poll = (poll.0 + again.0, poll.1 + again.1, 2);
    expect(&session, [poll, (long.0, long.1, 1), none, none]).await;
    // The rest of the connection is a stream of events.
    let before = (http.sent, http.received);
    http.get(&path(Transport::Events), "Last-Event-ID: 3\r\n")
        .await;
    http.read_until("retry: 1000\n\n").await;
    http.read_until("id: 4\n").await;
    drop(http.stream);
    let deadline = Instant::now() + LIMIT;
    loop {
        let counted = counts(session.stats().await.unwrap());
        assert_eq!(counted[0].bytes_out, poll.1 as u64);
        let events = &counted[2];
        assert_eq!(
            (events.bytes_in, events.requests),
            ((http.sent - before.0) as u64, 1)
        );
        if events.bytes_out >= (http.received - before.1) as u64 {
            return;
        }
        assert!(Instant::now() < deadline, "{events:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn silent_streams_cost_what_was_sent() {
    let server = server().await;
    let session = Session::open(&server.addr().to_string(), 0.0)
        .await
        .unwrap();
    let path = |transport| session.path(transport, 0);

    let mut events = Raw::open(&server).await;
    events.get(&path(Transport::Events), "").await;
    events.read_until("retry: 1000\n\n\r\n").await;

    let mut ws = Raw::open(&server).await;
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    ws.get(&path(Transport::WebSocket), fields).await;
    let head = ws.read_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    for _ in 0..3 {
        ws.send(b"\x89\x84\0\0\0\0ping").await;
        assert_eq!(ws.read(6).await, b"\x8a\x04ping");
    }

    // A WebSocket that is refused leaves an ordinary connection.
    let mut http = Raw::open(&server).await;
    let refused = http.fetch(&path(Transport::WebSocket)).await;
    let poll = http.fetch(&path(Transport::Poll)).await;
    let poll = (poll.0, poll.1, 1);
    let ws = (ws.sent + refused.0, ws.received + refused.1, 2);
    let events = (events.sent, events.received, 1);
    expect(&session, [poll, (0, 0, 0), events, ws]).await;
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_with_a_reason() {
    let server = server().await;
    let address = server.addr().to_string();
    for rate in [-1.0, 0.05, 101.0] {
        let error = Session::open(&address, rate)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("400") && error.contains("rate"),
            "{error}"
        );
    }
    let session = Session::open(&address, 0.0).await.unwrap();
    let cases = [
        ("/compare/poll?session=0&after=0".to_owned(), "404"),
        (session.path(Transport::Poll, 1), "400"),
        (session.path(Transport::Events, 1), "400"),
        ("/compare/poll".to_owned(), "400"),
    ];
    for (path, status) in cases {
        let mut raw = Raw::open(&server).await;
        raw.get(&path, "").await;
        let head = raw.response().await;
        assert_eq!(head[9..12], *status, "{path}");
    }
}

/// A client whose network has changed asks again, and the server may not know that the old connection is
/// dead.
#[tokio::test]
async fn a_stream_ends_when_the_client_opens_another_one() {
    let server = server().await;
    let address = server.addr().to_string();
    let session = Session::open(&address, 0.0).await.unwrap();
    let path = session.path(Transport::Events, 0);
    let mut streams = [Raw::open(&server).await, Raw::open(&server).await];
    for stream in &mut streams {
        stream.get(&path, "").await;
        stream.read_until("retry: 1000\n\n\r\n").await;
    }
    let [mut first, mut second] = streams;
    first.read_until("0\r\n\r\n").await; // the last chunk
    let mut byte = [0];
    let silent = timeout(Duration::from_millis(100), second.stream.read(&mut byte));
    assert!(silent.await.is_err());
}

/// The router without sockets, on a clock that jumps.
struct Paused {
    #[expect(dead_code, reason = "it runs as long as this lives")]
    server: Server,
    service: TowerToHyperService<Router>,
}

impl Paused {
    async fn start() -> Self {
        let server = server().await;
        let routes = live::compare::routes().with_state(server.app().clone());
        Self {
            server,
            service: TowerToHyperService::new(routes),
        }
    }

    async fn call(&self, method: &str, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        self.service.call(request).await.unwrap()
    }

    /// The query of a session without notifications.
    async fn session(&self) -> String {
        let opened = self.call("POST", "/compare/session?rate=0").await;
        let opened = opened.into_body().collect().await.unwrap().to_bytes();
        let opened: serde_json::Value = serde_json::from_slice(&opened).unwrap();
        format!("session={}", opened["session"].as_str().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_answered_after_25_seconds() {
    let paused = Paused::start().await;
    let session = paused.session().await;
    let begin = Instant::now();
    let answer = paused
        .call("GET", &format!("/compare/long?{session}"))
        .await;
    assert_eq!(begin.elapsed().as_secs(), 25);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "[]");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_of_events_has_heartbeats_and_keeps_its_session() {
    let paused = Paused::start().await;
    let session = paused.session().await;
    let begin = Instant::now();
    let mut events = paused
        .call("GET", &format!("/compare/events?{session}"))
        .await;
    let mut times = Vec::new();
    for expected in ["retry: 1000\n\n", ":\n\n", ":\n\n", ":\n\n"] {
        let frame = events.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
        times.push(begin.elapsed().as_secs());
    }
    assert_eq!(times, [0, 20, 40, 60]);
    let path = format!("/compare/poll?{session}");
    assert_eq!(paused.call("GET", &path).await.status(), 200);
    drop(events);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(paused.call("GET", &path).await.status(), 404);
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let server = server().await;
    let session = Session::open(&server.addr().to_string(), 0.0)
        .await
        .unwrap();
    let (_last, known) = watch::channel(None);
    let readers = Transport::ALL.map(|transport| {
        let view = View::new(session.clone(), Duration::from_millis(50), known.clone());
        tokio::spawn(async move { read(transport, &view).await })
    });
    let all_run = async {
        while counts(session.stats().await.unwrap())
            .iter()
            .any(|counts| counts.requests == 0)
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, all_run).await.expect("in time");
    let left = timeout(Duration::from_secs(5), server.stop()).await;
    assert_eq!(left.expect("before the deadline of the option `drain`"), 0);
    for reader in readers {
        reader.abort();
    }
}
