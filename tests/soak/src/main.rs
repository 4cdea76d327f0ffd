//! Runs simulations, shows the progress, and prints a report. Ends with 1 after a failure, which it
//! makes small. `--help` lists the options.

use std::{
    env,
    io::{IsTerminal, stderr},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use soak::{
    report::Report,
    run::{self, Failure},
    scenario::Scenario,
    shrink::shrink,
};

mod options;

use options::Options;

/// How often a line is printed if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = match options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("soak: {error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let (report, failed) = rounds(&options, start);
    println!("{report}");
    println!("wall time               {:.1?}", start.elapsed());
    match failed {
        None => ExitCode::SUCCESS,
        Some((scenario, failure)) => {
            explain(&options, &scenario, &failure);
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenario, or rounds with the next seed each until the time is over.
fn rounds(options: &Options, start: Instant) -> (Report, Option<(Scenario, Failure)>) {
    let mut scenario = options.scenario.clone();
    let (mut total, mut screen) = (Report::default(), Screen::new(start));
    println!("seed {}", scenario.seed);
    loop {
        let round = Instant::now();
        let outcome = if options.trace {
            let outcome = run::run(&scenario, true);
            outcome.trace.iter().for_each(|line| println!("{line}"));
            outcome
        } else {
            run::watch(&scenario, |report, done| {
                let done = match options.minutes {
                    Some(minutes) => start.elapsed().div_duration_f64(minutes),
                    None => done,
                };
                screen.show(total.messages + report.messages, done.min(1.0));
            })
        };
        total.add(&outcome.report);
        if let Some(failure) = outcome.failure {
            screen.finish();
            return (total, Some((scenario, failure)));
        }
        // Another round that takes as long must fit.
        let left = (options.minutes.unwrap_or_default()).saturating_sub(start.elapsed());
        if left < round.elapsed() {
            screen.finish();
            println!(
                "seeds {} to {}: no failure\n",
                options.scenario.seed, scenario.seed
            );
            return (total, None);
        }
        scenario.seed += 1;
    }
}

fn explain(options: &Options, scenario: &Scenario, failure: &Failure) {
    print("FAILED", failure);
    println!("  {}", scenario.command());
    if !options.shrink {
        return;
    }
    println!("\nlooking for the smallest scenario that fails …");
    let shrunk = shrink(scenario, failure);
    print(&format!("after {} runs", shrunk.runs), &shrunk.failure);
    println!("  {}\n", shrunk.scenario.command());
    for plan in shrunk.scenario.plans().iter().take(10) {
        println!("{plan:?}");
    }
    println!();
    let trace = run::run(&shrunk.scenario, true).trace;
    let left_out = trace.len().saturating_sub(200);
    if left_out > 0 {
        println!("({left_out} earlier lines: add --trace to the command)");
    }
    trace
        .iter()
        .skip(left_out)
        .for_each(|line| println!("{line}"));
}

fn print(when: &str, Failure { id, at, what }: &Failure) {
    let id = id.map_or(String::new(), |id| format!(" of connection {id}"));
    println!("\n{when}: at {at} ms{id}: {what}");
}

/// A bar on a terminal, otherwise a line now and then.
struct Screen {
    start: Instant,
    bar: Option<ProgressBar>,
    last: Instant,
}

impl Screen {
    fn new(start: Instant) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} % {msg}");
            ProgressBar::new(1000).with_style(style.expect("a valid template"))
        });
        Self {
            start,
            bar,
            last: start,
        }
    }

    fn show(&mut self, messages: u64, done: f64) {
        let elapsed = self.start.elapsed();
        let left = elapsed.mul_f64((1.0 - done) / done.max(0.001));
        let left = match done > 0.01 {
            true => format!(", {} left", HumanDuration(left)),
            false => String::new(),
        };
        let text = format!("{messages} messages{left}");
        if let Some(bar) = &self.bar {
            bar.set_position((1000.0 * done) as u64);
            bar.set_message(text);
        } else if self.last.elapsed() >= LINE_EVERY {
            self.last = Instant::now();
            eprintln!("{:3.0} %: {text}", 100.0 * done);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
