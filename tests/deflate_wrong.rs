//! Proves that invalid compressed data ends the connection: at the first wrong byte, with the right
//! error, in both roles, with and without context takeover.
//!
//! `field_4_07` in the name of a test is a defect that other implementations of permessage-deflate
//! had.

#![cfg(feature = "deflate")]

use websocket_proto::{
    Config, ProtocolError,
    deflate::{DeflateConfig, Params, Pool},
};

mod support;

use support::{
    Endpoint, Frame, SIDES, Side, config,
    deflate::{Blocks, Match, all, alone, always, compressed, literals, params, rsv1},
    frame, frames,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

fn endpoint(side: Side, config: Config, takeover: bool) -> Endpoint {
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        ..Params::default()
    };
    Endpoint::with_deflate(side, config, params, DeflateConfig::new())
}

/// Asserts that the last byte of these frames causes this error, and no byte before it does.
fn refused(config: Config, frames_in: &[Frame], error: ProtocolError) {
    for side in SIDES {
        for takeover in [true, false] {
            let mut peer = endpoint(side, config, takeover);
            let wire: Vec<_> = (frames_in.iter())
                .flat_map(|frame| frame.clone().to(side).bytes())
                .collect();
            let (last, before) = wire.split_last().expect("bytes");
            before.iter().for_each(|byte| peer.feed(&[*byte]));
            assert_eq!(peer.error, None, "too early: {frames_in:?}");
            peer.feed(&[*last]);
            assert_eq!(peer.error, Some(error), "{side:?}: {frames_in:?}");
            let sent = frames(&peer.out);
            let code: u16 = error.close_code().expect("a close code").into();
            assert_eq!(sent.last().expect("a Close frame").close_code(), code);
            // The same in one read.
            let mut whole = endpoint(side, config, takeover);
            whole.feed(&wire);
            assert_eq!((whole.error, &whole.events), (Some(error), &peer.events));
            // The error stays.
            Pool::new().hibernate(&mut peer.ws);
            let events = peer.events.len();
            peer.feed(&compressed(alone(b"more")).to(side).bytes());
            peer.end();
            assert_eq!((peer.error, peer.events.len()), (Some(error), events));
        }
    }
}

/// Asserts that the last byte of this payload is an error, whatever follows it.
fn wrong_at_once(payload: Vec<u8>) {
    let len = payload.len() as u64;
    let mut message = compressed(&payload);
    let corrupt = ProtocolError::InvalidDeflate;
    refused(Config::new(), &[message.clone()], corrupt);
    message = message.claiming(len + 100);
    refused(
        Config::new(),
        &[compressed(alone(b"before")), message],
        corrupt,
    );
}

/// Asserts that a message with this payload is an error because it ends here.
fn wrong_at_the_end(payload: Vec<u8>) {
    let corrupt = ProtocolError::InvalidDeflate;
    refused(Config::new(), &[compressed(&payload)], corrupt);
    let (last, before) = payload.split_last().expect("bytes");
    let fragments = [
        rsv1(frame(false, BINARY, before)),
        wire::pong("between"),
        frame(true, CONTINUATION, [*last]),
    ];
    refused(Config::new(), &fragments, corrupt);
}

#[test]
fn field_4_07_reserved_block_type() {
    wrong_at_once(vec![0x06]);
    wrong_at_once(vec![0x07]);
    wrong_at_once(Blocks::new().stored(false, b"abc").bits(6, 3).end());
    // The same after a final block.
    wrong_at_once(Blocks::new().stored(true, b"abc").bits(6, 3).end());
}

#[test]
fn field_4_07_too_many_final_blocks() {
    const MOST: usize = 8;
    let blocks = |count| [0x03, 0x00].repeat(count);
    // The last one may be the empty block that ends with the message.
    let and_the_end = |count| [blocks(count), vec![0x01]].concat();
    for (side, takeover) in all() {
        let mut peer = endpoint(side, Config::new(), takeover);
        for payload in [and_the_end(MOST - 1), blocks(MOST), and_the_end(MOST - 1)] {
            peer.feed(&compressed(payload).to(side).bytes());
        }
        assert_eq!((peer.error, peer.events.len()), (None, 3));
    }
    for payload in [blocks(MOST + 1), and_the_end(MOST)] {
        let error = ProtocolError::TooManyFinalBlocks;
        refused(Config::new(), &[compressed(payload)], error);
    }
}

#[test]
fn field_4_07_lengths_of_a_stored_block() {
    wrong_at_once(vec![0x00, 0x05, 0x00, 0xfa, 0xfe]);
    wrong_at_once(vec![0x01, 0x00, 0x00, 0x00, 0x00]);
}

