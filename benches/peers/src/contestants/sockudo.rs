//! sockudo-ws: its codec (`Protocol`), and its stream, polled without a runtime.
//!
//! - The codec works on a `BytesMut` that the caller fills, and puts messages into a `Vec` that is
//!   reused. Texts are checked; they come out as bytes, which nothing checks again.
//! - The stream has no timers here: `auto_ping(false)`, `idle_timeout(0)`.
//! - Sending: the codec copies into a `BytesMut`; the stream is fed and flushed.
//! - Mask keys are from `fastrand` (its default feature), which can be predicted.

use ::sockudo_ws::{Config, Message, Role as Side, WebSocketStream, protocol::Protocol};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};

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
        Task::Receive(task) => vec![
            task.job(Codec::new).variant("codec"),
            task.job(Stream::new).variant("stream"),
        ],
        Task::Send(task) => vec![
            task.job(send).variant("codec"),
            task.job(send_stream).variant("stream"),
        ],
    }
}

const MOST: usize = 64 << 20;

fn side(role: Role) -> Side {
    match role {
        Role::Server => Side::Server,
        Role::Client => Side::Client,
    }
}

fn deliver<S: Sink>(message: &Message, sink: &mut S) {
    match message {
        Message::Text(text) => sink.valid_text(text),
        Message::Binary(bytes) => sink.binary(bytes),
        _ => {}
    }
}

struct Codec {
    codec: Protocol,
    buffer: BytesMut,
    messages: Vec<Message>,
    read: usize,
    transport: Transport,
}

impl Codec {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self {
            codec: Protocol::new(side(task.role), MOST, MOST),
            buffer: BytesMut::new(),
            messages: Vec::new(),
            read: task.buffer,
            transport,
        }
    }
}

impl Receiver for Codec {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            self.buffer.reserve(self.read);
            let bytes = self.transport.wire.take(self.read);
            if bytes.is_empty() {
                return;
            }
            self.buffer.extend_from_slice(bytes);
            let result = self
                .codec
                .process_into(&mut self.buffer, &mut self.messages);
            result.expect("the stream is valid");
            for message in self.messages.drain(..) {
                deliver(&message, sink);
            }
        }
    }
}

fn stream(role: Role, transport: Transport) -> WebSocketStream<Transport> {
    let config = Config::builder().auto_ping(false).idle_timeout(0).build();
    match role {
        Role::Server => WebSocketStream::server(transport, config),
        Role::Client => WebSocketStream::client(transport, config),
    }
}

struct Stream(WebSocketStream<Transport>);

impl Stream {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self(stream(task.role, transport))
    }
}

impl Receiver for Stream {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while !sink.is_full() {
            let message = now(self.0.next()).expect("all bytes are there");
            let message = message.expect("not the end").expect("the stream is valid");
            deliver(&message, sink);
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut codec = Protocol::new(side(role), MOST, MOST);
    let mut out = BytesMut::new();
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                codec
                    .encode_message(&Message::Binary(payload), &mut out)
                    .expect("open");
            }
            drain.write(&out);
            out.clear();
        }
    }
}

fn send_stream(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut ws = stream(role, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                let fed = now(ws.feed(Message::Binary(payload)));
                fed.expect("the transport takes everything").expect("open");
            }
            let flushed = now(ws.flush());
            flushed
                .expect("the transport takes everything")
                .expect("open");
        }
    }
}
