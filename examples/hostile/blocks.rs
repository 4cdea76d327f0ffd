//! Compressed payloads: by the crate's own compressor, and DEFLATE blocks written by hand (RFC 1951
//! §3.2).
use bytes::BytesMut;
use websocket_proto::deflate::{Compression, DeflateConfig, Params};
use websocket_proto::frame::RawHeader;
use websocket_proto::{Config, Connection, Role};

/// A compressor with context takeover.
pub struct Compressor(Connection);

impl Compressor {
    pub fn new() -> Self {
        let mut config = DeflateConfig::new();
        config.compression = Compression::Always;
        config.level = 9;
        config.mem_level = 9;
        // A server, because its frames are not masked.
        let ws = Connection::assume_opened(Role::Server, Config::new());
        Self(ws.with_deflate(Params::default(), config))
    }

    /// Returns the payload of a compressed message.
    pub fn message(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        let sent = self.0.send_binary(plain, &mut out);
        sent.expect("an open connection");
        let (_, len) = RawHeader::decode(&out).expect("a frame");
        out[len..].to_vec()
    }
}

/// A message that refers to no other.
pub fn compressed(plain: impl AsRef<[u8]>) -> Vec<u8> {
    Compressor::new().message(plain.as_ref())
}

/// A run of the same byte: about 1/1000 of its length. `runs` of them inflate to `runs` MiB.
pub fn bomb(unit: &str, runs: usize) -> Vec<u8> {
    let (mut compressor, mut payload) = (Compressor::new(), Vec::new());
    let plain = unit.repeat((1 << 20) / unit.len());
    for run in 0..runs {
        if run > 0 {
            payload.extend(TAIL); // a message leaves it out at its end (RFC 7692 §7.2.1)
        }
        payload.extend(compressor.message(plain.as_bytes()));
    }
    payload
}

/// The empty stored block that each message leaves out (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The bits of a stream, the lowest of each byte first.
#[derive(Clone, Default)]
pub struct Blocks {
    pub bytes: Vec<u8>,
    bits: usize,
}

impl Blocks {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn bits(mut self, number: usize, count: usize) -> Self {
        for at in 0..count {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().expect("it was pushed");
            *last |= ((number >> at & 1) as u8) << (self.bits % 8);
            self.bits += 1;
        }
        self
    }

    /// A word of a prefix code, whose highest bit comes first (§3.1.1).
    fn word(self, word: usize, len: usize) -> Self {
        let bits = (0..len).rev();
        bits.fold(self, |blocks, at| blocks.bits(word >> at & 1, 1))
    }

    /// Starts a block with the fixed codes (§3.2.6).
    pub fn fixed(self, is_final: bool) -> Self {
        self.bits(usize::from(is_final) | 2, 3)
    }

    /// ASCII characters.
    pub fn literals(self, text: &str) -> Self {
        let bytes = text.bytes();
        bytes.fold(self, |blocks, byte| {
            blocks.word(0x30 + usize::from(byte), 8)
        })
    }

    /// A copy of `len` bytes, 3 to 10, from `code` and `extra`, which stand for a distance.
    pub fn copy(self, len: usize, code: usize, extra: (usize, usize)) -> Self {
        self.word(len - 2, 7).word(code, 5).bits(extra.0, extra.1)
    }

    /// Ends a block.
    pub fn end(self) -> Self {
        self.word(0, 7)
    }

    /// Fills the last byte, as behind a final block.
    pub fn aligned(mut self) -> Self {
        self.bits = self.bits.next_multiple_of(8);
        self
    }

    /// The payload of a message: it ends with the start of the empty block.
    pub fn message(self) -> Vec<u8> {
        self.bits(0, 3).bytes
    }
}