#[test]
fn field_4_07_codes_that_do_not_exist() {
    // Too many codes: HLIT is 30.
    wrong_at_once(Blocks::new().bits(4, 3).bits(30, 5).bits(0, 9).end());
    // The fixed codes have no literal 286 and no distance 30.
    let literal_286 = Blocks::new().bits(2, 3).bits(0b0110_0011, 8);
    wrong_at_once(literal_286.end());
    let open = Blocks::new().open(false, &literals(b"abc"));
    let distance_30 = open.bits(0b100_0000, 7).bits(0b01111, 5);
    wrong_at_once(distance_30.end());
}

#[test]
fn field_4_07_distances_too_far_back() {
    for symbols in [
        vec![Match(3, 1)],
        [literals(b"Hello"), vec![Match(3, 6)]].concat(),
        [literals(b"Hello"), vec![Match(3, 24_577)]].concat(),
    ] {
        let payload = Blocks::new().fixed(false, &symbols).message();
        let message = [compressed(payload)];
        let corrupt = ProtocolError::InvalidDeflate;
        for side in SIDES {
            for takeover in [true, false] {
                let mut peer = endpoint(side, Config::new(), takeover);
                peer.feed(&message[0].clone().to(side).bytes());
                assert_eq!(peer.error, Some(corrupt));
            }
        }
    }
    // With context takeover, a message can refer to the message before it.
    for side in SIDES {
        for takeover in [true, false] {
            let mut peer = endpoint(side, Config::new(), takeover);
            peer.feed(&compressed(alone(b"Hello")).to(side).bytes());
            let far = Blocks::new().fixed(false, &[Match(5, 5)]).message();
            peer.feed(&compressed(far).to(side).bytes());
            assert_eq!(peer.events.len(), 1 + usize::from(takeover));
            assert_eq!(peer.error.is_none(), takeover);
        }
    }
}

#[test]
fn field_4_07_trailing_garbage() {
    let message = Blocks::new().fixed(false, &literals(b"Hello"));
    // The message ends with the tail, with the header of another block, or inside a block.
    wrong_at_the_end(message.clone().stored(false, b"").end());
    wrong_at_the_end([&message.clone().message()[..], &[0]].concat());
    wrong_at_the_end([&message.clone().message()[..], &[0, 0, 0xff, 0xff, 2]].concat());
    wrong_at_the_end([&message.clone().message()[..], &[0, 0, 0xff, 0xff, 4]].concat());
    let finished = Blocks::new().stored(true, b"Hello").end();
    wrong_at_the_end([&finished[..], &[0, 0]].concat());
    wrong_at_the_end([&finished[..], &[0x02]].concat());
}

#[test]
fn field_4_07_truncated_blocks() {
    let open = Blocks::new().open(false, &literals(b"Hello"));
    wrong_at_the_end(open.end());
    wrong_at_the_end(Blocks::new().open(true, &literals(b"Hello")).end());
    // The block ends at the end of a byte. The tail alone is then the header of a block of 65,280
    // bytes.
    wrong_at_the_end(Blocks::new().stored(false, b"Hello").end());
    // Stored blocks that are not complete: the tail, or a part of it, becomes their content.
    for missing in 1..=6 {
        let mut payload = Blocks::new().stored(false, &[7; 20]).end();
        payload.truncate(payload.len() - missing);
        wrong_at_the_end(payload.clone());
        payload[0] = 1;
        wrong_at_the_end(payload);
    }
    // A block with dynamic codes: every prefix is invalid.
    let plain: Vec<u8> = (0..2000_u32).map(|n| (n * n / 7 % 61) as u8).collect();
    let payload = alone(&plain);
    assert_eq!(payload[0] >> 1 & 3, 2, "the block has dynamic codes");
    for side in SIDES {
        for at in 1..payload.len() {
            let mut peer = endpoint(side, Config::new(), true);
            peer.feed(&compressed(&payload[..at]).to(side).bytes());
            assert_eq!(peer.error, Some(ProtocolError::InvalidDeflate), "{at}");
        }
    }
}

/// The tail completes a block with dynamic codes in the middle of its last byte. Bits are left over,
/// so the message is invalid.
#[test]
fn field_4_07_a_tail_that_is_taken_for_codes() {
    // The lengths 0 and 3 have words of one bit. The order is 16, 17, 18, 0, 8, ... 2, 14, 1.
    let start = Blocks::new().bits(4, 3).bits(16, 5).bits(7, 5).bits(14, 4);
    let start = (0..18).fold(start, |blocks, at| {
        blocks.bits(usize::from(at == 3 || at == 13), 3)
    });
    // Seven literals, the end of block, 16 more literals and all 8 distances have words.
    let literals = (0..257).map(|symbol| usize::from(symbol < 7 || symbol == 256));
    let blocks = literals.fold(start, |blocks, bit| blocks.bits(bit, 1));
    // The first 24 bits of the tail are the lengths of the 16 literals and 8 distances. The next
    // three bits are the end of the block.
    let payload = blocks.end();
    assert_eq!(payload.len(), 41);
    wrong_at_the_end(payload);
}

