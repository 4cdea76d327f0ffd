//! Proves that prepared messages arrive, compressed or not, in turn with other messages: with every
//! kind of window and context takeover, read by the inflater of the tests, which fails at a
//! reference that the negotiated parameters do not allow. And that a broadcast costs no memory for
//! each connection.

use allocation_counter::measure;
use bytes::{Buf, Bytes, BytesMut};
use websocket_proto::{Config, Connection, MessageKind, OutQueue, Output, Prepared, SendError};

mod support;

use support::{
    Endpoint, Random, SIDES, Side, code, config,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

#[test]
fn frames_look_as_in_the_rfc() {
    for (message, opcode) in [
        (Prepared::text("Hello"), TEXT),
        (Prepared::binary(b"Hello"), BINARY),
    ] {
        for side in SIDES {
            let mut peer = Endpoint::new(side, Config::new());
            peer.ws.send_prepared(&message, &mut peer.out).unwrap();
            if side == Side::Server {
                assert_eq!(peer.out[..], [&[0x80 | opcode, 5], &b"Hello"[..]].concat());
            }
            let frames = peer.flush();
            assert_eq!(frames[0].key.is_some(), side == Side::Client);
            assert_eq!(wire::contents(&frames), [(true, opcode, b"Hello".to_vec())]);
        }
    }
    for len in [0, 125, 126, 65_535, 65_536] {
        let mut peer = Endpoint::new(Side::Server, Config::new());
        let bytes = vec![7; len];
        let message = Prepared::binary(&bytes);
        peer.ws.send_prepared(&message, &mut peer.out).unwrap();
        assert_eq!(wire::contents(&peer.flush()), [(true, BINARY, bytes)]);
    }
}

#[test]
fn a_long_message_is_split_as_configured() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, config(|c| c.fragment_size = 3));
        for message in ["abc", "abcd"] {
            let message = Prepared::text(message);
            peer.ws.send_prepared(&message, &mut peer.out).unwrap();
        }
        let expected = [
            (true, TEXT, b"abc".to_vec()),
            (false, TEXT, b"abc".to_vec()),
            (true, CONTINUATION, b"d".to_vec()),
        ];
        assert_eq!(wire::contents(&peer.flush()), expected);
    }
}

#[test]
fn not_inside_a_message_and_not_after_a_close() {
    let message = Prepared::text("x");
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        let (ws, out) = (&mut peer.ws, &mut peer.out);
        ws.start_message(MessageKind::Text).unwrap();
        let inside = Err(SendError::MessageInProgress);
        assert_eq!(ws.send_prepared(&message, out), inside);
        assert_eq!(ws.lend_prepared(&message, out).map(drop), inside);
        ws.finish_message(b"", out).unwrap();
        ws.close(code(1000), "", out).unwrap();
        let before = out.len();
        let closed = Err(SendError::NotOpen);
        assert_eq!(ws.send_prepared(&message, out), closed);
        assert_eq!(ws.lend_prepared(&message, out).map(drop), closed);
        assert_eq!(out.len(), before);
    }
}

fn servers(count: usize) -> Vec<Connection> {
    let server = || Connection::assume_opened(Side::Server.role(), Config::new());
    core::iter::repeat_with(server).take(count).collect()
}

#[test]
fn a_broadcast_is_one_allocation() {
    let (mut peers, payload) = (servers(1000), [7; 512]);
    // Copied into memory that exists already.
    let warm = || BytesMut::with_capacity(1000);
    let mut outs: Vec<_> = core::iter::repeat_with(warm).take(1000).collect();
    let copied = measure(|| {
        let message = Prepared::binary(&payload);
        for (ws, out) in peers.iter_mut().zip(&mut outs) {
            ws.send_prepared(&message, out).unwrap();
        }
    });
    assert_eq!(copied.count_total, 1);
    assert!(outs.iter().all(|out| out.len() == 4 + 512));

    // Lent to sockets that take everything.
    let mut outs = vec![BytesMut::new(); 1000];
    let lent = measure(|| {
        let message = Prepared::binary(&payload);
        for (ws, out) in peers.iter_mut().zip(&mut outs) {
            let mut lent = ws.lend_prepared(&message, out).unwrap();
            lent.written(lent.unsent());
        }
    });
    assert_eq!(lent.count_total, 1);
}

