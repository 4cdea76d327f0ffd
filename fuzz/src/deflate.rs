//! The bodies for compression: any bytes from a peer, and any messages of an application.

use websocket_proto::{
    Config, MessageKind,
    deflate::{Compression, DeflateConfig, Params, Pool},
};

use super::{
    cut, limits,
    support::{
        Endpoint, OwnedEvent, Reference, SIDES, Side, Way, config, deflate::strict, frame,
        reference::Deflate, wire,
    },
};

/// A connection with compression receives a stream. The result does not depend on how the stream is
/// split, and is that of the reference decoder. The memory is bounded.
///
/// The first byte gives the parameters. The second byte tells how many of the next bytes are the
/// sizes of reads. The rest is the stream, or the content of valid frames.
pub fn inflate(data: &[u8]) {
    let [agreed, sizes, data @ ..] = data else {
        return;
    };
    let flag = |bit: u8| agreed >> bit & 1 == 1;
    let side = SIDES[usize::from(flag(0))];
    let (takeover, hibernates, framed) = (flag(1), flag(2), flag(3));
    let window_bits = 8 + (agreed >> 4 & 7);
    let (sizes, data) = data.split_at(usize::from(sizes % 8).min(data.len()));
    let stream = match framed {
        true => frames(side, data),
        false => data.to_vec(),
    };

    let mut deflate = Deflate::new(window_bits, takeover);
    deflate.hibernates = hibernates;
    let mut reference = Reference::new(side, limits()).with_deflate(deflate);
    reference.feed(&stream);
    reference.end();

    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: Some(window_bits),
        client_max_window_bits: Some(window_bits),
    };
    let feed = |way, pieces: &[&[u8]]| {
        // The reference decoder has no such limit.
        let mut deflate = DeflateConfig::new();
        deflate.max_final_blocks = u32::MAX;
        let mut end = Endpoint::with_deflate_in_way(way, side, limits(), params, deflate);
        end.hibernates = hibernates;
        pieces.iter().for_each(|piece| end.feed(piece));
        end.end();
        end
    };
    let whole = feed(Way::Whole, &[&stream]);
    assert_eq!(whole.events, reference.events);
    assert_eq!(whole.error, reference.error);
    let replies = wire::frames(&whole.out);
    assert_eq!(wire::contents(&replies), wire::contents(&reference.replies));
    let cuts = [&[0; 4096][..], sizes].map(|sizes| (Way::Whole, sizes));
    let ways = Way::ALL.map(|way| (way, sizes));
    for (way, sizes) in cuts.into_iter().chain(ways) {
        let cut = feed(way, &cut(&stream, sizes));
        assert_eq!(cut.events, whole.events, "{way:?}");
        assert_eq!(cut.error, whole.error, "{way:?}");
        assert_eq!(cut.out, whole.out, "{way:?}");
        // The compressed message, an incomplete control frame and one read: growth can double them.
        // And the inflated message.
        let limit = limits().max_message_size;
        let most = 2 * (limit + limit / 4 + 64 + 139 + 256) + limit + 1;
        assert!(cut.input.capacity() <= most);
    }
}

/// A stream of valid frames. For each frame, the first byte gives its kind and the second its
/// length.
fn frames(side: Side, mut data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut inside = false;
    while let [kind, len, rest @ ..] = data {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        data = rest;
        let fin = kind & 1 == 1;
        let next = match kind >> 1 & 7 {
            0 => wire::ping(&payload[..payload.len().min(125)]),
            _ if inside => frame(fin, wire::CONTINUATION, payload),
            1 => frame(fin, wire::TEXT, payload),
            2 => frame(fin, wire::BINARY, payload),
            3 | 4 => frame(fin, wire::TEXT, payload).rsv(4),
            _ => frame(fin, wire::BINARY, payload).rsv(4),
        };
        if next.opcode != wire::PING {
            inside = !fin;
        }
        stream.extend(next.to(side).bytes());
    }
    stream
}

