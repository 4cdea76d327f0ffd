//! Proves the memory use of compression. Codecs take no memory before their first use, and none
//! between two messages without context takeover. A thousand connections can share one codec. The
//! numbers in the documentation are exact. A compression bomb takes no more than the limit.
//!
//! `field_4_10` and `field_08` in the name of a test are defects that other implementations had.
//! `fixed_NN` is one that this crate had.

#![cfg(feature = "deflate")]

use allocation_counter::{AllocationInfo, measure};
use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, MessageKind, ProtocolError, RecvBuf,
    deflate::{Compression, DeflateConfig, Params, Pool},
};

mod support;

use support::{
    Random, SIDES, Side, config,
    deflate::{Peer, all, always, compressed, params},
    frame,
};

/// The bytes of an inflater, with the part that belongs to a connection.
const INFLATER: u64 = 47_552 + 128;

/// Bytes of a history besides its window.
const HISTORY: u64 = 32;

/// The state of one direction, from its first compressed message on.
const STATE: u64 = 40;

/// The state of both directions: allocations and bytes.
const STATES: (i64, i64) = (2, 2 * STATE as i64);

/// The mask keys of a client: allocations and bytes.
const KEYS: (i64, i64) = (1, 260);

fn connection(side: Side, params: Params, deflate: DeflateConfig) -> Connection {
    Connection::assume_opened(side.role(), Config::new()).with_deflate(params, deflate)
}

/// A connection with the buffers of its caller.
struct Ends {
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
}

impl Ends {
    fn new(side: Side, params: Params, deflate: DeflateConfig) -> Self {
        Self {
            ws: connection(side, params, deflate),
            input: RecvBuf::new(),
            out: BytesMut::new(),
        }
    }

    /// Receives bytes, some KiB at a time. Returns the number of message bytes in them.
    fn receive(&mut self, wire: &[u8]) -> usize {
        let reads = wire.chunks(3000);
        reads.map(|read| self.read(read, 4096)).sum()
    }

    /// Receives bytes in one read with this room.
    fn read(&mut self, read: &[u8], room: usize) -> usize {
        self.input.spare(room)[..read.len()].copy_from_slice(read);
        self.input.filled(read.len());
        let mut total = 0;
        while let Some(event) = self.ws.next_event(&mut self.input, &mut self.out).unwrap() {
            total += match event {
                Event::Text(text) => text.len(),
                Event::Binary(bytes) => bytes.len(),
                _ => 0,
            };
        }
        total
    }

    fn send(&mut self, messages: &[&[u8]]) {
        for message in messages {
            self.ws.send_binary(message, &mut self.out).unwrap();
        }
        self.ws.start_message(MessageKind::Text).unwrap();
        for piece in [&b"some pieces "[..], b"", b"of it"] {
            self.ws.send_fragment(piece, &mut self.out).unwrap();
        }
        self.ws.finish_message(b"", &mut self.out).unwrap();
    }

    fn release(&mut self) {
        self.input.release();
        self.out = BytesMut::new();
        assert_eq!(self.input.capacity(), 0);
    }
}

/// The bytes that `side` receives: these messages, twice.
fn traffic(side: Side, takeover: bool, messages: &[&[u8]]) -> Vec<u8> {
    let mut peer = Peer::new(6);
    let messages = messages.iter().chain(messages);
    messages
        .flat_map(|message| {
            if !takeover {
                peer = Peer::new(6);
            }
            let payload = peer.message(message);
            let (first, second) = payload.split_at(payload.len() / 2);
            let first = frame(false, 2, first).rsv(4).to(side).bytes();
            [first, frame(true, 0, second).to(side).bytes()].concat()
        })
        .collect()
}

/// Bytes that can hardly be compressed.
fn noise(len: usize) -> Vec<u8> {
    Random(5).bytes(len)
}

/// The memory of a connection that has compressed and inflated: allocations and bytes.
fn states(side: Side) -> (i64, i64) {
    (STATES.0 + keys(side).0, STATES.1 + keys(side).1)
}

/// The memory of a connection that has neither compressed nor inflated.
fn keys(side: Side) -> (i64, i64) {
    match side {
        Side::Server => (0, 0),
        Side::Client => KEYS,
    }
}

fn held(info: AllocationInfo) -> (i64, i64) {
    (info.count_current, info.bytes_current)
}

