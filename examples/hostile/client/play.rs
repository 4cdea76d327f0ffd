//! Plays one attack on a client that has connected.
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use websocket_proto::deflate::Params;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Connection, RecvBuf};

use crate::attack::{Attack, Head, Part, Want};
use crate::exchange::{End, Plan, Times, exchange};
use crate::frames::{PING, Side};
use crate::hear::{Ear, config, deflate_config};
use crate::http::{ACCEPT, value};
use crate::talk::talk;
use crate::verdict::PROBE;

/// The time that a client may take for its request.
const REQUEST: Duration = Duration::from_secs(5);

/// `Err`: the request of the client is wrong already.
pub fn play(stream: &TcpStream, attack: &Attack, times: Times) -> Result<Ear, String> {
    let plan = Plan {
        wait: times.wait,
        patience: times.patience.filter(|_| attack.is_slow()),
        ..Plan::default()
    };
    let deflate = match attack.head {
        Head::Deflate(terms) => Some(terms),
        _ => None,
    };
    let (ws, response) = request(stream, deflate)?;
    let not_agreed = deflate.is_some() && ws.deflate().is_none();
    let mut ear = Ear::server(ws);
    ear.seen.not_agreed = not_agreed;
    if not_agreed {
        return Ok(ear);
    }
    ear.seen.status = Some(101);
    match &attack.head {
        Head::Raw(parts) => raw(stream, attack, parts, &response, &mut ear, &plan),
        _ => {
            let mut attack = attack.clone();
            attack.parts.insert(0, Part::Bytes(response));
            talk(Side::Server, stream, &attack, &mut ear, &plan);
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    Ok(ear)
}

/// Reads the request, and agrees to compression on these terms. Returns the connection and the right response.
fn request(
    mut stream: &TcpStream,
    deflate: Option<Params>,
) -> Result<(Connection, Vec<u8>), String> {
    let mut config = config();
    config.deflate = deflate.map(|terms| {
        let mut deflate = deflate_config();
        deflate.server_no_context_takeover = terms.server_no_context_takeover;
        deflate.client_no_context_takeover = terms.client_no_context_takeover;
        deflate.server_max_window_bits = terms.server_max_window_bits.unwrap_or(15);
        deflate
    });
    let mut handshake = Handshake::new(config, Origins::Any);
    let (mut input, mut out, end) = (RecvBuf::new(), BytesMut::new(), Instant::now() + REQUEST);
    let text = |error: &dyn std::fmt::Display| format!("its request: {error}");
    let io = |error: io::Error| text(&error);
    stream.set_read_timeout(Some(REQUEST)).map_err(io)?;
    loop {
        let next = handshake.next(&mut input, &mut out);
        if let Some((_, pending)) = next.map_err(|error| text(&error))? {
            let accepted = pending.accept(Accept::new(), &mut out);
            let ws = accepted.map_err(|error| text(&error))?;
            return Ok((ws, out.to_vec()));
        }
        match stream.read(input.spare(4096)).map_err(io)? {
            0 => return Err("no request".into()),
            n => input.filled(n),
        }
        if Instant::now() > end {
            return Err("no request in time".into());
        }
    }
}

/// The response is the attack. A client that accepts it answers the ping behind it.
fn raw(
    stream: &TcpStream,
    attack: &Attack,
    parts: &[Part],
    response: &[u8],
    ear: &mut Ear,
    plan: &Plan<'_>,
) {
    let response = String::from_utf8_lossy(response);
    let accept = value(&response, "sec-websocket-accept").unwrap_or_default();
    let mut parts: Vec<_> = parts.iter().map(|part| part.with_accept(accept)).collect();
    if let Want::Served(_) = attack.want {
        let mut attack = attack.clone();
        parts.append(&mut attack.parts);
        attack.parts = parts;
        return talk(Side::Server, stream, &attack, ear, plan);
    }
    let probe = Side::Server.frame(PING, PROBE).bytes();
    let probe: &[u8] = if attack.is_slow() { &[] } else { &probe };
    let plan = Plan {
        parts: &parts,
        probe,
        ..*plan
    };
    let (sent, end) = exchange(stream, &plan, &mut |bytes| {
        ear.hear(bytes);
        ear.seen.answered || ear.seen.illegal.is_some()
    });
    ear.seen.sent = sent;
    ear.seen.end = Some(end);
    // It was refused: the words are those of a response that did not come to be a connection.
    ear.seen.status = (end != End::Tcp || ear.seen.received > 0).then_some(101);
}

impl Part {
    /// The same with this client's answer instead of the one of RFC 6455 §1.3.
    fn with_accept(&self, accept: &str) -> Self {
        let (from, to) = (ACCEPT.trim_end_matches('='), accept.trim_end_matches('='));
        let replaced = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for at in 0..bytes.len() {
                if bytes[at..].starts_with(from.as_bytes()) {
                    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
                }
            }
            bytes
        };
        match self {
            Self::Bytes(bytes) => Self::Bytes(replaced(bytes)),
            Self::Bytewise(bytes) => Self::Bytewise(replaced(bytes)),
            part => part.clone(),
        }
    }
}
