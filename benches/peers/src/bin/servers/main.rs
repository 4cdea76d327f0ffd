//! Measures echo servers over loopback: see SERVERS.md.
use std::{error::Error, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use peers::{memcpy, progress};

use contestants::{CONTESTANTS, Contestant, Places};
use measure::Settings;
use report::Report;
use workloads::{Cell, MEMORY, cells, is_chosen};

mod contestants;
mod install;
mod load;
mod measure;
mod process;
mod report;
mod serve;
mod wire;
mod workloads;

/// Measures echo servers over loopback: each has a core, the load generator has another one.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Internal>,
    /// Workloads: parts of their names, or patterns with `*`. All of them if there is none. A name
    /// is `memory`, or `echo/BYTES/CONNECTIONS/MESSAGES UNDER WAY`.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Contestants: parts of their names, or patterns with `*`. Raw TCP always takes part.
    #[arg(short, long, value_name = "NAME", num_args = 1..)]
    contestants: Vec<String>,
    /// Installs the chosen servers of other languages into the target directory, and ends.
    #[arg(long)]
    install: bool,
    /// Shows the names of workloads and contestants, and ends.
    #[arg(short, long)]
    list: bool,
    /// How often every server has a turn.
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The time of a turn, in milliseconds. A third of it is added before, to warm up.
    #[arg(short, long, default_value_t = 300, value_name = "MS")]
    time: u64,
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draws plots into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Leaves glibc's settings as they are: its copies may then depend on where buffers lie.
    #[arg(long)]
    keep_tunables: bool,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Runs one of the servers of this program.
    #[command(hide = true)]
    Serve { name: String },
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if let Some(Internal::Serve { name }) = &args.command {
        return Ok(serve::run(name).map_err(|error| error.to_string())?);
    }
    let cells: Vec<Cell> = (cells().into_iter())
        .filter(|it| is_chosen(&args.workloads, &it.name()))
        .collect();
    let memory = is_chosen(&args.workloads, MEMORY);
    let wanted: Vec<&Contestant> = (CONTESTANTS.iter())
        .filter(|it| it.is_raw() || is_chosen(&args.contestants, it.name))
        .collect();
    if args.list {
        println!("workloads:");
        cells.iter().for_each(|it| println!("  {}", it.name()));
        println!("  {MEMORY}\ncontestants:");
        wanted
            .iter()
            .for_each(|it| println!("  {:34}{}", it.name, it.form));
        return Ok(());
    }
    if cells.is_empty() && !memory {
        return Err("no workload has such a name: --list shows them".into());
    }
    if !args.keep_tunables {
        memcpy::settle();
    }
    if !memcpy::is_settled() {
        println!("glibc may copy with `rep movsb`. {}", memcpy::WHY);
    }
    let places = Places::new()?;
    install::examples(&wanted, &places)?;
    if args.install {
        install::others(&wanted, &places);
        return Ok(());
    }
    let settings = Settings {
        rounds: args.rounds as usize,
        time: Duration::from_millis(args.time),
        files: process::raise_file_limit(),
    };

    let turns = settings.rounds * wanted.len() * cells.len();
    let bar = progress::bar("echo", turns as u64);
    let (rows, neighbours) = measure::echo(&wanted, &cells, &places, &settings, &bar);
    bar.finish_and_clear();
    let memory: Vec<_> = match memory {
        false => Vec::new(),
        true => {
            let bar = progress::bar("memory", wanted.len() as u64);
            let measure = |it: &&Contestant| {
                bar.set_message(it.name);
                let memory = measure::memory(it, &places, &settings);
                bar.inc(1);
                memory
            };
            let memory = wanted.iter().map(measure).collect();
            bar.finish_and_clear();
            memory
        }
    };

    let report = Report {
        wanted: &wanted,
        cells: &cells,
        rows: &rows,
        memory: &memory,
    };
    println!("{}", report.tables());
    if let Some(path) = &args.csv {
        report.csv(path)?;
    }
    if let Some(folder) = &args.plots {
        report.plots(folder)?;
    }
    println!(
        "{} rounds.\n{}",
        settings.rounds,
        report.verdict(&neighbours)
    );
    Ok(())
}
