//! The end of the server with open connections.
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use websocket_proto::CloseCode;

use crate::client::{close_code, read_to_end, start, tcp, until, viewer};

#[tokio::test]
async fn all_kinds_of_connections_end() {
    let server = start(&[]).await;
    let silent = tcp(&server).await;
    let mut half = tcp(&server).await;
    half.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut idle = tcp(&server).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut viewer = viewer(&server).await;
    until("all are open", async || server.app().sockets() == 4).await;

    let addr = server.addr();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(close_code(&mut viewer).await, Some(CloseCode::GOING_AWAY));
    assert!(viewer.recv().await.unwrap().is_none());
    for stream in [silent, half, idle] {
        read_to_end(stream).await;
    }
    assert_eq!(stopping.await.unwrap(), 0);
    assert!(TcpStream::connect(addr).await.is_err(), "it still listens");
}

#[tokio::test]
async fn who_does_not_end_is_left_and_counted() {
    let server = start(&["--drain", "0.2"]).await;
    let mut deaf = viewer(&server).await;
    assert!(deaf.recv().await.unwrap().is_some()); // the session has begun
    let start = Instant::now();
    assert_eq!(server.stop().await, 1);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_request_in_time_is_answered_while_it_stops() {
    let server = start(&[]).await;
    let mut stream = tcp(&server).await;
    stream
        .write_all(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na")
        .await
        .unwrap();
    until("it is open", async || server.app().sockets() == 1).await;
    // The head was read when its bytes were counted.
    until("it is read", async || {
        server.app().metrics.bytes_in.get() > 0
    })
    .await;
    let stopping = tokio::spawn(server.stop());
    tokio::task::yield_now().await;
    stream.write_all(b"b").await.unwrap();
    let reply = timeout(Duration::from_secs(60), read_to_end(stream))
        .await
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 405"), "{reply:?}");
    assert!(
        reply.to_ascii_lowercase().contains("connection: close"),
        "{reply:?}"
    );
    assert_eq!(stopping.await.unwrap(), 0);
}
