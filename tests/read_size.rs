//! What `RecvBuf::read_size` advises, and what it is worth.

use bytes::BytesMut;
use websocket_proto::{Config, Connection, RecvBuf};

mod support;

use support::{
    Side, config, frame,
    wire::{BINARY, TEXT},
};

const USUAL: usize = 16 << 10;

/// Reads as a program does that follows the advice: as much as is there, at most what is advised.
/// Returns the sizes of the rooms, and the greatest capacity of the buffer.
fn read_all(wire: &[u8], input: &mut RecvBuf) -> (Vec<usize>, usize) {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let mut out = BytesMut::new();
    let (mut rest, mut rooms, mut capacity) = (wire, Vec::new(), 0);
    while !rest.is_empty() {
        let room = input.spare(input.read_size());
        rooms.push(room.len());
        let n = room.len().min(rest.len());
        room[..n].copy_from_slice(&rest[..n]);
        input.filled(n);
        rest = &rest[n..];
        while ws.next_event(input, &mut out).expect("legal").is_some() {}
        capacity = capacity.max(input.capacity());
    }
    assert!(input.is_idle());
    (rooms, capacity)
}

#[test]
fn a_buffer_that_was_released_starts_small() {
    let short = frame(true, TEXT, "short").to(Side::Server).bytes();
    let mut input = RecvBuf::new();
    for _ in 0..3 {
        assert_eq!(input.read_size(), 2 << 10);
        let (rooms, capacity) = read_all(&short, &mut input);
        assert_eq!((rooms, capacity), (vec![2 << 10], 2 << 10));
        // It was not full, so the next read is not longer.
        assert_eq!(input.read_size(), 2 << 10);
        input.release();
    }
}

#[test]
fn a_read_that_fills_the_room_makes_the_next_one_longer() {
    let wire = frame(true, TEXT, "short")
        .to(Side::Server)
        .bytes()
        .repeat(10_000);
    let mut input = RecvBuf::new();
    let (rooms, capacity) = read_all(&wire, &mut input);
    assert_eq!(rooms[0], 2 << 10);
    assert!(rooms[1..].iter().all(|&room| room == USUAL), "{rooms:?}");
    assert!(capacity <= 2 * USUAL + 14, "{capacity}");
    // It stays so until the memory is released.
    assert_eq!(input.read_size(), USUAL);
}

#[test]
fn inside_a_long_frame_the_rest_of_it_is_advised() {
    let mut input = RecvBuf::new();
    // The buffer is warm.
    read_all(
        &frame(true, BINARY, [1; 40_000]).to(Side::Server).bytes(),
        &mut input,
    );
    for (len, expected) in [
        (16_000, vec![USUAL]),
        // A short rest is not worth a read of its own.
        (17_000, vec![USUAL, USUAL]),
        (50_000, vec![USUAL, 50_008 - USUAL]),
        (
            200_000,
            vec![USUAL, 64 << 10, 64 << 10, 200_014 - USUAL - (128 << 10)],
        ),
    ] {
        let wire = frame(true, BINARY, vec![1; len]).to(Side::Server).bytes();
        let (rooms, capacity) = read_all(&wire, &mut input);
        assert_eq!(rooms, expected, "{len}");
        // Each frame begins at the start of the memory, which is at most twice as long as needed.
        assert!(capacity <= 2 * (len + USUAL), "{len}: {capacity}");
    }
}

#[test]
fn a_frame_that_the_peer_only_announces_is_not_read_at_once() {
    let claim = frame(true, BINARY, "abc")
        .claiming(1 << 40)
        .to(Side::Server)
        .bytes();
    let mut config = Config::new();
    config.max_frame_size = usize::MAX;
    config.max_message_size = usize::MAX;
    let mut ws = Connection::assume_opened(Side::Server.role(), config);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&claim);
    assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
    assert_eq!(input.read_size(), 64 << 10);
}

/// The inflated length is not known, and a longer read would not save a move.
#[cfg(feature = "deflate")]
#[test]
fn inside_a_compressed_frame_a_usual_read_is_advised() {
    use websocket_proto::deflate::{Compression, DeflateConfig, Params};

    let mut config = DeflateConfig::new();
    config.compression = Compression::Always;
    let [mut client, mut server] = [Side::Client, Side::Server].map(|side| {
        let ws = Connection::assume_opened(side.role(), Config::new());
        ws.with_deflate(Params::default(), config)
    });
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let message = support::Random(7).bytes(200_000);
    client.send_binary(&message, &mut out).expect("open");
    input.spare(USUAL).copy_from_slice(&out[..USUAL]);
    input.filled(USUAL);
    let mut replies = BytesMut::new();
    assert_eq!(server.next_event(&mut input, &mut replies), Ok(None));
    assert_eq!(input.read_size(), USUAL);
}

/// A short binary frame stays in the buffer until all of it is there, so that it is taken in one piece.
/// Everything else is taken as it comes: a long frame, while it is in the cache, and a text, so that it
/// fails at its first wrong byte.
#[test]
fn which_frames_wait() {
    for (side, max_message_size, bytes, waits) in [
        (
            Side::Server,
            1 << 20,
            frame(true, BINARY, vec![1; 16 << 10]),
            true,
        ),
        (
            Side::Client,
            1 << 20,
            frame(true, BINARY, vec![1; 16 << 10]),
            true,
        ),
        (Side::Server, 1000, frame(true, BINARY, [1; 1000]), true),
        (
            Side::Server,
            1 << 20,
            frame(true, BINARY, vec![1; (16 << 10) + 1]),
            false,
        ),
        (
            Side::Server,
            1 << 20,
            frame(false, BINARY, [1; 1000]),
            false,
        ),
        (
            Side::Server,
            1 << 20,
            frame(true, TEXT, [b'a'; 1000]),
            false,
        ),
    ]
    .map(|(side, limit, frame, waits)| (side, limit, frame.to(side).bytes(), waits))
    {
        for arrived in [500, bytes.len() - 1] {
            let mut ws = Connection::assume_opened(
                side.role(),
                config(|c| c.max_message_size = max_message_size),
            );
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            for read in [&bytes[..20], &bytes[20..arrived]] {
                input.extend_from_slice(read);
                assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
            }
            let unread = if waits { arrived } else { 0 };
            assert_eq!(input.unread().len(), unread, "{side:?} {}", bytes.len());
            // In both cases the buffer knows what is missing.
            let missing = bytes.len() - arrived;
            assert_eq!(input.spare(missing).len(), missing);
            input.filled(0);
            input.extend_from_slice(&bytes[arrived..]);
            let event = ws.next_event(&mut input, &mut out);
            assert_eq!(event.is_ok_and(|it| it.is_some()), bytes[0] & 0x80 != 0);
        }
    }
}
