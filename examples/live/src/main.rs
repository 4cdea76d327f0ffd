//! The command `live`. `live --help` explains it.
use clap::{Parser, Subcommand};
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
}

fn main() {
    let cli = Cli::parse();
    let options = match cli.command {
        None => cli.serve,
        Some(Command::Serve(options)) => options,
    };
    println!("{options:?}");
}
