//! The handshake: the judge is a naive server, and a naive client, written from the RFCs.

use bytes::BytesMut;
use websocket_proto::{
    Config, RecvBuf, Seed,
    deflate::{DeflateConfig, Params},
    handshake::{
        client::{self, Outcome},
        server::{self, Accept, Origins},
    },
};

use super::{
    Choices, Right, Row, Subject, Used, heads,
    http::{self, BAD, Limits, Stop},
    naive, pieces,
};
use crate::support::config;

pub const SUBJECT: Subject = Subject {
    name: "handshake",
    body,
    rows: &[&HOST, &TARGET, &SCHEME, &EMPTY_LIST, &STATUS_LINE],
};

pub const HOST: Row = Row {
    name: "an unusual host",
    difference: "the crate takes any characters of names and `%`, any digits, colons and dots in \
        brackets, and ports up to 65535; it refuses `!$&'()*+,;=` and IPvFuture",
    rfc: "RFC 9112 §3.2: a server MUST refuse an invalid Host; RFC 3986 §3.2.2: what a host is. No name \
        of the DNS and no address has these characters",
    right: Right::Judge,
};
pub const TARGET: Row = Row {
    name: "a character of the target that must be encoded",
    difference: "the crate accepts every visible ASCII character but `#`",
    rfc: "RFC 3986 §3.3, §3.4: pchar; browsers send some others, as WHATWG URL allows",
    right: Right::Judge,
};
pub const SCHEME: Row = Row {
    name: "a target with the scheme ws or wss",
    difference: "the crate accepts it as http or https",
    rfc: "RFC 6455 §4.2.1: an absolute HTTP/HTTPS URI; RFC 9112 §3.2.2: a server MUST accept the \
        absolute-form, and the URI of a WebSocket has these schemes",
    right: Right::Both,
};
pub const EMPTY_LIST: Row = Row {
    name: "a request with an empty Sec-WebSocket-Protocol or Sec-WebSocket-Extensions",
    difference: "the crate takes it for a field that is not there",
    rfc: "RFC 6455 §11.3.2, §11.3.4: 1#extension, 1#token; RFC 9110 §5.6.1.2: empty elements are \
        ignored, and do not count",
    right: Right::Judge,
};
pub const STATUS_LINE: Row = Row {
    name: "a status line that ends with the status",
    difference: "the crate accepts it",
    rfc: "RFC 9112 §4: a server MUST send the space after the status, also without a reason",
    right: Right::Judge,
};

const LIMITS: Limits = Limits {
    head: 700,
    fields: 12,
};

fn body(data: &[u8]) -> Used {
    let mut choices = Choices(data);
    let sizes = choices.sizes();
    match choices.below(2) {
        0 => {
            let same_origin = choices.one_in(2);
            request(heads::request(&mut choices), &sizes, same_origin)
        }
        _ => {
            let deflate = deflate(&mut choices);
            let head = |accept: &str| heads::response(&mut choices, accept);
            response(head, &sizes, deflate)
        }
    }
}

fn limits(deflate: Option<DeflateConfig>) -> Config {
    config(|c| {
        c.max_head_size = LIMITS.head;
        c.max_headers = LIMITS.fields;
        c.deflate = deflate;
    })
}

// --- the server -----------------------------------------------------------------------------------

/// Compares the results, and adds the rows that were needed.
pub fn request(mut bytes: Vec<u8>, sizes: &[usize], same_origin: bool) -> Used {
    let mut used = Used::new();
    loop {
        let ours = our_server(&bytes, sizes, same_origin);
        let judge = naive::request(&bytes, LIMITS, same_origin);
        if ours == judge {
            return used;
        }
        match mend_request(&bytes, &ours, &judge) {
            Some((row, mended)) => {
                used.push(row);
                bytes = mended;
            }
            None => panic!(
                "{}\nthe crate: {ours:?}\nnaive: {judge:?}",
                bytes.escape_ascii()
            ),
        }
    }
}

