//! Proves that valid compressed messages are received, and invalid ones refused, in both roles, with
//! and without context takeover. The examples of RFC 7692 are among them. The payloads are made by
//! another compressor or by hand.
//!
//! `field_4_NN` in the name of a test is a defect that other implementations of permessage-deflate
//! had. `fixed_NN` is one that this crate had.

#![cfg(feature = "deflate")]

use websocket_proto::{
    Config, Event, ProtocolError,
    deflate::{DeflateConfig, Pool},
};

mod support;

use support::{
    Endpoint, Frame, OwnedEvent, SIDES, Side, Way, config,
    deflate::{
        Blocks, Match, Peer, Symbol, all, alone, always, compressed, literals, params, rsv1,
    },
    frame, frames,
    wire::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT},
};

fn endpoint(side: Side, config: Config, takeover: bool) -> Endpoint {
    Endpoint::with_deflate(side, config, params(takeover, 15), DeflateConfig::new())
}

fn binary(bytes: impl AsRef<[u8]>) -> OwnedEvent {
    OwnedEvent::Binary(bytes.as_ref().to_vec())
}

/// Feeds frames and returns their events. The connection must stay open.
fn events(peer: &mut Endpoint, side: Side, frames: &[Frame]) -> Vec<OwnedEvent> {
    for frame in frames {
        peer.feed(&frame.clone().to(side).bytes());
    }
    assert_eq!(peer.error, None, "{frames:?}");
    peer.take_events()
}

/// Asserts that these payloads inflate to these messages.
fn reads(peer: &mut Endpoint, side: Side, messages: &[(Vec<u8>, &[u8])]) {
    for (payload, plain) in messages {
        let got = events(peer, side, &[compressed(payload)]);
        assert_eq!(got, [binary(plain)], "{side:?}: {payload:02x?}");
    }
}

/// Asserts that the frames end the connection with this error, that its Close frame is in `out`, and
/// that the error is repeated.
fn refused(mut peer: Endpoint, side: Side, frames_in: &[Frame], error: ProtocolError) {
    for frame in frames_in {
        peer.feed(&frame.clone().to(side).bytes());
    }
    assert_eq!(peer.error, Some(error), "{side:?}: {frames_in:?}");
    let events = peer.events.len();
    let sent = frames(&peer.out);
    let code: u16 = error.close_code().expect("a close code").into();
    assert_eq!(sent.last().expect("a Close frame").close_code(), code);
    peer.feed(&compressed(alone(b"more")).to(side).bytes());
    Pool::new().hibernate(&mut peer.ws);
    peer.end();
    assert_eq!((peer.error, peer.events.len()), (Some(error), events));
    assert_eq!(
        frames(&peer.out),
        sent,
        "something was sent after {error:?}"
    );
}

fn refused_by_all(frames: &[Frame], error: ProtocolError) {
    for (side, takeover) in all() {
        refused(endpoint(side, Config::new(), takeover), side, frames, error);
    }
}

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn rfc_7692_7_2_3_1_one_block() {
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        let whole = rsv1(frame(true, TEXT, HELLO));
        assert_eq!(events(peer, side, &[whole]), [OwnedEvent::text("Hello")]);
        let fragments = [
            rsv1(frame(false, TEXT, &HELLO[..3])),
            frame(true, CONTINUATION, &HELLO[3..]),
        ];
        assert_eq!(events(peer, side, &fragments), [OwnedEvent::text("Hello")]);
    }
    // The bytes of the RFC.
    let peer = &mut endpoint(Side::Client, Config::new(), true);
    peer.feed(&[0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    peer.feed(&[0x41, 0x03, 0xf2, 0x48, 0xcd]);
    peer.feed(&[0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00]);
    assert_eq!(peer.events, [(); 2].map(|()| OwnedEvent::text("Hello")));
}

#[test]
fn rfc_7692_7_2_3_2_sharing_the_window() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    for (side, takeover) in all() {
        let mut peer = endpoint(side, Config::new(), takeover);
        reads(&mut peer, side, &[(HELLO.to_vec(), b"Hello")]);
        if takeover {
            reads(&mut peer, side, &[(second.to_vec(), b"Hello")]);
        } else {
            let again = [compressed(second)];
            refused(peer, side, &again, ProtocolError::InvalidDeflate);
        }
    }
}

