//! Proves that compressed data that is wrong ends the connection: at the byte that is wrong, with
//! the right error, in both roles, with and without context takeover. Row 7 of the list of what
//! breaks permessage-deflate elsewhere.

#![cfg(feature = "deflate")]

use websocket_proto::{
    Config, ProtocolError,
    deflate::{DeflateConfig, Params, Pool},
};

mod support;

use support::{
    Endpoint, Frame, SIDES, Side, config,
    deflate::{Blocks, Match, all, alone, compressed, literals, rsv1},
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

/// These frames are fine up to the last byte, which is this error.
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
            let code = error.close_code().expect("it has one").into();
            assert_eq!(sent.last().expect("a Close frame").close_code(), code);
            // And in one read.
            let mut whole = endpoint(side, config, takeover);
            whole.feed(&wire);
            assert_eq!((whole.error, &whole.events), (Some(error), &peer.events));
            // For good.
            Pool::new().hibernate(&mut peer.ws);
            let events = peer.events.len();
            peer.feed(&compressed(alone(b"more")).to(side).bytes());
            peer.end();
            assert_eq!((peer.error, peer.events.len()), (Some(error), events));
        }
    }
}

/// A message that is wrong at the last byte of this payload, whatever would follow.
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

/// A message that is wrong as it is the last byte.
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
    // Behind a final block as well.
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
    // Too many of them: HLIT is 30.
    wrong_at_once(Blocks::new().bits(4, 3).bits(30, 5).bits(0, 9).end());
    // The codes 286 and 30 of the fixed ones.
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
    // The message before is out of reach without context takeover only.
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
    // The tail itself, the head of another block, and blocks that do not end.
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
    // A block that ends at its last bit: the tail alone is the head of a block of 65,280 bytes.
    wrong_at_the_end(Blocks::new().stored(false, b"Hello").end());
    // Blocks that take the tail, or a part of it, for content.
    for missing in 1..=6 {
        let mut payload = Blocks::new().stored(false, &[7; 20]).end();
        payload.truncate(payload.len() - missing);
        wrong_at_the_end(payload.clone());
        payload[0] = 1;
        wrong_at_the_end(payload);
    }
    // One with codes of its own: every cut of it but the right one.
    let plain: Vec<u8> = (0..2000_u32).map(|n| (n * n / 7 % 61) as u8).collect();
    let payload = alone(&plain);
    assert_eq!(payload[0] >> 1 & 3, 2, "it has codes of its own");
    for side in SIDES {
        for at in 1..payload.len() {
            let mut peer = endpoint(side, Config::new(), true);
            peer.feed(&compressed(&payload[..at]).to(side).bytes());
            assert_eq!(peer.error, Some(ProtocolError::InvalidDeflate), "{at}");
        }
    }
}

/// A block with codes of its own that the tail completes, to the middle of its last byte: with
/// bits left over, this is no end.
#[test]
fn field_4_07_a_tail_that_is_taken_for_codes() {
    // Words of one bit for the lengths 0 and 3, in the order 16, 17, 18, 0, 8, ... 2, 14, 1.
    let start = Blocks::new().bits(4, 3).bits(16, 5).bits(7, 5).bits(14, 4);
    let start = (0..18).fold(start, |blocks, at| {
        blocks.bits(usize::from(at == 3 || at == 13), 3)
    });
    // Of the 257 + 16 literals seven and the last have words, of the 8 distances all.
    let literals = (0..257).map(|symbol| usize::from(symbol < 7 || symbol == 256));
    let blocks = literals.fold(start, |blocks, bit| blocks.bits(bit, 1));
    // The lengths of 16 literals and 8 distances are the first 24 bits of the tail, and the end of
    // the block the next three.
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
    // Half a character is only wrong at the end.
    let half = Blocks::new().stored(false, b"\xe2\x82");
    let message = rsv1(frame(true, TEXT, half.message()));
    refused(Config::new(), &[message], ProtocolError::InvalidUtf8);
}

/// Also what the inflater still holds, when there is no room for it.
#[test]
fn field_4_07_the_limit_counts_at_once() {
    let symbols = [literals(b"abc"), vec![Match(10, 3)]].concat();
    let payload = Blocks::new().open(false, &symbols).end();
    for limit in [4, 5, 12] {
        let limited = config(|c| c.max_message_size = limit);
        let message = compressed(&payload).claiming(payload.len() as u64 + 10);
        refused(limited, &[message], ProtocolError::MessageTooBig);
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
