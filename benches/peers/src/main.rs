//! Measures codecs in memory: see README.md.

use std::{error::Error, path::PathBuf};

use clap::Parser;
use peers::{
    contestants::{self, Contestant, Side},
    memcpy, progress, report,
    run::{self, Failure},
    workloads::{self, ABOUT, Workload},
};

/// Measures websocket-proto beside other libraries: the same work in memory, in one process, in turn.
#[derive(Debug, Parser)]
struct Args {
    /// Workloads: parts of their names, or patterns with `*`. All of them if there is none.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Contestants: parts of their names, or patterns with `*`. Ours and the floor always take part.
    #[arg(short, long, value_name = "NAME", num_args = 1..)]
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
        .filter(|it| is_chosen(&args.workloads, &it.name))
        .collect();
    let contestants: Vec<Contestant> = (contestants::all().into_iter())
        .filter(|it| it.side != Side::Peer || is_chosen(&args.contestants, it.name))
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
    for failure in &failures {
        let Failure {
            workload,
            contestant,
            variant,
            reason,
        } = failure;
        println!("LEFT OUT: {contestant} ({variant}), {workload}: {reason}");
    }

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
    println!("{rounds} rounds.\n{}", run::verdict(&rows, &neighbours));
    Ok(())
}

/// Whether a name is meant by one of the patterns: it contains it, or matches it if it has a `*`.
/// Without patterns every name is.
fn is_chosen(patterns: &[String], name: &str) -> bool {
    let matches = |pattern: &String| match pattern.contains('*') {
        false => name.contains(&**pattern),
        true => is_match(pattern, name),
    };
    patterns.is_empty() || patterns.iter().any(matches)
}

/// `*` stands for any text.
fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| is_match(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let chosen = |pattern: &str| is_chosen(&[pattern.to_owned()], "receive/server/binary/16");
        for pattern in [
            "receive",
            "binary/16",
            "receive/*/16",
            "*",
            "*server*",
            "receive*binary/16",
        ] {
            assert!(chosen(pattern), "{pattern}");
        }
        for pattern in ["send", "receive/*/1", "server*", "*/160"] {
            assert!(!chosen(pattern), "{pattern}");
        }
    }
}
