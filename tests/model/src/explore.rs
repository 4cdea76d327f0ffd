//! The exhaustive search: breadth first, so that a counterexample is a shortest one.
//!
//! A `Connection` cannot be cloned. So a state is the path that leads to it, and each step replays
//! the path: a few microseconds. All threads work on one depth at a time. The result does not depend
//! on their number.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::{
    action::Action,
    future::FUTURES,
    ledger::{Ledger, Violation},
    world::{Setup, World},
};

/// The result of a search.
#[derive(Debug)]
pub struct Explored {
    pub states: usize,
    pub transitions: u64,
    pub continuations: u64,
    pub depth: usize,
    /// Whether there is no other state within the bounds.
    pub complete: bool,
    pub time: Duration,
    pub ledger: Ledger,
    pub counterexample: Option<Counterexample>,
}

/// A path to a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    pub path: Vec<Action>,
    /// The index of the continuation that fails after the path.
    pub future: Option<usize>,
    pub violation: Violation,
}

/// When to stop a search that is not complete.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub depth: usize,
    pub states: usize,
    pub threads: usize,
}

/// A state: the one before, and the action that leads from there.
#[derive(Debug, Clone, Copy)]
struct Node {
    before: u32,
    action: Option<Action>,
}

/// What a thread has found.
#[derive(Debug, Default)]
struct Found {
    nodes: Vec<(u128, Node)>,
    transitions: u64,
    continuations: u64,
    ledger: Ledger,
    /// The first one, by the index of its state.
    counterexample: Option<(u32, Counterexample)>,
}

/// States that a thread takes at once.
const CHUNK: usize = 64;

/// Explores everything within the bounds. Calls `progress` with the depth and the number of states.
pub fn explore(
    setup: &Setup,
    limits: Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Explored {
    let start = Instant::now();
    let mut seen = HashSet::with_hasher(BuildHasherDefault::<Ready>::default());
    seen.insert(World::new(setup).fingerprint());
    let mut nodes = vec![Node {
        before: 0,
        action: None,
    }];
    let mut result = Explored {
        states: 1,
        transitions: 0,
        continuations: 0,
        depth: 0,
        complete: false,
        time: Duration::ZERO,
        ledger: Ledger::default(),
        counterexample: None,
    };
    let mut layer = 0..1;
    while !layer.is_empty() && result.counterexample.is_none() {
        progress(result.depth, nodes.len());
        let next = AtomicUsize::new(layer.start);
        let deeper = result.depth < limits.depth && nodes.len() < limits.states;
        let (nodes_now, seen_now) = (&nodes, &seen);
        let work = || {
            let mut found = Found::default();
            loop {
                let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                if from >= layer.end {
                    return found;
                }
                for at in from..layer.end.min(from + CHUNK) {
                    let known = |fingerprint| seen_now.contains(&fingerprint);
                    expand(setup, nodes_now, at as u32, deeper, &known, &mut found);
                }
            }
        };
        let found: Vec<Found> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..limits.threads.max(1))
                .map(|_| scope.spawn(work))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Found>| thread.join();
            threads
                .into_iter()
                .map(|thread| join(thread).expect("no panic"))
                .collect()
        });
        let mut new = Vec::new();
        let mut failures = Vec::new();
        for found in found {
            result.transitions += found.transitions;
            result.continuations += found.continuations;
            result.ledger.add(&found.ledger);
            new.extend(found.nodes);
            failures.extend(found.counterexample);
        }
        failures.sort_by_key(|(at, it)| (it.path.len(), *at));
        result.counterexample = failures.into_iter().next().map(|(_, it)| it);
        new.sort_by_key(|(_, node)| (node.before, node.action.map(|it| it.number())));
        layer.start = nodes.len();
        for (fingerprint, node) in new {
            if seen.insert(fingerprint) {
                nodes.push(node);
            }
        }
        layer.end = nodes.len();
        result.depth += usize::from(!layer.is_empty());
        result.complete = layer.is_empty() && deeper;
    }
    result.complete &= result.counterexample.is_none();
    result.states = nodes.len();
    result.time = start.elapsed();
    result
}

/// Looks at the continuations of a state, and at the states that follow.
fn expand(
    setup: &Setup,
    nodes: &[Node],
    at: u32,
    deeper: bool,
    known: &dyn Fn(u128) -> bool,
    found: &mut Found,
) {
    let path = path(nodes, at);
    let fails = |path: Vec<Action>, future, violation| {
        let counterexample = Counterexample {
            path,
            future,
            violation,
        };
        Some((at, counterexample))
    };
    if found.counterexample.is_some() {
        return;
    }
    let world = replay(setup, &path);
    let possible: Vec<_> = Action::all().filter(|it| world.allows(*it)).collect();
    let mut world = Some(world);
    for (index, (_, future)) in FUTURES.iter().enumerate() {
        let mut world = world.take().unwrap_or_else(|| replay(setup, &path));
        found.continuations += 1;
        if let Err(violation) = future(&mut world, &mut found.ledger) {
            found.counterexample = fails(path, Some(index), violation);
            return;
        }
    }
    if !deeper {
        return;
    }
    for action in possible {
        let mut world = replay(setup, &path);
        found.transitions += 1;
        if let Err(violation) = world.step(action, &mut found.ledger) {
            let path = path.into_iter().chain([action]).collect();
            found.counterexample = fails(path, None, violation);
            return;
        }
        let fingerprint = world.fingerprint();
        if !known(fingerprint) {
            let node = Node {
                before: at,
                action: Some(action),
            };
            found.nodes.push((fingerprint, node));
        }
    }
}

fn path(nodes: &[Node], mut at: u32) -> Vec<Action> {
    let mut path = Vec::new();
    while let Some(action) = nodes[at as usize].action {
        path.push(action);
        at = nodes[at as usize].before;
    }
    path.reverse();
    path
}

/// A path without violations, once more.
fn replay(setup: &Setup, path: &[Action]) -> World {
    let (mut world, mut ledger) = (World::new(setup), Ledger::default());
    for action in path {
        let again = world.step(*action, &mut ledger);
        again.expect("the same steps have the same result");
    }
    world
}

/// A hash of what is a hash already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn write(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks_exact(8) {
            self.0 ^= u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