#[test]
fn field_4_10_nothing_before_the_first_use() {
    for (side, takeover) in all() {
        let plain = frame(true, 2, [7; 300]).to(side).bytes();
        let info = measure(|| {
            let config = DeflateConfig::new();
            let mut ends = Ends::new(side, params(takeover, 15), config);
            let mut pool = Pool::new();
            pool.lend(&mut ends.ws);
            ends.receive(&plain);
            ends.ws.send_text("too short", &mut ends.out).unwrap();
            ends.ws.send_ping(b"ping", &mut ends.out).unwrap();
            ends.ws.set_compression(Compression::Never);
            ends.ws.send_binary(&[7; 300], &mut ends.out).unwrap();
            pool.reclaim(&mut ends.ws);
            pool.hibernate(&mut ends.ws);
            ends.release();
            core::mem::forget((ends, pool));
        });
        assert_eq!(held(info), keys(side), "{side:?} {takeover}");
        assert!(info.bytes_max < 8 << 10, "{info:?}");
    }
}

#[test]
fn a_lent_codec_that_was_not_used_leaves_nothing() {
    for (side, takeover) in all() {
        let plain = frame(true, 2, [7; 300]).to(side).bytes();
        let mut pool = Pool::new();
        let mut other = Ends::new(side, params(takeover, 15), always(|_| {}));
        other.receive(&traffic(side, takeover, &[b"a message"]));
        other.send(&[b"a message"]);
        pool.hibernate(&mut other.ws);
        let with_codecs = format!("{pool:?}");
        assert_ne!(with_codecs, format!("{:?}", Pool::new()));
        let info = measure(|| {
            let mut ends = Ends::new(side, params(takeover, 15), always(|_| {}));
            pool.lend(&mut ends.ws);
            assert_eq!(
                format!("{pool:?}"),
                format!("{:?}", Pool::new()),
                "both are lent"
            );
            ends.receive(&plain);
            pool.reclaim(&mut ends.ws);
            ends.release();
            core::mem::forget(ends);
        });
        assert_eq!(format!("{pool:?}"), with_codecs);
        assert_eq!(held(info), keys(side), "{side:?} {takeover}");
    }
}

#[test]
fn field_4_10_without_takeover_a_connection_at_rest_holds_nothing() {
    let (long, short) = (noise(50_000), [7; 100]);
    for side in SIDES {
        let wire = traffic(side, false, &[&long, &short]);
        let mut pool = Pool::new();
        for hibernate in [false, true] {
            let info = measure(|| {
                let mut ends = Ends::new(side, params(false, 15), always(|_| {}));
                pool.lend(&mut ends.ws);
                assert_eq!(ends.receive(&wire), 2 * (long.len() + short.len()));
                ends.send(&[&long, &short]);
                match hibernate {
                    true => Pool::new().hibernate(&mut ends.ws),
                    false => pool.reclaim(&mut ends.ws),
                }
                ends.release();
                core::mem::forget(ends);
            });
            match hibernate {
                // The codecs of the pool were dropped as well.
                true => assert!(info.bytes_current < -300_000, "{info:?}"),
                false => {
                    let states = states(side);
                    let held = info.count_current - states.0;
                    assert_eq!(held, 5, "the pool holds: {info:?}");
                }
            }
        }
        assert_eq!(format!("{pool:?}"), format!("{:?}", Pool::new()));
    }
}

#[test]
fn field_4_10_one_pool_for_a_thousand_connections() {
    let message = noise(500);
    for side in SIDES {
        let wire = traffic(side, false, &[&message]);
        let mut pool = Pool::new();
        let mut all: Vec<_> = (0..1000)
            .map(|_| Ends::new(side, params(false, 12), always(|_| {})))
            .collect();
        let mut turn = |ends: &mut Ends| {
            pool.lend(&mut ends.ws);
            ends.receive(&wire);
            ends.send(&[&message]);
            pool.reclaim(&mut ends.ws);
            ends.release();
        };
        let first = measure(|| turn(&mut all[0]));
        let codecs = held(first);
        assert!(codecs.0 > 0 && codecs.1 > INFLATER as i64);
        let rest = measure(|| {
            for _ in 0..3 {
                all.iter_mut().for_each(&mut turn);
            }
        });
        let others = (999 * STATES.0, 999 * STATES.1);
        assert_eq!(held(rest), others, "another codec was kept");
        // Only states and buffers were allocated, and no codec.
        assert!(rest.bytes_max < others.1 as u64 + 30_000, "{rest:?}");
    }
}

