//! Proves that the meter counts what is done, and that a peer cannot cause more work per byte than
//! `src/meter.rs` says: the most expensive input of each kind, in reads of several sizes.
#![cfg(all(feature = "__meter", feature = "deflate"))]

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, RecvBuf,
    deflate::DeflateConfig,
    handshake::{
        client,
        server::{self, Origins},
    },
    meter::{self, Work, work},
};

mod support;

use support::{
    Frame, SIDES, Side,
    deflate::{Blocks, Literal, Peer, compressed, params, rsv1},
    frame,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

/// The messages are as long as they may be.
const LIMIT: usize = 128 << 10;
const SIZES: [usize; 4] = [1, 100, 16 << 10, 4 << 20];

fn limited() -> Config {
    support::config(|c| c.max_message_size = LIMIT)
}

/// Reads bytes, with room for some more. Returns the room that counts.
fn fill(input: &mut RecvBuf, read: &[u8], more: usize) -> u64 {
    let (capacity, len) = (input.capacity(), read.len() + more);
    input.spare(len)[..read.len()].copy_from_slice(read);
    input.filled(read.len());
    meter::new_room(capacity, input.capacity(), len)
}

/// The work of receiving a stream, and the most that it may be.
fn receive(ws: &mut Connection, stream: &[u8], size: usize, per_byte: u64) -> (Work, Work) {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let (mut room, mut calls) = (0, 0);
    let before = work();
    for read in stream.chunks(size) {
        (room, calls) = (room + fill(&mut input, read, 64), calls + 2);
        while ws
            .next_event(&mut input, &mut out)
            .expect("valid")
            .is_some()
        {
            calls += 1;
            out.clear();
        }
    }
    let most = meter::most(per_byte, stream.len() as u64, calls, room);
    (work() - before, most)
}

fn wire(frames: &[Frame], side: Side) -> Vec<u8> {
    let frames = frames.iter().cloned();
    frames.flat_map(|frame| frame.to(side).bytes()).collect()
}

fn fragments(kind: u8, payload: &[u8], size: usize) -> Vec<Frame> {
    let middle = payload.chunks(size);
    let middle = middle.map(|piece| frame(false, CONTINUATION, piece));
    let first = [frame(false, kind, "")].into_iter();
    first
        .chain(middle)
        .chain([frame(true, CONTINUATION, "")])
        .collect()
}

#[test]
fn the_numbers_are_right() {
    let run = |side: Side, frames: &[Frame]| {
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(&wire(frames, side));
        let before = work();
        let event = ws.next_event(&mut input, &mut out);
        assert!(event.is_ok_and(|event| event.is_some()));
        work() - before
    };
    let work = |bytes, steps| Work { bytes, steps };
    // The mask, and the check, which is in blocks of 64 bytes. The header is read twice: the first
    // look finds that bytes have arrived, which must be noted before.
    let text = [frame(true, TEXT, [b'a'; 1000])];
    assert_eq!(run(Side::Server, &text), work(1000 + 1000 + 8, 1));
    assert_eq!(run(Side::Client, &text), work(1000 + 4, 1));
    let binary = [frame(true, BINARY, [b'a'; 1000])];
    assert_eq!(run(Side::Server, &binary), work(1000 + 8, 1));
    assert_eq!(run(Side::Client, &binary), work(4, 1));
    // A round that finds the frame; the frame of the pong.
    assert_eq!(run(Side::Server, &[wire::ping("abc")]), work(6 + 3 + 3, 3));
    assert_eq!(run(Side::Client, &[wire::ping("abc")]), work(2 + 3, 3));
}

/// A whole message of up to 65,535 bytes takes a shorter way than others: it is looked at once.
#[test]
fn a_whole_message_is_one_step() {
    let steps = |side: Side, limit: usize, message: Frame, behind: bool| {
        let config = support::config(|c| c.max_message_size = limit);
        let mut ws = Connection::assume_opened(side.role(), config);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let behind = if behind {
            vec![wire::text("behind")]
        } else {
            vec![]
        };
        let frames = [vec![wire::text("first"), message], behind].concat();
        input.extend_from_slice(&wire(&frames, side));
        let mut next = || {
            let before = work();
            assert!(
                ws.next_event(&mut input, &mut out)
                    .is_ok_and(|it| it.is_some())
            );
            (work() - before).steps
        };
        next();
        next()
    };
    for (side, behind) in SIDES
        .into_iter()
        .flat_map(|side| [(side, true), (side, false)])
    {
        for opcode in [TEXT, BINARY] {
            let message = |len: usize| frame(true, opcode, vec![b'a'; len]);
            for len in [6, 125, 126, 127, 255, 256, 1000, 65_534, 65_535] {
                let steps = steps(side, len, message(len), behind);
                assert_eq!(steps, 1, "{side:?} {opcode} {len}");
            }
            assert!(steps(side, 1 << 20, message(65_536), behind) > 1);
            // Only with something behind it there are 8 bytes to load.
            let short = steps(side, 1000, message(0), behind);
            assert_eq!(short == 1, behind, "{side:?} {short}");
        }
        assert!(steps(side, 1000, wire::ping("ping"), behind) > 1);
    }
}

#[test]
fn what_is_incomplete_moves_only_if_there_is_no_room() {
    let mut ws = Connection::assume_opened(Side::Client.role(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let bytes = wire(
        &[wire::text(&"x".repeat(100)), wire::ping([0; 50])],
        Side::Client,
    );
    fill(&mut input, &bytes[..112], 888);
    assert!(
        ws.next_event(&mut input, &mut out)
            .is_ok_and(|it| it.is_some())
    );
    assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
    let mut moved = |len: usize| {
        let before = work();
        input.spare(len);
        (work() - before).bytes
    };
    // 102 bytes were taken, 10 are incomplete.
    assert_eq!(moved(888), 0);
    assert_eq!(moved(889), 10);
    assert_eq!(moved(990), 0);
}

#[test]
fn a_compressed_message_counts_what_is_inflated() {
    let (takeover, bits) = (false, 15);
    let mut ws = Connection::assume_opened(Side::Client.role(), Config::new())
        .with_deflate(params(takeover, bits), DeflateConfig::new());
    let payload = Peer::new(9).message(&[b'a'; 1000]);
    let len = payload.len() as u64;
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&compressed(payload).to(Side::Client).bytes());
    input.spare(100);
    let before = work();
    let event = ws.next_event(&mut input, &mut out).unwrap().unwrap();
    let done = work() - before;
    assert!(matches!(event, websocket_proto::Event::Binary(bytes) if bytes.len() == 1000));
    // 2 bytes of header, new room of 4 KiB, the payload and its tail of 4 bytes, and the message.
    let bytes = 2 + 4096 + len + 4 + 1000;
    // The call, and two of the codec: for the block, and for the empty one that ends the message.
    assert_eq!(done, Work { bytes, steps: 3 });
}

#[test]
fn no_plain_bytes_cause_more_work_than_is_documented() {
    let ascii = "a".repeat(LIMIT);
    let mixed = "aé€😀".repeat(LIMIT / 10);
    let late = ["a".repeat(70 << 10), "€".repeat(19_000)].concat();
    let cases = [
        vec![frame(true, BINARY, &ascii)],
        vec![frame(true, TEXT, &ascii)],
        vec![frame(true, TEXT, &mixed)],
        vec![frame(true, TEXT, &late)],
        vec![frame(true, TEXT, &mixed[..1000]); 100],
        vec![frame(true, BINARY, &mixed[..1000]); 100],
        fragments(TEXT, &mixed.as_bytes()[..10_000], 1),
        fragments(TEXT, &ascii.as_bytes()[..10_000], 1),
        fragments(TEXT, ascii.as_bytes(), 50),
        fragments(TEXT, mixed.as_bytes(), 1000),
        fragments(BINARY, ascii.as_bytes(), 50),
        vec![frame(true, BINARY, ""); 1000],
        [
            vec![frame(false, BINARY, "")],
            vec![frame(false, CONTINUATION, ""); 1000],
        ]
        .concat(),
        vec![wire::ping(""); 1000],
        vec![wire::ping([b'a'; 125]); 100],
        // The message is as long as it may be, so the ping has no room.
        vec![
            frame(false, BINARY, &ascii[..LIMIT - 1]),
            wire::ping([b'a'; 125]),
        ],
    ];
    let mut worst = 0;
    for (n, frames) in cases.iter().enumerate() {
        for (side, size) in SIDES
            .into_iter()
            .flat_map(|side| SIZES.map(|size| (side, size)))
        {
            let mut ws = Connection::assume_opened(side.role(), limited());
            let stream = wire(frames, side);
            let (done, most) = receive(&mut ws, &stream, size, meter::PLAIN);
            if size > 1 {
                worst = worst.max(100 * done.bytes / (meter::PLAIN * stream.len() as u64));
            }
            assert!(
                done.is_within(most),
                "case {n}, {side:?}, {size}: {done:?}, {most:?}"
            );
        }
    }
    assert!(worst > 75, "{worst} % of the documented bound");
}

/// A buffer that another connection has made long was copied from: each read moved a message of up to
/// an eighth of it out and in again.
#[test]
fn fixed_21_a_message_in_a_long_shared_buffer_is_not_moved_at_each_read() {
    const READS: usize = 200;
    for side in SIDES {
        let mut input = RecvBuf::new();
        input.extend_from_slice(&[0; 1 << 20]);
        input.clear();
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let mut out = BytesMut::new();
        let stream = wire(&[frame(true, BINARY, vec![7; 101_000])], side);
        let (start, rest) = stream.split_at(100_000);
        input.extend_from_slice(start);
        assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
        ws.park(&mut input);
        let (before, mut room) = (work(), READS as u64 * meter::PARK);
        for byte in &rest[..READS] {
            ws.resume(&mut input);
            room += fill(&mut input, &[*byte], 99);
            assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
            ws.park(&mut input);
        }
        let most = meter::most(meter::PLAIN, 100_000, 0, room);
        let done = work() - before;
        assert!(done.bytes <= most.bytes, "{side:?}: {done:?}, {most:?}");
    }
}

/// What had arrived was copied out of the buffer, and back behind what was parked.
#[test]
fn fixed_32_what_has_arrived_moves_once() {
    const READ: usize = 100_000;
    for side in SIDES {
        let start = wire(&[frame(false, BINARY, [7; 2000])], side);
        // An incomplete header, and a message under way.
        for parked in [&start[..1], &start] {
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            input.extend_from_slice(parked);
            assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
            ws.park(&mut input);
            input.spare(2 * READ);
            input.filled(READ);
            let before = work();
            ws.resume(&mut input);
            let done = work() - before;
            assert!(
                done.bytes <= (parked.len() + READ) as u64,
                "{side:?}: {done:?}"
            );
        }
    }
}

#[test]
fn no_compressed_bytes_cause_more_work_than_is_documented() {
    let best = |plain: &[u8]| Peer::new(9).message(plain);
    let bomb = |character: &str| {
        let text = character.repeat(LIMIT / character.len());
        rsv1(frame(true, TEXT, best(text.as_bytes())))
    };
    let finals = [[3, 0].repeat(500), vec![1]].concat();
    let behind = |len: usize| [Peer::new(9).flushed(&vec![0; len]), finals.clone()].concat();
    let mut small = fragments(TEXT, &best(&[b'a'; LIMIT]), 1);
    small[0] = rsv1(small[0].clone());
    let literal = Blocks::new().fixed(false, &[Literal(b'a')]).message();
    let cases = [
        vec![bomb("a"), frame(true, BINARY, "")],
        vec![bomb("é")],
        vec![bomb("😀")],
        small,
        vec![compressed(&finals)],
        vec![compressed(behind(32 << 10))],
        vec![compressed(behind(LIMIT))],
        vec![compressed([1]); 100],
        vec![compressed([]); 100],
        vec![compressed([0]); 100],
        vec![compressed(literal); 100],
    ];
    let mut worst = 0;
    for (n, frames) in cases.iter().enumerate() {
        for (side, takeover) in support::deflate::all() {
            for size in SIZES {
                // The default limit would end the worst of them early.
                let mut deflate = DeflateConfig::new();
                deflate.max_final_blocks = u32::MAX;
                let mut ws = Connection::assume_opened(side.role(), limited())
                    .with_deflate(params(takeover, 15), deflate);
                let window = compressed(best(&[0; 32 << 10])).to(side).bytes();
                receive(&mut ws, &window, LIMIT, meter::DEFLATE);
                let stream = wire(frames, side);
                let (done, most) = receive(&mut ws, &stream, size, meter::DEFLATE);
                assert!(
                    done.is_within(most),
                    "case {n}, {side:?}, {size}: {done:?}, {most:?}"
                );
                worst = worst.max(100 * done.bytes / (meter::DEFLATE * stream.len() as u64));
            }
        }
    }
    assert!(worst > 90, "{worst} % of the documented bound");
}

/// The default limit of final blocks counts for each message, and messages can be short. The last of
/// the blocks is the empty one at the end.
#[test]
fn with_the_default_of_8_final_blocks_a_byte_causes_15_500_bytes_of_work() {
    for (side, most) in [(Side::Client, 15_500), (Side::Server, 12_500)] {
        let mut ws = Connection::assume_opened(side.role(), Config::new())
            .with_deflate(params(true, 15), DeflateConfig::new());
        let window = compressed(Peer::new(9).message(&[0; 32 << 10]));
        receive(&mut ws, &wire(&[window], side), LIMIT, meter::DEFLATE);
        let payload = [[3, 0].repeat(7), vec![1]].concat();
        let stream = wire(&vec![compressed(payload); 1000], side);
        let (done, _) = receive(&mut ws, &stream, 16 << 10, meter::DEFLATE);
        let each = done.bytes / stream.len() as u64;
        assert!((most * 99 / 100..=most).contains(&each), "{side:?}: {each}");
    }
}

/// With the default limits, and reads of up to 64 KiB: what is inflated is written, moved, joined and
/// checked.
#[test]
fn one_call_does_4_5_mib_of_work_at_most() {
    let largest = Config::new().max_message_size;
    let noise: Vec<u8> = support::Random(1)
        .bytes(largest)
        .into_iter()
        .map(|byte| byte & 0x7F)
        .collect();
    let text = |plain: &[u8]| rsv1(frame(true, TEXT, Peer::new(9).message(plain)));
    let finals = [3, 0].repeat(7);
    let late = [Peer::new(9).flushed(&vec![b'a'; largest]), finals, vec![1]].concat();
    let cases = [
        frame(true, BINARY, &noise),
        frame(true, TEXT, "é".repeat(largest / 2)),
        compressed(Peer::new(9).message(&noise)),
        text(&noise),
        text(&vec![b'a'; largest]),
        text("é".repeat(largest / 2).as_bytes()),
        text("€".repeat(largest / 3).as_bytes()),
        rsv1(frame(true, TEXT, late)),
    ];
    let mut worst = 0;
    for (n, case) in cases.iter().enumerate() {
        for (side, takeover) in support::deflate::all() {
            for size in [1000, 16 << 10, 64 << 10] {
                let mut ws = Connection::assume_opened(side.role(), Config::new())
                    .with_deflate(params(takeover, 15), DeflateConfig::new());
                let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
                for read in case.clone().to(side).bytes().chunks(size) {
                    input.extend_from_slice(read);
                    let mut more = true;
                    while more {
                        let before = work();
                        let event = ws.next_event(&mut input, &mut out);
                        more = event.expect("valid").is_some();
                        let done = (work() - before).bytes;
                        assert!(done <= 9 << 19, "case {n}, {side:?}, {size}: {done}");
                        worst = worst.max(done);
                    }
                }
            }
        }
    }
    assert!(worst > 4 << 20, "{worst}");
}

/// Each final block of two bytes makes the inflater load a window, and all of them are in the buffer.
#[test]
fn fixed_28_one_call_loads_few_windows() {
    let window = Peer::new(9).flushed(&vec![0; 32 << 10]);
    let payload = [window, [3, 0].repeat(8000), vec![1]].concat();
    for (side, takeover) in support::deflate::all() {
        let mut deflate = DeflateConfig::new();
        deflate.max_final_blocks = u32::MAX;
        let mut ws = Connection::assume_opened(side.role(), limited())
            .with_deflate(params(takeover, 15), deflate);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(&wire(&[compressed(&payload)], side));
        let mut calls = 0;
        loop {
            let before = work();
            let event = ws.next_event(&mut input, &mut out).expect("valid");
            let done = work() - before;
            // 1 MiB, what is inflated or loaded at once, and the received bytes.
            let most = (1 << 20) + (128 << 10) + 2 * payload.len() as u64;
            assert!(done.bytes <= most, "{side:?}, call {calls}: {done:?}");
            calls += 1;
            match event {
                Some(Event::Progress) => {}
                Some(Event::Binary(bytes)) => break assert_eq!(bytes.len(), 32 << 10),
                other => panic!("{other:?}"),
            }
        }
        assert!(calls > 200, "{calls} calls");
    }
}

/// The work of a call was counted anew for each slice of 16 KiB of the payload.
#[test]
fn fixed_37_one_call_counts_its_work_over_all_slices() {
    // A whole message of 1 MiB, in two slices, with final blocks in both.
    let zeros = |len: usize| Peer::new(9).flushed(&vec![0; len]);
    let mut payload = [zeros(768 << 10), [3, 0].repeat(7)].concat();
    while payload.len() < 16 << 10 {
        payload.extend([0, 0, 0, 0xff, 0xff]);
    }
    payload.extend([zeros(256 << 10), vec![3, 0, 0]].concat());
    for (side, takeover) in support::deflate::all() {
        let mut ws = Connection::assume_opened(side.role(), Config::new())
            .with_deflate(params(takeover, 15), DeflateConfig::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(&wire(&[compressed(&payload)], side));
        let (mut plain, mut calls) = (0, 0);
        while let Some(event) = ws.next_event(&mut input, &mut out).expect("valid") {
            let is_last = event != Event::Progress;
            let inflated = ws.deflate_stats().received.plain - plain;
            plain += inflated;
            // Each of the 7 windows was loaded in the first call.
            let loaded = if calls == 0 { 7 * (32 << 10) } else { 32 << 10 };
            assert!(inflated + loaded <= (1 << 20) + (128 << 10), "{inflated}");
            calls += 1;
            if is_last {
                break;
            }
        }
        assert_eq!((plain, calls), (1 << 20, 2));
    }
}

/// With a message of more than 4 MiB that follows a shorter one, a call moved all of that length.
#[test]
fn fixed_38_one_call_joins_4_mib_after_a_long_message_too() {
    for side in SIDES {
        let mut ws = Connection::assume_opened(
            side.role(),
            support::config(|c| c.max_message_size = 64 << 20),
        )
        .with_deflate(params(true, 15), DeflateConfig::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for len in [3 << 20, 8 << 20, 3 << 20, 12 << 20, 20 << 20] {
            let message = compressed(Peer::new(9).message(&vec![0; len]));
            input.extend_from_slice(&wire(&[message], side));
            loop {
                let before = work();
                let event = ws.next_event(&mut input, &mut out).expect("valid");
                let done = (work() - before).bytes;
                assert!(done <= 6 << 20, "{side:?}, {len}: {done}");
                match event.expect("all is here") {
                    Event::Progress => {}
                    Event::Binary(bytes) => break assert_eq!(bytes.len(), len),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// Receives a stream in reads of a shared buffer. Returns the work, and the most that it may be.
fn receive_parked(ws: &mut Connection, stream: &[u8], size: usize) -> (Work, Work) {
    let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
    let (mut room, mut calls) = (0, 0);
    let before = work();
    for read in stream.chunks(size) {
        ws.resume(&mut shared);
        room += fill(&mut shared, read, 96) + meter::PARK;
        while ws
            .next_event(&mut shared, &mut out)
            .expect("valid")
            .is_some()
        {
            calls += 1;
        }
        ws.park(&mut shared);
        calls += 5;
    }
    let most = meter::most(meter::DEFLATE, stream.len() as u64, calls, room);
    (work() - before, most)
}

/// An incomplete character, or a first room that is full, cost 64 KiB of new memory for each read.
#[test]
fn fixed_39_a_parked_text_costs_no_more_than_its_bytes() {
    // A character that does not end, and empty blocks.
    let empty = [0, 0, 0, 0xff, 0xff].repeat(400);
    let incomplete = [vec![0, 1, 0, 0xfe, 0xff, 0xc3], empty].concat();
    let long = Peer::new(9).message(&vec![b'a'; 16 << 20]);
    for (payload, size) in [(&incomplete, 1), (&long, 4), (&long, 5), (&long, 8)] {
        for (side, parts_above) in SIDES.into_iter().flat_map(|it| [(it, 0), (it, usize::MAX)]) {
            let config = support::config(|c| {
                (c.max_message_size, c.parts_above) = (32 << 20, parts_above);
            });
            let mut ws = Connection::assume_opened(side.role(), config)
                .with_deflate(params(true, 15), DeflateConfig::new());
            let stream = wire(&[rsv1(frame(true, TEXT, &payload[..]))], side);
            let stream = &stream[..2000];
            let (done, most) = receive_parked(&mut ws, stream, size);
            // Far below what is allowed, which is for windows.
            assert!(
                done.bytes <= most.bytes / 2,
                "{side:?}, {size}: {done:?}, {most:?}"
            );
        }
    }
}

/// The memory of the message replaced that of the read, and was made long again for the next read.
#[test]
fn fixed_47_a_parked_message_costs_less_than_the_memory_of_a_long_read() {
    for (side, room) in SIDES
        .into_iter()
        .flat_map(|side| [128 << 10, 1 << 20].map(|it| (side, it)))
    {
        let mut ws = Connection::assume_opened(side.role(), limited());
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let message = wire(&[frame(false, BINARY, vec![7; 16_000])], side);
        let (first, rest) = message.split_at(4000);
        let mut read = |bytes: &[u8]| {
            let before = work();
            ws.resume(&mut shared);
            shared.spare(room)[..bytes.len()].copy_from_slice(bytes);
            shared.filled(bytes.len());
            assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
            ws.park(&mut shared);
            (work() - before).bytes
        };
        // The buffer is as long as the message and a read.
        read(first);
        read(&[]);
        for bytes in rest.chunks(10) {
            let done = read(bytes);
            // It is copied in and out.
            assert!(done < 2 * meter::park(room) + 1000, "{side:?}: {done}");
        }
    }
}

/// At the limit of a message, a read that was a little longer than the one before moved the message.
#[test]
fn fixed_40_reads_that_become_longer_do_not_move_the_message_each_time() {
    for (side, ways) in SIDES
        .into_iter()
        .flat_map(|side| [(side, false), (side, true)])
    {
        let mut ws = Connection::assume_opened(side.role(), limited());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let message = wire(&[frame(false, BINARY, vec![7; LIMIT])], side);
        let ping = wire(&[wire::ping("")], side);
        let mut reads: Vec<_> = message.chunks(4 << 10).map(<[u8]>::to_vec).collect();
        reads.extend((1..300).map(|n| ping.repeat(3 * n)));
        let (before, mut room, mut received, mut calls) = (work(), 0, 0, 0);
        for read in reads {
            let (capacity, len) = (input.capacity(), read.len());
            match ways {
                true => drop(input.swap(read, 4 << 10)),
                false => input.extend_from_slice(&read),
            }
            room += meter::new_room(capacity, input.capacity(), len);
            (received, calls) = (received + len as u64, calls + 2);
            while ws
                .next_event(&mut input, &mut out)
                .expect("valid")
                .is_some()
            {
                calls += 1;
                out.clear();
            }
        }
        let most = meter::most(meter::PLAIN, received, calls, room);
        let done = work() - before;
        assert!(done.is_within(most), "{side:?}: {done:?}, {most:?}");
    }
}

#[test]
fn a_handshake_in_single_bytes_is_linear() {
    let most_of = |len: usize, calls: usize, room| {
        meter::most(meter::HANDSHAKE, len as u64, 2 * calls as u64, room)
    };
    let request = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n";
    let fields = [
        "X: a\r\n".to_string(),
        format!("X: {}\r\n", "a".repeat(15_000)),
        format!("Sec-WebSocket-Protocol: {}\r\n", "a,".repeat(7000)),
        format!("Sec-WebSocket-Protocol: a{}b\r\n", " ".repeat(15_000)),
        format!("Sec-WebSocket-Extensions: {}\r\n", "a,".repeat(7000)),
        format!("Sec-WebSocket-Extensions: a{}\r\n", ";a=1".repeat(3700)),
        format!(
            "Sec-WebSocket-Extensions: a;b=\"{}\"\r\n",
            "\\a".repeat(7000)
        ),
        format!("Connection: {}\r\n", "a,".repeat(7000)),
        format!("Content-Length: {}\r\n", "0,".repeat(7000)),
        format!("Origin: http://{}\r\n", "a".repeat(15_000)),
        "X: a\r\n".repeat(58),
        format!("A{}", "a".repeat(16_000)),
    ];
    for field in &fields {
        for size in [1, 100, 20_000] {
            let stream = [request, field, "\r\n"].concat();
            let stream = stream.as_bytes();
            let mut handshake = server::Handshake::new(Config::new(), Origins::SameOrigin);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let (before, mut room) = (work(), 0);
            for read in stream.chunks(size) {
                room += fill(&mut input, read, 64);
                let _ = handshake.next(&mut input, &mut out);
            }
            let (done, most) = (
                work() - before,
                most_of(stream.len(), stream.len().div_ceil(size), room),
            );
            assert!(
                done.is_within(most),
                "{size}, {field:.50}: {done:?}, {most:?}"
            );
        }
    }

    let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\nX: a\r\n\r\n".repeat(400);
    for head in fields
        .map(|field| [response, &field, "\r\n"].concat())
        .iter()
        .chain([&interim])
    {
        for size in [1, 100, 20_000] {
            let request = client::Request::new("ws://example.com/").unwrap();
            let seed = websocket_proto::Seed::from([7; 32]);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut handshake =
                client::Handshake::start(&request, seed, Config::new(), &mut out).unwrap();
            let (before, mut room) = (work(), 0);
            for read in head.as_bytes().chunks(size) {
                room += fill(&mut input, read, 64);
                let _ = handshake.next(&mut input);
            }
            let (done, most) = (
                work() - before,
                most_of(head.len(), head.len().div_ceil(size), room),
            );
            assert!(
                done.is_within(most),
                "{size}, {head:.50}: {done:?}, {most:?}"
            );
        }
    }
}
