//! Proves that what breaks WebSocket libraries does not break this one. Every rule that a peer can
//! break gets its exact error, a Close frame with the right code already in `out`, and then
//! silence: the error repeats, no event follows, and nothing that arrives later changes anything.
//! Floods cost bounded output. The numbers in the names are those of the list of known failures
//! of the field: lengths (4), endless messages (6, 7), life after an error (10), pings that nobody
//! reads the answers to (11), mask keys (13), and the rules of RFC 6455 one by one (18).

use std::collections::HashSet;

use bytes::{Buf, BytesMut};
use websocket_proto::{Config, ProtocolError, SendError, frame::FrameError};

mod support;

use support::{
    Endpoint, Frame, OwnedEvent, Random, SIDES, Side, code, config, frame, frames, secs,
    wire::{self, BINARY, CLOSE, CONTINUATION, Form, PING, PONG, TEXT},
};

/// Feeds `legal` frames, then the offending one, and holds what follows against the promise.
fn refuses(side: Side, config: Config, legal: &[Frame], offending: &Frame, error: ProtocolError) {
    let mut peer = Endpoint::new(side, config);
    for frame in legal {
        peer.feed(&frame.clone().to(side).bytes());
    }
    assert_eq!(
        (peer.error, peer.out.len()),
        (None, 0),
        "before the offence"
    );
    let events = peer.events.len();
    peer.feed(&offending.bytes());
    assert_eq!(peer.error, Some(error), "{side:?}: {offending:?}");
    assert_eq!(peer.events.len(), events, "an event came of {offending:?}");
    is_over(peer, error);
}

/// The promise about every error: the Close frame is in `out`, and nothing happens any more.
fn is_over(mut peer: Endpoint, error: ProtocolError) {
    let sent = frames(&peer.out);
    if let Some(code) = error.close_code() {
        let last = sent.last().expect("a Close frame");
        assert_eq!(last.close_code(), code.into());
        assert_eq!(last.payload[2..], *error.to_string().as_bytes());
    }
    assert!(
        sent.iter().filter(|frame| frame.opcode == CLOSE).count() <= 1,
        "two Close frames"
    );
    assert!(peer.ws.is_done());
    assert_eq!(peer.ws.error(), Some(error));
    assert_eq!(peer.ws.deadline(secs(1)), None);

    let (out, events) = (peer.out.clone(), peer.events.len());
    peer.feed(&[]);
    peer.feed(&wire::text("hi").masked([0; 4]).bytes());
    peer.feed(&wire::text("hi").bytes());
    let junk = Random(2).bytes(100_000);
    for piece in junk.chunks(4096) {
        peer.feed(piece);
        assert!(peer.input.unread().is_empty(), "what is dropped is kept");
    }
    peer.end();
    peer.feed(&junk[..10]);
    assert_eq!(
        peer.error,
        Some(error),
        "repeated by next_event and end_of_stream"
    );
    assert_eq!(
        peer.ws.handle_timeout(secs(1_000_000), &mut peer.out),
        Err(error)
    );
    assert_eq!(
        peer.ws.send_text("hi", &mut peer.out),
        Err(SendError::NotOpen)
    );
    assert_eq!(
        peer.ws.send_ping(b"", &mut peer.out),
        Err(SendError::NotOpen)
    );
    assert_eq!(
        peer.ws.close(code(1000), "", &mut peer.out),
        Err(SendError::NotOpen)
    );
    assert_eq!(peer.events.len(), events, "an event after {error:?}");
    assert_eq!(peer.out, out, "something was sent after {error:?}");
    assert!(peer.ws.is_done());
}

fn refused_by_both(legal: &[Frame], offending: Frame, error: impl Into<ProtocolError>) {
    let error = error.into();
    for side in SIDES {
        refuses(
            side,
            Config::new(),
            legal,
            &offending.clone().to(side),
            error,
        );
    }
}

