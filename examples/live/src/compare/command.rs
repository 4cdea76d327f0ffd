//! `live compare`.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use examples::Failure;
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};

use super::Transport;
use super::client::{Session, View, read};
use super::feed::Rate;
use super::report::Report;
use crate::options::Serve;
use crate::server::Server;

/// Receives the same notifications by short polling, long polling, server-sent events and WebSocket at
/// the same time, and prints what each of them has cost.
///
/// Each transport has its own TCP connection. Bytes are counted at the client's sockets, with all
/// headers, without TCP and IP. Requests have the header fields of Chromium, without cookies.
#[derive(Args, Debug, Clone)]
pub struct Compare {
    /// Duration of the measurement.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,

    /// Notifications a second: 0.1 to 100. 0: no notifications, only the cost of waiting.
    #[arg(long, default_value_t = 1.0, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: f64,

    /// Seconds between two short polls: 0.05 to 20.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = interval)]
    pub interval: Duration,

    /// A server that runs already, for example http://127.0.0.1:8080. Default: one in this process.
    #[arg(long, value_name = "URL", value_parser = address)]
    pub url: Option<String>,

    /// Also writes the result into this file, as CSV.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

fn rate(value: &str) -> Result<f64, String> {
    let rate = value.parse().map_err(|_| "not a number")?;
    let valid = Rate::new(rate).map(|_| rate);
    valid.ok_or_else(|| "neither 0 nor from 0.1 to 100".into())
}

fn interval(value: &str) -> Result<Duration, String> {
    let seconds: f64 = value.parse().map_err(|_| "not a number of seconds")?;
    match seconds {
        0.05..=20.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not from 0.05 to 20".into()),
    }
}

/// Host and port of a URL.
fn address(url: &str) -> Result<String, String> {
    let address = url.strip_prefix("http://").ok_or("not a URL of http://")?;
    let address = address.strip_suffix('/').unwrap_or(address);
    match address.parse::<axum::http::uri::Authority>() {
        Ok(authority) if authority.port().is_some() => Ok(address.into()),
        Ok(_) => Ok(format!("{address}:80")),
        Err(error) => Err(error.to_string()),
    }
}

/// How long the last notifications may take.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the comparison, and prints the table.
pub async fn run(options: Compare) -> Result<(), Failure> {
    let report = match &options.url {
        Some(address) => {
            let session = Session::open(address, options.rate).await?;
            measure(&options, session.compare_clocks().await?).await?
        }
        None => {
            let server = Server::start(local()).await?;
            let address = server.addr().to_string();
            let report = measure(&options, Session::open(&address, options.rate).await?).await;
            server.stop().await;
            report?
        }
    };
    println!(
        "{} s, {} notifications a second, short polls every {} s.\n\
         Bytes that the client has sent and received, in all and for each notification (/n); packets in \
         both directions, with acknowledgements.\n",
        report.seconds, report.rate, report.interval
    );
    print!("{}", report.table());
    if let Some(file) = &options.csv {
        let written = tokio::fs::write(file, report.csv()).await;
        written.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// The options of a server in this process, for this process only.
fn local() -> Serve {
    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        serve: Serve,
    }
    Options::parse_from(["live", "--listen", "127.0.0.1:0", "--engine", "memory"]).serve
}

async fn measure(options: &Compare, session: Session) -> Result<Report, Failure> {
    let (last, known) = watch::channel(None);
    let view = |_| View::new(session.clone(), options.interval, known.clone());
    let views = Transport::ALL.map(view);
    let reading = Transport::ALL.iter().zip(&views);
    let reading = try_join_all(reading.map(|(transport, view)| read(*transport, view)));
    let controlling = async {
        wait(options.seconds, &views).await;
        let seq = session.stats().await?.seq;
        last.send_replace(Some(seq));
        Ok::<u64, Failure>(seq)
    };
    let limit = Duration::from_secs(options.seconds) + options.interval + GRACE;
    let both = async { tokio::try_join!(controlling, reading) };
    let seq = match timeout(limit, both).await {
        Ok(done) => done?.0,
        Err(_) => session.stats().await?.seq,
    };
    let rows = Transport::ALL
        .into_iter()
        .zip(views)
        .map(|(transport, view)| {
            let mut tally = view.into_tally();
            tally.close(seq);
            (transport, tally)
        });
    Ok(Report {
        seconds: options.seconds,
        rate: options.rate,
        interval: options.interval.as_secs_f64(),
        rows: rows.collect(),
    })
}

/// Waits, and shows what has arrived. Without a terminal it shows nothing.
async fn wait(seconds: u64, views: &[View]) {
    let bar = ProgressBar::new(seconds);
    if let Ok(style) = ProgressStyle::with_template("{pos} of {len} s [{bar:30}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    let second = Duration::from_secs(1);
    let mut clock = interval_at(Instant::now() + second, second);
    for _ in 0..seconds {
        clock.tick().await;
        let counts = Transport::ALL.iter().zip(views);
        let counts = counts.map(|(transport, view)| {
            let (name, received) = (transport.path(), view.tally().received);
            format!("{name} {received}")
        });
        bar.set_message(counts.collect::<Vec<_>>().join(", "));
        bar.inc(1);
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_a_port() {
        assert_eq!(
            address("http://127.0.0.1:8080/").as_deref(),
            Ok("127.0.0.1:8080")
        );
        assert_eq!(
            address("http://example.com").as_deref(),
            Ok("example.com:80")
        );
        for bad in [
            "https://example.com",
            "example.com",
            "http://",
            "http://a/b",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
