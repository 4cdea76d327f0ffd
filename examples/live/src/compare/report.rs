//! The result of `live compare`, as a table and as CSV.
use std::fmt::Write;

use super::Transport;
use super::client::Tally;

/// What was measured.
pub struct Report {
    pub seconds: u64,
    pub rate: f64,
    pub interval: f64,
    pub rows: Vec<(Transport, Tally)>,
}

const COLUMNS: [&str; 12] = [
    "transport",
    "sent",
    "received",
    "sent/n",
    "received/n",
    "requests",
    "packets",
    "notified",
    "missed",
    "median",
    "p99",
    "max",
];

impl Report {
    /// For people: columns of the same width.
    pub fn table(&self) -> String {
        let head = COLUMNS.map(String::from);
        let mut lines = vec![head];
        lines.extend(
            self.rows
                .iter()
                .map(|(transport, tally)| row(*transport, tally)),
        );
        let mut table = String::new();
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = lines.iter().map(|line| line[column].chars().count()).max();
                let width = width.unwrap_or(0);
                let _ = match column {
                    0 => write!(table, "{cell:<width$}"),
                    _ => write!(table, "  {cell:>width$}"),
                };
            }
            table.push('\n');
        }
        table
    }

    /// For programs: bytes, and times in µs.
    pub fn csv(&self) -> String {
        let mut csv = String::from(
            "transport,seconds,rate,interval,bytes_sent,bytes_received,requests,connections,\
             packets_sent,packets_received,notifications,missed,doubled,median_us,p99_us,max_us\n",
        );
        for (transport, tally) in &self.rows {
            let Self {
                seconds,
                rate,
                interval,
                ..
            } = self;
            let (up, down) = tally.bytes();
            let (sent, received) = match tally.packets {
                Some((sent, received)) => (sent.to_string(), received.to_string()),
                None => Default::default(),
            };
            let time = |quantile| match tally.latency.is_empty() {
                true => String::new(),
                false => tally.latency.value_at_quantile(quantile).to_string(),
            };
            let _ = writeln!(
                csv,
                "{},{seconds},{rate},{interval},{up},{down},{},{},{sent},{received},{},{},{},{},{},{}",
                transport.path(),
                tally.requests,
                tally.connections,
                tally.received,
                tally.missed,
                tally.doubled,
                time(0.5),
                time(0.99),
                time(1.0),
            );
        }
        csv
    }
}

fn row(transport: Transport, tally: &Tally) -> [String; COLUMNS.len()] {
    let (up, down) = tally.bytes();
    let each = |bytes: u64| match tally.received {
        0 => "–".into(),
        n => thousands((bytes + n / 2) / n),
    };
    let time = |quantile| match tally.latency.is_empty() {
        true => "–".into(),
        false => milliseconds(tally.latency.value_at_quantile(quantile)),
    };
    [
        transport.name().into(),
        thousands(up),
        thousands(down),
        each(up),
        each(down),
        thousands(tally.requests),
        tally
            .packets
            .map_or("–".into(), |(sent, received)| thousands(sent + received)),
        thousands(tally.received),
        thousands(tally.missed),
        time(0.5),
        time(0.99),
        time(1.0),
    ]
}

fn milliseconds(us: u64) -> String {
    match us as f64 / 1000.0 {
        ms @ ..10.0 => format!("{ms:.2} ms"),
        ms => format!("{ms:.0} ms"),
    }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::answers::Notification;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [120, 9990, 250_400].map(milliseconds),
            ["0.12 ms", "9.99 ms", "250 ms"]
        );
    }

    #[test]
    fn a_report_as_table_and_csv() {
        let mut tally = Tally::new(0);
        for seq in [1, 3] {
            tally.take(&Notification { seq, at: 100 }, 350);
        }
        tally.up.inc_by(1001);
        tally.down.inc_by(20_000);
        tally.requests = 1;
        tally.connections = 1;
        let report = Report {
            seconds: 60,
            rate: 0.5,
            interval: 1.0,
            rows: vec![
                (Transport::Events, tally),
                (Transport::WebSocket, Tally::new(0)),
            ],
        };
        let csv = report.csv();
        let lines: Vec<&str> = csv.lines().skip(1).collect();
        assert_eq!(
            lines[0],
            "events,60,0.5,1,1001,20000,1,1,,,2,1,0,250,250,250"
        );
        assert_eq!(lines[1], "ws,60,0.5,1,0,0,0,0,,,0,0,0,,,");
        let table = report.table();
        let lines: Vec<&str> = table.lines().collect();
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(
            words[..7],
            [
                "server-sent",
                "events",
                "1,001",
                "20,000",
                "501",
                "10,000",
                "1"
            ]
        );
        assert_eq!(lines[0].chars().count(), lines[2].chars().count());
    }
}
