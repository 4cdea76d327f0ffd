//! Proves that messages are sent compressed as configured: which messages, in which frames, and that
//! a peer with the negotiated window can read all of them, in both roles.
//!
//! `field_4_NN` in the name of a test is a defect that other implementations of permessage-deflate
//! had.

#![cfg(feature = "deflate")]

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, MessageKind, Prepared, ProtocolError, RecvBuf, Role, SendError,
    deflate::{ByteCount, Compression, DeflateConfig, Params, Pool, Preparer, Stats},
    handshake::Header,
};

mod support;

use support::{
    Endpoint, Frame, OwnedEvent, Random, Reference, SIDES, Side, config,
    deflate::{all, always, params, strict},
    frame,
    wire::{BINARY, CONTINUATION, PING, TEXT, compressed_frames},
};

/// An endpoint that sends, and a reference peer that fails if a message breaks the negotiated
/// parameters.
struct Sent {
    end: Endpoint,
    peer: Reference,
}

impl Sent {
    fn new(side: Side, config: Config, params: Params, deflate: DeflateConfig) -> Self {
        Self {
            end: Endpoint::with_deflate(side, config, params, deflate),
            peer: Reference::new(side.peer(), Config::new()).with_deflate(strict(side, params)),
        }
    }

    fn binary(&mut self, message: impl AsRef<[u8]>) {
        let (end, message) = (&mut self.end, message.as_ref());
        end.ws.send_binary(message, &mut end.out).unwrap();
    }

    /// Lets the peer read `out` and returns its frames.
    fn frames(&mut self) -> Vec<Frame> {
        let out = self.end.out.split();
        self.peer.feed(&out);
        assert_eq!(self.peer.error, None);
        compressed_frames(&out)
    }

    /// Lets the peer read `out`. Returns its messages, and for each frame whether it is compressed.
    fn read(&mut self) -> (Vec<OwnedEvent>, Vec<bool>) {
        let frames = self.frames();
        let compressed = frames.iter().map(|frame| frame.rsv == 4).collect();
        (core::mem::take(&mut self.peer.events), compressed)
    }

    /// Sends one message. Returns whether it was compressed.
    fn one(&mut self, message: impl AsRef<[u8]>) -> bool {
        self.binary(&message);
        let (events, compressed) = self.read();
        assert_eq!(events, [OwnedEvent::Binary(message.as_ref().to_vec())]);
        assert_eq!(compressed.len(), 1);
        compressed[0]
    }
}

