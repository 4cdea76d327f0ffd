//! The comparison of transports: what arrives, what it costs, and what ends it.
use std::time::Duration;

use clap::Parser;
use live::options::Serve;
use live::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

mod command;
mod counts;
mod delivery;
mod ends;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    serve: Serve,
}

async fn server() -> Server {
    let options = ["live", "--listen", "127.0.0.1:0", "--engine", "memory"];
    let options = Options::parse_from(options).serve;
    Server::start(options).await.unwrap()
}

/// A connection whose bytes the test counts by itself.
pub struct Raw {
    pub stream: TcpStream,
    pub sent: usize,
    pub received: usize,
}

impl Raw {
    pub async fn open(server: &Server) -> Self {
        Self {
            stream: TcpStream::connect(server.addr()).await.unwrap(),
            sent: 0,
            received: 0,
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.sent += bytes.len();
    }

    pub async fn get(&mut self, path: &str, fields: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        self.send(request.as_bytes()).await;
    }

    pub async fn read(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        let read = timeout(LIMIT, self.stream.read_exact(&mut bytes)).await;
        read.expect("in time").unwrap();
        self.received += n;
        bytes
    }

    pub async fn read_until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            all.extend(self.read(1).await);
        }
        String::from_utf8(all).unwrap()
    }

    /// Reads a response, and returns its head.
    pub async fn response(&mut self) -> String {
        let head = self.read_until("\r\n\r\n").await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        self.read(length.unwrap().parse().unwrap()).await;
        head
    }

    /// Sends a request, and reads the response. Returns the bytes of both.
    pub async fn fetch(&mut self, path: &str) -> (usize, usize) {
        let before = (self.sent, self.received);
        self.get(path, "").await;
        self.response().await;
        (self.sent - before.0, self.received - before.1)
    }
}
