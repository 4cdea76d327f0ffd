//! Proves the timers (RFC 6455 §5.5.2, §7.1.1) with a virtual clock: the ping interval, that any
//! byte answers a ping, the timeouts, the round trip, and that early calls and huge durations do no
//! harm.

use core::time::Duration;

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, ProtocolError, ReadyState, RecvBuf};

mod support;

use support::{
    Endpoint, OwnedEvent, Pair, SIDES, Side, code, config, frame, secs,
    wire::{self, BINARY, CLOSE, CONTINUATION, PING, TEXT},
};

/// A ping interval of 30 s, a pong timeout of 10 s, a close timeout of 5 s.
fn timers() -> Config {
    config(|c| {
        c.ping_interval = Some(secs(30));
        c.pong_timeout = secs(10);
        c.close_timeout = secs(5);
        c.message_timeout = None;
    })
}

fn timeout(peer: &mut Endpoint, now: Duration) -> Result<(), ProtocolError> {
    peer.ws.handle_timeout(now, &mut peer.out)
}

#[test]
fn a_ping_goes_out_at_every_interval() {
    let mut pair = Pair::with(timers(), config(|c| c.ping_interval = None));
    pair.advance(secs(29));
    assert_eq!(pair.server.events, []);
    pair.advance(secs(1));
    assert_eq!(pair.server.events.len(), 1);
    pair.advance(secs(300));
    let pings = pair.server.take_events();
    assert_eq!(pings.len(), 11);
    assert!(
        pings
            .iter()
            .all(|event| matches!(event, OwnedEvent::Ping(_)))
    );
    let pongs = pair.client.take_events();
    let answered = |(ping, pong): (&_, &_)| match (ping, pong) {
        (OwnedEvent::Ping(sent), OwnedEvent::Pong(got)) => sent == got,
        _ => false,
    };
    assert!(pings.iter().zip(&pongs).all(answered) && pings.len() == pongs.len());
    let distinct: std::collections::HashSet<_> = pings.iter().map(|p| format!("{p:?}")).collect();
    assert_eq!(
        distinct.len(),
        pings.len(),
        "an old pong could pass for a new one"
    );
    assert_eq!((pair.client.error, pair.server.error), (None, None));
}

#[test]
fn two_sides_with_keepalive_live_for_days() {
    for chunk in [1, usize::MAX] {
        let mut pair = Pair::new();
        pair.chunk = chunk;
        pair.advance(secs(3 * 24 * 3600));
        assert_eq!((pair.client.error, pair.server.error), (None, None));
        assert!(pair.client.events.len() > 20_000);
    }
}

#[test]
fn a_peer_that_falls_silent_is_given_up_at_the_deadline() {
    for side in SIDES {
        // The network loses the bytes to this side, but not the bytes from it.
        let mut pair = Pair::with(timers(), timers());
        match side {
            Side::Server => pair.reaches_server = false,
            Side::Client => pair.reaches_client = false,
        }
        pair.drive();
        pair.advance(secs(40) - Duration::from_nanos(1));
        assert_eq!(pair.of(side).error, None);
        pair.advance(Duration::from_nanos(1));
        let error = ProtocolError::PongTimeout;
        assert_eq!(pair.of(side).error, Some(error));
        let told = OwnedEvent::Close(Some(1011), error.to_string());
        assert_eq!(pair.of(side.peer()).events.last(), Some(&told));
    }
}