#[test]
fn a_pool_keeps_one_compressor_of_each_kind() {
    let mut pool = Pool::new();
    let kinds = [(9, 8, 4), (15, 8, 4), (15, 1, 4), (15, 8, 9)];
    let info = measure(|| {
        for _ in 0..2 {
            let mut all = kinds.map(|(window_bits, mem_level, level)| {
                let config = always(|c| (c.mem_level, c.level) = (mem_level, level));
                [(); 2].map(|()| Ends::new(Side::Server, params(false, window_bits), config))
            });
            for ends in all.as_flattened_mut() {
                pool.lend(&mut ends.ws);
                ends.send(&[b"a message"]);
            }
            for ends in all.as_flattened_mut() {
                pool.reclaim(&mut ends.ws);
            }
        }
    });
    let each: u64 = kinds
        .map(|(window_bits, mem_level, _)| compressor(window_bits, mem_level))
        .iter()
        .sum();
    assert_eq!(
        info.bytes_current as u64,
        each + 4 * 8,
        "and a list of four"
    );
}

/// Measures the bytes of a compressor.
fn compressor(window_bits: u8, mem_level: u8) -> u64 {
    let config = always(|c| c.mem_level = mem_level);
    let mut ends = Ends::new(Side::Server, params(false, window_bits), config);
    ends.out.reserve(1000);
    let info = measure(|| ends.send(&[b"a message"]));
    info.bytes_current as u64 - STATE
}

/// The numbers in the documentation of the module `deflate`.
#[test]
fn the_memory_table_of_the_docs() {
    let table = [
        // Window bits, memory level, and bytes of the compressor.
        (9, 1, 137_352),
        (9, 5, 150_792),
        (9, 8, 251_144),
        (9, 9, 365_832),
        (12, 1, 151_688),
        (12, 5, 165_128),
        (12, 8, 265_480),
        (12, 9, 380_168),
        (15, 1, 266_376),
        (15, 5, 279_816),
        (15, 8, 380_168),
        (15, 9, 494_856),
    ];
    let measured = table.map(|(window_bits, mem_level, _)| {
        (window_bits, mem_level, compressor(window_bits, mem_level))
    });
    assert_eq!(measured, table);
    for (window_bits, takeover) in [(8, false), (9, true), (15, true), (15, false)] {
        let wire = traffic(Side::Server, takeover, &[&noise(100)]);
        let mut ends = Ends::new(Side::Server, params(takeover, window_bits), always(|_| {}));
        let info = measure(|| {
            ends.receive(&wire);
            ends.release();
        });
        // The history contains two messages of 100 bytes.
        let history = if takeover { HISTORY + 200 } else { 0 };
        assert_eq!(info.bytes_current as u64, STATE + INFLATER + history);
    }
}

#[test]
fn with_takeover_a_hibernated_connection_holds_two_windows() {
    let message = noise(100_000);
    for side in SIDES {
        for window_bits in [9, 12, 15] {
            let wire = traffic(side, true, &[&message, b"short", &message]);
            let config = always(|_| {});
            let mut pool = Pool::new();
            let mut held_by_pool = Ends::new(side, params(true, window_bits), config);
            held_by_pool.receive(&wire);
            held_by_pool.send(&[b"x"]);
            pool.hibernate(&mut held_by_pool.ws);
            let info = measure(|| {
                let mut ends = Ends::new(side, params(true, window_bits), config);
                pool.lend(&mut ends.ws);
                ends.receive(&wire);
                ends.send(&[&message, &message[..10]]);
                pool.reclaim(&mut ends.ws);
                pool.hibernate(&mut ends.ws);
                ends.release();
                core::mem::forget(ends);
            });
            let window = (1 << window_bits) + HISTORY as i64;
            let states = states(side);
            let expected = (4 + states.0, 2 * window + states.1);
            assert_eq!(held(info), expected, "{side:?} {window_bits}");
        }
    }
}

