//! Masks (RFC 6455 §5.3) at every phase of the key, every alignment to 64 bytes and every length to
//! beyond the first one of the widest form, in every way in which the crate masks: `apply_mask`, a
//! frame that is received whole or in two reads, and a frame that is sent, copied or in place.

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, MessageKind, Prepared, ProtocolError, RecvBuf};

mod support;

use support::{Random, SIDES, Side, wire};

/// Four different bytes, so that no wrong phase gives the right result.
const KEY: [u8; 4] = [0x11, 0x22, 0x44, 0x88];

/// `apply_mask` has another form from 256 bytes on, which works in blocks of 128 bytes.
const LONGEST: usize = 400;

/// What the RFC says: "octet i of the transformed data is the XOR of octet i of the original data with
/// octet at index i modulo 4 of the masking key".
fn masked(payload: &[u8], key: [u8; 4], phase: usize) -> Vec<u8> {
    let octet = |(i, byte): (usize, &u8)| byte ^ key[(i + phase) % 4];
    payload.iter().enumerate().map(octet).collect()
}

/// The position from which `start` bytes are missing to a multiple of 64.
fn aligned(memory: &[u8], start: usize) -> usize {
    memory.as_ptr().align_offset(64) % 64 + start
}

#[test]
fn apply_mask_in_every_phase_alignment_and_length() {
    let plain = Random(1).bytes(LONGEST);
    let mut memory = vec![0; LONGEST + 192];
    let mut cases = 0;
    for phase in 0..4 {
        let expected = masked(&plain, KEY, phase);
        for start in 0..64 {
            let from = aligned(&memory, start);
            assert_eq!(memory[from..].as_ptr().addr() % 64, start);
            for len in 0..=LONGEST {
                memory[from..from + len].copy_from_slice(&plain[..len]);
                // The bytes around the payload must stay.
                memory[from + len] = 0xEE;
                let offset = u64::MAX - 3 + phase as u64;
                websocket_proto::frame::apply_mask(&mut memory[from..from + len], KEY, offset);
                cases += 1;
                let what = format!("phase {phase}, start {start}, {len} bytes");
                assert!(memory[from..from + len] == expected[..len], "{what}");
                assert_eq!(memory[from + len], 0xEE, "{what}");
                assert!(from == 0 || memory[from - 1] == 0, "{what}");
            }
            memory.fill(0);
        }
    }
    assert_eq!(cases, 4 * 64 * (LONGEST + 1));
}

/// The phase is where the first read of the frame ends. Another frame in front moves the payload in
/// the memory.
#[test]
fn received_frames_in_every_phase_alignment_and_length() {
    const LONGEST: usize = 288;
    let plain: Vec<u8> = Random(2)
        .bytes(LONGEST)
        .iter()
        .map(|it| it & 0x7F)
        .collect();
    let text = std::str::from_utf8(&plain).unwrap();
    let expected = masked(&plain, KEY, 0);
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut cases = 0;
    for len in 0..=LONGEST {
        let size = match len {
            0..126 => vec![0x80 | len as u8],
            _ => [&[0xFE][..], &(len as u16).to_be_bytes()].concat(),
        };
        for first in [0x81, 0x82, 0x02] {
            // A message that is not complete is continued by an empty frame.
            let frame = [&[first][..], &size, &KEY, &expected[..len]].concat();
            let end: &[u8] = if first < 0x80 {
                &[0x80, 0x80, 0, 0, 0, 0]
            } else {
                &[]
            };
            for phase in 0..4.min(len + 1) {
                for start in 0..64 {
                    cases += 1;
                    // A pong of `start` bytes, which is then removed.
                    input.extend_from_slice(&[0x8A, 0x80 | start, 0, 0, 0, 0]);
                    input.extend_from_slice(&[0; 64][..usize::from(start)]);
                    let (now, later) = frame.split_at(frame.len() - len + phase);
                    let split = phase > 0;
                    input.extend_from_slice(if split { now } else { &frame });
                    let pong = ws.next_event(&mut input, &mut out);
                    assert!(matches!(pong, Ok(Some(Event::Pong(_)))));
                    if split && phase < len {
                        assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
                    }
                    if split {
                        input.extend_from_slice(later);
                    }
                    input.extend_from_slice(end);
                    let event = ws.next_event(&mut input, &mut out);
                    let expected = match first {
                        0x81 => Event::Text(&text[..len]),
                        _ => Event::Binary(&plain[..len]),
                    };
                    // Not `assert_eq`, as an event does not show its payload.
                    assert!(event == Ok(Some(expected)), "{first} {len} {phase} {start}");
                    assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
                }
            }
        }
    }
    assert_eq!(cases, 3 * 64 * (4 * (LONGEST + 1) - 6));
}

