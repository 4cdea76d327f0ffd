//! What a peer can cost: the most expensive input of each kind, as a server receives it. The times
//! are those for one MiB on the wire, frame headers included. Each row checks its result before it
//! is timed, and `cargo bench -p benches --bench worst_case -- --test` runs each once.
//!
//! The manual of `deflate` has a table of these times. `examples/hostile/peers.sh` sends such input to whole
//! servers over sockets, and measures their CPU: ours beside others.

use std::{hint::black_box, time::Instant};

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use websocket_proto::{Config, Connection, Event, RecvBuf, Role, deflate::DeflateConfig};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{
    Frame, Side,
    deflate::{Blocks, Literal, Peer, compressed, params, rsv1},
    frame,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

const MIB: usize = 1 << 20;
const WINDOW: usize = 32 << 10;
const READ: usize = 16 << 10;

/// What a peer sends over and over.
struct Row {
    name: &'static str,
    frames: Vec<Frame>,
    /// How many messages and pings these are.
    events: usize,
    /// How many bytes of messages come out.
    bytes: usize,
}

impl Row {
    fn new(name: &'static str, frames: impl Into<Vec<Frame>>, bytes: usize) -> Self {
        let frames = frames.into();
        let events = frames.iter().filter(|frame| frame.fin).count();
        Self {
            name,
            frames,
            events,
            bytes,
        }
    }

    fn compressed(name: &'static str, payload: impl AsRef<[u8]>, bytes: usize) -> Self {
        Self::new(name, [compressed(payload)], bytes)
    }

    /// A text of the largest size that is accepted, which repeats these characters.
    fn bomb(name: &'static str, characters: &str) -> Self {
        let text = characters.repeat(MIB / characters.len());
        let payload = best().message(text.as_bytes());
        assert!(payload.len() < text.len() / 900, "{}", payload.len());
        Self::new(name, [rsv1(frame(true, TEXT, payload))], text.len())
    }
}

/// A compressor with the highest level.
fn best() -> Peer {
    Peer::new(9)
}

/// A message, each byte of whose payload is a fragment.
fn bytewise(first: Frame, payload: &[u8]) -> Vec<Frame> {
    let first = Frame {
        fin: false,
        ..first
    };
    let middle = (payload.iter()).map(|byte| frame(false, CONTINUATION, [*byte]));
    let last = frame(true, CONTINUATION, "");
    [first].into_iter().chain(middle).chain([last]).collect()
}

/// As many final blocks as a message may have, in as few bytes as possible: the last one is the
/// empty block that ends the message, whose other bytes the receiver adds (RFC 7692 §7.2.2).
fn final_blocks() -> Vec<u8> {
    let most = DeflateConfig::new().max_final_blocks as usize;
    let mut blocks = [0x03, 0x00].repeat(most - 1);
    blocks.push(0x01);
    blocks
}

/// An empty block with codes of its own (RFC 1951 §3.2.7). Its 24 bytes make the inflater fill a
/// table of 1024 entries for 265 symbols.
fn tables(blocks: Blocks) -> Blocks {
    // 265 symbols, 1 distance, and 9 lengths of the codes that code lengths are written in: 1 bit
    // for "3 to 6 times the same", 2 bits for 8, 3 bits for 0 and for 10.
    let start = blocks.bits(4, 3).bits(8, 5).bits(0, 5).bits(5, 4);
    let codes = (start.bits(1, 9).bits(3, 3).bits(2, 3))
        .bits(0, 9)
        .bits(3, 3);
    // The codes of 253 symbols have 8 bits, those of 12 have 10 bits, and no distance has a code.
    // The last word is the end of the block.
    let eights = (0..42).fold(codes.bits(0b01, 2), |blocks, _| blocks.bits(0b110, 3));
    let tens = eights.bits(0b111, 3).bits(0b110, 3).bits(0b100, 3);
    tens.bits(0b011, 3).bits(0b11_1011_1111, 10)
}

fn plain() -> Vec<Row> {
    let text = "aé€😀".repeat(1000);
    let fragments = bytewise(wire::text(""), text.as_bytes());
    let empty = vec![frame(false, CONTINUATION, ""); 1000];
    let empty = [
        vec![frame(false, BINARY, "")],
        empty,
        vec![frame(true, CONTINUATION, "")],
    ];
    vec![
        Row::new("binary_1MiB", [frame(true, BINARY, vec![0xa5; MIB])], MIB),
        Row::new("empty_messages", [frame(true, BINARY, "")], 0),
        Row::new("empty_fragments", empty.concat(), 0),
        Row::new("text_in_1B_fragments", fragments, text.len()),
        Row::new("pings", [wire::ping("")], 0),
    ]
}

fn deflate() -> Vec<Row> {
    let empty_blocks = |blocks| (0..40).fold(blocks, |blocks: Blocks, _| blocks.fixed(false, &[]));
    let fragments = empty_blocks(Blocks::new()).message();
    let fragments = bytewise(compressed(""), &fragments);
    let literal = Blocks::new().fixed(false, &[Literal(b'a')]).message();
    let tables = (0..1000).fold(Blocks::new(), |blocks, _| tables(blocks));
    let behind = |len| [best().flushed(&vec![0; len]), final_blocks()].concat();
    vec![
        Row::compressed("no_payload", [], 0),
        Row::compressed("payload_00", [0], 0),
        Row::compressed("one_literal", literal, 1),
        Row::new("1B_fragments", fragments, 0),
        Row::compressed("empty_blocks", empty_blocks(Blocks::new()).message(), 0),
        Row::compressed("tables", tables.message(), 0),
        Row::compressed("final_blocks", final_blocks(), 0),
        Row::compressed("final_blocks_behind_32KiB", behind(WINDOW), WINDOW),
        Row::compressed("final_blocks_behind_1MiB", behind(MIB), MIB),
        Row::bomb("bomb_of_1B_characters", "a"),
        Row::bomb("bomb_of_2B_characters", "é"),
        Row::bomb("bomb_of_3B_characters", "€"),
        Row::bomb("bomb_of_4B_characters", "😀"),
    ]
}

/// Feeds a stream in reads, and returns the number of events and of bytes in messages. Pongs are
/// taken from the output at once.
#[inline(never)]
fn receive_all(ws: &mut Connection, input: &mut RecvBuf, stream: &[u8]) -> (usize, usize) {
    let (mut events, mut bytes, mut out) = (0, 0, BytesMut::with_capacity(64));
    for read in stream.chunks(READ) {
        input.spare(READ)[..read.len()].copy_from_slice(read);
        input.filled(read.len());
        while let Some(event) = ws.next_event(input, &mut out).expect("a valid stream") {
            bytes += match event {
                Event::Text(text) => black_box(text).len(),
                Event::Binary(binary) => black_box(binary).len(),
                Event::Progress => continue,
                _ => 0,
            };
            events += 1;
            out.clear();
        }
    }
    (events, bytes)
}

fn worst_case(c: &mut Criterion, group: &str, rows: &[Row], server: impl Fn() -> Connection) {
    let mut group = c.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for row in rows {
        let frames = row.frames.iter().cloned();
        let unit: Vec<u8> = frames
            .flat_map(|frame| frame.to(Side::Server).bytes())
            .collect();
        let count = READ.div_ceil(unit.len());
        let stream = unit.repeat(count);

        let (mut ws, mut input) = (server(), RecvBuf::new());
        let received = receive_all(&mut ws, &mut input, &stream);
        assert_eq!(
            received,
            (count * row.events, count * row.bytes),
            "{}",
            row.name
        );
        group.bench_function(BenchmarkId::from_parameter(row.name), |b| {
            b.iter_custom(|rounds| {
                let start = Instant::now();
                for _ in 0..rounds {
                    receive_all(&mut ws, &mut input, black_box(&stream));
                }
                start.elapsed().mul_f64(MIB as f64 / stream.len() as f64)
            });
        });
    }
}

fn all(c: &mut Criterion) {
    let server = || Connection::assume_opened(Role::Server, Config::new());
    worst_case(c, "worst_case/plain", &plain(), server);
    let rows = deflate();
    for (group, takeover) in [("takeover", true), ("alone", false)] {
        let deflate_server = || {
            let mut ws = server().with_deflate(params(takeover, 15), DeflateConfig::new());
            // A whole window.
            let message = compressed(best().message(&[0; WINDOW])).to(Side::Server);
            let received = receive_all(&mut ws, &mut RecvBuf::new(), &message.bytes());
            assert_eq!(received, (1, WINDOW));
            ws
        };
        worst_case(c, &format!("worst_case/{group}"), &rows, deflate_server);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
