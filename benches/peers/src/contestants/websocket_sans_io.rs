//! websocket-sans-io: frames without I/O.
//!
//! - It unmasks in the caller's buffer and hands out pieces of frames. The adapter hands a message
//!   over where it lies if it came in one piece, and joins it otherwise.
//! - It checks neither texts nor the order of frames nor masks. The adapter checks masks, and texts
//!   with simdutf8.
//! - Sending: the caller copies the payload behind the header and lets it be masked there, with keys
//!   from `fastrand`, as the library makes none.

use std::ops::Range;

use ::websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};
use fastrand::Rng;

use crate::{
    tasks::{
        Job, Role, Task,
        receive::{Receive, Receiver, Sink},
        send::Send,
    },
    wire::{Drain, Transport, Wire},
};

pub fn jobs(task: &Task) -> Vec<Job> {
    match task {
        Task::Receive(task) => vec![task.job(Frames::new)],
        Task::Send(task) => vec![task.job(send)],
        _ => Vec::new(),
    }
}

struct Frames {
    decoder: WebsocketFrameDecoder,
    role: Role,
    wire: Wire,
    buffer: Vec<u8>,
    /// The message under way, if it came in several pieces.
    message: Vec<u8>,
}

impl Frames {
    fn new(task: &Receive, transport: Transport) -> Self {
        Self {
            decoder: WebsocketFrameDecoder::new(),
            role: task.role,
            wire: transport.wire,
            buffer: vec![0; task.buffer],
            message: Vec::new(),
        }
    }
}

fn deliver<S: Sink>(kind: Opcode, bytes: &[u8], sink: &mut S) {
    match kind {
        Opcode::Text => sink.text(simdutf8::basic::from_utf8(bytes).expect("a text")),
        Opcode::Binary => sink.binary(bytes),
        _ => {}
    }
}

impl Receiver for Frames {
    fn receive<S: Sink>(&mut self, sink: &mut S) {
        loop {
            let n = self.wire.read(&mut self.buffer);
            if n == 0 {
                return;
            }
            let mut at = 0;
            // A payload of this read that is not joined yet.
            let mut piece: Range<usize> = 0..0;
            loop {
                let result = self.decoder.add_data(&mut self.buffer[at..n]);
                let result = result.expect("the stream is valid");
                let from = at;
                at += result.consumed_bytes;
                match result.event {
                    None if result.consumed_bytes == 0 => break,
                    None => {}
                    Some(WebsocketFrameEvent::Start { frame_info, .. }) => {
                        let masked = frame_info.mask.is_some();
                        assert!(masked != self.role.is_client() && frame_info.is_reasonable());
                    }
                    Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                        if original_opcode.is_data() {
                            self.message.extend_from_slice(&self.buffer[piece]);
                            piece = from..at;
                        }
                    }
                    Some(WebsocketFrameEvent::End {
                        frame_info,
                        original_opcode,
                    }) if frame_info.fin && original_opcode.is_data() => {
                        if self.message.is_empty() {
                            deliver(original_opcode, &self.buffer[piece], sink);
                        } else {
                            self.message.extend_from_slice(&self.buffer[piece]);
                            deliver(original_opcode, &self.message, sink);
                            self.message.clear();
                        }
                        piece = 0..0;
                    }
                    Some(_) => {}
                }
            }
            self.message.extend_from_slice(&self.buffer[piece]);
        }
    }
}

fn send(task: &Send, drain: Drain) -> impl FnMut(usize) + use<> {
    let Send {
        role,
        payload,
        batch,
    } = task.clone();
    let mut encoder = WebsocketFrameEncoder::new();
    let mut rng = Rng::new();
    let mut out = Vec::new();
    move |batches| {
        for _ in 0..batches {
            for _ in 0..batch {
                let payload = std::hint::black_box(&payload);
                let info = FrameInfo {
                    opcode: Opcode::Binary,
                    payload_length: payload.len() as u64,
                    mask: role.is_client().then(|| rng.u32(..).to_ne_bytes()),
                    fin: true,
                    reserved: 0,
                };
                out.extend_from_slice(&encoder.start_frame(&info));
                let start = out.len();
                out.extend_from_slice(payload);
                encoder.transform_frame_payload(&mut out[start..]);
            }
            drain.write(&out);
            out.clear();
        }
    }
}
