//! How much of costly input a second of a server's CPU buys.
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::args::Options;
use crate::process::Process;
use crate::server::Server;

mod handshakes;
mod rows;
mod stream;

use rows::{Row, rows};

/// A server to measure.
pub struct Target {
    name: String,
    server: Server,
    process: Process,
}

impl Target {
    pub fn new(name: &str, server: Server, pid: u32) -> Self {
        let process = Process(pid);
        Self {
            name: name.into(),
            server,
            process,
        }
    }
}

pub fn names() -> impl Iterator<Item = &'static str> {
    rows().into_iter().map(|row| row.name)
}

/// Measures the servers in turn with each row, and prints a table.
pub fn run(targets: &[Target], options: &Options) -> Result<(), String> {
    let rows: Vec<_> = rows()
        .into_iter()
        .filter(|it| options.wants(it.name))
        .collect();
    let mut progress = Progress::new(rows.len() * targets.len());
    let mut table = Vec::new();
    for row in &rows {
        let measure = |target: &Target| {
            progress.show(&format!("{}: {}", target.name, row.name));
            measure(target, row, options.seconds)
        };
        table.push(targets.iter().map(measure).collect::<Vec<_>>());
    }
    progress.end();
    match options.json {
        true => print_json(targets, &rows, &table),
        false => print(targets, &rows, &table),
    }
    Ok(())
}

/// What one server did with one row.
struct Measured {
    /// Bytes that were answered.
    bytes: u64,
    cpu: Duration,
}

impl Measured {
    fn mib_per_second(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.cpu.as_secs_f64().max(1e-3)
    }
}

fn measure(target: &Target, row: &Row, time: Duration) -> Result<Measured, String> {
    let cpu = || target.process.cpu().ok_or("no such process in /proc");
    let start = cpu()?;
    let bytes = match &row.load {
        rows::Load::Frames { offer, unit } => stream::load(&target.server, *offer, unit, time)?,
        rows::Load::Heads(parts) => handshakes::load(&target.server, parts, time)?,
    };
    let cpu = cpu()? - start;
    Ok(Measured { bytes, cpu })
}

/// Two tables in Markdown: the larger number is better in the first one.
fn print(targets: &[Target], rows: &[Row], table: &[Vec<Result<Measured, String>>]) {
    let figure = |what: fn(&Measured) -> f64| {
        let head: String = targets.iter().map(|it| format!(" {} |", it.name)).collect();
        println!("| input |{head}\n|---|{}", "---:|".repeat(targets.len()));
        for (row, cells) in rows.iter().zip(table) {
            let cell = |cell: &Result<Measured, String>| match cell {
                Ok(measured) => format!(" {} |", three_digits(what(measured))),
                Err(error) => format!(" {error} |"),
            };
            println!(
                "| {} |{}",
                row.name,
                cells.iter().map(cell).collect::<String>()
            );
        }
    };
    println!("MiB on the wire that a second of the server's CPU buys:\n");
    figure(Measured::mib_per_second);
    println!("\nMilliseconds of the server's CPU for a MiB on the wire:\n");
    figure(|it| 1e3 / it.mib_per_second());
}

fn print_json(targets: &[Target], rows: &[Row], table: &[Vec<Result<Measured, String>>]) {
    for (row, cells) in rows.iter().zip(table) {
        for (target, cell) in targets.iter().zip(cells) {
            let (bytes, cpu) = match cell {
                Ok(it) => (it.bytes.to_string(), it.cpu.as_millis().to_string()),
                Err(_) => ("null".into(), "null".into()),
            };
            println!(
                "{{\"input\":\"{}\",\"server\":\"{}\",\"sent_bytes\":{bytes},\"cpu_ms\":{cpu}}}",
                row.name, target.name
            );
        }
    }
}

fn three_digits(number: f64) -> String {
    match number {
        100.0.. => format!("{number:.0}"),
        10.0..100.0 => format!("{number:.1}"),
        1.0..10.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// One line on standard error, or one for each step if that is no terminal.
struct Progress {
    step: usize,
    steps: usize,
    is_terminal: bool,
}

impl Progress {
    fn new(steps: usize) -> Self {
        Self {
            step: 0,
            steps,
            is_terminal: stderr().is_terminal(),
        }
    }

    fn show(&mut self, what: &str) {
        self.step += 1;
        let line = format!("{}/{} {what}", self.step, self.steps);
        match self.is_terminal {
            true => eprint!("\r\x1b[K{line}"),
            false => eprintln!("{line}"),
        }
        let _ = stderr().flush();
    }

    fn end(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
