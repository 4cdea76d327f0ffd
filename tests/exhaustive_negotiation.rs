//! Every set of parameters of permessage-deflate that a client can offer, before every configuration
//! of a server, and every response, before every offer of a client: judged by rules that are written
//! here from RFC 7692 §7.1. And every value of a parameter of up to two characters, valid or not.

#![cfg(feature = "deflate")]

use websocket_proto::deflate::{DeflateConfig, Params};

/// A window in an offer or in a response.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Window {
    Absent,
    NoValue,
    Bits(u8),
}

use Window::{Absent, Bits, NoValue};

/// What is on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wire {
    server_alone: bool,
    client_alone: bool,
    server: Window,
    client: Window,
}

impl Wire {
    fn text(&self) -> String {
        let mut text = "permessage-deflate".to_owned();
        for (is_set, name) in [
            (self.server_alone, "server_no_context_takeover"),
            (self.client_alone, "client_no_context_takeover"),
        ] {
            if is_set {
                text.extend(["; ", name]);
            }
        }
        for (window, name) in [
            (self.server, "server_max_window_bits"),
            (self.client, "client_max_window_bits"),
        ] {
            match window {
                Absent => {}
                NoValue => text.extend(["; ", name]),
                Bits(bits) => text.extend(["; ", name, "=", &bits.to_string()]),
            }
        }
        text
    }

    /// What the parameters of a response mean for the connection.
    fn params(&self) -> Params {
        let bits = |window: Window| match window {
            Bits(bits) => Some(bits),
            Absent | NoValue => None,
        };
        Params {
            server_no_context_takeover: self.server_alone,
            client_no_context_takeover: self.client_alone,
            server_max_window_bits: bits(self.server),
            client_max_window_bits: bits(self.client),
        }
    }
}

const FLAGS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Absent, without a value, and 8 to 15. All of it in all combinations.
fn all() -> Vec<Wire> {
    let windows: Vec<_> = [Absent, NoValue]
        .into_iter()
        .chain((8..=15).map(Bits))
        .collect();
    let mut all = Vec::new();
    for (server_alone, client_alone) in FLAGS {
        for &server in &windows {
            for &client in &windows {
                all.push(Wire {
                    server_alone,
                    client_alone,
                    server,
                    client,
                });
            }
        }
    }
    assert_eq!(all.len(), 4 * 10 * 10);
    all
}

/// The settings of one end: whether each compressor works alone, and its largest window.
fn configs() -> Vec<DeflateConfig> {
    let mut all = Vec::new();
    for (server_alone, client_alone) in FLAGS {
        for (server, client) in (8..=15).flat_map(|it| (8..=15).map(move |other| (it, other))) {
            let mut config = DeflateConfig::new();
            config.server_no_context_takeover = server_alone;
            config.client_no_context_takeover = client_alone;
            config.server_max_window_bits = server;
            config.client_max_window_bits = client;
            all.push(config);
        }
    }
    assert_eq!(all.len(), 4 * 8 * 8);
    all
}

/// The response of a server with these settings.
fn response(config: &DeflateConfig, offer: &Wire) -> Option<Wire> {
    // zlib has no smaller window, so ours is at least 9.
    let ours = config.server_max_window_bits.max(9);
    let asked = config.client_max_window_bits;
    let server = match offer.server {
        // §7.1.2.1: "The "server_max_window_bits" extension parameter in an offer has a value".
        NoValue => return None,
        Absent if ours == 15 => Absent,
        Absent => Bits(ours),
        // "by including [it] with the same or smaller value". Not possible for us.
        Bits(8) => return None,
        Bits(bits) => Bits(ours.min(bits)),
    };
    let client = match offer.client {
        // §7.1.2.2: the response "MUST NOT include" it if the offer does not. So a server that wants a
        // smaller window cannot have it.
        Absent if asked < 15 => return None,
        Absent => Absent,
        NoValue if asked == 15 => Absent,
        NoValue => Bits(asked),
        // 15 is what a client does without the parameter.
        Bits(bits) if bits.min(asked) == 15 => Absent,
        Bits(bits) => Bits(bits.min(asked)),
    };
    Some(Wire {
        // §7.1.1.1: "A server accepts [...] by including" it, and may use it unasked.
        server_alone: offer.server_alone || config.server_no_context_takeover,
        // §7.1.1.2: the server may ask for it, also if the offer has no such promise.
        client_alone: offer.client_alone || config.client_no_context_takeover,
        server,
        client,
    })
}

