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
        Job, Role, Task,
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
