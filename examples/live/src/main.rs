//! The command `live`. `live --help` explains it.
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use live::compare::{self, Compare};
use live::options::Serve;
use live::server;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None => server::run(cli.serve).await,
        Some(Command::Serve(options)) => server::run(options).await,
        Some(Command::Compare(options)) => compare::run(options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::FAILURE
        }
    }
}
