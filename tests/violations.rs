//! Proves the reaction to every rule that a peer can break: the exact error, and a Close frame with
//! the right code in `out`. Afterwards the error is repeated, no event follows, and later bytes
//! change nothing.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had: lengths (4),
//! endless messages (6, 7), events after an error (10), and the rules of RFC 6455 one by one (18).

use std::collections::BTreeSet;

use websocket_proto::{Config, ProtocolError, SendError, frame::FrameError};

mod support;

use support::{
    Endpoint, Frame, OwnedEvent, Random, SIDES, Side, code, config, frame, frames, secs, variants,
    wire::{self, BINARY, CLOSE, CONTINUATION, Form, PING, PONG, TEXT},
};

/// Feeds valid frames, then the offending one, and checks what follows.
fn refuses(side: Side, config: Config, legal: &[Frame], offending: &Frame, error: ProtocolError) {
    let mut peer = Endpoint::new(side, config);
    for frame in legal {
        peer.feed(&frame.clone().to(side).bytes());
    }
    assert_eq!(
        (peer.error, peer.out.len()),
        (None, 0),
        "an error before the offending frame"
    );
    let events = peer.events.len();
    peer.feed(&offending.bytes());
    assert_eq!(peer.error, Some(error), "{side:?}: {offending:?}");
    assert_eq!(peer.events.len(), events, "an event came of {offending:?}");
    is_over(peer, error);
}

/// Asserts that the Close frame is in `out`, and that later calls and bytes change nothing.
fn is_over(mut peer: Endpoint, error: ProtocolError) {
    let sent = frames(&peer.out);
    if let Some(code) = error.close_code() {
        let last = sent.last().expect("a Close frame");
        assert_eq!(last.close_code(), u16::from(code));
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
        assert!(peer.input.unread().is_empty(), "later bytes are kept");
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
        Ok(()),
        "close is not an error on a closed connection"
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
        refused_by_both(&[], offending, ProtocolError::MessageTooBig);
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
                // If the length fits into `usize`, the frame is never complete. If it does not fit,
                // the frame is refused, and the length is not truncated. The sum of the lengths does
                // not overflow.
                let fits = usize::try_from(len).is_ok();
                assert_eq!(peer.error, (!fits).then_some(ProtocolError::MessageTooBig));
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
        // 1000 bytes and an empty frame are within the limit.
        let mut legal = vec![more; 9];
        legal.insert(0, start);
        legal.push(frame(false, CONTINUATION, ""));
        let one_more = frame(false, CONTINUATION, "").claiming(1).to(side);
        refuses(side, small, &legal, &one_more, ProtocolError::MessageTooBig);

        // A message of exactly the limit arrives, in one frame or in fragments. The count starts at
        // zero for the next message.
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
        assert!((131_072..131_072 + 1000).contains(&fed), "{fed}");
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

/// An endpoint with compression, if the crate has it.
fn negotiated(side: Side, config: Config) -> Endpoint {
    #[cfg(feature = "deflate")]
    {
        use support::deflate::{always, params};
        Endpoint::with_deflate(side, config, params(true, 15), always(|_| {}))
    }
    #[cfg(not(feature = "deflate"))]
    Endpoint::new(side, config)
}

/// The frames by which a peer causes each error. The last one causes it.
fn ways_to_fail(side: Side) -> Vec<Vec<Frame>> {
    let start = || frame(false, TEXT, "");
    let more = || frame(false, CONTINUATION, "");
    let long = || frame(false, BINARY, [0; 1000]);
    let mut ways = vec![
        vec![frame(true, 0x3, "")],
        vec![frame(true, BINARY, "").form(Form::Bits16)],
        vec![frame(true, BINARY, "").claiming(1 << 63)],
        vec![frame(false, PING, "")],
        vec![frame(true, PING, [0; 126])],
        vec![frame(true, TEXT, "").rsv(2)],
        vec![more()],
        vec![start(), start()],
        vec![frame(true, CLOSE, [3])],
        vec![wire::close(1005, "")],
        vec![frame(true, TEXT, b"\xFF")],
        vec![frame(true, BINARY, "").claiming(1001)],
        vec![long(), frame(true, CONTINUATION, [0; 501])],
        vec![start(), more(), more()],
    ];
    if cfg!(feature = "deflate") {
        // A block of a type that does not exist, and nine final blocks.
        ways.push(vec![frame(true, BINARY, [7]).rsv(4)]);
        ways.push(vec![frame(true, BINARY, [3, 0].repeat(9)).rsv(4)]);
    }
    for frame in ways.iter_mut().flatten() {
        *frame = frame.clone().to(side);
    }
    ways.push(vec![wire::text("").to(side.peer())]);
    ways
}

#[test]
fn field_10_silence_after_any_error() {
    let limited = config(|c| {
        c.max_frame_size = 1000;
        c.max_message_size = 1500;
        c.max_fragments = 2;
    });
    let mut seen = Vec::new();
    for side in SIDES {
        for frames in ways_to_fail(side) {
            let mut peer = negotiated(side, limited);
            let (last, before) = frames.split_last().expect("frames");
            for frame in before {
                peer.feed(&frame.bytes());
            }
            assert_eq!((peer.error, peer.out.len()), (None, 0), "{before:?}");
            peer.feed(&last.bytes());
            let error = peer.error.expect("an error");
            seen.push(error);
            is_over(peer, error);
        }

        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&frame(false, TEXT, "half a mess").to(side).bytes());
        peer.end();
        seen.push(ProtocolError::EndOfStream);
        is_over(peer, ProtocolError::EndOfStream);

        let mut late = |mut peer: Endpoint, at: u64, error| {
            let due = peer.ws.handle_timeout(secs(at), &mut peer.out);
            assert_eq!(due, Err(error));
            peer.error = peer.ws.error();
            seen.push(error);
            is_over(peer, error);
        };
        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.deadline(secs(0));
        assert_eq!(peer.ws.handle_timeout(secs(20), &mut peer.out), Ok(()));
        late(peer, 40, ProtocolError::PongTimeout);

        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        peer.ws.deadline(secs(0));
        late(peer, 10, ProtocolError::CloseTimeout);

        let mut peer = Endpoint::new(side, config(|c| c.ping_interval = None));
        peer.feed(&frame(false, TEXT, "").to(side).bytes());
        peer.ws.deadline(secs(0));
        late(peer, 20, ProtocolError::MessageTimeout);
    }
    let frame_errors = seen.iter().filter_map(|error| match error {
        ProtocolError::Frame(error) => Some(support::variant(error)),
        _ => None,
    });
    let frame_errors: BTreeSet<_> = frame_errors.collect();
    let errors: BTreeSet<_> = seen.iter().map(support::variant).collect();
    let all = variants(include_str!("../src/frame/header.rs"), "FrameError");
    assert!(
        frame_errors.iter().eq(&all),
        "{frame_errors:?}, not {all:?}"
    );
    let mut all = variants(include_str!("../src/error.rs"), "ProtocolError");
    if !cfg!(feature = "deflate") {
        all.retain(|name| !["InvalidDeflate", "TooManyFinalBlocks"].contains(name));
    }
    assert!(errors.iter().eq(&all), "{errors:?}, not {all:?}");
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
    // Also inside a message. The message is lost.
    let message = [frame(false, TEXT, "half")];
    refused_by_both(
        &message,
        wire::close(1000, b"\xFF"),
        ProtocolError::InvalidUtf8,
    );
}
