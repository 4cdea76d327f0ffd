//! What the server counts. `/metrics` exports it for Prometheus, the dashboard plots it.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The close code of a WebSocket: `0` if the connection ended without a Close frame.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct CloseLabel {
    pub code: u16,
}

/// Why something was refused, dropped or limited.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Reason {
    pub reason: &'static str,
}

/// All metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
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
    /// Ended WebSockets, by close code.
    pub closed: Family<CloseLabel, Counter>,
    /// 1: the engine is up, 0: it is away.
    pub engine_up: Gauge,
    /// Seconds from the arrival of a message until the engine has accepted it and all readers of this
    /// node are notified.
    pub latency: Histogram,
    /// Resident memory of the process, in bytes, and its CPU time in seconds: read for each export.
    pub memory: Gauge,
    pub cpu: Gauge<f64, AtomicU64>,
}

impl Metrics {
    /// Makes and registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
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
            latency: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            memory: Gauge::default(),
            cpu: Gauge::default(),
        };
        let m = metrics.clone();
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
            m.latency,
        );
        registry.register("process_resident_memory_bytes", "Resident memory", m.memory);
        registry.register("process_cpu_seconds", "CPU time, user and system", m.cpu);
        metrics
    }
}