#[test]
fn a_queue_holds_a_long_message_once() {
    let (mut peers, payload) = (servers(100), vec![7; 64 << 10]);
    let mut outs: Vec<_> = (0..100).map(|_| OutQueue::new()).collect();
    let shared = measure(|| {
        let message = Prepared::binary(&payload);
        for (ws, out) in peers.iter_mut().zip(&mut outs) {
            ws.send_prepared(&message, out).unwrap();
        }
    });
    assert!(outs.iter().all(|out| out.unsent() == 10 + (64 << 10)));
    // The queue makes room for four entries.
    assert!(
        shared.bytes_max <= (64 << 10) + 100 + 100 * 160,
        "{shared:?}"
    );

    let shared = Bytes::from(payload);
    let (ws, out) = (&mut peers[0], &mut outs[0]);
    let mut send = || {
        for _ in 0..3 {
            ws.send_bytes(MessageKind::Binary, &shared, out).unwrap();
            out.advance(out.unsent());
        }
    };
    send();
    assert_eq!(measure(send).count_total, 0, "once warm");
}

#[test]
fn no_memory_is_needed_to_lend_to_a_warm_buffer() {
    let (mut peers, payload) = (servers(1), vec![7; 64 << 10]);
    let (ws, mut out) = (&mut peers[0], BytesMut::with_capacity(64));
    let info = measure(|| {
        for _ in 0..100 {
            let mut lent = ws.lend_binary(&payload, &mut out).unwrap();
            lent.written(lent.unsent());
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn a_random_broadcast_arrives() {
    let mut random = Random(1);
    for _ in 0..50 {
        let mut pair = support::Pair::new();
        for _ in 0..10 {
            let len = random.below(300);
            let message = random.bytes(len);
            for side in SIDES {
                let end = pair.of(side);
                let prepared = Prepared::binary(&message);
                end.ws.send_prepared(&prepared, &mut end.out).unwrap();
            }
            pair.drive();
            let expected = [support::OwnedEvent::Binary(message)];
            assert_eq!(pair.client.take_events(), expected);
            assert_eq!(pair.server.take_events(), expected);
        }
    }
}

#[cfg(feature = "deflate")]
mod deflate {
    use super::*;
    use bytes::BufMut;
    use support::{
        Frame, OwnedEvent, Reference,
        deflate::{all, always, params, strict},
        wire::compressed_frames,
    };
    use websocket_proto::deflate::{Compression, DeflateConfig, Params, Pool, Preparer};

    /// A connection that sends, and a peer that fails if a message breaks the parameters.
    struct Sent {
        end: Endpoint,
        peer: Reference,
    }

    impl Sent {
        fn new(side: Side, config: Config, params: Params, deflate: DeflateConfig) -> Self {
            let peer = Reference::new(side.peer(), Config::new());
            Self {
                end: Endpoint::with_deflate(side, config, params, deflate),
                peer: peer.with_deflate(strict(side, params)),
            }
        }

        /// Lets the peer read `out`, which must have this message. Returns its frames.
        fn arrives(&mut self, message: &[u8]) -> Vec<Frame> {
            let out = self.end.out.split();
            self.peer.feed(&out);
            assert_eq!(self.peer.error, None);
            let events = core::mem::take(&mut self.peer.events);
            assert!(events == [OwnedEvent::Binary(message.to_vec())]);
            compressed_frames(&out)
        }

        fn own(&mut self, message: &[u8]) -> Vec<Frame> {
            self.end.ws.send_binary(message, &mut self.end.out).unwrap();
            self.arrives(message)
        }

        fn prepared(&mut self, prepared: &Prepared, message: &[u8]) -> Vec<Frame> {
            (self.end.ws.send_prepared(prepared, &mut self.end.out)).unwrap();
            self.arrives(message)
        }
    }

    fn preparer(window_bits: u8, level: u8) -> Preparer {
        Preparer::new(always(|c| {
            (c.server_max_window_bits, c.level) = (window_bits, level);
        }))
    }

    /// Messages that repeat themselves and others, so that a wrong window gives wrong bytes.
    fn message(random: &mut Random, words: &[u8]) -> Vec<u8> {
        let long = random.below(10) == 0;
        let count = if long {
            1 + random.below(40)
        } else {
            random.below(4)
        };
        let pieces = (0..count).flat_map(|_| {
            let at = random.below(words.len() - 100);
            &words[at..at + random.below(100)]
        });
        pieces.copied().collect()
    }

    #[test]
    fn own_and_prepared_messages_in_turn() {
        let mut random = Random(5);
        let words = random.bytes(3000);
        for (side, takeover) in all() {
            for window_bits in [9, 12, 15] {
                for made_with in [9, 15] {
                    let (mut preparer, mut pool) = (preparer(made_with, 4), Pool::new());
                    let params = params(takeover, window_bits);
                    let split = config(|c| {
                        if made_with == 9 && window_bits == 12 {
                            c.fragment_size = 50;
                        }
                    });
                    let sent = &mut Sent::new(side, split, params, always(|_| {}));
                    for _ in 0..150 {
                        let message = message(&mut random, &words);
                        let prepared = Prepared::binary(&message);
                        let (ws, out) = (&mut sent.end.ws, &mut sent.end.out);
                        match random.below(8) {
                            0 => ws.send_prepared(&prepared, out).unwrap(),
                            1 | 2 => {
                                let prepared = prepared.compressed(&mut preparer);
                                ws.send_prepared(&prepared, out).unwrap();
                            }
                            3 => {
                                let prepared = prepared.compressed(&mut preparer);
                                let mut queue = OutQueue::new();
                                ws.send_prepared(&prepared, &mut queue).unwrap();
                                out.put(queue);
                            }
                            4 => {
                                let prepared = prepared.compressed(&mut preparer);
                                drop(ws.lend_prepared(&prepared, out).unwrap());
                            }
                            5 => drop(ws.lend_binary(&message, out).unwrap()),
                            6 => {
                                ws.start_message(MessageKind::Binary).unwrap();
                                let (first, rest) = message.split_at(message.len() / 2);
                                drop(ws.lend_fragment(first, out).unwrap());
                                drop(ws.lend_finish(rest, out).unwrap());
                            }
                            _ => ws.send_binary(&message, out).unwrap(),
                        }
                        sent.arrives(&message);
                        match random.below(12) {
                            0 => pool.hibernate(&mut sent.end.ws),
                            1 => pool.lend(&mut sent.end.ws),
                            2 => pool.reclaim(&mut sent.end.ws),
                            3 => sent.end.ws.set_compression(Compression::Above(100)),
                            4 => sent.end.ws.set_compression(Compression::Always),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    /// The compressor continues its stream after prepared messages. It must see them first, at
    /// every level, also if they are longer than the window.
    #[test]
    fn a_compressor_refers_to_prepared_messages() {
        let mut random = Random(6);
        for level in 1..=9 {
            for window_bits in [9, 15] {
                let config = always(|c| c.level = level);
                let params = params(true, window_bits);
                let sent = &mut Sent::new(Side::Server, Config::new(), params, config);
                let mut preparer = preparer(window_bits, level);
                let mut prepare = |message: &[u8]| {
                    let message = [message, &vec![0; 70 + message.len() / 8]].concat();
                    let prepared = Prepared::binary(&message).compressed(&mut preparer);
                    (prepared, message)
                };
                for round in 0..10 {
                    let [old, long] = [100, 200 << round].map(|len| random.bytes(len));
                    sent.own(&old);
                    let (first, plain) = prepare(&long);
                    assert_eq!(sent.prepared(&first, &plain)[0].rsv, 4);
                    let (second, plain) = prepare(&old);
                    sent.prepared(&second, &plain);
                    let frames = sent.own(&old);
                    assert_eq!(frames[0].rsv, 4);
                    let len = frames[0].payload.len();
                    assert!(len < 50, "{level} {window_bits} {round}: {len}");
                    sent.own(&long);
                }
            }
        }
    }

    #[test]
    fn which_form_is_sent() {
        let noise = Random(7).bytes(100);
        let (short, long) = (noise.repeat(3), [&noise[..], &[7; 700], &noise].concat());
        for (side, takeover) in all() {
            for (agreed, made_with, message, expected) in [
                (15, 15, &long, true),
                (15, 9, &long, true),
                (9, 9, &long, true),
                // Not longer than the window of the connection, so nothing refers beyond it.
                (9, 15, &short, true),
                (10, 15, &long, true),
                (9, 15, &long, false),
                (9, 10, &long, false),
            ] {
                let prepared = Prepared::binary(message).compressed(&mut preparer(made_with, 4));
                let params = params(takeover, agreed);
                let sent = &mut Sent::new(side, Config::new(), params, always(|_| {}));
                let (ws, out) = (&mut sent.end.ws, &mut sent.end.out);
                let info = measure(|| ws.send_prepared(&prepared, out).unwrap());
                let frames = sent.arrives(message);
                assert_eq!(frames[0].rsv, 4);
                // The compressor of a connection takes more than 100 kB.
                let as_made = info.bytes_total < 100_000;
                assert_eq!(as_made, expected, "{agreed} {made_with}");
                let bytes = sent.end.ws.deflate_stats().sent;
                assert_eq!(bytes.plain, message.len() as u64);
                assert_eq!(bytes.compressed, frames[0].payload.len() as u64);
            }
        }
    }

    #[test]
    fn not_everything_is_compressed() {
        let mut preparer = preparer(15, 4);
        for (side, takeover) in all() {
            let sent = &mut Sent::new(side, Config::new(), params(takeover, 15), always(|_| {}));
            // The setting of the connection counts.
            let plain = [7; 65];
            let prepared = Prepared::binary(&plain).compressed(&mut preparer);
            for (compression, rsv) in [
                (Compression::Never, 0),
                (Compression::Always, 4),
                (Compression::Above(65), 0),
                (Compression::Above(64), 4),
            ] {
                sent.end.ws.set_compression(compression);
                assert_eq!(
                    sent.prepared(&prepared, &plain)[0].rsv,
                    rsv,
                    "{compression:?}"
                );
            }
            // What does not shrink is sent as it is, and is no part of any context.
            let before = sent.end.ws.deflate_stats();
            for plain in [&b""[..], b"x", &Random(8).bytes(2000)] {
                let prepared = Prepared::binary(plain).compressed(&mut preparer);
                assert_eq!(sent.prepared(&prepared, plain)[0].rsv, 0);
            }
            assert_eq!(sent.end.ws.deflate_stats(), before);
            // Without a compressed form, the connection compresses.
            let prepared = Prepared::binary(&plain);
            assert_eq!(sent.prepared(&prepared, &plain)[0].rsv, 4);
        }
        // Nothing is compressed without negotiation, or with a window that zlib does not have.
        let plain = [7; 200];
        let prepared = Prepared::binary(&plain).compressed(&mut preparer);
        for side in SIDES {
            let mut end = Endpoint::new(side, Config::new());
            end.ws.send_prepared(&prepared, &mut end.out).unwrap();
            assert_eq!(end.flush()[0].payload, plain);
            let sent = &mut Sent::new(side, Config::new(), params(true, 8), always(|_| {}));
            assert_eq!(sent.prepared(&prepared, &plain)[0].rsv, 0);
        }
    }

    #[test]
    fn a_compressed_message_is_split_as_configured() {
        let mut message = Random(9).bytes(400);
        message.resize(1000, 0);
        let prepared = Prepared::binary(&message).compressed(&mut preparer(15, 4));
        for (side, takeover) in all() {
            let split = config(|c| c.fragment_size = 100);
            let sent = &mut Sent::new(side, split, params(takeover, 15), always(|_| {}));
            let frames = sent.prepared(&prepared, &message);
            assert!(frames.len() > 4);
            for (n, frame) in frames.iter().enumerate() {
                assert_eq!((frame.rsv == 4, frame.opcode == BINARY), (n == 0, n == 0));
                assert_eq!(frame.key.is_some(), side == Side::Client);
                assert!(frame.payload.len() <= 100);
            }
        }
    }

    /// Without context takeover, a connection keeps nothing of a prepared message but its size. The
    /// first one takes 40 bytes for that.
    #[test]
    fn a_compressed_broadcast_costs_no_memory_for_each_connection() {
        let message = b"a message to all ".repeat(30);
        let mut preparer = preparer(15, 4);
        let prepared = Prepared::binary(&message).compressed(&mut preparer);
        let new = |takeover: bool| {
            let new = move || {
                Connection::assume_opened(Side::Server.role(), Config::new())
                    .with_deflate(params(takeover, 15), DeflateConfig::new())
            };
            core::iter::repeat_with(new).take(100).collect::<Vec<_>>()
        };
        // With context takeover: the history and its memory.
        for (takeover, expected) in [(false, 100), (true, 300)] {
            let (mut peers, mut out) = (new(takeover), BytesMut::with_capacity(1000));
            let mut send = || {
                for ws in &mut peers {
                    ws.send_prepared(&prepared, &mut out).unwrap();
                    assert!(out.len() < 100);
                    out.clear();
                }
            };
            let first = measure(&mut send);
            assert_eq!(first.count_total, expected);
            if !takeover {
                assert_eq!(first.bytes_total, 100 * 40);
                assert_eq!(measure(&mut send).count_total, 0);
            }
        }
    }

    #[test]
    fn a_preparer_is_reused_and_does_not_tell() {
        let mut preparer = preparer(255, 255);
        let text = "a secret ".repeat(100);
        let prepare = |preparer: &mut Preparer| {
            let prepared = Prepared::text(&text).compressed(preparer);
            format!("{prepared:?} {preparer:?}")
        };
        let debug = prepare(&mut preparer);
        assert!(
            !debug.contains("secret") && !debug.contains("97, 32"),
            "{debug}"
        );
        // The compressor takes more than 100 kB.
        let again = measure(|| drop(prepare(&mut preparer)));
        assert!(again.bytes_total < 100_000, "{again:?}");
    }
}