/// A mask is removed and the text is looked at for ASCII in the same pass. One byte that is not ASCII,
/// at every position, makes the text invalid, and so do many that are equal. A fragment and a whole
/// message are looked at in different ways.
#[test]
fn wrong_bytes_at_every_position_of_every_length() {
    const LONGEST: usize = 330;
    let mut cases = 0;
    for (side, fin, lengths) in [
        (Side::Server, true, 1..=64),
        (Side::Server, false, 1..=LONGEST),
        (Side::Client, true, 1..=64),
        (Side::Client, false, 250..=280),
    ] {
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut is_refused = |frame: &[u8]| {
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            input.clear();
            input.extend_from_slice(frame);
            out.clear();
            cases += 1;
            ws.next_event(&mut input, &mut out) == Err(ProtocolError::InvalidUtf8)
        };
        for len in lengths {
            let frame = |text| wire::frame(fin, wire::TEXT, text).to(side).bytes();
            let mut one = frame(vec![b'x'; len]);
            let header = one.len() - len;
            for at in 0..len {
                one[header + at] ^= 0x80;
                assert!(is_refused(&one), "{side:?} {fin} {len} {at}");
                one[header + at] ^= 0x80;
            }
            assert!(!is_refused(&one));
            for byte in [0x80, 0xFF] {
                let all = frame(vec![byte; len]);
                assert!(is_refused(&all), "{side:?} {fin} {len} times {byte:x}");
            }
        }
    }
    let sum = |to: usize| to * (to + 1) / 2;
    let lengths = 64 + LONGEST + 64 + 31;
    assert_eq!(
        cases,
        sum(64) + sum(LONGEST) + sum(64) + sum(280) - sum(249) + 3 * lengths
    );
}

/// Takes the frame in `out`. Returns its first byte and the payload.
fn take(out: &mut BytesMut, side: Side) -> (u8, Vec<u8>) {
    let (first, code) = (out[0], out[1]);
    let (len, mut at) = match code & 0x7F {
        126 => (usize::from(u16::from_be_bytes([out[2], out[3]])), 4),
        len => (usize::from(len), 2),
    };
    assert_eq!(code >= 0x80, side == Side::Client);
    let payload = match side {
        Side::Server => out[at..].to_vec(),
        Side::Client => {
            let key = out[at..at + 4].try_into().unwrap();
            at += 4;
            masked(&out[at..], key, 0)
        }
    };
    assert_eq!(payload.len(), len);
    out.clear();
    (first, payload)
}

/// A client masks while it copies. A server copies only, in the same blocks.
#[test]
fn sent_frames_in_every_alignment_and_length() {
    let memory = Random(3).bytes(LONGEST + 192);
    let mut cases = 0;
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let mut out = BytesMut::new();
        for start in 0..64 {
            let from = aligned(&memory, start);
            for len in 0..=LONGEST {
                cases += 1;
                let payload = &memory[from..from + len];
                let what = format!("{side:?} {start} {len}");
                ws.send_binary(payload, &mut out).unwrap();
                assert!(take(&mut out, side) == (0x82, payload.to_vec()), "{what}");
                ws.start_message(MessageKind::Binary).unwrap();
                ws.send_fragment(payload, &mut out).unwrap();
                // An empty piece writes nothing.
                let mut last = 0x82;
                if len > 0 {
                    assert!(take(&mut out, side) == (0x02, payload.to_vec()), "{what}");
                    last = 0x80;
                }
                ws.finish_message(payload, &mut out).unwrap();
                assert!(take(&mut out, side) == (last, payload.to_vec()), "{what}");
                if len <= 125 {
                    ws.send_ping(payload, &mut out).unwrap();
                    assert!(take(&mut out, side) == (0x89, payload.to_vec()), "{what}");
                }
            }
        }
    }
    assert_eq!(cases, 2 * 64 * (LONGEST + 1));
}

/// Masked in the memory of the application, or copied from a prepared message. The alignment of the
/// first is that of the memory, the one of the second is not the caller's.
#[test]
fn lent_and_prepared_frames_in_every_alignment_and_length() {
    let plain = Random(4).bytes(LONGEST);
    let mut memory = vec![0; LONGEST + 192];
    let mut cases = 0;
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let mut out = BytesMut::new();
        for len in 0..=LONGEST {
            let payload = &plain[..len];
            ws.send_prepared(&Prepared::binary(payload), &mut out)
                .unwrap();
            assert!(
                take(&mut out, side) == (0x82, payload.to_vec()),
                "{side:?} {len}"
            );
            for start in 0..64 {
                cases += 1;
                let from = aligned(&memory, start);
                let lent = &mut memory[from..from + len];
                lent.copy_from_slice(payload);
                drop(ws.lend_binary_mut(lent, &mut out).unwrap());
                let sent = take(&mut out, side);
                assert!(sent == (0x82, payload.to_vec()), "{side:?} {start} {len}");
            }
        }
    }
    assert_eq!(cases, 2 * 64 * (LONGEST + 1));
}
