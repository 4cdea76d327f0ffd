//! Tables, files and plots.
use std::{error::Error, fmt::Write as _, fs, path::Path};

use peers::plot::{self, Axis, Bar, Series};
use peers::quiet::{Neighbours, Verdict};
use peers::stats::{Summary, quantile};

use super::contestants::{Contestant, Program};
use super::measure::{Row, Sample};
use super::workloads::Cell;

/// The figures of a run: a row for each contestant, and in it one for each cell.
pub(crate) struct Report<'a> {
    pub(crate) wanted: &'a [&'a Contestant],
    pub(crate) cells: &'a [Cell],
    pub(crate) rows: &'a [Vec<Row>],
    /// Bytes of an idle connection.
    pub(crate) memory: &'a [Result<f64, String>],
}

type Figure = fn(&Sample) -> f64;
const CPU: Figure = |it| it.cpu;

impl Report<'_> {
    fn summary(&self, at: usize, cell: usize, figure: Figure) -> Option<Summary> {
        let samples = self.rows[at].get(cell)?.as_ref().ok()?;
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        (!values.is_empty()).then(|| Summary::of(&mut values))
    }

    fn median(&self, at: usize, cell: usize, figure: Figure) -> Option<f64> {
        Some(self.summary(at, cell, figure)?.median)
    }

    /// CPU time of a message, over that of the first contestant: raw TCP.
    fn ratio(&self, at: usize, cell: usize) -> Option<f64> {
        Some(self.median(at, cell, CPU)? / self.median(0, cell, CPU)?)
    }

    fn find(&self, size: usize, connections: usize, depth: usize) -> Option<usize> {
        let wanted = Cell {
            size,
            connections,
            depth,
        };
        self.cells.iter().position(|cell| *cell == wanted)
    }

    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        for (at, cell) in self.cells.iter().enumerate() {
            let Cell {
                size,
                connections,
                depth,
            } = cell;
            let _ = writeln!(
                text,
                "\n{size} bytes, {connections} connections, {depth} under way on each"
            );
            let _ = writeln!(
                text,
                "{:34}{:>10}{:>11}{:>8}{:>13}{:>11}{:>11}",
                "", "CPU ns", "x raw TCP", "spread", "messages/s", "p50 us", "p99 us",
            );
            for (row, contestant) in self.wanted.iter().enumerate() {
                let _ = writeln!(text, "{:34}{}", contestant.name, self.line(row, at));
            }
        }
        text + &self.growth() + &self.idle()
    }

    fn line(&self, row: usize, cell: usize) -> String {
        let Some(cpu) = self.summary(row, cell, CPU) else {
            let why = self.rows[row][cell].as_ref().err();
            return format!("  not measured: {}", why.map_or("", |it| it.trim()));
        };
        let median = |figure| self.median(row, cell, figure).unwrap_or(f64::NAN);
        format!(
            "{:>10.0}{:>11.3}{:>7.1}%{:>13.0}{:>11.1}{:>11.1}",
            cpu.median,
            self.ratio(row, cell).unwrap_or(f64::NAN),
            cpu.spread() * 100.0,
            median(|it| it.per_second),
            median(|it| it.p50) / 1e3,
            median(|it| it.p99) / 1e3,
        )
    }

    /// What a message costs with many connections, over what it costs with 10.
    fn growth(&self) -> String {
        let most = self.cells.iter().map(|cell| cell.connections).max();
        let cells = (|| Some((self.find(16, 10, 1)?, self.find(16, most?, 1)?)))();
        let (Some((few, many)), Some(most)) = (cells, most) else {
            return String::new();
        };
        let mut text = format!("\nCPU of a message of 16 bytes, {most} connections over 10\n");
        let growth = |row| Some(self.median(row, many, CPU)? / self.median(row, few, CPU)?);
        for (row, contestant) in self.wanted.iter().enumerate() {
            let Some(own) = growth(row) else { continue };
            let beside = growth(0).map_or(f64::NAN, |raw| own / raw);
            let _ = writeln!(
                text,
                "{:34}{own:>8.2}, {beside:.3} x that of raw TCP",
                contestant.name
            );
        }
        text
    }

    fn idle(&self) -> String {
        let mut text = String::new();
        for (contestant, memory) in self.wanted.iter().zip(self.memory) {
            let _ = match memory {
                Ok(bytes) => writeln!(text, "{:34}{bytes:>10.0}", contestant.name),
                Err(why) => writeln!(text, "{:34}  not measured: {}", contestant.name, why.trim()),
            };
        }
        match text.is_empty() {
            true => text,
            false => format!("\nResident bytes of an idle connection\n{text}"),
        }
    }

    pub(crate) fn csv(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let mut file = csv::Writer::from_path(path)?;
        file.write_record([
            "contestant",
            "form",
            "workload",
            "figure",
            "unit",
            "median",
            "min",
            "q1",
            "q3",
            "rounds",
            "not measured",
        ])?;
        let figures: [(&str, &str, Figure); 4] = [
            ("cpu", "ns", CPU),
            ("rate", "messages/s", |it| it.per_second),
            ("p50", "ns", |it| it.p50),
            ("p99", "ns", |it| it.p99),
        ];
        for (row, contestant) in self.wanted.iter().enumerate() {
            let Contestant { name, form, .. } = contestant;
            for (at, cell) in self.cells.iter().enumerate() {
                let cell = cell.name();
                for (figure, unit, value) in figures {
                    let why = self.rows[row][at].as_ref().err();
                    let numbers =
                        self.summary(row, at, value)
                            .map_or_else(Default::default, |it| {
                                let rounds = it.rounds.to_string();
                                let [median, min, q1, q3] =
                                    [it.median, it.min, it.q1, it.q3].map(|it| format!("{it:.1}"));
                                [median, min, q1, q3, rounds]
                            });
                    let [median, min, q1, q3, rounds] = &numbers;
                    let why = why.map_or("", |it| it);
                    file.write_record([
                        name, form, &*cell, figure, unit, median, min, q1, q3, rounds, why,
                    ])?;
                }
            }
            if let Some(memory) = self.memory.get(row) {
                let bytes = memory
                    .as_ref()
                    .map_or(String::new(), |it| format!("{it:.0}"));
                let why = memory.as_ref().err().map_or("", |it| it);
                let rest = ["", "", "", "1", why];
                let head = [name, form, "memory", "resident", "bytes", &*bytes];
                file.write_record(head.iter().copied().chain(rest))?;
            }
        }
        Ok(file.flush()?)
    }

    pub(crate) fn plots(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let bar = |row: usize, value: f64| Bar {
            name: self.wanted[row].name.to_owned(),
            value,
            emphasis: self.wanted[row].is_ours(),
        };
        let all = 0..self.wanted.len();
        for (size, name) in [(16, "16"), (4096, "4096")] {
            let Some(cell) = self.find(size, 64, 16) else {
                continue;
            };
            let bars = all
                .clone()
                .filter_map(|row| Some(bar(row, self.ratio(row, cell)?)));
            let title = format!("Echo of {size} bytes, 64 connections with 16 messages under way");
            let axis = Axis::new("server CPU of a message, over a raw TCP echo", |it| {
                format!("{it:.2}")
            });
            plot::bars(
                &folder.join(format!("servers-echo-{name}.svg")),
                &title,
                &axis,
                &bars.collect::<Vec<_>>(),
            )?;
        }
        let scale = |it: &(usize, &Cell)| it.1.size == 16 && it.1.depth == 1;
        let scale: Vec<_> = self.cells.iter().enumerate().filter(scale).collect();
        if scale.len() > 1 {
            let line = |row: usize| Series {
                name: self.wanted[row].name.to_owned(),
                points: scale
                    .iter()
                    .filter_map(|&(at, cell)| {
                        Some((cell.connections as f64, self.median(row, at, CPU)?))
                    })
                    .collect(),
                emphasis: self.wanted[row].is_ours(),
            };
            let ticks = scale.iter().map(|(_, cell)| cell.connections as f64);
            plot::lines(
                &folder.join("servers-connections.svg"),
                "Echo of 16 bytes: cost against the number of connections",
                &Axis::new("connections", plot::count).with_ticks(ticks),
                &Axis::new("server CPU of a message", plot::time),
                &all.clone().map(line).collect::<Vec<_>>(),
            )?;
        }
        let idle = self.memory.iter().enumerate();
        let idle = idle.filter_map(|(row, bytes)| Some(bar(row, *bytes.as_ref().ok()?)));
        let idle: Vec<_> = idle.collect();
        if !idle.is_empty() {
            plot::bars(
                &folder.join("servers-idle.svg"),
                "Resident memory of an idle connection",
                &Axis::new("bytes", plot::bytes),
                &idle,
            )?;
        }
        Ok(())
    }

    /// Whether the figures can be trusted.
    pub(crate) fn verdict(&self, neighbours: &Neighbours) -> Verdict {
        let mut verdict = Verdict::default();
        verdict.at_most(
            0.10,
            neighbours.others,
            "cores kept busy by other processes than the load and the servers",
        );
        verdict.at_most(
            0.01,
            neighbours.steal,
            "part of the time that the hypervisor gave to other machines",
        );
        let spreads = (0..self.cells.len()).filter_map(|cell| self.summary(0, cell, CPU));
        let mut spreads: Vec<f64> = spreads.map(|it| it.spread()).collect();
        spreads.sort_by(f64::total_cmp);
        if !spreads.is_empty() {
            let what = "spread of raw TCP, in half of the workloads";
            verdict.at_most(0.05, quantile(&spreads, 0.5), what);
        }
        let mut pairs = self.pairs();
        pairs.sort_by(f64::total_cmp);
        if !pairs.is_empty() {
            let what = "distance of two medians of the same work, in half of the workloads";
            verdict.at_most(0.03, quantile(&pairs, 0.5), what);
        }
        verdict
    }

    /// The load offers no compression, so an example does the same work with `--no-deflate`.
    fn pairs(&self) -> Vec<f64> {
        let mut pairs = Vec::new();
        for (row, two) in self.wanted.windows(2).enumerate() {
            if let (Program::Example(a, _), Program::Example(b, _)) =
                (two[0].program, two[1].program)
                && a == b
            {
                pairs.extend((0..self.cells.len()).filter_map(|cell| {
                    let [a, b] = [row, row + 1].map(|row| self.median(row, cell, CPU));
                    Some((a? / b? - 1.0).abs())
                }));
            }
        }
        pairs
    }
}
