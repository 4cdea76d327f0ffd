//! How much memory the channels of a node hold together.
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that the rings and ids of all channels hold: see
/// [`HistoryLimits::memory`](super::HistoryLimits::memory).
#[derive(Default)]
pub(super) struct Held(AtomicUsize);

impl Held {
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn remove(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
