//! What a run has measured and found, and how it is printed.
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use websocket_proto::CloseCode;

use super::ledger::Faults;
use super::probe::Sample;

/// Different errors that are counted. More are counted as "other".
const ERRORS: usize = 20;

/// What clients count. Times are in microseconds.
pub struct Stats {
    pub connect: Histogram<u64>,
    /// From the loss of a connection until the client has joined again.
    pub resume: Histogram<u64>,
    pub latency: Histogram<u64>,
    pub ack: Histogram<u64>,
    /// Connections that the tool has cut.
    pub cut: u64,
    pub resets: u64,
    /// Resumes after which something can be missing.
    pub unrecovered: u64,
    /// Connections that the server or an error has ended, by close code.
    pub closes: BTreeMap<u16, u64>,
    pub errors: BTreeMap<String, u64>,
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl Stats {
    pub fn new() -> Self {
        let histogram = || {
            // Up to an hour, with three digits. These bounds are valid.
            let mut histogram =
                Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds of a histogram");
            histogram.auto(true);
            histogram
        };
        Self {
            connect: histogram(),
            resume: histogram(),
            latency: histogram(),
            ack: histogram(),
            cut: 0,
            resets: 0,
            unrecovered: 0,
            closes: BTreeMap::new(),
            errors: BTreeMap::new(),
        }
    }

    pub fn connected(&mut self, time: Duration) {
        self.connect.saturating_record(time.as_micros() as u64);
    }

    pub fn resumed(&mut self, time: Duration, recovered: bool) {
        self.resume.saturating_record(time.as_micros() as u64);
        self.unrecovered += u64::from(!recovered);
    }

    pub fn delivered(&mut self, micros: u64) {
        self.latency.saturating_record(micros);
    }

    pub fn acked(&mut self, micros: u64) {
        self.ack.saturating_record(micros);
    }

    /// `None`: without a Close frame. `Some(None)`: one without a code. As in RFC 6455 §7.4.1 these
    /// are 1006 and 1005.
    pub fn closed(&mut self, close: Option<Option<CloseCode>>) {
        let code = close.map_or(1006, |code| code.map_or(1005, u16::from));
        *self.closes.entry(code).or_default() += 1;
    }

    pub fn error(&mut self, error: String) {
        let known = self.errors.len() < ERRORS || self.errors.contains_key(&error);
        let error = if known { error } else { "other".into() };
        *self.errors.entry(error).or_default() += 1;
    }

    pub fn first_error(&self) -> &str {
        self.errors
            .keys()
            .next()
            .map_or("no answer in time", |error| error)
    }
}

/// The result of a run.
pub struct Report {
    pub connections: u32,
    pub rooms: u32,
    /// There are not more rooms than connections.
    pub rooms_asked: u32,
    /// Connections that could not be opened at the beginning, and that were not open at the end.
    pub failed: u32,
    pub away: u32,
    /// Messages that were due, sent, acknowledged, and delivered to readers.
    pub wanted: u64,
    pub sent: u64,
    pub acked: u64,
    pub delivered: u64,
    pub sent_for: Duration,
    /// The time over which CPU was measured.
    pub cpu_for: Duration,
    /// Of this process: CPU time during the load, and memory that the connections have added.
    pub own: Sample,
    /// Of the servers: before the first connection, when all are open, and after the load.
    pub before: Option<Sample>,
    pub idle: Option<Sample>,
    pub loaded: Option<Sample>,
    pub faults: Faults,
    pub stats: Stats,
}

impl Report {
    /// Whether every message has arrived once and in order, and every client was connected.
    pub fn ok(&self) -> bool {
        self.faults.none() && self.failed == 0 && self.away == 0
    }

    /// In one line.
    fn verdict(&self) -> &'static str {
        let limited = |error: &String| error.starts_with("rate_limited");
        if !self.ok() {
            "WRONG"
        } else if self.stats.errors.keys().any(limited) {
            "the server allows fewer messages: use more --senders or a server with a higher --rate"
        } else if self.sent * 10 < self.wanted * 9 {
            "fewer messages were sent than were due: use more --senders or a lower --rate"
        } else {
            "all is well"
        }
    }

    /// Bytes of the servers for each connection, in KiB: without and after the load.
    fn memory(&self) -> Option<(f64, f64)> {
        let before = self.before.filter(|before| !before.used)?.memory;
        let each = |sample: Sample| (sample.memory - before) / f64::from(self.connections) / 1024.0;
        Some((each(self.idle?), each(self.loaded?)))
    }

    /// CPU time of the servers during the load, in seconds.
    fn cpu(&self) -> Option<f64> {
        Some(self.loaded?.cpu - self.idle?.cpu)
    }

    fn micros_a_delivery(&self) -> Option<f64> {
        Some(self.cpu()? * 1e6 / self.delivered.max(1) as f64)
    }

    fn per_second(&self, messages: u64) -> f64 {
        messages as f64 / self.sent_for.as_secs_f64().max(1e-9)
    }

    /// Adds a line to a CSV file. A new file begins with the names of the columns.
    pub fn write_csv(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let (names, values): (Vec<_>, Vec<_>) = self.columns().into_iter().unzip();
        if file.metadata()?.len() == 0 {
            writeln!(file, "{}", names.join(","))?;
        }
        writeln!(file, "{}", values.join(","))
    }

