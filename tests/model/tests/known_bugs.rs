//! Proves that the model finds bugs: each one that is put in has a shortest counterexample, which can
//! be read and replayed.

use model::{
    Action, Bounds, Fault, Form, Limits, Property, Setup, explore,
    report::{replay, trace},
};

const LIMITS: Limits = Limits {
    depth: 6,
    states: 20_000,
    threads: 2,
};

/// Finds the bug, and checks its counterexample.
fn finds(fault: Fault, property: Property, form: Form, bounds: Bounds) {
    let setup = Setup {
        client: form,
        server: form,
        fault: Some(fault),
        bounds,
    };
    let found = explore(&setup, LIMITS, &|_, _| {});
    let Some(counterexample) = found.counterexample else {
        panic!("{fault:?} was not found in {} states", found.states);
    };
    let trace = trace(&setup, &counterexample);
    println!("{fault:?}, after {} states:\n{trace}", found.states);
    assert_eq!(counterexample.violation.property, property, "{trace}");

    // The steps of the command in the trace fail in the same way.
    let (_, steps) = trace.split_once("--replay \"").expect("a command");
    let (steps, _) = steps.split_once('"').expect("a command");
    let steps: Vec<Action> = steps
        .split_whitespace()
        .map(|it| it.parse().expect("a step"))
        .collect();
    assert_eq!(steps, counterexample.path);
    let (_, again) = replay(&setup, &steps, counterexample.future);
    assert_eq!(again, Some(counterexample.violation));

    // No path with fewer steps fails.
    let len = counterexample.path.len();
    if let Some(depth) = len.checked_sub(1) {
        let shorter = explore(&setup, Limits { depth, ..LIMITS }, &|_, _| {});
        assert_eq!(shorter.counterexample, None);
    }
    // Without the bug there is no counterexample.
    let healthy = Setup {
        fault: None,
        ..setup
    };
    let healthy = explore(
        &healthy,
        Limits {
            depth: len,
            ..LIMITS
        },
        &|_, _| {},
    );
    assert_eq!(healthy.counterexample, None);
}

const SOME: Bounds = Bounds {
    sends: 2,
    pings: 1,
    closes: 1,
    ..Bounds::NONE
};

#[test]
fn a_close_frame_that_is_not_flushed() {
    finds(Fault::CloseNotFlushed, Property::Lives, Form::Joined, SOME);
}

#[test]
fn a_close_frame_that_is_answered_twice() {
    finds(Fault::AnswerTwice, Property::AfterClose, Form::Joined, SOME);
}

#[test]
fn a_text_after_a_close_frame() {
    finds(Fault::TextAfterClose, Property::Sends, Form::Joined, SOME);
}

#[test]
fn a_close_timeout_that_never_fires() {
    finds(Fault::NoCloseTimeout, Property::Timers, Form::Joined, SOME);
}

#[test]
fn a_keepalive_that_is_off() {
    finds(Fault::NoKeepalive, Property::Notices, Form::Joined, SOME);
}

#[test]
fn a_note_that_is_lost() {
    finds(Fault::LostNote, Property::Answers, Form::Halves, SOME);
}

#[test]
fn a_ping_that_is_not_answered() {
    finds(Fault::NoPong, Property::Answers, Form::Joined, SOME);
}

#[test]
fn a_message_that_arrives_twice() {
    finds(Fault::StaleMessage, Property::Messages, Form::Joined, SOME);
}

#[test]
fn a_frame_that_is_half_written() {
    finds(Fault::HalfFrame, Property::WholeFrames, Form::Joined, SOME);
}

#[test]
fn an_error_that_is_forgotten() {
    finds(
        Fault::ForgottenError,
        Property::AfterEnd,
        Form::Joined,
        SOME,
    );
}

#[test]
fn a_server_that_does_not_close_first() {
    finds(Fault::ServerWaits, Property::Table, Form::Joined, SOME);
}

#[test]
fn a_wrong_code() {
    finds(Fault::WrongCode, Property::Answers, Form::Joined, SOME);
}

#[test]
fn merged_notes_that_are_lost() {
    finds(Fault::MergeLoses, Property::Joins, Form::Halves, SOME);
}

#[test]
fn a_message_under_way_that_prevents_closing() {
    finds(Fault::NoCloseInMessage, Property::Sends, Form::Joined, SOME);
}

#[test]
fn an_end_of_the_stream_that_overtakes_events() {
    let some = Bounds { pauses: 1, ..SOME };
    finds(Fault::EndDropsInput, Property::Messages, Form::Joined, some);
}

#[test]
fn a_second_ping_before_the_answer_to_the_first() {
    let patient = Bounds {
        clocks: 2,
        whole_reads: true,
        pong_timeout: 30,
        ..Bounds::NONE
    };
    finds(Fault::PingsAgain, Property::Timers, Form::Joined, patient);
}

#[test]
fn a_note_of_an_error_that_is_lost() {
    finds(Fault::LostError, Property::Stable, Form::Halves, SOME);
}

#[test]
fn an_error_that_joining_forgets() {
    finds(Fault::JoinForgets, Property::Stable, Form::Halves, SOME);
}
