//! Keepalive and timeouts without a clock. The caller passes the current instant and gets the
//! instant of the next call.
//!
//! The receive path has no instant. It sets flags, and the next call with an instant takes what the
//! flags tell to have happened at that instant.

use core::time::Duration;

use crate::config::Config;

/// Nanoseconds on the caller's clock, enough for 584 years. `NEVER` means that no instant is set.
type Nanos = u64;
const NEVER: Nanos = Nanos::MAX;

#[derive(Debug)]
pub(crate) struct Liveness {
    /// In milliseconds, which keeps the connection small. 0 sends no pings.
    ping_interval: u32,
    pong_timeout: u32,
    close_timeout: u32,
    /// In milliseconds. 0 sets no limit.
    message_timeout: u32,
    /// In bytes per second.
    min_message_rate: u32,
    /// The payload of the last keepalive ping.
    ping_id: u32,
    next_ping: Nanos,
    /// When bytes must have arrived after a ping. While closing, when the closing handshake must be
    /// complete.
    answer_due: Nanos,
    /// When the message under way was first seen.
    message_since: Nanos,
    /// In microseconds, or `NONE`.
    round_trip: u32,
    /// The payload bytes received of the message under way, or `NONE`.
    unfinished: u32,
    /// The bytes of `out` in front of the last ping, when it was last checked.
    ahead: u32,
    heard: bool,
    /// The last ping is not answered by a pong. It was sent one interval before `next_ping`.
    awaits_pong: bool,
    pong_heard: bool,
    closing: bool,
}

const NONE: u32 = u32::MAX;

/// What to do after a deadline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping([u8; 4]),
    PongTimeout,
    MessageTimeout,
    CloseTimeout,
}

impl Liveness {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            ping_interval: config.ping_interval.map_or(0, millis),
            pong_timeout: millis(config.pong_timeout),
            close_timeout: millis(config.close_timeout),
            message_timeout: config.message_timeout.map_or(0, millis),
            min_message_rate: config.min_message_rate.max(1),
            ping_id: 0,
            next_ping: NEVER,
            answer_due: NEVER,
            message_since: NEVER,
            round_trip: NONE,
            unfinished: NONE,
            ahead: 0,
            heard: false,
            awaits_pong: false,
            pong_heard: false,
            closing: false,
        }
    }

    /// Any byte from the peer proves that it is alive.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// The payload bytes received of the message under way; `None` if no message is under way.
    pub(crate) fn unfinished(&mut self, received: Option<usize>) {
        self.unfinished = received.map_or(NONE, |bytes| saturated(bytes).min(NONE - 1));
        if received.is_none() {
            self.message_since = NEVER;
        }
    }

    /// A pong has arrived. Only the answer to the last keepalive ping measures the round trip.
    pub(crate) fn heard_pong(&mut self, payload: &[u8]) {
        self.pong_heard |= self.awaits_pong && payload == self.ping_id.to_be_bytes();
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let micros = Some(self.round_trip).filter(|&micros| micros != NONE);
        micros.map(|micros| Duration::from_micros(micros.into()))
    }

    /// The next instant at which to call [`due`](Self::due).
    pub(crate) fn deadline(&mut self, now: Duration, closing: bool) -> Option<Duration> {
        self.observe(nanos(now), closing);
        instant(match closing {
            true => self.answer_due,
            false => self.ping_or_answer_due().min(self.message_due()),
        })
    }

    /// When the next ping or the answer to the last one is due. No ping is due while the connection
    /// waits for an answer.
    fn ping_or_answer_due(&self) -> Nanos {
        match self.answer_due {
            NEVER => self.next_ping,
            answer_due => answer_due,
        }
    }

    /// When the message under way must be complete.
    fn message_due(&self) -> Nanos {
        // `message_since` is set only while a message is under way.
        if self.message_timeout == 0 || self.message_since == NEVER {
            return NEVER;
        }
        let received = u64::from(self.unfinished) * 1_000_000_000;
        let earned = received / u64::from(self.min_message_rate);
        after(self.message_since, self.message_timeout).saturating_add(earned)
    }

    /// Returns what is due at `now`, and does not return it again. `ahead` is the number of unsent
    /// bytes in front of the last ping, `unsent` that of all unsent bytes.
    pub(crate) fn due(&mut self, now: Duration, closing: bool, ahead: usize, unsent: usize) -> Due {
        let now = nanos(now);
        self.observe(now, closing);
        if closing {
            return if now >= self.answer_due {
                Due::CloseTimeout
            } else {
                Due::Nothing
            };
        }
        if now >= self.answer_due {
            // The peer cannot answer a ping before it has read the bytes in front of the ping. So
            // if the peer has read some of them, it gets more time.
            let before = core::mem::replace(&mut self.ahead, saturated(ahead));
            if self.ahead >= before {
                return Due::PongTimeout;
            }
            self.answer_due = after(now, self.pong_timeout);
        }
        if now >= self.message_due() {
            return Due::MessageTimeout;
        }
        // No ping is sent while an earlier one is not answered: `out` could fill with pings.
        if now < self.next_ping || self.answer_due != NEVER {
            return Due::Nothing;
        }
        self.next_ping = after(now, self.ping_interval);
        self.answer_due = after(now, self.pong_timeout);
        self.ahead = saturated(unsent);
        self.awaits_pong = true;
        self.ping_id = self.ping_id.wrapping_add(1);
        Due::Ping(self.ping_id.to_be_bytes())
    }

    /// Sets the instants of what happened since the last call.
    fn observe(&mut self, now: Nanos, closing: bool) {
        if core::mem::take(&mut self.heard) && !closing {
            self.answer_due = NEVER;
        }
        if core::mem::take(&mut self.pong_heard) {
            let sent = (self.next_ping).saturating_sub(u64::from(self.ping_interval) * 1_000_000);
            let micros = now.saturating_sub(sent) / 1000;
            self.round_trip = micros.min(u64::from(NONE - 1)) as u32;
            self.awaits_pong = false;
        }
        if self.next_ping == NEVER && self.ping_interval > 0 {
            self.next_ping = after(now, self.ping_interval);
        }
        if self.unfinished != NONE && self.message_since == NEVER {
            self.message_since = now;
        }
        if closing && !core::mem::replace(&mut self.closing, true) {
            self.answer_due = after(now, self.close_timeout);
        }
    }
}

