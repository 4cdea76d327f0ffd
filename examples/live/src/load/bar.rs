//! The command: the progress bar, the output and the exit status.
use std::convert::Infallible;
use std::process::ExitCode;

use examples::Failure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::{Load, Phase, Progress, run};

/// Runs `live load`.
pub fn main(options: &Load) -> ExitCode {
    match run_and_print(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("live load: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
fn run_and_print(options: &Load) -> Result<bool, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let bar = bar(options);
    let (progress, seen) = watch::channel(Progress::default());
    let report = runtime.block_on(async {
        tokio::select! {
            report = run(options, progress) => report,
            never = show(options, seen, &bar) => match never {},
        }
    });
    bar.finish_and_clear();
    let report = report?;
    println!("{report}");
    if let Some(file) = &options.csv {
        let written = report.write_csv(file);
        written.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(report.ok())
}

/// On stderr, if that is a terminal.
fn bar(options: &Load) -> ProgressBar {
    let target = match options.quiet {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let style = ProgressStyle::with_template("{msg:8} {wide_bar} {pos}/{len} {prefix}");
    ProgressBar::with_draw_target(None, target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn show(
    options: &Load,
    mut progress: watch::Receiver<Progress>,
    bar: &ProgressBar,
) -> Infallible {
    while progress.changed().await.is_ok() {
        let Progress {
            phase,
            joined,
            sent,
            acked,
            delivered,
        } = *progress.borrow_and_update();
        let (message, at, of) = match phase {
            Phase::Connecting => ("connect", joined, options.connections.into()),
            Phase::Sending => ("send", sent, options.due()),
            Phase::Draining => ("wait", acked, sent),
            Phase::Closing => ("close", acked, sent),
        };
        bar.set_message(message);
        bar.set_length(of);
        bar.set_position(at);
        bar.set_prefix(format!("{joined} connected, {delivered} delivered"));
    }
    std::future::pending().await
}
