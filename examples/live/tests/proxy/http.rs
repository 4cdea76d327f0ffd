//! Requests of one connection each.
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::DEADLINE;

/// Returns status and body.
pub async fn request(addr: SocketAddr, method: &str, target: &str, body: &str) -> (u16, String) {
    let mut stream = send(addr, method, target, body).await;
    let mut response = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut response)).await;
    read.expect("a response").unwrap();
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.into())
}

pub async fn get(addr: SocketAddr, target: &str) -> (u16, String) {
    request(addr, "GET", target, "").await
}

/// Waits for the first server-sent event with data, of a response that goes on.
pub async fn first_event(addr: SocketAddr, target: &str) -> String {
    let mut lines = BufReader::new(send(addr, "GET", target, "").await).lines();
    let data = async {
        loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("the response has ended");
            if let Some(data) = line.strip_prefix("data:") {
                return data.trim().into();
            }
        }
    };
    timeout(DEADLINE, data).await.expect("an event")
}

/// Opens a WebSocket, and waits for the first bytes of the answer: it may be a refusal.
pub async fn websocket(addr: SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = timeout(DEADLINE, stream.read_u64()).await;
    answer.expect("an answer").unwrap();
    stream
}

async fn send(addr: SocketAddr, method: &str, target: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}
