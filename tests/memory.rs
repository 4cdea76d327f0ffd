//! Proves the memory use of a connection: no heap memory while it is idle, no allocation once the
//! buffers have grown, none for a length that a peer only announces, a bounded multiple of what the
//! peer sends, and at most 200 bytes for the connection itself. `allocation_counter` counts
//! allocations by thread, so the tests do not disturb each other.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use core::mem::size_of;

use allocation_counter::{AllocationInfo, measure};
use bytes::BytesMut;
use websocket_proto::{
    CloseFrame, Config, Connection, Event, MessageKind, ProtocolError, RecvBuf, Seed, SendError,
    frame::{CloseCode, FrameHeader},
    handshake::{
        client::{Outcome, Request},
        server::{Accept, Handshake, Origins},
    },
};

mod support;

use support::{
    SIDES, Side, config, frame, secs,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

/// Takes all events. Returns the number of message bytes in them.
fn drain(ws: &mut Connection, input: &mut RecvBuf, out: &mut BytesMut) -> usize {
    let mut total = 0;
    while let Some(event) = ws.next_event(input, out).expect("legal") {
        total += match event {
            Event::Text(text) => text.len(),
            Event::Binary(bytes) => bytes.len(),
            _ => 0,
        };
    }
    total
}

/// Messages and control frames of several kinds, as this side receives them.
fn traffic(side: Side) -> Vec<u8> {
    let frames = [
        frame(false, TEXT, "frag"),
        wire::ping("in between"),
        frame(false, CONTINUATION, "men\u{e9}"),
        frame(true, CONTINUATION, vec![b'x'; 3000]),
        frame(true, BINARY, vec![7; 20_000]),
        wire::text("short"),
    ];
    frames.map(|frame| frame.to(side).bytes()).concat()
}

/// Sends messages and control frames of several kinds.
fn talk(ws: &mut Connection, out: &mut BytesMut) {
    ws.send_text("hello", out).expect("open");
    ws.send_binary(&[7; 20_000], out).expect("open");
    ws.send_ping(b"ping", out).expect("open");
    ws.start_message(MessageKind::Text).expect("open");
    ws.send_fragment(b"half a character \xC3", out)
        .expect("open");
    ws.finish_message(b"\xA9", out).expect("open");
}

#[test]
fn an_idle_connection_holds_no_heap() {
    for side in SIDES {
        let traffic = traffic(side);
        let info = measure(|| {
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            for piece in traffic.chunks(777) {
                input.extend_from_slice(piece);
                drain(&mut ws, &mut input, &mut out);
            }
            talk(&mut ws, &mut out);
            let ping_at = ws.deadline(secs(1)).expect("keepalive");
            ws.handle_timeout(ping_at, &mut out).expect("alive");
            assert!(input.capacity() > 0 && out.capacity() > 0);

            input.release();
            assert_eq!(input.capacity(), 0);
            out = BytesMut::new();
            // They are not dropped, so that their memory is counted.
            core::mem::forget((ws, input, out));
        });
        assert!(info.count_total > 0, "nothing was measured");
        // A client keeps its mask keys.
        let held = if side == Side::Server {
            (0, 0)
        } else {
            (1, 260)
        };
        assert_eq!((info.count_current, info.bytes_current), held, "{side:?}");
    }
}

#[test]
fn release_does_nothing_while_something_is_under_way() {
    let frames = [
        frame(false, TEXT, "half "),
        wire::ping(""),
        frame(true, CONTINUATION, "of it"),
    ];
    let wire = frames.map(|frame| frame.to(Side::Server).bytes()).concat();
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let (last, before) = wire.split_last().expect("bytes");
    for byte in before {
        input.extend_from_slice(&[*byte]);
        drain(&mut ws, &mut input, &mut out);
        // Before the header of the next fragment nothing is unread, but the first half of the
        // message must be kept.
        input.release();
        assert!(input.capacity() > 0 && !input.is_idle());
    }
    input.extend_from_slice(&[*last]);
    let event = ws.next_event(&mut input, &mut out);
    assert_eq!(event, Ok(Some(Event::Text("half of it"))));
    assert!(input.is_idle());
    input.release();
    assert_eq!(input.capacity(), 0);
}

#[test]
fn no_allocations_once_warm() {
    for side in SIDES {
        let traffic = traffic(side);
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut round = |n: u64| {
            // Each round has another read size, so that reads end in headers, payloads and
            // characters.
            for piece in traffic.chunks(1000 + n as usize) {
                input.spare(4096)[..piece.len()].copy_from_slice(piece);
                input.filled(piece.len());
                assert!(ws.deadline(secs(n)).is_some());
                drain(&mut ws, &mut input, &mut out);
            }
            talk(&mut ws, &mut out);
            out.clear();
        };
        (0..3).for_each(&mut round);
        let info = measure(|| (3..1003).for_each(&mut round));
        assert_eq!(info.count_total, 0, "{side:?}: {info:?}");
    }
}

fn unlimited() -> Config {
    config(|c| {
        c.max_frame_size = usize::MAX;
        c.max_message_size = usize::MAX;
        c.max_fragments = u32::MAX;
    })
}

/// Feeds a frame that announces this length and has 100 bytes, byte by byte: a whole message, or a
/// fragment of one. Returns the allocations.
fn announced(side: Side, opcode: u8, in_message: bool, len: u64) -> AllocationInfo {
    let payload = [b'x'; 100];
    let wire = match in_message {
        false => frame(true, opcode, payload).claiming(len).to(side).bytes(),
        true => {
            let start = frame(false, opcode, "abc").to(side).bytes();
            let lie = frame(true, CONTINUATION, payload).claiming(len);
            [start, lie.to(side).bytes()].concat()
        }
    };
    measure(|| {
        let mut ws = Connection::assume_opened(side.role(), unlimited());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for byte in &wire {
            input.spare(4096)[0] = *byte;
            input.filled(1);
            drain(&mut ws, &mut input, &mut out);
        }
        assert!(!input.is_idle());
    })
}

#[test]
#[cfg(target_pointer_width = "64")]
fn field_05_a_declared_terabyte_reserves_nothing() {
    for side in SIDES {
        for (opcode, in_message) in [(TEXT, false), (TEXT, true), (BINARY, false), (BINARY, true)] {
            // The shortest length whose header is as long as those of the others.
            let least = announced(side, opcode, in_message, 65_536);
            for len in [65_537, 1 << 20, 1 << 32, 1 << 40, (1 << 63) - 1] {
                let info = announced(side, opcode, in_message, len);
                assert_eq!(info, least, "{side:?}, {opcode}, {in_message}, {len}");
            }
        }
    }
}

/// Feeds a message of `fragments` fragments with this payload, some KiB in each read. Returns the
/// allocations.
fn tiny_fragments(side: Side, payload: &str, fragments: usize) -> AllocationInfo {
    let start = frame(false, TEXT, payload).to(side).bytes();
    let more = frame(false, CONTINUATION, payload).to(side).bytes();
    let last = frame(true, CONTINUATION, payload).to(side).bytes();
    let reads = more.repeat(500);
    measure(|| {
        let mut ws = Connection::assume_opened(side.role(), unlimited());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut total = 0;
        input.extend_from_slice(&start);
        for _ in 0..fragments / 500 {
            input.extend_from_slice(&reads);
            total += drain(&mut ws, &mut input, &mut out);
        }
        assert_eq!(total, 0, "not finished yet");
        input.extend_from_slice(&last);
        total += drain(&mut ws, &mut input, &mut out);
        assert_eq!(total, payload.len() * (fragments + 2));
    })
}

#[test]
fn field_07_tiny_fragments_cost_their_payload() {
    // The capacity doubles, so at most twice the payload and some reads are held. While the memory
    // grows, the old and the new memory exist at once: half as much again.
    const READS: u64 = 32 << 10;
    for side in SIDES {
        for (payload, fragments) in [("", 1_000_000), ("x", 1_000_000), ("\u{e9}", 10_000)] {
            let info = tiny_fragments(side, payload, fragments);
            let bytes = (payload.len() * fragments) as u64;
            assert!(
                info.bytes_max <= 3 * bytes + READS,
                "{side:?} {payload:?}: {info:?}"
            );
        }
    }
}

#[test]
fn fixed_10_a_message_under_way_costs_its_limit_and_a_read() {
    const READ: usize = 16 << 10;
    for side in SIDES {
        for limit in [1000_usize, 100_000, 1 << 20, (1 << 20) + 1, 3_000_000] {
            // A message of the maximum size that is not complete, in one frame and in many.
            for frame_len in [limit, 1000] {
                let wire: Vec<u8> = (0..limit.div_ceil(frame_len))
                    .flat_map(|n| {
                        let opcode = if n == 0 { BINARY } else { CONTINUATION };
                        let len = frame_len.min(limit - n * frame_len);
                        frame(false, opcode, vec![7; len]).to(side).bytes()
                    })
                    .collect();
                let mut held = 0;
                let info = measure(|| {
                    let limited = config(|c| c.max_message_size = limit);
                    let mut ws = Connection::assume_opened(side.role(), limited);
                    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
                    for read in wire.chunks(READ) {
                        input.spare(READ)[..read.len()].copy_from_slice(read);
                        input.filled(read.len());
                        drain(&mut ws, &mut input, &mut out);
                        held = held.max(input.capacity());
                    }
                });
                // 130 bytes for an incomplete control frame.
                let most = limit + READ + 130;
                assert!(
                    held <= most,
                    "{limit} {frame_len}: {held}, more than {most}"
                );
                // While the memory grows, the old and the new memory exist at once. A client also
                // has its mask keys.
                assert!(info.bytes_max as usize <= 2 * most + 260, "{info:?}");
            }
        }
    }
}

/// Near the limit of a message the buffer grew by one byte for each byte of a header or of a control
/// frame that arrived alone, and each time the message moved.
#[test]
fn fixed_20_a_message_near_its_limit_is_not_moved_for_each_byte() {
    const LIMIT: usize = 100_000;
    let ping = wire::ping([7; 125]);
    for side in SIDES {
        for limit in [LIMIT, usize::MAX] {
            let mut ws =
                Connection::assume_opened(side.role(), config(|c| c.max_message_size = limit));
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let most = frame(false, BINARY, vec![7; LIMIT - 1]).to(side).bytes();
            input.extend_from_slice(&most);
            drain(&mut ws, &mut input, &mut out);
            let info = measure(|| {
                for byte in ping.clone().to(side).bytes() {
                    input.extend_from_slice(&[byte]);
                    drain(&mut ws, &mut input, &mut out);
                }
            });
            // It moves for a header, and for a control frame. Without a limit the memory doubles.
            let moved = info.bytes_total as usize / LIMIT;
            assert!(moved <= 2, "{side:?}: {info:?}");
            if limit == LIMIT {
                // A read of one byte, and an incomplete control frame.
                assert_eq!(input.capacity(), LIMIT + 1 + 130, "{side:?}");
            }
        }
    }
}

/// With a limit below the length of a read, the buffer had doubled before the message began.
#[test]
fn fixed_43_a_header_at_the_end_of_a_read_does_not_double_the_buffer() {
    const READ: usize = 16 << 10;
    for (side, limit) in SIDES.into_iter().flat_map(|side| [(side, 0), (side, 1000)]) {
        let limited = config(|c| c.parts_above = limit);
        let mut ws = Connection::assume_opened(side.role(), limited);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let ping = wire::ping("1").to(side).bytes();
        let pings = ping.repeat(READ / ping.len());
        let message = frame(false, BINARY, vec![7; 5 * READ]).to(side).bytes();
        let wire = [pings, message].concat();
        for read in wire.chunks(READ) {
            input.spare(READ)[..read.len()].copy_from_slice(read);
            input.filled(read.len());
            drain(&mut ws, &mut input, &mut out);
            let most = limit + READ + 130;
            assert!(input.capacity() <= most, "{side:?}: {}", input.capacity());
        }
    }
}

/// What may come behind the message is added to its limit, which can be the largest number.
#[test]
fn a_message_without_a_limit_can_be_short() {
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), unlimited());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for byte in frame(false, BINARY, "a").to(side).bytes() {
            input.extend_from_slice(&[byte]);
            drain(&mut ws, &mut input, &mut out);
        }
        input.spare(100);
        assert!(input.capacity() < 1000);
    }
}

