//! Explores all behaviours of two connections within bounds, and prints what was seen.

use std::{process::ExitCode, thread::available_parallelism, time::Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use model::{
    Action, Bounds, Fault, Form, Ledger, Limits, Setup, explore,
    report::{figures, replay, setup_line, tables, trace},
    scenarios::{ALL, Scenario},
};

/// Explores all behaviours of two WebSocket connections, a network and a clock within bounds.
///
/// Without arguments it explores all scenarios, which takes 3.5 minutes of CPU time. It fails if a
/// property does not hold, and prints a shortest counterexample with the command that repeats it.
#[derive(Debug, Parser)]
struct Options {
    /// The scenarios to explore, by name. Default: all.
    scenarios: Vec<String>,
    /// Use the small bounds of `cargo test -p model`.
    #[arg(long)]
    quick: bool,
    /// The form of the client, in place of that of the scenario.
    #[arg(long)]
    client: Option<Form>,
    /// The form of the server.
    #[arg(long)]
    server: Option<Form>,
    /// Messages of both sides together.
    #[arg(long)]
    sends: Option<u8>,
    /// Pings of the applications.
    #[arg(long)]
    pings: Option<u8>,
    /// Closes.
    #[arg(long)]
    closes: Option<u8>,
    /// Close frames without a code, and texts that are not UTF-8.
    #[arg(long)]
    foreign: Option<u8>,
    /// Cuts of one direction, and programs that are gone.
    #[arg(long)]
    cuts: Option<u8>,
    /// How often an application stops taking events.
    #[arg(long)]
    pauses: Option<u8>,
    /// Moves of the clock, to the next deadline or half the way.
    #[arg(long)]
    clocks: Option<u8>,
    /// How often halves are joined, and split again.
    #[arg(long)]
    joins: Option<u8>,
    /// Each read takes all bytes under way.
    #[arg(long)]
    whole_reads: Option<bool>,
    /// Bytes on their way in one direction.
    #[arg(long)]
    in_flight: Option<usize>,
    /// Maximum payload of a frame that is sent, in bytes.
    #[arg(long)]
    fragment: Option<usize>,
    /// The pong timeout, in seconds. The keepalive pings every 20 seconds.
    #[arg(long)]
    pong_timeout: Option<u64>,
    /// In how many seconds a received message must be complete. 0 sets no limit.
    #[arg(long)]
    message_timeout: Option<u64>,
    /// Maximum number of steps. Default: until there is no new state.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    depth: usize,
    /// Goes no deeper after so many states.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    states: usize,
    /// Threads. Default: as many as there are cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Puts in a known bug, on both sides.
    #[arg(long)]
    fault: Option<Fault>,
    /// Does these steps, and prints what happens.
    #[arg(long, value_name = "STEPS")]
    replay: Option<String>,
    /// With `--replay`: the number of the continuation that follows.
    #[arg(long)]
    future: Option<usize>,
}

impl Options {
    fn setup(&self, scenario: &Scenario) -> Setup {
        let bounds = match self.quick {
            true => scenario.quick,
            false => scenario.bounds,
        };
        Setup {
            client: self.client.unwrap_or(scenario.client),
            server: self.server.unwrap_or(scenario.server),
            fault: self.fault,
            bounds: Bounds {
                sends: self.sends.unwrap_or(bounds.sends),
                pings: self.pings.unwrap_or(bounds.pings),
                closes: self.closes.unwrap_or(bounds.closes),
                foreign: self.foreign.unwrap_or(bounds.foreign),
                cuts: self.cuts.unwrap_or(bounds.cuts),
                pauses: self.pauses.unwrap_or(bounds.pauses),
                clocks: self.clocks.unwrap_or(bounds.clocks),
                joins: self.joins.unwrap_or(bounds.joins),
                whole_reads: self.whole_reads.unwrap_or(bounds.whole_reads),
                in_flight: self.in_flight.unwrap_or(bounds.in_flight),
                fragment: self.fragment.unwrap_or(bounds.fragment),
                pong_timeout: self.pong_timeout.unwrap_or(bounds.pong_timeout),
                message_timeout: self.message_timeout.unwrap_or(bounds.message_timeout),
            },
        }
    }

    fn limits(&self) -> Limits {
        let cores = || available_parallelism().map_or(1, usize::from);
        Limits {
            depth: self.depth,
            states: self.states,
            threads: self.threads.unwrap_or_else(cores),
        }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("model: {error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all properties hold.
fn run(options: &Options) -> Result<bool, String> {
    let known = |name: &str| ALL.iter().any(|scenario| scenario.name == name);
    if let Some(name) = options.scenarios.iter().find(|name| !known(name)) {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        return Err(format!(
            "no scenario {name:?}: there are {}",
            names.join(", ")
        ));
    }
    if let Some(steps) = &options.replay {
        return again(options, steps);
    }
    let start = Instant::now();
    let mut ledger = Ledger::default();
    let (mut states, mut transitions) = (0, 0);
    let chosen = |scenario: &&Scenario| {
        options.scenarios.is_empty() || options.scenarios.iter().any(|name| name == scenario.name)
    };
    for scenario in ALL.iter().filter(chosen) {
        let setup = options.setup(scenario);
        println!("{:15} {}", scenario.name, setup_line(&setup));
        let bar = ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {elapsed} {msg}")
                .map_err(|it| it.to_string())?,
        );
        let explored = explore(&setup, options.limits(), &|depth, states| {
            bar.set_message(format!("depth {depth}, {states} states"));
            bar.tick();
        });
        bar.finish_and_clear();
        println!("{:15} {}", "", figures(&explored));
        if let Some(counterexample) = &explored.counterexample {
            print!("\ncounterexample:\n{}", trace(&setup, counterexample));
            return Ok(false);
        }
        ledger.add(&explored.ledger);
        states += explored.states;
        transitions += explored.transitions;
    }
    let time = start.elapsed().as_secs_f64();
    println!("\ntogether {states} states, {transitions} transitions, {time:.1} s");
    println!("\n{}", tables(&ledger));
    Ok(true)
}

/// Repeats the steps of a trace.
fn again(options: &Options, steps: &str) -> Result<bool, String> {
    let steps = steps.split_whitespace().map(str::parse);
    let steps = steps.collect::<Result<Vec<Action>, String>>()?;
    let setup = options.setup(&ALL[0]);
    let (story, violation) = replay(&setup, &steps, options.future);
    print!("{story}");
    if let Some(violation) = &violation {
        println!(
            "  FAILS: {}\n         {}",
            violation.property.name(),
            violation.text
        );
    }
    Ok(violation.is_none())
}
