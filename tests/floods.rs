//! Proves that floods do no harm. If the peer sends pings and does not read, the output is bounded
//! and the last ping is answered (RFC 6455 §5.5.3). A million pings in one buffer do not overflow
//! the stack. The mask keys of a million frames look random (§5.3, §10.3). Every call makes
//! progress.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had.

use std::collections::HashSet;

use bytes::{Buf, BytesMut};
use websocket_proto::Config;

mod support;

use support::{
    Endpoint, Frame, Random, SIDES, Side, config, frame, frames, secs,
    wire::{self, CLOSE, CONTINUATION, PING, PONG, TEXT},
};

/// The longest pong: header, mask, 125 bytes.
const MAX_PONG: usize = 2 + 4 + 125;

fn numbered_ping(side: Side, i: u32) -> Vec<u8> {
    wire::ping(i.to_be_bytes()).to(side).bytes()
}

#[test]
fn field_11_ten_pings_get_ten_pongs() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        let pings: Vec<u8> = (0..10).flat_map(|i| numbered_ping(side, i)).collect();
        peer.feed(&pings);
        let pongs: Vec<_> = (0..10_u32)
            .map(|i| (true, PONG, i.to_be_bytes().to_vec()))
            .collect();
        assert_eq!(wire::contents(&peer.flush()), pongs);
        assert_eq!(peer.events.len(), 10);
    }
}

#[test]
fn field_11_a_million_pings_in_one_buffer_and_nobody_reads() {
    const PINGS: u32 = 1_000_000;
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        for i in 0..PINGS {
            peer.input.extend_from_slice(&numbered_ping(side, i));
        }
        let mut pings = 0;
        while peer
            .ws
            .next_event(&mut peer.input, &mut peer.out)
            .expect("legal")
            .is_some()
        {
            pings += 1;
        }
        assert_eq!(pings, PINGS);
        assert!(
            peer.out.len() <= Config::new().pong_backlog + MAX_PONG,
            "{}",
            peer.out.len()
        );
        let pongs = peer.flush();
        // The first pongs are in order, up to the backlog. Then the pong of the last ping follows.
        let (last, first) = pongs.split_last().expect("pongs");
        assert_eq!(last.payload, (PINGS - 1).to_be_bytes());
        assert!(first.len() > 1000);
        assert!(
            first
                .iter()
                .zip(0_u32..)
                .all(|(pong, i)| pong.payload == i.to_be_bytes())
        );
        assert!(pongs.iter().all(|pong| pong.opcode == PONG));
    }
}

#[test]
fn field_11_pings_while_the_output_trickles_away() {
    for (side, backlog) in [(Side::Server, 0), (Side::Client, 100), (Side::Server, 1000)] {
        let mut random = Random(backlog as u64);
        let mut peer = Endpoint::new(side, config(|c| c.pong_backlog = backlog));
        let (mut flushed, mut sent_data) = (BytesMut::new(), 0);
        for i in 0..50_000_u32 {
            // The lengths differ, so that a pong is replaced by longer and by shorter pongs.
            let mut payload = i.to_be_bytes().to_vec();
            payload.resize(4 + random.below(122), b'.');
            peer.feed(&wire::ping(payload).to(side).bytes());
            if random.below(8) == 0 {
                peer.ws
                    .send_binary(&i.to_be_bytes(), &mut peer.out)
                    .expect("open");
                sent_data += 1;
            }
            assert_eq!(peer.events.pop().map(|_| peer.events.len()), Some(0));
            // The socket takes a random number of bytes, often a part of a frame.
            let n = random.below(80).min(peer.out.len());
            flushed.extend_from_slice(&peer.out[..n]);
            peer.out.advance(n);
        }
        flushed.extend_from_slice(&peer.out);
        let sent = frames(&flushed);
        let (pongs, data): (Vec<_>, Vec<_>) = sent.iter().partition(|f| f.opcode == PONG);
        assert_eq!(data.len(), sent_data, "a pong replaced a message");
        let number = |f: &&Frame| u32::from_be_bytes(f.payload[..4].try_into().expect("4 bytes"));
        assert!(
            pongs.iter().map(number).is_sorted_by(|a, b| a < b),
            "pongs are out of order"
        );
        assert_eq!(
            sent.iter().map(|f| number(&f)).max(),
            Some(49_999),
            "the last ping is not answered"
        );
        assert!(pongs.len() < 50_000, "no pong was replaced");
    }
}

