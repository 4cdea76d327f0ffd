//! Proves that a server accepts only the configured origins (RFC 6455 §10.2), and that an
//! application cannot send an invalid response or choose a subprotocol that was not offered.
//!
//! `field_NN` in the name of a test is a defect that other WebSocket libraries had. `fixed_NN` is
//! one that this crate had.

use bytes::BytesMut;
use websocket_proto::Config;
use websocket_proto::handshake::{
    HeadError,
    server::{Accept, Origins, Reject, RequestError},
};

mod support;

use support::server::{
    accepts, assert_refused, edited, outcome, outcome_of, pending, refuses, with,
};

// --- the application's decisions ---------------------------------------------------------------

#[test]
fn field_16_an_application_cannot_break_the_response() {
    let cases = [
        ("X", "a\r\nb", HeadError::InvalidHeaderValue),
        ("X", "a\nb", HeadError::InvalidHeaderValue),
        ("X", "a\0", HeadError::InvalidHeaderValue),
        ("X", "\u{7f}", HeadError::InvalidHeaderValue),
        ("", "a", HeadError::InvalidHeaderName),
        ("X: y\r\nZ", "a", HeadError::InvalidHeaderName),
        ("X Y", "a", HeadError::InvalidHeaderName),
        ("X\u{e9}", "a", HeadError::InvalidHeaderName),
        ("upgrade", "a", HeadError::ReservedHeader),
        ("Connection", "a", HeadError::ReservedHeader),
        ("Content-Length", "0", HeadError::ReservedHeader),
        ("TRANSFER-ENCODING", "a", HeadError::ReservedHeader),
        ("Sec-WebSocket-Accept", "a", HeadError::ReservedHeader),
        ("sec-websocket-anything", "a", HeadError::ReservedHeader),
    ];
    for (name, value, error) in cases {
        let mut out = BytesMut::new();
        let accepted = pending(&with(&[])).accept(Accept::new().header(name, value), &mut out);
        assert_eq!(accepted.unwrap_err(), error, "{name}: {value}");
        let mut other = BytesMut::new();
        let rejected = pending(&with(&[])).reject(Reject::new(404).header(name, value), &mut other);
        assert_eq!(rejected.unwrap_err(), error, "{name}: {value}");

        // The client still gets a response, which does not tell why.
        assert!(out.starts_with(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n"));
        let text = String::from_utf8(out.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert_eq!(out, other);
    }
}

#[test]
fn field_16_a_subprotocol_that_was_not_offered() {
    let cases = [
        (with(&[]), "chat"),
        (with(&[]), ""),
        (with(&["Sec-WebSocket-Protocol: chat"]), "Chat"),
        (
            with(&["Sec-WebSocket-Protocol: chat, superchat"]),
            "chat,superchat",
        ),
        (
            with(&["Sec-WebSocket-Protocol: chat, superchat"]),
            "chat\r\n",
        ),
    ];
    for (request, name) in cases {
        let mut out = BytesMut::new();
        let accepted = pending(&request).accept(Accept::new().subprotocol(name), &mut out);
        assert_eq!(accepted.unwrap_err(), HeadError::SubprotocolNotOffered);
        assert!(out.starts_with(b"HTTP/1.1 500 "));
    }
    let request = with(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b ,,c"]);
    for name in ["a", "b", "c"] {
        let mut out = BytesMut::new();
        pending(&request)
            .accept(Accept::new().subprotocol(name), &mut out)
            .unwrap();
        let line = format!("\r\nSec-WebSocket-Protocol: {name}\r\n");
        assert!(String::from_utf8_lossy(&out).contains(&line));
    }
}

// --- origins -----------------------------------------------------------------------------------

#[test]
fn field_17_the_same_origin() {
    let ask = |host: &str, origin: &str| {
        let request = edited(|lines| {
            lines[1] = format!("Host: {host}");
            lines.push(format!("Origin: {origin}"));
        });
        outcome_of(&request).result.map(|_| ())
    };
    for (host, origin) in [
        ("example.com", "https://example.com"),
        ("example.com", "http://example.com"),
        ("EXAMPLE.com", "https://Example.COM"),
        ("example.com", "HTTPS://example.com"),
        ("example.com:443", "https://example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com:80", "http://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("127.0.0.1", "http://127.0.0.1"),
    ] {
        assert_eq!(ask(host, origin), Ok(()), "{host} {origin}");
    }
    for (host, origin) in [
        ("example.com", "null"),
        ("null", "null"),
        ("example.com", "https://evil.com"),
        ("example.com", "https://example.com:8443"),
        ("example.com:8443", "https://example.com"),
        ("example.com:80", "https://example.com"),
        ("example.com", "https://example.com."),
        ("example.com.", "https://example.com"),
        ("example.com", "https://example.com.evil"),
        ("example.com", "https://evil-example.com"),
        ("example.com", "https://www.example.com"),
        ("example.com", "https://example.com@evil.com"),
        ("example.com", "https://evil@example.com"),
        ("example.com", "https://example.com/"),
        ("example.com", "https://example.com/path"),
        ("example.com", "https://example.com?"),
        ("example.com", "https://example.com#"),
        ("example.com", "https://example.com:0443x"),
        ("example.com", "https://example.com:+443"),
        ("example.com", "https://example.com https://evil.com"),
        ("example.com", "https://example.com, https://evil.com"),
        ("example.com", "//example.com"),
        ("example.com", "example.com"),
        ("example.com", "://example.com"),
        ("example.com", "1https://example.com"),
        ("example.com", "moz-extension://example.com"),
        ("example.com", "https://"),
    ] {
        assert_eq!(
            ask(host, origin),
            Err(RequestError::OriginNotAllowed),
            "{host} {origin}"
        );
    }
    refuses(
        &with(&["Origin: https://evil.com"]),
        RequestError::OriginNotAllowed,
        403,
    );
    // The client is not a browser.
    accepts(&with(&[]));
}

/// By DNS rebinding a page of `attacker.example` reaches a server on a private address, and both
/// `Host` and `Origin` contain the name of the attacker.
#[test]
fn fixed_18_dns_rebinding_is_refused_with_a_list_of_hosts() {
    let origins =
        Origins::hosts(["App.example.com", "192.168.1.20:8080", "[::1]", "a:443"]).unwrap();
    let ask = |origins: &Origins, host: &str, origin: &str| {
        let request = edited(|lines| {
            lines[1] = format!("Host: {host}");
            lines.extend((!origin.is_empty()).then(|| format!("Origin: {origin}")));
        });
        let outcome = outcome([&request[..]], Config::new(), origins.clone());
        outcome.result.map(|_| ())
    };
    let rebound = ("attacker.example:8080", "http://attacker.example:8080");
    assert_eq!(ask(&Origins::SameOrigin, rebound.0, rebound.1), Ok(()));

    for (host, origin) in [
        ("app.example.com", "https://app.example.com"),
        ("APP.example.com:8443", "https://app.EXAMPLE.com:8443"),
        ("192.168.1.20:8080", "http://192.168.1.20:8080"),
        ("[::1]:3000", "http://[::1]:3000"),
        // The default port of the scheme of the origin.
        ("a", "https://a"),
        ("a:443", "https://a"),
        ("a:443", "http://a:443"),
        // Without `Origin` the client is not a browser.
        ("app.example.com", ""),
        ("attacker.example", ""),
    ] {
        assert_eq!(ask(&origins, host, origin), Ok(()), "{host} {origin}");
    }
    for (host, origin) in [
        rebound,
        // Not the same origin.
        ("app.example.com", "https://attacker.example"),
        ("attacker.example", "https://app.example.com"),
        ("app.example.com", "https://192.168.1.20:8080"),
        ("app.example.com:8443", "https://app.example.com"),
        ("app.example.com", "null"),
        // Another port than the entry names.
        ("192.168.1.20", "http://192.168.1.20"),
        ("192.168.1.20:8081", "http://192.168.1.20:8081"),
        ("a", "http://a"),
        ("a:8443", "https://a:8443"),
        (
            "app.example.com.attacker.example",
            "http://app.example.com.attacker.example",
        ),
        ("example.com", "https://example.com"),
    ] {
        let result = ask(&origins, host, origin);
        assert_eq!(
            result,
            Err(RequestError::OriginNotAllowed),
            "{host} {origin}"
        );
    }
    let none = Origins::hosts::<[&str; 0]>([]).unwrap();
    let result = ask(&none, "example.com", "https://example.com");
    assert_eq!(result, Err(RequestError::OriginNotAllowed));

    for entry in [
        "",
        "*",
        "*.example.com",
        "https://example.com",
        "example.com/",
        "example.com:",
        "a b",
        "user@a",
        "::1",
        "a:65536",
        "a:x",
        ":80",
        "a,b",
        "example.com ",
    ] {
        let error = Origins::hosts([entry]).unwrap_err();
        assert_eq!(error, HeadError::InvalidHost, "{entry:?}");
    }
    let Origins::Hosts(list) = origins else {
        panic!()
    };
    assert_eq!(list.iter().next(), Some("App.example.com"));
}

#[test]
fn field_17_a_target_in_absolute_form_replaces_the_host() {
    let ask = |origin: &str| {
        let request = edited(|lines| {
            lines[0] = "GET http://other.com:81/ HTTP/1.1".into();
            lines.push(format!("Origin: {origin}"));
        });
        outcome_of(&request).result.map(|_| ())
    };
    assert_eq!(ask("http://other.com:81"), Ok(()));
    assert_eq!(
        ask("http://example.com"),
        Err(RequestError::OriginNotAllowed)
    );
}

#[test]
fn field_17_origins_that_are_no_text_or_come_twice() {
    for lines in [
        &["Origin: "][..],
        &["Origin: \u{e9}"],
        &["Origin: null", "Origin: null"],
    ] {
        for origins in [Origins::SameOrigin, Origins::Any] {
            let outcome = outcome([&with(lines)[..]], Config::new(), origins);
            assert_refused(&outcome, RequestError::InvalidOrigin, 400);
        }
    }
}

#[test]
fn field_17_a_list_of_origins_and_any() {
    let origins = Origins::listed([
        "https://example.org",
        "http://localhost:3000",
        "https://Example.net:443",
        "chrome-extension://abcdefgh",
    ])
    .unwrap();
    let ask = |origins: &Origins, origin: &str| {
        let request = with(&[&format!("Origin: {origin}")]);
        outcome([&request[..]], Config::new(), origins.clone())
            .result
            .map(|_| ())
    };
    for origin in [
        "https://example.org",
        "https://EXAMPLE.org:443",
        "http://localhost:3000",
        "https://example.net",
        "chrome-extension://abcdefgh",
    ] {
        assert_eq!(ask(&origins, origin), Ok(()), "{origin}");
    }
    for origin in [
        "http://example.org",
        "http://example.org:443",
        "https://example.org:8443",
        "https://example.org.",
        "https://example.org.evil",
        "http://localhost",
        "https://example.com",
        "null",
    ] {
        assert_eq!(
            ask(&origins, origin),
            Err(RequestError::OriginNotAllowed),
            "{origin}"
        );
        assert_eq!(ask(&Origins::Any, origin), Ok(()), "{origin}");
    }
    let none = Origins::listed::<[&str; 0]>([]).unwrap();
    assert_eq!(
        ask(&none, "https://example.com"),
        Err(RequestError::OriginNotAllowed)
    );

    for entry in [
        "null",
        "1https://example.com",
        "h_ttps://example.com",
        "*",
        "example.com",
        "https://example.com/",
        "https://*.example.com",
        "",
    ] {
        assert_eq!(
            Origins::listed([entry]).unwrap_err(),
            HeadError::InvalidOrigin,
            "{entry}"
        );
    }
}
