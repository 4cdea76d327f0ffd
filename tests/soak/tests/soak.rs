//! Small runs: that they find nothing, that they are functions of their seed, and that they find
//! mistakes that are put in on purpose.

use soak::{
    run::run,
    scenario::{Bug, Scenario},
    shrink::shrink,
};

fn small(seed: u64) -> Scenario {
    Scenario::new(seed, 300, 15_000)
}

#[test]
fn nothing_is_found() {
    for seed in 1..3 {
        let outcome = run(&small(seed), false);
        let command = small(seed).command();
        assert_eq!(outcome.failure, None, "{command}");
        assert!(outcome.report.messages >= 8_000, "{}", outcome.report);
        assert_eq!(outcome.report.opened, outcome.report.planned);
    }
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let report = |seed| run(&small(seed), false).report;
    let first = report(5);
    assert_eq!(first, report(5));
    assert_ne!(first.digest, report(6).digest);
    assert_ne!(first.digest, 0);
}

#[test]
fn a_connection_does_the_same_without_the_others() {
    let scenario = Scenario::new(7, 300, 6_000);
    let trace = |only: Option<Vec<u32>>| {
        let outcome = run(
            &Scenario {
                only,
                ..scenario.clone()
            },
            true,
        );
        assert_eq!(outcome.failure, None);
        outcome.trace
    };
    let all = trace(None);
    // The size of a compressed message can differ by a byte: connections share codecs.
    let plans = scenario.plans().into_iter();
    for plan in plans.filter(|plan| !plan.door.compresses()) {
        let mark = format!(" #{} ", plan.id);
        let lines: Vec<_> = all.iter().filter(|line| line.contains(&mark)).collect();
        assert!(!lines.is_empty());
        assert_eq!(lines, trace(Some(vec![plan.id])).iter().collect::<Vec<_>>());
    }
}

#[test]
fn each_bug_is_found_replayed_and_shrunk() {
    for (name, bug) in Bug::ALL {
        let scenario = Scenario {
            bug: Some(bug),
            only: Some((0..100).collect()),
            steps: 30,
            ..small(1)
        };
        let failure = run(&scenario, false).failure;
        let failure = failure.unwrap_or_else(|| panic!("{name} was not found"));
        assert_eq!(
            run(&scenario, false).failure,
            Some(failure.clone()),
            "{name}"
        );

        let shrunk = shrink(&scenario, &failure);
        let again = run(&shrunk.scenario, true);
        assert_eq!(again.failure, Some(shrunk.failure.clone()), "{name}");
        assert_eq!(shrunk.failure.kind(), failure.kind(), "{name}");
        println!("{name}: {failure:?}, shrunk {:?}", shrunk.failure);
        assert!(!again.trace.is_empty(), "{name}");
        if bug == Bug::Panic {
            assert!(failure.id.is_some(), "of which connection?");
        }
        let connections = shrunk.scenario.plans().len();
        let most = if bug == Bug::KeepCodecs { 30 } else { 1 };
        assert!(
            connections <= most,
            "{name}: {connections} connections are left"
        );
        assert!(shrunk.scenario.command().contains(name));
    }
}