#[test]
fn field_04_huge_lengths() {
    for len in [
        (1 << 31) - 1,
        1 << 31,
        (1 << 31) + 1,
        1 << 32,
        (1 << 63) - 1,
    ] {
        let offending = frame(true, BINARY, "").claiming(len);
        refused_by_both(&[], offending, ProtocolError::FrameTooBig);
    }
    for len in [1 << 63, u64::MAX - 3, u64::MAX] {
        let offending = frame(true, BINARY, "").claiming(len);
        refused_by_both(&[], offending, FrameError::LengthTopBit);
    }
}

#[test]
fn field_04_huge_lengths_without_limits() {
    let unlimited = config(|c| {
        c.max_frame_size = usize::MAX;
        c.max_message_size = usize::MAX;
    });
    for side in SIDES {
        for len in [(1 << 32) + 5, (1 << 63) - 1] {
            let start = frame(false, BINARY, "start");
            let claim = |opcode| frame(true, opcode, "12345").claiming(len);
            for frames in [vec![claim(BINARY)], vec![start, claim(CONTINUATION)]] {
                let mut peer = Endpoint::new(side, unlimited);
                for frame in frames {
                    peer.feed(&frame.to(side).bytes());
                }
                // Never complete where it fits into the address space, and refused, not cut
                // down to its lower bits, where it does not. Nor does the sum overflow.
                let fits = usize::try_from(len).is_ok();
                assert_eq!(peer.error, (!fits).then_some(ProtocolError::FrameTooBig));
                assert_eq!(peer.events, []);
            }
        }
    }
}

#[test]
fn field_06_endless_continuation() {
    for side in SIDES {
        let small = config(|c| c.max_message_size = 1000);
        let start = frame(false, BINARY, [0; 100]);
        let more = frame(false, CONTINUATION, [0; 100]);
        // 1000 bytes are fine, and so is an empty frame on top.
        let mut legal = vec![more; 9];
        legal.insert(0, start);
        legal.push(frame(false, CONTINUATION, ""));
        let one_more = frame(false, CONTINUATION, "").claiming(1).to(side);
        refuses(side, small, &legal, &one_more, ProtocolError::MessageTooBig);

        // A message of exactly the limit arrives, whole or in fragments, and the next one starts
        // counting at zero.
        let mut peer = Endpoint::new(side, small);
        legal.push(frame(true, CONTINUATION, ""));
        for frame in legal
            .iter()
            .chain([&frame(true, BINARY, [0; 1000])])
            .chain(&legal)
        {
            peer.feed(&frame.clone().to(side).bytes());
        }
        assert_eq!(peer.events, vec![OwnedEvent::Binary(vec![0; 1000]); 3]);

        let too_big = frame(true, BINARY, [0; 1001]).to(side);
        refuses(side, small, &[], &too_big, ProtocolError::MessageTooBig);
        let small = config(|c| c.max_frame_size = 99);
        let too_big = frame(false, BINARY, "").claiming(100).to(side);
        refuses(side, small, &[], &too_big, ProtocolError::FrameTooBig);
    }
}

#[test]
fn field_07_endless_tiny_fragments() {
    for (side, payload) in [(Side::Server, ""), (Side::Client, "x")] {
        let start = frame(false, BINARY, payload).to(side).bytes();
        let more = frame(false, CONTINUATION, payload)
            .to(side)
            .bytes()
            .repeat(1000);
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&start);
        let mut fed = 1;
        while peer.error.is_none() {
            peer.feed(&more);
            fed += 1000;
            assert!(fed < 1_000_000, "a message without end");
        }
        assert!(fed >= 131_072 && fed < 131_072 + 1000, "{fed}");
        is_over(peer, ProtocolError::TooManyFragments);
    }
    for side in SIDES {
        let few = config(|c| c.max_fragments = 3);
        let more = || frame(false, CONTINUATION, "");
        let legal = [frame(false, TEXT, ""), more(), more()];
        refuses(
            side,
            few,
            &legal,
            &more().to(side),
            ProtocolError::TooManyFragments,
        );
        let last = frame(true, CONTINUATION, "").to(side);
        refuses(side, few, &legal, &last, ProtocolError::TooManyFragments);
    }
}