/// What the crate does. Its response must have the status, or be one that the naive client accepts.
fn our_server(bytes: &[u8], sizes: &[usize], same_origin: bool) -> Result<naive::Request, Stop> {
    let origins = match same_origin {
        true => Origins::SameOrigin,
        false => Origins::Any,
    };
    let deflate = DeflateConfig::new();
    let mut handshake = server::Handshake::new(limits(Some(deflate)), origins);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut seen = Err(Stop::Incomplete);
    let mut read = 0;
    for piece in pieces(bytes, sizes) {
        input.extend_from_slice(piece);
        read += piece.len();
        match handshake.next(&mut input, &mut out) {
            Ok(None) => {}
            Ok(Some((request, pending))) => {
                let text = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
                let mut request = naive::Request {
                    path: request.path().to_owned(),
                    query: request.query().map(str::to_owned),
                    host: request.host().to_owned(),
                    subprotocols: text(request.subprotocols().collect()),
                    extensions: text(request.extensions().collect()),
                    offers: request.deflate_offers().collect(),
                    key: String::from_utf8_lossy(request.header("sec-websocket-key").unwrap())
                        .into(),
                    len: 0,
                };
                let last = request.subprotocols.last();
                let accept = last.map_or(Accept::new(), |name| Accept::new().subprotocol(name));
                let connection = pending.accept(accept, &mut out).expect("it was offered");
                request.len = read - input.unread().len();
                let expected = naive::Response::Accepted {
                    subprotocol: last.cloned(),
                    deflate: connection.deflate(),
                    len: out.len(),
                };
                assert_eq!(
                    naive::response(&out, LIMITS, &request.offer()),
                    Ok(expected)
                );
                assert_eq!(connection.deflate(), chosen(&request.offers), "{request:?}");
                seen = Ok(request);
            }
            Err(error) => {
                let status = error.status().expect("the stream goes on");
                let refused = Ok(naive::Response::Refused(status));
                assert_eq!(
                    naive::response(&out, LIMITS, &naive::Offer::default()),
                    refused
                );
                return Err(Stop::Status(status));
            }
        }
    }
    if let Ok(request) = &seen {
        assert_eq!(input.unread(), &bytes[request.len..]);
    }
    seen
}

/// What a server with the default configuration makes of the offers (RFC 7692 §7.1): it takes the first
/// one, but has no window of 8 bits, and does not repeat a limit of 15.
fn chosen(offers: &[Params]) -> Option<Params> {
    let mut chosen = *offers
        .iter()
        .find(|it| it.server_max_window_bits != Some(8))?;
    chosen.client_max_window_bits = chosen.client_max_window_bits.filter(|bits| *bits < 15);
    Some(chosen)
}

/// Replaces what a justified difference is about by something usual. Where the crate accepts what the
/// judge refuses, it must report the path and the host as they are.
fn mend_request(
    bytes: &[u8],
    ours: &Result<naive::Request, Stop>,
    judge: &Result<naive::Request, Stop>,
) -> Option<(&'static Row, Vec<u8>)> {
    let head = http::head(bytes, LIMITS, true).ok()?;
    let [method, target, version] = http::request_line(&head.start_line)?;
    let line = |target: &str| format!("{method} {target} HTTP/{version}");
    let mended = |row, line: String, fields: &[(String, String)]| {
        Some((row, head_bytes(line, fields, &bytes[head.len..])))
    };
    let is_refused = judge.as_ref().err() == Some(&BAD);
    if let Some((scheme, rest)) = target.split_once("://")
        && ["ws", "wss"].contains(&&*scheme.to_ascii_lowercase())
        && is_refused
    {
        return mended(&SCHEME, line(&format!("http://{rest}")), &head.fields);
    }
    let has_host = |host: &str| match ours {
        Ok(ours) => is_refused && ours.host == host,
        Err(status) => is_refused || *status == BAD,
    };
    if let Some((authority, resource)) = http::split_target(target) {
        let visible = |it: u8| it.is_ascii_graphic() && it != b'#';
        if is_refused && !http::is_resource(resource) && resource.bytes().all(visible) {
            let expected = match resource.starts_with('/') {
                true => resource.to_owned(),
                false => format!("/{resource}"),
            };
            if ours.as_ref().is_ok_and(|ours| ours.resource() != expected) {
                return None;
            }
            let origin = authority.map_or(String::new(), |it| format!("http://{it}"));
            return mended(&TARGET, line(&format!("{origin}/")), &head.fields);
        }
        if let Some(authority) = authority.filter(|it| is_unusual(it) && has_host(it)) {
            let rest = target.split_once(authority)?.1;
            return mended(&HOST, line(&format!("http://h{rest}")), &head.fields);
        }
        // Of an absolute form the host is reported, but the field must be valid as well.
        let mut fields = head.fields.clone();
        let host = fields
            .iter_mut()
            .find(|it| it.0 == "host" && is_unusual(&it.1));
        if let Some(host) = host.filter(|it| authority.is_some() || has_host(&it.1)) {
            host.1 = "h".into();
            return mended(&HOST, head.start_line.clone(), &fields);
        }
    }
    let mut fields = head.fields.clone();
    let is_empty = |(name, value): &(String, String)| {
        ["sec-websocket-protocol", "sec-websocket-extensions"].contains(&&**name)
            && value.chars().all(|it| " \t,".contains(it))
    };
    let at = fields.iter().position(is_empty).filter(|_| is_refused)?;
    fields.remove(at);
    mended(&EMPTY_LIST, head.start_line.clone(), &fields)
}