#[test]
fn rfc_7692_7_2_3_3_a_block_without_compression() {
    let payload = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        reads(
            peer,
            side,
            &[(payload.to_vec(), b"Hello"), (alone(b"next"), b"next")],
        );
    }
}

#[test]
fn rfc_7692_7_2_3_5_two_blocks() {
    let payload = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        reads(
            peer,
            side,
            &[(payload.to_vec(), b"Hello"), (alone(b"next"), b"next")],
        );
    }
}

#[test]
fn rfc_7692_7_2_3_6_an_empty_message() {
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        for other in [b"one", b"two"] {
            reads(peer, side, &[(vec![0], b""), (alone(other), other)]);
        }
    }
}

#[test]
fn field_4_01_a_final_block_and_three_messages() {
    let payload = vec![0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        let plain: [&[u8]; 3] = [
            b"Hello, three",
            b"ordinary messages",
            b"Hello, three ordinary",
        ];
        for _ in 0..2 {
            reads(peer, side, &[(payload.clone(), b"Hello")]);
            let mut other = Peer::new(6);
            for plain in plain {
                let ordinary = match takeover {
                    true => other.message(plain),
                    false => alone(plain),
                };
                reads(peer, side, &[(ordinary, plain)]);
            }
        }
    }
}

/// Every form of a final block, alone or followed by an empty block.
fn finals(symbols: &[Symbol]) -> [Vec<u8>; 4] {
    let exactly = Blocks::new().fixed(true, symbols).aligned();
    let two = Blocks::new().fixed(false, symbols);
    [
        exactly.clone().end(),
        exactly.message(),
        two.clone().stored(true, b"").end(),
        two.stored(true, b"").message(),
    ]
}

#[test]
fn field_4_01_references_past_a_final_block() {
    let again = [&[Match(5, 5)][..], &literals(b"!")].concat();
    for side in SIDES {
        for payload in finals(&literals(b"Hello")) {
            // Two messages follow and refer to it. The first of them also ends with a final block.
            for next in finals(&again) {
                let peer = &mut endpoint(side, Config::new(), true);
                let third = Blocks::new().fixed(false, &[Match(6, 6), Match(10, 17)]);
                let messages: [(_, &[u8]); 4] = [
                    (payload.clone(), b"Hello"),
                    (next, b"Hello!"),
                    (third.message(), b"Hello!HelloHello"),
                    (vec![0], b""),
                ];
                reads(peer, side, &messages);
            }
            // Without context takeover, a message cannot refer to another.
            let peer = endpoint(side, Config::new(), false);
            let next = Blocks::new().fixed(false, &again).message();
            let frames = [compressed(payload), compressed(next)];
            refused(peer, side, &frames, ProtocolError::InvalidDeflate);
        }
    }
}

#[test]
fn field_4_01_final_blocks_inside_of_a_message() {
    let blocks = Blocks::new().fixed(true, &literals(b"abc")).aligned();
    let blocks = blocks
        .fixed(true, &[Match(3, 3)])
        .aligned()
        .stored(true, b"");
    let blocks = blocks.stored(true, b"def").fixed(false, &[Match(9, 9)]);
    let blocks = blocks.fixed(true, &[Match(3, 18)]).aligned();
    let plain = b"abcabcdefabcabcdefabc";
    for (side, takeover) in all() {
        for payload in [blocks.clone().end(), blocks.clone().message()] {
            let peer = &mut endpoint(side, Config::new(), takeover);
            let once = [(payload.clone(), &plain[..]), (alone(b"x"), b"x")];
            reads(peer, side, &once);
            reads(peer, side, &once);
            // The same, split anywhere.
            for at in 0..=payload.len() {
                let (first, second) = payload.split_at(at);
                let fragments = [
                    rsv1(frame(false, BINARY, first)),
                    frame(true, CONTINUATION, second),
                ];
                assert_eq!(events(peer, side, &fragments), [binary(plain)]);
            }
        }
    }
}