#[test]
fn a_long_text_costs_its_limit_a_read_and_256_kib() {
    // ASCII, then something else, so that all ways to hold a text come after each other, also behind a
    // long message of another kind.
    const READ: usize = 16 << 10;
    const LIMIT: usize = 1_000_000;
    const MOST: usize = LIMIT + READ + (256 << 10);
    for side in SIDES {
        for ascii in [0, 60_000, 100_000, LIMIT - 1000] {
            let text = "x".repeat(ascii) + &"é".repeat((LIMIT - ascii) / 2);
            let long = frame(true, BINARY, vec![7; LIMIT]).to(side).bytes();
            let text = frame(false, TEXT, text).to(side).bytes();
            let last = frame(true, CONTINUATION, "").to(side).bytes();
            let limited = config(|c| c.max_message_size = LIMIT);
            let mut ws = Connection::assume_opened(side.role(), limited);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut held = 0;
            let mut round = || {
                for wire in [&text, &last, &long] {
                    for read in wire.chunks(READ) {
                        input.spare(READ)[..read.len()].copy_from_slice(read);
                        input.filled(read.len());
                        drain(&mut ws, &mut input, &mut out);
                        held = held.max(input.capacity());
                    }
                }
            };
            round();
            let info = measure(round);
            assert!(held <= MOST, "{side:?} {ascii}: {held}, more than {MOST}");
            assert!(info.bytes_max as usize <= 2 * MOST, "{info:?}");
        }
    }
}

