//! Proves the memory of one connection with all of its buffers, with the default configuration and
//! reads as `RecvBuf::read_size` advises: a peer makes it hold as much as it can.

use allocation_counter::measure;
use bytes::BytesMut;
use websocket_proto::{Config, Connection, RecvBuf};

mod support;

use support::{
    Frame, SIDES, Side, frame,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

const LIMIT: usize = 1 << 20;

/// Receives bytes, and takes all events. Nothing of `out` is flushed.
fn receive(ws: &mut Connection, input: &mut RecvBuf, out: &mut BytesMut, mut wire: &[u8]) {
    while !wire.is_empty() {
        let room = input.spare(input.read_size());
        let len = room.len().min(wire.len());
        room[..len].copy_from_slice(&wire[..len]);
        input.filled(len);
        wire = &wire[len..];
        while ws.next_event(input, out).expect("legal").is_some() {}
    }
}

/// The most heap memory of a connection whose peer sends pings and reads nothing, and then sends each
/// two of these messages.
fn most(side: Side, open: impl Fn() -> Connection, messages: &[Vec<Frame>]) -> u64 {
    let wire = |frames: &[Frame]| -> Vec<u8> {
        let frames = frames.iter().cloned();
        frames.flat_map(|frame| frame.to(side).bytes()).collect()
    };
    let pings = wire(&vec![wire::ping([7; 125]); 200]);
    let messages: Vec<_> = messages.iter().map(|message| wire(message)).collect();
    let pairs = messages
        .iter()
        .flat_map(|first| messages.iter().map(move |second| (first, second)));
    let costs = pairs.map(|(first, second)| {
        let info = measure(|| {
            let (mut ws, mut input) = (open(), RecvBuf::new());
            let mut out = BytesMut::new();
            for wire in [&pings, first, second] {
                receive(&mut ws, &mut input, &mut out, wire);
            }
        });
        info.bytes_max
    });
    costs.max().expect("messages")
}

/// Plain messages of the maximum size, in frames of this length.
fn plain(len: usize) -> Vec<Vec<Frame>> {
    assert_eq!(Config::new().max_message_size, LIMIT);
    let late = "x".repeat(100_000) + &"é".repeat((LIMIT - 100_000) / 2);
    let messages = [
        (BINARY, vec![7; LIMIT]),
        (TEXT, "é".repeat(LIMIT / 2).into()),
        (TEXT, late.into()),
    ];
    let messages = messages.iter().map(|(opcode, payload)| {
        let more = payload.chunks(len);
        let more = more.map(|piece| frame(false, CONTINUATION, piece));
        let mut frames = vec![frame(false, *opcode, "")];
        frames.extend(more);
        frames.push(frame(true, CONTINUATION, ""));
        frames
    });
    messages.collect()
}

#[test]
fn a_connection_without_compression_takes_2_2_mib_at_most() {
    const MOST: u64 = (22 << 20) / 10;
    for side in SIDES {
        let open = || Connection::assume_opened(side.role(), Config::new());
        let messages = [plain(1000), plain(LIMIT)[..1].to_vec()].concat();
        let most = most(side, open, &messages);
        assert!((MOST * 9 / 10..=MOST).contains(&most), "{side:?}: {most}");
    }
}

#[test]
#[cfg(feature = "deflate")]
fn a_connection_with_compression_takes_2_6_mib_at_most() {
    use support::{
        Random,
        deflate::{alone, always, params, rsv1},
    };
    const MOST: u64 = (26 << 20) / 10;
    let noise = Random(5).bytes(LIMIT);
    let mut messages = plain(1000)[..2].to_vec();
    for plain in [&noise[..], &noise[..60_000]] {
        messages.push(vec![rsv1(frame(true, BINARY, alone(plain)))]);
    }
    for side in SIDES {
        // It has compressed before, with context takeover.
        let open = || {
            let ws = Connection::assume_opened(side.role(), Config::new());
            let mut ws = ws.with_deflate(params(true, 15), always(|_| {}));
            let mut out = BytesMut::new();
            ws.send_binary(&noise[..100_000], &mut out).expect("open");
            ws
        };
        let most = most(side, open, &messages);
        assert!((MOST * 9 / 10..=MOST).contains(&most), "{side:?}: {most}");
    }
}