    fn columns(&self) -> Vec<(&'static str, String)> {
        let (stats, faults) = (&self.stats, &self.faults);
        let ms = |times: &Histogram<u64>, quantile| {
            format!("{:.3}", times.value_at_quantile(quantile) as f64 / 1000.0)
        };
        let optional = |value: Option<f64>| value.map_or(String::new(), |it| format!("{it:.3}"));
        let memory = self.memory();
        vec![
            ("connections", self.connections.to_string()),
            ("rooms", self.rooms.to_string()),
            ("seconds", format!("{:.1}", self.sent_for.as_secs_f64())),
            ("sent", self.sent.to_string()),
            ("delivered", self.delivered.to_string()),
            ("connect_p50_ms", ms(&stats.connect, 0.5)),
            ("connect_p99_ms", ms(&stats.connect, 0.99)),
            ("ack_p50_ms", ms(&stats.ack, 0.5)),
            ("ack_p99_ms", ms(&stats.ack, 0.99)),
            ("latency_p50_ms", ms(&stats.latency, 0.5)),
            ("latency_p90_ms", ms(&stats.latency, 0.9)),
            ("latency_p99_ms", ms(&stats.latency, 0.99)),
            ("latency_p999_ms", ms(&stats.latency, 0.999)),
            ("memory_idle_kib", optional(memory.map(|it| it.0))),
            ("memory_loaded_kib", optional(memory.map(|it| it.1))),
            ("cpu_seconds", optional(self.cpu())),
            ("cpu_us_a_delivery", optional(self.micros_a_delivery())),
            ("load_cpu_seconds", format!("{:.3}", self.own.cpu)),
            ("resumes", stats.resume.len().to_string()),
            ("unrecovered", stats.unrecovered.to_string()),
            ("lost", faults.lost.to_string()),
            ("doubled", faults.doubled.to_string()),
            ("disordered", faults.disordered.to_string()),
            ("corrupted", faults.corrupted.to_string()),
            ("unacknowledged", faults.unacknowledged.to_string()),
            ("failed", (self.failed + self.away).to_string()),
        ]
    }
}

struct Times<'a>(&'a Histogram<u64>);

impl Display for Times<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            let micros = self.0.value_at_quantile(quantile);
            write!(f, "{name} {:.2} ms  ", micros as f64 / 1000.0)?;
        }
        write!(f, "max {:.2} ms", self.0.max() as f64 / 1000.0)
    }
}

struct Counts<'a, K>(&'a BTreeMap<K, u64>);

impl<K: Display> Display for Counts<'_, K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, (what, count)) in self.0.iter().enumerate() {
            write!(f, "{}{what} × {count}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (stats, faults) = (&self.stats, &self.faults);
        let (connections, rooms) = (self.connections, self.rooms);
        writeln!(f, "connections    {connections} in {rooms} rooms")?;
        if rooms < self.rooms_asked {
            let asked = self.rooms_asked;
            writeln!(f, "               too few for {asked} rooms")?;
        }
        writeln!(f, "connect, join  {}", Times(&stats.connect))?;
        let (sent, wanted, rate) = (self.sent, self.wanted, self.per_second(self.sent));
        writeln!(
            f,
            "sent           {sent} of {wanted} that were due, {rate:.0} a second"
        )?;
        let (delivered, rate) = (self.delivered, self.per_second(self.delivered));
        writeln!(f, "delivered      {delivered}, {rate:.0} a second")?;
        writeln!(f, "to the ack     {}", Times(&stats.ack))?;
        writeln!(f, "to the reader  {}", Times(&stats.latency))?;
        if let Some((idle, loaded)) = self.memory() {
            write!(f, "server memory  {idle:.1} KiB a connection")?;
            writeln!(f, ", {loaded:.1} KiB after the load")?;
        } else if self.before.is_some_and(|before| before.used) {
            writeln!(f, "server memory  not measured: the server was used before")?;
        }
        let share = |cpu: f64| cpu * 100.0 / self.cpu_for.as_secs_f64().max(1e-9);
        if let (Some(cpu), Some(each)) = (self.cpu(), self.micros_a_delivery()) {
            write!(f, "server CPU     {each:.2} µs a delivered message")?;
            writeln!(f, ", {:.0} % of a core", share(cpu))?;
        } else {
            let reason = "/metrics cannot be read; use --pid";
            writeln!(f, "server         not measured ({reason})")?;
        }
        let own = share(self.own.cpu);
        let memory = self.own.memory / f64::from(connections) / 1024.0;
        write!(f, "this tool      {memory:.1} KiB a connection")?;
        writeln!(f, ", {own:.0} % of a core")?;
        if own > 90.0 {
            writeln!(
                f,
                "               its own speed limits the figures: lower --rate"
            )?;
        }
        if !stats.resume.is_empty() {
            let (resumes, cut) = (stats.resume.len(), stats.cut);
            let (unrecovered, resets) = (stats.unrecovered, stats.resets);
            write!(f, "resumes        {resumes}, {cut} connections were cut")?;
            writeln!(f, "; {unrecovered} not recovered, {resets} resets")?;
            writeln!(f, "to resume      {}", Times(&stats.resume))?;
        }
        if !stats.closes.is_empty() {
            writeln!(f, "close codes    {}", Counts(&stats.closes))?;
        }
        if !stats.errors.is_empty() {
            writeln!(f, "errors         {}", Counts(&stats.errors))?;
        }
        let Faults {
            lost,
            doubled,
            disordered,
            corrupted,
            unacknowledged,
            ..
        } = faults;
        write!(
            f,
            "messages       {lost} lost, {doubled} doubled, {disordered} out of order"
        )?;
        writeln!(
            f,
            ", {corrupted} changed, {unacknowledged} not acknowledged"
        )?;
        for example in &faults.examples {
            writeln!(f, "               {example}")?;
        }
        if self.failed + self.away > 0 {
            let (failed, away) = (self.failed, self.away);
            writeln!(
                f,
                "not connected  {failed} at the beginning, {away} at the end"
            )?;
        }
        write!(f, "{}", self.verdict())
    }
}
