//! The body for compression: any messages of an application.

use websocket_proto::{
    MessageKind,
    deflate::{DeflateConfig, Params, Pool},
    meter,
};

use crate::{
    budget::{self, Budget, Limits},
    script::Script,
    support::{Endpoint, OwnedEvent, Reference, SIDES, config, deflate::strict},
};

/// The most operations of a run.
const OPERATIONS: usize = 200;

/// The longest piece of a message, in bytes, and about the most pieces.
const MAX_PIECE: usize = 40_000;
const PIECES: usize = 6;

/// Two endpoints send each other messages, and their codecs are lent, reclaimed and hibernated.
/// Each endpoint reads the messages of the other, and so does a reference decoder, which refuses
/// references beyond the negotiated window.
///
/// The first bytes give the parameters, and the others the steps.
pub fn deflate(data: &[u8]) {
    let mut script = Script(data);
    let params = Params {
        server_no_context_takeover: script.number(2) == 1,
        client_no_context_takeover: script.number(2) == 1,
        server_max_window_bits: window_bits(&mut script),
        client_max_window_bits: window_bits(&mut script),
    };
    let sizes = [usize::MAX, 1, 100, 1000, 5000];
    let mut ends = SIDES.map(|side| {
        let fragment_size = sizes[script.number(sizes.len())];
        let mut deflate = DeflateConfig::new();
        deflate.level = 1 + script.number(9) as u8;
        deflate.mem_level = 1 + script.number(9) as u8;
        deflate.server_max_window_bits = window_bits(&mut script).unwrap_or(15);
        deflate.client_max_window_bits = window_bits(&mut script).unwrap_or(15);
        deflate.compression = script.compression();
        let config = config(|c| c.fragment_size = fragment_size);
        End {
            // The reference decoder takes long for many fragments.
            max_piece: fragment_size.saturating_mul(300).min(MAX_PIECE),
            end: Endpoint::with_deflate(side, config, params, deflate),
            peer: Reference::new(side.peer(), config).with_deflate(strict(side, params)),
            sent: Vec::new(),
            started: None,
            budget: Budget::new(Limits {
                longest: 0,
                text: 0,
                ..Limits::new(&config)
            }),
            kept: 0,
        }
    });
    let mut pool = Pool::new();
    let mut plain = Vec::new();
    for _ in 0..OPERATIONS {
        if script.0.is_empty() {
            break;
        }
        let at = script.number(2);
        let End {
            end,
            sent,
            started,
            peer: reference,
            max_piece,
            ..
        } = &mut ends[at];
        let op = script.number(12);
        match op {
            0 => end.ws.set_compression(script.compression()),
            1 => pool.lend(&mut end.ws),
            2 => pool.reclaim(&mut end.ws),
            3 => pool.hibernate(&mut end.ws),
            4 => Pool::new().hibernate(&mut end.ws),
            5 => end.input.release(),
            6 => {
                end.ws.send_ping(b"ping", &mut end.out).unwrap();
                sent.push(OwnedEvent::Ping(b"ping".to_vec()));
            }
            7 if started.is_none() => {
                end.ws.start_message(MessageKind::Binary).unwrap();
                *started = Some(Vec::new());
            }
            _ => {
                message(&mut script, &mut plain, *max_piece);
                match started {
                    None => {
                        end.ws.send_binary(&plain, &mut end.out).unwrap();
                        sent.push(OwnedEvent::Binary(plain.clone()));
                    }
                    Some(whole) if op < 10 && whole.len() < PIECES * *max_piece => {
                        whole.extend(&plain);
                        end.ws.send_fragment(&plain, &mut end.out).unwrap();
                    }
                    Some(whole) => {
                        whole.extend(&plain);
                        end.ws.finish_message(&plain, &mut end.out).unwrap();
                        sent.push(OwnedEvent::Binary(core::mem::take(whole)));
                        *started = None;
                    }
                }
            }
        }
        if op > 5 {
            let out = end.out.split();
            let sent = core::mem::take(sent);
            reference.feed(&out);
            assert_eq!((&reference.events, reference.error), (&sent, None));
            reference.events.clear();
            let under_way = started.as_ref().map_or(0, Vec::len);
            let longest = sent.iter().map(len).fold(under_way, usize::max);
            let peer = &mut ends[1 - at];
            if script.number(2) == 1 {
                pool.lend(&mut peer.end.ws);
            }
            let size = [out.len().max(1), 1, 50, 1000][script.number(4)];
            peer.budget.limits.longest = peer.budget.limits.longest.max(longest);
            for piece in out.chunks(size) {
                // `feed` lends some room behind the bytes.
                peer.budget.receives(piece.len(), piece.len() + 32);
                peer.budget.call(|| peer.end.feed(piece));
                let inflated = peer.end.ws.deflate_stats().received.plain as usize;
                peer.budget.check_buffer(&peer.end.input, Some(inflated));
            }
            // Pongs are not part of the script.
            peer.end.out.clear();
            assert_eq!((&peer.end.events, peer.end.error), (&sent, None));
            // The events are owned here, and the memory of their list doubles.
            let kept = |event: &OwnedEvent| 128 + 3 * len(event);
            peer.kept += sent.iter().map(kept).sum::<usize>();
            peer.end.events.clear();
        }
    }
    for end in ends {
        end.budget.check_work(meter::DEFLATE);
        let inflated = end.end.ws.deflate_stats().received.plain as usize;
        let extra = budget::CODECS + end.kept;
        end.budget.check_memory(Some(inflated), extra);
    }
}

struct End {
    end: Endpoint,
    peer: Reference,
    sent: Vec<OwnedEvent>,
    max_piece: usize,
    /// The pieces of a message that was started and is not finished.
    started: Option<Vec<u8>>,
    budget: Budget,
    /// The memory of its events.
    kept: usize,
}

/// The length of a message. Other events have none that matters.
fn len(event: &OwnedEvent) -> usize {
    match event {
        OwnedEvent::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

fn window_bits(script: &mut Script<'_>) -> Option<u8> {
    let bits = 8 + script.number(9) as u8;
    (bits < 16).then_some(bits)
}

/// Makes a message: bytes repeated several times, sometimes appended to the last message.
fn message(script: &mut Script<'_>, message: &mut Vec<u8>, most: usize) {
    let len = script.number(64);
    let times = script.pick(&[1, 1, 3, 40, 300]);
    if script.number(3) > 0 {
        message.clear();
    }
    message.extend(script.bytes(len).repeat(times));
    let most = message.len().min(most);
    message.drain(..message.len() - most);
}
