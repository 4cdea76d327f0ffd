//! The floors of compression, openings and broadcasts.

use std::io::IoSlice;

use zlib_rs::{Inflate, InflateFlush};

use super::{header, valid};
use crate::{
    generate,
    tasks::{
        Broadcast, Compress, Job,
        compress::Bare,
        opening::{Mock, REQUEST, accept_of},
        receive::{Receive, Receiver, Sink},
    },
    wire::{Transport, Wire},
};

/// The payloads go through zlib-rs into memory that is there already. No frames are read, and texts
/// are checked once.
pub struct Inflating {
    payloads: Vec<Vec<u8>>,
    takeover: bool,
    inflate: Inflate,
    out: Vec<u8>,
    wire: Wire,
}

impl Inflating {
    pub fn new(task: &Receive, transport: Transport) -> Self {
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
pub fn deflating(task: &Compress) -> Job {
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
pub fn accepting(transport: Transport) -> impl FnMut() {
    const RESPONSE: &[u8; 97] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    let mut input = vec![0; 1024];
    let key = "Sec-WebSocket-Key: ";
    let at = REQUEST.find(key).expect("a key") + key.len();
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
pub fn connecting() -> impl FnMut(&mut Mock) -> Result<(), String> {
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
pub fn broadcasts(task: &Broadcast) -> Vec<Job> {
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
