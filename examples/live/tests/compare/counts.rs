//! The server counts exactly what goes over its sockets.
use std::sync::Arc;
use std::time::Duration;

use live::compare::Transport;
use live::compare::answers::{Counts, Stats};
use live::compare::client::{Session, View, read};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{LIMIT, Raw, server};

fn counts(stats: Stats) -> [Counts; 4] {
    Transport::ALL.map(|transport| stats.of(transport).clone())
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
