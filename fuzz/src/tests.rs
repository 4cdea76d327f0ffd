//! Runs each body over its seeds and its corpus, over changed seeds, and over random bytes, on any
//! compiler and without a fuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Body, TARGETS, corpus::inputs, seeds, support::Random};

/// Runs a body. A failure prints the input.
fn run(target: &str, body: Body, input: &[u8]) {
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("target {target} fails. To repeat it, write these bytes to a file:");
        eprintln!("  printf {hex} | xxd -r -p > input && cargo +nightly fuzz run {target} input");
        std::panic::resume_unwind(failure);
    }
}

#[test]
fn seeds_and_corpora_hold() {
    for (target, body) in TARGETS {
        for input in inputs(target) {
            run(target, body, &input);
        }
    }
}

#[test]
fn changed_seeds_hold() {
    for (target, body) in TARGETS {
        let seeds = seeds(target);
        let mut random = Random(7);
        for _ in 0..400 {
            let mut input = seeds[random.below(seeds.len())].clone();
            for _ in 0..random.below(4) {
                let at = random.below(input.len());
                input[at] = random.next() as u8;
            }
            input.truncate(1 + random.below(2 * input.len()));
            run(target, body, &input);
        }
    }
}

#[test]
fn random_bytes_hold() {
    for (target, body) in TARGETS {
        let mut random = Random(11);
        for _ in 0..200 {
            let len = random.below(400);
            run(target, body, &random.bytes(len));
        }
    }
}
