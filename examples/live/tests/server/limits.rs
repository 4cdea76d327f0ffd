//! What a client cannot take from the server: places, memory, and time.
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use websocket_proto::CloseCode;

use crate::client::{
    Reply, chatter, exchange, get, read_to_end, request, start, tcp, until, viewer,
};

#[tokio::test]
async fn over_the_limit_is_503_until_a_place_is_free() {
    let server = start(&["--max-connections", "2"]).await;
    let silent = tcp(&server).await;
    let mut viewer = viewer(&server).await; // a WebSocket keeps its place
    until("both have a place", async || server.app().sockets() == 2).await;
    let refused = get(server.addr(), "/healthz").await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    assert_eq!(refused.body, "too many connections\n");
    let length: usize = refused.header("content-length").unwrap().parse().unwrap();
    assert_eq!(length, refused.body.len());

    viewer.close(CloseCode::NORMAL, "").await.unwrap();
    drop(viewer);
    until("the WebSocket has left", async || {
        server.app().sockets() == 1
    })
    .await;
    assert_eq!(get(server.addr(), "/healthz").await.status, 200);
    drop(silent);
    until("all have left", async || server.app().sockets() == 0).await;
    let metrics = get(server.addr(), "/metrics").await.body;
    assert!(
        metrics.contains("live_refused_total{reason=\"connections\"} 1"),
        "{metrics}"
    );
}

/// Returns what the server sent until it ended the connection, and the seconds until then.
async fn slow(bytes: &str) -> (String, f64) {
    let server = start(&[]).await;
    let mut stream = tcp(&server).await;
    let start = Instant::now();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let reply = read_to_end(stream).await;
    let seconds = start.elapsed().as_secs_f64();
    until("the place is free", async || server.app().sockets() == 0).await;
    (reply, seconds)
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_or_body_or_none_at_all_ends_in_10_seconds() {
    let keep_alive = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let body = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab";
    for bytes in ["", "GET /healthz HTTP/1.1\r\nHost: lo", keep_alive, body] {
        let (reply, seconds) = slow(bytes).await;
        assert!((9.9..11.0).contains(&seconds), "{bytes:?}: {seconds} s");
        if bytes == keep_alive {
            assert_eq!(Reply::parse(&reply).status, 200);
        }
        if bytes == body {
            assert_eq!(Reply::parse(&reply).status, 408);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_not_given_more_time() {
    let server = start(&[]).await;
    let mut stream = tcp(&server).await;
    let start = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    while stream.write_all(b"a: b\r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_with_its_status() {
    let server = start(&[]).await;
    let head = request("/healthz", &format!("X: {}\r\n", "x".repeat(20_000)));
    let reply = Reply::parse(&exchange(tcp(&server).await, &head).await);
    assert_eq!(reply.status, 431);
    let body = "x".repeat(20_000);
    let post = format!(
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = Reply::parse(&exchange(tcp(&server).await, &post).await);
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn a_peer_does_not_choose_the_labels_of_metrics() {
    let server = start(&[]).await;
    for code in [1000, 1013, 3000, 3001, 4999] {
        let (mut socket, _) = chatter(server.addr()).await;
        let code = CloseCode::try_from(code).unwrap();
        socket.close(code, "").await.unwrap();
    }
    until("all have left", async || server.app().sockets() == 0).await;
    let metrics = get(server.addr(), "/metrics").await.body;
    let closed = metrics
        .lines()
        .filter(|line| line.starts_with("live_closed_total{"));
    let mut closed: Vec<_> = closed.collect();
    closed.sort();
    let expected = [
        "live_closed_total{code=\"1000\"} 1",
        "live_closed_total{code=\"1013\"} 1",
        "live_closed_total{code=\"other\"} 3",
    ];
    assert_eq!(closed, expected);
}

#[tokio::test]
async fn viewers_of_the_dashboard_leave_places_for_the_chat() {
    let server = start(&[]).await;
    let mut viewers = Vec::new();
    for _ in 0..100 {
        viewers.push(viewer(&server).await);
    }
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let handshake = format!("GET /dashboard/stream HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let status = async || {
        let mut stream = tcp(&server).await;
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        String::from_utf8_lossy(&line[9..]).into_owned()
    };
    assert_eq!(status().await, "429");
    chatter(server.addr()).await;
    viewers.pop();
    until("there is a place", async || status().await == "101").await;
}
