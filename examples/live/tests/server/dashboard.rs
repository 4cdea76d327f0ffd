//! The stream of the dashboard. Its clock is paused, so the tests take no time.
use std::time::Duration;

use examples::adapters::tokio::Socket;
use live::server::Server;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use websocket_proto::{CloseCode, Event};

use crate::client::{close_code, start, until, viewer};

const SNAPSHOT: u8 = 0;
const FOLLOWS: u8 = 1;

/// A message of the server.
#[derive(Debug)]
struct Update {
    kind: u8,
    samples: Vec<(f64, Vec<f32>)>,
}

impl Update {
    fn parse(bytes: &[u8]) -> Self {
        let (head, samples) = bytes.split_at(8);
        assert_eq!(head[0], 1, "version");
        assert_eq!(head[4..], 100_u32.to_be_bytes(), "ms between samples");
        assert_eq!(samples.len() % 48, 0);
        let count = u16::from_be_bytes([head[2], head[3]]);
        let sample = |bytes: &[u8]| {
            let (at, values) = bytes.split_at(8);
            let values = values
                .chunks(4)
                .map(|value| f32::from_be_bytes(value.try_into().unwrap()));
            (f64::from_be_bytes(at.try_into().unwrap()), values.collect())
        };
        let samples: Vec<_> = samples.chunks(48).map(sample).collect();
        assert_eq!(samples.len(), usize::from(count));
        Self {
            kind: head[1],
            samples,
        }
    }
}

async fn receive(viewer: &mut Socket<TcpStream>) -> Update {
    loop {
        match viewer.recv().await.unwrap().expect("the stream has ended") {
            Event::Binary(bytes) => return Update::parse(bytes),
            Event::Text(text) => panic!("{text:?}"),
            _ => {}
        }
    }
}

fn answer(viewer: &mut Socket<TcpStream>) {
    viewer.ws.send_binary(b"", &mut viewer.out).unwrap();
}

/// Returns the kind and number of samples of the next message, and answers it.
async fn next(viewer: &mut Socket<TcpStream>) -> (u8, usize) {
    let update = receive(viewer).await;
    answer(viewer);
    (update.kind, update.samples.len())
}

/// Waits, with the pings of the time answered.
async fn pass(viewer: &mut Socket<TcpStream>, seconds: u64) -> usize {
    let mut messages = 0;
    let end = async {
        loop {
            receive(viewer).await;
            messages += 1;
        }
    };
    timeout(Duration::from_secs(seconds), end)
        .await
        .unwrap_err();
    messages
}

async fn leave(viewer: &mut Socket<TcpStream>, server: &Server) {
    viewer.close(CloseCode::NORMAL, "").await.unwrap();
    until("it has left", async || server.app().sockets() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn two_messages_a_second_have_ten_samples_a_second() {
    let server = start(&[]).await;
    let mut viewer = viewer(&server).await;
    let start = Instant::now();
    assert_eq!(next(&mut viewer).await, (SNAPSHOT, 5));
    for _ in 1..20 {
        assert_eq!(next(&mut viewer).await, (FOLLOWS, 5));
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!((9.9..10.6).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_joins_gets_the_last_minute_at_once() {
    let server = start(&[]).await;
    let mut first = viewer(&server).await;
    for _ in 0..10 {
        next(&mut first).await;
    }
    let mut second = viewer(&server).await;
    assert_eq!(next(&mut second).await, (SNAPSHOT, 55));
    assert_eq!(next(&mut second).await, (FOLLOWS, 5));
    for _ in 0..150 {
        next(&mut first).await;
        next(&mut second).await;
    }
    let mut third = viewer(&server).await;
    assert_eq!(next(&mut third).await, (SNAPSHOT, 600));
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_gets_the_newest_state_and_no_backlog() {
    let server = start(&[]).await;
    let mut slow = viewer(&server).await;
    assert_eq!(pass(&mut slow, 30).await, 4);
    answer(&mut slow);
    let update = receive(&mut slow).await;
    assert_eq!(update.kind, SNAPSHOT);
    assert!(
        (295..=305).contains(&update.samples.len()),
        "{}",
        update.samples.len()
    );
    assert_eq!(pass(&mut slow, 30).await, 0);
    // Once it is fast again, updates follow.
    for _ in 0..4 {
        answer(&mut slow);
    }
    assert_eq!(next(&mut slow).await.0, SNAPSHOT);
    assert_eq!(next(&mut slow).await, (FOLLOWS, 5));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_1008() {
    let server = start(&[]).await;
    let mut viewer = viewer(&server).await;
    next(&mut viewer).await;
    answer(&mut viewer);
    assert_eq!(
        close_code(&mut viewer).await,
        Some(CloseCode::POLICY_VIOLATION)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sampled_while_nobody_looks() {
    let server = start(&[]).await;
    let mut first = viewer(&server).await;
    for _ in 0..10 {
        next(&mut first).await;
    }
    leave(&mut first, &server).await;
    sleep(Duration::from_secs(10)).await;
    let mut second = viewer(&server).await;
    assert_eq!(next(&mut second).await, (SNAPSHOT, 5));
    assert_eq!(next(&mut second).await, (FOLLOWS, 5));
}

#[tokio::test(start_paused = true)]
async fn samples_have_the_figures_of_the_server() {
    let server = start(&[]).await;
    let mut viewer = viewer(&server).await;
    receive(&mut viewer).await;
    let metrics = &server.app().metrics;
    metrics.received.inc_by(30);
    metrics.sent.inc_by(70);
    metrics.connections.set(3);
    for _ in 0..99 {
        metrics.latency.observe(0.002);
    }
    metrics.latency.observe(0.3);
    metrics.latency.observe(0.3);
    let update = receive(&mut viewer).await;
    let samples = &update.samples;
    // Per second, and a sample is a tenth of it.
    assert_eq!(samples[0].1[..2], [300.0, 700.0]);
    assert_eq!(samples[1].1[..2], [0.0, 0.0]);
    for (at, values) in samples {
        assert!(*at > 1.7e12, "{at}");
        assert_eq!(values[4..6], [3.0, 1.0]);
        if cfg!(target_os = "linux") {
            assert!(values[6] >= 0.0 && values[7] > 1e6, "{values:?}");
        }
        assert!((0.002..0.0022).contains(&values[8]), "{values:?}");
        assert!((0.3..0.33).contains(&values[9]), "{values:?}");
    }
    answer(&mut viewer);
    receive(&mut viewer).await;
    answer(&mut viewer);
    let later = receive(&mut viewer).await;
    assert!(
        later.samples[4].1[8].is_nan(),
        "nothing was published in the last second"
    );
}
