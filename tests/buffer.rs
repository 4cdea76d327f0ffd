//! Proves that `RecvBuf` lends room of the requested length, counts bytes once, and keeps nothing
//! after `clear` and `release`.

use std::time::Duration;

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, ProtocolError, RecvBuf, Role};

mod support;

use support::{
    Side, config, frame,
    wire::{self, BINARY, TEXT},
};

#[test]
fn there_is_room_as_asked_for_and_never_none() {
    let mut input = RecvBuf::new();
    assert!(!input.spare(0).is_empty());
    for min in [1, 100, 4096, 100_000] {
        assert!(input.spare(min).len() >= min);
        input.filled(min / 2);
    }
    assert_eq!(input.unread().len(), 50 + 2048 + 50_000);
}

#[test]
fn the_default_is_an_empty_buffer() {
    let input = RecvBuf::default();
    assert!(input.is_idle());
    assert_eq!(input.capacity(), RecvBuf::new().capacity());
}

#[test]
fn a_large_read_inside_of_a_text_keeps_its_beginning() {
    let text = "é€😀".repeat(100_000);
    for (side, first) in [
        (Side::Server, 3000),
        (Side::Client, 3001),
        (Side::Server, 100_000),
    ] {
        let wire = wire::text(&text).to(side).bytes();
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let (first, rest) = wire.split_at(first);
        input.extend_from_slice(first);
        assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
        input.spare(rest.len())[..rest.len()].copy_from_slice(rest);
        input.filled(rest.len());
        let event = ws.next_event(&mut input, &mut out);
        assert_eq!(event, Ok(Some(Event::Text(&text))));
    }
}

#[test]
#[should_panic = "filled(3) was called, but spare() lent 0 bytes"]
fn the_same_room_is_not_filled_twice() {
    let mut input = RecvBuf::new();
    input.spare(16);
    input.filled(3);
    input.filled(3);
}

#[test]
#[should_panic = "filled(1) was called, but spare() lent 0 bytes"]
fn room_that_was_given_back_is_not_filled() {
    let mut input = RecvBuf::new();
    input.spare(16);
    input.release();
    input.filled(1);
}

#[test]
#[should_panic = "capacity overflow"]
fn room_beyond_all_memory_is_refused() {
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"x");
    input.spare(usize::MAX);
}

#[test]
fn clear_and_release_leave_nothing() {
    let mut input = RecvBuf::new();
    input.extend_from_slice(b"half a head");
    input.release();
    assert_eq!(input.unread(), b"half a head");
    input.clear();
    assert!(input.is_idle() && input.unread().is_empty());
    input.release();
    assert_eq!(input.capacity(), 0);
    input.extend_from_slice(b"new");
    assert_eq!(input.unread(), b"new");
}

/// After an error in the last character of a text, `spare` panicked.
#[test]
fn fixed_55_a_buffer_can_be_released_after_any_error() {
    let text = ["é".repeat(1000).as_bytes(), b"\xC3"].concat();
    for side in [Side::Server, Side::Client] {
        let wire = frame(true, TEXT, &text).to(side).bytes();
        for cut in [1, 1600, wire.len() - 1] {
            let mut ws = Connection::assume_opened(side.role(), Config::new());
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            input.extend_from_slice(&wire[..cut]);
            assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
            input.extend_from_slice(&wire[cut..]);
            let result = ws.next_event(&mut input, &mut out);
            assert_eq!(result, Err(ProtocolError::InvalidUtf8));
            assert!(input.is_idle());
            input.release();
            assert_eq!(input.spare(1).len(), 1);
            assert_eq!(input.capacity(), 1);
        }
    }
}

#[test]
fn fixed_02_spare_lends_what_was_asked_for() {
    let mut input = RecvBuf::new();
    for len in [100, 4096, 1, 16 << 10, 0, 10] {
        assert_eq!(input.spare(len).len(), len.max(1));
        input.filled(len.min(7));
    }
}

#[test]
fn a_buffer_that_was_filled_elsewhere_follows_the_unread_bytes() {
    let mut input = RecvBuf::new();
    let empty = input.swap(Vec::new(), 10);
    assert!(empty.is_empty() && empty.capacity() >= 10);
    for (bytes, unread) in [("ab", "ab"), ("cd", "abcd"), ("", "abcd")] {
        let next = input.swap(bytes.into(), 100);
        assert!(next.is_empty() && next.capacity() >= 100);
        assert_eq!(input.unread(), unread.as_bytes());
    }
}

/// Whether the connection has heard of its peer, after it was asked for a sign of life.
fn hears(input: &mut RecvBuf) -> bool {
    let mut config = Config::new();
    config.pong_timeout = Duration::from_secs(5);
    let (mut ws, mut out) = (
        Connection::assume_opened(Role::Server, config),
        BytesMut::new(),
    );
    let ping_at = ws.deadline(Duration::ZERO).unwrap();
    ws.handle_timeout(ping_at, &mut out).unwrap();
    assert_eq!(ws.next_event(input, &mut out), Ok(None));
    let due = ping_at + config.pong_timeout;
    ws.deadline(ping_at);
    ws.handle_timeout(due, &mut out).is_ok()
}

