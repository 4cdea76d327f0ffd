//! The floor: the work that nobody can avoid. It makes no check but the one of texts, assembles
//! nothing, and knows no control frames but to skip them.

use std::io::IoSlice;

use zlib_rs::{Inflate, InflateFlush};

use super::{Contestant, Side};
use crate::{
    generate,
    tasks::{
        Broadcast, Compress, Job, Task,
        compress::Bare,
        opening::{Mock, accept_of},
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire},
};

pub fn contestants() -> Vec<Contestant> {
    vec![Contestant {
        name: "floor",
        side: Side::Floor,
        jobs,
    }]
}

fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Floor::new)],
        Task::Send(task) if task.role.is_client() => vec![task.job(copying)],
        Task::Send(task) => vec![task.job(copying), task.job(gathering).gather()],
        Task::Inflate(task) => vec![task.job(Inflating::new).variant("zlib-rs alone")],
        Task::Compress(task) => vec![deflating(task)],
        Task::Accept(task) => vec![task.job(accepting).variant("SHA-1 and base64")],
        Task::Connect(task) => vec![task.job(connecting).variant("the mock server")],
        Task::Broadcast(task) => broadcasts(task),
    }
}

/// Copies in, walks over headers, and makes one pass over the payload to unmask it; over texts one
/// more.
struct Floor {
    wire: Wire,
    buffer: Vec<u8>,
    /// Bytes of an incomplete header at the front of the buffer.
    kept: usize,
    /// What is missing of the payload under way.
    left: usize,
    key: u64,
    is_text: bool,
    is_data: bool,
    fin: bool,
    /// The first bytes of a letter that a read has cut, until the rest is there.
    letter: Vec<u8>,
}

impl Floor {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self {
            wire: transport.wire,
            buffer: vec![0; task.buffer + 16],
            kept: 0,
            left: 0,
            key: 0,
            is_text: false,
            is_data: false,
            fin: false,
            letter: Vec::new(),
        }
    }

    /// The payload bytes of this frame that have arrived.
    #[inline(always)]
    fn payload<S: Sink>(&mut self, from: usize, to: usize, sink: &mut S) {
        let payload = &mut self.buffer[from..to];
        if self.key != 0 {
            unmask(payload, self.key);
            self.key = self.key.rotate_right(8 * (payload.len() as u32 % 4));
        }
        self.left -= payload.len();
        let is_last = self.left == 0 && self.fin;
        match (self.is_data, self.is_text) {
            (false, _) => {}
            (true, false) => sink.part(false, payload, is_last),
            (true, true) => {
                let mut rest: &[u8] = payload;
                if !self.letter.is_empty() {
                    let end = rest.iter().position(|it| it & 0xC0 != 0x80);
                    let (head, tail) = rest.split_at(end.unwrap_or(rest.len()));
                    self.letter.extend_from_slice(head);
                    rest = tail;
                    if is_last || !rest.is_empty() {
                        valid(&self.letter);
                        sink.part(true, &self.letter, is_last && rest.is_empty());
                        self.letter.clear();
                    }
                }
                if !rest.is_empty() {
                    let last = rest.iter().rev().take(4).position(|it| it & 0xC0 != 0x80);
                    let cut = match last.map(|it| rest.len() - 1 - it) {
                        Some(at) if !is_last && rest[at] >= 0xC0 => at,
                        _ => rest.len(),
                    };
                    let (whole, cut) = rest.split_at(cut);
                    valid(whole);
                    sink.part(true, whole, is_last);
                    self.letter.extend_from_slice(cut);
                } else if is_last && payload.is_empty() {
                    sink.part(true, b"", true);
                }
            }
        }
    }
}

