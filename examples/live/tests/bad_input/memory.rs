//! The memory of the server, a process of its own, under bad input.
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cases::{Case, Cases, ROOM};
use crate::client::{Client, token};

const SENDERS: usize = 50;
/// Bytes that each of them has to send, in each of ten rounds. The answers are longer.
const VOLUME: usize = 200_000;
/// KiB. If it kept all answers, it would need more than 100 MiB.
const LIMIT: usize = 16 << 10;

/// The largest resident memory so far, in KiB.
fn peak(server: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Each client sends much, as far as the server takes it, and reads nothing.
async fn flood(clients: &mut [Client], cases: &mut impl Iterator<Item = Case>) {
    for Client { socket } in clients {
        while socket.out.len() < VOLUME {
            let text = cases.next().unwrap().text;
            socket.ws.send_text(&text, &mut socket.out).unwrap();
        }
        // An event that is not taken stops reading.
        let write = async {
            while !socket.out.is_empty() {
                socket.wait().await;
            }
        };
        let _ = timeout(Duration::from_millis(20), write).await;
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_live"))
        .args(["--listen", "127.0.0.1:0", "--max-rooms", "1"])
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
    let cases: Vec<Case> = Cases::new().take(1000).collect();
    let mut cases = cases.into_iter().cycle();
    flood(&mut clients, &mut cases).await;
    let before = peak(&server);
    for _ in 0..9 {
        flood(&mut clients, &mut cases).await;
    }
    let grown = peak(&server) - before;
    assert!(grown < LIMIT, "{grown} KiB more than {before} KiB");
    // It still serves others.
    let token = token(addr, "Ann").await;
    let mut ann = Client::with_token(addr, &token, None).await.unwrap();
    ann.join(ROOM).await;
    ann.say(ROOM, "c1", "x").await;
}
