//! Frames: illegal ones, and unusual ones that a server accepts.
use websocket_proto::frame::LengthForm;

use super::{LATE, garbage, served};
use crate::attack::{Attack, Part, Want};
use crate::frames::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, Side, TEXT, all, close};

const PROTOCOL: Want = Want::Failed(&[1002]);
const TEXT_ERROR: Want = Want::Failed(&[1007]);
const TOO_BIG: Want = Want::Failed(&[1002, 1009]);

pub fn attacks(side: Side) -> Vec<Attack> {
    let mut rows = Vec::new();
    headers(side, &mut rows);
    lengths(side, &mut rows);
    fragments(side, &mut rows);
    closes(side, &mut rows);
    texts(side, &mut rows);
    unusual(side, &mut rows);
    rows
}

fn row(name: impl AsRef<str>, rule: &'static str, want: Want, bytes: impl Into<Vec<u8>>) -> Attack {
    Attack::new(format!("frame/{}", name.as_ref()), rule, want).sends(bytes)
}

fn text(side: Side, payload: &str) -> Frame {
    side.frame(TEXT, payload)
}

#[rustfmt::skip]
fn headers(side: Side, rows: &mut Vec<Attack>) {
    rows.push(row("unmasked", "RFC 6455 §5.1", PROTOCOL, side.other().frame(TEXT, "hi")));
    for opcode in (3..8).chain(11..16) {
        let name = format!("opcode-{opcode:x}");
        rows.push(row(name, "RFC 6455 §5.2", PROTOCOL, side.frame(opcode, "hi")));
    }
    for (bit, name) in [(4, "rsv1"), (2, "rsv2"), (1, "rsv3")] {
        rows.push(row(name, "RFC 6455 §5.2", PROTOCOL, text(side, "hi").rsv(bit)));
        let name = format!("{name}-ping");
        rows.push(row(name, "RFC 6455 §5.2", PROTOCOL, side.frame(PING, "hi").rsv(bit)));
    }
    // RFC 6455 §7.1.7: what arrives behind the violation is not processed.
    let random = [side.other().frame(TEXT, "hi").bytes(), garbage(100_000)].concat();
    rows.push(row("error-then-garbage", "undici CVE-2026-85024", PROTOCOL, random));
}

#[rustfmt::skip]
fn lengths(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 6455 §5.2";
    let long = "a".repeat(200);
    for (name, payload, form) in [
        ("0-in-16-bits", "", LengthForm::Bits16),
        ("5-in-16-bits", "Hello", LengthForm::Bits16),
        ("5-in-64-bits", "Hello", LengthForm::Bits64),
        ("200-in-64-bits", &long, LengthForm::Bits64),
    ] {
        let name = format!("length-{name}");
        // A rule for senders (§5.2): to accept it does no harm.
        rows.push(row(name, rule, PROTOCOL, text(side, payload).form(form)).lenient());
    }
    for (name, len) in [
        ("2^63", 1 << 63),
        ("2^64-4", u64::MAX - 3),
        ("2^64-1", u64::MAX),
    ] {
        let name = format!("length-{name}");
        let frame = side.frame(BINARY, "").claims(len);
        rows.push(row(name, rule, TOO_BIG, frame).incomplete());
    }
    // Legal, but a server that waits for so much needs a limit.
    for (name, len) in [
        ("2^31-1", (1 << 31) - 1),
        ("2^31", 1 << 31),
        ("2^32", 1 << 32),
        ("1-TiB", 1 << 40),
        ("2^63-1", (1 << 63) - 1),
    ] {
        let rule = match len {
            0x100_0000_0000 => "RUSTSEC-2022-0035",
            _ => "gorilla CVE-2020-27813",
        };
        let first = side.frame(BINARY, "").claims(len);
        let name = format!("length-{name}");
        rows.push(row(&name, rule, TOO_BIG, first.clone()).lenient().incomplete());
        // The sum over the fragments must not overflow.
        let sum = [
            side.frame(BINARY, "0123456789").more().bytes(),
            side.frame(CONTINUATION, "").claims(len).bytes(),
        ];
        let name = format!("{name}-behind-10");
        rows.push(row(name, rule, TOO_BIG, sum.concat()).lenient().incomplete());
    }
}

#[rustfmt::skip]
fn fragments(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 6455 §5.4";
    let control = "RFC 6455 §5.5";
    rows.extend([
        row("ping-fragmented", control, PROTOCOL, side.frame(PING, "hi").more()),
        row("close-fragmented", control, PROTOCOL, side.frame(CLOSE, close(1000, "")).more()),
        row("ping-of-126", control, PROTOCOL, side.frame(PING, [b'a'; 126])),
        row("pong-of-65536", control, PROTOCOL, side.frame(PONG, vec![b'a'; 65536])),
        row("close-of-126", control, PROTOCOL, side.frame(CLOSE, close(1000, [b'a'; 124]))),
        row("continuation-alone", rule, PROTOCOL, side.frame(CONTINUATION, "hi")),
        row("continuation-not-final", rule, PROTOCOL, side.frame(CONTINUATION, "hi").more()),
        row(
            "continuation-behind-message",
            rule,
            PROTOCOL,
            all([side.frame(BINARY, "hi"), side.frame(CONTINUATION, "hi")]),
        ),
        row("text-in-message", rule, PROTOCOL, all([text(side, "a").more(), text(side, "b")])),
        row("binary-in-text", rule, PROTOCOL, all([text(side, "a").more(), side.frame(BINARY, "b").more()])),
    ]);
}

