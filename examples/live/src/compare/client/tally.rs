//! What one transport has cost and delivered.
use hdrhistogram::Histogram;
use prometheus_client::metrics::counter::Counter;

use crate::compare::answers::Notification;

/// The counts of a transport at the client.
pub struct Tally {
    /// Bytes that the client's sockets have sent and received until now.
    pub up: Counter,
    pub down: Counter,
    /// The same when the last notification was there.
    finished: Option<(u64, u64)>,
    pub requests: u64,
    pub connections: u64,
    pub received: u64,
    pub missed: u64,
    /// Notifications that had arrived before.
    pub doubled: u64,
    /// In µs, from the making of a notification to its arrival.
    pub latency: Histogram<u64>,
    /// The last sequence number that has arrived.
    pub position: u64,
    /// Packets that were sent and received, if the system tells.
    pub packets: Option<(u64, u64)>,
}

impl Tally {
    pub fn new(position: u64) -> Self {
        let mut latency = Histogram::new(3).expect("3 digits are allowed");
        latency.auto(true);
        Self {
            up: Counter::default(),
            down: Counter::default(),
            finished: None,
            requests: 0,
            connections: 0,
            received: 0,
            missed: 0,
            doubled: 0,
            latency,
            position,
            packets: None,
        }
    }

    /// Counts a notification that has arrived at `now`, by the clock of the server.
    pub fn take(&mut self, notification: &Notification, now: u64) {
        let &Notification { seq, at } = notification;
        if seq <= self.position {
            self.doubled += 1;
            return;
        }
        self.missed += seq - self.position - 1;
        self.position = seq;
        self.received += 1;
        // It cannot fail: the histogram grows.
        let _ = self.latency.record(now.saturating_sub(at));
    }

    /// Bytes that were sent and received, up to the last notification.
    pub fn bytes(&self) -> (u64, u64) {
        self.finished.unwrap_or((self.up.get(), self.down.get()))
    }

    pub fn finish(&mut self) {
        self.finished = Some(self.bytes());
    }

    /// Counts as missed what has not arrived, up to the last one.
    pub fn close(&mut self, last: u64) {
        self.missed += last.saturating_sub(self.position);
        self.position = self.position.max(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_repetitions_are_counted() {
        let mut tally = Tally::new(10);
        for (seq, at) in [(11, 100), (12, 200), (12, 200), (15, 300), (11, 100)] {
            tally.take(&Notification { seq, at }, 1000);
        }
        assert_eq!((tally.received, tally.missed, tally.doubled), (3, 2, 2));
        assert_eq!(tally.latency.max(), 900);
        tally.close(14);
        assert_eq!(tally.missed, 2);
        tally.close(17);
        assert_eq!(tally.missed, 4);
    }
}
