//! Proves the closing handshake (RFC 6455 §5.5.1, §7.1): the recorded codes and reasons, what is still
//! received while closing, and that nothing is sent after a Close frame. The table of all states and
//! events is in `exhaustive_closing.rs`.

use websocket_proto::{Config, MessageKind, ProtocolError, ReadyState, SendError};

mod support;

use support::{
    Endpoint, OwnedEvent, Pair, SIDES, Side, code, frame, said,
    wire::{self, CLOSE, CONTINUATION, PONG, TEXT},
};

use ReadyState::Open;

fn nothing_can_be_sent(peer: &mut Endpoint) {
    let out = peer.out.len();
    let (ws, not_open) = (&mut peer.ws, Err(SendError::NotOpen));
    assert_eq!(ws.send_text("x", &mut peer.out), not_open);
    assert_eq!(ws.send_binary(b"x", &mut peer.out), not_open);
    assert_eq!(ws.start_message(MessageKind::Text), not_open);
    assert_eq!(ws.send_fragment(b"x", &mut peer.out), not_open);
    assert_eq!(ws.finish_message(b"x", &mut peer.out), not_open);
    assert_eq!(ws.send_ping(b"x", &mut peer.out), not_open);
    assert_eq!(ws.send_pong(b"x", &mut peer.out), not_open);
    // A second `close` is not an error.
    assert_eq!(ws.close(code(1000), "", &mut peer.out), Ok(()));
    assert_eq!(peer.out.len(), out);
}

#[test]
fn either_side_closes_and_both_know_what_was_said() {
    for chunk in [1, usize::MAX] {
        for side in SIDES {
            let mut pair = Pair::new();
            pair.chunk = chunk;
            let first = pair.of(side);
            first
                .ws
                .close(code(4001), "enough", &mut first.out)
                .expect("open");
            pair.drive();

            let (ours, reply) = (
                (Some(4001), "enough".to_owned()),
                (Some(4001), String::new()),
            );
            let first = pair.of(side);
            assert!(first.ws.is_done());
            assert_eq!(said(first.ws.close_sent()), Some(ours.clone()));
            assert_eq!(said(first.ws.close_received()), Some(reply.clone()));
            assert_eq!(first.events, [OwnedEvent::Close(Some(4001), String::new())]);
            let second = pair.of(side.peer());
            assert!(second.ws.is_done());
            assert_eq!(said(second.ws.close_sent()), Some(reply));
            assert_eq!(said(second.ws.close_received()), Some(ours));
            assert_eq!(
                second.events,
                [OwnedEvent::Close(Some(4001), "enough".into())]
            );
            assert_eq!((pair.client.error, pair.server.error), (None, None));
        }
    }
}

#[test]
fn both_sides_close_at_once() {
    let mut pair = Pair::new();
    pair.client
        .ws
        .close(code(1000), "client", &mut pair.client.out)
        .expect("open");
    pair.server
        .ws
        .close(code(1001), "server", &mut pair.server.out)
        .expect("open");
    pair.drive();
    assert_eq!(
        pair.client.events,
        [OwnedEvent::Close(Some(1001), "server".into())]
    );
    assert_eq!(
        pair.server.events,
        [OwnedEvent::Close(Some(1000), "client".into())]
    );
    assert!(pair.client.ws.is_done() && pair.server.ws.is_done());
    assert_eq!((pair.client.error, pair.server.error), (None, None));
}

#[test]
fn an_empty_close_gets_an_empty_reply() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&frame(true, CLOSE, "").to(side).bytes());
        assert_eq!(peer.events, [OwnedEvent::Close(None, String::new())]);
        assert_eq!(said(peer.ws.close_received()), Some((None, String::new())));
        assert_eq!(said(peer.ws.close_sent()), Some((None, String::new())));
        assert_eq!(wire::contents(&peer.flush()), [(true, CLOSE, vec![])]);
    }
}

#[test]
fn a_close_ends_a_message_that_is_under_way() {
    for side in SIDES {
        // The peer closes while both sides send a message.
        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.start_message(MessageKind::Text).expect("open");
        peer.ws.send_fragment(b"half", &mut peer.out).expect("open");
        peer.feed(&frame(false, TEXT, "half").to(side).bytes());
        peer.feed(&wire::close(1001, "").to(side).bytes());
        assert_eq!(peer.events, [OwnedEvent::Close(Some(1001), String::new())]);
        peer.feed(&frame(true, CONTINUATION, "of it").to(side).bytes());
        assert_eq!((peer.events.len(), peer.error), (1, None));
        nothing_can_be_sent(&mut peer);
        let [half, close] = &peer.flush()[..] else {
            panic!("expected a fragment and a Close frame")
        };
        assert_eq!(
            (half.fin, half.opcode, close.close_code()),
            (false, TEXT, 1001)
        );

        // This endpoint closes while it sends a message.
        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.start_message(MessageKind::Text).expect("open");
        peer.ws.send_fragment(b"half", &mut peer.out).expect("open");
        peer.ws
            .close(code(1000), "", &mut peer.out)
            .expect("between fragments");
        nothing_can_be_sent(&mut peer);
        assert_eq!(peer.flush().len(), 2);
    }
}

