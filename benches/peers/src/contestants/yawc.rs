//! yawc: its stream, polled without a runtime, and its codec.
//!
//! - Texts are checked by simdutf8: feature `simd` and `Options::with_utf8` (off by default). They
//!   come out as bytes, which nothing checks again. The codec knows only frames: the adapter joins
//!   them and checks texts.
//! - The read buffer of the stream has the size of the task's reads.
//! - Sending: `feed` and then `flush` of shared `Bytes`; the codec copies into a `BytesMut`.

use ::yawc::{CompressionLevel, Frame, OpCode, Options, Role as Side, WebSocket, codec::Codec};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt as _;
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::{
    tasks::{
        Compress, Job, Role, Task,
        compress::LEVEL,
        receive::{BUFFER, Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire, now},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![
            task.job(Stream::new).variant("stream"),
            task.job(Frames::new).variant("codec"),
        ],
        Task::Send(task) => vec![
            task.job(send_stream).variant("stream"),
            task.job(send).variant("codec"),
        ],
        Task::Inflate(task) => vec![task.job(|task, it| {
            let takeover = task.compressed.as_ref().is_some_and(|it| it.takeover);
            Stream(compressed(takeover, task.buffer, it))
        })],
        Task::Compress(task) => vec![task.job(deflate)],
        _ => Vec::new(),
    }
}

const MOST: usize = 64 << 20;

fn side(role: Role) -> Side {
    match role {
        Role::Server => Side::Server,
        Role::Client => Side::Client,
    }
}

fn open(role: Role, read: usize, transport: Transport) -> WebSocket<Transport> {
    let options = Options::default()
        .with_utf8()
        .with_limits(MOST, 2 * MOST)
        .with_read_buffer_capacity(read);
    WebSocket::from_stream(transport, side(role), options).expect("no extension")
}

struct Stream(WebSocket<Transport>);

impl Stream {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self(open(task.role, task.buffer, transport))
    }
}

impl Receiver for Stream {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while !sink.is_full() {
            let frame = now(self.0.next_frame()).expect("all bytes are there");
            let frame = frame.expect("the stream is valid");
            match frame.opcode() {
                OpCode::Text => sink.valid_text(frame.payload()),
                OpCode::Binary => sink.binary(frame.payload()),
                _ => {}
            }
        }
    }
}

struct Frames {
    codec: Codec,
    buffer: BytesMut,
    read: usize,
    wire: Wire,
    message: Vec<u8>,
    is_text: bool,
}

impl Frames {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self {
            codec: codec(task.role),
            buffer: BytesMut::new(),
            read: task.buffer,
            wire: transport.wire,
            message: Vec::new(),
            is_text: false,
        }
    }

    fn deliver<S: Sink>(&self, bytes: &[u8], sink: &mut S) {
        match self.is_text {
            true => sink.text(simdutf8::basic::from_utf8(bytes).expect("a text")),
            false => sink.binary(bytes),
        }
    }
}

fn codec(role: Role) -> Codec {
    let decoder = ::yawc::codec::Decoder::new(side(role), MOST);
    Codec::from((decoder, ::yawc::codec::Encoder::new(side(role))))
}

impl Receiver for Frames {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            self.buffer.reserve(self.read);
            let bytes = self.wire.take(self.read);
            if bytes.is_empty() {
                return;
            }
            self.buffer.extend_from_slice(bytes);
            while let Some(frame) = (self.codec.decode(&mut self.buffer)).expect("valid frames") {
                match frame.opcode() {
                    OpCode::Text | OpCode::Binary => {
                        self.is_text = frame.opcode() == OpCode::Text;
                        match frame.is_fin() {
                            true => self.deliver(frame.payload(), sink),
                            false => self.message.extend_from_slice(frame.payload()),
                        }
                    }
                    OpCode::Continuation => {
                        self.message.extend_from_slice(frame.payload());
                        if frame.is_fin() {
                            self.deliver(&self.message, sink);
                            self.message.clear();
                        }
                    }
                    _ => {}
                }
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
    let mut codec = codec(role);
    let mut out = BytesMut::new();
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                codec
                    .encode(Frame::binary(payload), &mut out)
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
    let mut ws = open(role, BUFFER, Transport::silent(drain));
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload: Bytes = std::hint::black_box(&payload).clone();
                let fed = now(ws.feed(Frame::binary(payload)));
                fed.expect("the transport takes everything").expect("open");
            }
            let flushed = now(ws.flush());
            flushed
                .expect("the transport takes everything")
                .expect("open");
        }
    }
}

/// It is a server that compresses, as if that had been negotiated.
fn compressed(takeover: bool, read: usize, transport: Transport) -> WebSocket<Transport> {
    let mut options = Options::default()
        .with_utf8()
        .with_limits(MOST, 2 * MOST)
        .with_read_buffer_capacity(read)
        .with_compression_level(CompressionLevel::new(LEVEL.into()))
        .with_compression_threshold(0);
    let mut extensions = "permessage-deflate".to_owned();
    if !takeover {
        options = options
            .server_no_context_takeover()
            .client_no_context_takeover();
        extensions += "; server_no_context_takeover; client_no_context_takeover";
    }
    let ws =
        WebSocket::from_stream_with_extensions(transport, Side::Server, Some(&extensions), options);
    ws.expect("a valid extension")
}

fn deflate(task: &Compress, drain: Drain) -> impl FnMut(&str) + use<> {
    let mut ws = compressed(task.settings.takeover, BUFFER, Transport::silent(drain));
    let texts: Vec<Bytes> = (task.texts.iter())
        .map(|it| Bytes::copy_from_slice(it.as_bytes()))
        .collect();
    let mut at = 0;
    move |_: &str| {
        // Its frames own their payload: the same texts, shared.
        let text = texts[at].clone();
        at = (at + 1) % texts.len();
        let sent = now(ws.send(Frame::text(text)));
        sent.expect("the transport takes everything").expect("open");
    }
}
