//! websocket-proto, in the ways that its documentation shows.
//!
//! The configuration is the default one. The feature `deflate` is built in, and not negotiated but in
//! the rows that say so. Reads have the size that `RecvBuf::read_size` advises, as in the manual, or
//! 64 KiB. The server's transport takes everything that is written.

use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use websocket_proto::{
    Config, Connection, Event, MessageKind, OutQueue, Output as _, Prepared, RecvBuf, Seed,
    deflate::{DeflateConfig, Params},
};

use super::{Contestant, Side};
use crate::{
    tasks::{
        Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport},
};

mod compress;
mod opening;

pub fn contestants() -> Vec<Contestant> {
    let ours = |name, jobs| Contestant {
        name,
        side: Side::Ours,
        jobs,
    };
    vec![
        ours("ours", plain as fn(&Task) -> Vec<Job>),
        ours("ours in parts", in_parts),
        ours("ours, shared buffer", shared),
        ours("ours, deflate unused", deflate_unused),
        ours("ours lent", lent),
        ours("ours queued", queued),
        ours("ours prepared", prepared),
        ours("ours, URL and entropy", connect_from_url),
        ours("ours, default level", default_level),
    ]
}

/// Where reads of this size are asked for, they have the size that `RecvBuf::read_size` advises.
const USUAL: usize = 16 << 10;

/// From this size a message comes in parts, in the rows with parts.
const PARTS_ABOVE: usize = 16 << 10;

fn plain(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => {
            let new = |task: &Receive, transport| {
                Whole(Ours::new(task, transport, open(task.role, Config::new())))
            };
            vec![task.job(new)]
        }
        Task::Inflate(task) => compress::inflate(task),
        Task::Send(task) => {
            vec![task.job(|task, drain| copying(task, drain, open(task.role, Config::new())))]
        }
        Task::Compress(task) => compress::deflate(task),
        Task::Accept(task) => opening::accept(task),
        Task::Connect(task) => opening::connect(task),
        Task::Broadcast(task) => compress::broadcast(task),
    }
}

/// An opening of a client that has nothing but a URL.
fn connect_from_url(task: &Task) -> Vec<Job> {
    match task {
        Task::Connect(task) => opening::connect_from_url(task),
        _ => Vec::new(),
    }
}

/// Compression with our default level, which is not that of the others.
fn default_level(task: &Task) -> Vec<Job> {
    match task {
        Task::Compress(task) => compress::deflate_default(task),
        _ => Vec::new(),
    }
}

/// Long messages are not assembled.
fn in_parts(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) if task.longest > PARTS_ABOVE => {
            let new = |task: &Receive, transport| {
                let mut config = Config::new();
                config.parts_above = PARTS_ABOVE;
                Whole(Ours::new(task, transport, open(task.role, config)))
            };
            vec![task.job(new)]
        }
        _ => Vec::new(),
    }
}

/// One receive buffer for many connections: `resume` before each read, `park` after its last event.
fn shared(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => {
            let new = |task: &Receive, transport| {
                Parked(Ours::new(task, transport, open(task.role, Config::new())))
            };
            vec![task.job(new)]
        }
        _ => Vec::new(),
    }
}

/// Compression was negotiated, but these messages are not compressed.
fn deflate_unused(task: &Task) -> Vec<Job> {
    fn with_deflate(role: Role) -> Connection {
        let mut ws =
            open(role, Config::new()).with_deflate(Params::default(), DeflateConfig::new());
        ws.set_compression(websocket_proto::deflate::Compression::Never);
        ws
    }
    match task {
        Task::Receive(task) => {
            let new = |task: &Receive, transport| {
                Whole(Ours::new(task, transport, with_deflate(task.role)))
            };
            vec![task.job(new)]
        }
        Task::Send(task) => {
            vec![task.job(|task, drain| copying(task, drain, with_deflate(task.role)))]
        }
        _ => Vec::new(),
    }
}

fn open(role: Role, config: Config) -> Connection {
    let role = match role {
        Role::Server => websocket_proto::Role::Server,
        Role::Client => websocket_proto::Role::Client(Seed::from_os().expect("entropy")),
    };
    Connection::assume_opened(role, config)
}

struct Ours {
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
    read: usize,
    transport: Transport,
}

impl Ours {
    fn new(task: &Receive, transport: Transport, ws: Connection) -> Self {
        Self {
            ws,
            input: RecvBuf::new(),
            out: BytesMut::new(),
            read: task.buffer,
            transport,
        }
    }

    /// Reads once. Returns whether anything was there.
    #[inline(always)]
    fn read(&mut self) -> bool {
        let advised = self.read == USUAL;
        let size = if advised {
            self.input.read_size()
        } else {
            self.read
        };
        let n = self.transport.wire.read(self.input.spare(size));
        self.input.filled(n);
        n > 0
    }

