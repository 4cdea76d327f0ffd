//! A server for a test, and clients of its chat.
#![allow(dead_code, reason = "each test program uses a part")]
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use examples::adapters::tokio::Socket;
use live::broker::Epoch;
use live::chat::protocol::{Code, Input, Output, Since};
use live::options::Serve;
use live::server::Server;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use websocket_proto::handshake::client::Request;
use websocket_proto::{Config, Error, Event};

/// Far more than anything takes that works.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub fn options(args: &[&str]) -> Serve {
    let always = ["live", "--listen", "127.0.0.1:0"];
    Serve::try_parse_from(always.iter().chain(args)).unwrap()
}

pub async fn start(args: &[&str]) -> Server {
    Server::start(options(args)).await.unwrap()
}

/// Two nodes on one broker in this process.
pub async fn two_nodes() -> [Server; 2] {
    let one = Server::start(options(&[
        "--node",
        "n1",
        "--secret",
        "of both of the nodes",
    ]))
    .await
    .unwrap();
    let broker = one.app().broker.clone();
    let options = options(&["--node", "n2", "--secret", "of both of the nodes"]);
    [one, Server::start_with(options, broker).await.unwrap()]
}

/// Status and body of an HTTP response.
pub async fn http(addr: SocketAddr, request: impl AsRef<[u8]>) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    let mut response = String::new();
    let read = stream.read_to_string(&mut response);
    timeout(DEADLINE, read).await.expect("no response").unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.into())
}

pub async fn post_token(addr: SocketAddr, body: &str) -> (u16, Value) {
    let length = body.len();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let (status, _, body) = http(addr, request).await;
    (status, serde_json::from_str(&body).unwrap())
}

pub async fn token(addr: SocketAddr, user: &str) -> String {
    let body = serde_json::json!({ "name": user }).to_string();
    let (status, body) = post_token(addr, &body).await;
    assert_eq!(status, 200, "{body}");
    body["token"].as_str().unwrap().into()
}