#[test]
fn rfc_7692_7_2_3_the_examples_as_they_are_sent() {
    let text = |ws: &mut Connection| {
        let mut out = bytes::BytesMut::new();
        ws.send_text("Hello", &mut out).unwrap();
        out.to_vec()
    };
    let hello = [0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let shared = [0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut sent = Sent::new(
        Side::Server,
        Config::new(),
        params(true, 15),
        always(|_| {}),
    );
    assert_eq!(text(&mut sent.end.ws), hello);
    assert_eq!(text(&mut sent.end.ws), shared);
    let mut sent = Sent::new(
        Side::Server,
        Config::new(),
        params(false, 15),
        always(|_| {}),
    );
    for _ in 0..3 {
        assert_eq!(text(&mut sent.end.ws), hello);
    }
}

#[test]
fn what_is_compressed() {
    for (side, takeover) in all() {
        let sent = &mut Sent::new(
            side,
            Config::new(),
            params(takeover, 15),
            DeflateConfig::new(),
        );
        assert!(!sent.one([7; 64]));
        assert!(sent.one([7; 65]));
        sent.end.ws.set_compression(Compression::Above(0));
        assert!(sent.one("x") && !sent.one(""));
        sent.end.ws.set_compression(Compression::Always);
        assert!(sent.one("x") && !sent.one(""));
        sent.end.ws.set_compression(Compression::Never);
        assert!(!sent.one([7; 65]) && !sent.one(""));
        for (compression, expected) in [
            (Compression::Never, false),
            (Compression::Always, true),
            (Compression::Above(1 << 20), true),
            (Compression::Above(usize::MAX), true),
        ] {
            let end = &mut sent.end;
            end.ws.set_compression(compression);
            end.ws.start_message(MessageKind::Text).unwrap();
            // The new setting takes effect with the next message.
            end.ws.set_compression(Compression::Never);
            end.ws.send_fragment(b"pie", &mut end.out).unwrap();
            end.ws.set_compression(Compression::Always);
            end.ws.finish_message(b"ces", &mut end.out).unwrap();
            let text = vec![OwnedEvent::text("pieces")];
            assert_eq!(
                sent.read(),
                (text, vec![expected, false]),
                "{compression:?}"
            );
        }
    }
}

#[test]
fn field_4_05_plain_messages_do_not_shift_the_window() {
    let mut random = Random(3);
    for (side, takeover) in all() {
        for window_bits in [9, 15] {
            let config = always(|c| c.compression = Compression::Above(30));
            let params = params(takeover, window_bits);
            let sent = &mut Sent::new(side, Config::new(), params, config);
            let words = random.bytes(200);
            for n in 0..300 {
                // The messages repeat themselves, so that a wrong window gives wrong bytes.
                let at = random.below(150);
                let message = words[at..at + random.below(50)].repeat(1 + random.below(3));
                match n % 7 {
                    0 => sent.end.ws.set_compression(Compression::Never),
                    1 => sent.end.ws.set_compression(Compression::Always),
                    2 => sent.end.ws.set_compression(Compression::Above(30)),
                    _ => {}
                }
                sent.one(message);
                if n % 11 == 0 {
                    sent.one(random.bytes(1000));
                }
            }
        }
    }
}

#[test]
fn field_4_06_only_the_first_frame_has_rsv1() {
    let plain = Random(4).bytes(1000);
    for (side, takeover) in all() {
        for size in [1, 7, 100, 1004, 1005, 1006, 2000] {
            let split = config(|c| c.fragment_size = size);
            let sent = &mut Sent::new(side, split, params(takeover, 15), always(|_| {}));
            for n in 1..=3 {
                sent.binary(&plain);
                let frames = sent.frames();
                let (last, others) = frames.split_last().expect("a frame");
                assert!(last.fin && !last.payload.is_empty() && last.payload.len() <= size);
                assert!(
                    others
                        .iter()
                        .all(|frame| !frame.fin && frame.payload.len() == size)
                );
                for (at, frame) in frames.iter().enumerate() {
                    let first = at == 0;
                    assert_eq!((frame.rsv == 4, frame.opcode == BINARY), (first, first));
                    assert_eq!(frame.key.is_some(), side == Side::Client);
                }
                assert_eq!(sent.peer.events.len(), n);
                assert_eq!(sent.peer.events[n - 1], OwnedEvent::Binary(plain.clone()));
            }
        }
    }
}

#[test]
fn field_4_06_pieces_can_be_read_at_once() {
    let pieces: [&[u8]; 6] = [
        b"",
        b"the first ",
        b"",
        b"the second, the first ",
        b"",
        b"third",
    ];
    for (side, takeover) in all() {
        for (size, last) in [
            (usize::MAX, &b""[..]),
            (usize::MAX, b" end"),
            (5, b""),
            (5, b"the end"),
        ] {
            let split = config(|c| c.fragment_size = size);
            let params = params(takeover, 15);
            let sent = &mut Sent::new(side, split, params, always(|_| {}));
            // The pieces as the inflater of the peer gets them.
            let mut payload = Vec::new();
            let mut plain = Vec::new();
            let before = sent.peer.events.len();
            let end = &mut sent.end;
            end.ws.start_message(MessageKind::Text).unwrap();
            assert!(end.out.is_empty());
            for piece in pieces {
                sent.end.ws.send_fragment(piece, &mut sent.end.out).unwrap();
                // Only control frames can be sent between the pieces.
                sent.end.ws.send_ping(b"!", &mut sent.end.out).unwrap();
                let whole = sent.end.ws.send_text("no", &mut sent.end.out);
                assert_eq!(whole, Err(SendError::MessageInProgress));
                Pool::new().hibernate(&mut sent.end.ws);
                for frame in sent.frames() {
                    assert!(frame.opcode == PING || !frame.fin);
                    let first = frame.opcode == TEXT;
                    assert_eq!(frame.rsv == 4, first);
                    if frame.opcode != PING {
                        assert!(first || frame.opcode == CONTINUATION);
                        payload.extend(frame.payload);
                    }
                }
                plain.extend(piece);
                let inflated = support::inflate::inflate(&[], 0, &payload, 1000);
                assert_eq!(inflated.output, plain, "{side:?}");
            }
            sent.end.ws.finish_message(last, &mut sent.end.out).unwrap();
            let frames = sent.frames();
            if last.is_empty() {
                assert_eq!(frames[0].payload, [0], "an empty block without its tail");
            }
            plain.extend(last);
            let text = OwnedEvent::Text(String::from_utf8(plain).unwrap());
            assert_eq!(sent.peer.events.last(), Some(&text));
            assert_eq!(sent.peer.events.len(), before + pieces.len() + 1);
            sent.peer.events.clear();
            // Another message follows.
            sent.binary("the first and the second");
            sent.frames();
        }
    }
}

#[test]
fn a_message_of_empty_pieces() {
    for (side, takeover) in all() {
        let sent = &mut Sent::new(side, Config::new(), params(takeover, 15), always(|_| {}));
        for n in 0..3 {
            let end = &mut sent.end;
            end.ws.start_message(MessageKind::Binary).unwrap();
            for _ in 0..n {
                end.ws.send_fragment(b"", &mut end.out).unwrap();
            }
            end.ws.finish_message(b"", &mut end.out).unwrap();
            assert_eq!(sent.read().0, [OwnedEvent::Binary(vec![])]);
            assert!(sent.one("another message, another message"));
        }
    }
}

/// An empty message needs no compressor. A compressor from the pool has the history of another
/// connection.
#[test]
fn an_empty_message_does_not_prepare_a_lent_compressor() {
    for (side, takeover) in all() {
        let new = || Sent::new(side, Config::new(), params(takeover, 15), always(|_| {}));
        let (one, other, mut pool) = (&mut new(), &mut new(), Pool::new());
        let noise = Random(11).bytes(600);
        for empty in [false, true, false, true] {
            // Most of the second message is in the window of the first connection only.
            for (sent, message) in [(&mut *one, &noise[..]), (&mut *other, &noise[300..])] {
                let end = &mut sent.end;
                pool.lend(&mut end.ws);
                if empty {
                    end.ws.start_message(MessageKind::Binary).unwrap();
                    end.ws.finish_message(b"", &mut end.out).unwrap();
                    assert_eq!(sent.read().0, [OwnedEvent::Binary(vec![])]);
                }
                sent.one([&message[..200], &noise[..10]].concat());
                sent.one(message);
                pool.hibernate(&mut sent.end.ws);
            }
        }
    }
}

/// The parameters of one endpoint do not affect the other.
#[test]
fn field_4_04_each_side_has_its_own_parameters() {
    let noise = Random(8).bytes(2000);
    let params = Params {
        server_no_context_takeover: false,
        client_no_context_takeover: true,
        server_max_window_bits: Some(9),
        client_max_window_bits: Some(15),
    };
    let [server, client] =
        &mut SIDES.map(|side| Sent::new(side, Config::new(), params, always(|_| {})));
    let ping = |sent: &mut Sent, message: &[u8]| {
        let end = &mut sent.end;
        end.ws.send_binary(message, &mut end.out).unwrap();
        sent.frames()[0].payload.len()
    };
    // The server has context takeover and a small window. The client has no context takeover and a
    // large window.
    let (first, again) = (ping(server, &noise[..200]), ping(server, &noise[..200]));
    assert!(again < first / 2);
    assert!(ping(server, &noise.repeat(2)) > 3500);
    let (first, again) = (ping(client, &noise[..200]), ping(client, &noise[..200]));
    assert_eq!(again, first);
    assert!(ping(client, &noise.repeat(2)) < 2500);
    // An endpoint may use a smaller window than the negotiated one.
    for side in SIDES {
        let config = always(|c| (c.server_max_window_bits, c.client_max_window_bits) = (9, 9));
        let sent = &mut Sent::new(side, Config::new(), Params::default(), config);
        assert!(ping(sent, &noise.repeat(2)) > 3500);
        // Both endpoints inflate with the window of the other.
        let peer = &mut Endpoint::with_deflate(side.peer(), Config::new(), params, always(|_| {}));
        let end = &mut Endpoint::with_deflate(side, Config::new(), params, always(|_| {}));
        for _ in 0..3 {
            Pool::new().hibernate(&mut peer.ws);
            end.ws.send_binary(&noise, &mut end.out).unwrap();
            peer.feed(&end.out.split());
            assert_eq!(peer.take_events(), [OwnedEvent::Binary(noise.clone())]);
        }
    }
}

/// A compressor with a larger window would refer to bytes that are not in the window of the peer.
#[test]
fn a_compressor_of_another_window_is_not_lent() {
    let noise = Random(8).bytes(2000);
    for side in SIDES {
        let new = |bits| Sent::new(side, Config::new(), params(true, bits), always(|_| {}));
        let (large, small, mut pool) = (&mut new(15), &mut new(9), Pool::new());
        assert!(large.one(&noise));
        pool.hibernate(&mut large.end.ws);
        pool.lend(&mut small.end.ws);
        assert!(small.one(&noise) && small.one(&noise));
    }
}

#[test]
fn what_is_wrong_in_a_piece_changes_nothing() {
    let sent = &mut Sent::new(
        Side::Client,
        Config::new(),
        params(true, 15),
        always(|_| {}),
    );
    let end = &mut sent.end;
    end.ws.start_message(MessageKind::Text).unwrap();
    end.ws.send_fragment(b"half \xc3", &mut end.out).unwrap();
    let before = end.out.len();
    let wrong = end.ws.send_fragment(b"\xff", &mut end.out);
    assert_eq!(wrong, Err(SendError::InvalidUtf8));
    let half = end.ws.finish_message(b"", &mut end.out);
    assert_eq!(half, Err(SendError::InvalidUtf8));
    assert_eq!(end.out.len(), before);
    end.ws.finish_message(b"\xa9", &mut end.out).unwrap();
    assert_eq!(sent.read().0, [OwnedEvent::text("half \u{e9}")]);
}

#[test]
fn what_is_hard_to_compress_and_what_is_long() {
    let mut random = Random(6);
    for (side, takeover) in all() {
        for level in [1, 4, 9] {
            let config = always(|c| c.level = level);
            let sent = &mut Sent::new(side, Config::new(), params(takeover, 15), config);
            // Lengths at which the room for the output is just long enough.
            for len in (100..260).step_by(3).chain([5000, 33_000]) {
                assert!(sent.one(random.bytes(len)));
                assert!(sent.one(vec![b'x'; len]));
            }
        }
    }
}

#[test]
fn a_connection_returns_what_was_negotiated() {
    let windows = || (7..=16).map(Some).chain([None]);
    let takeover = [(false, false), (false, true), (true, false), (true, true)];
    for (server, client) in windows().flat_map(|server| windows().map(move |it| (server, it))) {
        for (server_no_context_takeover, client_no_context_takeover) in takeover {
            let params = |server_max_window_bits, client_max_window_bits| Params {
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            };
            let ws = Connection::assume_opened(Role::Server, Config::new())
                .with_deflate(params(server, client), always(|_| {}));
            let nearest = |bits: Option<u8>| bits.map(|bits| bits.clamp(8, 15));
            let expected = params(nearest(server), nearest(client));
            assert_eq!(ws.deflate(), Some(expected));
        }
    }
}

#[test]
fn compression_is_what_was_set() {
    use Compression::{Above, Always, Never};
    let mut ws = Connection::assume_opened(Role::Server, Config::new())
        .with_deflate(params(true, 15), DeflateConfig::new());
    for set in [Never, Above(1), Always, Above(64), Above(1 << 20)] {
        ws.set_compression(set);
        assert_eq!(ws.compression(), set);
    }
}

#[test]
fn windows_that_do_not_exist_count_as_the_nearest() {
    for side in SIDES {
        for bits in [0, 7, 8, 9, 15, 16, 255] {
            let config = always(|c| {
                (c.level, c.mem_level) = (bits, bits);
                (c.server_max_window_bits, c.client_max_window_bits) = (bits, bits);
            });
            for agreed in [None, Some(bits)] {
                let params = Params {
                    server_max_window_bits: agreed,
                    client_max_window_bits: agreed,
                    ..Params::default()
                };
                let mut end = Endpoint::with_deflate(side, Config::new(), params, config);
                let mut peer = Endpoint::with_deflate(side.peer(), Config::new(), params, config);
                for n in 0..20 {
                    let message = vec![n; 300];
                    end.ws.send_binary(&message, &mut end.out).unwrap();
                    peer.feed(&end.out.split());
                    assert_eq!(peer.take_events(), [OwnedEvent::Binary(message)]);
                }
            }
        }
    }
}

#[test]
fn statistics() {
    for side in SIDES {
        let mut end = Endpoint::with_deflate(side, Config::new(), params(true, 15), always(|_| {}));
        let mut peer =
            Endpoint::with_deflate(side.peer(), Config::new(), params(true, 15), always(|_| {}));
        assert_eq!(end.ws.deflate_stats(), Stats::default());
        end.ws.send_text("Hello", &mut end.out).unwrap();
        end.ws.send_text("Hello", &mut end.out).unwrap();
        end.ws.send_text("", &mut end.out).unwrap();
        end.ws.set_compression(Compression::Never);
        end.ws.send_text("Hello", &mut end.out).unwrap();
        peer.feed(&end.out);
        let bytes = ByteCount {
            plain: 10,
            compressed: 12,
        };
        assert_eq!(end.ws.deflate_stats().sent, bytes);
        assert_eq!(peer.ws.deflate_stats().received, bytes);
        assert_eq!(end.ws.deflate_stats().received, ByteCount::default());
        assert_eq!(end.ws.deflate(), Some(params(true, 15)));
        let mut plain = Endpoint::new(side, Config::new());
        plain.ws.set_compression(Compression::Always);
        plain.ws.send_text("Hello", &mut plain.out).unwrap();
        assert_eq!(plain.ws.deflate_stats(), Stats::default());
        assert_eq!(plain.ws.deflate(), None);
    }
}

#[test]
fn small_pieces_are_received_under_the_same_limit() {
    let limit = config(|c| c.max_message_size = 10_000);
    for size in [1, 4, 100] {
        let config = DeflateConfig::new();
        let mut from = Connection::assume_opened(Side::Server.role(), limit)
            .with_deflate(Params::default(), config);
        let mut to = Endpoint::with_deflate(Side::Client, limit, Params::default(), config);
        let message = Random(size as u64).bytes(10_000);
        let mut out = BytesMut::new();
        from.start_message(MessageKind::Binary).unwrap();
        for piece in message.chunks(size) {
            from.send_fragment(piece, &mut out).unwrap();
        }
        from.finish_message(b"", &mut out).unwrap();
        to.feed(&out);
        assert_eq!(
            (to.error, &to.events[..]),
            (None, &[OwnedEvent::Binary(message)][..])
        );
    }
}

#[test]
fn an_end_that_is_configured_to_compress_each_message_alone_does() {
    for side in SIDES {
        let mut config = DeflateConfig::new();
        match side {
            Side::Server => config.server_no_context_takeover = true,
            Side::Client => config.client_no_context_takeover = true,
        }
        let mut ws = Connection::assume_opened(side.role(), Config::new())
            .with_deflate(Params::default(), config);
        let mut sent = || {
            let mut out = BytesMut::new();
            ws.send_binary(&[b'x'; 500], &mut out).unwrap();
            out.len()
        };
        assert_eq!(sent(), sent(), "{side:?}");
    }
}

#[test]
fn fixed_45_what_was_said_is_not_for_logs() {
    let text = "a secret ".repeat(100);
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new())
        .with_deflate(Params::default(), DeflateConfig::new());
    let mut out = BytesMut::new();
    ws.send_text(&text, &mut out).unwrap();
    let mut to = Endpoint::with_deflate(
        Side::Client,
        Config::new(),
        Params::default(),
        DeflateConfig::new(),
    );
    to.feed(&out);
    let mut preparer = Preparer::new(DeflateConfig::new());
    let prepared = Prepared::text(&text).compressed(&mut preparer);
    // What is parked, and a part of a character.
    let mut parked = Connection::assume_opened(Side::Client.role(), Config::new());
    let mut input = RecvBuf::new();
    input.extend_from_slice(&frame(true, TEXT, "a secret").to(Side::Client).bytes());
    parked.park(&mut input);
    parked.start_message(MessageKind::Text).unwrap();
    parked.send_fragment(b"\x61\xe2", &mut out).unwrap();
    assert!(format!("{parked:?}").contains("10 bytes"));
    let header = Header {
        name: "Cookie",
        value: b"a secret",
    };
    // "97" is an `a` in a list of bytes.
    for debug in [
        format!("{ws:?}"),
        format!("{:?} {:?}", to.ws, to.input),
        format!("{preparer:?} {prepared:?}"),
        format!("{parked:?} {header:?}"),
    ] {
        assert!(!debug.contains("226") && !debug.contains("b\""), "{debug}");
        assert!(debug.len() < 2000 && !debug.contains("secret") && !debug.contains("97, 32"));
    }
}

#[test]
fn what_shrinks_to_nothing_leaves_no_room_behind() {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new())
        .with_deflate(Params::default(), DeflateConfig::new());
    let mut out = BytesMut::new();
    ws.send_binary(&vec![0; 1 << 20], &mut out).unwrap();
    assert!(out.len() < 5000 && out.capacity() < 256 << 10);
}