/// A duration in milliseconds, rounded up. It is at least 1 ms, because a timeout of 0 would end
/// every connection at once.
fn millis(duration: Duration) -> u32 {
    let millis = duration.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(millis).unwrap_or(u32::MAX)
}

/// An instant in nanoseconds, below `NEVER`, so that a timer that is not set never falls due.
fn nanos(now: Duration) -> Nanos {
    Nanos::try_from(now.as_nanos()).map_or(NEVER - 1, |now| now.min(NEVER - 1))
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn after(now: Nanos, millis: u32) -> Nanos {
    now.saturating_add(u64::from(millis) * 1_000_000)
}

fn instant(at: Nanos) -> Option<Duration> {
    (at != NEVER).then(|| Duration::from_nanos(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(change: impl FnOnce(&mut Config)) -> Liveness {
        let mut config = Config::new();
        change(&mut config);
        Liveness::new(&config)
    }

    /// Counters and instants that are too large do not become `NONE` or `NEVER`.
    #[test]
    fn the_largest_values_are_values() {
        let mut messages = alive(|config| config.ping_interval = None);
        messages.unfinished(Some(usize::MAX));
        assert!(messages.deadline(Duration::ZERO, false).is_some());

        let mut pings = alive(|config| config.message_timeout = None);
        let due = pings.deadline(Duration::ZERO, false).expect("a ping");
        assert_eq!(pings.due(due, false, 0, 0), Due::Ping([0, 0, 0, 1]));
        pings.heard_pong(&[0, 0, 0, 1]);
        pings.deadline(Duration::MAX, false);
        let longest = Duration::from_micros(u64::from(u32::MAX) - 1);
        assert_eq!(pings.round_trip(), Some(longest));
    }
}