#[test]
fn field_4_01_a_whole_window_past_a_final_block() {
    let plain = support::Random(9).bytes(32 << 10);
    let blocks = Blocks::new()
        .stored(true, &plain)
        .fixed(false, &[Match(10, 32 << 10)]);
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        let whole = [&plain[..], &plain[..10]].concat();
        reads(peer, side, &[(blocks.clone().message(), &whole)]);
    }
}

#[test]
fn long_messages_arrive_as_they_were_in_pieces_of_any_size() {
    let plain = support::Random(10).bytes(100_000);
    let payload = alone(&plain);
    for (side, takeover) in all() {
        for size in [1000, 16 << 10, 30_000] {
            let peer = &mut endpoint(side, Config::new(), takeover);
            let cuts: Vec<_> = (1..payload.len()).step_by(size).collect();
            let got = events(peer, side, &fragments(&payload, &cuts));
            assert!(got == [binary(&plain)], "{side:?} {size}");
        }
    }
}

/// A buffer that held a long message is used for another connection with a lower limit.
#[test]
fn field_4_07_the_limit_is_that_of_the_connection() {
    let limited = config(|c| c.max_message_size = 1000);
    for (side, takeover) in all() {
        let mut large = endpoint(side, Config::new(), takeover);
        reads(&mut large, side, &[(alone(&[7; 50_000]), &[7; 50_000])]);
        let mut small = endpoint(side, limited, takeover);
        small.input = large.input;
        reads(&mut small, side, &[(alone(&[7; 1000]), &[7; 1000])]);
        let long = [compressed(alone(&[7; 1001]))];
        refused(small, side, &long, ProtocolError::MessageTooBig);
    }
}

/// The message fills the room exactly: at the limit, at the end of a chunk, and at the length of an
/// earlier message.
#[test]
fn field_4_01_a_final_block_that_fills_the_room() {
    for (side, takeover) in all() {
        let limited = config(|c| c.max_message_size = 5);
        let peer = &mut endpoint(side, limited, takeover);
        for payload in finals(&literals(b"Hello")) {
            reads(peer, side, &[(payload, b"Hello"), (alone(b"x"), b"x")]);
        }
        for len in [16 << 10, 32 << 10, 20_000, 20_001] {
            let plain = vec![7; len];
            let peer = &mut endpoint(side, Config::new(), takeover);
            for payload in [
                Peer::new(6).finished(&plain),
                alone(&plain),
                Blocks::new().stored(true, &plain).end(),
            ] {
                let once = (payload, &plain[..]);
                reads(peer, side, &[once.clone(), once, (alone(b"x"), b"x")]);
            }
        }
    }
}

#[test]
fn field_4_01_a_final_stored_block_alone() {
    let empty = vec![0x01, 0x00, 0x00, 0xff, 0xff];
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        let (next, with_tail) = (alone(b"next"), [&empty[..], &[0]].concat());
        for payload in [empty.clone(), with_tail, vec![0x01], vec![0x02, 0x04]] {
            for _ in 0..2 {
                reads(
                    peer,
                    side,
                    &[(payload.clone(), b""), (next.clone(), b"next")],
                );
            }
        }
    }
}

