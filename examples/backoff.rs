//! How long to wait before another try: exponential back-off with full jitter (RFC 6455 §7.2.3).
//! `Error::can_retry` tells whether to try at all.
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that held this long counts as a success.
const STABLE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the time to wait after a failure. `open` is how long the connection was open, if it was.
    ///
    /// It is between zero and a limit that doubles with each failure. If a server fails, all of its
    /// clients notice at once: `random` spreads their next tries over the whole of that time.
    pub fn pause(&mut self, open: Option<Duration>, random: u64) -> Duration {
        if open.is_some_and(|open| open >= STABLE) {
            self.failures = 0;
        }
        let limit = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        limit.mul_f64(random as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_starts_again_after_a_stable_connection() {
        let mut backoff = Backoff::default();
        let mut limit = |open: Option<u64>| {
            backoff
                .pause(open.map(Duration::from_secs), u64::MAX)
                .as_millis()
        };
        let limits: Vec<_> = (0..9).map(|_| limit(None)).collect();
        assert_eq!(
            limits,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(limit(Some(9)), 30_000);
        assert_eq!(limit(Some(10)), 500);
        assert_eq!(limit(Some(9)), 1000);
    }

    #[test]
    fn is_anywhere_below_the_limit() {
        let pause = |random| Backoff::default().pause(None, random).as_millis();
        assert_eq!(
            [pause(0), pause(u64::MAX / 2), pause(u64::MAX)],
            [0, 250, 500]
        );
    }
}
