//! The command: the progress bar, the output and the exit status.
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use super::{Load, Phase, Progress, run};

/// Runs `live load`.
pub fn main(options: &Load) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (progress, seen) = watch::channel(Progress::default());
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                report = run(options, progress) => report,
                () = show(options, seen) => unreachable!("it shows to the end"),
            }
        }),
        Err(error) => Err(error.into()),
    };
    let written = result.and_then(|report| {
        println!("{report}");
        if let Some(file) = &options.csv {
            let written = report.write_csv(file);
            written.map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(report.ok())
    });
    match written {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("live load: {error}");
            ExitCode::from(2)
        }
    }
}

/// Shows the progress on stderr, if that is a terminal. It does not end.
async fn show(options: &Load, mut progress: watch::Receiver<Progress>) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if options.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(
        ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len} {prefix}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    while progress.changed().await.is_ok() {
        let Progress {
            phase,
            joined,
            sent,
            acked,
            delivered,
        } = *progress.borrow_and_update();
        let due = u64::from(options.rate) * options.seconds;
        let (message, at, of) = match phase {
            Phase::Connecting => ("connect", joined, options.connections.into()),
            Phase::Sending => ("send", sent, due),
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
