//! What arrives, also over connections that break, and what is refused.
use std::time::Duration;

use futures_util::future::join_all;
use live::compare::Transport;
use live::compare::client::{Session, View, read};
use live::server::Server;
use tokio::io::{AsyncReadExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{LIMIT, Raw, server};

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
