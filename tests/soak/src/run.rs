//! Runs of scenarios, each in a thread of its own.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::{report::Report, scenario::Scenario, state::Core, world::World};

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The connection, if it is one.
    pub id: Option<u32>,
    pub at: u64,
    pub what: String,
}

/// What a run has shown.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub report: Report,
    pub failure: Option<Failure>,
    /// What has happened, if it was asked for.
    pub trace: Vec<String>,
}

/// What a run has shown so far, and the share of its connections that are over.
pub(crate) type Progress = Arc<Mutex<(Report, f64)>>;

/// Runs a scenario. A panic is a failure as well.
pub fn run(scenario: &Scenario, traced: bool) -> Outcome {
    outcome(start(scenario.clone(), None, traced))
}

/// The same, and calls `show` several times a second.
pub fn watch(scenario: &Scenario, mut show: impl FnMut(&Report, f64)) -> Outcome {
    let progress = Progress::default();
    let running = start(scenario.clone(), Some(progress.clone()), false);
    while !running.is_finished() {
        thread::sleep(Duration::from_millis(100));
        if let Ok(progress) = progress.lock() {
            show(&progress.0, progress.1);
        }
    }
    outcome(running)
}

/// A thread has its own counters of memory and work, and its panic ends only itself.
fn start(
    scenario: Scenario,
    progress: Option<Progress>,
    traced: bool,
) -> thread::JoinHandle<Outcome> {
    let run = move || {
        let mut world = World::new(&scenario, traced);
        let failure = world.run(progress.as_ref()).err();
        let Core { report, trace, .. } = world.core;
        Outcome {
            report,
            failure,
            trace: trace.unwrap_or_default(),
        }
    };
    thread::Builder::new()
        .name("soak".into())
        .spawn(run)
        .expect("a thread")
}

fn outcome(running: thread::JoinHandle<Outcome>) -> Outcome {
    running.join().unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("panic: {}", text.unwrap_or("without a text"));
        let failure = Failure {
            id: None,
            at: u64::MAX,
            what,
        };
        Outcome {
            report: Report::default(),
            failure: Some(failure),
            trace: Vec::new(),
        }
    })
}