#[test]
fn every_offer_meets_every_server() {
    let (mut cases, mut accepted) = (0, 0);
    let offers = all();
    let texts: Vec<_> = offers.iter().map(Wire::text).collect();
    for config in configs() {
        for (offer, text) in offers.iter().zip(&texts) {
            cases += 1;
            let what = || format!("{text} before {config:?}");
            let expected = response(&config, offer);
            let result = config.accept([&**text]);
            assert_eq!(result, expected.map(|it| it.params()), "{}", what());
            let Some(expected) = expected else {
                // The next offer is taken.
                let fallback =
                    config.accept([&**text, "permessage-deflate; client_max_window_bits"]);
                let any = Wire {
                    server_alone: false,
                    client_alone: false,
                    server: Absent,
                    client: NoValue,
                };
                let any = response(&config, &any).map(|it| it.params());
                assert_eq!(fallback, any, "{}", what());
                continue;
            };
            accepted += 1;
            let written = result.expect("accepted").to_string();
            assert_eq!(written, expected.text(), "{}", what());
        }
    }
    assert_eq!(cases, 256 * 400);
    // 1 of 10 server windows has no value, 1 is too small. Without a client window, an eighth.
    assert_eq!(accepted, 4 * 4 * 64 * 8 * 9 + 4 * 4 * 8 * 8);
}

/// The parameters of the connection that follow from an offer of ours and a response.
fn agreed(offer: &Params, response: &Wire) -> Option<Params> {
    // §7.1.2.1, §7.1.2.2: in a response both have a value.
    if response.server == NoValue || response.client == NoValue {
        return None;
    }
    // §7.1.1.1: the server must confirm.
    if offer.server_no_context_takeover && !response.server_alone {
        return None;
    }
    let mut agreed = response.params();
    match (offer.server_max_window_bits, response.server) {
        // The server limits itself.
        (None, _) => {}
        // "with the same or smaller value as the offer"
        (Some(max), Bits(bits)) if bits <= max => {}
        (Some(_), _) => return None,
    }
    match (offer.client_max_window_bits, response.client) {
        (_, Absent) => {
            // What a client announces about itself is true without an answer. 15 is no limit.
            agreed.client_max_window_bits = offer.client_max_window_bits.filter(|max| *max < 15);
        }
        (Some(max), Bits(bits)) if bits <= max => {}
        _ => return None,
    }
    agreed.client_no_context_takeover |= offer.client_no_context_takeover;
    Some(agreed)
}

/// Everything that a client of this crate can offer. A `client_max_window_bits` of 15 has no value on
/// the wire.
fn offers() -> Vec<Params> {
    let windows = |from: u8| (from..=15).map(Some).chain([None]);
    let mut offers = Vec::new();
    for (server_alone, client_alone) in FLAGS {
        for server in windows(8) {
            for client in windows(8) {
                offers.push(Params {
                    server_no_context_takeover: server_alone,
                    client_no_context_takeover: client_alone,
                    server_max_window_bits: server,
                    client_max_window_bits: client,
                });
            }
        }
    }
    assert_eq!(offers.len(), 4 * 9 * 9);
    offers
}

#[test]
fn every_response_meets_every_offer() {
    let (mut cases, mut accepted) = (0, 0);
    let responses = all();
    let texts: Vec<_> = responses.iter().map(Wire::text).collect();
    for offer in offers() {
        for (response, text) in responses.iter().zip(&texts) {
            cases += 1;
            let expected = agreed(&offer, response);
            let result = Params::agree(&[offer], text).ok();
            assert_eq!(result, expected, "{offer} / {text}");
            accepted += usize::from(expected.is_some());
        }
    }
    assert_eq!(cases, 324 * 400);
    // Flags: 3 of 4 pairs for the server, 4 of 4 for the client. Server windows: any of 9 before none,
    // else those that are not larger, 1 to 8 of them. Client windows likewise, or none.
    let server = 9 + (1..=8).sum::<usize>();
    let client = 1 + (1..=8).map(|smaller| smaller + 1).sum::<usize>();
    assert_eq!(accepted, 3 * 4 * server * client);
}

/// What each configuration of a client offers, and that it agrees with every server of this crate.
#[test]
fn every_client_meets_every_server() {
    let (mut cases, mut agreements) = (0, 0);
    for client in configs() {
        let offer = client.offer();
        let limit = |bits: u8| (bits < 15).then_some(bits);
        let expected = Params {
            server_no_context_takeover: client.server_no_context_takeover,
            client_no_context_takeover: client.client_no_context_takeover,
            server_max_window_bits: limit(client.server_max_window_bits),
            client_max_window_bits: Some(client.client_max_window_bits.max(9)),
        };
        assert_eq!(offer, expected, "{client:?}");
        let text = offer.to_string();
        let bits = client.client_max_window_bits.max(9);
        let wire = Wire {
            server_alone: offer.server_no_context_takeover,
            client_alone: offer.client_no_context_takeover,
            server: offer.server_max_window_bits.map_or(Absent, Bits),
            client: if bits == 15 { NoValue } else { Bits(bits) },
        };
        assert_eq!(text, wire.text());
        for server in configs() {
            cases += 1;
            let accepted = server.accept([&*text]);
            // A server of this crate declines no offer but one with a window of 8.
            assert_eq!(accepted.is_none(), client.server_max_window_bits == 8);
            if let Some(accepted) = accepted {
                agreements += 1;
                let agreed = Params::agree(&[offer], &accepted.to_string());
                assert_eq!(agreed, Ok(accepted), "{text} before {server:?}");
            }
        }
    }
    assert_eq!((cases, agreements), (256 * 256, 256 * 256 / 8 * 7));
}

