//! Two nodes under load: one of them, or the engine, is killed. Nothing is lost or doubled, and all
//! clients resume.
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use clap::Parser;
use live::broker::EngineUrl;
use live::load::{self, Load, Progress, Report};
use support::{DEADLINE, Server, nats, redis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

#[allow(dead_code, reason = "the tests of the broker need more of it")]
mod support;

const CONNECTIONS: u64 = 300;

/// A process of `live`. It ends with this.
struct Node {
    child: Child,
    address: String,
    /// Stays open: a program that cannot print can fail.
    output: BufReader<ChildStdout>,
}

impl Node {
    fn start(engine: &Server, name: &str) -> Self {
        let engine = match &engine.url {
            EngineUrl::Memory => "memory",
            EngineUrl::Redis(url) | EngineUrl::Nats(url) => url,
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_live"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--secret",
                "shared by all nodes",
            ])
            .args(["--engine", engine, "--node", name])
            .env("LIVE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut node = Self {
            child,
            address: String::new(),
            output,
        };
        let mut line = String::new();
        node.output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        node.address = address.unwrap_or_else(|| panic!("{line:?}")).into();
        node
    }

    /// kill -9
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The status of `/healthz`, from its first line.
    async fn health(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.lines().next().unwrap_or_default().into()
    }

    async fn wait_for(&self, status: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.health().await.contains(status) {
            assert!(
                Instant::now() < end,
                "never {status}: {}",
                self.health().await
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Two nodes that are up.
async fn nodes(engine: &Server) -> [Node; 2] {
    let nodes = ["n1", "n2"].map(|name| Node::start(engine, name));
    for node in &nodes {
        node.wait_for("200").await;
    }
    nodes
}

/// Waits until so many more messages were delivered.
async fn delivered(progress: &mut watch::Receiver<Progress>, more: u64) {
    let enough = progress.borrow().delivered + more;
    let waited = timeout(DEADLINE, progress.wait_for(|now| now.delivered >= enough)).await;
    waited
        .expect("messages are delivered")
        .expect("the load runs");
}

/// Loads the nodes, cuts connections at random as well, and runs `meanwhile` when messages flow.
async fn under_load(addresses: [String; 2], meanwhile: impl AsyncFnOnce()) -> Report {
    let args = format!(
        "load --connections {CONNECTIONS} --rooms 10 --rate 100 --seconds 8 --kill 20 \
         --url ws://{} --url ws://{}",
        addresses[0], addresses[1]
    );
    let options = Load::parse_from(args.split_whitespace());
    let (progress, mut seen) = watch::channel(Progress::default());
    let disturb = async {
        delivered(&mut seen, 3000).await;
        meanwhile().await;
        delivered(&mut seen, 3000).await;
    };
    let (report, ()) = tokio::join!(load::run(&options, progress), disturb);
    report.unwrap()
}

#[track_caller]
fn check(report: &Report) {
    println!("{report}");
    assert!(report.ok(), "something is wrong");
    assert_eq!((report.stats.unrecovered, report.stats.resets), (0, 0));
    assert_eq!(report.acked, report.sent);
    assert_eq!(report.delivered, report.sent * CONNECTIONS / 10);
}

/// kill -9 of a node: its clients resume at the other one.
async fn a_node_dies(engine: Option<Server>) {
    let Some(engine) = engine else { return };
    let [mut dies, lives] = nodes(&engine).await;
    let addresses = [dies.address.clone(), lives.address.clone()];
    let report = under_load(addresses, async || dies.kill()).await;
    check(&report);
    // About half of the clients were there. Cut connections are not counted here.
    let lost = report.stats.closes.get(&1006).copied();
    assert!(lost > Some(CONNECTIONS / 4), "{lost:?}");
}

/// kill -9 of the engine, which keeps what it has accepted on disk: clients stay connected.
async fn the_engine_dies(engine: Option<Server>) {
    let Some(mut engine) = engine else { return };
    let nodes = nodes(&engine).await;
    let addresses = [nodes[0].address.clone(), nodes[1].address.clone()];
    let report = under_load(addresses, async || {
        engine.kill();
        for node in &nodes {
            node.wait_for("503").await;
        }
        engine.restart();
        for node in &nodes {
            node.wait_for("200").await;
        }
    })
    .await;
    check(&report);
    // Only those that the tool has cut were closed.
    assert_eq!(report.stats.closes, [].into());
}

/// The engine comes back without its data: all clients are told, and go on in a new epoch.
async fn the_engine_forgets(engine: Option<Server>) {
    let Some(mut engine) = engine else { return };
    let nodes = nodes(&engine).await;
    let addresses = [nodes[0].address.clone(), nodes[1].address.clone()];
    let report = under_load(addresses, async || {
        engine.kill();
        engine.wipe();
        engine.restart();
    })
    .await;
    println!("{report}");
    let stats = &report.stats;
    assert!(stats.resets + stats.unrecovered >= CONNECTIONS);
    // A message can be lost that was acknowledged, and not yet read by all. Nothing else is wrong.
    let faults = &report.faults;
    assert_eq!((faults.doubled, faults.disordered), (0, 0));
    assert_eq!((faults.corrupted, faults.unacknowledged), (0, 0));
    assert_eq!((report.failed, report.away), (0, 0));
}

#[tokio::test]
async fn a_node_dies_over_redis() {
    a_node_dies(redis::start().await).await;
}

#[tokio::test]
async fn a_node_dies_over_nats() {
    a_node_dies(nats::start().await).await;
}

#[tokio::test]
async fn redis_dies() {
    the_engine_dies(redis::start().await).await;
}

#[tokio::test]
async fn nats_dies() {
    the_engine_dies(nats::start().await).await;
}

#[tokio::test]
async fn redis_forgets() {
    the_engine_forgets(redis::start().await).await;
}

#[tokio::test]
async fn nats_forgets() {
    the_engine_forgets(nats::start().await).await;
}
