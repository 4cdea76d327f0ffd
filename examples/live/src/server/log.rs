//! The log: on stderr, as text or JSON. It has no message, no token and no query of a URL.
use std::env::{VarError, var};
use std::io::{IsTerminal, stderr};
use std::time::Duration;

use examples::Failure;
use tracing_subscriber::EnvFilter;

use crate::options::Serve;

/// The broker says why an engine is away. Its client would say so at each try.
const DEFAULT: &str = "info,async_nats=off";

/// Milliseconds, with three decimals.
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Starts it. The environment variable LIVE_LOG has the level.
pub fn init(options: &Serve) -> Result<(), Failure> {
    let level = match var("LIVE_LOG") {
        Ok(level) if !level.is_empty() => level,
        Ok(_) | Err(VarError::NotPresent) => DEFAULT.into(),
        Err(error) => return Err(format!("LIVE_LOG: {error}").into()),
    };
    let filter = EnvFilter::builder()
        .parse(level)
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
