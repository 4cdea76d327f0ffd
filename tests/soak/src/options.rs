//! The options of the program.

use std::time::{Duration, SystemTime};

use soak::scenario::{Bug, Scenario};

pub const HELP: &str = "\
A seeded simulation of a server with thousands of connections, some of them hostile.

Usage: cargo run --release -p soak -- [OPTIONS]

  --connections N  how many are open at once, about; default: 10000, with --minutes 2000
  --messages N     how many messages are exchanged, about; default: 10000000, with
                   --minutes 1000000 in each round
  --minutes N      rounds with the next seed each, for so long
  --seed N         default: from the time of day; it is printed
  --no-shrink      do not look for the smallest scenario that fails

To repeat a failure, as the program prints it:

  --only N,N,…     only these connections
  --steps N        at most so many messages of each honest peer
  --calm           a network without delay, splitting and loss; peers read at once
  --trace          print what happens
  --bug NAME       a mistake of the server, to see it found: forget-flush,
                   double-message, lose-message, no-timeouts, keep-codecs, panic";

pub struct Options {
    pub scenario: Scenario,
    pub minutes: Option<Duration>,
    pub shrink: bool,
    pub trace: bool,
}

/// `None` if the help was asked for.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut args, mut connections, mut messages) = (args.into_iter(), None, None);
    let mut options = Options {
        scenario: Scenario::new(time_of_day(), 0, 0),
        minutes: None,
        shrink: true,
        trace: false,
    };
    while let Some(arg) = args.next() {
        let scenario = &mut options.scenario;
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match &*arg {
            "--help" | "-h" => return Ok(None),
            "--connections" => connections = Some(number::<u32>(&arg, &value()?)?),
            "--messages" => messages = Some(number(&arg, &value()?)?),
            "--seed" => scenario.seed = number(&arg, &value()?)?,
            "--minutes" => {
                let minutes: f64 = number(&arg, &value()?)?;
                let minutes = Duration::try_from_secs_f64(60.0 * minutes);
                options.minutes = Some(minutes.map_err(|_| format!("{arg}: not a duration"))?);
            }
            "--only" => {
                let ids = value()?;
                let ids: Result<_, String> = ids.split(',').map(|id| number(&arg, id)).collect();
                scenario.only = Some(ids?);
            }
            "--steps" => scenario.steps = number(&arg, &value()?)?,
            "--calm" => scenario.calm = true,
            "--trace" => options.trace = true,
            "--no-shrink" => options.shrink = false,
            "--bug" => {
                let name = value()?;
                let bug = Bug::ALL.iter().find(|(bug, _)| *bug == name);
                scenario.bug = Some(bug.ok_or(format!("there is no bug {name}"))?.1);
            }
            _ => return Err(format!("there is no option {arg}")),
        }
    }
    let usual = match options.minutes {
        Some(_) => (2_000, 1_000_000),
        None => (10_000, 10_000_000),
    };
    options.scenario.connections = connections.unwrap_or(usual.0).max(1);
    options.scenario.messages = messages.unwrap_or(usual.1);
    Ok(Some(options))
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name}: {value:?} is not a number it takes"))
}

fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as u64
}
