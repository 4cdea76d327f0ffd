//! tokio-websockets: async, polled without a runtime.
//!
//! - Masks with AVX2 or AVX-512 if the CPU has them: it finds that out when the program runs.
//! - Random numbers for mask keys from `fastrand`, the fastest of the generators that it offers. They
//!   can be predicted, against RFC 6455 §10.3.
//! - Its read buffer belongs to `tokio_util` and starts with 8 KiB; it grows with the messages.
//! - Sending: `feed` and then `flush`; payloads are `Bytes`, which are shared and written by a
//!   vectored write. A client has to own the payload alone to mask it in place: `Bytes` that are
//!   shared are copied.

use futures_util::{SinkExt as _, StreamExt as _};

use ::tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};
use bytes::Bytes;

use crate::{
    tasks::{
        Broadcast, Job, Role, Task,
        opening::{Mock, URL},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, now},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Tokio::new)],
        Task::Send(task) => match task.role {
            Role::Server => vec![task.job(send).gather()],
            Role::Client => vec![task.job(send)],
        },
        Task::Accept(task) => vec![task.job(accept)],
        Task::Connect(task) => vec![task.job(connect)],
        Task::Broadcast(task) => vec![task.job(broadcast).gather()],
        _ => Vec::new(),
    }
}

fn open(role: Role, transport: Transport) -> WebSocketStream<Transport> {
    match role {
        Role::Server => ServerBuilder::new().serve(transport),
        Role::Client => ClientBuilder::new().take_over(transport),
    }
}

struct Tokio(WebSocketStream<Transport>);

impl Tokio {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self(open(task.role, transport))
    }
}

impl Receiver for Tokio {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while let Some(message) = now(self.0.next()) {
            let message = message.expect("not the end").expect("the stream is valid");
            match message.as_text() {
                Some(text) => sink.text(text),
                None if message.is_binary() => sink.binary(message.as_payload()),
                None => {}
            }
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let mut ws = open(task.role, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                let fed = now(ws.feed(Message::binary(payload)));
                fed.expect("the transport takes everything").expect("open");
            }
            let flushed = now(ws.flush());
            flushed
                .expect("the transport takes everything")
                .expect("open");
        }
    }
}

fn accept(transport: Transport) -> impl FnMut() {
    let server = ServerBuilder::new();
    move || {
        let accepted = now(server.accept(transport.clone()));
        let accepted = accepted.expect("all bytes are there");
        std::hint::black_box(accepted.expect("a valid request"));
    }
}

fn connect() -> impl FnMut(&mut Mock) -> Result<(), String> {
    let client = ClientBuilder::new().uri(URL).expect("a URL");
    move |mock: &mut Mock| {
        let opened = now(client.connect_on(mock)).expect("all bytes are there");
        opened.map(drop).map_err(|it| it.to_string())
    }
}

/// The text is shared by all messages.
fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let message = Message::text(task.text.clone());
    let open = || open(Role::Server, Transport::silent(drain.clone()));
    let mut connections: Vec<_> = std::iter::repeat_with(open)
        .take(task.connections)
        .collect();
    move || {
        for ws in &mut connections {
            let sent = now(ws.send(message.clone()));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}
