//! Encodes valid and invalid frames, and decodes valid ones. Written from RFC 6455 §5.2, without
//! code of the crate.

use super::Side;

/// The masking key of RFC 6455 §5.7.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// The form of the length in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Shortest,
    Bits16,
    Bits64,
}

/// A valid or invalid frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// RSV1–3 as three bits.
    pub rsv: u8,
    pub opcode: u8,
    pub key: Option<[u8; 4]>,
    pub form: Form,
    /// The length in the header, if it is not that of the payload.
    pub claimed: Option<u64>,
    /// The payload, not masked.
    pub payload: Vec<u8>,
}

pub fn frame(fin: bool, opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame {
        fin,
        rsv: 0,
        opcode,
        key: None,
        form: Form::Shortest,
        claimed: None,
        payload: payload.as_ref().to_vec(),
    }
}

pub fn text(text: &str) -> Frame {
    frame(true, TEXT, text)
}

pub fn ping(payload: impl AsRef<[u8]>) -> Frame {
    frame(true, PING, payload)
}

pub fn pong(payload: impl AsRef<[u8]>) -> Frame {
    frame(true, PONG, payload)
}

pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
    frame(true, CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}

impl Frame {
    pub fn masked(self, key: [u8; 4]) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// Masks the frame if this side expects it.
    pub fn to(self, side: Side) -> Self {
        Self {
            key: (side == Side::Server).then_some(KEY),
            ..self
        }
    }

    pub fn rsv(self, rsv: u8) -> Self {
        Self { rsv, ..self }
    }

    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub fn claiming(self, len: u64) -> Self {
        Self {
            claimed: Some(len),
            ..self
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut wire = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        let masked = u8::from(self.key.is_some()) << 7;
        let len = self.claimed.unwrap_or(self.payload.len() as u64);
        let form = match self.form {
            Form::Shortest if len < 126 => Form::Shortest,
            Form::Shortest if len < 65_536 => Form::Bits16,
            Form::Shortest => Form::Bits64,
            form => form,
        };
        match form {
            Form::Shortest => wire.push(masked | len as u8),
            Form::Bits16 => {
                wire.push(masked | 126);
                wire.extend((len as u16).to_be_bytes());
            }
            Form::Bits64 => {
                wire.push(masked | 127);
                wire.extend(len.to_be_bytes());
            }
        }
        wire.extend(self.key.into_iter().flatten());
        let key = self.key.unwrap_or_default();
        wire.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        wire
    }

    /// The code of a Close frame. The frame must have one.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "{self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// Decodes frames. All must be complete and valid.
pub fn frames(wire: &[u8]) -> Vec<Frame> {
    let frames = compressed_frames(wire);
    assert!(frames.iter().all(|frame| frame.rsv == 0), "a reserved bit");
    frames
}

/// The same, but RSV1 is allowed, as with permessage-deflate.
pub fn compressed_frames(mut wire: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        frames.push(take_frame(&mut wire));
    }
    frames
}

fn take_frame(wire: &mut &[u8]) -> Frame {
    fn take<'a>(wire: &mut &'a [u8], n: usize) -> &'a [u8] {
        assert!(n <= wire.len(), "a frame is cut off: {wire:02x?}");
        let (taken, rest) = wire.split_at(n);
        *wire = rest;
        taken
    }
    let start = take(wire, 2);
    let (fin, rsv, opcode) = (start[0] >> 7 == 1, start[0] >> 4 & 7, start[0] & 15);
    let may_be_compressed = matches!(opcode, TEXT | BINARY);
    assert!(rsv == 0 || rsv == 4 && may_be_compressed, "a reserved bit");
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let len = match start[1] & 127 {
        126 => number(take(wire, 2)),
        127 => number(take(wire, 8)),
        len => usize::from(len),
    };
    let shortest = match len {
        0..126 => 0..126,
        126..65_536 => 126..127,
        _ => 127..128,
    };
    assert!(
        shortest.contains(&(start[1] & 127)),
        "a length not in its shortest form"
    );
    match opcode {
        CONTINUATION | TEXT | BINARY => {}
        CLOSE | PING | PONG => assert!(fin && len <= 125, "a control frame too long or cut"),
        _ => panic!("the opcode {opcode}"),
    }
    let masked = start[1] >> 7 == 1;
    let key = masked.then(|| <[u8; 4]>::try_from(take(wire, 4)).expect("four bytes"));
    let mut payload = take(wire, len).to_vec();
    if let Some(key) = key {
        payload
            .iter_mut()
            .enumerate()
            .for_each(|(i, byte)| *byte ^= key[i % 4]);
    }
    Frame {
        key,
        rsv,
        ..frame(fin, opcode, payload)
    }
}

/// The frames without their masks, to compare replies.
pub fn contents(frames: &[Frame]) -> Vec<(bool, u8, Vec<u8>)> {
    frames
        .iter()
        .map(|f| (f.fin, f.opcode, f.payload.clone()))
        .collect()
}