#[test]
fn field_10_silence_after_any_error() {
    // Errors that come of frames are put to the same test by the tests of their rows.
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&frame(false, TEXT, "half a mess").to(side).bytes());
        peer.end();
        is_over(peer, ProtocolError::EndOfStream);

        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.deadline(secs(0));
        assert_eq!(peer.ws.handle_timeout(secs(20), &mut peer.out), Ok(()));
        let due = peer.ws.handle_timeout(secs(40), &mut peer.out);
        assert_eq!(due, Err(ProtocolError::PongTimeout));
        peer.error = peer.ws.error();
        is_over(peer, ProtocolError::PongTimeout);

        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        peer.ws.deadline(secs(0));
        let due = peer.ws.handle_timeout(secs(10), &mut peer.out);
        assert_eq!(due, Err(ProtocolError::CloseTimeout));
        peer.error = peer.ws.error();
        is_over(peer, ProtocolError::CloseTimeout);
    }
}

/// The longest pong: header, mask, 125 bytes.
const MAX_PONG: usize = 2 + 4 + 125;

fn numbered_ping(side: Side, i: u32) -> Vec<u8> {
    wire::ping(i.to_be_bytes()).to(side).bytes()
}

#[test]
fn field_11_ten_pings_get_ten_pongs() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        let pings: Vec<u8> = (0..10).flat_map(|i| numbered_ping(side, i)).collect();
        peer.feed(&pings);
        let pongs: Vec<_> = (0..10_u32)
            .map(|i| (true, PONG, i.to_be_bytes().to_vec()))
            .collect();
        assert_eq!(wire::contents(&peer.flush()), pongs);
        assert_eq!(peer.events.len(), 10);
    }
}

#[test]
fn field_11_a_million_pings_in_one_buffer_and_nobody_reads() {
    const PINGS: u32 = 1_000_000;
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        for i in 0..PINGS {
            peer.input.extend_from_slice(&numbered_ping(side, i));
        }
        let mut pings = 0;
        while peer
            .ws
            .next_event(&mut peer.input, &mut peer.out)
            .expect("legal")
            .is_some()
        {
            pings += 1;
        }
        assert_eq!(pings, PINGS);
        assert!(
            peer.out.len() <= Config::new().pong_backlog + MAX_PONG,
            "{}",
            peer.out.len()
        );
        let pongs = peer.flush();
        // The first ones in order, up to the backlog, then the last one of all.
        let (last, first) = pongs.split_last().expect("pongs");
        assert_eq!(last.payload, (PINGS - 1).to_be_bytes());
        assert!(first.len() > 1000);
        assert!(
            first
                .iter()
                .zip(0_u32..)
                .all(|(pong, i)| pong.payload == i.to_be_bytes())
        );
        assert!(pongs.iter().all(|pong| pong.opcode == PONG));
    }
}