#[test]
fn a_pool_takes_back_what_holds_no_context() {
    let empty = format!("{:?}", Pool::new());
    for (side, takeover) in all() {
        let wire = traffic(side, takeover, &[b"a message"]);
        let config = always(|_| {});
        let mut ends = Ends::new(side, params(takeover, 15), config);
        let mut pool = Pool::new();
        ends.receive(&wire);
        ends.send(&[b"a message"]);
        pool.reclaim(&mut ends.ws);
        assert_eq!(format!("{pool:?}") == empty, takeover);
        pool.hibernate(&mut ends.ws);
        assert_ne!(format!("{pool:?}"), empty);

        // Codecs that were lent and not used are given back. Inside a message they are not.
        let mut other = Ends::new(side, params(takeover, 15), config);
        let full = format!("{pool:?}");
        pool.lend(&mut other.ws);
        assert_eq!(format!("{:?}", pool).matches("Inflate").count(), 0);
        pool.reclaim(&mut other.ws);
        assert_eq!(format!("{pool:?}"), full);
        let half = frame(false, 2, [0xf2, 0x48]).rsv(4).to(side).bytes();
        other.receive(&half);
        other.ws.start_message(MessageKind::Binary).unwrap();
        other.ws.send_fragment(b"half", &mut other.out).unwrap();
        let mut pool = Pool::new();
        pool.reclaim(&mut other.ws);
        pool.hibernate(&mut other.ws);
        assert_eq!(format!("{pool:?}"), empty);
    }
}

#[test]
fn no_allocations_once_warm() {
    let (long, short) = (
        noise(50_000),
        b"the same message again and again, ".repeat(7),
    );
    for (side, takeover) in all() {
        for pooled in [false, true] {
            for lens in [[50_000, 238], [40_000, 40_000], [16_384, 16_384], [3000, 0]] {
                let messages = [&long[..lens[0]], &short[..lens[1].min(short.len())]];
                let mut ends = Ends::new(side, params(takeover, 15), always(|_| {}));
                let mut pool = Pool::new();
                let mut other = Peer::new(6);
                let wire: Vec<_> = (0..60)
                    .map(|_| {
                        if !takeover {
                            other = Peer::new(6);
                            return traffic(side, false, &messages);
                        }
                        let payloads = messages.map(|message| other.message(message));
                        payloads
                            .map(|payload| compressed(payload).to(side).bytes())
                            .concat()
                    })
                    .collect();
                let mut round = |wire: &[u8]| {
                    if pooled {
                        pool.lend(&mut ends.ws);
                    }
                    ends.receive(wire);
                    ends.send(&messages);
                    ends.out.clear();
                    if pooled {
                        pool.reclaim(&mut ends.ws);
                        pool.lend(&mut ends.ws);
                        pool.hibernate(&mut ends.ws);
                    }
                };
                wire[..10].iter().for_each(|wire| round(wire));
                let info = measure(|| wire[10..].iter().for_each(|wire| round(wire)));
                // A stream of several pieces gets a compressor that nothing else has used: the message in
                // pieces without context takeover, and the connection that comes back with it.
                let compressors = if takeover && !pooled { 0 } else { 50 };
                assert_eq!(
                    (info.count_total, info.count_current),
                    (2 * compressors, 0),
                    "{side:?} {takeover} {pooled} {lens:?}: {info:?}"
                );
            }
        }
    }
}

/// The memory of the read was given back for each message, and made again for the next read.
#[test]
fn fixed_47_long_reads_of_short_messages_allocate_nothing_once_warm() {
    for (side, room) in SIDES
        .into_iter()
        .flat_map(|side| [65_536, 65_537, 1 << 20].map(|it| (side, it)))
    {
        let mut ends = Ends::new(side, params(false, 15), DeflateConfig::new());
        let wire = compressed(Peer::new(6).message(b"short")).to(side).bytes();
        for _ in 0..3 {
            ends.read(&wire, room);
        }
        let info = measure(|| assert_eq!(ends.read(&wire, room), 5));
        assert_eq!(info.count_total, 0, "{side:?} {room}: {info:?}");
        assert!(ends.input.capacity() >= room);
    }
}