#[test]
fn a_buffer_of_another_connection_is_an_error() {
    let mut to = Endpoint::with_deflate(
        Side::Client,
        Config::new(),
        Params::default(),
        DeflateConfig::new(),
    );
    to.feed(&[0xc2, 0x05, 0xf2]);
    let mut other = Connection::assume_opened(Side::Client.role(), Config::new());
    to.input.extend_from_slice(&[0x48]);
    let event = other.next_event(&mut to.input, &mut to.out);
    assert_eq!(event, Err(ProtocolError::ReservedBit));
}

#[test]
fn a_compressor_that_comes_back_knows_the_messages_before() {
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), Config::new())
            .with_deflate(Params::default(), DeflateConfig::new());
        let message = Random(9).bytes(1000);
        let mut sent = |pool: &mut Pool| {
            let mut out = BytesMut::new();
            pool.lend(&mut ws);
            ws.send_binary(&message, &mut out).unwrap();
            pool.hibernate(&mut ws);
            out.len()
        };
        let pool = &mut Pool::new();
        assert!(sent(pool) > 1000);
        // The same noise again is compressed to a few references.
        assert!(sent(pool) < 50);
        assert!(sent(&mut Pool::new()) < 50);
    }
}

/// What a message is compressed to is a function of what its own connection has sent, or of the message
/// alone. Otherwise the length of one message could tell something about another connection.
#[test]
fn fixed_30_no_length_depends_on_other_connections() {
    let mut random = Random(30);
    let mut text = |max: usize| -> Vec<u8> {
        let len = random.below(max);
        (0..len)
            .map(|_| b"etaoin shrdlu"[random.below(13)])
            .collect()
    };
    for takeover in [true, false] {
        let deflate = always(|c| c.level = 8);
        let new =
            || Endpoint::with_deflate(Side::Server, Config::new(), params(takeover, 15), deflate);
        for round in 0..30 {
            let (mut shared, mut own) = (Pool::new(), Pool::new());
            let (mut one, mut same, mut other) = (new(), new(), new());
            for _ in 0..4 {
                shared.lend(&mut other.ws);
                other.ws.send_binary(&text(10_000), &mut other.out).unwrap();
                shared.hibernate(&mut other.ws);
                let message = text(600);
                let pieces: Vec<_> = (0..10).map(|_| text(200)).collect();
                for (end, pool) in [(&mut one, &mut shared), (&mut same, &mut own)] {
                    pool.lend(&mut end.ws);
                    end.ws.send_binary(&message, &mut end.out).unwrap();
                    end.ws.start_message(MessageKind::Binary).unwrap();
                    for piece in &pieces {
                        end.ws.send_fragment(piece, &mut end.out).unwrap();
                    }
                    end.ws.finish_message(b"", &mut end.out).unwrap();
                    pool.hibernate(&mut end.ws);
                }
                assert!(one.out == same.out, "round {round}, takeover {takeover}");
            }
        }
    }
}
