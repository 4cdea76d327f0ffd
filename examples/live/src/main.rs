//! The command `live`. `live --help` explains it.
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use examples::Failure;
use live::compare::{self, Compare};
use live::load::{self, Load};
use live::options::Serve;
use live::server::{self, process::raise_file_limit};

/// A chat, a dashboard and a comparison of transports, on the WebSocket engine `websocket-proto`.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
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
    raise_file_limit();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(options) => start(server::run(options)),
        Command::Compare(options) => start(compare::run(options)),
        // On a runtime with one thread.
        Command::Load(options) => load::main(&options),
    }
}

#[tokio::main]
async fn start(command: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    match command.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::FAILURE
        }
    }
}