#[test]
fn field_4_02_no_payload_at_all() {
    for (side, takeover) in all() {
        let peer = &mut endpoint(side, Config::new(), takeover);
        let mut other = Peer::new(6);
        let mut next = || match takeover {
            true => other.message(b"the next one"),
            false => alone(b"the next one"),
        };
        let empty_fragments = [
            rsv1(frame(false, BINARY, "")),
            wire::pong(""),
            frame(false, CONTINUATION, ""),
            frame(true, CONTINUATION, ""),
        ];
        for _ in 0..3 {
            reads(peer, side, &[(vec![], b""), (next(), b"the next one")]);
            let got = events(peer, side, &empty_fragments);
            assert_eq!(got, [OwnedEvent::Pong(vec![]), binary("")]);
            let text = rsv1(frame(true, TEXT, ""));
            assert_eq!(events(peer, side, &[text]), [OwnedEvent::text("")]);
            reads(peer, side, &[(next(), b"the next one")]);
        }
    }
}

#[test]
fn field_4_03_the_smallest_window() {
    for (side, takeover) in all() {
        let params = params(takeover, 8);
        let mut peer = Endpoint::with_deflate(side, Config::new(), params, DeflateConfig::new());
        let plain = [7; 256];
        reads(&mut peer, side, &[(alone(&plain), &plain)]);
        Pool::new().hibernate(&mut peer.ws);
        if takeover {
            let far = Blocks::new().fixed(false, &[Match(10, 256)]).message();
            reads(&mut peer, side, &[(far, &plain[..10])]);
        }
        // This side sends uncompressed, because its compressor does not support the window.
        peer.ws.send_binary(&[7; 1000], &mut peer.out).unwrap();
        assert_eq!(frames(&peer.out)[0].payload, [7; 1000]);
    }
}

/// A message in fragments, split at these positions.
fn fragments(payload: &[u8], cuts: &[usize]) -> Vec<Frame> {
    let mut from = 0;
    let ends = cuts.iter().copied().chain([payload.len()]);
    let pieces = ends.map(|end| &payload[core::mem::replace(&mut from, end)..end]);
    let mut frames: Vec<_> = pieces
        .map(|piece| frame(false, CONTINUATION, piece))
        .collect();
    (frames[0].opcode, frames[0].rsv) = (BINARY, 4);
    frames.last_mut().expect("a frame").fin = true;
    frames
}

#[test]
fn field_4_06_rsv1_in_the_wrong_place() {
    let payload = alone(b"some message");
    let mut second = fragments(&payload, &[3, 6]);
    second[1].rsv = 4;
    refused_by_all(&second[..2], ProtocolError::ReservedBit);
    let mut last = fragments(&payload, &[3]);
    last[1].rsv = 4;
    refused_by_all(&last, ProtocolError::ReservedBit);
    // A plain message cannot continue with a compressed fragment.
    let plain = [
        frame(false, BINARY, "a"),
        rsv1(frame(true, CONTINUATION, "b")),
    ];
    refused_by_all(&plain, ProtocolError::ReservedBit);
    for opcode in [PING, wire::PONG, CLOSE] {
        refused_by_all(&[rsv1(frame(true, opcode, ""))], ProtocolError::ReservedBit);
        let inside = [
            rsv1(frame(false, TEXT, HELLO)),
            rsv1(frame(true, opcode, "")),
        ];
        refused_by_all(&inside, ProtocolError::ReservedBit);
    }
    for rsv in [1, 2, 3, 5, 6, 7] {
        let wrong = frame(true, BINARY, &payload).rsv(rsv);
        refused_by_all(&[wrong], ProtocolError::ReservedBit);
    }
    for side in SIDES {
        let peer = Endpoint::new(side, Config::new());
        let frames = [compressed(&payload)];
        refused(peer, side, &frames, ProtocolError::ReservedBit);
    }
}

