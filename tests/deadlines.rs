//! Proves that `Deadlines` behaves like a simple map of keys to instants, that its memory depends on
//! the connections and not on the calls, and that a loop that sets only the connections it used
//! wakes at the same instants as one that asks all of them.

use std::{collections::BTreeMap, time::Duration};

use bytes::BytesMut;
use proptest::prelude::*;
use websocket_proto::{Config, Connection, Deadlines, RecvBuf, Role};

mod support;

use support::{Random, Side, wire};

#[derive(Debug, Clone)]
enum Step {
    Set(usize, Option<Duration>),
    Expire(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few instants, so that equal ones and early ones are common.
    let instant = prop_oneof![
        40 => (0..40_u64).prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ];
    let deadline = prop::option::weighted(0.8, instant.clone());
    let step = prop_oneof![
        4 => (0..30_usize, deadline).prop_map(|(key, deadline)| Step::Set(key, deadline)),
        1 => instant.prop_map(Step::Expire),
    ];
    prop::collection::vec(step, 0..300)
}

/// What the type keeps of an instant: 64 bits of nanoseconds.
fn kept(instant: Duration) -> Duration {
    instant.min(Duration::from_nanos(u64::MAX))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_a_map(steps in steps()) {
        let mut deadlines = Deadlines::new();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(key, deadline) => {
                    deadlines.set(key, deadline);
                    match deadline {
                        Some(at) => model.insert(key, kept(at)),
                        None => model.remove(&key),
                    };
                }
                Step::Expire(now) => {
                    let mut last = Duration::ZERO;
                    while let Some(key) = deadlines.pop_expired(now) {
                        let at = model.remove(&key);
                        prop_assert!(at.is_some_and(|at| last <= at && at <= now), "{at:?}");
                        last = at.unwrap_or_default();
                    }
                    prop_assert!(model.values().all(|at| *at > now));
                }
            }
            prop_assert_eq!(deadlines.earliest(), model.values().min().copied());
            prop_assert_eq!(deadlines.len(), model.len());
            prop_assert_eq!(deadlines.is_empty(), model.is_empty());
        }
    }
}

/// 10,000 connections that are used a million times.
#[test]
fn memory_depends_on_the_connections_and_not_on_the_calls() {
    const CONNECTIONS: usize = 10_000;
    let mut deadlines = Deadlines::new();
    let mut random = Random(7);
    let mut touch = |deadlines: &mut Deadlines, times: usize| {
        for _ in 0..times {
            let key = random.below(CONNECTIONS);
            let at = random.below(1_000_000_000) as u64;
            deadlines.set(
                key,
                (!at.is_multiple_of(16)).then(|| Duration::from_nanos(at)),
            );
        }
    };
    let grown = allocation_counter::measure(|| {
        for key in 0..CONNECTIONS {
            deadlines.set(key, Some(Duration::from_secs(1)));
        }
    });
    // 20 bytes each, and the quarter that two vectors reserve.
    let most = (20 + 5) * CONNECTIONS as i64 + 100;
    assert!(grown.bytes_current <= most, "{grown:?}");
    // Each time by a quarter at least.
    assert!(grown.count_total <= 2 * 32, "{grown:?}");
    let touched = allocation_counter::measure(|| touch(&mut deadlines, 1_000_000));
    assert_eq!(touched.count_total, 0, "{touched:?}");
}

/// One place for each key below, and a quarter more.
#[test]
fn a_large_key_costs_its_places_and_a_quarter() {
    let grown = allocation_counter::measure(|| {
        let mut deadlines = Deadlines::new();
        deadlines.set(99_999, Some(Duration::ZERO));
        // The next one has its place already.
        deadlines.set(100_000, Some(Duration::ZERO));
        assert_eq!(deadlines.pop_expired(Duration::ZERO), Some(99_999));
    });
    let entries = 16 * 8;
    assert!(grown.bytes_max <= 4 * 125_005 + entries, "{grown:?}");
    assert_eq!(grown.count_total, 2, "{grown:?}");
}

