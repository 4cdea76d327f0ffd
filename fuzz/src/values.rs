//! The body for everything that takes a value: URLs, header fields of the application, origins,
//! negotiation, Close frames, deadlines, and both outputs.

use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Deadlines, MessageKind, OutQueue, Output, Prepared,
    RecvBuf, Role, Seed,
    deflate::Params,
    handshake::{
        client::{self, Request},
        server::{Accept, Handshake, Origins, Reject},
        values,
    },
    meter,
};

use crate::{budget::Budget, script::Script};

/// The first byte selects what gets the rest.
pub fn values(data: &[u8]) {
    let mut script = Script(data);
    match script.number(6) {
        0 => url(&mut script),
        1 => origins(&mut script),
        2 => negotiation(&mut script),
        3 => answers(&mut script),
        4 => outputs(&mut script),
        _ => small(&mut script),
    }
}

/// A URL that is accepted gives a request whose head has no line but its own.
fn url(script: &mut Script<'_>) {
    let fields = [
        (script.text(), script.text()),
        (script.text(), script.text()),
    ];
    let (origin, subprotocol) = (script.text(), script.text());
    let url = String::from_utf8_lossy(script.0);
    let Ok(mut request) = Request::new(&url) else {
        return;
    };
    assert!(!request.host().is_empty());
    let mut lines = 6;
    if !origin.is_empty() {
        request = request.origin(origin);
        lines += 1;
    }
    if !subprotocol.is_empty() {
        request = request.subprotocol(subprotocol);
        lines += 1;
    }
    for (name, value) in fields.into_iter().filter(|(name, _)| !name.is_empty()) {
        request = request.header(name, value);
        lines += 1;
    }
    let mut out = BytesMut::new();
    let started = client::Handshake::start(&request, Seed::from([7; 32]), Config::new(), &mut out);
    let head = String::from_utf8(out.to_vec()).expect("UTF-8");
    for start in [values::Handshake::upgrade, values::Handshake::connect] {
        let other = start(&request, Seed::from([7; 32]), Config::new());
        assert_eq!(other.as_ref().err(), started.as_ref().err());
        if let Ok((_, sent)) = other {
            let target = sent.target().to_owned();
            let request = http::Request::try_from(sent).expect("it is short");
            let path = request.uri().path_and_query().map(|path| path.as_str());
            assert_eq!(path, Some(&*target));
        }
    }
    if started.is_err() {
        assert_eq!(head, "");
        return;
    }
    let head = head.strip_suffix("\r\n\r\n").expect("an end");
    assert_eq!(head.split("\r\n").count(), lines, "{head:?}");
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']));
    // What this client sends, a server understands.
    let mut server = Handshake::new(Config::new(), Origins::Any);
    let (mut input, mut answer) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(&out);
    match server.next(&mut input, &mut answer) {
        Ok(pending) => assert!(pending.is_some()),
        Err(error) => {
            let own = [431, 400, 403];
            // Too long, or an origin that browsers do not send.
            assert!(
                error.status().is_some_and(|status| own.contains(&status)),
                "{error}"
            );
            assert!(
                out.len() > 16 << 10 || !origin.is_empty(),
                "{error}: {head}"
            );
        }
    }
}

fn origins(script: &mut Script<'_>) {
    let (host, listed, origin) = (script.text(), script.text(), script.text());
    for origins in [Origins::hosts([host]), Origins::listed([listed])] {
        let Ok(origins) = origins else { continue };
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Origin: {origin}\r\n\r\n"
        );
        let mut server = Handshake::new(Config::new(), origins.clone());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(head.as_bytes());
        if let Ok(Some(_)) = server.next(&mut input, &mut out)
            && let Origins::Listed(list) = &origins
        {
            let listed = list.iter().next().expect("one");
            let scheme = |text: &str| text.split(':').next().map(str::to_ascii_lowercase);
            assert_eq!(scheme(listed), scheme(origin));
        }
    }
}

/// What a server accepts, the client that made the offer agrees to, and both know the same.
fn negotiation(script: &mut Script<'_>) {
    let (server, client) = (script.deflate_config(), script.deflate_config());
    let mut budget = Budget::default();
    let text = String::from_utf8_lossy(script.0);
    let fields: Vec<_> = text.split('\n').collect();
    budget.receives(text.len(), 0);
    let any = budget.call(|| server.accept(fields.iter().copied()));
    let offer = client.offer();
    let _ = budget.call(|| Params::agree(&[offer], &text));
    budget.check_work(2 * meter::HANDSHAKE);
    budget.check_memory(None, 2 * text.len() + 1024);
    if let Some(params) = any {
        // It can be said, and is understood in the same way.
        let said = params.to_string();
        let own = Params {
            client_max_window_bits: Some(15),
            ..Params::default()
        };
        let agreed = Params::agree(&[own], &said).expect("the widest offer");
        assert_eq!(agreed.server_max_window_bits, params.server_max_window_bits);
        assert_eq!(
            agreed.server_no_context_takeover,
            params.server_no_context_takeover
        );
    }
    if let Some(params) = server.accept([&*offer.to_string()]) {
        assert_eq!(Params::agree(&[offer], &params.to_string()), Ok(params));
    }
}

