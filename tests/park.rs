//! Receive buffers that connections share (`park`, `resume`), and owned buffers (`swap`): what each
//! connection keeps, and that nothing is lost or mixed up. `again_parked.rs` and `again_polled.rs`
//! run the tests of other files so.

use allocation_counter::measure;
use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, ReadyState, RecvBuf};

mod support;

#[cfg(feature = "deflate")]
use support::deflate::{Peer, compressed, rsv1};
use support::{
    Endpoint, Frame, OwnedEvent, Random, SIDES, Side, config, frame, secs,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

const READ: usize = 4 << 10;

fn open(side: Side) -> Connection {
    Connection::assume_opened(side.role(), Config::new())
}

#[cfg(feature = "deflate")]
fn with_compression(side: Side) -> Connection {
    let params = support::deflate::params(true, 15);
    open(side).with_deflate(params, websocket_proto::deflate::DeflateConfig::new())
}

/// One read, all events, and `park`.
fn turn(ws: &mut Connection, shared: &mut RecvBuf, bytes: &[u8]) -> Vec<OwnedEvent> {
    let (mut events, mut out) = (Vec::new(), BytesMut::new());
    ws.resume(shared);
    shared.spare(READ)[..bytes.len()].copy_from_slice(bytes);
    shared.filled(bytes.len());
    while let Some(event) = ws.next_event(shared, &mut out).expect("legal") {
        events.push(event.into());
    }
    ws.park(shared);
    events
}

#[test]
fn many_connections_share_one_buffer() {
    // Each of them receives its own messages, in reads that end anywhere.
    let mut random = Random(3);
    let mut shared = RecvBuf::new();
    let mut peers: Vec<_> = (0..20_u8)
        .map(|n| {
            let side = SIDES[usize::from(n) % 2];
            let frames = [
                wire::text(&format!("text of connection {n}")),
                frame(false, BINARY, vec![n; 3 * READ]),
                wire::ping([n; 50]),
                frame(false, CONTINUATION, [n; 10]),
                frame(true, CONTINUATION, vec![n; 200]),
                frame(true, TEXT, ""),
            ];
            let wire = frames.map(|frame| frame.to(side).bytes()).concat();
            (open(side), wire, 0, Vec::new())
        })
        .collect();
    while peers.iter().any(|(_, wire, at, _)| *at < wire.len()) {
        let at = random.below(peers.len());
        let (ws, wire, at, events) = &mut peers[at];
        let n = random.below(300).min(wire.len() - *at);
        events.extend(turn(ws, &mut shared, &wire[*at..*at + n]));
        *at += n;
        assert!(shared.is_idle());
    }
    for (n, (_, _, _, events)) in (0_u8..).zip(peers) {
        let expected = [
            OwnedEvent::Text(format!("text of connection {n}")),
            OwnedEvent::Ping(vec![n; 50]),
            OwnedEvent::Binary(vec![n; 3 * READ + 210]),
            OwnedEvent::text(""),
        ];
        assert_eq!(events, expected);
    }
}

#[test]
fn a_parked_connection_keeps_what_it_needs() {
    for side in SIDES {
        let long = wire::ping([7; 125]).to(side).bytes();
        let message = frame(true, BINARY, vec![1; 2000]).to(side).bytes();
        let header = message.len() - 2000;
        let pair: usize = 24;
        // Bytes that have arrived, and the most that may be kept for them.
        let cases: [(&[u8], usize); 7] = [
            (b"", 0),
            (&message[..1], pair + 1),
            (&message[..header - 1], pair + header - 1),
            (&long[..long.len() - 1], pair + long.len() - 1),
            // A message under way: its state, and the bytes that have arrived.
            (&message[..header], 280),
            (&message[..header + 500], 280 + 500),
            (&message, 0),
        ];
        for (bytes, most) in cases {
            let mut shared = RecvBuf::new();
            shared.spare(READ);
            let mut ws = open(side);
            let info = measure(|| drop(turn(&mut ws, &mut shared, bytes)));
            let kept = info.bytes_current as usize;
            assert!(kept <= most, "{kept} bytes for {}", bytes.len());
            assert!(
                shared.capacity() >= READ,
                "the memory stays with the buffer"
            );
        }
    }
}

/// The memory of a long text, or of a long compressed message, went along with the next message of
/// another connection.
#[cfg(feature = "deflate")]
#[test]
fn fixed_41_no_connection_takes_the_memory_of_another_one() {
    let text = |len: usize| frame(true, TEXT, "é".repeat(len / 2));
    let zeros = |len: usize| Peer::new(9).message(&vec![0; len]);
    let begun = |more: Vec<u8>| {
        let payload = [Peer::new(9).flushed(b"x"), more].concat();
        rsv1(frame(true, BINARY, payload)).claiming(1000)
    };
    // A long message before, and what has arrived of one behind it.
    let cases = [
        (text(1 << 20), text(10_000), 2000),
        (compressed(zeros(1 << 20)), begun(Vec::new()), 1),
        (compressed(zeros(1 << 20)), begun(zeros(100_000)), 100_000),
    ];
    for (side, (before, message, len)) in SIDES
        .into_iter()
        .flat_map(|side| cases.iter().map(move |case| (side, case)))
    {
        let mut shared = RecvBuf::new();
        let mut honest = with_compression(side);
        for read in before.clone().to(side).bytes().chunks(READ) {
            turn(&mut honest, &mut shared, read);
        }
        let mut other = with_compression(side);
        let wire = message.clone().to(side).bytes();
        let info = measure(|| drop(turn(&mut other, &mut shared, &wire[..wire.len().min(2010)])));
        // The codec, its room, and what a message under way needs.
        let compressed = if message.rsv == 4 {
            48_000 + (64 << 10)
        } else {
            0
        };
        let own = measure(|| drop(other)).bytes_current.unsigned_abs() as usize;
        assert!(
            own <= 2 * len + compressed + 300,
            "{own} for {len}: {info:?}"
        );
    }
}

#[test]
fn a_long_message_takes_the_memory_along() {
    for side in SIDES {
        let message = frame(true, BINARY, vec![1; 3 * READ]).to(side).bytes();
        let mut shared = RecvBuf::new();
        let mut ws = open(side);
        let mut events = Vec::new();
        for piece in message.chunks(READ) {
            assert_eq!(events, []);
            events = turn(&mut ws, &mut shared, piece);
            // Another connection uses the buffer in between.
            let text = wire::text("other").to(side).bytes();
            let other = turn(&mut open(side), &mut shared, &text);
            assert_eq!(other, [OwnedEvent::text("other")]);
        }
        assert_eq!(events, [OwnedEvent::Binary(vec![1; 3 * READ])]);
    }
}

#[test]
fn without_resume_nothing_is_lost() {
    for side in SIDES {
        let wire = wire::text("a text").to(side).bytes();
        for cut in 0..wire.len() {
            let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut ws = open(side);
            turn(&mut ws, &mut shared, &wire[..cut]);
            assert!(cut == 0 || shared.capacity() >= READ, "the memory stays");
            shared.extend_from_slice(&wire[cut..]);
            let event = ws.next_event(&mut shared, &mut out);
            assert_eq!(event, Ok(Some(Event::Text("a text"))), "{cut}");
            assert!(cut == 0 || shared.capacity() >= READ, "it stays after that");
        }
    }
}

#[test]
fn events_that_were_not_taken_are_parked() {
    for side in SIDES {
        let wire = ["one", "two", "three"].map(|text| wire::text(text).to(side).bytes());
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut ws = open(side);
        shared.extend_from_slice(&wire.concat());
        for text in ["one", "two", "three"] {
            assert!(ws.poll(&mut shared, &mut out));
            ws.park(&mut shared);
            assert!(shared.is_idle());
            ws.resume(&mut shared);
            let event = ws.next_event(&mut shared, &mut out);
            assert_eq!(event, Ok(Some(Event::Text(text))));
        }
        assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
    }
}

#[test]
fn a_parked_connection_has_heard_what_arrived() {
    let mut peer = Endpoint::new(Side::Server, Config::new());
    let ping_at = peer.ws.deadline(secs(0)).expect("keepalive");
    (peer.ws.handle_timeout(ping_at, &mut peer.out)).expect("alive");
    let due = peer.ws.deadline(ping_at).expect("an answer is due");
    // Bytes arrive, and the connection is parked before any event is taken.
    peer.input.extend_from_slice(&[0x81]);
    peer.ws.park(&mut peer.input);
    let result = peer.ws.handle_timeout(due, &mut peer.out);
    assert_eq!((result, peer.ws.state()), (Ok(()), ReadyState::Open));
    // That call has sent another ping. What was parked is no new sign of life.
    let due = peer.ws.deadline(due).expect("an answer is due");
    peer.ws.resume(&mut peer.input);
    assert_eq!(peer.ws.next_event(&mut peer.input, &mut peer.out), Ok(None));
    peer.ws.park(&mut peer.input);
    assert!(peer.ws.handle_timeout(due, &mut peer.out).is_err());
}

/// A binary frame is left in the buffer until all of it is here. If it came after the next message had
/// begun, that one had the time of both.
#[test]
fn fixed_44_the_time_of_a_message_ends_with_it_also_if_it_was_parked() {
    let alone = config(|c| c.ping_interval = None);
    for (side, begun) in SIDES.into_iter().flat_map(|side| [(side, 0), (side, 50)]) {
        let mut ws = Connection::assume_opened(side.role(), alone);
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let first = frame(true, BINARY, [1; 100]).to(side).bytes();
        let (half, rest) = first.split_at(50);
        let next = frame(true, BINARY, [2; 100]).to(side).bytes();
        shared.extend_from_slice(half);
        assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
        assert!(ws.deadline(secs(0)).is_some());
        ws.park(&mut shared);
        // The rest, and the beginning of the next one. They are parked before they are looked at.
        shared.extend_from_slice(&[rest, &next[..begun]].concat());
        ws.resume(&mut shared);
        ws.park(&mut shared);
        ws.resume(&mut shared);
        let event = ws.next_event(&mut shared, &mut out);
        assert_eq!(event, Ok(Some(Event::Binary(&[1; 100]))));
        if begun > 0 {
            assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
        }
        ws.park(&mut shared);
        let due = ws.deadline(secs(19));
        assert_eq!(due.map(|due| due.as_secs()), (begun > 0).then_some(39));
        assert_eq!(ws.handle_timeout(secs(21), &mut out), Ok(()));
    }
}

#[test]
#[should_panic = "a message of another connection is in the shared buffer"]
fn a_connection_that_was_not_parked_is_noticed() {
    let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
    let (mut first, mut other) = (open(Side::Server), open(Side::Server));
    let half = frame(true, BINARY, vec![1; 2000]).to(Side::Server).bytes();
    turn(&mut first, &mut shared, &half[..1000]);
    shared.extend_from_slice(&half[..1000]);
    assert_eq!(other.next_event(&mut shared, &mut out), Ok(None));
    first.resume(&mut shared);
}

#[test]
fn after_the_end_nothing_is_parked() {
    for side in SIDES {
        let mut shared = RecvBuf::new();
        let mut ws = open(side);
        let close = wire::close(1000, "").to(side).bytes();
        let late = wire::text("late").to(side).bytes();
        let info = measure(|| {
            turn(&mut ws, &mut shared, &[&close[..], &late].concat());
        });
        shared.extend_from_slice(&late);
        ws.park(&mut shared);
        assert!(shared.is_idle());
        // The content of both Close frames, and the buffer.
        assert!(info.bytes_current <= 100 + READ as i64, "{info:?}");
        assert_eq!(turn(&mut ws, &mut shared, &late), []);
    }
}

#[test]
#[should_panic = "filled(100) was called, but spare() lent 0 bytes"]
fn an_owned_buffer_ends_the_room_that_was_lent() {
    let mut input = RecvBuf::new();
    input.spare(100);
    input.swap(vec![0; 10], 0);
    input.filled(100);
}

#[cfg(feature = "deflate")]
mod deflate {
    use super::*;
    use support::deflate::{Peer, all, always, params, rsv1};

    /// The room for the joined message was given back each time, so it was never joined.
    #[test]
    fn fixed_46_a_long_message_is_joined_also_if_it_is_parked_in_between() {
        const LEN: usize = 12 << 20;
        let zeros = Peer::new(9).message(&vec![0; LEN]);
        for (side, kind) in SIDES
            .into_iter()
            .flat_map(|side| [(side, TEXT), (side, BINARY)])
        {
            let config = config(|c| (c.max_message_size, c.parts_above) = (LEN, usize::MAX));
            let mut ws = Connection::assume_opened(side.role(), config)
                .with_deflate(params(true, 15), always(|_| {}));
            let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
            let wire = rsv1(frame(true, kind, &zeros)).to(side).bytes();
            shared.extend_from_slice(&wire);
            let mut calls = 0;
            let len = loop {
                match ws.next_event(&mut shared, &mut out).expect("valid") {
                    Some(Event::Text(text)) => break text.len(),
                    Some(Event::Binary(bytes)) => break bytes.len(),
                    other => assert_eq!(other, Some(Event::Progress)),
                }
                ws.park(&mut shared);
                ws.resume(&mut shared);
                calls += 1;
                // 1 MiB is inflated by each of them, and 4 MiB are joined.
                assert!(calls < 20, "{side:?}");
            };
            assert_eq!(len, LEN);
        }
    }

    #[test]
    #[should_panic = "with_deflate must be called before anything is received or sent"]
    fn a_connection_that_was_parked_has_received() {
        let mut shared = RecvBuf::new();
        let mut ws = open(Side::Server);
        shared.extend_from_slice(&[0x81]);
        ws.park(&mut shared);
        let _ = ws.with_deflate(params(true, 15), always(|_| {}));
    }

    #[test]
    fn inside_of_a_compressed_message_in_parts_little_is_kept() {
        for (side, takeover) in all() {
            let mut ws = Connection::assume_opened(side.role(), config(|c| c.parts_above = 1000))
                .with_deflate(params(takeover, 15), always(|_| {}));
            let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
            let payload = Peer::new(6).message(&Random(1).bytes(200_000));
            let wire = rsv1(frame(true, BINARY, payload)).to(side).bytes();
            let mut read = |ws: &mut Connection, bytes: &[u8]| {
                ws.resume(&mut shared);
                shared.spare(READ)[..bytes.len()].copy_from_slice(bytes);
                shared.filled(bytes.len());
                while ws
                    .next_event(&mut shared, &mut out)
                    .expect("legal")
                    .is_some()
                {}
                ws.park(&mut shared);
            };
            let mut reads = wire.chunks(READ);
            // The codec, and the history, which grows up to 32 KiB.
            reads
                .by_ref()
                .take(20)
                .for_each(|bytes| read(&mut ws, bytes));
            let info = measure(|| read(&mut ws, reads.next().expect("more")));
            // The state of the message was there before, and is there again.
            assert!(info.bytes_current.abs() < 100, "{info:?}");
            let parked = measure(|| drop(ws));
            let codec = 47_680 + 2 * 112 + (32 << 10) + 100 + 100;
            assert!(-parked.bytes_current < codec + 400, "{parked:?}");
        }
    }
}

#[test]
fn an_owned_buffer_is_not_copied() {
    for side in SIDES {
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut ws = open(side);
        let wire = wire::text("a text").to(side).bytes();
        let mut spare = Vec::with_capacity(READ);
        for _ in 0..5 {
            let mut filled = core::mem::take(&mut spare);
            filled.extend_from_slice(&wire);
            let address = filled.as_ptr();
            let info = measure(|| {
                spare = input.swap(filled, 0);
                assert_eq!(input.unread().as_ptr(), address);
                let event = ws.next_event(&mut input, &mut out);
                assert_eq!(event, Ok(Some(Event::Text("a text"))));
            });
            assert_eq!(info.count_total, 0);
            assert!(spare.is_empty());
        }
        assert!(input.swap(spare, 2 * READ).capacity() >= 2 * READ);
    }
}

#[test]
fn owned_buffers_in_parts_are_not_copied_either() {
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), config(|c| c.parts_above = 100));
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let wire = frame(true, BINARY, vec![1; 3 * READ]).to(side).bytes();
        let mut delivered = 0;
        for read in wire.chunks(READ) {
            let filled = read.to_vec();
            let address = filled.as_ptr();
            input.swap(filled, 0);
            assert_eq!(input.unread().as_ptr(), address);
            while let Some(event) = ws.next_event(&mut input, &mut out).expect("legal") {
                match event {
                    Event::BinaryPart(part) | Event::BinaryEnd(part) => delivered += part.len(),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(delivered, 3 * READ);
    }
}

#[test]
#[should_panic(expected = "call park after its last event")]
fn a_message_of_another_connection_is_not_overwritten() {
    // A short binary frame waits until it is whole.
    half_a_message_of_another(frame(true, BINARY, vec![1; 100]));
}

#[test]
#[should_panic(expected = "call park after its last event")]
fn a_text_of_another_connection_is_not_overwritten() {
    half_a_message_of_another(wire::text(&"x".repeat(100)));
}

fn half_a_message_of_another(frame: Frame) {
    let half = frame.to(Side::Server).bytes();
    let mut shared = RecvBuf::new();
    let mut first = open(Side::Server);
    turn(&mut first, &mut shared, &half[..50]);
    let (mut second, mut out) = (open(Side::Server), BytesMut::new());
    shared.extend_from_slice(&half[..50]);
    assert_eq!(second.next_event(&mut shared, &mut out), Ok(None));
    // `second` was not parked.
    first.resume(&mut shared);
}

/// A second `park` left what had arrived in the buffer, for the next connection.
#[test]
fn fixed_48_what_arrives_while_a_connection_is_parked_is_parked_as_well() {
    for side in SIDES {
        let wire = ["first", "second"].map(|text| wire::text(text).to(side).bytes());
        let wire = wire.concat();
        for cut in 1..wire.len() {
            let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
            let mut ws = open(side);
            shared.extend_from_slice(&wire[..cut]);
            ws.park(&mut shared);
            shared.extend_from_slice(&wire[cut..]);
            ws.park(&mut shared);
            assert!(shared.is_idle());
            let other = wire::text("other").to(side).bytes();
            let events = turn(&mut open(side), &mut shared, &other);
            assert_eq!(events, [OwnedEvent::text("other")]);
            ws.resume(&mut shared);
            for text in ["first", "second"] {
                let event = ws.next_event(&mut shared, &mut out);
                assert_eq!(event, Ok(Some(Event::Text(text))));
            }
        }
    }
}

/// The memory of a buffer that was filled elsewhere can be much longer than what is in it.
#[test]
fn fixed_49_no_memory_goes_along_that_is_longer_than_8_times_the_message() {
    let lens = [4000, 4096, 4097, 9000, 100_000, 140_000];
    let rooms = [10_000, 40_000, 128 << 10, 1 << 20];
    let cases = rooms.map(|room| lens.map(|len| (room, len)));
    for (side, (room, len)) in SIDES
        .into_iter()
        .flat_map(|side| cases.as_flattened().iter().map(move |case| (side, *case)))
        .filter(|(_, (room, len))| len <= room)
    {
        let wire = frame(true, BINARY, vec![1; 200_000]).to(side).bytes();
        let mut ways: [(RecvBuf, BytesMut); 2] = Default::default();
        let mut filled = Vec::with_capacity(room);
        filled.extend_from_slice(&wire[..len]);
        ways[0].0.swap(filled, 0);
        ways[1].0.spare(room)[..len].copy_from_slice(&wire[..len]);
        ways[1].0.filled(len);
        for (shared, out) in &mut ways {
            let mut ws = open(side);
            assert_eq!(ws.next_event(shared, out), Ok(None));
            ws.park(shared);
            let own = measure(|| drop(ws)).bytes_current.unsigned_abs() as usize;
            // Up to 4 KiB are copied. A client has its mask keys.
            let times = if len <= 4096 { 1 } else { 8 };
            assert!(own <= times * len + 280 + 260, "{own} for {len} of {room}");
        }
    }
}

/// A parked connection forgot how long the frame is that it waits for.
#[test]
fn fixed_50_the_bound_of_the_buffer_holds_also_with_park() {
    const LIMIT: usize = 5 << 10;
    const READ: usize = 34 << 10;
    for (side, len) in SIDES
        .into_iter()
        .flat_map(|side| [1000, 4500, 4908].map(|len| (side, len)))
    {
        let mut ws = Connection::assume_opened(side.role(), config(|c| c.max_message_size = LIMIT));
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let wire = frame(true, BINARY, vec![1; 5000]).to(side).bytes();
        let (first, rest) = wire.split_at(len);
        shared.spare(READ)[..len].copy_from_slice(first);
        shared.filled(len);
        assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
        let missing = shared.read_size();
        ws.park(&mut shared);
        ws.resume(&mut shared);
        assert_eq!(shared.read_size(), missing);
        shared.spare(READ)[..rest.len()].copy_from_slice(rest);
        assert!(
            shared.capacity() <= LIMIT + READ + 130,
            "{}",
            shared.capacity()
        );
        shared.filled(rest.len());
        let event = ws.next_event(&mut shared, &mut out);
        assert_eq!(event, Ok(Some(Event::Binary(&[1; 5000]))));
    }
}

#[test]
fn a_connection_is_parked_once() {
    for side in SIDES {
        let message = wire::text("a text").to(side).bytes();
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut ws = open(side);
        shared.extend_from_slice(&message[..4]);
        assert_eq!(ws.next_event(&mut shared, &mut out), Ok(None));
        ws.park(&mut shared);
        ws.park(&mut shared);
        ws.resume(&mut shared);
        shared.extend_from_slice(&message[4..]);
        let event = ws.next_event(&mut shared, &mut out);
        assert_eq!(event, Ok(Some(Event::Text("a text"))));
    }
}

/// What arrived behind a parked header or a frame that waits doubled the memory.
#[test]
fn fixed_53_the_bound_of_the_buffer_holds_also_if_a_read_comes_before_resume() {
    const READ: usize = 34 << 10;
    for (side, (limit, len)) in SIDES.into_iter().flat_map(|side| {
        [(7, 2), (2000, 1500), (5000, 4000), (5000, 4500)].map(|case| (side, case))
    }) {
        let mut ws = Connection::assume_opened(side.role(), config(|c| c.max_message_size = limit));
        let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut wire = frame(true, BINARY, vec![1; limit]).to(side).bytes();
        while wire.len() < len + READ {
            wire.extend(frame(true, BINARY, [1]).to(side).bytes());
        }
        let (first, rest) = wire.split_at(len);
        for read in [first, &rest[..READ]] {
            shared.spare(READ)[..read.len()].copy_from_slice(read);
            shared.filled(read.len());
            while ws
                .next_event(&mut shared, &mut out)
                .expect("legal")
                .is_some()
            {}
            let capacity = shared.capacity();
            assert!(
                capacity <= limit + READ + 130,
                "{side:?} {limit}: {capacity}"
            );
            ws.park(&mut shared);
        }
    }
}
