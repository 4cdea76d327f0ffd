//! When requests that wait end.
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use live::compare::Transport;
use live::compare::client::{Session, View, read};
use live::server::Server;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{LIMIT, Raw, server};

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
        loop {
            let stats = session.stats().await.unwrap();
            let runs = |transport| stats.of(transport).requests > 0;
            if Transport::ALL.into_iter().all(runs) {
                return;
            }
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