/// The same if a read ends in the header or in the payload of the next frame.
#[test]
fn fixed_54_the_memory_of_a_read_stays_also_if_a_frame_is_cut() {
    let short = || compressed(Peer::new(6).message(b"short"));
    let waits = || frame(true, 2, [1; 2000]);
    for (side, room) in SIDES
        .into_iter()
        .flat_map(|side| [65_536, 128 << 10].map(|it| (side, it)))
    {
        for (frames, cut) in [(vec![short()], 3), (vec![short(), waits()], 1000)] {
            let mut ends = Ends::new(side, params(false, 15), DeflateConfig::new());
            let round: Vec<u8> = frames
                .into_iter()
                .flat_map(|frame| frame.to(side).bytes())
                .collect();
            let wire = round.repeat(20);
            let (first, rest) = wire.split_at(round.len() - cut);
            ends.read(first, room);
            let (warm, reads) = rest.split_at(4 * round.len());
            let mut receive = |reads: &[u8]| {
                for read in reads.chunks(round.len()) {
                    ends.read(read, room);
                }
            };
            receive(warm);
            let info = measure(|| receive(&reads[..8 * round.len()]));
            assert_eq!(info.count_total, 0, "{side:?} {room} {cut}: {info:?}");
        }
    }
}

/// A compressed payload of 1 MiB that inflates to 1 GiB of zeros.
fn bomb() -> Vec<u8> {
    let start = Peer::new(9).flushed(&vec![0; 1 << 20]);
    let mut payload = start.repeat((1 << 20) / start.len());
    payload.resize(1 << 20, 0);
    payload
}

#[test]
fn field_08_a_mebibyte_of_compressed_zeros() {
    const CHUNK: usize = 16 << 10;
    let payload = bomb();
    for (side, takeover) in all() {
        for read in [1000, 16 << 10, 64 << 10] {
            for limit in [1, 1000, 16 << 10, 64 << 10, 1 << 20, 3 << 20] {
                let wire = compressed(&payload[..payload.len().min(limit + limit / 4 + 64)]);
                // The maximum compressed size. A longer frame would be refused at its header.
                let wire = wire.to(side).bytes();
                let limited = config(|c| c.max_message_size = limit);
                let mut error = None;
                let info = measure(|| {
                    let ws = Connection::assume_opened(side.role(), limited);
                    let mut ws = ws.with_deflate(params(takeover, 15), DeflateConfig::new());
                    let mut input = RecvBuf::new();
                    let mut out = BytesMut::with_capacity(100);
                    for piece in wire.chunks(read) {
                        input.spare(read)[..piece.len()].copy_from_slice(piece);
                        input.filled(piece.len());
                        let last = loop {
                            match ws.next_event(&mut input, &mut out) {
                                Ok(Some(Event::Progress)) => {}
                                last => break last,
                            }
                        };
                        if let Err(e) = last {
                            error = Some(e);
                            break;
                        }
                    }
                });
                assert_eq!(error, Some(ProtocolError::MessageTooBig), "{limit}");
                // The memory of the codec, of the connection, and of the record of the Close frame.
                let others = INFLATER + (STATES.1 + KEYS.1) as u64 + 300;
                // With long reads only the list of chunks is there besides, which doubles. While it
                // grows, the old and the new list exist.
                let room = match read {
                    1000 => 64 << 10,
                    _ => 3 * 24 * limit.div_ceil(CHUNK).next_power_of_two().max(4) / 2,
                };
                let most = (limit + read + room) as u64 + others;
                assert!(
                    info.bytes_max <= most,
                    "{limit}: {info:?}, more than {most}"
                );
            }
        }
    }
}

#[test]
fn a_message_costs_twice_its_length_at_most() {
    for plain in [vec![0; 1 << 20], noise(1 << 20)] {
        for read in [1000, 16 << 10, 64 << 10] {
            let wire = compressed(Peer::new(6).message(&plain))
                .to(Side::Server)
                .bytes();
            let mut ends = Ends::new(Side::Server, params(false, 15), DeflateConfig::new());
            let info = measure(|| {
                let reads = wire.chunks(read);
                let received: usize = reads.map(|bytes| ends.read(bytes, read)).sum();
                assert_eq!(received, plain.len());
            });
            let most = 2 * plain.len() + read + (8 << 10);
            let codec = (STATE + INFLATER) as usize;
            assert!(info.bytes_max as usize <= most + codec, "{info:?}");
            // `capacity` includes the inflated message.
            assert_eq!(ends.input.capacity(), info.bytes_current as usize - codec);
            ends.release();
        }
    }
}

