//! Plays attacks on WebSocket servers and clients, and prints what they do and what it costs them.
use std::process::ExitCode;
use std::{env, fmt::Display};

use args::{Mode, Options};
use start::Started;

mod args;
mod attack;
mod blocks;
mod exchange;
mod frames;
mod hear;
mod http;
mod process;
mod report;
mod server;
mod start;
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
        Mode::Client => todo!(),
        Mode::Cost => todo!(),
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
        let attacks = server::attacks(&server);
        let chosen = attacks.iter().filter(|it| options.wants(&it.name));
        chosen.for_each(|it| println!("{:<40} {}", it.name, it.rule));
        return Ok(true);
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
