//! Proves that SECURITY.md is true where no other test does: each test that it names exists, its
//! defaults are those of the code, and a refused handshake costs little output.

use std::{collections::HashSet, fs, path::Path};

use bytes::BytesMut;
use websocket_proto::{
    Config,
    handshake::server::{Handshake, Origins, RequestError},
};

mod support;

use support::{
    secs,
    server::{edited, outcome, replaced, with},
};

const PAGE: &str = include_str!("../SECURITY.md");
const README: &str = include_str!("../README.md");

/// The names of the tests in a file.
fn tests_of(file: &str) -> HashSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).expect(file);
    let name = |line: &str| {
        let line = line.trim().strip_prefix("fn ")?;
        line.split(['(', '<']).next().map(str::to_owned)
    };
    // Attributes such as `cfg` can stand between `#[test]` and the function.
    text.split("#[test]")
        .skip(1)
        .filter_map(|rest| rest.lines().find_map(name))
        .collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let names: Vec<_> = PAGE
        .split('`')
        .filter_map(|name| name.split_once(".rs::"))
        .collect();
    assert!(names.len() > 30, "{}", names.len());
    for (file, test) in names {
        let file = format!("{file}.rs");
        assert!(tests_of(&file).contains(test), "{file}::{test}");
    }
}