/// The answer of an application has the lines that it should have, or is a 500.
fn answers(script: &mut Script<'_>) {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";
    let mut server = Handshake::new(script.config(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    input.extend_from_slice(head.as_bytes());
    let Ok(Some((_, pending))) = server.next(&mut input, &mut out) else {
        return;
    };
    let (name, value, protocol) = (script.text(), script.text(), script.text());
    let status = u16::from_be_bytes([script.byte() % 4, script.byte()]);
    let (ok, lines) = match script.flag() {
        true => {
            let accept = Accept::new().header(name, value).subprotocol(protocol);
            (pending.accept(accept, &mut out).is_ok(), 6)
        }
        false => {
            let reject = Reject::new(status).header(name, value).body(script.0);
            (pending.reject(reject, &mut out).is_ok(), 4)
        }
    };
    if !ok {
        assert!(out.starts_with(b"HTTP/1.1 500 "));
        return;
    }
    let end = out
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("an end");
    let head = String::from_utf8_lossy(&out[..end]);
    assert_eq!(head.split("\r\n").count(), lines, "{head:?}");
}

/// A queue gives the same bytes as a plain buffer, however they are sent and taken.
fn outputs(script: &mut Script<'_>) {
    let connect = || Connection::assume_opened(Role::Server, Config::new());
    let (mut plain, mut shared) = (connect(), connect());
    let (mut out, mut queue) = (BytesMut::new(), OutQueue::new());
    let (mut budget, mut copied, mut shared_count) = (Budget::default(), 0, 0);
    while !script.0.is_empty() {
        let len = script.pick(&[0, 1, 125, 1023, 1024, 5000, 70_000]);
        // Of a long payload only the header is, or what fits into a ping.
        copied += 14 + if len < 1024 { len } else { 125 };
        shared_count += usize::from(len >= 1024);
        budget.unsent(copied.min(out.len()));
        let payload = Bytes::from(vec![script.byte(); len]);
        match script.number(6) {
            0 => {
                let results = [
                    plain.send_bytes(MessageKind::Binary, &payload, &mut out),
                    budget.own(|| shared.send_bytes(MessageKind::Binary, &payload, &mut queue)),
                ];
                assert_eq!(results, [Ok(()); 2]);
            }
            1 => {
                let message = Prepared::binary(&payload);
                plain.send_prepared(&message, &mut out).expect("open");
                (budget.own(|| shared.send_prepared(&message, &mut queue))).expect("open");
            }
            2 => {
                let short = &payload[..len.min(125)];
                plain.send_ping(short, &mut out).expect("open");
                (budget.own(|| shared.send_ping(short, &mut queue))).expect("open");
            }
            3 => assert_eq!(queue.chunk().is_empty(), out.is_empty()),
            _ => {
                let count = (usize::from(script.byte()) * out.len() / 255).min(len);
                out.advance(count);
                budget.own(|| queue.advance(count));
            }
        }
        assert_eq!(queue.unsent(), out.len());
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = queue.chunks_vectored(&mut slices);
        let seen: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
        assert!(out.starts_with(&seen) && (count > 0 || out.is_empty()));
        if out.len() > 1 << 20 {
            break;
        }
    }
    budget.unsent(copied.min(out.len()));
    // An entry for each has 40 bytes, and the list doubles. To be shared, a payload gets a count.
    budget.check_memory(None, 160 * shared_count);
    let rest = queue.copy_to_bytes(queue.remaining());
    assert_eq!(rest, out);
}

fn small(script: &mut Script<'_>) {
    let payload = script.some();
    if let Ok(close) = CloseFrame::parse(payload) {
        let code = close.code.map(|code| u16::from(code).to_be_bytes());
        let again = [code.as_slice().as_flattened(), close.reason.as_bytes()].concat();
        assert_eq!(again, payload);
    }
    let number = u16::from_be_bytes([script.byte(), script.byte()]);
    let legal = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
    assert_eq!(CloseCode::try_from(number).is_ok(), legal);
    deadlines(script);
}

/// The list of deadlines gives the same order as a plain list.
fn deadlines(script: &mut Script<'_>) {
    let mut list = Deadlines::new();
    let mut plain = std::collections::BTreeMap::new();
    while !script.0.is_empty() {
        let (key, time) = (
            usize::from(script.byte()),
            Duration::from_secs(script.byte().into()),
        );
        match script.number(3) {
            0 => {
                list.set(key, Some(time));
                plain.insert(key, time);
            }
            1 => {
                list.set(key, None);
                plain.remove(&key);
            }
            _ => {
                if let Some(key) = list.pop_expired(time) {
                    let due = plain.remove(&key).expect("it was set");
                    assert!(due <= time && plain.values().all(|other| *other >= due));
                } else {
                    assert!(plain.values().all(|other| *other > time));
                }
            }
        }
        assert_eq!(list.earliest(), plain.values().min().copied());
    }
}
