//! Plays attacks on WebSocket servers and clients, and prints what they do and what it costs them.
use std::process::ExitCode;
use std::{env, fmt::Display};

use args::{Mode, Options};
use attack::Attack;
use start::Started;

mod args;
mod attack;
mod blocks;
mod client;
mod cost;
mod exchange;
mod frames;
mod hear;
mod http;
mod keys;
mod process;
mod report;
mod server;
mod start;
mod tables;
mod talk;
mod tunnel;
mod verdict;

fn main() -> ExitCode {
    let options = match args::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(error),
    };
    let result = match options.mode {
        Mode::Server => attack_server(&options),
        Mode::Client => attack_clients(&options),
        Mode::Cost => cost(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => usage(error),
    }
}

fn usage(error: impl Display) -> ExitCode {
    eprintln!("hostile: {error}\nTry --help.");
    ExitCode::from(2)
}

fn attack_server(options: &Options) -> Result<bool, String> {
    if options.list {
        let server = options.server("ws://127.0.0.1:1")?;
        return Ok(list(options, &server::attacks(&server)));
    }
    let started = options
        .start
        .first()
        .map(|(_, command)| Started::new(command))
        .transpose()?;
    let url = started.as_ref().map(|it| &it.url).or(options.url.as_ref());
    let url = url.ok_or("a URL or --start is needed")?;
    let pid = started.as_ref().map(Started::pid).or(options.pid);
    server::run(&options.server(url)?, pid, options)
}

fn attack_clients(options: &Options) -> Result<bool, String> {
    match options.list {
        true => Ok(list(options, &client::attacks(options.count))),
        false => client::run(options),
    }
}

fn list(options: &Options, attacks: &[Attack]) -> bool {
    let chosen = attacks.iter().filter(|it| options.wants(&it.name));
    chosen.for_each(|it| println!("{:<40} {}", it.name, it.rule));
    true
}

fn cost(options: &Options) -> Result<bool, String> {
    if options.list {
        cost::names().for_each(|name| println!("{name}"));
        return Ok(true);
    }
    let start = |(name, command): &(String, String)| Ok((name.clone(), Started::new(command)?));
    let started: Vec<_> = (options.start.iter().map(start)).collect::<Result<_, String>>()?;
    let mut targets = Vec::new();
    for (name, started) in &started {
        targets.push(cost::Target::new(
            name,
            options.server(&started.url)?,
            started.pid(),
        ));
    }
    if let (Some(url), Some(pid)) = (&options.url, options.pid) {
        targets.push(cost::Target::new(url, options.server(url)?, pid));
    }
    match targets.is_empty() {
        true => Err("a URL and --pid are needed, or --start".into()),
        false => cost::run(&targets, options).map(|()| true),
    }
}
