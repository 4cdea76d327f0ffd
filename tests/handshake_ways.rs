//! Proves that a head that arrives whole, which is parsed at once, has the same outcome as the same
//! head in pieces, whose end is searched first: for real heads, for each cut of them, for each
//! changed byte, and at the limits.

use proptest::{prelude::*, sample::Index};
use websocket_proto::Config;
use websocket_proto::handshake::{client::Request, server::Origins};

mod support;

use support::{client, server};

/// The request of a browser.
const REQUEST: &str = "GET /chat?room=7 HTTP/1.1\r\n\
    Host: server.example.com:8080\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Pragma: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Upgrade: websocket\r\n\
    Origin: http://server.example.com:8080\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip,\tdeflate, br\r\n\
    Cookie: name=caf\u{e9}; empty=\r\n\
    X-Empty:\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

/// A response to a client that offers `chat`.
fn response() -> Vec<u8> {
    client::with(&["sec-websocket-protocol: chat", "Server: an example", "X:"])
}

fn ask(chunks: &[&[u8]], config: Config) -> server::Outcome {
    let mut outcome = server::outcome(chunks.iter().copied(), config, Origins::SameOrigin);
    if outcome.result.is_err() {
        // Only the bytes of the first error are dropped.
        outcome.left.clear();
    }
    outcome
}

fn answer(chunks: &[&[u8]], config: Config) -> client::Outcome {
    let request = Request::new(client::URL).unwrap().subprotocol("chat");
    client::outcome(chunks.iter().copied(), &request, config)
}

/// Compares the outcomes of the request in one piece, and in two.
#[track_caller]
fn assert_same_request(request: &[u8], cut: usize, config: Config) {
    let (start, rest) = request.split_at(cut);
    let text = String::from_utf8_lossy(request);
    assert_eq!(
        ask(&[request], config),
        ask(&[start, rest], config),
        "{cut} {text}"
    );
}

#[track_caller]
fn assert_same_response(response: &[u8], cut: usize, config: Config) {
    let (start, rest) = response.split_at(cut);
    let text = String::from_utf8_lossy(response);
    assert_eq!(
        answer(&[response], config),
        answer(&[start, rest], config),
        "{cut} {text}"
    );
}

#[test]
fn every_cut() {
    let mut request = REQUEST.as_bytes().to_vec();
    request.extend(b"\x81\x80frame");
    assert!(matches!(
        ask(&[&request], Config::new()).result,
        Ok(Some(_))
    ));
    for cut in 0..=request.len() {
        assert_same_request(&request, cut, Config::new());
    }
    let response = [&response()[..], b"\x81\x00"].concat();
    assert!(matches!(
        answer(&[&response], Config::new()),
        client::Outcome::Accepted { .. }
    ));
    for cut in 0..=response.len() {
        assert_same_response(&response, cut, Config::new());
    }
}

/// Each byte of a head is replaced, left out, and preceded by another one.
#[test]
fn every_changed_byte() {
    let changed = |head: &[u8], check: fn(&[u8], usize, Config)| {
        for at in 0..head.len() {
            for byte in [
                b' ',
                b'\t',
                b'\r',
                b'\n',
                0,
                0x7F,
                0x80,
                b':',
                b',',
                b'"',
                head[at] ^ 0x20,
            ] {
                let mut other = head.to_vec();
                other[at] = byte;
                check(&other, 1, Config::new());
                other.insert(at, head[at]);
                check(&other, 1, Config::new());
            }
            let other = [&head[..at], &head[at + 1..]].concat();
            check(&other, 1, Config::new());
        }
    };
    changed(REQUEST.as_bytes(), assert_same_request);
    changed(&response(), assert_same_response);
}

#[test]
fn every_limit() {
    let (request, response) = (REQUEST.as_bytes(), response());
    for limit in 0..request.len() + 2 {
        let config = support::config(|config| config.max_head_size = limit);
        assert_same_request(request, 1, config);
        assert_same_response(&response, 1, config);
    }
    for limit in 0..16 {
        let config = support::config(|config| config.max_headers = limit);
        assert_same_request(request, 1, config);
        assert_same_response(&response, 1, config);
    }
}

proptest! {
    /// Names in any case, and lines in any order, are accepted.
    #[test]
    fn any_case_and_order(
        upper in proptest::collection::vec(any::<bool>(), 600),
        order in Just((1..14).collect::<Vec<usize>>()).prop_shuffle(),
        cut in any::<Index>(),
    ) {
        let lines: Vec<_> = REQUEST.trim_end().split("\r\n").collect();
        let mut request = format!("{}\r\n", lines[0]);
        for at in order {
            let (name, value) = lines[at].split_once(':').unwrap();
            for (letter, upper) in name.chars().zip(&upper[at * 24..]) {
                request.push(if *upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
            }
            request.push_str(&format!(":{value}\r\n"));
        }
        request.push_str("\r\n");
        server::accepts(request.as_bytes());
        assert_same_request(request.as_bytes(), cut.index(request.len()), Config::new());
    }
}