    #[inline(always)]
    fn take_events<S: Sink>(&mut self, sink: &mut S) {
        let events =
            |ws: &mut Connection, input: &mut RecvBuf, out: &mut BytesMut, sink: &mut S| {
                while let Some(event) = ws.next_event(input, out)? {
                    match event {
                        Event::Text(text) => sink.text(text),
                        Event::Binary(bytes) => sink.binary(bytes),
                        Event::TextPart(part) => sink.part(true, part.as_bytes(), false),
                        Event::TextEnd(part) => sink.part(true, part.as_bytes(), true),
                        Event::BinaryPart(part) => sink.part(false, part, false),
                        Event::BinaryEnd(part) => sink.part(false, part, true),
                        _ => {}
                    }
                }
                Ok::<(), websocket_proto::ProtocolError>(())
            };
        events(&mut self.ws, &mut self.input, &mut self.out, sink).expect("the stream is valid");
        if !self.out.is_empty() {
            self.transport.drain.write(&self.out);
            self.out.clear();
        }
    }
}

/// The loop of the manual.
struct Whole(Ours);

impl Receiver for Whole {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        while self.0.read() {
            self.0.take_events(sink);
        }
    }
}

/// The loop for many connections with one buffer.
struct Parked(Ours);

impl Receiver for Parked {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            self.0.ws.resume(&mut self.0.input);
            let more = self.0.read();
            if more {
                self.0.take_events(sink);
            }
            self.0.ws.park(&mut self.0.input);
            if !more {
                return;
            }
        }
    }
}

/// `send_binary`, which copies into `out`.
fn copying(task: &Send, drain: Drain, mut ws: Connection) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let mut out = BytesMut::new();
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload = std::hint::black_box(&payload);
                ws.send_binary(payload, &mut out).expect("open");
            }
            drain.write(&out);
            out.clear();
        }
    }
}

/// `lend_binary`: the payload of a server is not copied. A client has `lend_binary_mut`, which masks
/// the caller's buffer.
fn lent(task: &Task) -> Vec<Job> {
    match task {
        Task::Send(task) if task.batch == 1 => match task.role {
            Role::Server => vec![task.job(lending).gather()],
            Role::Client => vec![task.job(lending_mut).variant("in place").gather()],
        },
        _ => Vec::new(),
    }
}

fn lending(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let payload = task.payload.clone();
    let mut ws = open(task.role, Config::new());
    let mut out = BytesMut::new();
    move |batches| {
        for _ in 0..batches {
            let payload = std::hint::black_box(&payload);
            let mut lent = ws.lend_binary(payload, &mut out).expect("open");
            let written = drain.write_vectored(&lent.slices().map(IoSlice::new));
            lent.written(written);
        }
    }
}

fn lending_mut(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let payload = task.payload.clone();
    let mut ws = open(task.role, Config::new());
    let mut out = BytesMut::new();
    let mut buffer = payload.to_vec();
    move |batches| {
        for _ in 0..batches {
            if drain.is_recording() {
                // The last frame has masked it.
                buffer.copy_from_slice(&payload);
            }
            let buffer = std::hint::black_box(&mut buffer);
            let mut lent = ws.lend_binary_mut(buffer, &mut out).expect("open");
            let written = drain.write_vectored(&lent.slices().map(IoSlice::new));
            lent.written(written);
        }
    }
}

/// `send_bytes` into an `OutQueue`, which keeps long payloads without copying them.
fn queued(task: &Task) -> Vec<Job> {
    match task {
        Task::Send(task) if task.role == Role::Server => {
            vec![task.job(queueing).gather()]
        }
        _ => Vec::new(),
    }
}

fn queueing(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let mut ws = open(task.role, Config::new());
    let mut out = OutQueue::new();
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload = std::hint::black_box(&payload);
                ws.send_bytes(MessageKind::Binary, payload, &mut out)
                    .expect("open");
            }
            flush(&mut out, &drain);
        }
    }
}

/// Writes all that is in the queue.
fn flush(out: &mut OutQueue, drain: &Drain) {
    while out.unsent() > 0 {
        let mut slices = [IoSlice::new(&[]); 32];
        let count = out.chunks_vectored(&mut slices);
        let written = drain.write_vectored(&slices[..count]);
        out.advance(written);
    }
}

/// A message that was framed once, as for a broadcast: copied into `out`, and written from its own
/// memory.
fn prepared(task: &Task) -> Vec<Job> {
    match task {
        Task::Send(task) if task.role == Role::Server => {
            let mut jobs = vec![task.job(|task, drain| {
                let Send { payload, batch, .. } = task.clone();
                let message = Prepared::binary(&payload);
                let mut ws = open(task.role, Config::new());
                let mut out = BytesMut::new();
                move |batches| {
                    for _ in 0..batches {
                        for _ in 0..batch {
                            let message = std::hint::black_box(&message);
                            ws.send_prepared(message, &mut out).expect("open");
                        }
                        drain.write(&out);
                        out.clear();
                    }
                }
            })];
            if task.batch == 1 {
                let lent = task.job(|task, drain| {
                    let message = Prepared::binary(&task.payload);
                    let mut ws = open(task.role, Config::new());
                    let mut out = BytesMut::new();
                    move |batches| {
                        for _ in 0..batches {
                            let message = std::hint::black_box(&message);
                            let mut lent = ws.lend_prepared(message, &mut out).expect("open");
                            let written = drain.write_vectored(&lent.slices().map(IoSlice::new));
                            lent.written(written);
                        }
                    }
                });
                jobs.push(lent.variant("lent").gather());
            }
            jobs
        }
        Task::Broadcast(task) => compress::broadcast_prepared(task),
        _ => Vec::new(),
    }
}
