//! The command `live`. `live --help` explains it.
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use live::load::{self, Load};
use live::options::Serve;

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
    Load(Load),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = match cli.command {
        None => cli.serve,
        Some(Command::Serve(options)) => options,
        Some(Command::Load(options)) => return load::main(&options),
    };
    println!("{options:?}");
    ExitCode::SUCCESS
}
