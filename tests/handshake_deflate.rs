//! Proves that both handshakes negotiate permessage-deflate as RFC 7692 requires (§5, §7.1): the
//! offers of a client, the offer that a server accepts and its response, the responses that a
//! client accepts, and that both sides agree on the same parameters.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

#![cfg(feature = "deflate")]

use bytes::BytesMut;
use proptest::{collection::vec, option, prelude::*};
use websocket_proto::deflate::{DeflateConfig, NegotiationError, Params};
use websocket_proto::handshake::{
    HeadError,
    client::{self, Request, ResponseError},
    server::{self, Accept, Origins, Pending, RequestError},
};
use websocket_proto::{Config, RecvBuf, Seed};

mod support;

use support::{
    client::{Outcome, URL, outcome, started, value},
    http::Head,
    server::refuses,
};

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
const DEFAULT_OFFER: &str = "permessage-deflate; client_max_window_bits";

// --- both ends ---------------------------------------------------------------------------------

/// The default configuration with changes.
fn deflate(change: impl FnOnce(&mut DeflateConfig)) -> DeflateConfig {
    let mut config = DeflateConfig::new();
    change(&mut config);
    config
}

fn with_deflate(config: Option<DeflateConfig>) -> Config {
    support::config(|all| all.deflate = config)
}

/// An extension. `params` are abbreviated: `sn` and `cn` are no context takeover of the server and
/// of the client, `s=10` and `c=10` their window bits.
fn full(params: &str) -> String {
    let mut text = "permessage-deflate".to_owned();
    for param in params.split(' ').filter(|param| !param.is_empty()) {
        let (name, rest) = match param.split_at(1) {
            ("s", "n") => ("server_no_context_takeover", ""),
            ("c", "n") => ("client_no_context_takeover", ""),
            ("s", value) => ("server_max_window_bits", value),
            ("c", value) => ("client_max_window_bits", value),
            _ => panic!("{param}"),
        };
        text.extend(["; ", name, rest]);
    }
    text
}

fn written(params: Option<Params>) -> Option<String> {
    params.map(|params| params.to_string())
}

/// A head with these `Sec-WebSocket-Extensions`.
fn with_fields(head: Head, fields: &[&str]) -> Vec<u8> {
    let fields = fields.iter().map(|field| format!("{EXTENSIONS}: {field}"));
    head.edited(|lines| lines.extend(fields)).bytes()
}

/// The offers that a server sees in a request with these fields, and the decision to make.
fn requested(config: Config, fields: &[&str]) -> Result<(Vec<Params>, Pending), RequestError> {
    let mut input = RecvBuf::new();
    input.extend_from_slice(&with_fields(support::server::request(), fields));
    let mut handshake = server::Handshake::new(config, Origins::SameOrigin);
    let (request, pending) = handshake
        .next(&mut input, &mut BytesMut::new())?
        .expect("a complete head");
    Ok((request.deflate_offers().collect(), pending))
}

/// The `Sec-WebSocket-Extensions` of the response to a request with these fields.
fn response_of(
    config: Option<DeflateConfig>,
    accept: Accept<'_>,
    fields: &[&str],
) -> Option<String> {
    let (_, pending) = requested(with_deflate(config), fields).unwrap();
    accepted(pending, accept)
}

fn accepted(pending: Pending, accept: Accept<'_>) -> Option<String> {
    let mut out = BytesMut::new();
    pending.accept(accept, &mut out).unwrap();
    let head = String::from_utf8(out.to_vec()).unwrap();
    assert!(head.matches(EXTENSIONS).count() <= 1, "{head}");
    value(&head, EXTENSIONS).map(Into::into)
}

/// The same for one field. `DeflateConfig::accept` must return the same.
fn response_to(config: DeflateConfig, field: &str) -> Option<String> {
    let response = response_of(Some(config), Accept::new(), &[field]);
    let elsewhere = written(config.accept([field]));
    assert_eq!(response, elsewhere, "{field}");
    response
}

