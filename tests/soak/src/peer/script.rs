//! What a hostile peer does, step by step, and the beginnings that many attacks share.

use crate::{
    random::Random,
    scenario::Door,
    support::{Frame, Side, wire},
};

/// What a peer does, step by step. After the last one it waits for the end of the stream.
pub struct Script {
    pub steps: Vec<Step>,
    /// It reads what the server sends.
    pub reads: bool,
}

pub enum Step {
    Send(Vec<u8>),
    Repeat {
        bytes: Vec<u8>,
        times: u32,
        every: u64,
    },
    /// In milliseconds.
    Wait(u64),
    /// The end of the stream.
    End,
    Reset,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Send(bytes) if bytes.len() <= 32 => write!(f, "sends {bytes:02x?}"),
            Self::Send(bytes) => write!(f, "sends {} bytes: {:02x?}…", bytes.len(), &bytes[..32]),
            Self::Repeat {
                bytes,
                times,
                every,
            } => {
                let start = &bytes[..bytes.len().min(32)];
                write!(
                    f,
                    "sends {} bytes {times} times, every {every} ms: {start:02x?}",
                    bytes.len()
                )
            }
            Self::Wait(ms) => write!(f, "waits {ms} ms"),
            Self::End => f.write_str("ends the stream"),
            Self::Reset => f.write_str("resets the connection"),
        }
    }
}

use Step::{Repeat, Send, Wait};

impl Script {
    pub(super) fn finish(mut self, frames: &[Frame]) -> Self {
        self.steps.push(send(frames));
        self
    }
}

pub(super) fn script(steps: impl Into<Vec<Step>>) -> Script {
    Script {
        steps: steps.into(),
        reads: true,
    }
}

/// A handshake, and perhaps some messages.
pub(super) fn hello(random: &mut Random, door: Door) -> Script {
    let mut script = head(random, door, "/echo", "");
    for _ in 0..random.below(3) {
        let text = "a message é ".repeat(random.below(40));
        script.steps.push(send(&[wire::text(&text)]));
        if random.chance(50) {
            script.steps.push(Wait(random.upto(1000)));
        }
    }
    script
}

/// The request of a handshake with these fields added.
pub(super) fn head(_: &mut Random, door: Door, path: &str, fields: &str) -> Script {
    let offer = match door.compresses() {
        true => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        false => "",
    };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}{fields}\r\n"
    );
    script([Send(head.into_bytes())])
}

pub(super) fn sends(random: &mut Random, door: Door, frames: impl AsRef<[Frame]>) -> Script {
    hello(random, door).finish(frames.as_ref())
}

fn masked(frames: &[Frame]) -> Vec<u8> {
    let frames = frames.iter().cloned();
    frames
        .flat_map(|frame| frame.to(Side::Server).bytes())
        .collect()
}

pub(super) fn send(frames: &[Frame]) -> Step {
    Send(masked(frames))
}

pub(super) fn again(frames: &[Frame], times: u32, every: u64) -> Step {
    Repeat {
        bytes: masked(frames),
        times,
        every,
    }
}

pub(super) fn bytes(random: &mut Random, n: usize) -> Vec<u8> {
    (0..n).map(|_| random.word() as u8).collect()
}