#[test]
fn the_pong_deadline_to_the_nanosecond() {
    for side in SIDES {
        let tick = Duration::from_nanos(1);
        let mut peer = Endpoint::new(side, timers());
        assert_eq!(peer.ws.deadline(secs(100)), Some(secs(130)));
        assert_eq!(timeout(&mut peer, secs(130) - tick), Ok(()));
        assert_eq!(peer.flush(), [], "too early");
        assert_eq!(timeout(&mut peer, secs(130)), Ok(()));
        let [ping] = &peer.flush()[..] else {
            panic!("expected one ping")
        };
        assert_eq!(ping.opcode, PING);
        assert_eq!(timeout(&mut peer, secs(130)), Ok(()));
        assert_eq!(peer.flush(), [], "nothing is due twice");

        assert_eq!(peer.ws.deadline(secs(131)), Some(secs(140)));
        assert_eq!(timeout(&mut peer, secs(140) - tick), Ok(()));
        assert_eq!(peer.flush(), []);
        assert_eq!(
            timeout(&mut peer, secs(140)),
            Err(ProtocolError::PongTimeout)
        );
        let [close] = &peer.flush()[..] else {
            panic!("expected one Close frame")
        };
        assert_eq!(close.close_code(), 1011);
        assert!(peer.ws.is_done());
        assert_eq!(peer.ws.deadline(secs(141)), None);
        assert_eq!(
            timeout(&mut peer, secs(150)),
            Err(ProtocolError::PongTimeout)
        );
        assert_eq!(peer.flush(), []);
    }
}

#[test]
fn any_byte_proves_life() {
    for side in SIDES {
        // Any bytes count, not only a pong: even the first byte of a frame.
        let signs = [
            wire::pong("unsolicited").to(side).bytes(),
            wire::text("busy").to(side).bytes(),
            frame(false, TEXT, "").to(side).bytes(),
            vec![0x81],
        ];
        for sign in signs {
            let mut peer = Endpoint::new(side, timers());
            peer.ws.deadline(secs(0));
            assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
            assert_eq!(peer.ws.deadline(secs(39)), Some(secs(40)));
            peer.feed(&sign);
            assert_eq!(peer.ws.deadline(secs(39)), Some(secs(60)), "{sign:02x?}");
            assert_eq!(timeout(&mut peer, secs(40)), Ok(()));
            assert_eq!(peer.ws.round_trip_time(), None);
            // The next ping needs new bytes.
            assert_eq!(timeout(&mut peer, secs(60)), Ok(()));
            assert_eq!(
                timeout(&mut peer, secs(70)),
                Err(ProtocolError::PongTimeout)
            );
        }
    }
}

#[test]
fn what_came_before_the_ping_does_not_answer_it() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, timers());
        peer.ws.deadline(secs(0));
        peer.feed(&wire::text("hello").to(side).bytes());
        assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
        // A call without new bytes does not count either.
        peer.feed(&[]);
        assert_eq!(peer.ws.deadline(secs(31)), Some(secs(40)));
        assert_eq!(
            timeout(&mut peer, secs(40)),
            Err(ProtocolError::PongTimeout)
        );
    }
}

#[test]
fn one_ping_at_a_time_waits_for_a_sign_of_life() {
    let slow = config(|c| {
        c.ping_interval = Some(secs(10));
        c.pong_timeout = secs(35);
    });
    for side in SIDES {
        let mut peer = Endpoint::new(side, slow);
        peer.ws.deadline(secs(0));
        for now in [10, 20, 30, 40] {
            assert_eq!(timeout(&mut peer, secs(now)), Ok(()), "{now}");
        }
        assert_eq!(peer.flush().len(), 1);
        assert_eq!(peer.ws.deadline(secs(41)), Some(secs(45)));
        assert_eq!(
            timeout(&mut peer, secs(45)),
            Err(ProtocolError::PongTimeout)
        );
    }
}