impl Receiver for Floor {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            let n = self.wire.read(&mut self.buffer[self.kept..]);
            if n == 0 {
                return;
            }
            let (mut at, end) = (0, self.kept + n);
            self.kept = 0;
            loop {
                if self.left > 0 {
                    let to = end.min(at + self.left);
                    if at == to {
                        break;
                    }
                    self.payload(at, to, sink);
                    at = to;
                    continue;
                }
                let bytes = &self.buffer[at..end];
                let [first, second, ..] = *bytes else { break };
                let (mut header, mut len) = (2, usize::from(second & 0x7F));
                match len {
                    126 => {
                        let Some(long) = bytes[2..].first_chunk() else {
                            break;
                        };
                        (header, len) = (4, usize::from(u16::from_be_bytes(*long)));
                    }
                    127 => {
                        let Some(long) = bytes[2..].first_chunk() else {
                            break;
                        };
                        (header, len) = (10, u64::from_be_bytes(*long) as usize);
                    }
                    _ => {}
                }
                self.key = 0;
                if second & 0x80 != 0 {
                    let Some(key) = bytes[header..].first_chunk() else {
                        break;
                    };
                    let key = u64::from(u32::from_le_bytes(*key));
                    self.key = key | key << 32;
                    header += 4;
                }
                self.is_data = first & 8 == 0;
                if self.is_data {
                    self.fin = first & 0x80 != 0;
                    if first & 0x0F != 0 {
                        self.is_text = first & 0x0F == 1;
                    }
                }
                at += header;
                self.left = len;
                if len == 0 {
                    self.payload(at, at, sink);
                } else if end - at >= len {
                    // Straight on for what is complete.
                    self.payload(at, at + len, sink);
                    at += len;
                }
            }
            self.kept = end - at;
            if self.kept > 0 {
                self.buffer.copy_within(at..end, 0);
            }
        }
    }
}

/// One pass in words of eight bytes.
#[inline(always)]
fn unmask(payload: &mut [u8], key: u64) {
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_le_bytes()) {
        *byte ^= key;
    }
}

/// One pass over a text, by the faster of two validators.
#[inline(always)]
fn valid(text: &[u8]) {
    let is_valid = match text.len() {
        ..64 => std::str::from_utf8(text).is_ok(),
        _ => simdutf8::basic::from_utf8(text).is_ok(),
    };
    assert!(is_valid, "the texts of the streams are valid");
}

/// The header of a frame with a payload of `len` bytes.
#[inline(always)]
fn header(len: usize, masked: u8) -> ([u8; 10], usize) {
    let mut header = [0x82, masked, 0, 0, 0, 0, 0, 0, 0, 0];
    match len {
        ..126 => {
            header[1] |= len as u8;
            (header, 2)
        }
        ..65_536 => {
            header[1] |= 126;
            header[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] |= 127;
            header[2..].copy_from_slice(&(len as u64).to_be_bytes());
            (header, 10)
        }
    }
}

/// A header, and one copy of the payload. A client masks it in the copy, with a key from a counter.
fn copying(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut out = vec![0; (payload.len() + 14) * batch];
    let mut counter = 0x9E37_79B9_u32;
    move |batches| {
        for _ in 0..batches {
            let mut at = 0;
            for _ in 0..batch {
                let payload = &std::hint::black_box(&payload)[..];
                let masked = if role.is_client() { 0x80 } else { 0 };
                let (header, n) = header(payload.len(), masked);
                out[at..at + 10].copy_from_slice(&header);
                at += n;
                if role.is_client() {
                    counter = counter.wrapping_add(0x9E37_79B9);
                    out[at..at + 4].copy_from_slice(&counter.to_le_bytes());
                    at += 4;
                }
                let copy = &mut out[at..at + payload.len()];
                copy.copy_from_slice(payload);
                if role.is_client() {
                    unmask(copy, u64::from(counter) << 32 | u64::from(counter));
                }
                at += payload.len();
            }
            drain.write(&out[..at]);
        }
    }
}

/// A header, and a write of two slices: nothing is copied.
fn gathering(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let mut headers = vec![([0; 10], 0); batch];
    move |batches| {
        for _ in 0..batches {
            if let [one] = &mut headers[..] {
                let payload = &std::hint::black_box(&payload)[..];
                *one = header(payload.len(), 0);
                drain.write_vectored(&[IoSlice::new(&one.0[..one.1]), IoSlice::new(payload)]);
                continue;
            }
            for one in &mut headers {
                *one = header(std::hint::black_box(&payload).len(), 0);
            }
            let slices: Vec<IoSlice> = headers
                .iter()
                .flat_map(|(bytes, n)| [IoSlice::new(&bytes[..*n]), IoSlice::new(&payload)])
                .collect();
            drain.write_vectored(&slices);
        }
    }
}

/// The payloads go through zlib-rs into memory that is there already. No frames are read, and texts
/// are checked once.
struct Inflating {
    payloads: Vec<Vec<u8>>,
    takeover: bool,
    inflate: Inflate,
    out: Vec<u8>,
    wire: Wire,
}

