//! What the server counts. `/metrics` exports it for Prometheus, the dashboard plots it.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::process::usage;
use crate::broker::MessageBroker;

/// The close code of a WebSocket: `0` if the connection ended without a Close frame.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseLabel {
    code: String,
}

impl CloseLabel {
    pub fn new(code: u16) -> Self {
        // A peer may send any of 3000 to 4999, and each label costs memory for ever.
        let code = match code {
            0 | 1000..=1015 => code.to_string(),
            _ => "other".into(),
        };
        Self { code }
    }
}

/// Why something was refused, dropped or limited.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Reason {
    pub reason: &'static str,
}

/// All metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Open TCP connections: HTTP and WebSocket.
    pub sockets: Gauge,
    /// Open WebSockets of the chat.
    pub connections: Gauge,
    /// Rooms with members on this node.
    pub rooms: Gauge,
    /// Messages that clients have sent, malformed ones included.
    pub received: Counter,
    /// Messages that were sent to clients, all types.
    pub sent: Counter,
    /// Messages that the engine has accepted.
    pub published: Counter,
    /// Bytes read from and written to sockets, HTTP and TLS included.
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// Typing and presence that slow readers have missed.
    pub dropped: Counter,
    /// Inputs that the token bucket has refused.
    pub rate_limited: Counter,
    /// Requests refused before 101, by reason.
    pub refused: Family<Reason, Counter>,
    /// Ended WebSockets, by close code: `other` for those of applications.
    pub closed: Family<CloseLabel, Counter>,
    /// 1: the engine is up, 0: it is away.
    pub engine_up: Gauge,
    /// Seconds from the arrival of a message until the engine has accepted it and all readers of this
    /// node are notified.
    pub latency: Latency,
    /// Resident memory of the process, in bytes, and its CPU time in seconds: read for each export.
    pub memory: Gauge,
    pub cpu: Counter<f64, AtomicU64>,
}

impl Metrics {
    /// Makes and registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            sockets: Gauge::default(),
            connections: Gauge::default(),
            rooms: Gauge::default(),
            received: Counter::default(),
            sent: Counter::default(),
            published: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            dropped: Counter::default(),
            rate_limited: Counter::default(),
            refused: Family::default(),
            closed: Family::default(),
            engine_up: Gauge::default(),
            latency: Latency::default(),
            memory: Gauge::default(),
            cpu: Counter::default(),
        };
        let m = metrics.clone();
        registry.register("live_sockets", "Open TCP connections", m.sockets);
        registry.register("live_connections", "Open chat connections", m.connections);
        registry.register("live_rooms", "Rooms with members on this node", m.rooms);
        registry.register(
            "live_messages_received",
            "Messages from clients",
            m.received,
        );
        registry.register("live_messages_sent", "Messages to clients", m.sent);
        registry.register(
            "live_messages_published",
            "Messages that the engine accepted",
            m.published,
        );
        registry.register("live_bytes_received", "Bytes read from sockets", m.bytes_in);
        registry.register("live_bytes_sent", "Bytes written to sockets", m.bytes_out);
        registry.register(
            "live_dropped",
            "Typing and presence that slow readers missed",
            m.dropped,
        );
        registry.register("live_rate_limited", "Inputs over the rate", m.rate_limited);
        registry.register("live_refused", "Requests refused before 101", m.refused);
        registry.register("live_closed", "Ended connections by close code", m.closed);
        registry.register("live_engine_up", "1 if the engine is up", m.engine_up);
        registry.register(
            "live_publish_seconds",
            "From arrival to notified readers",
            m.latency.histogram,
        );
        if usage().is_some() {
            registry.register("process_resident_memory_bytes", "Resident memory", m.memory);
            registry.register("process_cpu_seconds", "CPU time, user and system", m.cpu);
        }
        metrics
    }
}

/// What the broker has counted: read for each export.
pub struct Broker(pub Arc<MessageBroker>);

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broker").field(&self.0.counts()).finish()
    }
}

impl Collector for Broker {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.counts();
        for (name, help, count) in [
            (
                "duplicates",
                "Messages that were stored before.",
                counts.duplicates,
            ),
            (
                "engine_away",
                "Times that the engine was found away.",
                counts.away,
            ),
            ("log_reads", "Reads of the engine's log.", counts.log_reads),
            ("resets", "Channels whose history was lost.", counts.resets),
            ("panicked", "Subscribers that panicked.", counts.panicked),
        ] {
            let name = format!("live_{name}");
            let counter = ConstCounter::new(count);
            let metric = encoder.encode_descriptor(&name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let held = ConstGauge::new(counts.memory as i64);
        let help = "Memory of stored messages, as --history-memory counts it.";
        let name = "live_history_bytes";
        let metric = encoder.encode_descriptor(name, help, None, held.metric_type())?;
        held.encode(metric)
    }
}

/// Steps of [`Latency`] from one power of two to the next: a quantile is at most 9 % too high.
const STEPS: f64 = 8.0;
/// The upper end of its first bucket, in seconds.
const FIRST: f64 = 10e-6;
/// From 10 µs to 10 s.
const BUCKETS: usize = 161;

/// A histogram of seconds: for Prometheus, and with counts that the dashboard can read.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram,
    counts: Arc<[AtomicU64; BUCKETS]>,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            histogram: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            counts: Arc::new(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }
}

impl Latency {
    pub fn observe(&self, seconds: f64) {
        self.histogram.observe(seconds);
        // The conversion saturates, so it is right for all numbers: 0 is in the first bucket.
        let bucket = ((seconds / FIRST).log2() * STEPS).ceil() as usize;
        self.counts[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// What was observed until now.
    pub fn counts(&self) -> Counts {
        Counts(std::array::from_fn(|i| self.counts[i].load(Relaxed)))
    }
}

/// What a [`Latency`] has counted until some instant.
#[derive(Clone, Debug)]
pub struct Counts([u64; BUCKETS]);

impl Counts {
    /// The seconds that `share` of all observations since `earlier` have not exceeded. `None`: there was
    /// none.
    pub fn quantile_since(&self, earlier: &Self, share: f64) -> Option<f64> {
        let new = || self.0.iter().zip(&earlier.0).map(|(now, then)| now - then);
        let total: u64 = new().sum();
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let bucket = new().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(FIRST * (bucket as f64 / STEPS).exp2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_observations_since_then() {
        let latency = Latency::default();
        let start = latency.counts();
        assert_eq!(start.quantile_since(&start, 0.5), None);
        for _ in 0..1000 {
            latency.observe(5.0); // before
        }
        let earlier = latency.counts();
        for ms in 1..=100 {
            latency.observe(f64::from(ms) / 1000.0);
        }
        let now = latency.counts();
        for (share, exact) in [(0.5, 0.050), (0.99, 0.099), (1.0, 0.100)] {
            let seconds = now.quantile_since(&earlier, share).unwrap();
            assert!(
                (exact..exact * 1.1).contains(&seconds),
                "{share}: {seconds}"
            );
        }
    }

    #[test]
    fn all_numbers_have_a_bucket() {
        let latency = Latency::default();
        let start = latency.counts();
        for seconds in [0.0, -1.0, f64::NAN, 1e-9, 1e9, f64::INFINITY] {
            latency.observe(seconds);
        }
        let lowest = latency.counts().quantile_since(&start, 0.1);
        assert_eq!(lowest, Some(FIRST));
    }
}
