//! Measures codecs in memory: see README.md.

use std::{error::Error, path::PathBuf};

use clap::Parser;
use peers::{
    contestants::{self, Contestant, Side},
    memcpy,
    pattern::is_match,
    progress, quiet, report, run,
    workloads::{self, ABOUT, Workload},
};

/// Measures websocket-proto beside other libraries: the same work in memory, in one process, in turn.
#[derive(Debug, Parser)]
struct Args {
    /// Workloads: one or more whole parts of their names (`receive`, `binary/16`), or patterns with `*`
    /// (`receive/*/16`). All of them if there is none.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Peers: parts of their names, with commas between. Ours and the floor always take part.
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',')]
    contestants: Vec<String>,
    /// Shows the names of workloads and contestants, and ends.
    #[arg(short, long)]
    list: bool,
    /// How often everybody has a turn.
    #[arg(short, long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A few rounds only, to see whether everything works.
    #[arg(short, long)]
    quick: bool,
    /// Shows all variants of a contestant, not the fastest only.
    #[arg(short, long)]
    all_variants: bool,
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

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let workloads: Vec<Workload> = (workloads::all(ABOUT).into_iter())
        .filter(|it| args.workloads.is_empty() || is_chosen(&args.workloads, &it.name))
        .collect();
    let contestants: Vec<Contestant> = (contestants::all().into_iter())
        .filter(|it| {
            let is_named = |name: &String| it.name.contains(&**name);
            it.side != Side::Peer
                || args.contestants.is_empty()
                || args.contestants.iter().any(is_named)
        })
        .collect();
    if args.list {
        println!("workloads:");
        workloads.iter().for_each(|it| println!("  {}", it.name));
        println!("contestants:");
        contestants.iter().for_each(|it| println!("  {}", it.name));
        return Ok(());
    }
    if workloads.is_empty() {
        return Err("no workload has such a name: --list shows them".into());
    }
    if !args.keep_tunables {
        memcpy::settle();
    }
    if !memcpy::is_settled() {
        println!("glibc may copy with `rep movsb`. {}", memcpy::WHY);
    }

    let entries = run::entries(&workloads, &contestants);
    let bar = progress::bar("checking", entries.len() as u64);
    let (entries, failures) = run::check(entries, &bar);
    bar.finish_and_clear();
    println!(
        "{} of {} are right.",
        entries.len(),
        entries.len() + failures.len()
    );
    print!("{}", report::failures(&failures));

    let rounds = if args.quick { 3 } else { args.rounds as usize };
    let bar = progress::bar("timing", (rounds * entries.len()) as u64);
    let (rows, neighbours) = run::time(entries, rounds, &bar);
    bar.finish_and_clear();

    let fastest = report::fastest(&rows);
    let shown = match args.all_variants {
        true => rows.iter().collect(),
        false => fastest.clone(),
    };
    println!("{}{}", report::tables(&shown), report::summary(&fastest));
    if let Some(path) = &args.csv {
        report::csv(path, &shown)?;
    }
    if let Some(folder) = &args.plots {
        report::plots(folder, &fastest)?;
    }
    let copies = match memcpy::is_settled() {
        true => "without `rep movsb`",
        false => "as glibc likes",
    };
    println!("{}. {rounds} rounds. Copies {copies}.", quiet::machine());
    println!("{}", run::verdict(&rows, &neighbours));
    Ok(())
}

/// Whether one of the patterns is one or more whole parts of a name, or matches it if it has a `*`.
fn is_chosen(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.contains('*') {
        false => format!("/{name}/").contains(&format!("/{pattern}/")),
        true => is_match(pattern, name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let chosen = |pattern: &str| is_chosen(&[pattern.to_owned()], "receive/server/binary/16");
        for pattern in [
            "receive",
            "server",
            "binary/16",
            "receive/*/16",
            "*",
            "*server*",
            "receive*binary/16",
        ] {
            assert!(chosen(pattern), "{pattern}");
        }
        for pattern in [
            "send",
            "receive/server/binary/1",
            "rec",
            "receive/*/1",
            "server*",
            "*/160",
        ] {
            assert!(!chosen(pattern), "{pattern}");
        }
    }
}
