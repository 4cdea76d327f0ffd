//! A server for a test, and clients of it.
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use examples::adapters::tokio::{Socket, Stream};
use live::options::Serve;
use live::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use websocket_proto::handshake::client;
use websocket_proto::{CloseCode, Config, Event};

/// Far more than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(60);

pub fn options(args: &[&str]) -> Serve {
    let always = ["live", "--listen", "127.0.0.1:0"];
    Serve::try_parse_from(always.iter().chain(args)).unwrap()
}

pub async fn start(args: &[&str]) -> Server {
    Server::start(options(args)).await.unwrap()
}

pub async fn tcp(server: &Server) -> TcpStream {
    TcpStream::connect(server.addr()).await.unwrap()
}

/// A response, as text.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text:?}"));
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_string(),
            body: body.to_string(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (this, value) = line.split_once(':')?;
            this.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends bytes, and reads until the server ends the connection.
pub async fn exchange(mut stream: impl Stream, request: &str) -> String {
    // The server may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    read_to_end(stream).await
}

pub async fn read_to_end(mut stream: impl Stream) -> String {
    let mut reply = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut reply))
        .await
        .expect("no end");
    String::from_utf8(reply).unwrap()
}

pub async fn get(addr: SocketAddr, path: &str) -> Reply {
    get_with(addr, path, "").await
}

pub async fn get_with(addr: SocketAddr, path: &str, fields: &str) -> Reply {
    let stream = TcpStream::connect(addr).await.unwrap();
    Reply::parse(&exchange(stream, &request(path, fields)).await)
}

/// Posts a body, and returns the JSON of the answer.
pub async fn post(addr: SocketAddr, path: &str, body: &str) -> serde_json::Value {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    let stream = TcpStream::connect(addr).await.unwrap();
    let reply = Reply::parse(&exchange(stream, &request).await);
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

pub fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
}

pub async fn websocket<S: Stream>(stream: S, url: &str) -> Socket<S> {
    let request = client::Request::new(url).unwrap();
    Socket::connect(stream, &request, Config::new(), |_| ())
        .await
        .unwrap()
}

/// Opens the stream of the dashboard.
pub async fn viewer(server: &Server) -> Socket<TcpStream> {
    let url = format!("ws://{}/dashboard/stream", server.addr());
    websocket(tcp(server).await, &url).await
}

/// Gets a token, and enters the chat with it. Returns both.
pub async fn chatter(addr: SocketAddr) -> (Socket<TcpStream>, String) {
    let answer = post(addr, "/token", r#"{"name":"Ann"}"#).await;
    let token = answer["token"].as_str().unwrap();
    let url = format!("ws://{addr}/chat?token={token}");
    let stream = TcpStream::connect(addr).await.unwrap();
    (websocket(stream, &url).await, token.into())
}

/// Reads until the server closes, and returns the code.
pub async fn close_code(socket: &mut Socket<impl Stream>) -> Option<CloseCode> {
    let end = async {
        while let Ok(Some(event)) = socket.recv().await {
            let Event::Close(frame) = event else { continue };
            return frame.code;
        }
        None
    };
    timeout(DEADLINE, end).await.expect("no end")
}

pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"));
}