#[test]
fn field_4_06_fragments_cut_anywhere_with_control_frames_between() {
    let plain = b"a message, a message, and what is the same in another message";
    for (side, takeover) in all() {
        // The message alone, and with its tail, so that a split is inside the tail.
        let payloads = [
            alone(plain),
            [&alone(plain)[..], &[0, 0, 0xff, 0xff, 0]].concat(),
            [&alone(plain)[..], &[0, 0, 0xff, 0xff]].concat(),
        ];
        let peer = &mut endpoint(side, Config::new(), takeover);
        for payload in &payloads[..2] {
            for at in 0..=payload.len() {
                let mut frames = fragments(payload, &[at, at]);
                frames.insert(1, wire::ping("first"));
                frames.insert(3, wire::pong("second"));
                let expected = [
                    OwnedEvent::Ping(b"first".to_vec()),
                    OwnedEvent::Pong(b"second".to_vec()),
                    binary(plain),
                ];
                assert_eq!(events(peer, side, &frames), expected);
            }
        }
        // If the payload ends with the tail, the receiver appends another. It is half a block.
        let peer = endpoint(side, Config::new(), takeover);
        let frames = [compressed(&payloads[2])];
        refused(peer, side, &frames, ProtocolError::InvalidDeflate);
    }
}

#[test]
fn field_4_07_the_limit_is_on_what_comes_out() {
    let limit = 1000;
    let limited = config(|c| c.max_message_size = limit);
    let error = ProtocolError::MessageTooBig;
    for (side, takeover) in all() {
        for (opcode, byte) in [(TEXT, b'x'), (BINARY, 0)] {
            let message = |len: usize| rsv1(frame(true, opcode, alone(&vec![byte; len])));
            let peer = &mut endpoint(side, limited, takeover);
            for len in [limit - 1, limit, 0, limit] {
                assert_eq!(events(peer, side, &[message(len)]).len(), 1);
            }
            for len in [limit + 1, limit + 2, 20_000, 1 << 20] {
                let peer = endpoint(side, limited, takeover);
                refused(peer, side, &[message(limit), message(len)], error);
                // The same for a message that is not complete.
                let mut endless = message(len);
                endless.fin = false;
                refused(endpoint(side, limited, takeover), side, &[endless], error);
            }
        }
        // A limit of 0 bytes.
        let nothing = config(|c| c.max_message_size = 0);
        let peer = &mut endpoint(side, nothing, takeover);
        reads(
            peer,
            side,
            &[(vec![0], b""), (vec![], b""), (vec![0x01], b"")],
        );
        let peer = endpoint(side, nothing, takeover);
        refused(peer, side, &[compressed(alone(b"x"))], error);
    }
}

#[test]
fn field_4_07_what_a_compressed_payload_may_have() {
    let limit = 1000;
    let limited = config(|c| c.max_message_size = limit);
    // Empty blocks, which inflate to nothing.
    let payload = |len: usize| {
        Blocks::new()
            .stored(false, b"")
            .end()
            .repeat(len.div_ceil(5))
    };
    for (side, takeover) in all() {
        for cuts in [&[][..], &[10], &[0, 1300]] {
            let most = limit + limit / 4 + 64 * (cuts.len() + 1);
            let peer = &mut endpoint(side, limited, takeover);
            // The payload may end inside a block, because only the headers of the frames matter.
            let right = payload(most)[..most].to_vec();
            for frame in fragments(&right, cuts) {
                peer.feed(&frame.to(side).bytes());
            }
            assert_ne!(peer.error, Some(ProtocolError::MessageTooBig));

            let long = payload(most + 1)[..=most].to_vec();
            let mut frames = fragments(&long, cuts);
            let last = frames.pop().expect("a frame");
            // The header of the last frame is enough for the error.
            let len = last.payload.len() as u64;
            frames.push(Frame {
                payload: vec![],
                ..last.claiming(len)
            });
            let peer = endpoint(side, limited, takeover);
            refused(peer, side, &frames, ProtocolError::MessageTooBig);
        }
        // `max_frame_size` limits the compressed size.
        let frames = config(|c| c.max_frame_size = 20);
        let plain = [7; 500];
        let payload = alone(&plain);
        assert!(payload.len() <= 20);
        reads(
            &mut endpoint(side, frames, takeover),
            side,
            &[(payload, &plain)],
        );
        let long = [compressed(alone(b"more than twenty bytes"))];
        let peer = endpoint(side, frames, takeover);
        refused(peer, side, &long, ProtocolError::FrameTooBig);
    }
}

