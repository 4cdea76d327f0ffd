//! Nodes and proxies, each a process.
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use live::broker::EngineUrl;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http;
use crate::support::{self, DEADLINE};

/// A server of the chat.
pub struct Node {
    child: Child,
    pub addr: SocketAddr,
}

impl Node {
    /// Starts it, and waits until it has found its engine.
    pub async fn start(name: &str, engine: &support::Server, listen: &str) -> Self {
        let EngineUrl::Redis(url) = &engine.url else {
            panic!("a Redis");
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_live"))
            .args(["--listen", listen, "--node", name, "--engine", url])
            .env("LIVE_SECRET", "the same for both")
            .env("LIVE_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("a line");
        let line = line.unwrap().expect("the first line");
        let addr = line.strip_prefix("listening on http://").unwrap();
        let addr = addr.parse().unwrap();
        let end = Instant::now() + DEADLINE;
        while http::get(addr, "/healthz").await.0 != 200 {
            assert!(Instant::now() < end, "{name} does not find its engine");
            sleep(Duration::from_millis(10)).await;
        }
        Self { child, addr }
    }

    pub fn terminate(&self) {
        signal(&self.child, "TERM");
    }

    /// Waits for its end, and returns the exit status.
    pub async fn ended(mut self) -> Option<i32> {
        let status = timeout(DEADLINE, self.child.wait()).await.expect("its end");
        status.unwrap().code()
    }

    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

#[derive(Clone, Copy)]
pub enum Kind {
    Nginx,
    Haproxy,
}

/// A proxy with its configuration file of this package. Only the addresses in it are other ones.
pub struct Proxy {
    child: Child,
    pub addr: SocketAddr,
    /// Its files.
    dir: TempDir,
}

impl Proxy {
    /// Waits until it passes requests on. `None`: it is not installed.
    pub async fn start(kind: Kind, nodes: [SocketAddr; 2]) -> Option<Self> {
        loop {
            let mut proxy = Self::spawn(kind, nodes)?;
            if proxy.is_ready().await {
                return Some(proxy);
            }
            // Another process has taken the port meanwhile.
        }
    }

    fn spawn(kind: Kind, nodes: [SocketAddr; 2]) -> Option<Self> {
        let addr = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let dir = TempDir::new().unwrap();
        let (program, file) = match kind {
            Kind::Nginx => ("nginx", "nginx.conf"),
            Kind::Haproxy => ("haproxy", "haproxy.cfg"),
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("proxy")
            .join(file);
        let mut text = fs::read_to_string(path).unwrap();
        for (documented, here) in [("8080", addr), ("8081", nodes[0]), ("8082", nodes[1])] {
            let documented = format!("127.0.0.1:{documented}");
            assert!(text.contains(&documented), "{documented}");
            text = text.replace(&documented, &here.to_string());
        }
        let file = dir.path().join(file);
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        match kind {
            Kind::Nginx => command
                .arg("-p")
                .arg(dir.path())
                .args(["-g", "daemon off;"])
                .arg("-c"),
            Kind::Haproxy => command.args(["-db", "-f"]),
        };
        // Debian has both in a folder that is in the PATH of root only.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let log = File::create(dir.path().join("output")).unwrap();
        let command = command.arg(file).env("PATH", path).stdin(Stdio::null());
        let command = command.stderr(log.try_clone().unwrap()).stdout(log);
        match command.spawn() {
            Ok(child) => Some(Self { child, addr, dir }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let required = std::env::var_os("LIVE_REQUIRE_ENGINES").is_some_and(|v| v == "1");
                assert!(!required, "{program} is not installed");
                println!("SKIPPED: {program} is not installed");
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }

    /// `false`: it has ended.
    async fn is_ready(&mut self) -> bool {
        let end = Instant::now() + DEADLINE;
        while self.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(self.addr).await.is_ok() {
                return true;
            }
            assert!(Instant::now() < end, "it does not listen: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
        assert!(
            self.log().contains("in use") || self.log().contains("cannot bind"),
            "{}",
            self.log()
        );
        false
    }

    /// All that it has written: its output and its access log.
    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        read("output") + &read("access.log")
    }

    /// Ends it, and returns its log.
    pub async fn stop(mut self) -> String {
        signal(&self.child, "TERM");
        timeout(DEADLINE, self.child.wait())
            .await
            .expect("its end")
            .unwrap();
        self.log()
    }
}

impl Drop for Proxy {
    /// A test has failed. nginx has processes of its own, and ends them itself.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(&self.child, "TERM");
        }
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let status = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status();
    assert!(status.unwrap().success());
}
