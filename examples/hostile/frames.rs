//! Frames, legal or not.
use websocket_proto::frame::{LengthForm, RawHeader, apply_mask};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Servers need not see that it is always the same.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Who sends the frames.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    /// A frame as this side sends it (RFC 6455 §5.1).
    pub fn frame(self, opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
        let payload = payload.as_ref().to_vec();
        let mut header = RawHeader::new(opcode, payload.len() as u64);
        header.mask = (self == Self::Client).then_some(KEY);
        Frame { header, payload }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[derive(Clone)]
pub struct Frame {
    pub header: RawHeader,
    payload: Vec<u8>,
}

/// The payload of a Close frame.
pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_ref()].concat()
}

impl Frame {
    /// It is not the last frame of its message.
    pub fn more(mut self) -> Self {
        self.header.fin = false;
        self
    }

    /// Sets the reserved bits: 4 is RSV1, 2 is RSV2, 1 is RSV3.
    pub fn rsv(mut self, bits: u8) -> Self {
        self.header.rsv1 = bits & 4 > 0;
        self.header.rsv2 = bits & 2 > 0;
        self.header.rsv3 = bits & 1 > 0;
        self
    }

    pub fn form(mut self, form: LengthForm) -> Self {
        self.header.form = form;
        self
    }

    /// The header announces another length than the payload has.
    pub fn claims(mut self, len: u64) -> Self {
        self.header.len = len;
        self.header.form = LengthForm::shortest(len);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.encode().as_bytes().to_vec();
        let start = bytes.len();
        bytes.extend(&self.payload);
        apply_mask(&mut bytes[start..], self.header.mask.unwrap_or_default(), 0);
        bytes
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Self {
        frame.bytes()
    }
}

/// The bytes of several frames.
pub fn all<const N: usize>(frames: [Frame; N]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}
