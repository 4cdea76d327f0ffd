//! The end of the server with open connections.
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use websocket_proto::CloseCode;

use crate::client::{
    Reply, chatter, close_code, post, read_to_end, request, start, tcp, until, viewer,
};

#[tokio::test]
async fn all_kinds_of_connections_end() {
    let server = start(&[]).await;
    let addr = server.addr();
    let opened = post(addr, "/compare/session?rate=1", "").await;
    let session = opened["session"].as_str().unwrap();
    let mut plain = vec![tcp(&server).await];
    for request in [
        "GET / HTTP/1.1\r\nHo".into(), // a part of a head
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), // idle after the response
        request(&format!("/compare/events?session={session}"), ""),
        request(&format!("/compare/long?session={session}"), ""),
    ] {
        let mut stream = tcp(&server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        plain.push(stream);
    }
    let mut sockets = [viewer(&server).await, chatter(addr).await.0];
    let all = plain.len() + sockets.len();
    until("all are open", async || server.app().sockets() == all).await;

    let stopping = tokio::spawn(server.stop());
    for socket in &mut sockets {
        assert_eq!(close_code(socket).await, Some(CloseCode::GOING_AWAY));
        assert!(socket.recv().await.unwrap().is_none());
    }
    for stream in plain {
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
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let bytes = head.len() as u64;
    let read = &server.app().metrics.bytes_in;
    until("the head is read", async || read.get() == bytes).await;
    let app = server.app().clone();
    let stopping = tokio::spawn(server.stop());
    app.stopped().await;
    stream.write_all(b"ab").await.unwrap();
    let reply = Reply::parse(&read_to_end(stream).await);
    assert_eq!((reply.status, &*reply.body), (503, "the server stops\n"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(stopping.await.unwrap(), 0);
}