#[test]
fn field_11_pings_while_the_output_trickles_away() {
    for (side, backlog) in [(Side::Server, 0), (Side::Client, 100), (Side::Server, 1000)] {
        let mut random = Random(backlog as u64);
        let mut peer = Endpoint::new(side, config(|c| c.pong_backlog = backlog));
        let (mut flushed, mut sent_data) = (BytesMut::new(), 0);
        for i in 0..50_000_u32 {
            // Of all lengths, so that a pong is replaced by longer and by shorter ones.
            let mut payload = i.to_be_bytes().to_vec();
            payload.resize(4 + random.below(122), b'.');
            peer.feed(&wire::ping(payload).to(side).bytes());
            if random.below(8) == 0 {
                peer.ws
                    .send_binary(&i.to_be_bytes(), &mut peer.out)
                    .expect("open");
                sent_data += 1;
            }
            assert_eq!(peer.events.pop().map(|_| peer.events.len()), Some(0));
            // Whatever the socket takes: often nothing, often half a frame.
            let n = random.below(80).min(peer.out.len());
            flushed.extend_from_slice(&peer.out[..n]);
            peer.out.advance(n);
        }
        flushed.extend_from_slice(&peer.out);
        let sent = frames(&flushed);
        let (pongs, data): (Vec<_>, Vec<_>) = sent.iter().partition(|f| f.opcode == PONG);
        assert_eq!(data.len(), sent_data, "a pong took data with it");
        let number = |f: &&Frame| u32::from_be_bytes(f.payload[..4].try_into().expect("4"));
        assert!(
            pongs.iter().map(number).is_sorted_by(|a, b| a < b),
            "out of order"
        );
        assert_eq!(
            sent.iter().map(|f| number(&f)).max(),
            Some(49_999),
            "the last is answered"
        );
        assert!(pongs.len() < 50_000, "nothing was ever replaced");
    }
}

#[test]
fn field_13_fresh_mask_keys() {
    const FRAMES: usize = 1_000_000;
    let mut client = Endpoint::new(Side::Client, Config::new());
    let mut keys = HashSet::with_capacity(FRAMES);
    let (mut bits, mut repeats, mut last) = ([0_u32; 32], 0, None);
    for _ in 0..FRAMES {
        client.ws.send_text("hi", &mut client.out).expect("open");
        let key: [u8; 4] = client.out[2..6].try_into().expect("4");
        client.out.clear();
        repeats += usize::from(last.replace(key) == Some(key));
        let key = u32::from_be_bytes(key);
        keys.insert(key);
        for (bit, count) in bits.iter_mut().enumerate() {
            *count += key >> bit & 1;
        }
    }
    // n²/2^33 = 116 of 10^6 random 32-bit numbers are expected to collide, with a deviation of 11;
    // none would mean a counter, which can be predicted.
    let collisions = FRAMES - keys.len();
    assert!((60..=180).contains(&collisions), "{collisions}");
    assert!(repeats <= 1, "{repeats} keys used twice in a row");
    // Each bit is set half of the time: 500 000, with a deviation of 500.
    assert!(
        bits.iter().all(|count| count.abs_diff(500_000) < 3000),
        "{bits:?}"
    );
}

#[test]
fn field_18_non_minimal_lengths() {
    for (form, lens) in [
        (Form::Bits16, &[0, 1, 124, 125][..]),
        (Form::Bits64, &[0, 125, 126, 65_534, 65_535]),
    ] {
        for len in lens {
            let offending = frame(true, BINARY, vec![0; *len]).form(form);
            refused_by_both(&[], offending, FrameError::NonMinimalLength);
        }
    }
}

#[test]
fn field_18_masks_are_on_the_wrong_side() {
    let legal = [wire::text("hi")];
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        for payload in ["", "hi"] {
            let (plain, c) = (frame(true, opcode, payload), Config::new());
            let masked = plain.clone().masked([1, 2, 3, 4]);
            refuses(
                Side::Server,
                c,
                &legal,
                &plain,
                ProtocolError::UnmaskedFrame,
            );
            refuses(Side::Client, c, &legal, &masked, ProtocolError::MaskedFrame);
        }
    }
}

#[test]
fn field_18_reserved_opcodes() {
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        for fin in [false, true] {
            let offending = frame(fin, opcode, "hi");
            refused_by_both(&[], offending, FrameError::ReservedOpcode(opcode));
        }
    }
}

#[test]
fn field_18_reserved_bits() {
    for rsv in 1..=7 {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            let offending = frame(true, opcode, "").rsv(rsv);
            refused_by_both(&[], offending, ProtocolError::ReservedBit);
        }
        let continuation = frame(true, CONTINUATION, "").rsv(rsv);
        refused_by_both(
            &[frame(false, TEXT, "")],
            continuation,
            ProtocolError::ReservedBit,
        );
    }
}