/// It has other characters than most names and addresses, or more digits of a port.
fn is_unusual(authority: &str) -> bool {
    let (name, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let usual = |it: char| it.is_ascii_alphanumeric() || "-.".contains(it);
    !name.is_empty() && (!name.chars().all(usual) || port.len() > 4)
}

fn head_bytes(line: String, fields: &[(String, String)], rest: &[u8]) -> Vec<u8> {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}:{value}\r\n"));
    let text = line + "\r\n" + &fields.collect::<String>() + "\r\n";
    // It is Latin-1.
    text.chars()
        .map(|it| it as u8)
        .chain(rest.iter().copied())
        .collect()
}

// --- the client -----------------------------------------------------------------------------------

fn deflate(choices: &mut Choices<'_>) -> Option<DeflateConfig> {
    let mut deflate = DeflateConfig::new();
    deflate.server_no_context_takeover = choices.one_in(4);
    deflate.client_no_context_takeover = choices.one_in(4);
    deflate.server_max_window_bits = choices.pick(&[15, 10]);
    deflate.client_max_window_bits = choices.pick(&[15, 10]);
    choices.pick(&[None, Some(deflate)])
}

/// `head` makes the response, from the right `Sec-WebSocket-Accept`.
pub fn response(
    head: impl FnOnce(&str) -> Vec<u8>,
    sizes: &[usize],
    deflate: Option<DeflateConfig>,
) -> Used {
    let mut used = Used::new();
    let start = || {
        let request = client::Request::new("ws://example.com:8080/chat?room=7").expect("a URL");
        let request = request.subprotocol("chat").subprotocol("superchat");
        let mut out = BytesMut::new();
        let seed = Seed::from([7; 32]);
        let handshake = client::Handshake::start(&request, seed, limits(deflate), &mut out);
        (handshake.expect("a request"), out)
    };
    let (_, out) = start();
    // The naive server accepts the request of the crate.
    let request = naive::request(&out, LIMITS, true).expect("a valid request");
    let target = (&*request.path, request.query.as_deref(), &*request.host);
    assert_eq!(target, ("/chat", Some("room=7"), "example.com:8080"));
    assert_eq!(
        request.offers.first().copied(),
        deflate.map(|it| it.offer())
    );
    let offer = request.offer();
    assert_eq!(offer.subprotocols, ["chat", "superchat"]);

    let mut bytes = head(&naive::accept(&offer.key));
    loop {
        let ours = our_client(start().0, &bytes, sizes);
        let judge = naive::response(&bytes, LIMITS, &offer).map_err(|stop| match stop {
            Stop::Incomplete => stop,
            Stop::Status(_) => BAD,
        });
        if ours == judge {
            return used;
        }
        match mend_response(&bytes) {
            Some(mended) => {
                used.push(&STATUS_LINE);
                bytes = mended;
            }
            None => panic!(
                "{}\nthe crate: {ours:?}\nnaive: {judge:?}",
                bytes.escape_ascii()
            ),
        }
    }
}

fn our_client(
    mut handshake: client::Handshake,
    bytes: &[u8],
    sizes: &[usize],
) -> Result<naive::Response, Stop> {
    let mut input = RecvBuf::new();
    let mut seen = Err(Stop::Incomplete);
    let mut read = 0;
    for piece in pieces(bytes, sizes) {
        input.extend_from_slice(piece);
        read += piece.len();
        seen = match handshake.next(&mut input) {
            Ok(None) => continue,
            Ok(Some(Outcome::Accepted(connection, response))) => Ok(naive::Response::Accepted {
                subprotocol: response.subprotocol().map(str::to_owned),
                deflate: connection.deflate(),
                len: 0,
            }),
            Ok(Some(Outcome::Refused(response))) => {
                return Ok(naive::Response::Refused(response.status()));
            }
            Err(_) => return Err(BAD),
        };
        if let Ok(naive::Response::Accepted { len, .. }) = &mut seen {
            *len = read - input.unread().len();
        }
    }
    if let Ok(naive::Response::Accepted { len, .. }) = seen {
        assert_eq!(input.unread(), &bytes[len..]);
    }
    seen
}

/// Adds the space to the first status line that has none.
fn mend_response(bytes: &[u8]) -> Option<Vec<u8>> {
    let at = bytes
        .windows(14)
        .position(|it| it.starts_with(b"HTTP/1.") && it[8] == b' ' && it.ends_with(b"\r\n"))?;
    let mut mended = bytes.to_vec();
    mended.insert(at + 12, b' ');
    Some(mended)
}
