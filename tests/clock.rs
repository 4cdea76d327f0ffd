//! Proves that no deadline makes a clock panic or return a wait that a socket refuses. The tests do
//! not depend on how fast they run: they use deadlines that have passed or are a year away.

#![cfg(feature = "std")]

use std::time::{Duration, Instant};

use websocket_proto::Clock;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[test]
fn a_deadline_that_has_passed() {
    let before = Instant::now();
    let clock = Clock::start();
    let passed = Some(Duration::ZERO);
    assert_eq!(clock.timeout(passed), Some(Duration::from_millis(1)));
    assert_eq!(clock.poll_timeout(passed), 0);
    assert!((before..=Instant::now()).contains(&clock.instant(passed)));
}

#[test]
fn a_deadline_that_is_far_away() {
    let clock = Clock::start();
    for deadline in [YEAR, 1000 * YEAR, Duration::MAX] {
        let timeout = clock.timeout(Some(deadline)).expect("there is a deadline");
        assert!(timeout <= deadline && timeout > deadline - YEAR / 2);
        assert_eq!(clock.poll_timeout(Some(deadline)), i32::MAX);
        assert!(clock.instant(Some(deadline)) > Instant::now() + YEAR / 2);
    }
    let day = clock.poll_timeout(Some(clock.now() + YEAR / 365));
    assert!((43_200_000..=86_400_000).contains(&day), "{day}");
}

#[test]
fn no_deadline() {
    let clock = Clock::start();
    assert_eq!(clock.timeout(None), None);
    assert_eq!(clock.poll_timeout(None), -1);
    assert!(clock.instant(None) > Instant::now() + 29 * YEAR);
}

#[test]
fn a_clock_tells_the_time_since_its_start() {
    let before = Instant::now();
    let clock = Clock::start();
    let after = Instant::now();
    while after.elapsed().is_zero() {}
    let at_least = after.elapsed();
    let now = clock.now();
    assert!(at_least <= now && now <= before.elapsed());
}

#[test]
fn a_copy_has_the_same_start() {
    let clock = Clock::start();
    let copy = clock;
    let at = Some(YEAR);
    assert_eq!(clock.instant(at), copy.instant(at));
    assert_eq!(
        clock.instant(at) - clock.instant(Some(Duration::ZERO)),
        YEAR
    );
    let (first, second, third) = (clock.now(), copy.now(), clock.now());
    assert!(first <= second && second <= third);
}