/// The result of a client with these offers for a response with these `Sec-WebSocket-Extensions`.
fn client_result(offers: &[Params], fields: &[&str]) -> Result<(), ResponseError> {
    let mut request = Request::new(URL).unwrap();
    for offer in offers {
        request = request.deflate_offer(*offer);
    }
    let response = with_fields(support::client::response(), fields);
    let config = with_deflate(Some(DeflateConfig::new()));
    // `outcome` also asserts that later calls return the same error.
    match outcome([&response[..]], &request, config) {
        Outcome::Accepted { .. } => Ok(()),
        Outcome::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

/// The parameters of `Params::agree`. A client with these offers must accept the same responses.
fn agreed(offers: &[Params], response: &str) -> Option<Params> {
    let agreed = Params::agree(offers, response);
    let result = client_result(offers, &[response]);
    assert_eq!(result.is_ok(), agreed.is_ok(), "{response}: {result:?}");
    agreed.ok()
}

/// Abbreviated parameters, as a server sees them in an offer.
fn offer(params: &str) -> Params {
    let (offers, _) = requested(Config::new(), &[&full(params)]).unwrap();
    assert_eq!(offers.len(), 1, "{params} is valid");
    offers[0]
}

// --- what a client offers ----------------------------------------------------------------------

#[test]
fn field_08_the_offer_by_default() {
    let request = Request::new(URL).unwrap();
    let (_, text) = started(&request, with_deflate(Some(DeflateConfig::new())));
    assert_eq!(value(&text, EXTENSIONS), Some(DEFAULT_OFFER));
    let (_, text) = started(&request, Config::new());
    assert_eq!(value(&text, EXTENSIONS), None);
}

#[test]
fn the_offer_of_each_configuration() {
    let see = |change: fn(&mut DeflateConfig), offer: &str| {
        let config = deflate(change);
        let (_, text) = started(&Request::new(URL).unwrap(), with_deflate(Some(config)));
        assert_eq!(value(&text, EXTENSIONS), Some(&*full(offer)));
        assert_eq!(config.offer().to_string(), full(offer));
    };
    see(|it| it.server_no_context_takeover = true, "sn c");
    see(|it| it.client_no_context_takeover = true, "cn c");
    see(|it| it.server_max_window_bits = 14, "s=14 c");
    see(|it| it.client_max_window_bits = 14, "c=14");
    // Our own window has at least 9 bits. Other values count as the nearest valid one.
    see(|it| it.server_max_window_bits = 8, "s=8 c");
    see(|it| it.client_max_window_bits = 8, "c=9");
    see(|it| it.server_max_window_bits = 0, "s=8 c");
    see(|it| it.client_max_window_bits = 0, "c=9");
    see(|it| it.server_max_window_bits = 255, "c");
    see(|it| it.client_max_window_bits = 255, "c");
}

#[test]
fn offers_of_the_application_are_one_list_in_order() {
    let request = Request::new(URL)
        .unwrap()
        .subprotocol("chat")
        .deflate_offer(offer("s=15"))
        .deflate_offer(offer("c=9 sn cn s=8"))
        .deflate_offer(Params::default())
        .header("X-Own", "1");
    let (_, text) = started(&request, with_deflate(Some(DeflateConfig::new())));
    let (_, own) = text.split_once("Sec-WebSocket-Protocol: ").unwrap();
    assert_eq!(
        own,
        "chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15, \
         permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=8; client_max_window_bits=9, permessage-deflate\r\n\
         X-Own: 1\r\n\r\n"
    );
    // Without `Config::deflate` nothing is offered.
    let (_, text) = started(&request, Config::new());
    assert_eq!(value(&text, EXTENSIONS), None);
}

#[test]
fn windows_that_do_not_exist_are_not_offered() {
    let start = |server: Option<u8>, client: Option<u8>, config: Config| {
        let request = Request::new(URL).unwrap();
        let request = request.deflate_offer(Params {
            server_max_window_bits: server,
            client_max_window_bits: client,
            ..Params::default()
        });
        let mut out = BytesMut::new();
        let started = client::Handshake::start(&request, Seed::from([7; 32]), config, &mut out);
        assert_eq!(started.is_err(), out.is_empty());
        started.err()
    };
    let wrong = Some(HeadError::InvalidWindowBits);
    for config in [with_deflate(Some(DeflateConfig::new())), Config::new()] {
        for bits in 0..=255 {
            let server = wrong.filter(|_| !(8..=15).contains(&bits));
            assert_eq!(start(Some(bits), None, config), server, "{bits}");
            let client = wrong.filter(|_| !(9..=15).contains(&bits));
            assert_eq!(start(None, Some(bits), config), client, "{bits}");
        }
    }
}

#[test]
fn the_application_cannot_write_the_field_itself() {
    for name in [EXTENSIONS, "sec-websocket-extensions"] {
        let request = Request::new(URL).unwrap().header(name, DEFAULT_OFFER);
        let mut out = BytesMut::new();
        let config = with_deflate(Some(DeflateConfig::new()));
        let error = client::Handshake::start(&request, Seed::from([7; 32]), config, &mut out);
        assert_eq!(error.unwrap_err(), HeadError::ReservedHeader);

        let response = Accept::new().header(name, "permessage-deflate");
        let pending = support::server::pending(&support::server::with(&[]));
        let error = pending.accept(response.deflate(Some(DeflateConfig::new())), &mut out);
        assert_eq!(error.unwrap_err(), HeadError::ReservedHeader);
    }
}

// --- what a server accepts ---------------------------------------------------------------------

#[test]
fn field_08_an_invalid_offer_is_skipped_and_the_next_one_taken() {
    for params in [
        "unknown",
        "unknown=1",
        "Server_no_context_takeover",
        "server_no_context_takeover=1",
        "server_no_context_takeover=true",
        "client_no_context_takeover=\"\\1\"",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=0",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=09",
        "server_max_window_bits=010",
        "server_max_window_bits=100",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=1e1",
        "server_max_window_bits=0xa",
        "server_max_window_bits=9.0",
        "server_max_window_bits=265",
        "server_max_window_bits=4294967305",
        "server_max_window_bits=9999999999999999999999",
        "server_max_window_bits=\"7\"",
        "server_max_window_bits=\"0\\9\"",
        "server_max_window_bits=9; server_max_window_bits=9",
        "server_max_window_bits=9; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=012",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=10",
        "client_max_window_bits=10; client_max_window_bits",
        "client_max_window_bits; unknown",
    ] {
        let config = Some(DeflateConfig::new());
        let bad = format!("permessage-deflate; {params}");
        assert_eq!(response_of(config, Accept::new(), &[&bad]), None, "{bad}");
        let good = "permessage-deflate; server_max_window_bits=11";
        for fields in [
            &[&*format!("{bad}, {good}, permessage-deflate")][..],
            &[&bad, good],
            &["x-other", "", &bad, &bad, good, "permessage-deflate"],
        ] {
            let response = response_of(config, Accept::new(), fields);
            assert_eq!(response.as_deref(), Some(good), "{fields:?}");
        }
    }
}

#[test]
fn field_08_quoted_values_and_white_space() {
    for offer in [
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate;server_max_window_bits=10",
        "permessage-deflate ;\tserver_max_window_bits=10 ",
        "permessage-deflate; server_max_window_bits=\"10\"",
        "permessage-deflate; server_max_window_bits=\"\\10\"",
        "permessage-deflate; server_max_window_bits=\"1\\0\"",
        "permessage-deflate; server_max_window_bits=\"\\1\\0\"",
        ", , permessage-deflate; server_max_window_bits=10,",
    ] {
        let response = response_to(DeflateConfig::new(), offer);
        let expected = "permessage-deflate; server_max_window_bits=10";
        assert_eq!(response.as_deref(), Some(expected), "{offer}");
    }
}

#[test]
fn other_extensions_are_skipped() {
    for other in [
        "x-other",
        "permessage-bzip2; a=1",
        "x-webkit-deflate-frame",
        "PERMESSAGE-DEFLATE",
    ] {
        assert_eq!(response_to(DeflateConfig::new(), other), None);
        let two = format!("{other}, {DEFAULT_OFFER}");
        let response = response_to(DeflateConfig::new(), &two);
        assert_eq!(response.as_deref(), Some("permessage-deflate"));
    }
}

/// "the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_" (RFC
/// 6455 §9.1). An invalid parameter only declines the offer.
#[test]
fn malformed_syntax_is_an_error_still() {
    for value in [
        "permessage-deflate;",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"9",
        "permessage-deflate; server_max_window_bits = ",
        "permessage-deflate; server_max_window_bits=\" 9\"",
        "permessage-deflate, \"",
    ] {
        let request = with_fields(support::server::request(), &[value, "permessage-deflate"]);
        refuses(&request, RequestError::Extensions, 400);
        // `DeflateConfig::accept` skips it: the handshake is not its task.
        let accepted = DeflateConfig::new().accept([value, "permessage-deflate"]);
        assert_eq!(accepted, Some(Params::default()), "{value}");
    }
}

#[test]
fn an_offer_that_cannot_be_held_is_declined_and_the_next_one_taken() {
    let config = deflate(|config| config.client_max_window_bits = 10);
    let offers = "permessage-deflate; client_no_context_takeover, \
                  permessage-deflate; server_max_window_bits=8; client_max_window_bits, \
                  permessage-deflate; client_max_window_bits=12, \
                  permessage-deflate; client_max_window_bits=9";
    assert_eq!(
        response_to(config, offers).as_deref(),
        Some("permessage-deflate; client_max_window_bits=10")
    );
}

#[test]
fn the_server_decides_for_each_connection() {
    let general = deflate(|config| config.server_max_window_bits = 10);
    let own = deflate(|config| config.server_no_context_takeover = true);
    for (config, accept, expected) in [
        (None, Accept::new(), None),
        (Some(general), Accept::new(), Some("s=10")),
        (Some(general), Accept::new().deflate(None), None),
        (None, Accept::new().deflate(None), None),
        (None, Accept::new().deflate(Some(own)), Some("sn")),
        (Some(general), Accept::new().deflate(Some(own)), Some("sn")),
    ] {
        let response = response_of(config, accept, &[DEFAULT_OFFER]);
        assert_eq!(response, expected.map(full));
    }
    // Without an offer there is no compression.
    assert_eq!(response_of(Some(general), Accept::new(), &[]), None);
    assert_eq!(
        response_of(Some(general), Accept::new().deflate(Some(own)), &[""]),
        None
    );
}

#[test]
fn the_response_on_the_wire() {
    let line = format!("{EXTENSIONS}: {DEFAULT_OFFER}");
    let request = support::server::with(&[&line, "Sec-WebSocket-Protocol: chat"]);
    let response = Accept::new()
        .subprotocol("chat")
        .deflate(Some(DeflateConfig::new()))
        .header("X-Own", "1");
    let mut out = BytesMut::new();
    support::server::pending(&request)
        .accept(response, &mut out)
        .unwrap();
    let head = String::from_utf8(out.to_vec()).unwrap();
    let (_, own) = head.split_once("Sec-WebSocket-Protocol: ").unwrap();
    assert_eq!(
        own,
        "chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-Own: 1\r\n\r\n"
    );
}

#[test]
fn the_application_sees_the_valid_offers() {
    let fields = [
        "permessage-deflate; unknown, x-other",
        "permessage-deflate; client_no_context_takeover, \
         permessage-deflate; server_max_window_bits=8; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate",
    ];
    let (offers, _) = requested(Config::new(), &fields).unwrap();
    let none = Params::default();
    assert_eq!(
        offers,
        [
            Params {
                client_no_context_takeover: true,
                ..none
            },
            Params {
                server_max_window_bits: Some(8),
                client_max_window_bits: Some(15),
                ..none
            },
            none,
        ]
    );
}

// --- what a client accepts ---------------------------------------------------------------------

#[test]
fn field_09_invalid_parameters() {
    let fails = |params: &str, error| {
        let offers = [DeflateConfig::new().offer()];
        let response = format!("permessage-deflate; {params}");
        assert_eq!(
            client_result(&offers, &[&response]),
            Err(error),
            "{response}"
        );
        assert_eq!(agreed(&offers, &response), None);
    };
    for params in [
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=09",
        "server_max_window_bits=1e1",
        "server_max_window_bits=9999999999",
        "server_max_window_bits",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=9; client_max_window_bits=9",
        "server_no_context_takeover=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover=\"1\"",
        "client_no_context_takeover; client_no_context_takeover",
        "unknown",
        "unknown=9",
    ] {
        fails(params, ResponseError::DeflateParameters);
    }
    // These do not conform to the grammar of RFC 6455 §9.1.
    for params in [
        "",
        "server_max_window_bits=",
        "server_max_window_bits=\"\"",
        "server_max_window_bits=\"9",
        "server_max_window_bits 9",
    ] {
        fails(params, ResponseError::Extension);
    }
}

#[test]
fn field_09_another_extension_or_more_than_one() {
    let offers = [DeflateConfig::new().offer()];
    for fields in [
        &[""][..],
        &["x-other"],
        &["Permessage-Deflate"],
        &["permessage-deflate-2"],
        &["permessage-deflate, permessage-deflate"],
        &["permessage-deflate, x-other"],
        &["x-other, permessage-deflate"],
        &[","],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate", "x-other"],
        &["\""],
        &["permessage-deflate;"],
    ] {
        let result = client_result(&offers, fields);
        assert_eq!(result, Err(ResponseError::Extension), "{fields:?}");
        let response = fields.join(", ");
        assert_eq!(
            Params::agree(&offers, &response),
            Err(NegotiationError),
            "{fields:?}"
        );
    }
    // "the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in an HTTP
    // response" (RFC 6455 §11.3.2).
    for fields in [["permessage-deflate", ""], ["", "permessage-deflate"]] {
        let result = client_result(&offers, &fields);
        assert_eq!(result, Err(ResponseError::Extension), "{fields:?}");
    }
    assert_eq!(client_result(&offers, &["permessage-deflate"]), Ok(()));
    // The server declines.
    assert_eq!(client_result(&offers, &[]), Ok(()));
}

/// "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110
/// §5.6.1.2).
#[test]
fn fixed_05_empty_elements_of_the_list_are_ignored() {
    let offers = [DeflateConfig::new().offer()];
    for response in [
        "permessage-deflate,",
        ",permessage-deflate",
        "\t,, permessage-deflate; server_no_context_takeover , ,",
    ] {
        let expected = if response.contains("takeover") {
            "sn"
        } else {
            ""
        };
        assert_eq!(
            agreed(&offers, response),
            Some(offer(expected)),
            "{response:?}"
        );
    }
}

/// RFC 6455 §9.1 uses the grammar of RFC 2616 "including the "implied *LWS rule"".
#[test]
fn fixed_04_white_space_around_the_equals_sign() {
    for (equals, bits) in [
        (" = ", "10"),
        ("=\t", "10"),
        ("\t =", "\"10\""),
        (" = ", "\"1\\0\""),
    ] {
        let text = format!("permessage-deflate; server_max_window_bits{equals}{bits}");
        let expected = full("s=10");
        assert_eq!(
            response_to(DeflateConfig::new(), &text),
            Some(expected),
            "{text:?}"
        );
        assert_eq!(
            agreed(&[offer("s=10")], &text),
            Some(offer("s=10")),
            "{text:?}"
        );
    }
}

#[test]
fn field_09_deflate_that_was_not_offered() {
    let response = support::client::with(&["Sec-WebSocket-Extensions: permessage-deflate"]);
    let plain = Request::new(URL).unwrap();
    let silent = plain.clone().deflate_offer(Params::default());
    for request in [plain, silent] {
        let result = outcome([&response[..]], &request, Config::new());
        assert_eq!(result, Outcome::Failed(ResponseError::Extension));
    }
    assert_eq!(
        Params::agree(&[], "permessage-deflate"),
        Err(NegotiationError)
    );
}

#[test]
fn a_response_belongs_to_the_first_offer_that_it_fits() {
    let offers = ["s=9 cn", "sn c=10", "c"].map(offer);
    for (response, result) in [
        ("s=9", "s=9 cn"),
        ("sn", "sn c=10"),
        ("sn c=12", "sn c=12"),
        ("s=10", "s=10"),
        ("", ""),
    ] {
        let result = offer(result);
        assert_eq!(agreed(&offers, &full(response)), Some(result), "{response}");
    }
}

// --- anything ----------------------------------------------------------------------------------

fn bits() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 8u8..=15, 2 => Just(15), 1 => any::<u8>()]
}