#[test]
fn the_round_trip_is_measured_by_the_answer_to_the_last_ping() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, timers());
        assert_eq!(peer.ws.round_trip_time(), None);
        peer.ws.deadline(secs(0));
        let ask = |peer: &mut Endpoint, now: Duration| {
            assert_eq!(timeout(peer, now), Ok(()));
            peer.flush().pop().expect("a ping").payload
        };
        let first = ask(&mut peer, secs(30));
        peer.feed(&wire::pong("something else").to(side).bytes());
        peer.ws.deadline(secs(31));
        assert_eq!(peer.ws.round_trip_time(), None);

        peer.feed(&wire::pong(&first).to(side).bytes());
        peer.ws.deadline(secs(31));
        assert_eq!(peer.ws.round_trip_time(), Some(secs(1)));
        // A second pong for the same ping does not change the round trip.
        peer.feed(&wire::pong(&first).to(side).bytes());
        peer.ws.deadline(secs(50));
        assert_eq!(peer.ws.round_trip_time(), Some(secs(1)));

        let second = ask(&mut peer, secs(60));
        peer.feed(&wire::pong(&first).to(side).bytes());
        peer.ws.deadline(secs(61));
        assert_eq!(
            peer.ws.round_trip_time(),
            Some(secs(1)),
            "an answer to an old ping"
        );
        peer.feed(&wire::pong(&second).to(side).bytes());
        peer.ws.deadline(secs(60) + Duration::from_millis(1500));
        assert_eq!(peer.ws.round_trip_time(), Some(Duration::from_millis(1500)));
    }
}

#[test]
fn a_close_that_is_not_answered_times_out() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, timers());
        peer.ws.deadline(secs(0));
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        assert_eq!(peer.ws.deadline(secs(7)), Some(secs(12)));
        // Bytes do not extend it.
        peer.feed(&wire::text("still talking").to(side).bytes());
        assert_eq!(peer.ws.deadline(secs(8)), Some(secs(12)));
        assert_eq!(timeout(&mut peer, secs(11)), Ok(()));
        assert_eq!(
            timeout(&mut peer, secs(12)),
            Err(ProtocolError::CloseTimeout)
        );
        assert!(peer.ws.is_done());
        assert_eq!(peer.ws.deadline(secs(13)), None);
        assert_eq!(
            peer.flush().len(),
            1,
            "one Close frame, and no ping while closing"
        );
    }
}

#[test]
fn a_connection_that_is_closing_has_no_other_deadline() {
    for side in SIDES {
        // While closing, no ping is sent at 30 s. If a ping was sent before, its timeout is ignored.
        for (close_at, pings) in [(28, 0), (38, 1)] {
            let mut peer = Endpoint::new(side, timers());
            peer.ws.deadline(secs(0));
            assert_eq!(timeout(&mut peer, secs(close_at - 8)), Ok(()));
            assert_eq!(timeout(&mut peer, secs(close_at)), Ok(()));
            assert_eq!(peer.flush().len(), pings);
            let (ws, out) = (&mut peer.ws, &mut peer.out);
            ws.close(code(1000), "", out).expect("open");
            assert_eq!(ws.deadline(secs(close_at)), Some(secs(close_at + 5)));
            assert_eq!(timeout(&mut peer, secs(close_at + 4)), Ok(()));
            assert_eq!(peer.flush().len(), 1, "the Close frame alone");
        }
    }
}

#[test]
fn a_client_waits_for_the_end_of_the_stream_but_not_for_ever() {
    let mut client = Endpoint::new(Side::Client, timers());
    client.feed(&wire::close(1000, "").bytes());
    assert_eq!(client.ws.state(), ReadyState::Closing);
    assert_eq!(client.ws.deadline(secs(50)), Some(secs(55)));
    assert_eq!(timeout(&mut client, secs(54)), Ok(()));
    assert!(!client.ws.is_done());
    // Both Close frames were seen: no error.
    assert_eq!(timeout(&mut client, secs(55)), Ok(()));
    assert!(client.ws.is_done());
    assert_eq!(
        (client.ws.error(), client.ws.deadline(secs(56))),
        (None, None)
    );
    client.end();
    assert_eq!(client.error, None);

    let mut server = Endpoint::new(Side::Server, timers());
    server.feed(&wire::close(1000, "").to(Side::Server).bytes());
    assert_eq!(
        server.ws.deadline(secs(50)),
        None,
        "a closed connection has no timer"
    );
}

