//! The program as a process of its own: output, log, signals, exit status.
#![cfg(unix)]
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, sink};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use websocket_proto::{CloseCode, Event};

use crate::client::{chatter, close_code, exchange, get, request, until, websocket};

struct Program {
    child: Child,
    addr: String,
}

impl Program {
    async fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_live"))
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .env("LIVE_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("no output");
        let addr = line
            .strip_prefix("listening on http://")
            .expect("the first line");
        let addr = addr.to_string();
        Self { child, addr }
    }

    /// Returns the exit status and the log.
    async fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().unwrap().to_string();
        let killed = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .unwrap();
        assert!(killed.success());
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .await
            .unwrap();
        (self.child.wait().await.unwrap().code(), log)
    }
}

#[tokio::test]
async fn both_signals_close_with_1001_and_end_with_0() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::start(&[]).await;
        let url = format!("ws://{}/dashboard/stream", program.addr);
        let stream = TcpStream::connect(&program.addr).await.unwrap();
        let mut viewer = websocket(stream, &url).await;
        let viewer = tokio::spawn(async move {
            let code = close_code(&mut viewer).await;
            let _ = viewer.recv().await;
            code
        });
        let (status, log) = program.stop(signal).await;
        assert_eq!(status, Some(0), "{log}");
        assert_eq!(viewer.await.unwrap(), Some(CloseCode::GOING_AWAY));
        assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
    }
}

#[tokio::test]
async fn who_does_not_end_in_time_is_in_the_log() {
    let program = Program::start(&["--drain", "0.2"]).await;
    let url = format!("ws://{}/dashboard/stream", program.addr);
    let stream = TcpStream::connect(&program.addr).await.unwrap();
    let _deaf = websocket(stream, &url).await;
    let (status, log) = program.stop("-TERM").await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("did not end in time left=1"), "{log}");
}