/// The request that opens a WebSocket.
pub fn handshake(query: &str, fields: &str) -> String {
    format!(
        "GET /chat{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// Tries to open a WebSocket. Returns the status, the head and the body of a response that is not 101.
pub async fn refused(addr: SocketAddr, query: &str, fields: &str) -> (u16, String, String) {
    http(addr, handshake(query, fields)).await
}

/// A client of the chat.
pub struct Client {
    pub socket: Socket<TcpStream>,
}

impl Client {
    /// Connects, and takes `hello`.
    pub async fn new(server: &Server, user: &str) -> Self {
        let token = token(server.addr(), user).await;
        let mut client = Self::with_token(server.addr(), &token, None).await.unwrap();
        match client.recv().await {
            Output::Hello { user: name, .. } => assert_eq!(name, user),
            other => panic!("{other:?}"),
        }
        client
    }

    /// `receive` is the size of the receive buffer of the socket.
    pub async fn with_token(
        addr: SocketAddr,
        token: &str,
        receive: Option<u32>,
    ) -> Result<Self, Error> {
        Self::with_config(addr, token, Config::new(), receive).await
    }

    pub async fn with_config(
        addr: SocketAddr,
        token: &str,
        config: Config,
        receive: Option<u32>,
    ) -> Result<Self, Error> {
        let url = format!("ws://{addr}/chat?token={token}");
        let request = Request::new(&url).unwrap();
        let tcp = TcpSocket::new_v4()?;
        if let Some(size) = receive {
            tcp.set_recv_buffer_size(size)?;
        }
        let stream = tcp.connect(addr).await?;
        stream.set_nodelay(true)?;
        let socket = Socket::connect(stream, &request, config, |_| ()).await?;
        Ok(Self { socket })
    }

    pub async fn send(&mut self, input: &Input) {
        self.send_text(&serde_json::to_string(input).unwrap()).await;
    }

    /// Sends a text, and waits until it has left.
    pub async fn send_text(&mut self, text: &str) {
        self.socket
            .ws
            .send_text(text, &mut self.socket.out)
            .unwrap();
        self.flush(0).await;
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        self.socket
            .ws
            .send_binary(bytes, &mut self.socket.out)
            .unwrap();
        self.flush(0).await;
    }

    async fn flush(&mut self, limit: usize) {
        let flush = async {
            while self.socket.out.len() > limit && !self.socket.ws.is_done() {
                self.socket.wait().await;
            }
        };
        timeout(DEADLINE, flush)
            .await
            .expect("the server does not read");
    }

    /// The next message. Panics if there is none.
    pub async fn recv(&mut self) -> Output<'static> {
        let text = self.recv_text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub async fn recv_text(&mut self) -> String {
        let text = timeout(DEADLINE, self.next()).await.expect("no message");
        text.unwrap_or_else(|(code, reason)| panic!("closed with {code}: {reason}"))
    }

    /// The next message that is one of those, without the others.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(Output<'static>) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.recv().await) {
                return picked;
            }
        }
    }

    /// The next message, or how the connection ended.
    pub async fn next(&mut self) -> Result<String, (u16, String)> {
        loop {
            match self.socket.recv().await {
                Ok(Some(Event::Text(text))) => return Ok(text.into()),
                Ok(Some(Event::Close(close))) => {
                    return Err((close.code.map_or(0, u16::from), close.reason.into()));
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Err((0, String::new())),
            }
        }
    }

    /// Reads and drops messages up to the Close frame.
    pub async fn closed(&mut self) -> (u16, String) {
        let end = async {
            loop {
                if let Err(end) = self.next().await {
                    return end;
                }
            }
        };
        timeout(DEADLINE, end).await.expect("no end")
    }

    pub async fn join(&mut self, room: &str) -> Joined {
        self.join_since(room, None).await
    }

    pub async fn join_since(&mut self, room: &str, since: Option<Since>) -> Joined {
        let room = room.to_owned();
        self.send(&Input::Join { room, since }).await;
        self.find(|output| match output {
            Output::Joined {
                epoch,
                offset,
                recovered,
                members,
                count,
                ..
            } => Some(Joined {
                since: Since { epoch, offset },
                recovered,
                members: members.into_iter().map(String::from).collect(),
                count,
            }),
            Output::Error { .. } => panic!("{output:?}"),
            _ => None,
        })
        .await
    }

    /// Says something, and waits for the answer: the offset, and whether it was there before.
    pub async fn say(&mut self, room: &str, id: &str, text: &str) -> (Since, bool) {
        let (room, id) = (room.to_owned(), id.to_owned());
        let text = text.to_owned();
        self.send(&Input::Say { room, id, text }).await;
        self.find(|output| match output {
            Output::Ack {
                epoch,
                offset,
                duplicate,
                ..
            } => Some((Since { epoch, offset }, duplicate)),
            Output::Error { .. } => panic!("{output:?}"),
            _ => None,
        })
        .await
    }

    /// The next stored message.
    pub async fn message(&mut self) -> Message {
        self.find(Message::of).await
    }

    /// The next error.
    pub async fn error(&mut self) -> (Code, String, Option<String>, Option<String>) {
        self.find(|output| match output {
            Output::Error {
                code,
                reason,
                id,
                room,
            } => Some((
                code,
                reason.into(),
                id.map(Into::into),
                room.map(Into::into),
            )),
            _ => None,
        })
        .await
    }

    /// The next change of who is here.
    pub async fn presence(&mut self) -> (Vec<String>, Vec<String>, usize) {
        self.find(|output| match output {
            Output::Presence {
                joined,
                left,
                count,
                ..
            } => Some((
                joined.into_iter().map(String::from).collect(),
                left.into_iter().map(String::from).collect(),
                count,
            )),
            _ => None,
        })
        .await
    }

    /// Waits until the count of the room is this.
    pub async fn until_count(&mut self, count: usize) {
        while self.presence().await.2 != count {}
    }

    /// Closes in order.
    pub async fn close(mut self) {
        let _ = self
            .socket
            .close(websocket_proto::CloseCode::NORMAL, "")
            .await;
    }
}

#[derive(Debug, PartialEq)]
pub struct Joined {
    pub since: Since,
    pub recovered: bool,
    pub members: Vec<String>,
    pub count: usize,
}

#[derive(Debug, PartialEq)]
pub struct Message {
    pub epoch: Epoch,
    pub offset: u64,
    pub id: String,
    pub from: String,
    pub text: String,
}

impl Message {
    pub fn of(output: Output<'static>) -> Option<Self> {
        match output {
            Output::Message {
                epoch,
                offset,
                id,
                from,
                text,
                ..
            } => Some(Self {
                epoch,
                offset,
                id: id.into(),
                from: from.into(),
                text: text.into(),
            }),
            _ => None,
        }
    }

    pub fn since(&self) -> Since {
        Since {
            epoch: self.epoch,
            offset: self.offset,
        }
    }
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}