/// Compressed zeros: 64 MiB in about 66 kB. Another block can follow.
fn bomb(len: usize) -> Vec<u8> {
    Peer::new(6).flushed(&vec![0; len])
}

#[test]
fn fixed_01_final_blocks_have_a_limit() {
    // An empty final block with the fixed codes.
    let empty = [0x03, 0x00];
    for (side, takeover) in all() {
        // The maximum number of final blocks.
        let at_limit = [&empty.repeat(7)[..], &alone(b"x")].concat();
        let peer = &mut endpoint(side, Config::new(), takeover);
        let once = (at_limit.clone(), &b"x"[..]);
        let one_more = [&empty[..], &at_limit].concat();
        reads(peer, side, &[once.clone(), (one_more.clone(), b"x"), once]);

        let two_more = [&empty[..], &one_more].concat();
        for cut in [1, usize::MAX] {
            let mut peer = endpoint(side, Config::new(), takeover);
            let wire = compressed(&two_more).to(side).bytes();
            wire.chunks(cut.min(wire.len()))
                .for_each(|it| peer.feed(it));
            assert_eq!(peer.error, Some(ProtocolError::TooManyFinalBlocks));
            let [close] = &frames(&peer.out)[..] else {
                panic!("expected one Close frame")
            };
            assert_eq!(close.close_code(), 1009);
        }

        // The application can set the limit.
        let mut deflate = DeflateConfig::new();
        deflate.max_final_blocks = 1000;
        let config = Config::new();
        let mut peer = Endpoint::with_deflate(side, config, params(takeover, 15), deflate);
        let many = [&empty.repeat(1000)[..], &alone(b"x")].concat();
        reads(&mut peer, side, &[(many.clone(), b"x"), (many, b"x")]);
    }
}

#[test]
fn fixed_01_final_blocks_behind_64_mib_are_refused() {
    let (side, len) = (Side::Server, 63 << 20);
    let limited = config(|c| c.max_message_size = 64 << 20);
    let mut peer = endpoint(side, limited, true);
    peer.feed(&rsv1(frame(false, BINARY, bomb(len))).to(side).bytes());
    assert_eq!(peer.ws.deflate_stats().received.plain, len as u64);
    let finals = [0x03, 0x00].repeat(131_072);
    peer.feed(&frame(true, CONTINUATION, finals).to(side).bytes());
    assert_eq!(peer.error, Some(ProtocolError::TooManyFinalBlocks));
    // Bytes after the ninth final block were not inflated.
    let received = peer.ws.deflate_stats().received;
    assert_eq!(received.compressed, bomb(len).len() as u64 + 2 * 9);
}