/// The numbers of the documentation: 40 s for a silent peer, 10 s for the closing handshake, and for a
/// message of the maximum size, that arrives as slowly as it may, 20 s and 1 s for each 500 bytes.
#[test]
fn the_defaults() {
    let tick = Duration::from_nanos(1);
    for side in SIDES {
        let mut peer = Endpoint::new(side, Config::new());
        assert_eq!(peer.ws.deadline(secs(0)), Some(secs(20)));
        assert_eq!(timeout(&mut peer, secs(20)), Ok(()));
        assert_eq!(peer.ws.deadline(secs(20)), Some(secs(40)));
        assert_eq!(timeout(&mut peer, secs(40) - tick), Ok(()));
        let error = ProtocolError::PongTimeout;
        assert_eq!(timeout(&mut peer, secs(40)), Err(error));

        let mut peer = Endpoint::new(side, Config::new());
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        assert_eq!(peer.ws.deadline(secs(0)), Some(secs(10)));
        assert_eq!(timeout(&mut peer, secs(10) - tick), Ok(()));
        let error = ProtocolError::CloseTimeout;
        assert_eq!(timeout(&mut peer, secs(10)), Err(error));

        let mut peer = Endpoint::new(side, slow_messages());
        peer.ws.deadline(secs(0));
        let largest = Config::new().max_message_size;
        peer.feed(&frame(false, BINARY, vec![0; largest]).to(side).bytes());
        let last = Duration::from_millis(20_000 + 2 * largest as u64);
        assert_eq!(last, Duration::from_millis(2_117_152));
        assert_eq!(peer.ws.deadline(secs(0)), Some(last));
        assert_eq!(timeout(&mut peer, last - tick), Ok(()));
        let error = ProtocolError::MessageTimeout;
        assert_eq!(timeout(&mut peer, last), Err(error));
    }
}

#[test]
fn no_pings_where_they_are_switched_off() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, config(|c| c.ping_interval = None));
        assert_eq!(peer.ws.deadline(secs(0)), None);
        assert_eq!(timeout(&mut peer, secs(1_000_000)), Ok(()));
        assert_eq!(peer.ws.deadline(secs(1_000_000)), None);
        assert!(peer.out.is_empty());
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        assert_eq!(peer.ws.deadline(secs(1_000_001)), Some(secs(1_000_011)));
    }
}

#[test]
fn a_late_call_sends_one_ping_not_all_that_were_missed() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, timers());
        peer.ws.deadline(secs(0));
        assert_eq!(timeout(&mut peer, secs(1000)), Ok(()));
        assert_eq!(peer.flush().len(), 1);
        assert_eq!(peer.ws.deadline(secs(1000)), Some(secs(1010)));
        peer.feed(&wire::text("").to(side).bytes());
        assert_eq!(peer.ws.deadline(secs(1001)), Some(secs(1030)));
    }
}

#[test]
fn durations_of_any_size_do_no_harm() {
    let extremes = [
        Duration::ZERO,
        Duration::from_nanos(1),
        secs(1),
        Duration::MAX,
    ];
    let instants = [
        Duration::ZERO,
        secs(1),
        Duration::from_nanos(u64::MAX - 1),
        Duration::from_nanos(u64::MAX),
        secs(u64::MAX),
        Duration::MAX,
    ];
    for side in SIDES {
        for interval in extremes {
            for limit in extremes {
                let config = config(|c| {
                    c.ping_interval = Some(interval);
                    c.pong_timeout = limit;
                    c.close_timeout = limit;
                });
                let mut peer = Endpoint::new(side, config);
                for now in instants {
                    let due = peer.ws.deadline(now);
                    assert!(due.is_none_or(|due| due <= Duration::from_nanos(u64::MAX)));
                    let mut out = BytesMut::new();
                    let _ = peer.ws.handle_timeout(now, &mut out);
                    assert!(
                        wire::frames(&out)
                            .iter()
                            .all(|f| [PING, CLOSE].contains(&f.opcode))
                    );
                }
            }
        }
        // Even at the last possible instant, a timer that is not set does not fall due.
        for now in instants {
            let mut peer = Endpoint::new(side, timers());
            peer.ws.deadline(now);
            assert_eq!(timeout(&mut peer, now), Ok(()), "{now:?}: no ping was sent");
            assert!(peer.out.is_empty());
            peer.ws.close(code(1000), "", &mut peer.out).expect("open");
            peer.ws.deadline(now);
            assert_eq!(
                timeout(&mut peer, now),
                Ok(()),
                "{now:?}: the time has just begun"
            );
        }
        let patient = config(|c| c.pong_timeout = Duration::MAX);
        let mut peer = Endpoint::new(side, patient);
        peer.ws.deadline(secs(0));
        assert_eq!(timeout(&mut peer, secs(20)), Ok(()));
        assert_eq!(timeout(&mut peer, secs(24 * 3600)), Ok(()));
        assert_eq!(peer.ws.error(), None);
    }
}