#[tokio::test]
async fn the_log_has_requests_but_no_secrets() {
    const SECRET: &str = "s3cr3t-of-all-nodes";
    for format in [&[][..], &["--log-json"]] {
        let program =
            Program::start(&[format, &["--secret", SECRET, "--node", "n7"]].concat()).await;
        let addr = program.addr.parse().unwrap();
        for path in ["/chat", "/healthz", "/dashboard/stream", "/missing"] {
            get(addr, &format!("{path}?token={SECRET}")).await;
        }
        // The target of a request can also be a whole URL, and can be malformed.
        for target in [
            "http://u:s3cr3t-of-all-nodes@h/chat?token=s3cr3t-of-all-nodes",
            "/a b?s3cr3t-of-all-nodes",
            "?s3cr3t-of-all-nodes",
        ] {
            let stream = TcpStream::connect(addr).await.unwrap();
            exchange(stream, &request(target, "Cookie: s3cr3t-of-all-nodes\r\n")).await;
        }
        // A person says something.
        let (mut socket, token) = chatter(addr).await;
        for message in [
            json!({"type": "join", "room": "r"}),
            json!({"type": "say", "room": "r", "id": "1", "text": SECRET}),
        ] {
            let text = message.to_string();
            socket.ws.send_text(&text, &mut socket.out).unwrap();
        }
        loop {
            let event = socket.recv().await.unwrap().expect("an ack");
            if matches!(event, Event::Text(text) if text.contains("\"ack\"")) {
                break;
            }
        }
        drop(socket);
        until("the end", async || {
            let metrics = get(addr, "/metrics").await.body;
            metrics.contains("\nlive_connections 0\n")
        })
        .await;
        let (status, log) = program.stop("-TERM").await;
        assert_eq!(status, Some(0));
        assert!(!log.contains(&token) && log.contains("/chat"), "{log}");
        assert!(
            log.contains("/healthz") && log.contains("/missing"),
            "{log}"
        );
        assert!(!log.contains(SECRET), "{log}");
        if !format.is_empty() {
            let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<serde_json::Value> = lines.collect();
            let line = lines
                .iter()
                .find(|line| line["path"] == "/healthz")
                .expect("a line");
            assert_eq!(line["status"], 200);
            assert_eq!(
                (&line["method"], &line["node"]),
                (&"GET".into(), &"n7".into())
            );
            let ms = line["ms"].as_f64().unwrap();
            assert_eq!(ms, (ms * 1000.0).round() / 1000.0);
            let end = lines.iter().find(|line| line["message"] == "chat ended");
            let end = end.expect("a line");
            assert_eq!((&end["user"], &end["node"]), (&"Ann".into(), &"n7".into()));
            assert!(end["code"].is_u64() && end["ms"].is_f64(), "{end}");
            let started = lines
                .iter()
                .find(|line| line["message"] == "started")
                .unwrap();
            assert_eq!(started["engine"], "memory");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (args, reason) in [
        (&["--listen", &addr][..], &*addr),
        (&["--tls", "/no/cert", "/no/key"], "/no/cert"),
        (&["--engine", "http://x"], "engine"),
        (&["--origin", "a b"], "--origin"),
        (
            &["--origin", "https://chat.example.com"],
            "without https://",
        ),
        (&["--secret", ""], "--secret"),
        (&["--secret", "15 are too few."], "LIVE_SECRET"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_live"))
            .args(args)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.starts_with("live: ") && text.contains(reason),
            "{text}"
        );
        assert!(output.stdout.is_empty());
        assert!(!text.contains("15 are"), "{text}");
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_counted_in_the_log() {
    let program = Program::start(&["--max-connections", "1"]).await;
    let _first = TcpStream::connect(&program.addr).await.unwrap();
    for _ in 0..5 {
        let stream = TcpStream::connect(&program.addr).await.unwrap();
        assert!(exchange(stream, "").await.contains(" 503 "));
    }
    // One line at once, and others a second apart at least.
    let (_, log) = program.stop("-TERM").await;
    let refused = log
        .lines()
        .filter(|line| line.contains("too many connections"));
    let lines = refused.count();
    assert!((1..5).contains(&lines), "{log}");
}

/// Redis behind a password, and later while it starts: each cause once, not once for each try.
#[tokio::test]
async fn why_the_engine_is_away_is_in_the_log_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let redis = tokio::spawn(async move {
        for connection in 0..6 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let error = match connection {
                0..3 => "-NOAUTH Authentication required.\r\n",
                _ => "-LOADING Redis is loading.\r\n",
            };
            let _ = stream.write_all(error.repeat(8).as_bytes()).await;
            // Until the client has read it and gives up.
            let _ = copy(&mut stream, &mut sink()).await;
        }
    });
    let url = format!("redis://ann:p4ssw0rd@127.0.0.1:{port}");
    let program = Program::start(&["--engine", &url]).await;
    redis.await.unwrap();
    // Now nothing listens there.
    let addr = program.addr.parse().unwrap();
    let health = get(addr, "/healthz").await;
    assert_eq!(health.status, 503, "{health:?}");
    let (_, log) = program.stop("-TERM").await;
    let warnings = |what: &str| {
        let lines = log.lines().filter(|line| line.contains("WARN"));
        lines.filter(|line| line.contains(what)).count()
    };
    assert_eq!(warnings("NOAUTH"), 1, "{log}");
    assert_eq!(warnings("Redis is loading"), 1, "{log}");
    assert_eq!(warnings("no --secret or LIVE_SECRET"), 1, "{log}");
    assert!(!log.contains("p4ssw0rd"), "{log}");
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused() {
    for (option, value, reason) in [
        ("--max-connections", "0", "0 is not in"),
        ("--max-connections-per-user", "0", "0 is not in"),
        ("--max-rooms", "0", "0 is not in"),
        ("--history", "0", "0 is not in"),
        ("--max-lag", "0", "0 is not in"),
        ("--history-age", "0", "more than 0"),
        ("--listen", "localhost:8080", "IP:PORT"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_live"))
            .args([option, value])
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{option}: {text}");
        assert!(text.contains(option) && text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn version_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_live"))
        .arg("--version")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, concat!("live ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn help_explains_each_option() {
    let output = Command::new(env!("CARGO_BIN_EXE_live"))
        .arg("--help")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().peekable();
    let mut options = 0;
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("--") {
            options += 1;
            assert!(
                lines
                    .peek()
                    .is_some_and(|next| next.starts_with("          ")),
                "{line}"
            );
        }
    }
    assert!(options >= 15, "{text}");
}