/// A pong may follow each frame in the output, also if nobody reads.
#[test]
fn field_11_a_keepalive_ping_is_followed_by_one_pong() {
    const KEEPALIVE: usize = 2 + 4 + 8;
    for (side, backlog) in SIDES.into_iter().flat_map(|side| [(side, 0), (side, 1000)]) {
        let mut peer = Endpoint::new(side, config(|c| c.pong_backlog = backlog));
        let (mut now, mut most) = (secs(0), backlog + MAX_PONG);
        for round in 0..20 {
            for i in 0..100 {
                peer.feed(&wire::ping([i; 125]).to(side).bytes());
            }
            peer.events.clear();
            assert!(peer.out.len() <= most, "{round}: {}", peer.out.len());
            now = peer.ws.deadline(now).expect("keepalive");
            peer.ws.handle_timeout(now, &mut peer.out).expect("alive");
            most += KEEPALIVE + MAX_PONG;
        }
        let sent = peer.flush();
        let pings = sent.iter().filter(|frame| frame.opcode == PING).count();
        assert!((10..=20).contains(&pings), "{pings}");
    }
}

#[test]
fn field_13_fresh_mask_keys() {
    const FRAMES: usize = 1_000_000;
    let mut client = Endpoint::new(Side::Client, Config::new());
    let mut keys = HashSet::with_capacity(FRAMES);
    let (mut bits, mut repeats, mut last) = ([0_u32; 32], 0, None);
    for _ in 0..FRAMES {
        client.ws.send_text("hi", &mut client.out).expect("open");
        let key: [u8; 4] = client.out[2..6].try_into().expect("4 bytes");
        client.out.clear();
        repeats += usize::from(last.replace(key) == Some(key));
        let key = u32::from_be_bytes(key);
        keys.insert(key);
        for (bit, count) in bits.iter_mut().enumerate() {
            *count += key >> bit & 1;
        }
    }
    // Of n = 10^6 random 32-bit numbers, n²/2^33 = 116 are expected to collide, with a standard
    // deviation of 11. Without collisions the keys would be a counter, which can be predicted.
    let collisions = FRAMES - keys.len();
    assert!((60..=180).contains(&collisions), "{collisions}");
    assert!(repeats <= 1, "{repeats} keys used twice in a row");
    // Each bit is expected to be set in 500,000 keys, with a standard deviation of 500.
    assert!(
        bits.iter().all(|count| count.abs_diff(500_000) < 3000),
        "{bits:?}"
    );
}

#[test]
fn field_14_every_call_makes_progress() {
    for side in SIDES {
        let round = [
            wire::ping(""),
            frame(false, TEXT, ""),
            frame(true, CONTINUATION, ""),
        ];
        let round = round.map(|frame| frame.to(side).bytes()).concat();
        let mut peer = Endpoint::new(side, Config::new());
        peer.input.extend_from_slice(&round.repeat(1000));
        // `drain` asserts that each event takes bytes, so the loop ends.
        peer.drain();
        assert_eq!(peer.events.len(), 2000);
        assert!(peer.input.unread().is_empty());
        // A thousand empty pongs, which are below the backlog. A client masks them.
        let pong = if side == Side::Server { 2 } else { 6 };
        assert_eq!(peer.out.len(), 1000 * pong);

        // A deadline is not due again after `handle_timeout`.
        let mut now = secs(0);
        let mut met = 0;
        while let Some(deadline) = peer.ws.deadline(now) {
            assert!(deadline > now, "{met}");
            now = deadline;
            met += 1;
            let _ = peer.ws.handle_timeout(now, &mut peer.out);
        }
        assert_eq!(
            (met, peer.ws.is_done()),
            (2, true),
            "a ping, then the timeout"
        );
        let sent = peer.flush();
        let [ping, close] = &sent[1000..] else {
            panic!("{} frames", sent.len())
        };
        assert_eq!((ping.opcode, close.opcode), (PING, CLOSE));
    }
}