#[test]
fn field_18_fragmented_and_long_control() {
    for opcode in [PING, PONG, CLOSE] {
        let fragmented = frame(false, opcode, "");
        refused_by_both(&[], fragmented, FrameError::FragmentedControl);
        for len in [126, 127, 65_536] {
            let long = frame(true, opcode, vec![0; len]);
            refused_by_both(&[], long, FrameError::ControlTooLong);
        }
    }
}

#[test]
fn field_18_continuation_without_start() {
    for fin in [false, true] {
        let stray = frame(fin, CONTINUATION, "x");
        refused_by_both(&[], stray.clone(), ProtocolError::UnexpectedContinuation);
        let done = [frame(false, TEXT, "a"), frame(true, CONTINUATION, "b")];
        refused_by_both(&done, stray.clone(), ProtocolError::UnexpectedContinuation);
        let whole = [wire::text("a")];
        refused_by_both(&whole, stray, ProtocolError::UnexpectedContinuation);
    }
}

#[test]
fn field_18_new_message_inside_a_message() {
    for (opcode, fin) in [(TEXT, true), (BINARY, true), (TEXT, false), (BINARY, false)] {
        for payload in ["", "twelve bytes"] {
            let legal = [frame(false, TEXT, "a"), frame(false, CONTINUATION, "")];
            let second = frame(fin, opcode, payload);
            refused_by_both(&legal, second.clone(), ProtocolError::InterleavedMessage);
            let legal = [frame(false, BINARY, ""), wire::pong("")];
            refused_by_both(&legal, second, ProtocolError::InterleavedMessage);
        }
    }
}

#[test]
fn field_18_data_after_close_is_dropped() {
    for side in SIDES {
        let after = [
            wire::text("late"),
            wire::ping("late"),
            wire::close(1001, ""),
        ];
        let after = after.map(|frame| frame.to(side).bytes()).concat();
        let junk = Random(3).bytes(100_000);
        let close = wire::close(1000, "bye").to(side).bytes();
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&[&close[..], &after, &junk].concat());
        peer.feed(&after);
        assert_eq!(peer.events, [OwnedEvent::Close(Some(1000), "bye".into())]);
        assert!(peer.input.unread().is_empty());
        assert_eq!(
            peer.flush()
                .iter()
                .map(Frame::close_code)
                .collect::<Vec<_>>(),
            [1000]
        );
        peer.end();
        assert_eq!(peer.error, None);
    }
}

#[test]
fn field_18_close_codes() {
    for code in [
        0,
        1,
        999,
        1004,
        1005,
        1006,
        1015,
        1016,
        2000,
        2999,
        5000,
        u16::MAX,
    ] {
        for reason in ["", "reason"] {
            let offending = wire::close(code, reason);
            refused_by_both(&[], offending, ProtocolError::InvalidCloseCode(code));
        }
    }
    // The rest of the numbers, without the 10^5 bytes behind each of them.
    for side in SIDES {
        for number in 0..=u16::MAX {
            let legal = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let mut peer = Endpoint::new(side, Config::new());
            peer.feed(&wire::close(number, "").to(side).bytes());
            assert_eq!(peer.error.is_none(), legal, "{number}");
            let answer = if legal { number } else { 1002 };
            assert_eq!(peer.flush()[0].close_code(), answer);
        }
    }
}

#[test]
fn field_18_close_payload() {
    let one_byte = frame(true, CLOSE, [3]);
    refused_by_both(&[], one_byte, ProtocolError::TruncatedCloseCode);
    for reason in [
        &b"\xFF"[..],
        b"ok \xC3",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80 tail",
    ] {
        refused_by_both(&[], wire::close(1000, reason), ProtocolError::InvalidUtf8);
    }
    // Inside a message too; the message is lost.
    let message = [frame(false, TEXT, "half")];
    refused_by_both(
        &message,
        wire::close(1000, b"\xFF"),
        ProtocolError::InvalidUtf8,
    );
}
