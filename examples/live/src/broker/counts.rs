//! What the broker counts.
use std::sync::atomic::{AtomicU64, Ordering};

use super::channels::Channels;

/// What the broker has counted since its start, on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Channels that are open now, with subscribers or not.
    pub channels: u64,
    /// Memory of their messages and ids, in bytes: see
    /// [`HistoryLimits::memory`](super::HistoryLimits::memory).
    pub memory: u64,
    /// Messages that this node has published, without duplicates.
    pub published: u64,
    pub duplicates: u64,
    /// Calls of subscribers that returned.
    pub notified: u64,
    /// Subscribers that panicked.
    pub panicked: u64,
    /// Signals that were not sent to other nodes, because the engine is away or too slow.
    pub dropped_signals: u64,
    /// Times that the engine was found away.
    pub away: u64,
    /// Reads of the engine's log: of new channels, and to fill gaps.
    pub log_reads: u64,
    /// Channels whose history was lost.
    pub resets: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub published: AtomicU64,
    pub duplicates: AtomicU64,
    pub notified: AtomicU64,
    pub panicked: AtomicU64,
    pub dropped_signals: AtomicU64,
    pub away: AtomicU64,
    pub log_reads: AtomicU64,
    pub resets: AtomicU64,
}

impl Counters {
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub fn counts(&self, channels: &Channels) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            channels: channels.len() as u64,
            memory: channels.memory() as u64,
            published: read(&self.published),
            duplicates: read(&self.duplicates),
            notified: read(&self.notified),
            panicked: read(&self.panicked),
            dropped_signals: read(&self.dropped_signals),
            away: read(&self.away),
            log_reads: read(&self.log_reads),
            resets: read(&self.resets),
        }
    }
}
