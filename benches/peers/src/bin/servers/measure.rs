//! The rounds: every server has its turn, the others do nothing meanwhile.
use std::thread::sleep;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use peers::quiet::{Neighbours, Watch};
use peers::stats::quantile;

use super::contestants::{Contestant, Places};
use super::load::Load;
use super::process::Server;
use super::wire::Batches;
use super::workloads::{Cell, groups};

/// Connections that are open before memory is measured, and those whose memory is measured.
const FIRST: usize = 500;
const IDLE: usize = 5000;
/// Open files of a process besides its connections.
const FILES: usize = 100;

/// What one turn has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time of the server for a message, in nanoseconds.
    pub(crate) cpu: f64,
    pub(crate) per_second: f64,
    /// Quantiles of the latency, in nanoseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// The samples of one server in one cell, or why there are none.
pub(crate) type Row = Result<Vec<Sample>, String>;

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    /// Open files of a process at most.
    pub(crate) files: usize,
}

/// Measures all cells. Returns a row for each contestant and each cell.
pub(crate) fn echo(
    wanted: &[&Contestant],
    cells: &[Cell],
    places: &Places,
    settings: &Settings,
    bar: &ProgressBar,
) -> (Vec<Vec<Row>>, Neighbours) {
    let start = |it: &&Contestant| {
        let server = it
            .command(places)
            .and_then(|command| Server::start(command, &it.log(places)));
        if let Ok(server) = &server {
            server.settle();
        }
        server
    };
    let mut servers: Vec<_> = wanted.iter().map(start).collect();
    let mut rows = vec![vec![Ok(Vec::new()); cells.len()]; wanted.len()];
    let (watch, clock) = (Watch::start(), Instant::now());
    let (before, mut lost) = (cpu(&servers), Duration::ZERO);
    for group in groups(cells) {
        let connections = cells[group.start].connections;
        for turn in 0..settings.rounds * wanted.len() {
            let (round, place) = (turn / wanted.len(), turn % wanted.len());
            let at = (round + place) % wanted.len();
            let (contestant, rows) = (wanted[at], &mut rows[at][group.clone()]);
            bar.set_message(format!("{connections} connections: {}", contestant.name));
            let result = match &servers[at] {
                Err(error) => Err(error.clone()),
                _ if rows[0].is_err() => continue,
                _ if connections > contestant.most => Err("too many threads".into()),
                _ if connections + FILES > settings.files => {
                    Err(format!("a process may open {} files only", settings.files))
                }
                Ok(server) => {
                    let turn = visit(server, contestant, &cells[group.clone()], settings, rows);
                    turn.map_err(|error| error.to_string())
                }
            };
            bar.inc(group.len() as u64);
            let Err(error) = result else { continue };
            rows.fill(Err(error));
            if let Ok(server) = &servers[at]
                && connections <= contestant.most
            {
                lost += server.cpu();
                servers[at] = start(&contestant); // the old one may be in any state
            }
        }
    }
    // The servers are others for the watch, which knows this process only.
    let mut neighbours = watch.look();
    let used = (cpu(&servers) + lost).saturating_sub(before);
    neighbours.others -= used.as_secs_f64() / clock.elapsed().as_secs_f64();
    neighbours.others = neighbours.others.max(0.0);
    (rows, neighbours)
}

fn cpu(servers: &[Result<Server, String>]) -> Duration {
    servers.iter().flatten().map(Server::cpu).sum()
}

/// One turn of one server: opens connections, measures each cell, closes them.
fn visit(
    server: &Server,
    contestant: &Contestant,
    cells: &[Cell],
    settings: &Settings,
    rows: &mut [Row],
) -> std::io::Result<()> {
    let raw = contestant.is_raw();
    let mut load = Load::open(server.addr, cells[0].connections, raw)?;
    for (cell, row) in cells.iter().zip(rows) {
        let batches = Batches::new(cell.size, cell.depth, raw);
        load.run(&batches, settings.time / 3, true)?;
        server.settle();
        let before = server.cpu();
        let run = load.run(&batches, settings.time, false)?;
        sleep(Duration::from_millis(1)); // until the server waits again
        let cpu = server.cpu() - before;
        let mut latencies: Vec<f64> = run.latencies.iter().map(|&it| it.into()).collect();
        latencies.sort_by(f64::total_cmp);
        let messages = run.messages as f64;
        let sample = Sample {
            cpu: cpu.as_nanos() as f64 / messages,
            per_second: messages / run.time.as_secs_f64(),
            p50: quantile(&latencies, 0.5),
            p99: quantile(&latencies, 0.99),
        };
        if let Ok(samples) = row {
            samples.push(sample);
        }
    }
    drop(load);
    server.settle();
    Ok(())
}

/// Resident memory of an idle connection, in bytes: what 5,000 connections add to a server that has
/// served 500, after a message on each.
pub(crate) fn memory(
    contestant: &Contestant,
    places: &Places,
    settings: &Settings,
) -> Result<f64, String> {
    let text = |error: std::io::Error| error.to_string();
    let raw = contestant.is_raw();
    let count = IDLE
        .min(contestant.most)
        .min(settings.files.saturating_sub(FIRST + FILES))
        .max(1);
    let server = Server::start(contestant.command(places)?, &contestant.log(places))?;
    let resident = || server.resident().ok_or("/proc tells no memory".to_owned());
    let message = Batches::new(16, 1, raw);
    let mut load = Load::open(server.addr, FIRST, raw).map_err(text)?;
    load.run(&message, Duration::ZERO, true).map_err(text)?;
    sleep(Duration::from_secs(1));
    let before = resident()?;
    load.add(server.addr, count, raw).map_err(text)?;
    load.run(&message, Duration::ZERO, true).map_err(text)?;
    sleep(Duration::from_secs(2)); // for timers and garbage collectors
    Ok((resident()? as f64 - before as f64) / count as f64)
}
