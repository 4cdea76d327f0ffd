//! A peer that plays an attack: it writes bytes, and reads frames without an engine.

use bytes::{Buf, BytesMut};

use super::{
    Io, PeerEnd,
    attacks::Attack,
    script::{Script, Step},
};
use crate::{
    network::Read,
    random::{Random, hash},
    scenario::Plan,
};

pub struct Raw {
    steps: std::vec::IntoIter<Step>,
    reads: bool,
    /// What is being written.
    out: BytesMut,
    /// When the next step is due.
    next: u64,
    /// The step that is repeated: its bytes, how often, and after how long.
    again: Option<(BytesMut, u32, u64)>,
    received: Received,
}

impl Raw {
    pub(super) fn new(plan: &Plan, attack: &Attack, seed: u64) -> Self {
        let mut random = Random(hash(seed, plan.id, u32::MAX));
        let Script { steps, reads } = (attack.script)(&mut random, plan.door);
        Self {
            steps: steps.into_iter(),
            reads,
            out: BytesMut::new(),
            next: 0,
            again: None,
            received: Received::default(),
        }
    }

    pub(super) fn wake(&mut self, io: &mut Io<'_>) -> Option<u64> {
        if self.reads {
            let mut bytes = [0; 4096];
            loop {
                match io.read(&mut bytes) {
                    Read::Bytes(n) => self.received.bytes(&bytes[..n]),
                    Read::Nothing => break,
                    Read::End => {
                        io.end();
                        let (status, close) = (self.received.status, self.received.close);
                        let reset = io.link.is_reset;
                        let end = PeerEnd::Read { status, close };
                        io.finish(if reset { PeerEnd::Gone } else { end });
                        return None;
                    }
                }
            }
        } else if io.link.is_reset || io.ledger.closed.is_some() {
            io.finish(PeerEnd::Gone);
            return None;
        }
        loop {
            while !self.out.is_empty() {
                let n = io.write(&self.out);
                self.out.advance(n);
                if n == 0 {
                    // It is called when there is room.
                    return None;
                }
            }
            if io.now < self.next {
                return Some(self.next);
            }
            if let Some((bytes, times, every)) = &mut self.again {
                self.out = bytes.clone();
                *times -= 1;
                self.next = io.now + *every;
                if *times == 0 {
                    self.again = None;
                }
                continue;
            }
            let step = self.steps.next()?;
            io.trace(|| format!("the peer: {step:?}"));
            match step {
                Step::Send(bytes) => self.out = BytesMut::from(&bytes[..]),
                Step::Repeat {
                    bytes,
                    times,
                    every,
                } => {
                    self.again = Some((BytesMut::from(&bytes[..]), times.max(1), every));
                }
                Step::Wait(time) => self.next = io.now + time,
                Step::End => io.end(),
                Step::Reset => {
                    io.reset();
                    io.finish(PeerEnd::Gone);
                    return None;
                }
            }
        }
    }
}

/// What a server has sent: a response, and frames without masks (RFC 6455 §5.2).
#[derive(Debug, Default)]
struct Received {
    unread: Vec<u8>,
    status: u16,
    in_frames: bool,
    /// Bytes of a payload that are skipped.
    skip: usize,
    /// The code of the Close frame, if nothing has followed it.
    close: Option<u16>,
}

impl Received {
    fn bytes(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        if !self.in_frames {
            let Some(end) = self.unread.windows(4).position(|it| it == b"\r\n\r\n") else {
                return;
            };
            let status = self
                .unread
                .get(9..12)
                .and_then(|it| core::str::from_utf8(it).ok());
            self.status = status.and_then(|it| it.parse().ok()).unwrap_or(0);
            self.unread.drain(..end + 4);
            self.in_frames = self.status == 101;
            if !self.in_frames {
                self.unread.clear();
            }
        }
        let mut at = 0;
        while self.in_frames {
            let skipped = self.skip.min(self.unread.len() - at);
            (at, self.skip) = (at + skipped, self.skip - skipped);
            let rest = &self.unread[at..];
            let [first, second, ..] = *rest else {
                break;
            };
            let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
            let (header, len) = match second & 127 {
                126 if rest.len() >= 4 => (4, number(&rest[2..4])),
                127 if rest.len() >= 10 => (10, number(&rest[2..10])),
                126 | 127 => break,
                len => (2, len.into()),
            };
            let is_close = first == 0x88;
            if is_close && rest.len() < header + len {
                break;
            }
            self.close = is_close.then(|| match len {
                0 | 1 => 1005,
                _ => number(&rest[header..header + 2]) as u16,
            });
            (at, self.skip) = (at + header, len);
        }
        self.unread.drain(..at);
    }
}
