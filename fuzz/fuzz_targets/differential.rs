#![no_main]

#[allow(dead_code)] // The tables are for the tests.
#[path = "../src/differential/mod.rs"]
mod differential;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(differential::run(data)));