#[test]
fn a_frame_makes_the_output_longer_once_and_hardly_more_than_needed() {
    for side in SIDES {
        for len in [
            0, 1, 7, 8, 16, 17, 32, 33, 64, 65, 125, 126, 1000, 65_535, 65_536, 100_000,
        ] {
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            // The first frame of a client makes its mask keys.
            ws.send_binary(b"", &mut BytesMut::new()).expect("open");
            let (payload, mut out) = (vec![7; len], BytesMut::new());
            let info = measure(|| ws.send_binary(&payload, &mut out).expect("open"));
            // Up to 64 bytes more, because a short payload is written as two chunks.
            let most = FrameHeader::MAX_LEN + len + 64;
            assert!(out.capacity() <= most, "{side:?} {len}: {}", out.capacity());
            assert_eq!(info.count_total, 1, "{side:?} {len}: {info:?}");
        }
    }
}

#[test]
fn long_texts_allocate_nothing_once_warm() {
    for side in SIDES {
        for read in [1_460, 16 << 10, 64 << 10] {
            let text = "é€😀 text".repeat(6_000);
            let wire = frame(true, TEXT, text).to(side).bytes();
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut round = || {
                for read in wire.chunks(read) {
                    input.spare(read.len())[..read.len()].copy_from_slice(read);
                    input.filled(read.len());
                    drain(&mut ws, &mut input, &mut out);
                }
            };
            (0..3).for_each(|_| round());
            let info = measure(|| (0..10).for_each(|_| round()));
            assert_eq!(info.count_total, 0, "{side:?} {read}: {info:?}");
        }
    }
}

