//! Runs of scenarios, each in a thread of its own.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
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

impl Failure {
    /// What it is without its numbers: failures of one kind have the same cause, as far as can be seen.
    pub fn kind(&self) -> String {
        let words = self.what.split(|c: char| c.is_ascii_digit());
        words
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join("#")
    }
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

/// A thread has its own counters of memory and work.
fn start(
    scenario: Scenario,
    progress: Option<Progress>,
    traced: bool,
) -> thread::JoinHandle<Outcome> {
    let run = move || {
        let mut world = World::new(&scenario, traced);
        // Nothing of the world is used after a panic, but what is known of the run until then.
        let result = catch_unwind(AssertUnwindSafe(|| world.run(progress.as_ref())));
        let result = result.unwrap_or_else(|panic| {
            let Core { at_work, .. } = world.core;
            world.core.fail(at_work, &panic_text(&*panic))
        });
        let failure = result.err();
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
    running.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a text"))
}