#[test]
fn field_4_07_text_is_refused_as_it_comes_out() {
    for wrong in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0", b"ok \xf0\x9f\x98x"] {
        let payload = Blocks::new()
            .stored(false, &[wrong, b"more"].concat())
            .end();
        let (now, later) = payload.split_at(5 + wrong.len());
        let fragment = rsv1(frame(false, TEXT, now)).claiming(payload.len() as u64);
        refused(Config::new(), &[fragment], ProtocolError::InvalidUtf8);
        let fragments = [
            rsv1(frame(false, TEXT, &now[..now.len() - 1])),
            wire::ping("between"),
            frame(false, CONTINUATION, [&now[now.len() - 1..], later].concat()),
        ];
        let mut peer = endpoint(Side::Server, Config::new(), true);
        for fragment in fragments {
            peer.feed(&fragment.to(Side::Server).bytes());
        }
        assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
    }
    // A part of a character is an error only at the end of the message.
    let half = Blocks::new().stored(false, b"\xe2\x82");
    let message = rsv1(frame(true, TEXT, half.message()));
    refused(Config::new(), &[message], ProtocolError::InvalidUtf8);
}

/// The limit also applies to bytes that the inflater holds back because there is no room for them.
#[test]
fn field_4_07_the_limit_counts_at_once() {
    let symbols = [literals(b"abc"), vec![Match(10, 3)]].concat();
    let payload = Blocks::new().open(false, &symbols).end();
    for limit in [4, 5, 12] {
        let limited = config(|c| c.max_message_size = limit);
        let message = compressed(&payload).claiming(payload.len() as u64 + 10);
        refused(limited, &[message], ProtocolError::MessageTooBig);
        // The frame ends inside the match.
        let fragment = rsv1(frame(false, BINARY, &*payload));
        refused(limited, &[fragment], ProtocolError::MessageTooBig);
    }
}

#[test]
fn field_4_07_what_comes_out_first_counts_first() {
    let limited = config(|c| c.max_message_size = 5);
    for (plain, error) in [
        (&b"four\xff"[..], ProtocolError::InvalidUtf8),
        (b"fo\xc3ur", ProtocolError::InvalidUtf8),
        (b"five5\xff", ProtocolError::MessageTooBig),
        (b"five5", ProtocolError::InvalidDeflate),
        (b"four\xe2", ProtocolError::InvalidDeflate),
    ] {
        let wrong = Blocks::new().fixed(false, &literals(plain)).bits(6, 3);
        for side in SIDES {
            let mut peer = endpoint(side, limited, true);
            let message = rsv1(frame(true, TEXT, wrong.clone().end()));
            peer.feed(&message.to(side).bytes());
            assert_eq!(peer.error, Some(error), "{plain:?}");
        }
    }
}

/// How a message arrives never decides whether it is refused. If it is wrong and also refers beyond
/// a small window, only the error can differ (manual of `deflate`, "Limits").
#[test]
fn a_reference_beyond_a_small_window_is_accepted_or_not_in_every_way() {
    let far = Blocks::new().fixed(false, &[literals(b"a"), vec![Match(5, 1000)]].concat());
    let final_block = far.clone().fixed(true, &literals(b"b")).aligned();
    let cases = [
        (far.clone().message(), true),
        // The empty block at the end is marked as final.
        (far.clone().bits(1, 3).end(), true),
        (final_block.bits(0, 8).end(), true),
        // Not complete, and not valid.
        (far.clone().open(false, &literals(b"b")).end(), false),
        (far.clone().bits(6, 3).end(), false),
        (far.fixed(false, &literals(b"\xff")).bits(6, 3).end(), false),
    ];
    for (at, (payload, valid)) in cases.into_iter().enumerate() {
        for (side, kind) in SIDES.into_iter().flat_map(|it| [(it, TEXT), (it, BINARY)]) {
            let first = compressed(alone(&b"0123456789".repeat(150)));
            let message = rsv1(frame(true, kind, &*payload));
            let wire = [first, message]
                .map(|frame| frame.to(side).bytes())
                .concat();
            for size in 1..=wire.len() {
                let deflate = always(|_| {});
                let mut peer =
                    Endpoint::with_deflate(side, Config::new(), params(true, 9), deflate);
                wire.chunks(size).for_each(|piece| peer.feed(piece));
                assert_eq!(peer.error.is_none(), valid, "{at}, {size}");
                assert_eq!(peer.events.len(), 1 + usize::from(valid), "{at}, {size}");
            }
        }
    }
}

#[test]
fn wrong_text_is_found_before_the_next_frame() {
    let wrong = Blocks::new().fixed(false, &literals(b"a\xff")).message();
    let wrong = rsv1(frame(false, TEXT, wrong));
    for side in SIDES {
        for takeover in [true, false] {
            let wire = [wrong.clone(), wire::ping("behind it")];
            let wire = wire.map(|frame| frame.to(side).bytes()).concat();
            let mut peer = endpoint(side, Config::new(), takeover);
            peer.feed(&wire);
            assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
            assert_eq!(peer.events, [], "the ping came first");
        }
    }
}
