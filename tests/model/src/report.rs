//! What a search prints: figures, tables, and a counterexample that a person can follow.

use std::fmt::Write;

use clap::ValueEnum;

use crate::{
    action::{Action, Side},
    explore::{Counterexample, Explored},
    future::FUTURES,
    ledger::{Event, Ledger, Property, ROWS, Violation},
    system::Form,
    world::{Bounds, Setup, World},
};

/// A path as a list of steps, and what each of them did.
pub fn trace(setup: &Setup, counterexample: &Counterexample) -> String {
    let (mut text, violation) = replay(setup, &counterexample.path, counterexample.future);
    if let Some(Violation {
        property,
        text: what,
    }) = violation
    {
        let _ = writeln!(text, "  FAILS: {}\n         {what}", property.name());
    }
    let path: Vec<_> = counterexample.path.iter().map(Action::to_string).collect();
    let _ = write!(
        text,
        "  replay: cargo run --release -p model -- {} --replay {:?}",
        arguments(setup),
        path.join(" ")
    );
    if let Some(future) = counterexample.future {
        let _ = write!(text, " --future {future}");
    }
    text + "\n"
}

/// Does these steps, and a continuation. Returns what happened, and how it failed.
pub fn replay(
    setup: &Setup,
    path: &[Action],
    future: Option<usize>,
) -> (String, Option<Violation>) {
    let mut world = World::new(setup);
    let mut ledger = Ledger {
        story: Some(Vec::new()),
        ..Ledger::default()
    };
    let mut text = String::new();
    for (number, action) in path.iter().enumerate() {
        if !world.can(*action) {
            let _ = writeln!(text, "  {action} is not possible");
            return (text, None);
        }
        let result = world.step(*action, &mut ledger);
        let story = ledger.story.replace(Vec::new()).unwrap_or_default();
        let seconds = world.now.as_secs_f64();
        let _ = writeln!(
            text,
            "{:4} {seconds:7.1} s  {action:22} {}",
            number + 1,
            story.join("; ")
        );
        if let Err(violation) = result {
            return (text, Some(violation));
        }
    }
    let Some((name, future)) = future.and_then(|future| FUTURES.get(future)) else {
        return (text, None);
    };
    let _ = writeln!(text, "  then {name}:");
    let result = future(&mut world, &mut ledger);
    for line in ledger.story.unwrap_or_default() {
        let _ = writeln!(text, "       {line}");
    }
    (text, result.err())
}

/// The arguments that a replay needs.
fn arguments(setup: &Setup) -> String {
    let form = |form: Form| format!("{form:?}").to_lowercase();
    let Bounds {
        in_flight,
        fragment,
        pong_timeout,
        message_timeout,
        ..
    } = setup.bounds;
    let mut text = format!(
        "--client {} --server {} --in-flight {in_flight} --fragment {fragment} \
         --pong-timeout {pong_timeout} --message-timeout {message_timeout}",
        form(setup.client),
        form(setup.server)
    );
    if let Some(fault) = setup.fault.and_then(|fault| fault.to_possible_value()) {
        let _ = write!(text, " --fault {}", fault.get_name());
    }
    text
}

/// The forms and the bounds.
pub fn setup_line(setup: &Setup) -> String {
    let Bounds {
        sends,
        pings,
        closes,
        foreign,
        cuts,
        pauses,
        clocks,
        joins,
        whole_reads,
        in_flight,
        fragment,
        pong_timeout,
        message_timeout,
    } = setup.bounds;
    let reads = if whole_reads { "whole" } else { "any" };
    format!(
        "client {:?}, server {:?}; at most {sends} sends, {pings} pings, {closes} closes, {foreign} \
         foreign, {cuts} cuts, {pauses} pauses, {clocks} clock moves, {joins} joins; {reads} reads, \
         {in_flight} bytes in flight, frames of {fragment} bytes, pong timeout {pong_timeout} s, \
         message timeout {message_timeout} s",
        setup.client, setup.server
    )
}

/// One line of figures.
pub fn figures(explored: &Explored) -> String {
    let Explored {
        states,
        transitions,
        continuations,
        depth,
        complete,
        time,
        ..
    } = explored;
    let all = if *complete {
        "complete"
    } else {
        "not complete"
    };
    format!(
        "{states:>9} states {transitions:>10} transitions {continuations:>9} continuations, depth {depth:>2}, {all}, {:.1} s",
        time.as_secs_f64()
    )
}

/// How often each property was checked, and which pairs of state and event were visited.
pub fn tables(ledger: &Ledger) -> String {
    let mut text = String::from("checks of each property:\n");
    for property in Property::ALL {
        let checks = ledger.checks[*property as usize];
        let _ = writeln!(text, "{checks:>12}  {}", property.name());
    }
    for side in [Side::Client, Side::Server] {
        let _ = write!(
            text,
            "\nevents in each state of the {}:\n{:25}",
            side.name(),
            ""
        );
        for event in Event::ALL {
            let _ = write!(text, "{:>12}", event.name());
        }
        text.push('\n');
        for (row, name) in ROWS.iter().enumerate() {
            let _ = write!(text, "{name:25}");
            for event in Event::ALL {
                let visits = ledger.visits[side as usize][row][*event as usize];
                let visits = if visits == 0 {
                    "-".into()
                } else {
                    visits.to_string()
                };
                let _ = write!(text, "{visits:>12}");
            }
            text.push('\n');
        }
    }
    text
}
