//! Compressed messages (RFC 7692).
use websocket_proto::deflate::Params;

use super::{served, texts};
use crate::attack::{Attack, Head, Want};
use crate::blocks::{Blocks, Compressor, TAIL, bomb, compressed};
use crate::frames::{BINARY, CONTINUATION, Frame, PING, Side, TEXT, all};

const INVALID: Want = Want::Failed(&[1007]);
const PROTOCOL: Want = Want::Failed(&[1002]);
const BIG: &[u16] = &[1008, 1009];
/// The messages that must arrive behind the attack.
const AFTER: [&str; 3] = [
    "the first message",
    "the second message",
    "the third message",
];

pub fn attacks(side: Side, count: usize) -> Vec<Attack> {
    let mut rows = Vec::new();
    final_blocks(side, &mut rows);
    empty(side, &mut rows);
    invalid(side, &mut rows);
    frames(side, &mut rows);
    bombs(side, count, &mut rows);
    rows
}

/// The usual offer of a client.
pub fn offer() -> Params {
    Params {
        client_max_window_bits: Some(15),
        ..Params::default()
    }
}

fn row(name: &str, rule: &'static str, want: Want, bytes: impl Into<Vec<u8>>) -> Attack {
    Attack::new(format!("deflate/{name}"), rule, want)
        .sends(bytes)
        .deflate(offer())
}

/// A whole compressed text.
fn text(side: Side, payload: impl AsRef<[u8]>) -> Frame {
    side.frame(TEXT, payload).rsv(4)
}

/// Messages of one compressor, and one that is not compressed.
fn after(side: Side) -> Vec<u8> {
    let mut compressor = Compressor::new();
    let [first, second, third] = AFTER.map(|text| compressor.message(text.as_bytes()));
    all([
        text(side, first),
        text(side, second),
        side.frame(TEXT, "plain"),
        text(side, third),
    ])
}

fn behind(side: Side, frame: Frame) -> Vec<u8> {
    [frame.bytes(), after(side)].concat()
}

fn served_behind(first: &str) -> Want {
    served(&[first, AFTER[0], AFTER[1], "plain", AFTER[2]])
}

#[rustfmt::skip]
fn final_blocks(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 7692 §7.2.3.4";
    let hello = || Blocks::new().fixed(true).literals("Hello").end().aligned();
    let one = || text(side, hello().message());
    // "Hello" again, from behind the final block: a distance of 5 has the code 4 and 1 more bit.
    let copy = Blocks::new()
        .fixed(false)
        .copy(5, 4, (0, 1))
        .end()
        .message();
    let two = hello()
        .fixed(true)
        .literals(" again")
        .end()
        .aligned()
        .message();
    // Without context takeover, each message has a compressor of its own.
    let each = AFTER.map(|it| text(side, compressed(it)));
    let each = [one().bytes(), all(each)].concat();
    let answers = served(&["Hello", AFTER[0], AFTER[1], AFTER[2]]);
    let mut alone = row("final-block-alone", rule, answers, each);
    alone.head = Head::Deflate(Params {
        client_no_context_takeover: true,
        server_no_context_takeover: true,
        ..Params::default()
    });
    // Beyond a window of 512 bytes: a distance of 513 has the code 18 and 8 more bits.
    let far = |blocks: Blocks| blocks.fixed(false).copy(5, 18, (0, 8)).end().message();
    let long = Blocks::new().fixed(true).literals(&"a".repeat(600)).end();
    let mut small = row("final-block-then-too-far-back", rule, INVALID, text(side, far(long.aligned())));
    small.head = Head::Deflate(Params {
        client_max_window_bits: Some(9),
        server_max_window_bits: (side == Side::Server).then_some(9),
        ..Params::default()
    });
    rows.extend([
        small.lenient(),
        row("final-block", rule, served_behind("Hello"), behind(side, one())),
        alone,
        row("final-block-then-reference", rule, served(&["Hello", "Hello"]), all([one(), text(side, copy)])),
        row("two-final-blocks", rule, served_behind("Hello again"), behind(side, text(side, two))),
        row("final-block-without-end", rule, Want::Either(texts(&["Hello"]), &[1007]), text(side, hello().bytes)),
    ]);
}

#[rustfmt::skip]
fn empty(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 7692 §7.2.3.6";
    rows.extend([
        row("empty", rule, served_behind(""), behind(side, text(side, [0]))),
        // The tail alone is half a block. The next message must not be swallowed.
        row("no-payload", "RFC 7692 §7.2.2", Want::Either(served_texts(), &[1007]), behind(side, text(side, ""))),
        row(
            "no-payload-in-fragments",
            "RFC 7692 §7.2.2",
            Want::Either(served_texts(), &[1007]),
            {
                [
                    all([text(side, "").more(), side.frame(CONTINUATION, "")]),
                    after(side),
                ]
                .concat()
            },
        ),
        row(
            "empty-blocks",
            "RFC 7692 §7.2.3.5",
            served_behind("Hello"),
            {
                let blocks = (0..100).fold(Blocks::new(), |it, _| it.fixed(false).end());
                behind(
                    side,
                    text(side, blocks.fixed(false).literals("Hello").end().message()),
                )
            },
        ),
    ]);
}

fn served_texts() -> Vec<String> {
    texts(&["", AFTER[0], AFTER[1], "plain", AFTER[2]])
}

