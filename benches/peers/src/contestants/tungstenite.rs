//! tungstenite: blocking, over a stream.
//!
//! - Received payloads are owned `Bytes`, which are views of its buffer where that is possible.
//! - `read_buffer_size` is the size of the task's reads instead of 128 KiB, which was slower.
//! - Sending: `write` and then `flush`, with a payload as `Bytes` that is shared.

use ::tungstenite::{
    Bytes, Message, Utf8Bytes, WebSocket,
    error::Error,
    http::Uri,
    protocol::{Role as Side, WebSocketConfig},
};

use crate::{
    tasks::{
        Broadcast, Job, Role, Task,
        opening::{Mock, URL},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Tungstenite::new)],
        Task::Send(task) => vec![task.job(send)],
        Task::Accept(task) => vec![task.job(accept)],
        Task::Connect(task) => vec![task.job(connect)],
        Task::Broadcast(task) => vec![task.job(broadcast)],
        _ => Vec::new(),
    }
}

fn side(role: Role) -> Side {
    match role {
        Role::Server => Side::Server,
        Role::Client => Side::Client,
    }
}

struct Tungstenite(WebSocket<Transport>);

impl Tungstenite {
    fn new(task: &Receive, transport: Transport) -> Self {
        let config = WebSocketConfig::default().read_buffer_size(task.buffer);
        Self(WebSocket::from_raw_socket(
            transport,
            side(task.role),
            Some(config),
        ))
    }
}

impl Receiver for Tungstenite {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => sink.text(text.as_str()),
                Ok(Message::Binary(bytes)) => sink.binary(&bytes),
                Ok(_) => {}
                // Nothing is there any more.
                Err(Error::Io(_)) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let transport = Transport::silent(drain);
    let mut ws = WebSocket::from_raw_socket(transport, side(task.role), None);
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                ws.write(Message::Binary(payload)).expect("open");
            }
            ws.flush().expect("open");
        }
    }
}

/// With small buffers, as new ones are made each time.
fn small() -> Option<WebSocketConfig> {
    let config = WebSocketConfig::default();
    Some(config.read_buffer_size(4096).write_buffer_size(0))
}

fn accept(transport: Transport) -> impl FnMut() {
    move || {
        let ws = ::tungstenite::accept_with_config(transport.clone(), small());
        std::hint::black_box(ws.expect("a valid request"));
    }
}

fn connect() -> impl FnMut(&mut Mock) -> Result<(), String> {
    let uri: Uri = URL.parse().expect("a URL");
    move |mock: &mut Mock| {
        let opened = ::tungstenite::client::client_with_config(uri.clone(), mock, small());
        opened.map(drop).map_err(|it| it.to_string())
    }
}

/// The text is shared by all messages.
fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let text = Utf8Bytes::try_from(task.text.clone()).expect("ASCII");
    let open = || {
        let transport = Transport::silent(drain.clone());
        WebSocket::from_raw_socket(transport, Side::Server, small())
    };
    let mut connections: Vec<_> = std::iter::repeat_with(open)
        .take(task.connections)
        .collect();
    move || {
        for ws in &mut connections {
            ws.send(Message::Text(text.clone())).expect("open");
        }
    }
}
