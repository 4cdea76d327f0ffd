//! Proves that an output which is full, or which the caller bounds, loses nothing that was accepted,
//! doubles nothing and cuts nothing, however few bytes the transport takes at a time: broadcasts
//! within a limit, pongs above the backlog, and messages between them. A broadcast that is dropped
//! leaves no trace, also not in the compressor.

use bytes::{Buf, BytesMut};
use websocket_proto::{Connection, Delivery, OutQueue, Output, Prepared, RecvBuf};

mod support;

use support::{OwnedEvent, Random, SIDES, Side, config, wire};

/// The longest pong: header, mask, 125 bytes.
const MAX_PONG: usize = 2 + 4 + 125;
/// More than any pong, and less.
const BACKLOGS: [usize; 2] = [1000, 0];

/// Both kinds of output have the same traits.
trait Out: Output + Buf + Default {}
impl<O: Output + Buf + Default> Out for O {}

fn connection(side: Side, compresses: bool, backlog: usize) -> Connection {
    let ws = Connection::assume_opened(side.role(), config(|it| it.pong_backlog = backlog));
    #[cfg(feature = "deflate")]
    if compresses {
        let deflate = support::deflate::always(|_| ());
        return ws.with_deflate(support::deflate::params(true, 15), deflate);
    }
    let _ = compresses;
    ws
}

/// Letters, which can be compressed, and sometimes noise, which is longer than `OutQueue` copies.
fn message(random: &mut Random) -> Vec<u8> {
    let len = random.below(3000);
    let mut message = random.bytes(len);
    if random.below(2) == 0 {
        message.iter_mut().for_each(|byte| *byte = b'a' + *byte % 3);
    }
    message
}

/// A slow transport: takes a few bytes, often a part of a frame.
fn drain(out: &mut impl Out, wire: &mut Vec<u8>, count: usize) {
    let count = count.min(out.unsent());
    let mut taken = vec![0; count];
    out.copy_to_slice(&mut taken);
    wire.extend(taken);
}

fn slow_peer<O: Out>(side: Side, compresses: bool, backlog: usize, seed: u64) {
    let mut random = Random(seed);
    let mut ws = connection(side, compresses, backlog);
    let (mut input, mut out, mut wire) = (RecvBuf::new(), O::default(), Vec::new());
    let (mut accepted, mut dropped, mut pings) = (Vec::new(), 0, 0_u32);
    for _ in 0..200 {
        let before = out.unsent();
        match random.below(4) {
            0 => {
                let (message, limit) = (message(&mut random), random.below(4000));
                let prepared = Prepared::binary(&message);
                let sent = ws.send_prepared_within(&prepared, limit, &mut out);
                match sent.expect("open") {
                    Delivery::Dropped => {
                        assert!(before > limit);
                        assert_eq!(out.unsent(), before);
                        dropped += 1;
                    }
                    delivery => {
                        assert!(before <= limit);
                        assert_eq!(delivery == Delivery::Sent, before == 0);
                        accepted.push(message);
                    }
                }
            }
            1 => {
                let message = message(&mut random);
                ws.send_binary(&message, &mut out).expect("open");
                accepted.push(message);
            }
            2 => {
                for _ in 0..random.below(50) {
                    pings += 1;
                    let mut payload = pings.to_be_bytes().to_vec();
                    payload.resize(4 + random.below(122), b'.');
                    input.extend_from_slice(&wire::ping(payload).to(side).bytes());
                }
                while ws
                    .next_event(&mut input, &mut out)
                    .expect("legal")
                    .is_some()
                {}
                assert!(
                    out.unsent() <= before.max(backlog) + MAX_PONG,
                    "seed {seed}"
                );
            }
            _ => {
                // Often all but a part of the last frame.
                let most = [
                    random.below(6000),
                    before.saturating_sub(random.below(MAX_PONG)),
                ];
                drain(&mut out, &mut wire, most[random.below(2)]);
            }
        }
    }
    drain(&mut out, &mut wire, usize::MAX);

    let mut peer = connection(side.peer(), compresses, backlog);
    let (mut messages, mut pongs) = (Vec::new(), Vec::new());
    input.clear();
    input.extend_from_slice(&wire);
    let mut ignored = BytesMut::new();
    while let Some(event) = peer.next_event(&mut input, &mut ignored).expect("legal") {
        match event.into() {
            OwnedEvent::Binary(message) => messages.push(message),
            OwnedEvent::Pong(payload) => {
                pongs.push(u32::from_be_bytes(
                    payload[..4].try_into().expect("4 bytes"),
                ));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(input.unread().is_empty(), "seed {seed}: a frame is cut");
    assert!(messages == accepted, "seed {seed}: {side:?} {compresses}");
    assert!(pongs.is_sorted_by(|a, b| a < b), "seed {seed}: {pongs:?}");
    assert_eq!(*pongs.last().expect("pings"), pings, "seed {seed}");
    assert!(
        dropped > 0 && pongs.len() < pings as usize,
        "seed {seed}: it was never full"
    );
}

#[test]
fn a_slow_peer_gets_all_that_was_accepted() {
    for seed in 0..4 {
        for side in SIDES {
            for compresses in [false, cfg!(feature = "deflate")] {
                for backlog in BACKLOGS {
                    slow_peer::<BytesMut>(side, compresses, backlog, seed);
                    slow_peer::<OutQueue>(side, compresses, backlog, seed);
                }
            }
        }
    }
}
