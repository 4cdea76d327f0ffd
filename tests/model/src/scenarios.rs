//! The scenarios: which steps each of them allows, and how often. The crate's page says what that
//! covers.

use crate::{
    system::Form::{self, Halves, Joined, Parts},
    world::Bounds,
};

#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub client: Form,
    pub server: Form,
    /// 3.5 minutes of CPU time for all scenarios together, with optimisation.
    pub bounds: Bounds,
    /// Some seconds for all of them. What they allow, `bounds` allow as well.
    pub quick: Bounds,
}

const NONE: Bounds = Bounds::NONE;

/// Both sides close, the network cuts, and programs are gone.
const CLOSING: [Bounds; 2] = [
    Bounds {
        sends: 1,
        closes: 2,
        cuts: 2,
        ..NONE
    },
    Bounds {
        closes: 2,
        cuts: 1,
        ..NONE
    },
];

/// Foreign peers, whose Close frames have no code and whose texts are wrong.
const FOREIGN: [Bounds; 2] = [
    Bounds {
        closes: 1,
        foreign: 1,
        cuts: 1,
        ..NONE
    },
    Bounds {
        closes: 1,
        foreign: 1,
        ..NONE
    },
];

/// The same with notes that are late, and merged.
const FOREIGN_NOTES: [Bounds; 2] = [Bounds {
    closes: 1,
    foreign: 1,
    cuts: 1,
    whole_reads: true,
    ..NONE
}; 2];

/// Messages in small fragments, through a narrow network.
const MESSAGES: [Bounds; 2] = [
    Bounds {
        sends: 2,
        closes: 1,
        fragment: 1,
        in_flight: 9,
        ..NONE
    },
    Bounds {
        sends: 1,
        closes: 1,
        fragment: 1,
        in_flight: 9,
        ..NONE
    },
];

/// Messages that halves send and read, with notes that are late, and halves that are joined in the
/// middle of a message.
const MESSAGES_NOTES: [Bounds; 2] = [
    Bounds {
        sends: 2,
        closes: 1,
        joins: 1,
        fragment: 1,
        whole_reads: true,
        ..NONE
    },
    Bounds {
        sends: 1,
        closes: 1,
        joins: 1,
        fragment: 1,
        whole_reads: true,
        ..NONE
    },
];

/// The same in reads that end anywhere.
const FRAMES_NOTES: [Bounds; 2] = [
    Bounds {
        sends: 1,
        closes: 1,
        joins: 1,
        fragment: 1,
        ..NONE
    },
    Bounds {
        sends: 1,
        fragment: 1,
        ..NONE
    },
];

/// Messages that must be complete in time: before the next ping of the keepalive, or after it.
const SLOW: [Bounds; 2] = [
    Bounds {
        sends: 1,
        closes: 1,
        clocks: 2,
        fragment: 1,
        message_timeout: 15,
        whole_reads: true,
        ..NONE
    },
    Bounds {
        sends: 1,
        clocks: 1,
        fragment: 1,
        message_timeout: 15,
        whole_reads: true,
        ..NONE
    },
];

/// The same with two messages: a note that is merged can tell of both.
const SLOW_TWO: [Bounds; 2] = [
    Bounds {
        sends: 2,
        ..SLOW[1]
    },
    SLOW[1],
];

/// Pings that wait until there is room, so that one pong answers several of them.
const PINGS: [Bounds; 2] = [
    Bounds {
        pings: 2,
        closes: 1,
        in_flight: 5,
        ..NONE
    },
    Bounds {
        pings: 1,
        closes: 1,
        in_flight: 5,
        ..NONE
    },
];

/// Keepalive and timeouts.
const TIMERS: [Bounds; 2] = [
    Bounds {
        closes: 1,
        clocks: 2,
        ..NONE
    },
    Bounds {
        closes: 1,
        clocks: 1,
        ..NONE
    },
];

/// Keepalive with a pong timeout that is longer than the ping interval.
const PATIENT: [Bounds; 2] = [
    Bounds {
        clocks: 2,
        pong_timeout: 30,
        ..NONE
    },
    Bounds {
        clocks: 2,
        pong_timeout: 30,
        whole_reads: true,
        ..NONE
    },
];

/// The same for longer.
const PATIENT_LONG: [Bounds; 2] = [Bounds {
    clocks: 3,
    ..PATIENT[1]
}; 2];

/// The same with notes that are late.
const PATIENT_NOTES: [Bounds; 2] = [PATIENT_LONG[0], PATIENT[1]];