#[test]
fn fixed_10_plain_and_inflated_messages_are_not_held_together() {
    const LIMIT: usize = 1 << 20;
    // The limit, a read, the chunk of 16 KiB, and 64 KiB that the other kind may keep.
    const MOST: usize = LIMIT + (16 << 10) + (16 << 10) + (64 << 10);
    let message = vec![0; LIMIT];
    let text = "é".repeat(LIMIT / 2);
    for (side, takeover) in all() {
        let plain: Vec<u8> = (0..64)
            .flat_map(|n| {
                let (fin, opcode) = (n == 63, if n == 0 { 2 } else { 0 });
                let piece = &message[..LIMIT / 64];
                frame(fin, opcode, piece).to(side).bytes()
            })
            .collect();
        let mut peer = Peer::new(6);
        let mut inflated = || {
            if !takeover {
                peer = Peer::new(6);
            }
            compressed(peer.message(&message)).to(side).bytes()
        };
        let wire = [
            &plain[..],
            &inflated(),
            &plain,
            &inflated(),
            &inflated(),
            &plain,
        ]
        .concat();
        let mut ends = Ends::new(side, params(takeover, 15), DeflateConfig::new());
        let (mut held, mut received) = (0, 0);
        for read in wire.chunks(3000) {
            received += ends.receive(read);
            held = held.max(ends.input.capacity());
        }
        assert_eq!(received, 6 * LIMIT);
        assert!(
            held <= MOST,
            "{side:?} {takeover}: {held}, more than {MOST}"
        );
        // A text that is not ASCII has memory of its own.
        let text = frame(true, 1, &text).to(side).bytes();
        for (wire, most) in [(text, MOST + (256 << 10)), (inflated(), MOST)] {
            let mut held = 0;
            for read in wire.chunks(3000) {
                ends.receive(read);
                held = held.max(ends.input.capacity());
            }
            assert!((LIMIT..=most).contains(&held), "{held}, more than {most}");
        }
    }
}

#[test]
fn lent_room_stays_when_memory_is_given_back() {
    for side in SIDES {
        let mut ends = Ends::new(side, params(false, 15), DeflateConfig::new());
        // More memory than a compressed message leaves to the other kind.
        let long = frame(true, 2, [7; 200_000]).to(side).bytes();
        assert_eq!(ends.receive(&long), 200_000);
        assert!(ends.input.capacity() > 100_000);

        let wire = compressed(Peer::new(6).message(&noise(1000)))
            .to(side)
            .bytes();
        let (first, rest) = wire.split_at(500);
        ends.input.extend_from_slice(first);
        ends.input.spare(rest.len()).copy_from_slice(rest);
        let event = ends.ws.next_event(&mut ends.input, &mut ends.out);
        assert_eq!(event, Ok(None));
        ends.input.filled(rest.len());
        let event = ends.ws.next_event(&mut ends.input, &mut ends.out);
        assert_eq!(event, Ok(Some(Event::Binary(&noise(1000)))));
    }
}

#[test]
fn sizes_of_types() {
    assert!(
        size_of::<Connection>() <= 200,
        "{}",
        size_of::<Connection>()
    );
    assert!(size_of::<RecvBuf>() <= 256, "{}", size_of::<RecvBuf>());
    assert!(size_of::<Pool>() <= 32);
    assert_eq!(size_of::<Params>(), 6);
    assert!(size_of::<Config>() <= 184, "{}", size_of::<Config>());
}

#[test]
fn threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Connection>();
    shared::<RecvBuf>();
    sent::<Pool>();
}

#[test]
fn a_connection_that_is_done_gives_back_everything() {
    for (side, takeover) in all() {
        let mut pool = Pool::new();
        let mut spoilt = || {
            let mut ends = Ends::new(side, params(takeover, 15), always(|_| {}));
            pool.lend(&mut ends.ws);
            ends.ws.start_message(MessageKind::Binary).unwrap();
            ends.ws
                .send_fragment(b"not finished", &mut ends.out)
                .unwrap();
            // A block of an invalid type, inside a message.
            let wrong = frame(false, 2, [0x07]).rsv(4).to(side).bytes();
            ends.input.extend_from_slice(&wrong);
            let error = ends.ws.next_event(&mut ends.input, &mut ends.out);
            assert_eq!(error, Err(ProtocolError::InvalidDeflate));
            pool.reclaim(&mut ends.ws);
        };
        let first = measure(&mut spoilt);
        let second = measure(&mut spoilt);
        assert!(first.bytes_current > INFLATER as i64, "{first:?}");
        assert_eq!(second.bytes_current, 0, "{second:?}");
    }
}
