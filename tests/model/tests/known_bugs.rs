//! Proves that the model finds bugs: each one that is put in has a shortest counterexample, which can
//! be read and replayed.

use model::{
    Action, Bounds, Fault,
    Form::{self, Halves, Joined},
    Limits, Property, Setup, explore,
    report::{replay, trace},
};

/// A bug, the property that finds it, and where.
type Bug = (Fault, Property, Form, Bounds);

const LIMITS: Limits = Limits {
    depth: 6,
    states: 20_000,
    threads: 2,
};

/// Finds the bug, and checks its counterexample.
fn finds((fault, property, form, bounds): Bug) {
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
const PAUSES: Bounds = Bounds { pauses: 1, ..SOME };
const PATIENT: Bounds = Bounds {
    clocks: 2,
    whole_reads: true,
    pong_timeout: 30,
    ..Bounds::NONE
};
const FOREIGN: Bounds = Bounds {
    foreign: 1,
    ..Bounds::NONE
};
const JOINS: Bounds = Bounds { joins: 1, ..SOME };
const SLOW: Bounds = Bounds {
    message_timeout: 15,
    ..SOME
};

macro_rules! bugs {
    ($($name:ident: $fault:ident, $property:ident, $form:ident, $bounds:ident;)*) => {
        const BUGS: &[Bug] = &[$((Fault::$fault, Property::$property, $form, $bounds),)*];

        $(
            #[test]
            fn $name() {
                finds((Fault::$fault, Property::$property, $form, $bounds));
            }
        )*
    };
}

bugs! {
    a_close_frame_that_is_not_flushed: CloseNotFlushed, Lives, Joined, SOME;
    a_close_frame_that_is_answered_twice: AnswerTwice, AfterClose, Joined, SOME;
    a_text_after_a_close_frame: TextAfterClose, Sends, Joined, SOME;
    a_close_timeout_that_never_fires: NoCloseTimeout, Timers, Joined, SOME;
    a_keepalive_that_is_off: NoKeepalive, Notices, Joined, SOME;
    a_note_that_is_lost: LostNote, Answers, Halves, SOME;
    a_ping_that_is_not_answered: NoPong, Answers, Joined, SOME;
    a_message_that_arrives_twice: StaleMessage, Messages, Joined, SOME;
    a_message_that_arrives_twice_at_a_half: StaleMessage, Messages, Halves, SOME;
    a_frame_that_is_half_written: HalfFrame, WholeFrames, Joined, SOME;
    an_error_that_is_forgotten: ForgottenError, AfterEnd, Joined, SOME;
    a_server_that_does_not_close_first: ServerWaits, Table, Joined, SOME;
    a_wrong_code: WrongCode, Answers, Joined, SOME;
    merged_notes_that_are_lost: MergeLoses, Joins, Halves, SOME;
    a_message_under_way_that_prevents_closing: NoCloseInMessage, Sends, Joined, SOME;
    an_end_of_the_stream_that_overtakes_events: EndDropsInput, Messages, Joined, PAUSES;
    a_second_ping_before_the_answer_to_the_first: PingsAgain, Timers, Joined, PATIENT;
    a_note_of_an_error_that_is_lost: LostError, Stable, Halves, SOME;
    an_error_that_joining_forgets: JoinForgets, Stable, Halves, SOME;
    a_message_under_way_that_joining_forgets: JoinForgetsMessage, Sends, Halves, JOINS;
    a_code_that_is_forgotten: ForgetsCode, Codes, Joined, SOME;
    a_fragment_with_the_opcode_of_the_message: NoContinuation, Legal, Joined, SOME;
    a_code_that_must_not_be_sent: Echoes1005, Legal, Joined, FOREIGN;
    a_part_of_a_frame_that_is_taken_for_the_end: PartIsEnd, Causes, Joined, SOME;
    an_end_of_the_stream_that_a_program_ignores: IgnoresEnd, Cuts, Joined, SOME;
    a_stream_that_is_not_ended: NoShutdown, Ends, Joined, SOME;
    a_message_that_may_take_for_ever: NoMessageTimeout, Timers, Joined, SLOW;
    a_message_to_a_half_that_may_take_for_ever: NoMessageTimeout, Timers, Halves, SLOW;
}

#[test]
fn each_property_finds_a_bug_and_each_bug_is_found() {
    for property in Property::ALL {
        let finds = BUGS.iter().any(|bug| bug.1 == *property);
        assert!(finds, "{property:?} finds no bug");
    }
    for fault in Fault::all() {
        let is_found = BUGS.iter().any(|bug| bug.0 == *fault);
        assert!(is_found, "nothing finds {fault:?}");
    }
}