/// Two endpoints send each other messages, and their codecs are lent, reclaimed and hibernated.
/// Each endpoint reads the messages of the other, and so does a reference decoder, which refuses
/// references beyond the negotiated window.
///
/// The first bytes give the parameters, and the others the steps.
pub fn deflate_round_trip(data: &[u8]) {
    let mut script = Script(data);
    let params = Params {
        server_no_context_takeover: script.number(2) == 1,
        client_no_context_takeover: script.number(2) == 1,
        server_max_window_bits: script.window_bits(),
        client_max_window_bits: script.window_bits(),
    };
    let sizes = [usize::MAX, 1, 100, 1000, 5000];
    let mut ends = SIDES.map(|side| {
        let fragment_size = sizes[script.number(sizes.len())];
        let mut deflate = DeflateConfig::new();
        deflate.level = 1 + script.number(9) as u8;
        deflate.mem_level = 1 + script.number(9) as u8;
        deflate.server_max_window_bits = script.window_bits().unwrap_or(15);
        deflate.client_max_window_bits = script.window_bits().unwrap_or(15);
        deflate.compression = script.compression();
        let config = config(|c| c.fragment_size = fragment_size);
        End {
            end: Endpoint::with_deflate(side, config, params, deflate),
            peer: Reference::new(side.peer(), Config::new()).with_deflate(strict(side, params)),
            sent: Vec::new(),
            started: None,
        }
    });
    let mut pool = Pool::new();
    let mut plain = Vec::new();
    while !script.0.is_empty() {
        let at = script.number(2);
        let End {
            end,
            sent,
            started,
            peer: reference,
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
                script.message(&mut plain);
                match started {
                    None => {
                        end.ws.send_binary(&plain, &mut end.out).unwrap();
                        sent.push(OwnedEvent::Binary(plain.clone()));
                    }
                    Some(whole) if op < 10 => {
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
            let sent = sent.clone();
            reference.feed(&out);
            assert_eq!((&reference.events, reference.error), (&sent, None));
            let mut peer = &mut ends[1 - at];
            if script.number(2) == 1 {
                pool.lend(&mut peer.end.ws);
            }
            let size = [out.len().max(1), 1, 50, 1000][script.number(4)];
            out.chunks(size).for_each(|piece| peer.end.feed(piece));
            peer = &mut ends[1 - at];
            // Pongs are not part of the script.
            peer.end.out.clear();
            assert_eq!((&peer.end.events, peer.end.error), (&sent, None));
        }
    }
}

struct End {
    end: Endpoint,
    peer: Reference,
    sent: Vec<OwnedEvent>,
    /// The pieces of a message that was started and is not finished.
    started: Option<Vec<u8>>,
}

/// Decisions made of bytes. If no byte is left, each decision is the first option.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn number(&mut self, below: usize) -> usize {
        let byte = self.0.split_off_first().copied().unwrap_or(0);
        usize::from(byte) % below
    }

    fn window_bits(&mut self) -> Option<u8> {
        let bits = 8 + self.number(9) as u8;
        (bits < 16).then_some(bits)
    }

    fn compression(&mut self) -> Compression {
        match self.number(4) {
            0 => Compression::Never,
            1 => Compression::Above(self.number(100)),
            _ => Compression::Always,
        }
    }

    /// Makes a message: bytes repeated several times, sometimes appended to the last message.
    fn message(&mut self, message: &mut Vec<u8>) {
        let len = self.number(64).min(self.0.len());
        let times = [1, 1, 3, 40, 300][self.number(5)];
        if self.number(3) > 0 {
            message.clear();
        }
        if let Some(bytes) = self.0.split_off(..len.min(self.0.len())) {
            message.extend(bytes.repeat(times));
        }
        let most = message.len().min(40_000);
        message.drain(..message.len() - most);
    }
}