/// Bytes of each read, and its room.
const READS: [(usize, usize); 5] = [
    (100, 16 << 10),
    (100, 100),
    (12_000, 12_000),
    (15_000, 15_000),
    (16 << 10, 16 << 10),
];

#[test]
fn a_handshake_costs_four_times_its_limit_and_two_reads_at_most() {
    let start = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let limited = config(|c| c.max_headers = 128);
    for (name, element) in [
        ("Sec-WebSocket-Protocol", "a,"),
        ("Sec-WebSocket-Protocol", ","),
        ("Sec-WebSocket-Extensions", "permessage-deflate,"),
        ("Sec-WebSocket-Extensions", "a;b=c;d=\"e\","),
        ("X", "x"),
    ] {
        let room = limited.max_head_size - start.len() - name.len() - ": \r\n\r\n".len();
        let list = element.repeat(room / element.len());
        let complete = format!("{start}{name}: {list}\r\n\r\n");
        let endless = format!("{start}{name}: {}", element.repeat(100_000));
        for (request, valid) in [(complete, true), (endless, false)] {
            for (read, room) in READS {
                let info = measure(|| {
                    let mut handshake = Handshake::new(limited, Origins::SameOrigin);
                    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
                    let mut accepted = false;
                    for bytes in request.as_bytes().chunks(read) {
                        input.spare(room)[..bytes.len()].copy_from_slice(bytes);
                        input.filled(bytes.len());
                        if let Ok(Some((_, pending))) = handshake.next(&mut input, &mut out) {
                            let response = Accept::new();
                            accepted = pending.accept(response, &mut out).is_ok();
                        }
                    }
                    assert_eq!(accepted, valid, "{name}: {element}");
                });
                let most = (4 * limited.max_head_size + 2 * room) as u64;
                assert!(info.bytes_max <= most, "{name}: {element} {read}: {info:?}");
            }
        }
    }
}