/// Notes that are late while timers run.
const LATE: [Bounds; 2] = [
    Bounds {
        closes: 1,
        clocks: 1,
        ..NONE
    },
    Bounds {
        closes: 1,
        clocks: 1,
        whole_reads: true,
        ..NONE
    },
];

/// Notes that are merged, of events that an application takes one by one, the end of the stream among
/// them.
const MERGES: [Bounds; 2] = [Bounds {
    pings: 1,
    closes: 1,
    pauses: 1,
    cuts: 1,
    whole_reads: true,
    ..NONE
}; 2];

/// Halves that are joined, and split again.
const JOINS: [Bounds; 2] = [
    Bounds {
        closes: 1,
        cuts: 1,
        pauses: 1,
        clocks: 1,
        joins: 1,
        whole_reads: true,
        ..NONE
    },
    Bounds {
        closes: 1,
        clocks: 1,
        joins: 1,
        whole_reads: true,
        ..NONE
    },
];

/// Applications that stop taking events, and take them one by one.
const PAUSES: [Bounds; 2] = [
    Bounds {
        pings: 1,
        closes: 1,
        pauses: 1,
        ..NONE
    },
    Bounds {
        closes: 1,
        pauses: 1,
        ..NONE
    },
];

/// The same, and the network cuts.
const PAUSES_CUTS: [Bounds; 2] = [Bounds {
    closes: 1,
    pauses: 1,
    cuts: 1,
    ..NONE
}; 2];

/// Notes that are late, and merged.
const NOTES: [Bounds; 2] = [
    Bounds {
        pings: 1,
        closes: 1,
        cuts: 1,
        ..NONE
    },
    Bounds {
        pings: 1,
        closes: 1,
        ..NONE
    },
];

/// Halves on both sides.
const BOTH: [Bounds; 2] = [
    Bounds {
        closes: 2,
        cuts: 1,
        ..NONE
    },
    Bounds {
        closes: 1,
        cuts: 1,
        ..NONE
    },
];

const fn scenario(
    name: &'static str,
    [client, server]: [Form; 2],
    bounds: [Bounds; 2],
) -> Scenario {
    let [bounds, quick] = bounds;
    Scenario {
        name,
        client,
        server,
        bounds,
        quick,
    }
}

pub const ALL: &[Scenario] = &[
    scenario("closing", [Joined, Joined], CLOSING),
    scenario("foreign", [Joined, Joined], FOREIGN),
    scenario("messages", [Joined, Joined], MESSAGES),
    scenario("pings", [Joined, Joined], PINGS),
    scenario("timers", [Joined, Joined], TIMERS),
    scenario("pauses", [Joined, Joined], PAUSES),
    scenario("pauses-cuts", [Joined, Joined], PAUSES_CUTS),
    scenario("parts", [Parts, Parts], MESSAGES),
    scenario("slow", [Joined, Joined], SLOW),
    scenario("slow-parts", [Parts, Parts], SLOW_TWO),
    scenario("slow-client", [Halves, Joined], SLOW_TWO),
    scenario("slow-server", [Joined, Halves], SLOW_TWO),
    scenario("messages-client", [Halves, Joined], MESSAGES_NOTES),
    scenario("messages-server", [Joined, Halves], MESSAGES_NOTES),
    scenario("messages-both", [Halves, Halves], MESSAGES_NOTES),
    scenario("frames-client", [Halves, Joined], FRAMES_NOTES),
    scenario("frames-server", [Joined, Halves], FRAMES_NOTES),
    scenario("notes-client", [Halves, Joined], NOTES),
    scenario("notes-server", [Joined, Halves], NOTES),
    scenario("notes", [Halves, Halves], BOTH),
    scenario("foreign-client", [Halves, Joined], FOREIGN_NOTES),
    scenario("foreign-server", [Joined, Halves], FOREIGN_NOTES),
    scenario("late-client", [Halves, Joined], LATE),
    scenario("late-server", [Joined, Halves], LATE),
    scenario("patient", [Joined, Joined], PATIENT),
    scenario("patient-long", [Joined, Joined], PATIENT_LONG),
    scenario("patient-client", [Halves, Joined], PATIENT_NOTES),
    scenario("patient-server", [Joined, Halves], PATIENT_NOTES),
    scenario("merges-client", [Halves, Joined], MERGES),
    scenario("merges-server", [Joined, Halves], MERGES),
    scenario("joins-client", [Halves, Joined], JOINS),
    scenario("joins-server", [Joined, Halves], JOINS),
];