#[test]
fn received_bytes_are_a_sign_of_life_in_every_way() {
    let ways: [fn(&mut RecvBuf, &[u8]); 3] = [
        |input, bytes| input.extend_from_slice(bytes),
        |input, bytes| {
            input.spare(10)[..bytes.len()].copy_from_slice(bytes);
            input.filled(bytes.len());
        },
        |input, bytes| drop(input.swap(bytes.to_vec(), 10)),
    ];
    for read in ways {
        // The second byte follows the first, which is not taken: a header has two bytes at least.
        let mut input = RecvBuf::new();
        read(&mut input, b"");
        assert!(!hears(&mut input));
        for _ in 0..2 {
            read(&mut input, &[0x81]);
            assert!(hears(&mut input));
            read(&mut input, b"");
            assert!(!hears(&mut input));
        }
        // The bytes of another connection, which nothing has taken.
        read(&mut input, b"x");
        input.clear();
        assert!(!hears(&mut input));
    }
}

/// The capacity of a client's buffer after reads of the given sizes, the last one without bytes.
/// The size of a message is limited to 10,000 bytes.
fn capacity(reads: &[(usize, &[u8])], last: usize) -> usize {
    let config = config(|it| it.max_message_size = 10_000);
    let mut ws = Connection::assume_opened(Side::Client.role(), config);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    for (size, bytes) in reads {
        input.spare(*size)[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
        while ws.next_event(&mut input, &mut out).unwrap().is_some() {}
    }
    input.spare(last);
    input.capacity()
}

/// 130 bytes can be incomplete: a header and a control frame.
#[test]
fn the_buffer_doubles_but_not_beyond_what_is_missing_and_one_read() {
    for (len, room, expected) in [
        (0, 100, 100),
        (100, 10, 100 + 10 + 30),
        (130, 10, 130 + 10),
        (131, 10, 2 * 131),
        (131, 200, 131 + 200),
    ] {
        // Nobody takes the events.
        let mut input = RecvBuf::new();
        input.extend_from_slice(&vec![0; len]);
        input.spare(room);
        assert_eq!(input.capacity(), expected, "{len} bytes, then {room}");
    }
    let whole = frame(true, BINARY, [1; 9000]).bytes();
    let first = frame(false, BINARY, [1; 9000]).bytes();
    let first_and_a_byte = [&first[..], &[0]].concat();
    for (name, size, bytes, last, expected) in [
        ("a third of a frame", 3000, &whole[..3000], 1000, 2 * 3000),
        (
            "most of a frame",
            8004,
            &whole[..8004],
            1000,
            8004 + 1000 + 1000,
        ),
        // Its header is not needed any more.
        ("a fragment", 9004, &first, 1000, 10_000 + 1000 + 130),
        (
            "and a byte",
            9005,
            &first_and_a_byte,
            1000,
            10_001 + 1000 + 129,
        ),
        (
            "after a long read",
            10_130,
            &first,
            2000,
            10_000 + 2000 + 130,
        ),
        (
            "after a longer read",
            10_131,
            &first,
            2000,
            10_000 + 2000 + 130 + 1250,
        ),
    ] {
        assert_eq!(capacity(&[(size, bytes)], last), expected, "{name}");
    }
}

/// A text that is not ASCII is collected in memory of its own, if reads cut it.
#[test]
fn a_long_buffer_does_not_keep_the_memory_of_a_text() {
    let text = frame(true, TEXT, "é".repeat(50_000)).bytes();
    for (room, kept) in [(256 << 10, true), ((256 << 10) + 1, false)] {
        let mut ws = Connection::assume_opened(Side::Client.role(), Config::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for read in [&text[..2000], &text[2000..]] {
            input.extend_from_slice(read);
            let event = ws.next_event(&mut input, &mut out).unwrap();
            assert_eq!(event.is_some(), read.len() > 2000);
        }
        input.spare(room);
        let of_text = input.capacity() - room;
        assert_eq!(of_text >= 100_000, kept, "{of_text}");
        assert!(kept || of_text == 0);
    }
}

/// When a compressed message begins, the memory of reads is given back, but not if it would move
/// most of what is in it.
#[test]
#[cfg(feature = "deflate")]
fn memory_that_is_half_full_is_not_given_back() {
    use websocket_proto::deflate::{DeflateConfig, Params};

    // Blocks without content.
    let payload = [0, 0, 0, 0xFF, 0xFF].repeat(20_000);
    let compressed = support::deflate::rsv1(frame(false, BINARY, &payload)).claiming(200_000);
    let begun = compressed.bytes();
    for (before, kept) in [(99_980, true), (99_981, false)] {
        let mut ws = Connection::assume_opened(Side::Client.role(), Config::new())
            .with_deflate(Params::default(), DeflateConfig::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let first = frame(true, BINARY, vec![1; before]).bytes();
        input.swap([&first[..], &begun].concat(), 0);
        let event = ws.next_event(&mut input, &mut out);
        assert!(matches!(event, Ok(Some(Event::Binary(_)))));
        assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
        assert_eq!(input.capacity() >= 200_000, kept, "{}", input.capacity());
    }
}