#[test]
fn a_handshake_of_a_client_costs_four_times_its_limit_and_two_reads_at_most() {
    let limit = Config::new().max_head_size;
    let start = support::client::with(&[]);
    let start = start.strip_suffix(b"\r\n").expect("an empty line");
    let field = |line: &str| [start, line.as_bytes(), b"\r\n\r\n"].concat();
    let room = limit - start.len() - "X: \r\n\r\n".len();
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
    let cases = [
        (field(&format!("X: {}", "x".repeat(room))), Some(true)),
        (field(&"X: y\r\n".repeat(60)), Some(true)),
        (field(&format!("X: {}", "x".repeat(1 << 20))), Some(false)),
        (field(&"X: y\r\n".repeat(1 << 16)), Some(false)),
        (interim.repeat(1 << 15), Some(false)),
        (
            [b"HTTP/1.1 403 ", &[b'x'; 1 << 20][..]].concat(),
            Some(false),
        ),
        // The application drops the connection after a refusal. Until then it can read the body.
        (
            [&b"HTTP/1.1 403 No\r\n\r\n"[..], &[b'x'; 1 << 20]].concat(),
            None,
        ),
    ];
    for (n, (response, accepted)) in cases.iter().enumerate() {
        for (read, room) in READS {
            let info = measure(|| {
                let request = Request::new(support::client::URL).expect("valid");
                let (mut handshake, _) = support::client::started(&request, Config::new());
                let mut input = RecvBuf::new();
                let mut outcome = None;
                for bytes in response.chunks(read) {
                    input.spare(room)[..bytes.len()].copy_from_slice(bytes);
                    input.filled(bytes.len());
                    match handshake.next(&mut input) {
                        Ok(None) => {}
                        Ok(Some(Outcome::Accepted(..))) => outcome = Some(true),
                        Ok(Some(Outcome::Refused(_))) => outcome = None,
                        Err(_) => outcome = Some(false),
                    }
                }
                assert_eq!(outcome, *accepted, "case {n}");
            });
            let most = (4 * limit + 2 * room) as u64;
            assert!(info.bytes_max <= most, "case {n}, {read}: {info:?}");
        }
    }
}

#[test]
fn a_silent_peer_costs_no_more_than_it_sent() {
    // A message of 64 KiB that never ends, then a flood of pings. Every read ends inside a ping, so
    // the buffer is never empty. It must reuse the memory of the pings that were taken.
    for side in SIDES {
        let ping = wire::ping("").to(side).bytes();
        let shifted = [&ping[1..], &ping[..1]].concat();
        let start = frame(false, BINARY, vec![1; 64 << 10]).to(side).bytes();
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for piece in [&start[..], &ping[..1]] {
            input.extend_from_slice(piece);
            drain(&mut ws, &mut input, &mut out);
        }
        let mut flood = |pings: usize| {
            for _ in 0..pings {
                input.spare(4096)[..ping.len()].copy_from_slice(&shifted);
                input.filled(ping.len());
                drain(&mut ws, &mut input, &mut out);
                out.clear();
            }
            input.capacity()
        };
        // The first one makes room for a read.
        let before = flood(1);
        let mut after = 0;
        let info = measure(|| after = flood(200_000));
        assert_eq!((after, info.count_total), (before, 0), "{side:?}: {info:?}");
    }
}

#[test]
fn the_record_of_a_close_is_all_that_is_allocated_at_the_end() {
    let reason = "x".repeat(123);
    for side in SIDES {
        for closes_first in [false, true] {
            let close = wire::close(1000, &reason).to(side).bytes();
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::with_capacity(200));
            input.extend_from_slice(&close);
            let info = measure(|| {
                if closes_first {
                    ws.close(CloseCode::NORMAL, &reason, &mut out)
                        .expect("open");
                }
                drain(&mut ws, &mut input, &mut out);
            });
            let [sent, received] = [ws.close_sent(), ws.close_received()];
            assert_eq!(received.expect("received").reason, reason);
            // The answer to a Close frame has no reason.
            let sent = sent.expect("sent").reason;
            assert_eq!(sent, if closes_first { &*reason } else { "" });
            // The reasons, and a record of them.
            assert!(info.bytes_max <= 300, "{info:?}");
        }
    }
}

#[test]
fn sizes_of_types() {
    let len = size_of::<Connection>();
    assert!(len <= 200, "{len}");
    // With compression it is larger: see deflate_memory.rs.
    if cfg!(not(feature = "deflate")) {
        assert!(size_of::<RecvBuf>() <= 184, "{}", size_of::<RecvBuf>());
    }
    assert_eq!(size_of::<Event<'_>>(), 3 * size_of::<usize>());
    assert_eq!(size_of::<CloseFrame<'_>>(), 3 * size_of::<usize>());
    assert!(size_of::<FrameHeader>() <= 24);
    assert!(size_of::<ProtocolError>() <= 8);
    assert_eq!(size_of::<SendError>(), 1);
    assert_eq!(size_of::<CloseCode>(), 2);
    assert_eq!(size_of::<Seed>(), 32);
    assert!(size_of::<Config>() <= 176, "{}", size_of::<Config>());
}
