//! Legal input that costs much. `benches/worst_case.rs` has the same inputs for the crate alone.
use websocket_proto::deflate::{DeflateConfig, Params};

use crate::attack::Part;
use crate::blocks::{Blocks, Compressor, TAIL, bomb, compressed};
use crate::frames::{BINARY, CONTINUATION, Frame, PING, Side, TEXT};
use crate::http::Lines;

pub struct Row {
    pub name: &'static str,
    pub load: Load,
}

pub enum Load {
    /// These frames, again and again on one connection.
    Frames {
        offer: Option<Params>,
        unit: Vec<u8>,
    },
    /// Handshakes, one after the other.
    Heads(Shape),
}

/// How a request is sent.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Header fields besides those of the handshake, and the length of their values.
    pub fields: usize,
    pub len: usize,
    pub bytewise: bool,
}

const SIDE: Side = Side::Client;
/// Frames in a message: all servers accept so many.
const FRAGMENTS: usize = 1000;

pub fn rows() -> Vec<Row> {
    let heads = |name, fields, len, bytewise| Row {
        name,
        load: Load::Heads(Shape {
            fields,
            len,
            bytewise,
        }),
    };
    let mut rows = plain();
    rows.extend(deflate());
    rows.extend([
        heads("handshakes", 0, 0, false),
        heads("handshakes of 64 fields", 59, 10, false),
        heads("handshakes of 8 KiB", 50, 150, false),
        heads("handshakes byte by byte", 0, 0, true),
    ]);
    rows
}

fn plain() -> Vec<Row> {
    let row = |name, unit: Vec<u8>| Row {
        name,
        load: Load::Frames { offer: None, unit },
    };
    let text = "aé€😀".repeat(6000);
    let pieces: Vec<_> = "aé€😀".repeat(100).bytes().map(|byte| vec![byte]).collect();
    vec![
        row(
            "binary of 64 KiB",
            frame(BINARY, vec![0xa5; 64 << 10]).bytes(),
        ),
        row("binary of 16 B", frame(BINARY, [0xa5; 16]).bytes()),
        row("empty messages", frame(BINARY, "").bytes()),
        row(
            "empty fragments",
            fragments(frame(BINARY, ""), &vec![Vec::new(); FRAGMENTS]),
        ),
        row(
            "fragments of 1 B",
            fragments(frame(BINARY, ""), &vec![vec![0xa5]; FRAGMENTS]),
        ),
        row(
            "text in fragments of 1 B",
            fragments(frame(TEXT, ""), &pieces),
        ),
        row("text of 60 KB, not ASCII", frame(TEXT, text).bytes()),
        row("pings", frame(PING, "").bytes()),
    ]
}

fn deflate() -> Vec<Row> {
    let offer = Some(Params {
        client_max_window_bits: Some(15),
        ..Params::default()
    });
    let row = |name, unit: Vec<u8>| Row {
        name,
        load: Load::Frames { offer, unit },
    };
    let one = |name, payload: Vec<u8>| row(name, frame(BINARY, payload).rsv(4).bytes());
    let text = |name, unit| row(name, frame(TEXT, bomb(unit, 1)).rsv(4).bytes());
    let pieces: Vec<_> = blocks(40).iter().map(|byte| vec![*byte]).collect();
    let mut behind = Compressor::new().message(&[0; 32 << 10]);
    behind.extend(TAIL);
    behind.extend(final_blocks());
    let tables = (0..1000).fold(Blocks::new(), |blocks, _| tables(blocks));
    vec![
        one("compressed: zeros", bomb("\0", 1)),
        text("compressed: text of é", "é"),
        text("compressed: text of €", "€"),
        one("compressed: empty messages", vec![0x00]),
        one("compressed: 1 B messages", compressed("a")),
        row(
            "compressed: fragments of 1 B",
            fragments(frame(BINARY, "").rsv(4), &pieces),
        ),
        one("compressed: empty blocks", blocks(1000)),
        one("compressed: tables", tables.message()),
        one("compressed: final blocks", final_blocks()),
        one("compressed: final blocks behind 32 KiB", behind),
    ]
}

fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    SIDE.frame(opcode, payload)
}

fn fragments(first: Frame, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = first.more().bytes();
    for piece in pieces {
        bytes.extend(frame(CONTINUATION, piece).more().bytes());
    }
    bytes.extend(frame(CONTINUATION, "").bytes());
    bytes
}

/// Empty blocks with the fixed codes.
fn blocks(count: usize) -> Vec<u8> {
    let blocks = (0..count).fold(Blocks::new(), |blocks, _| blocks.fixed(false).end());
    blocks.message()
}

/// As many as this crate accepts in a message.
fn final_blocks() -> Vec<u8> {
    let most = DeflateConfig::new().max_final_blocks as usize;
    let mut blocks = [0x03, 0x00].repeat(most - 1);
    blocks.push(0x01);
    blocks
}

/// An empty block with codes of its own (RFC 1951 §3.2.7): 24 bytes make the inflater fill a table of
/// 1024 entries.
fn tables(blocks: Blocks) -> Blocks {
    // 265 symbols, 1 distance, and 9 lengths of the codes that code lengths are written in.
    let start = blocks.bits(4, 3).bits(8, 5).bits(0, 5).bits(5, 4);
    let codes = start.bits(1, 9).bits(3, 3).bits(2, 3).bits(0, 9).bits(3, 3);
    // 253 symbols have 8 bits, 12 have 10, no distance has a code. The last word ends the block.
    let eights = (0..42).fold(codes.bits(0b01, 2), |blocks, _| blocks.bits(0b110, 3));
    let tens = eights.bits(0b111, 3).bits(0b110, 3).bits(0b100, 3);
    tens.bits(0b011, 3).bits(0b11_1011_1111, 10)
}

impl Shape {
    /// The request.
    pub fn part(&self, host: &str, path: &str) -> Part {
        let field = |it: Lines, n| it.with(format!("X-{n}: {}", "a".repeat(self.len)));
        let head = (0..self.fields).fold(Lines::request(host, path), field);
        match self.bytewise {
            true => Part::Bytewise(head.into()),
            false => Part::Bytes(head.into()),
        }
    }
}