#[test]
fn events_still_come_after_our_close_but_nothing_is_answered() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&frame(false, TEXT, "late, ").to(side).bytes());
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        peer.flush();
        let rest = [
            wire::ping("anyone?"),
            frame(true, CONTINUATION, "but here"),
            wire::close(1000, ""),
        ];
        peer.feed(&rest.map(|frame| frame.to(side).bytes()).concat());
        let expected = [
            OwnedEvent::Ping(b"anyone?".to_vec()),
            OwnedEvent::text("late, but here"),
            OwnedEvent::Close(Some(1000), String::new()),
        ];
        assert_eq!(peer.events, expected);
        assert_eq!(peer.flush(), []);
    }
}

#[test]
fn a_violation_after_our_close_is_an_error_without_a_second_close() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        peer.ws
            .close(code(1000), "ours", &mut peer.out)
            .expect("open");
        peer.feed(&frame(true, TEXT, b"\xFF").to(side).bytes());
        assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
        assert!(peer.ws.is_done());
        assert_eq!(peer.flush().len(), 1);
        assert_eq!(
            said(peer.ws.close_sent()),
            Some((Some(1000), "ours".into()))
        );
        peer.end();
        assert_eq!(
            peer.error,
            Some(ProtocolError::InvalidUtf8),
            "the first error stays"
        );
    }
}

#[test]
fn what_an_error_said_can_be_read() {
    let mut peer = Endpoint::new(Side::Server, Config::new());
    peer.feed(&wire::text("not masked").bytes());
    let reason = ProtocolError::UnmaskedFrame.to_string();
    assert_eq!(said(peer.ws.close_sent()), Some((Some(1002), reason)));
    assert_eq!(peer.ws.close_received(), None);
}

#[test]
fn pings_before_the_close_are_answered_before_the_reply() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        let frames = [wire::ping("last"), wire::close(1000, "")];
        peer.feed(&frames.map(|frame| frame.to(side).bytes()).concat());
        let opcodes: Vec<u8> = peer.flush().iter().map(|frame| frame.opcode).collect();
        assert_eq!(opcodes, [PONG, CLOSE]);
    }
}

#[test]
fn a_reason_holds_123_bytes() {
    for (longest, too_long) in [
        ("x".repeat(123), "x".repeat(124)),
        ("é".repeat(61) + "x", "é".repeat(62)),
        ("😀".repeat(30) + "xyz", "😀".repeat(31)),
    ] {
        for side in SIDES {
            let mut pair = Pair::new();
            let first = pair.of(side);
            let refused = first.ws.close(code(1000), &too_long, &mut first.out);
            assert_eq!(refused, Err(SendError::ReasonTooLong));
            assert!(first.out.is_empty() && first.ws.close_sent().is_none());
            assert_eq!(first.ws.state(), Open);
            first
                .ws
                .close(code(1000), &longest, &mut first.out)
                .expect("fits");
            pair.drive();
            let heard = OwnedEvent::Close(Some(1000), longest.clone());
            assert_eq!(pair.of(side.peer()).events, [heard]);
        }
    }
}

#[test]
fn what_arrived_before_the_end_of_the_stream_is_not_lost() {
    for side in SIDES {
        let message = wire::text("last words").to(side).bytes();
        let close = wire::close(1000, "").to(side).bytes();

        let mut peer = Endpoint::new(side, Config::new());
        peer.input
            .extend_from_slice(&[message.clone(), close].concat());
        peer.end();
        let close = OwnedEvent::Close(Some(1000), String::new());
        assert_eq!(peer.events, [OwnedEvent::text("last words"), close]);
        assert_eq!((peer.error, peer.ws.is_done()), (None, true));

        let mut peer = Endpoint::new(side, Config::new());
        peer.input
            .extend_from_slice(&[&message[..], &message[..3]].concat());
        peer.end();
        assert_eq!(peer.events, [OwnedEvent::text("last words")]);
        assert_eq!(peer.error, Some(ProtocolError::EndOfStream));
        assert!(peer.ws.is_done() && peer.out.is_empty());
    }
}