#[rustfmt::skip]
fn invalid(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 7692 §7.2.2";
    let hello = || compressed("Hello");
    let inflate = "RFC 1951 §3.2";
    let garbage = [&hello()[..], &[0xff; 16]].concat();
    let cut = Blocks::new().fixed(false).literals("Hello").bytes;
    let far = Blocks::new()
        .fixed(false)
        .literals("Hello")
        .copy(5, 29, (8191, 13))
        .end()
        .message();
    let stored = [&[0x00, 0x05, 0x00, 0x00, 0x00][..], b"Hello"].concat();
    let tables = Blocks::new()
        .bits(4, 3)
        .bits(31, 5)
        .bits(31, 5)
        .bits(15, 4)
        .bits(0, 60)
        .bytes;
    let surrogate = compressed(b"\xed\xa0\x80");
    rows.extend([
        row("garbage-tail", rule, INVALID, text(side, garbage)),
        row("cut", rule, INVALID, text(side, cut)).lenient(),
        row("block-type-3", inflate, INVALID, text(side, [0x06, 0x00])),
        row("stored-length", inflate, INVALID, text(side, stored)),
        row("too-far-back", inflate, INVALID, text(side, far)),
        row("wrong-tables", inflate, INVALID, text(side, tables)),
        row("random", inflate, INVALID, text(side, super::garbage(4096))),
        row("utf8", "RFC 6455 §8.1", INVALID, text(side, surrogate)),
    ]);
}

#[rustfmt::skip]
fn frames(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 7692 §6.1";
    let hello = compressed("Hello, hello, hello!");
    let (start, end) = hello.split_at(4);
    let first = || text(side, start).more();
    let bytes = hello
        .iter()
        .map(|byte| side.frame(CONTINUATION, [*byte]).more());
    let bytewise: Vec<u8> = bytes.flat_map(Vec::from).collect();
    let bytewise = [
        text(side, "").more().bytes(),
        bytewise,
        side.frame(CONTINUATION, "").bytes(),
    ]
    .concat();
    // A compressor may leave the tail in, if it adds another one (RFC 7692 §7.2.1).
    let whole = [&hello[..], &TAIL, &[0x00]].concat();
    let (head, tail) = whole.split_at(whole.len() - 3);
    let served = || served_behind("Hello, hello, hello!");
    let with = |bytes: Vec<u8>| [bytes, after(side)].concat();
    rows.extend([
        row("rsv1-on-continuation", rule, PROTOCOL, all([first(), side.frame(CONTINUATION, end).rsv(4)])),
        row(
            "rsv1-in-plain-message",
            rule,
            PROTOCOL,
            all([
                side.frame(TEXT, "a").more(),
                side.frame(CONTINUATION, "b").rsv(4),
            ]),
        ),
        row("rsv1-on-ping", rule, PROTOCOL, side.frame(PING, "a").rsv(4)),
        row("rsv2", "RFC 6455 §5.2", PROTOCOL, text(side, &hello).rsv(6)),
        row(
            "ping-between-fragments",
            rule,
            served(),
            with(all([
                first(),
                side.frame(PING, "?"),
                side.frame(CONTINUATION, end),
            ])),
        ),
        row("bytewise", rule, served(), with(bytewise)),
        row("split-in-tail", rule, served(), with(all([text(side, head).more(), side.frame(CONTINUATION, tail)]))),
        row("plain", rule, served_behind("plain"), behind(side, side.frame(TEXT, "plain"))),
    ]);
}

#[rustfmt::skip]
fn bombs(side: Side, count: usize, rows: &mut Vec<Attack>) {
    let many = |unit: &[u8]| unit.repeat(count / 10);
    let bytes = |name, want, payload: Vec<u8>| {
        row(name, "undici CVE-2026-1526", want, side.frame(BINARY, payload).rsv(4))
    };
    let huge = bomb("\0", 512);
    let fragments = huge
        .chunks(1000)
        .map(|it| side.frame(CONTINUATION, it).more());
    let fragments: Vec<u8> = fragments.flat_map(Vec::from).collect();
    let fragments = [side.frame(BINARY, "").rsv(4).more().bytes(), fragments].concat();
    let half = side.frame(BINARY, &bomb("\0", 1)[..1000]).rsv(4).more();
    let mebibyte = [bomb("\0", 1), TAIL.to_vec()].concat();
    rows.extend([
        bytes("bomb-512-MiB", Want::Failed(BIG), huge.clone()).lenient(),
        row("bomb-in-fragments", "undici CVE-2026-1526", Want::Failed(BIG), fragments).lenient().incomplete(),
        bytes("bomb-of-text", Want::Failed(BIG), bomb("€", 64)).lenient(),
        row("small-bombs", "undici CVE-2026-1526", Want::Survived, [])
            .repeats(text(side, bomb("a", 1)), (count / 10_000).clamp(4, 64)),
        // The cost of a byte must not depend on the length of the message before it.
        bytes("final-blocks", Want::Survived, [&many(&[0x03, 0x00])[..], &[0x01]].concat()),
        bytes("final-blocks-behind-1-MiB", Want::Survived, [&mebibyte[..], &many(&[0x03, 0x00]), &[0x01]].concat()),
        bytes("empty-blocks-behind-1-MiB", Want::Survived, [&mebibyte[..], &many(&TAIL_BLOCK), &[0x00]].concat()),
        row("tiny", "RFC 7692 §7.2.3.6", Want::Survived, []).repeats(text(side, [0]), count / 10),
        row("unfinished-bombs", "memory of unfinished messages", Want::Survived, half).incomplete().connections(20),
    ]);
}

/// An empty stored block.
const TAIL_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];
