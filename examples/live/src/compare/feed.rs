//! The source of notifications of one rate.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::{interval, sleep};
use websocket_proto::Prepared;

/// The last notifications that a feed keeps: 20 s at the highest rate.
const KEPT: usize = 2000;

/// Notifications a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// `None`: no notifications at all.
    period: Option<Duration>,
}

impl Rate {
    /// `None` if it is neither 0 nor from 0.1 to 100.
    pub fn new(per_second: f64) -> Option<Self> {
        let period = match per_second {
            0.0 => None,
            0.1..=100.0 => Some(Duration::from_secs_f64(1.0 / per_second)),
            _ => return None,
        };
        Some(Self { period })
    }
}

/// A notification, in the form that each transport sends.
pub struct Notification {
    /// 1, 2, 3 …
    pub seq: u64,
    pub json: String,
    pub frame: Prepared,
}

/// Makes notifications while somebody holds it, and keeps the last ones. Its readers have no queues:
/// a reader has a position, and takes what is behind it.
pub struct Feed {
    ring: Mutex<VecDeque<Arc<Notification>>>,
    last: watch::Sender<u64>,
}

impl Feed {
    pub fn start(rate: Rate) -> Arc<Self> {
        let feed = Arc::new(Self {
            ring: Mutex::default(),
            last: watch::Sender::new(0),
        });
        if let Some(period) = rate.period {
            tokio::spawn(run(Arc::downgrade(&feed), period));
        }
        feed
    }

    /// The last sequence number.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// What is behind `seq`, as far as it is still there.
    pub fn after(&self, seq: u64) -> Vec<Arc<Notification>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = ring.partition_point(|notification| notification.seq <= seq);
        ring.range(begin..).cloned().collect()
    }

    /// Waits until there is something behind `seq`.
    pub async fn wait(&self, seq: u64) {
        // It cannot fail: the sender is in `self`.
        let _ = self.last.subscribe().wait_for(|last| *last > seq).await;
    }

    fn push(&self) {
        let seq = self.last() + 1;
        let at = now();
        let json = format!(r#"{{"seq":{seq},"at":{at},"text":"Your order {seq} is on its way."}}"#);
        let frame = Prepared::text(&json);
        let notification = Arc::new(Notification { seq, json, frame });
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(notification);
        drop(ring);
        self.last.send_replace(seq);
    }
}

/// One notification in each period, at another moment of it each time: otherwise a client that polls
/// with the same period would always ask at the same distance from the notification, and its latency
/// would be chance. Multiples of the golden ratio fill the period evenly.
async fn run(feed: Weak<Feed>, period: Duration) {
    let mut periods = interval(period);
    let mut phase = 0.0_f64;
    loop {
        periods.tick().await;
        phase = (phase + 0.618_033_988_75).fract();
        sleep(period.mul_f64(phase)).await;
        let Some(feed) = feed.upgrade() else { return };
        feed.push();
    }
}

/// Microseconds since 1970.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_limits() {
        for refused in [-1.0, 0.01, 100.5, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::new(refused), None, "{refused}");
        }
        for rate in [0.0, 0.1, 1.0, 100.0] {
            assert!(Rate::new(rate).is_some(), "{rate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_keeps_the_rate_and_the_last_notifications() {
        let feed = Feed::start(Rate::new(100.0).unwrap());
        assert_eq!(feed.last(), 0);
        let begin = tokio::time::Instant::now();
        feed.wait(4999).await;
        let took = begin.elapsed();
        let expected = Duration::from_millis(49_990)..=Duration::from_millis(50_010);
        assert!(expected.contains(&took), "{took:?}");
        let seqs = |after| -> Vec<u64> { feed.after(after).iter().map(|n| n.seq).collect() };
        let last = feed.last();
        assert_eq!(seqs(0), (last - 1999..=last).collect::<Vec<_>>());
        assert_eq!(seqs(last - 2), [last - 1, last]);
        assert!(seqs(last).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_nobody_holds_ends() {
        let feed = Feed::start(Rate::new(10.0).unwrap());
        feed.wait(3).await;
        let weak = Arc::downgrade(&feed);
        drop(feed);
        assert!(weak.upgrade().is_none());
        let tasks = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        assert_eq!(tasks(), 1);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tasks(), 0);
    }
}
