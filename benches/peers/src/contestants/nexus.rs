//! nexus-web: its codec without I/O, `FrameReader` and `FrameWriter`.
//!
//! - Masks with AVX2 if the CPU has it: it finds that out when the program runs.
//! - A read buffer of 1 MiB is its default, 64 KiB is what its own benchmarks use: both are tried.
//! - It does not check a text that a read has cut (it makes a `str` of it without a check). So it does
//!   not take part where that are many: with texts from 4 KiB on, a quarter of them and more, and in
//!   the workloads that cut on purpose. Of shorter ones a read cuts one in twenty or less.
//! - Control frames are handed to the caller, who would have to answer pings. Here nobody does.
//! - Sending: into a slice of the caller. Keys are from ChaCha8, seeded by the operating system.

use nexus_web::ws::{ClientBuilder, FrameReader, FrameWriter, Message, Role as Side};

use crate::{
    tasks::{
        Broadcast, Job, Role, Task,
        opening::{Mock, URL},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) if task.cuts_texts(4 << 10) => Vec::new(),
        Task::Receive(task) => vec![
            task.job(|task, it| Nexus::new(task, it, 64 << 10))
                .variant("buffer of 64 KiB"),
            task.job(|task, it| Nexus::new(task, it, 1 << 20))
                .variant("buffer of 1 MiB"),
        ],
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

struct Nexus {
    reader: FrameReader,
    wire: Wire,
}

impl Nexus {
    fn new(task: &Receive, transport: Transport, buffer: usize) -> Self {
        let reader = FrameReader::builder()
            .role(side(task.role))
            .buffer_capacity(buffer)
            .build();
        let wire = transport.wire;
        Self { reader, wire }
    }
}

impl Receiver for Nexus {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            if self.reader.spare().is_empty() {
                self.reader.compact();
            }
            let n = self.wire.read(self.reader.spare());
            if n == 0 {
                return;
            }
            self.reader.filled(n);
            while let Some(message) = self.reader.next().expect("the stream is valid") {
                match message {
                    Message::Text(text) => sink.text(text),
                    Message::Binary(bytes) => sink.binary(bytes),
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
    let mut writer = FrameWriter::new(side(role));
    let mut out = vec![0; writer.max_encoded_len(payload.len()) * batch];
    move |batches| {
        for _ in 0..batches {
            let mut end = 0;
            for _ in 0..batch {
                let payload = std::hint::black_box(&payload);
                end += writer.encode_binary(payload, &mut out[end..]);
            }
            drain.write(&out[..end]);
        }
    }
}

/// Its blocking client is also its server. With small buffers, as a new one is made each time.
fn builder() -> ClientBuilder {
    ClientBuilder::new()
        .buffer_capacity(4096)
        .write_buffer_capacity(1024)
}

fn accept(transport: Transport) -> impl FnMut() {
    move || {
        let ws = builder().accept(transport.clone());
        std::hint::black_box(ws.expect("a valid request"));
    }
}

fn connect() -> impl FnMut(&mut Mock) -> Result<(), String> {
    |mock: &mut Mock| {
        let ws = builder().connect_with(mock, URL);
        ws.map(drop).map_err(|it| it.to_string())
    }
}

fn broadcast(task: &Broadcast, drain: Drain) -> impl FnMut() + use<> {
    let (text, connections) = (task.text.clone(), task.connections);
    let new = || FrameWriter::new(Side::Server);
    let mut writers: Vec<_> = std::iter::repeat_with(new).take(connections).collect();
    let mut out = vec![0; writers[0].max_encoded_len(text.len())];
    move || {
        for writer in &mut writers {
            let n = writer.encode_text(&text, &mut out);
            drain.write(&out[..n]);
        }
    }
}
