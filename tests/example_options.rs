//! The options that the examples share make the right offers of compression.
#![cfg(feature = "deflate")]

use websocket_proto::deflate::{DeflateConfig, Params};
use websocket_proto::{Config, handshake::client::Request};

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/options.rs"]
mod options;
mod support;

use support::client::{Outcome, URL, outcome, response, started, value};

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// The configuration, and the offers of a client with these arguments.
fn offers(args: &[&str]) -> (Config, Option<String>) {
    let (config, others) = options::parse(args.iter().map(|arg| arg.to_string())).unwrap();
    assert_eq!(others, [""; 0]);
    let request = options::offer(Request::new(URL).unwrap(), config.deflate);
    let (_, text) = started(&request, config);
    (config, value(&text, EXTENSIONS).map(str::to_owned))
}

/// Servers such as tornado and Mojolicious accept an offer of permessage-deflate, but leave
/// `server_no_context_takeover` out of the response. The example client accepts that.
#[test]
fn fixed_16_the_example_client_offers_no_context_takeover_twice() {
    let bits = ["--no-context-takeover", "--window-bits", "10"];
    let no_bits = &bits[..1];
    for (args, windows, silent) in [
        (no_bits, "client_max_window_bits", "permessage-deflate"),
        (
            &bits,
            "server_max_window_bits=10; client_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
    ] {
        let (config, sent) = offers(args);
        let sent = sent.unwrap();
        let client = format!("client_no_context_takeover; {windows}");
        let expected = format!(
            "permessage-deflate; server_no_context_takeover; {client}, permessage-deflate; {client}"
        );
        assert_eq!(sent, expected);

        // A server that keeps to RFC 7692 §7.1.1.1 chooses the strict offer.
        let chosen = DeflateConfig::new().accept([&*sent]).unwrap();
        assert!(chosen.server_no_context_takeover && chosen.client_no_context_takeover);
        // The response of other servers fits the plain offer. The client still does what it
        // offered about itself.
        let answer = response().edited(|lines| lines.push(format!("{EXTENSIONS}: {silent}")));
        let request = options::offer(Request::new(URL).unwrap(), config.deflate);
        let outcome = outcome([&answer.bytes()[..]], &request, config);
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        let strict = config.deflate.unwrap().offer();
        let plain = Params {
            server_no_context_takeover: false,
            ..strict
        };
        let agreed = Params::agree(&[strict, plain], silent).unwrap();
        assert!(!agreed.server_no_context_takeover && agreed.client_no_context_takeover);
    }
}

#[test]
fn otherwise_there_is_one_offer_at_most() {
    let default = "permessage-deflate; client_max_window_bits".to_owned();
    assert_eq!(offers(&[]).1, Some(default));
    assert_eq!(offers(&["--no-deflate"]).1, None);
}

#[test]
fn the_examples_that_the_manual_names_exist() {
    let manual = include_str!("../src/lib.rs");
    let (_, table) = manual.split_once("# Which way is mine").expect("a table");
    let (table, _) = table.split_once("//! # ").expect("the next section");
    // The last column of each row has the names, in backticks.
    let cells = table.lines().filter_map(|line| line.rsplit('|').nth(1));
    let names: Vec<_> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 8, "{names:?}");
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in names {
        let file = examples.join(name);
        assert!(
            file.exists() || file.with_extension("rs").exists(),
            "{name}"
        );
    }
}
