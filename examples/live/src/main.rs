//! The command `live`. `live --help` explains it.
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::Failure;
use live::compare::{self, Compare};
use live::load::{self, Load};
use live::options::Serve;
use live::server;
use tokio::runtime::Runtime;

/// A chat, a dashboard and a comparison of transports, on the WebSocket engine `websocket-proto`.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the chat, the dashboard and the comparison. The default.
    Serve(Serve),
    Compare(Compare),
    Load(Load),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(options) => block_on(server::run(options)),
        Command::Compare(options) => block_on(compare::run(options)),
        Command::Load(options) => return load::main(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    Runtime::new()?.block_on(command)
}