impl Inflating {
    fn new(task: &Receive, transport: Transport) -> Self {
        let compressed = task.compressed.as_ref().expect("compressed texts");
        let tail = |it: &Vec<u8>| [&it[..], &[0, 0, 0xFF, 0xFF]].concat();
        Self {
            payloads: compressed.payloads.iter().map(tail).collect(),
            takeover: compressed.takeover,
            inflate: Inflate::new(false, 15),
            out: vec![0; 1 << 17],
            wire: transport.wire,
        }
    }
}

impl Receiver for Inflating {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        self.wire.clear();
        while !sink.is_full() {
            for payload in &self.payloads {
                if !self.takeover {
                    self.inflate.reset(false);
                }
                let before = self.inflate.total_out();
                let status =
                    (self.inflate).decompress(payload, &mut self.out, InflateFlush::SyncFlush);
                status.expect("the payload is valid");
                let text = &self.out[..(self.inflate.total_out() - before) as usize];
                valid(text);
                sink.valid_text(text);
            }
        }
    }
}

/// zlib-rs writes behind a header.
fn deflating(task: &Compress) -> Job {
    let job = task.job(|task, drain| {
        let mut bare = Bare::new(task.settings);
        let mut out = vec![0; 1 << 17];
        move |text: &str| {
            let n = bare.compress(text.as_bytes(), &mut out[10..]);
            let (mut header, len) = header(n, 0);
            header[0] = 0xC1;
            out[10 - len..10].copy_from_slice(&header[..len]);
            drain.write(&out[10 - len..10 + n]);
        }
    });
    let variant = format!("zlib-rs alone, {}", job.variant);
    job.variant(variant)
}

/// Hashes the key of the request, which is known to be where it is, and writes a response.
fn accepting(transport: Transport) -> impl FnMut() {
    const RESPONSE: &[u8; 97] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    let mut input = vec![0; 1024];
    let key = "Sec-WebSocket-Key: ";
    let at = crate::tasks::opening::REQUEST.find(key).expect("a key") + key.len();
    let mut out = [0; 97 + 28 + 4];
    move || {
        transport.wire.read(&mut input);
        let mut accept = [0; 28];
        accept_of(&input[at..at + 24], &mut accept);
        out[..97].copy_from_slice(RESPONSE);
        out[97..125].copy_from_slice(&accept);
        out[125..].copy_from_slice(b"\r\n\r\n");
        transport.drain.write(&out);
    }
}

/// Writes a request with a key that counts up, and compares the answer at the place where it is.
fn connecting() -> impl FnMut(&mut Mock) -> Result<(), String> {
    let mut nonce = 0_u128;
    let mut request = Vec::new();
    move |mock: &mut Mock| {
        nonce += 1;
        let mut key = [0; 24];
        let engine = base64::engine::general_purpose::STANDARD;
        let encoded = base64::Engine::encode_slice(&engine, nonce.to_be_bytes(), &mut key);
        encoded.expect("24 bytes are enough");
        request.clear();
        request.extend_from_slice(
            b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
        );
        request.extend_from_slice(&key);
        request.extend_from_slice(b"\r\n\r\n");
        mock.write_request(&request);
        let mut accept = [0; 28];
        accept_of(&key, &mut accept);
        let response = mock.response();
        match response[..response.len() - 4].ends_with(&accept) {
            true => Ok(()),
            false => Err("another key".into()),
        }
    }
}

/// One frame, copied for each connection, or written from where it is.
fn broadcasts(task: &Broadcast) -> Vec<Job> {
    let framed = |task: &Broadcast| {
        let mut frame = Vec::new();
        generate::frame(&mut frame, 0x80 | generate::TEXT, None, &task.text);
        frame
    };
    let copied = task.job(move |task, drain| {
        let frame = framed(task);
        let mut outs = vec![vec![0; frame.len()]; task.connections];
        move || {
            for out in &mut outs {
                out.copy_from_slice(std::hint::black_box(&frame));
                drain.write(out);
            }
        }
    });
    let gathered = task.job(move |task, drain| {
        let (frame, connections) = (framed(task), task.connections);
        move || {
            for _ in 0..connections {
                drain.write_vectored(&[IoSlice::new(std::hint::black_box(&frame))]);
            }
        }
    });
    vec![copied, gathered.gather()]
}
