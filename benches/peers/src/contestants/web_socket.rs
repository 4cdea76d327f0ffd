//! web-socket: async, polled without a runtime.
//!
//! - It reads header by header from its stream, so it gets a `tokio::io::BufReader` of the size of
//!   the task's reads, as its documentation recommends.
//! - It hands out frames in boxes of their own; the adapter joins fragments, and checks texts with
//!   simdutf8, as the library does not.
//! - Sending: a server writes header and payload by a vectored write. A client copies.
//! - It reads the longer lengths of control frames as any other, and makes no other check less.

use ::web_socket::{DataType, Event, MessageType, Stream, WebSocket};
use tokio::io::BufReader;

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
        Task::Receive(task) => vec![task.job(Boxed::new)],
        Task::Send(task) => match task.role {
            Role::Server => vec![task.job(send).gather()],
            Role::Client => vec![task.job(send)],
        },
        _ => Vec::new(),
    }
}

fn open<IO>(role: Role, stream: IO) -> WebSocket<IO> {
    match role {
        Role::Server => WebSocket::server(stream),
        Role::Client => WebSocket::client(stream),
    }
}

struct Boxed {
    ws: WebSocket<BufReader<Transport>>,
    message: Vec<u8>,
}

impl Boxed {
    fn new(task: &Receive, transport: Transport) -> Self {
        let stream = BufReader::with_capacity(task.buffer, transport);
        Self {
            ws: open(task.role, stream),
            message: Vec::new(),
        }
    }
}

fn deliver<S: Sink>(kind: MessageType, bytes: &[u8], sink: &mut S) {
    match kind {
        MessageType::Binary => sink.binary(bytes),
        MessageType::Text => sink.text(simdutf8::basic::from_utf8(bytes).expect("a text")),
    }
}

impl Receiver for Boxed {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while !sink.is_full() {
            let event = now(self.ws.recv()).expect("all bytes are there");
            match event.expect("the transport does not fail") {
                Event::Data { ty, data } => match ty {
                    DataType::Complete(kind) => deliver(kind, &data, sink),
                    DataType::Stream(Stream::Start(_) | Stream::Next(_)) => {
                        self.message.extend_from_slice(&data);
                    }
                    DataType::Stream(Stream::End(kind)) => {
                        self.message.extend_from_slice(&data);
                        deliver(kind, &self.message, sink);
                        self.message.clear();
                    }
                },
                Event::Ping(data) => {
                    let sent = now(self.ws.send_pong(data));
                    sent.expect("the transport takes everything").expect("open");
                }
                Event::Pong(_) => {}
                Event::Error(error) => panic!("{error}"),
                Event::Close { .. } => panic!("nobody closes"),
            }
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut ws = open(role, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches * batch {
            // Each message is a write of its own.
            let sent = now(ws.send(&std::hint::black_box(&payload)[..]));
            sent.expect("the transport takes everything").expect("open");
        }
    }
}
