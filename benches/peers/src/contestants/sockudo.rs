//! sockudo-ws: its codec (`Protocol`), and its stream, polled without a runtime.
//!
//! - The codec works on a `BytesMut` that the caller fills, and puts messages into a `Vec` that is
//!   reused. Texts are checked; they come out as bytes, which nothing checks again.
//! - The stream has no timers here: `auto_ping(false)`, `idle_timeout(0)`.
//! - Sending: the codec copies into a `BytesMut`; the stream is fed and flushed.
//! - Mask keys are from `fastrand` (its default feature), which can be predicted.

use ::sockudo_ws::{
    CompressedProtocol, Config, DeflateConfig, Message, Role as Side, WebSocketStream, handshake,
    protocol::Protocol,
};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};

use crate::{
    tasks::{
        Broadcast, Compress, Job, Role, Task,
        compress::LEVEL,
        opening::{HOST, Mock, PATH},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire, now},
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
        Task::Inflate(task) => vec![task.job(Inflating::new).variant("codec")],
        Task::Compress(task) => vec![deflate(task)],
        Task::Accept(task) => vec![task.job(accept).variant("its parts")],
        Task::Connect(task) => vec![task.job(connect).variant("its parts")],
        Task::Broadcast(task) => vec![task.job(broadcast).variant("codec")],
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

fn compressed(takeover: bool) -> CompressedProtocol {
    let config = DeflateConfig {
        compression_level: LEVEL.into(),
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        ..DeflateConfig::default()
    };
    CompressedProtocol::server(MOST, MOST, config)
}

struct Inflating {
    codec: CompressedProtocol,
    buffer: BytesMut,
    messages: Vec<Message>,
    read: usize,
    wire: Wire,
}

impl Inflating {
    fn new(task: &Receive, transport: Transport) -> Self {
        let takeover = task.compressed.as_ref().is_some_and(|it| it.takeover);
        Self {
            codec: compressed(takeover),
            buffer: BytesMut::new(),
            messages: Vec::new(),
            read: task.buffer,
            wire: transport.wire,
        }
    }
}

impl Receiver for Inflating {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            self.buffer.reserve(self.read);
            let bytes = self.wire.take(self.read);
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

fn deflate(task: &Compress) -> Job {
    let job = task.job(|task, drain| {
        let mut codec = compressed(task.settings.takeover);
        let mut out = BytesMut::new();
        let texts: Vec<Bytes> = (task.texts.iter())
            .map(|it| Bytes::copy_from_slice(it.as_bytes()))
            .collect();
        let mut at = 0;
        move |_: &str| {
            // Its messages own their payload: the same texts, shared.
            let text = texts[at].clone();
            at = (at + 1) % texts.len();
            codec
                .encode_message(&Message::Text(text), &mut out)
                .expect("open");
            drain.write(&out);
            out.clear();
        }
    });
    let variant = format!("codec, {}", job.variant);
    job.variant(variant)
}

fn accept(transport: Transport) -> impl FnMut() {
    let mut input = BytesMut::new();
    move || {
        input.clear();
        input.extend_from_slice(transport.wire.take(8192));
        let parsed = handshake::parse_request(&input).expect("a valid request");
        let (request, _) = parsed.expect("complete");
        let accept = handshake::generate_accept_key(request.key);
        let response = handshake::build_response(&accept, None, None);
        std::hint::black_box(Protocol::new(Side::Server, MOST, MOST));
        transport.drain.write(&response);
    }
}

fn connect() -> impl FnMut(&mut Mock) -> Result<(), String> {
    |mock: &mut Mock| {
        let key = handshake::generate_key();
        let request = handshake::build_request(HOST, PATH, &key, None, None);
        mock.write_request(&request);
        let mut input = BytesMut::with_capacity(1024);
        input.extend_from_slice(mock.response());
        let parsed = handshake::parse_response(&input).map_err(|it| it.to_string())?;
        let (response, _) = parsed.ok_or("not complete")?;
        let accept = response.accept.ok_or("no key")?;
        std::hint::black_box(Protocol::new(Side::Client, MOST, MOST));
        match handshake::validate_accept_key(&key, accept) {
            true => Ok(()),
            false => Err("another key".into()),
        }
    }
}

fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let message = Message::Text(task.text.clone());
    let new = || (Protocol::new(Side::Server, MOST, MOST), BytesMut::new());
    let mut connections: Vec<_> = std::iter::repeat_with(new).take(task.connections).collect();
    move || {
        for (codec, out) in &mut connections {
            codec.encode_message(&message, out).expect("open");
            drain.write(out);
            out.clear();
        }
    }
}
