//! Frames on the wire, decoded byte by byte. Written from RFC 6455 §5.2, without code of the crate.

use std::fmt;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The code and the reason of a Close frame. A frame without a code is what browsers call 1005.
pub type Said = (Option<u16>, String);

/// A frame without its mask.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn pong(payload: &[u8]) -> Self {
        Self {
            fin: true,
            opcode: PONG,
            payload: payload.to_vec(),
        }
    }

    /// An answer to a Close frame: the same code, and no reason (§5.5.1).
    pub fn close(code: Option<u16>) -> Self {
        let payload = code.map_or(vec![], |code| code.to_be_bytes().to_vec());
        Self {
            fin: true,
            opcode: CLOSE,
            payload,
        }
    }

    /// The content of a Close frame, or what is wrong with it.
    pub fn said(&self) -> Result<Said, String> {
        let (code, reason) = match &self.payload[..] {
            [] => (None, &[][..]),
            [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
            [_] => return Err("a Close frame with half a code".into()),
        };
        if let Some(code) = code
            && !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
        {
            return Err(format!(
                "the code {code} must not be on the wire (RFC 6455 §7.4)"
            ));
        }
        match std::str::from_utf8(reason) {
            Ok(reason) => Ok((code, reason.to_owned())),
            Err(_) => Err("a reason that is not UTF-8".into()),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.opcode {
            CONTINUATION => "Continuation",
            TEXT => "Text",
            BINARY => "Binary",
            CLOSE => match self.said() {
                Ok(said) => return write!(f, "{}", show(&said)),
                Err(_) => "Close",
            },
            PING => "Ping",
            PONG => "Pong",
            _ => "unknown frame",
        };
        let more = if self.fin { "" } else { ", more follows" };
        write!(f, "{name}({}{more})", self.payload.escape_ascii())
    }
}

/// A Close frame for a reader.
pub fn show((code, reason): &Said) -> String {
    match code {
        Some(code) if reason.is_empty() => format!("Close({code})"),
        Some(code) => format!("Close({code} {reason:?})"),
        None => "Close()".into(),
    }
}

/// A stream of frames of one side, with the bytes of the frame that is not complete.
#[derive(Debug, Clone, Hash)]
pub struct Stream {
    masked: bool,
    /// Without the mask: zeros for the key, and the payload unmasked.
    got: Vec<u8>,
    key: [u8; 4],
}

impl Stream {
    pub fn new(masked: bool) -> Self {
        Self {
            masked,
            got: Vec::new(),
            key: [0; 4],
        }
    }

    /// Forgets the frame that is not complete.
    pub fn reset(&mut self) {
        *self = Self::new(self.masked);
    }

    pub fn at_boundary(&self) -> bool {
        self.got.is_empty()
    }

    /// The length of a header: all frames here are short.
    fn head(&self) -> usize {
        if self.masked { 6 } else { 2 }
    }

    /// The payload bytes of the data frame under way, once its header is complete.
    pub fn unfinished(&self) -> Option<usize> {
        let is_data = self.got.first()? & 8 == 0;
        self.got.len().checked_sub(self.head()).filter(|_| is_data)
    }

    /// Takes a byte. Returns it without its mask, and the frame that it completes.
    pub fn push(&mut self, byte: u8) -> Result<(u8, Option<Frame>), String> {
        let head = self.head();
        let plain = match self.got.len() {
            0 | 1 => byte,
            at if at < head => {
                self.key[at - 2] = byte;
                0
            }
            at => {
                byte ^ if self.masked {
                    self.key[(at - head) % 4]
                } else {
                    0
                }
            }
        };
        self.got.push(plain);
        let &[first, second, ..] = &self.got[..] else {
            return Ok((plain, None));
        };
        let len = usize::from(second & 0x7F);
        if (second & 0x80 != 0) != self.masked {
            return Err("a frame masked by a server, or not masked by a client".into());
        }
        if first & 0x70 != 0 || !matches!(first & 15, CONTINUATION..=BINARY | CLOSE..=PONG) {
            return Err(format!("a frame that begins with {first:#04x}"));
        }
        if len > 125 || first & 0x88 == 8 {
            return Err("a control frame in fragments, or a frame longer than any here".into());
        }
        if self.got.len() < head + len {
            return Ok((plain, None));
        }
        let frame = Frame {
            fin: first & 0x80 != 0,
            opcode: first & 15,
            payload: self.got[head..].to_vec(),
        };
        self.reset();
        Ok((plain, Some(frame)))
    }
}