#[test]
fn every_row_has_a_test() {
    let (_, table) = PAGE.split_once("| resource |").expect("a table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let (mut bounds, mut tests) = (0, HashSet::new());
    for row in rows.filter(|row| !row.starts_with("| **")) {
        assert!(row.contains(".rs::"), "{row}");
        bounds += 1;
        tests.extend(row.split('`').filter(|name| name.contains(".rs::")));
    }
    println!("{bounds} bounds, {} tests", tests.len());
}

#[test]
fn what_the_crate_stops_has_a_test() {
    let (_, table) = PAGE.split_once("| attacker |").expect("a table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let (mut by_the_crate, mut by_others) = (0, 0);
    for row in rows {
        match row.contains("the crate:") {
            true => by_the_crate += 1,
            false => by_others += 1,
        }
        assert_eq!(row.contains("the crate:"), row.contains(".rs::"), "{row}");
    }
    assert_eq!((by_the_crate, by_others), (4, 1));
}

#[test]
fn the_defaults_are_those_of_the_code() {
    let Config {
        max_message_size,
        parts_above,
        max_fragments,
        pong_backlog,
        max_head_size,
        max_headers,
        handshake_timeout,
        message_timeout,
        min_message_rate,
        ping_interval,
        pong_timeout,
        close_timeout,
        ..
    } = Config::default();
    assert_eq!(Config::default(), Config::new());
    let seconds = |time: Option<core::time::Duration>| time.expect("a limit").as_secs();
    let gone = seconds(ping_interval) + pong_timeout.as_secs();
    // A message of the maximum size at the minimum rate, in minutes.
    let slowest = seconds(message_timeout) + max_message_size as u64 / u64::from(min_message_rate);
    assert_eq!(parts_above, usize::MAX, "off");
    for row in [
        format!("`max_message_size`, {} MiB", max_message_size >> 20),
        format!(
            "`max_fragments`, {},{:03}",
            max_fragments / 1000,
            max_fragments % 1000
        ),
        format!("`pong_backlog`, {} KiB", pong_backlog >> 10),
        format!("`max_head_size`, {} KiB", max_head_size >> 10),
        format!("| {max_headers} | `max_headers`"),
        format!("| a handshake | {} s,", handshake_timeout.as_secs()),
        format!(
            "| {} s, and 1 s more for each {min_message_rate} bytes: {} minutes for {} MiB",
            seconds(message_timeout),
            slowest / 60,
            max_message_size >> 20
        ),
        "`parts_above`, off".into(),
        format!("| {gone} s | `ping_interval`"),
        format!("| {} s | `close_timeout`", close_timeout.as_secs()),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn the_defaults_in_the_readme_are_those_of_the_code() {
    let config = Config::default();
    let seconds =
        |time: Option<core::time::Duration>| format!("{} s", time.expect("a limit").as_secs());
    let kib = |len: usize| format!("{} KiB", len >> 10);
    let unlimited = |len: usize| match len {
        usize::MAX => "`usize::MAX`".into(),
        len => len.to_string(),
    };
    let fragments = config.max_fragments;
    for (field, default) in [
        (
            "max_message_size",
            format!("{} MiB", config.max_message_size >> 20),
        ),
        ("parts_above", unlimited(config.parts_above)),
        ("max_frame_size", unlimited(config.max_frame_size)),
        (
            "max_fragments",
            format!("{},{:03}", fragments / 1000, fragments % 1000),
        ),
        ("message_timeout", seconds(config.message_timeout)),
        ("min_message_rate", config.min_message_rate.to_string()),
        ("fragment_size", unlimited(config.fragment_size)),
        ("pong_backlog", kib(config.pong_backlog)),
        ("ping_interval", seconds(config.ping_interval)),
        ("pong_timeout", seconds(Some(config.pong_timeout))),
        ("close_timeout", seconds(Some(config.close_timeout))),
        ("max_head_size", kib(config.max_head_size)),
        ("max_headers", config.max_headers.to_string()),
        ("handshake_timeout", seconds(Some(config.handshake_timeout))),
    ] {
        let row = README
            .lines()
            .find(|line| line.starts_with(&format!("| `{field}`")));
        let cell = row.and_then(|row| row.split(" | ").nth(1));
        assert_eq!(cell, Some(&*default), "{field}");
    }
}

#[test]
#[cfg(feature = "deflate")]
fn the_defaults_of_compression_are_those_of_the_code() {
    use websocket_proto::deflate::DeflateConfig;

    assert_eq!(Config::new().deflate, None, "off");
    let finals = DeflateConfig::new().max_final_blocks;
    for row in [
        "`deflate`, off".into(),
        format!("`deflate.max_final_blocks`, {finals}"),
        format!("With the default of {finals}"),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
    let row = format!("| `deflate.max_final_blocks` of a message | {finals} |");
    assert!(README.contains(&row), "{row}");
}

#[test]
#[cfg(feature = "__meter")]
fn the_bounds_of_work_are_those_of_the_meter() {
    use websocket_proto::meter::{self, DEFLATE, HANDSHAKE, PLAIN, Work};

    let most = meter::most(PLAIN, 100, 1, 0);
    let (bytes, steps) = (most.bytes, most.steps);
    assert!(most.is_within(most));
    let [bytes, steps] = [(bytes + 1, steps), (bytes, steps + 1)]
        .map(|(bytes, steps)| Work { bytes, steps }.is_within(most));
    assert!(!bytes && !steps);

    let deflate = format!("{},{:03}", DEFLATE / 1000, DEFLATE % 1000);
    for row in [
        format!("without compression | {PLAIN} bytes of work"),
        format!("with compression | {deflate} bytes of work"),
        format!("of a handshake | {HANDSHAKE} bytes of work"),
    ] {
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn a_refusal_is_short() {
    let long = "x".repeat(15_000);
    let requests = [
        b"\x16\x03".to_vec(),
        format!("GET /{long}").repeat(2).into_bytes(),
        format!("{long} / HTTP/1.1\r\n\r\n").into_bytes(),
        b"GET / HTTP/2.0\r\n\r\n".to_vec(),
        edited(|lines| lines[0] = "POST / HTTP/1.1".into()),
        edited(|lines| lines[0] = "GET /#x HTTP/1.1".into()),
        with(&vec!["X: y"; 100]),
        with(&[&format!("Sec-WebSocket-Protocol: {long}\u{e9}")]),
        with(&["Sec-WebSocket-Extensions: ;"]),
        with(&[&format!("Origin: https://{long}.example")]),
        with(&["Origin: https://a.example", "Origin: https://b.example"]),
        with(&["Content-Length: 1"]),
        with(&["Content-Length: x"]),
        with(&["Sec-WebSocket-Version: 8"]),
        replaced("Host", None),
        replaced("Connection", None),
        replaced("Sec-WebSocket-Key", Some("Sec-WebSocket-Key: x")),
        replaced("Sec-WebSocket-Version", Some("Sec-WebSocket-Version: 8")),
        replaced("Upgrade", None),
    ];
    let mut met = HashSet::new();
    let mut check = |error: RequestError, response: &[u8]| {
        met.insert(core::mem::discriminant(&error));
        assert!(
            (50..=256).contains(&response.len()),
            "{error}: {}",
            response.len()
        );
    };
    for request in requests {
        let outcome = outcome([&request[..]], Config::new(), Origins::SameOrigin);
        check(
            outcome.result.expect_err("a refusal"),
            outcome.out.as_bytes(),
        );
    }
    let mut late = Handshake::new(Config::new(), Origins::SameOrigin);
    let mut out = BytesMut::new();
    let due = late.deadline(secs(0)).expect("a limit");
    check(late.handle_timeout(due, &mut out).expect_err("late"), &out);
    // All of `RequestError` but `Protocol`, which only a CONNECT can cause, and `EndOfStream`, to which
    // nothing is sent.
    assert_eq!(met.len(), 17);
}
