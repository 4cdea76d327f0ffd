//! Explores all scenarios with small bounds. `cargo run --release -p model` goes further.

use model::{
    Event, Ledger, Limits, Property, ROWS, Setup, explore,
    report::{figures, tables, trace},
    scenarios::ALL,
};

/// Which pairs of a state (rows) and an event (columns) must be visited, of the client and of the
/// server: `x` must, `.` must not, `?` may. The rows are [`ROWS`]: a side answers a Close frame at once,
/// so "received" alone does not last. The columns are [`Event`]: sends, closes, message, ping, pong,
/// Close, bad, end, ping due, pong due, close due. Calls that are refused count as visits.
const TABLE: [[&str; ROWS.len()]; 2] = [
    [
        "xxxxxxxxxxx.",
        "xxxxxxxx...x",
        "............",
        "xx.....x...x", // The client waits for the server to end the stream (RFC 6455 §7.1.1).
        "?x???x?.???.",
        "?????x?....?",
        "............",
        "xx..........",
        "xx?????x....",
    ],
    [
        "xxxxxxxxxxx.",
        "xxxxxxxx...x",
        "............",
        "xx.....x....",
        "?x???x?.???.",
        "?????x?....?",
        "............",
        "xx..........",
        "xx?????x....",
    ],
];

fn compare(visits: &[[u64; Event::ALL.len()]; ROWS.len()], table: &[&str; ROWS.len()]) {
    for ((visits, expected), row) in visits.iter().zip(table).zip(ROWS) {
        for ((visits, expected), event) in visits.iter().zip(expected.bytes()).zip(Event::ALL) {
            let fits = match expected {
                b'x' => *visits > 0,
                b'.' => *visits == 0,
                _ => true,
            };
            assert!(fits, "{row}, {}: {visits} visits", event.name());
        }
    }
}

#[test]
fn the_small_bounds_are_a_part_of_the_large_ones() {
    for scenario in ALL {
        let covered = scenario.bounds.cover(&scenario.quick);
        assert!(covered, "{}", scenario.name);
    }
}

#[test]
fn no_behaviour_within_small_bounds_is_wrong() {
    let limits = Limits {
        depth: usize::MAX,
        states: usize::MAX,
        threads: 2,
    };
    let mut ledger = Ledger::default();
    for scenario in ALL {
        let setup = Setup {
            client: scenario.client,
            server: scenario.server,
            fault: None,
            bounds: scenario.quick,
        };
        let explored = explore(&setup, limits, &|_, _| {});
        println!("{:15} {}", scenario.name, figures(&explored));
        if let Some(counterexample) = &explored.counterexample {
            panic!("{}", trace(&setup, counterexample));
        }
        assert!(explored.complete);
        ledger.add(&explored.ledger);
    }
    println!("{}", tables(&ledger));
    for property in Property::ALL {
        assert!(ledger.checks[*property as usize] > 0, "{property:?}");
    }
    for (visits, table) in ledger.visits.iter().zip(&TABLE) {
        compare(visits, table);
    }
}