/// A server whose keepalive ping, sent at 30 s, waits behind 1000 bytes.
fn ping_behind_a_backlog() -> Endpoint {
    let mut peer = Endpoint::new(Side::Server, timers());
    peer.ws.deadline(secs(0));
    let backlog = [0; 1000 - 4];
    peer.ws.send_binary(&backlog, &mut peer.out).expect("open");
    assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
    assert_eq!(peer.out.len(), 1000 + 2 + 4);
    peer
}

#[test]
fn a_peer_that_reads_slowly_is_not_given_up() {
    // The peer takes 100 bytes each time. In the second case the application appends as many, so
    // `out` does not become shorter.
    for appended in [0, 100] {
        let mut peer = ping_behind_a_backlog();
        for n in 0..10 {
            let _ = peer.out.split_to(100);
            let message = vec![0; appended];
            peer.ws.send_binary(&message, &mut peer.out).expect("open");
            assert_eq!(timeout(&mut peer, secs(40 + n * 10)), Ok(()), "{n}");
        }
        // The ping is now at the front of `out`. Bytes taken from now on extend nothing.
        let _ = peer.out.split_to(6);
        let error = timeout(&mut peer, secs(140));
        assert_eq!(error, Err(ProtocolError::PongTimeout));
    }
}

#[test]
fn a_backlog_that_has_just_left_gives_time_to_answer() {
    let mut peer = ping_behind_a_backlog();
    peer.out.clear();
    assert_eq!(timeout(&mut peer, secs(40)), Ok(()));
    assert_eq!(peer.ws.deadline(secs(40)), Some(secs(50)));
    let error = timeout(&mut peer, secs(50));
    assert_eq!(error, Err(ProtocolError::PongTimeout));
}

#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let mut peer = ping_behind_a_backlog();
    let error = timeout(&mut peer, secs(40));
    assert_eq!(error, Err(ProtocolError::PongTimeout));
}

#[test]
fn no_peer_can_put_off_the_end() {
    let mut peer = Endpoint::new(Side::Server, timers());
    peer.ws
        .send_binary(&[0; 1000], &mut peer.out)
        .expect("open");
    peer.ws.close(code(1001), "", &mut peer.out).expect("open");
    assert_eq!(peer.ws.deadline(secs(0)), Some(secs(5)));
    let _ = peer.out.split_to(100);
    let error = timeout(&mut peer, secs(5));
    assert_eq!(error, Err(ProtocolError::CloseTimeout));
}

#[test]
fn output_that_was_flushed_is_no_sign_of_life() {
    let mut peer = Endpoint::new(Side::Server, timers());
    peer.ws.deadline(secs(0));
    assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
    peer.out.clear();
    assert_eq!(
        timeout(&mut peer, secs(40)),
        Err(ProtocolError::PongTimeout)
    );
}