/// Values outside of what exists count as the nearest.
#[test]
fn every_number_in_a_configuration() {
    for bits in 0..=255_u8 {
        let mut config = DeflateConfig::new();
        config.server_max_window_bits = bits;
        config.client_max_window_bits = bits;
        let limit = |bits: u8| (bits < 15).then_some(bits);
        let offer = config.offer();
        assert_eq!(offer.server_max_window_bits, limit(bits.clamp(8, 15)));
        assert_eq!(offer.client_max_window_bits, Some(bits.clamp(9, 15)));
        let accepted = config.accept(["permessage-deflate; client_max_window_bits"]);
        let accepted = accepted.expect("an offer without limits");
        assert_eq!(accepted.server_max_window_bits, limit(bits.clamp(9, 15)));
        assert_eq!(accepted.client_max_window_bits, limit(bits.clamp(8, 15)));
    }
}

/// Whether both ends refuse the parameters. They are added to those of a valid offer or response, in
/// front and behind.
fn refused(params: &str) -> bool {
    let config = DeflateConfig::new();
    let offer = Params {
        client_max_window_bits: Some(15),
        ..Params::default()
    };
    let texts = [
        format!("permessage-deflate; {params}; server_no_context_takeover"),
        format!("permessage-deflate; server_no_context_takeover; {params}"),
    ];
    let accepted = texts.map(|text| {
        let server = config.accept([&*text]).is_some();
        let client = Params::agree(&[offer], &text).is_ok();
        // A client window without a value is legal in an offer alone.
        assert!(server == client || params == "client_max_window_bits");
        server
    });
    assert_eq!(accepted[0], accepted[1], "{params}");
    !accepted[0]
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2)
#[test]
fn every_value_of_a_parameter() {
    let mut values = vec![String::new()];
    let visible = || (0x20..0x7F_u8).map(char::from);
    values.extend(visible().map(String::from));
    values.extend(visible().flat_map(|a| visible().map(move |b| format!("{a}{b}"))));
    values.extend((0..=9999).map(|number| format!("{number:03}")));
    for more in [
        "+9",
        "-9",
        "1e1",
        "0xa",
        "9.0",
        "010",
        "4294967305",
        "18446744073709551625",
    ] {
        values.push(more.into());
    }
    let mut cases = 0;
    for value in &values {
        // These end the value, or are white space around it.
        if value.contains([' ', ';', ',', '"', '\\']) {
            continue;
        }
        let number: Option<u8> = (8..=15).find(|number| *value == number.to_string());
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            for param in [format!("{name}={value}"), format!("{name}=\"{value}\"")] {
                cases += 1;
                // zlib has no window of 8.
                let declined = number == Some(8) && name.starts_with('s');
                if !declined {
                    assert_eq!(refused(&param), number.is_none(), "{param}");
                }
            }
        }
        for name in ["server_no_context_takeover", "client_no_context_takeover"] {
            cases += 1;
            let param = format!("{name}={value}");
            let text = format!("permessage-deflate; {param}");
            assert!(DeflateConfig::new().accept([&*text]).is_none(), "{param}");
            assert!(
                Params::agree(&[Params::default()], &text).is_err(),
                "{param}"
            );
        }
    }
    // 95 visible characters and the space, without five.
    assert_eq!(cases, 6 * (1 + 90 + 90 * 90 + 10_000 + 8));
}

/// Each parameter twice, with each pair of its values, and parameters that do not exist.
#[test]
fn every_parameter_twice_and_unknown_ones() {
    let windows = |name: &str| {
        let values = (9..=15).map(|bits| format!("{name}={bits}"));
        values.chain([name.to_owned()]).collect::<Vec<_>>()
    };
    let mut cases = 0;
    for values in [
        vec!["client_no_context_takeover".to_owned()],
        vec!["server_no_context_takeover".to_owned()],
        windows("server_max_window_bits"),
        windows("client_max_window_bits"),
    ] {
        for (first, second) in values
            .iter()
            .flat_map(|a| values.iter().map(move |b| (a, b)))
        {
            cases += 1;
            assert!(refused(&format!("{first}; {second}")), "{first} {second}");
        }
    }
    assert_eq!(cases, 1 + 1 + 64 + 64);
    for known in [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    ] {
        // One letter less, more, or in another case. Names are tokens, and compared byte by byte.
        let mut unknown = vec![known[1..].to_owned(), known[..known.len() - 1].into()];
        unknown.extend([
            format!("{known}s"),
            format!("x{known}"),
            known.to_uppercase(),
        ]);
        for at in 0..known.len() {
            let mut other = known.to_owned().into_bytes();
            other[at] = if other[at] == b'_' {
                b'-'
            } else {
                other[at] ^ 0x20
            };
            unknown.push(String::from_utf8(other).unwrap());
        }
        for name in unknown {
            assert!(refused(&name), "{name}");
            assert!(refused(&format!("{name}=10")), "{name}");
        }
    }
}
