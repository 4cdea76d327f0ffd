//! A client of the chat that checks that it misses nothing.
use std::net::SocketAddr;

use examples::adapters::tokio::Socket;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use websocket_proto::handshake::client::Request;
use websocket_proto::{Config, Event};

use crate::http;
use crate::support::DEADLINE;

pub struct Person {
    name: String,
    /// The node that it is connected to.
    pub node: String,
    socket: Socket<TcpStream>,
    /// The last message that it has heard.
    epoch: Value,
    offset: u64,
}

impl Person {
    /// Connects and enters the room, with all of its history.
    pub async fn enter(proxy: SocketAddr, name: &str) -> Self {
        let (socket, node) = connect(proxy, name).await;
        let mut person = Self {
            name: name.into(),
            node,
            socket,
            epoch: Value::Null,
            offset: 0,
        };
        let joined = person.join(json!({"type": "join", "room": "r"})).await;
        person.epoch = joined["epoch"].clone();
        person.offset = joined["offset"].as_u64().unwrap();
        person
    }

    /// Connects again, and continues behind the last message.
    pub async fn resume(&mut self, proxy: SocketAddr) {
        (self.socket, self.node) = connect(proxy, &self.name).await;
        let since = json!({"epoch": self.epoch, "offset": self.offset});
        let joined = self
            .join(json!({"type": "join", "room": "r", "since": since}))
            .await;
        assert_eq!(joined["recovered"], true, "{joined}");
        assert_eq!(joined["offset"], self.offset);
    }

    async fn join(&mut self, join: Value) -> Value {
        self.send(&join);
        loop {
            let message = self.receive().await.expect("closed");
            if message["type"] == "joined" {
                return message;
            }
        }
    }

    /// Says something, and waits until it is stored.
    pub async fn say(&mut self, number: u64) {
        let id = format!("m{number}");
        self.send(&json!({"type": "say", "room": "r", "id": id, "text": number.to_string()}));
        loop {
            let message = self.receive().await.expect("closed");
            if message["type"] == "ack" {
                assert_eq!(
                    (&message["id"], &message["offset"]),
                    (&json!(id), &json!(number))
                );
                return;
            }
        }
    }

    /// Waits for the message with this number.
    pub async fn hear_until(&mut self, number: u64) {
        while self.offset < number {
            self.receive().await.expect("closed");
        }
        assert_eq!(self.offset, number);
    }

    /// Waits until the server closes, and returns the close code.
    pub async fn closed(&mut self) -> Option<u16> {
        while self.receive().await.is_some() {}
        let code = self.socket.ws.close_received().and_then(|frame| frame.code);
        code.map(u16::from)
    }

    fn send(&mut self, message: &Value) {
        let Socket { ws, out, .. } = &mut self.socket;
        ws.send_text(&message.to_string(), out).unwrap();
    }

    /// The next message. `None`: the server has closed. Notes what was said, which must be the next.
    async fn receive(&mut self) -> Option<Value> {
        let message = receive(&mut self.socket).await?;
        assert_ne!(message["type"], "error", "{message}");
        if message["type"] == "message" {
            self.offset += 1;
            assert_eq!(message["offset"], self.offset, "{}: {message}", self.name);
            assert_eq!(message["text"], self.offset.to_string(), "{}", self.name);
            assert_eq!(message["epoch"], self.epoch);
        }
        Some(message)
    }
}

/// Gets a token, connects with it, and returns the name of the node.
async fn connect(proxy: SocketAddr, name: &str) -> (Socket<TcpStream>, String) {
    let (status, body) =
        http::request(proxy, "POST", "/token", &json!({"name": name}).to_string()).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let url = format!(
        "ws://{proxy}/chat?token={}",
        body["token"].as_str().unwrap()
    );
    let origin = format!("http://{proxy}"); // as a browser would
    let request = Request::new(&url).unwrap().origin(&origin);
    let stream = TcpStream::connect(proxy).await.unwrap();
    let connected = Socket::connect(stream, &request, Config::new(), |_| ());
    let mut socket = timeout(DEADLINE, connected).await.expect("101").unwrap();
    let hello = receive(&mut socket).await.expect("closed");
    assert_eq!(hello["type"], "hello", "{hello}");
    (socket, hello["node"].as_str().unwrap().into())
}

async fn receive(socket: &mut Socket<TcpStream>) -> Option<Value> {
    let next = async {
        while let Some(event) = socket.recv().await.unwrap() {
            if let Event::Text(text) = event {
                return Some(serde_json::from_str(text).unwrap());
            }
        }
        None
    };
    timeout(DEADLINE, next).await.expect("a message")
}