#[test]
fn keys_can_be_reused_and_need_not_exist() {
    let second = |n| Some(Duration::from_secs(n));
    let mut deadlines = Deadlines::new();
    deadlines.set(1000, None); // does not allocate 1000 places
    assert_eq!(deadlines.earliest(), None);
    assert_eq!(deadlines.pop_expired(Duration::MAX), None);

    deadlines.set(3, second(3));
    deadlines.set(3, None);
    deadlines.set(3, None);
    assert!(deadlines.is_empty());
    deadlines.set(3, second(5));
    assert_eq!(deadlines.pop_expired(Duration::from_secs(4)), None);
    assert_eq!(deadlines.pop_expired(Duration::from_secs(5)), Some(3));
    // It is returned once.
    assert_eq!(deadlines.pop_expired(Duration::from_secs(5)), None);
}

#[test]
#[should_panic(expected = "too large")]
fn a_key_that_is_no_index_is_refused() {
    Deadlines::new().set(u32::MAX as usize, Some(Duration::ZERO));
}

/// Two copies of the same connections live through the same reads. One asks each connection for its
/// deadline before every wait. The other sets only those that it has used.
#[test]
fn only_connections_that_were_used_must_be_set() {
    struct Peer(Connection, RecvBuf, BytesMut);

    impl Peer {
        fn receive(&mut self, bytes: &[u8]) {
            let Self(ws, input, out) = self;
            input.extend_from_slice(bytes);
            while matches!(ws.next_event(input, out), Ok(Some(_))) {}
            out.clear();
        }

        fn time_out(&mut self, now: Duration) {
            let Self(ws, _, out) = self;
            _ = ws.handle_timeout(now, out);
        }
    }

    let peer = || {
        let ws = Connection::assume_opened(Role::Server, Config::new());
        Peer(ws, RecvBuf::new(), BytesMut::new())
    };
    let mut all: Vec<_> = (0..20).map(|_| peer()).collect();
    let mut used: Vec<_> = (0..20).map(|_| peer()).collect();
    let mut deadlines = Deadlines::new();
    for (key, Peer(ws, ..)) in used.iter_mut().enumerate() {
        deadlines.set(key, ws.deadline(Duration::ZERO));
    }
    let frequent = [wire::ping("?"), wire::pong("!"), wire::text("a")];
    let rare = [wire::frame(false, wire::TEXT, "a"), wire::close(1000, "")];
    let (mut random, mut now, mut timeouts) = (Random(3), Duration::ZERO, 0);
    for _ in 0..2000 {
        let earliest = all.iter_mut().filter_map(|it| it.0.deadline(now)).min();
        assert_eq!(deadlines.earliest(), earliest);

        let read = now + Duration::from_millis(random.below(2000) as u64);
        now = earliest.map_or(read, |at| at.clamp(now, read));
        if now == read {
            let key = random.below(all.len());
            let frames = if random.below(10) > 0 {
                &frequent[..]
            } else {
                &rare
            };
            let frame = &frames[random.below(frames.len())];
            let bytes = frame.clone().to(Side::Server).bytes();
            all[key].receive(&bytes);
            used[key].receive(&bytes);
            deadlines.set(key, used[key].0.deadline(now));
        }
        for peer in &mut all {
            if peer.0.deadline(now).is_some_and(|at| at <= now) {
                peer.time_out(now);
            }
        }
        while let Some(key) = deadlines.pop_expired(now) {
            used[key].time_out(now);
            deadlines.set(key, used[key].0.deadline(now));
            timeouts += 1;
        }
        for (key, (one, other)) in all.iter_mut().zip(&mut used).enumerate() {
            assert_eq!(one.0.state(), other.0.state());
            assert_eq!(one.0.error(), other.0.error());
            if other.0.is_done() {
                // A new connection gets the key.
                (*one, *other) = (peer(), peer());
                deadlines.set(key, other.0.deadline(now));
            }
        }
    }
    assert!(timeouts > 1000, "{timeouts}");
}