#[rustfmt::skip]
fn closes(side: Side, rows: &mut Vec<Attack>) {
    let codes = "RFC 6455 §7.4";
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let name = format!("close-{code}");
        rows.push(row(name, codes, PROTOCOL, side.frame(CLOSE, close(code, ""))).incomplete());
    }
    for code in [1000, 1001, 1003, 1011, 1014, 3000, 4999] {
        let want = Want::Served(Vec::new());
        let name = format!("close-{code}");
        let mut row = row(name, codes, want, side.frame(CLOSE, close(code, "bye"))).incomplete();
        row.lenient = code == 1014; // registered after the RFC
        rows.push(row);
    }
    let end = side.frame(CLOSE, close(1000, ""));
    let rule = "RFC 6455 §5.5.1";
    rows.extend([
        row("close-without-code", rule, Want::Served(Vec::new()), side.frame(CLOSE, "")).incomplete(),
        row("close-of-1-byte", rule, PROTOCOL, side.frame(CLOSE, "a")).incomplete(),
        row(
            "close-not-utf8",
            rule,
            Want::Failed(&[1002, 1007]),
            side.frame(CLOSE, close(1000, b"\xc0\x80")),
        )
        .incomplete(),
        row("text-behind-close", rule, Want::Silent, all([end.clone(), text(side, LATE)])).incomplete(),
        row("ping-behind-close", rule, Want::Silent, all([end.clone(), side.frame(PING, LATE)])).incomplete(),
        row("garbage-behind-close", rule, Want::Silent, [end.bytes(), garbage(4096)].concat()).incomplete(),
        row(
            "end-without-close",
            "RFC 6455 §7.1.5",
            Want::Survived,
            text(side, "hi"),
        )
        .part(Part::Shutdown)
        .incomplete(),
        row("end-in-header", "RFC 6455 §7.1.5", Want::Survived, b"\x81".to_vec()).part(Part::Shutdown).incomplete(),
        row(
            "end-in-payload",
            "RFC 6455 §7.1.5",
            Want::Survived,
            text(side, "hi").claims(9),
        )
        .part(Part::Shutdown)
        .incomplete(),
    ]);
}

#[rustfmt::skip]
fn texts(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 6455 §8.1";
    for (name, bytes) in [
        ("overlong", &b"\xc0\x80"[..]),
        ("surrogate", b"\xed\xa0\x80"),
        ("above-10ffff", b"\xf4\x90\x80\x80"),
        ("continuation-byte", b"\x80"),
        ("ff", b"a\xff"),
        ("cut", b"\xe2\x82"),
    ] {
        let name = format!("utf8-{name}");
        rows.push(row(&name, rule, TEXT_ERROR, side.frame(TEXT, bytes)));
    }
    let split = all([
        side.frame(TEXT, b"\xed").more(),
        side.frame(CONTINUATION, b"\xa0\x80"),
    ]);
    let early = all([side.frame(TEXT, b"a\xff").more()]);
    rows.extend([
        row("utf8-surrogate-split", rule, TEXT_ERROR, split),
        row("utf8-in-first-fragment", rule, TEXT_ERROR, early)
            .lenient()
            .incomplete(),
    ]);
}

/// Legal.
#[rustfmt::skip]
fn unusual(side: Side, rows: &mut Vec<Attack>) {
    let rule = "RFC 6455 §5.4";
    let character = all([
        side.frame(TEXT, b"\xf0").more(),
        side.frame(CONTINUATION, b"\x9f").more(),
        side.frame(CONTINUATION, b"\x98").more(),
        side.frame(CONTINUATION, b"\x80!"),
    ]);
    let between = all([
        text(side, "a").more(),
        side.frame(PING, "?"),
        side.frame(PONG, ""),
        side.frame(CONTINUATION, "b"),
    ]);
    let empty = all([
        text(side, "").more(),
        side.frame(CONTINUATION, "").more(),
        side.frame(CONTINUATION, "!"),
    ]);
    let bytewise = all([
        text(side, "one").more(),
        side.frame(CONTINUATION, " byte"),
        text(side, "at a time"),
    ]);
    let boundary = |len: usize| (served(&[&"a".repeat(len)]), text(side, &"a".repeat(len)));
    rows.extend([
        row("character-in-fragments", rule, served(&["😀!"]), character),
        row("ping-between-fragments", rule, served(&["ab"]), between),
        row("empty-fragments", rule, served(&["!"]), empty),
        row("empty-text", rule, served(&[""]), text(side, "")),
        row("pong-unasked", "RFC 6455 §5.5.3", served(&[]), side.frame(PONG, "unasked")),
        row("bytewise", "RFC 6455 §5.2", served(&["one byte", "at a time"]), []).part(Part::Bytewise(bytewise)),
    ]);
    for len in [125, 126, 65535, 65536] {
        let (want, frame) = boundary(len);
        rows.push(row(format!("text-of-{len}"), "RFC 6455 §5.2", want, frame));
    }
}
