//! Compressed payloads of a peer: by miniz_oxide, which shares no code with zlib, and by hand, block
//! by block (RFC 1951 §3.2).

use miniz_oxide::{
    deflate::core::{CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params},
    inflate::{
        TINFLStatus,
        core::{DecompressorOxide, decompress, inflate_flags},
    },
};

use super::{Frame, SIDES, Side, frame, reference::Deflate, wire::BINARY};
#[cfg(feature = "deflate")]
use websocket_proto::deflate::{Compression, DeflateConfig, Params};

/// A frame with RSV1 (RFC 7692 §6).
pub fn rsv1(frame: Frame) -> Frame {
    frame.rsv(4)
}

/// A whole compressed message.
pub fn compressed(payload: impl AsRef<[u8]>) -> Frame {
    rsv1(frame(true, BINARY, payload))
}

/// Another compressor than that of the crate. It uses context takeover.
pub struct Peer(CompressorOxide);

impl Peer {
    pub fn new(level: u8) -> Self {
        let flags = create_comp_flags_from_zip_params(level.into(), -15, 0);
        Self(CompressorOxide::new(flags))
    }

    /// Compresses a message, without its tail (RFC 7692 §7.2.1).
    pub fn message(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut payload = self.flushed(plain);
        assert_eq!(payload.split_off(payload.len() - 4), [0, 0, 0xff, 0xff]);
        payload
    }

    /// Compresses a message, with its tail.
    pub fn flushed(&mut self, plain: &[u8]) -> Vec<u8> {
        self.run(plain, TDEFLFlush::Sync)
    }

    /// Compresses a message that ends with a final block. No other message can follow.
    pub fn finished(mut self, plain: &[u8]) -> Vec<u8> {
        self.run(plain, TDEFLFlush::Finish)
    }

    fn run(&mut self, plain: &[u8], flush: TDEFLFlush) -> Vec<u8> {
        let mut out = vec![0; 2 * plain.len() + 1000];
        let (_, taken, len) = compress(&mut self.0, plain, &mut out, flush);
        assert_eq!(taken, plain.len());
        out.truncate(len);
        out
    }
}

/// Compresses a message that refers to no other.
pub fn alone(plain: &[u8]) -> Vec<u8> {
    Peer::new(6).message(plain)
}

/// Inflates complete data by miniz_oxide. `before` is what was inflated before it.
pub fn miniz_inflated(before: &[u8], mut data: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut buffer = before.to_vec();
    let mut end = before.len();
    buffer.resize(end + len + 300, 0);
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
    while !data.is_empty() {
        let mut stream = DecompressorOxide::new();
        let (status, taken, made) = decompress(&mut stream, data, &mut buffer, end, flags);
        end += made;
        data = &data[taken..];
        match status {
            TINFLStatus::Done => {}
            TINFLStatus::NeedsMoreInput if data.is_empty() => {}
            _ => return None,
        }
    }
    Some(buffer[before.len()..end].to_vec())
}

/// DEFLATE blocks written by hand.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    bytes: Vec<u8>,
    bits: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum Symbol {
    Literal(u8),
    /// A match: its length, 3 to 10, and distance.
    Match(usize, usize),
}

pub use Symbol::{Literal, Match};

impl Blocks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the low `count` bits of a number.
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

    /// Appends a word of a prefix code. Its highest bit comes first (§3.1.1).
    fn word(self, word: usize, len: usize) -> Self {
        (0..len)
            .rev()
            .fold(self, |blocks, at| blocks.bits(word >> at & 1, 1))
    }

    pub fn stored(self, is_final: bool, plain: &[u8]) -> Self {
        let mut blocks = self.bits(is_final.into(), 3);
        blocks.bits = blocks.bits.next_multiple_of(8);
        let len = plain.len() as u16;
        blocks.bytes.extend(len.to_le_bytes());
        blocks.bytes.extend((!len).to_le_bytes());
        blocks.bytes.extend(plain);
        blocks.bits = 8 * blocks.bytes.len();
        blocks
    }

    /// Appends a block with the fixed codes (§3.2.6).
    pub fn fixed(self, is_final: bool, symbols: &[Symbol]) -> Self {
        let open = self.open(is_final, symbols);
        open.word(0, 7)
    }

    /// The same without the end of the block.
    pub fn open(self, is_final: bool, symbols: &[Symbol]) -> Self {
        let start = self.bits(usize::from(is_final) | 2, 3);
        symbols.iter().fold(start, |blocks, symbol| match *symbol {
            Literal(byte @ 0..144) => blocks.word(0x30 + usize::from(byte), 8),
            Literal(byte) => blocks.word(0x190 + usize::from(byte - 144), 9),
            Match(len, distance) => {
                let code = (0..30)
                    .rev()
                    .find(|code| base(*code) <= distance)
                    .expect("a distance");
                let extra = (code / 2_usize).saturating_sub(1);
                let blocks = blocks.word(len - 2, 7).word(code, 5);
                blocks.bits(distance - base(code), extra)
            }
        })
    }

    /// Fills the last byte, as after a final block.
    pub fn aligned(mut self) -> Self {
        self.bits = self.bits.next_multiple_of(8);
        self
    }

    /// Returns the payload of a message that ends here, without another block.
    pub fn end(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the payload of a message. It ends with an empty block without its tail.
    pub fn message(self) -> Vec<u8> {
        self.bits(0, 3).bytes
    }
}

/// The shortest distance of a code (§3.2.5).
fn base(code: usize) -> usize {
    match code {
        0..4 => code + 1,
        _ => ((code % 2 + 2) << (code / 2 - 1)) + 1,
    }
}

pub fn literals(plain: &[u8]) -> Vec<Symbol> {
    plain.iter().map(|byte| Literal(*byte)).collect()
}

/// Both roles, with and without context takeover.
pub fn all() -> impl Iterator<Item = (Side, bool)> {
    SIDES
        .into_iter()
        .flat_map(|side| [true, false].map(|takeover| (side, takeover)))
}

/// The same parameters for both directions.
#[cfg(feature = "deflate")]
pub fn params(takeover: bool, window_bits: u8) -> Params {
    Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: Some(window_bits),
        client_max_window_bits: Some(window_bits),
    }
}

/// The default configuration with changes. Every message is compressed.
#[cfg(feature = "deflate")]
pub fn always(change: impl FnOnce(&mut DeflateConfig)) -> DeflateConfig {
    let mut config = DeflateConfig::new();
    config.compression = Compression::Always;
    change(&mut config);
    config
}

/// An inflater for the messages of `side`. It fails if they break the negotiated parameters.
#[cfg(feature = "deflate")]
pub fn strict(side: Side, params: Params) -> Deflate {
    let (bits, alone) = match side {
        Side::Server => (
            params.server_max_window_bits,
            params.server_no_context_takeover,
        ),
        Side::Client => (
            params.client_max_window_bits,
            params.client_no_context_takeover,
        ),
    };
    let mut expected = Deflate::new(bits.unwrap_or(15), !alone);
    expected.strict = true;
    expected
}
