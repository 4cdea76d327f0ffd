//! The floor: plain code for the same work. It makes no check but the one of texts, assembles
//! nothing, and knows no control frames but to skip them.

use std::io::IoSlice;

use super::{Contestant, Side};
use crate::{
    tasks::{
        Job, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire},
};

mod other;

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
        Task::Send(task) if task.role.is_client() => vec![
            task.job(copying),
            task.job(masking).variant("in place").gather(),
        ],
        Task::Send(task) => vec![task.job(copying), task.job(gathering).gather()],
        Task::Inflate(task) => vec![task.job(other::Inflating::new).variant("zlib-rs alone")],
        Task::Compress(task) => vec![other::deflating(task)],
        Task::Accept(task) => vec![task.job(other::accepting).variant("SHA-1 and base64")],
        Task::Connect(task) => vec![task.job(other::connecting).variant("the mock server")],
        Task::Broadcast(task) => other::broadcasts(task),
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
        0..126 => {
            header[1] |= len as u8;
            (header, 2)
        }
        126..65_536 => {
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

/// The mask of eight bytes.
#[inline(always)]
fn twice(key: u32) -> u64 {
    u64::from(key) << 32 | u64::from(key)
}

/// One pass that copies and masks.
#[inline(always)]
fn copy_masked(from: &[u8], to: &mut [u8], key: u64) {
    let (words, rest) = from.as_chunks::<8>();
    let (to_words, to_rest) = to.as_chunks_mut::<8>();
    for (from, to) in words.iter().zip(to_words) {
        *to = (u64::from_le_bytes(*from) ^ key).to_le_bytes();
    }
    for ((from, to), key) in rest.iter().zip(to_rest).zip(key.to_le_bytes()) {
        *to = from ^ key;
    }
}

/// A header, and one pass over the payload, which is masked where it is.
fn masking(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send { payload, batch, .. } = task.clone();
    let mut buffer = payload.to_vec();
    let mut counter = 0x9E37_79B9_u32;
    move |batches| {
        for _ in 0..batches * batch {
            if drain.is_recording() {
                // The last frame has masked it.
                buffer.copy_from_slice(&payload);
            }
            let payload = std::hint::black_box(&mut buffer[..]);
            let (header, n) = header(payload.len(), 0x80);
            counter = counter.wrapping_add(0x9E37_79B9);
            let mut head = [0; 14];
            head[..10].copy_from_slice(&header);
            head[n..n + 4].copy_from_slice(&counter.to_le_bytes());
            unmask(payload, twice(counter));
            drain.write_vectored(&[IoSlice::new(&head[..n + 4]), IoSlice::new(payload)]);
        }
    }
}

/// A header, and one copy of the payload. A client masks it in the same pass, with a key from a
/// counter.
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
                match role.is_client() {
                    true => copy_masked(payload, copy, twice(counter)),
                    false => copy.copy_from_slice(payload),
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
