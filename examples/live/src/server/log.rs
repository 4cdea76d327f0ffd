//! The log: on stderr, as text or JSON. It has no message, no token and no query of a URL.
use std::io::{IsTerminal, stderr};

use examples::Failure;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::options::Serve;

/// Starts it. The environment variable LIVE_LOG has the level.
pub fn init(options: &Serve) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .with_env_var("LIVE_LOG")
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .map_err(|error| format!("LIVE_LOG: {error}"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match options.log_json {
        true => log.json().flatten_event(true).try_init(),
        false => log.try_init(),
    }
}
