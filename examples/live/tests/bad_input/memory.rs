//! The memory of the server, a process of its own, under bad input.
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::cases::{Cases, ROOM};
use crate::client::{Client, http, token};

const SENDERS: usize = 4;
/// Messages of 8 bytes that each of them sends. Their answers have 10 MB, and the system keeps 4 MB.
const SHORT: usize = 100_000;
/// KiB by which the memory of the server may grow by that.
const LIMIT: usize = 4 << 10;

/// The largest resident memory so far, in KiB.
fn peak(server: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Each client sends messages, as far as the server takes them, and reads nothing.
async fn flood(clients: &mut [Client], count: usize, mut next: impl FnMut() -> String) {
    let each = clients.iter_mut().map(|Client { socket }| {
        for _ in 0..count {
            socket.ws.send_text(&next(), &mut socket.out).unwrap();
        }
        async move {
            let mut calm = 0;
            while !socket.out.is_empty() && calm < 10 {
                let before = socket.out.len();
                // An event that is not taken stops reading.
                let _ = timeout(Duration::from_millis(20), socket.wait()).await;
                calm = if socket.out.len() == before {
                    calm + 1
                } else {
                    0
                };
            }
        }
    });
    join_all(each).await;
}

/// Waits until the server takes no more.
async fn until_calm(addr: SocketAddr) {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut last, mut calm) = (String::new(), 0);
    while calm < 10 {
        let (_, _, metrics) = http(addr, request).await;
        let mut lines = metrics.lines();
        let received = lines.find(|line| line.starts_with("live_messages_received_total "));
        let received = received.expect("the metric").to_owned();
        calm = if received == last { calm + 1 } else { 0 };
        last = received;
        sleep(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_live"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--max-rooms",
            "1",
            "--no-deflate",
        ])
        .args(["--rate", "1000000", "--burst", "1000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("no output");
    let addr = line.strip_prefix("listening on http://").unwrap();
    let addr = addr.parse().unwrap();
    let mut clients = Vec::new();
    for i in 0..SENDERS {
        let token = token(addr, &format!("sender-{i}")).await;
        clients.push(Client::with_token(addr, &token, Some(4096)).await.unwrap());
    }
    let mut cases = Cases::new();
    flood(&mut clients, 500, || cases.next().unwrap().text).await;
    let before = peak(&server);
    flood(&mut clients, SHORT, || "{}".into()).await;
    until_calm(addr).await;
    let grown = peak(&server) - before;
    assert!(grown < LIMIT, "{grown} KiB more than {before} KiB");
    // It still serves others.
    let token = token(addr, "Ann").await;
    let mut ann = Client::with_token(addr, &token, None).await.unwrap();
    ann.join(ROOM).await;
    ann.say(ROOM, "c1", "x").await;
}