fn configs() -> impl Strategy<Value = DeflateConfig> {
    (any::<[bool; 2]>(), bits(), bits()).prop_map(|([server_no, client_no], server, client)| {
        deflate(|config| {
            config.server_no_context_takeover = server_no;
            config.client_no_context_takeover = client_no;
            config.server_max_window_bits = server;
            config.client_max_window_bits = client;
        })
    })
}

/// Offers that a client can send.
fn offers() -> impl Strategy<Value = Params> {
    let server = option::of(8u8..=15);
    let client = option::of(9u8..=15);
    (any::<[bool; 2]>(), server, client).prop_map(|([server_no, client_no], server, client)| {
        Params {
            server_no_context_takeover: server_no,
            client_no_context_takeover: client_no,
            server_max_window_bits: server,
            client_max_window_bits: client,
        }
    })
}

/// Values of the field, most of them almost valid.
fn fields() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        "x",
    ]);
    let param = (name, "(|=|=[0-9]{1,2}|=\"\\\\?[0-9]{1,2}\"|[ -~]{1,4})");
    let param = param.prop_map(|(name, value)| format!("; {name}{value}"));
    let name = prop_oneof![5 => Just("permessage-deflate"), 1 => Just("x")];
    let element =
        (name, vec(param, 0..4)).prop_map(|(name, params)| name.to_owned() + &params.concat());
    let list = vec(element, 0..3).prop_map(|elements| elements.join(", "));
    prop_oneof![4 => list, 1 => "[ -~]{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The client accepts the response of the server, and both agree on the same parameters.
    #[test]
    fn both_ends_come_to_the_same(
        client in configs(),
        server in configs(),
        explicit in vec(offers(), 0..4),
    ) {
        let mut request = Request::new("ws://example.com/").unwrap();
        for offer in &explicit {
            request = request.deflate_offer(*offer);
        }
        let (mut asking, text) = started(&request, with_deflate(Some(client)));
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(text.as_bytes());
        let mut listening = server::Handshake::new(with_deflate(Some(server)), Origins::SameOrigin);
        let (seen, pending) = listening.next(&mut input, &mut out).unwrap().unwrap();
        let offers = if explicit.is_empty() { vec![client.offer()] } else { explicit };
        prop_assert_eq!(&seen.deflate_offers().collect::<Vec<_>>(), &offers);
        pending.accept(Accept::new(), &mut out).unwrap();

        let head = String::from_utf8(out.to_vec()).unwrap();
        let response = value(&head, EXTENSIONS);
        let accepted = server.accept(value(&text, EXTENSIONS));
        prop_assert_eq!(response.map(String::from), written(accepted));
        if let (Some(response), Some(accepted)) = (response, accepted) {
            prop_assert_eq!(Params::agree(&offers, response), Ok(accepted));
            // zlib does not support less.
            prop_assert!(accepted.server_max_window_bits.is_none_or(|bits| bits >= 9));
        }
        let mut input = RecvBuf::new();
        input.extend_from_slice(&out);
        prop_assert!(matches!(asking.next(&mut input), Ok(Some(client::Outcome::Accepted(..)))));
    }

    /// For any offer the server does not panic, and its response fits the offer.
    #[test]
    fn any_offer_is_declined_or_accepted(server in configs(), fields in vec(fields(), 0..4)) {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        match requested(with_deflate(Some(server)), &fields) {
            Err(error) => prop_assert_eq!(error, RequestError::Extensions),
            Ok((offers, pending)) => {
                let elsewhere = server.accept(fields.iter().copied());
                let response = accepted(pending, Accept::new());
                prop_assert_eq!(&response, &written(elsewhere));
                if let Some(response) = response {
                    prop_assert_eq!(Params::agree(&offers, &response).ok(), elsewhere);
                }
            }
        }
    }

    /// For any response the client accepts or fails as `Params::agree` does, and the parameters are
    /// within the offer.
    #[test]
    fn any_response_is_accepted_or_fails(offers in vec(offers(), 1..4), field in fields()) {
        if let Some(agreed) = agreed(&offers, field.trim_ascii()) {
            let fits = |offer: &Params| {
                let within = |bits: Option<u8>, limit: Option<u8>| {
                    bits.unwrap_or(15) <= limit.unwrap_or(15)
                };
                agreed.server_no_context_takeover >= offer.server_no_context_takeover
                    && agreed.client_no_context_takeover >= offer.client_no_context_takeover
                    && within(agreed.server_max_window_bits, offer.server_max_window_bits)
                    && within(agreed.client_max_window_bits, offer.client_max_window_bits)
            };
            prop_assert!(offers.iter().any(fits));
        }
    }
}