#[test]
fn fixed_02_one_call_inflates_a_few_mib() {
    // 1 MiB, and what is inflated at once: at the beginning of a message, and in the end.
    const MOST: u64 = (1 << 20) + 2 * (64 << 10);
    for (side, takeover) in all() {
        for text in [false, true] {
            let len = 40 << 20;
            let opcode = if text { TEXT } else { BINARY };
            let limited = config(|c| c.max_message_size = 64 << 20);
            let mut peer = endpoint(side, limited, takeover);
            let frame = rsv1(frame(true, opcode, Peer::new(6).message(&vec![0; len])));
            peer.input.extend_from_slice(&frame.to(side).bytes());
            let (mut before, mut calls, mut parts) = (0, 0, 0);
            loop {
                let event = peer.ws.next_event(&mut peer.input, &mut peer.out);
                let event = event.expect("legal").expect("all of it is here");
                let plain = peer.ws.deflate_stats().received.plain;
                assert!(plain - before <= MOST, "{plain} after {before}");
                before = plain;
                match event {
                    Event::Progress => calls += 1,
                    Event::TextPart(part) => (calls, parts) = (calls + 1, parts + part.len()),
                    Event::BinaryPart(part) => (calls, parts) = (calls + 1, parts + part.len()),
                    Event::TextEnd(part) => break assert_eq!(parts + part.len(), len),
                    Event::BinaryEnd(part) => break assert_eq!(parts + part.len(), len),
                    // Behind the last byte, 4 MiB a call are made one piece.
                    Event::Text(text) => break assert_eq!(text.len(), len),
                    Event::Binary(bytes) => break assert_eq!(bytes.len(), len),
                    other => panic!("{other:?}"),
                }
            }
            let (inflating, joining) = (len as u64 / MOST, len as u64 / (4 << 20));
            assert!(calls >= inflating + joining - 1, "{calls} calls");
            // A part has 32 KiB at least.
            assert!(calls <= len as u64 / (32 << 10), "{calls} calls");
            assert_eq!(peer.input.unread(), b"");
        }
    }
}

/// After a final block a reference beyond the negotiated window was accepted or not, depending on
/// whether the message was delivered whole or in parts.
#[test]
fn fixed_19_one_window_after_a_final_block_in_parts_too() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let payload = "\
        m/9+RAACAJvjsLCwAQIAm+OwsbCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwm+Ob/35E\
        AAIAm+OwsLABAgCb47CxsOGwsLCwsLCwsLCw/xuwsLCwsLCwsLCwsLCwsLCwsLCwsLCwkLCwsLCwsLCw\
        sLC5sJub8/73T09PT2+wsLCwsLCwsLCwAAKwAQIAm+OwsbCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCw\
        sLCwsLCwsLCwm+Ob/35EAAIAm+OwsLABAgCb47CxsOGwsLCwsLCwsACb47CwsAE=";
    let mut bytes = vec![0; payload.len()];
    let len = STANDARD.decode_slice(payload, &mut bytes).unwrap();
    let wire = compressed(&bytes[..len]).to(Side::Server).bytes();
    let run = |way, size| {
        let limited = config(|c| c.max_message_size = 1500);
        let (params, deflate) = (params(true, 8), always(|c| c.max_final_blocks = u32::MAX));
        let mut peer = Endpoint::with_deflate_in_way(way, Side::Server, limited, params, deflate);
        wire.chunks(size).for_each(|piece| peer.feed(piece));
        peer.end();
        (peer.events, peer.error)
    };
    let whole = run(Way::Whole, wire.len());
    for (way, size) in Way::ALL.into_iter().flat_map(|way| [(way, 1), (way, 156)]) {
        assert_eq!(run(way, size), whole, "{way:?}, {size}");
    }
}

/// The documentation said that the default limits exclude it.
#[test]
fn fixed_42_progress_comes_with_the_default_limits_too() {
    let zeros = Peer::new(9).finished(&vec![0; 1 << 20]);
    for (side, takeover) in all() {
        let (params, deflate) = (params(takeover, 15), DeflateConfig::new());
        let mut peer =
            Endpoint::with_deflate_in_way(Way::Whole, side, Config::new(), params, deflate);
        let wire = compressed(&*zeros).to(side).bytes();
        peer.input.extend_from_slice(&wire);
        let event = peer.ws.next_event(&mut peer.input, &mut peer.out);
        assert_eq!(event, Ok(Some(Event::Progress)));
        let event = peer.ws.next_event(&mut peer.input, &mut peer.out);
        assert!(matches!(event, Ok(Some(Event::Binary(bytes))) if bytes.len() == 1 << 20));
    }
}
