//! tungstenite: blocking, over a stream.
//!
//! - Received payloads are owned `Bytes`, which are views of its buffer where that is possible.
//! - `read_buffer_size` is the size of the task's reads instead of 128 KiB, which was slower.
//! - Sending: `write` and then `flush`, with a payload as `Bytes` that is shared.

use ::tungstenite::{
    Bytes, Message, WebSocket,
    error::Error,
    protocol::{Role as Side, WebSocketConfig},
};

use crate::{
    tasks::{
        Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Tungstenite::new)],
        Task::Send(task) => vec![task.job(send)],
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