#[test]
fn fixed_09_a_pong_has_at_least_a_millisecond() {
    for side in SIDES {
        for timeout_of_pong in [Duration::ZERO, Duration::from_nanos(1)] {
            let tick = Duration::from_millis(1);
            let mut peer = Endpoint::new(side, timers());
            let mut limits = timers();
            limits.pong_timeout = timeout_of_pong;
            peer.ws = websocket_proto::Connection::assume_opened(side.role(), limits);
            peer.ws.deadline(secs(0));
            assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
            assert_eq!(timeout(&mut peer, secs(30)), Ok(()), "at the same instant");
            assert_eq!(peer.ws.deadline(secs(30)), Some(secs(30) + tick));
            let error = timeout(&mut peer, secs(30) + tick);
            assert_eq!(error, Err(ProtocolError::PongTimeout));
        }
    }
    // Durations are rounded up to milliseconds: 1.000001 ms is 2 ms.
    let limits = config(|c| {
        c.ping_interval = Some(Duration::from_nanos(1_000_001));
    });
    let mut peer = Endpoint::new(Side::Server, limits);
    let due = peer.ws.deadline(Duration::ZERO);
    assert_eq!(due, Some(Duration::from_millis(2)));
}

#[test]
fn fixed_09_while_a_pong_is_awaited_nothing_else_is_due() {
    for side in SIDES {
        let mut limits = timers();
        limits.pong_timeout = secs(1000);
        let mut peer = Endpoint::new(side, limits);
        peer.ws.deadline(secs(0));
        assert_eq!(timeout(&mut peer, secs(30)), Ok(()));
        peer.flush();
        // While no answer has arrived, the next deadline is the pong timeout, not the next ping.
        assert_eq!(peer.ws.deadline(secs(30)), Some(secs(1030)));
        assert_eq!(timeout(&mut peer, secs(60)), Ok(()));
        assert_eq!(peer.ws.deadline(secs(60)), Some(secs(1030)));
        assert_eq!(peer.flush(), []);
        peer.feed(&wire::text("alive").to(side).bytes());
        assert_eq!(peer.ws.deadline(secs(70)), Some(secs(60)), "at once");
        assert_eq!(timeout(&mut peer, secs(70)), Ok(()));
        assert_eq!(peer.flush().len(), 1, "one ping");
    }
}

/// A message timeout of 20 s, and one second more for each 500 bytes.
fn slow_messages() -> Config {
    config(|c| c.ping_interval = None)
}

#[test]
fn fixed_11_an_unfinished_message_has_a_deadline() {
    let tick = Duration::from_nanos(1);
    for side in SIDES {
        let mut peer = Endpoint::new(side, slow_messages());
        assert_eq!(peer.ws.deadline(secs(0)), None);
        peer.feed(&frame(false, TEXT, [b'x'; 1000]).to(side).bytes());
        // 20 s and 2 s, from the first call with an instant.
        assert_eq!(peer.ws.deadline(secs(5)), Some(secs(27)));
        // Control frames do not extend the time.
        peer.feed(&wire::ping("still here").to(side).bytes());
        peer.feed(&wire::pong("").to(side).bytes());
        assert_eq!(peer.ws.deadline(secs(15)), Some(secs(27)));
        peer.feed(&frame(false, CONTINUATION, [b'x'; 500]).to(side).bytes());
        assert_eq!(peer.ws.deadline(secs(16)), Some(secs(28)));
        assert_eq!(timeout(&mut peer, secs(28) - tick), Ok(()));
        peer.flush();

        let error = ProtocolError::MessageTimeout;
        assert_eq!(timeout(&mut peer, secs(28)), Err(error));
        assert_eq!(timeout(&mut peer, secs(29)), Err(error), "it repeats");
        let [close] = &peer.flush()[..] else {
            panic!("expected one Close frame")
        };
        assert_eq!(close.close_code(), 1008);
        assert!(peer.ws.is_done());
        peer.feed(&wire::text("late").to(side).bytes());
        assert_eq!(peer.error, Some(error));
    }
}

#[test]
fn fixed_11_half_a_frame_counts_as_well() {
    for side in SIDES {
        let wire = frame(true, TEXT, [b'x'; 1000]).to(side).bytes();
        let mut peer = Endpoint::new(side, slow_messages());
        // With a part of a header, no message is under way.
        peer.feed(&wire[..1]);
        assert_eq!(peer.ws.deadline(secs(0)), None);
        peer.feed(&wire[1..wire.len() - 500]);
        assert_eq!(peer.ws.deadline(secs(0)), Some(secs(21)));
        peer.feed(&wire[wire.len() - 500..]);
        assert_eq!(peer.ws.deadline(secs(0)), None);
        assert_eq!(peer.events.len(), 1);
    }
}

#[test]
fn fixed_11_each_message_has_its_own_time() {
    for side in SIDES {
        let mut peer = Endpoint::new(side, slow_messages());
        let start = frame(false, TEXT, "a").to(side).bytes();
        let end = frame(true, CONTINUATION, "b").to(side).bytes();
        for now in (0..200).step_by(19) {
            // One message ends and the next begins between two calls with an instant.
            peer.feed(&start);
            let due = peer.ws.deadline(secs(now)).expect("a message is under way");
            assert_eq!(due, secs(now + 20) + Duration::from_millis(2));
            assert_eq!(timeout(&mut peer, secs(now + 18)), Ok(()));
            peer.feed(&end);
            if now % 2 == 0 {
                assert_eq!(peer.ws.deadline(secs(now + 19)), None);
            }
        }
        let mut peer = Endpoint::new(
            side,
            config(|c| {
                c.ping_interval = None;
                c.message_timeout = None;
            }),
        );
        peer.feed(&start);
        assert_eq!(peer.ws.deadline(secs(0)), None, "no limit was wanted");
        peer.ws.close(code(1000), "", &mut peer.out).expect("open");
        assert_eq!(
            peer.ws.deadline(secs(0)),
            Some(secs(10)),
            "that of the Close"
        );
    }
}

/// A program that polls, but does not take events while too much is unsent, does not blame the peer.
#[test]
fn a_complete_message_that_is_not_taken_is_not_late() {
    for (side, opcode) in SIDES
        .into_iter()
        .flat_map(|side| [(side, TEXT), (side, BINARY)])
    {
        let alone = config(|c| c.ping_interval = None);
        let mut ws = Connection::assume_opened(side.role(), alone);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let wire = frame(true, opcode, "x".repeat(100)).to(side).bytes();
        let (first, rest) = wire.split_at(50);
        input.extend_from_slice(first);
        assert!(!ws.poll(&mut input, &mut out));
        assert!(ws.deadline(secs(0)).is_some());
        input.extend_from_slice(rest);
        assert!(ws.poll(&mut input, &mut out));
        assert_eq!(ws.deadline(secs(100)), None);
        let event = ws.next_event(&mut input, &mut out);
        assert!(matches!(event, Ok(Some(Event::Text(_) | Event::Binary(_)))));
    }
}

#[test]
fn a_message_that_was_taken_is_not_late() {
    // The caller takes one event and does not ask for another one.
    for (side, opcode) in SIDES
        .into_iter()
        .flat_map(|side| [(side, TEXT), (side, BINARY)])
    {
        let alone = config(|c| c.ping_interval = None);
        let mut ws = Connection::assume_opened(side.role(), alone);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let wire = frame(true, opcode, "x".repeat(100)).to(side).bytes();
        // It arrives in three reads. Each byte extends its time.
        let header = wire.len() - 100;
        for (from, to) in [(0, 50), (50, 90)] {
            input.extend_from_slice(&wire[from..to]);
            assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
            let limit = secs(20) + Duration::from_millis(2 * (to - header) as u64);
            assert_eq!(ws.deadline(secs(0)), Some(limit), "{side:?} {opcode}");
        }
        input.extend_from_slice(&wire[90..]);
        let event = ws.next_event(&mut input, &mut out);
        assert!(matches!(event, Ok(Some(Event::Text(_) | Event::Binary(_)))));
        assert_eq!(ws.deadline(secs(100)), None);
    }
}
