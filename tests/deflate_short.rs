//! Proves that a compressed message that is here as a whole gives the same as one that is cut by a
//! read: the same events, errors, replies and counts, whatever its payload is.

#![cfg(feature = "deflate")]

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, RecvBuf, Role, deflate::DeflateConfig};

mod support;

use support::{
    Endpoint, Frame, Random, SIDES, Side, Way,
    deflate::{Blocks, Match, Peer, literals, params, rsv1},
    frame,
    wire::{self, BINARY, TEXT},
};

/// More room than a frame needs.
const ROOM: usize = 64;

/// A connection, and what can be different between two of them.
#[derive(Debug, Clone, Copy)]
struct Setup {
    way: Way,
    side: Side,
    takeover: bool,
    window_bits: u8,
    max_final_blocks: u32,
    hibernates: bool,
    config: Config,
}

impl Setup {
    fn random(random: &mut Random) -> Self {
        let mut pick = |from: &[usize]| from[random.below(from.len())];
        let mut config = Config::new();
        config.max_message_size = pick(&[0, 1, 300, 5002, 5003, 70_004, 1 << 20]);
        config.max_frame_size = pick(&[100, 1 << 20, 1 << 20]);
        Self {
            // With `Parts`, messages of more than 0 to 5000 bytes are in parts.
            way: Way::ALL[pick(&[0, 0, 0, 1, 2, 3, 4, 4])],
            side: SIDES[pick(&[0, 1])],
            takeover: pick(&[0, 1, 1]) == 1,
            window_bits: 8 + pick(&[0, 1, 4, 7, 7]) as u8,
            max_final_blocks: pick(&[0, 1, 2, 8, 8]) as u32,
            hibernates: pick(&[0, 0, 1]) == 1,
            config,
        }
    }

    fn endpoint(&self) -> Endpoint {
        let mut deflate = DeflateConfig::new();
        deflate.max_final_blocks = self.max_final_blocks;
        let params = params(self.takeover, self.window_bits);
        let mut end =
            Endpoint::with_deflate_in_way(self.way, self.side, self.config, params, deflate);
        end.hibernates = self.hibernates;
        end
    }
}

/// Text that compresses, and ends anywhere.
fn text(random: &mut Random) -> Vec<u8> {
    let words = [
        "hello ",
        "there ",
        "größer ",
        "漢字 ",
        "🦀",
        "x",
        "{\"id\":1}",
    ];
    let len = [0, 1, 10, 150, 1000, 6000, 80_000][random.below(7)];
    let mut text = Vec::new();
    while text.len() < len {
        text.extend_from_slice(words[random.below(words.len())].as_bytes());
    }
    if random.below(12) == 0 {
        text.truncate(len);
    }
    if random.below(12) == 0 && !text.is_empty() {
        let at = random.below(text.len());
        text[at] = random.next() as u8;
    }
    text
}

/// A payload of any kind: usual, unusual, and wrong.
fn payload(random: &mut Random, takeover: bool, peer: &mut Peer) -> Vec<u8> {
    if !takeover {
        *peer = Peer::new(random.below(10) as u8);
    }
    let plain = text(random);
    let short = &plain[..plain.len().min(100)];
    let symbols = literals(short);
    match random.below(40) {
        0 => vec![],
        1 => vec![0],
        2 => vec![[1, 2, 3, 4, 6][random.below(5)], [0, 4][random.below(2)]],
        // Marked as final: all of it, the last block, or an earlier one.
        3 => Peer::new(6).finished(&plain),
        4 => {
            let blocks = Blocks::new().fixed(false, &symbols).stored(true, b"");
            let mut payload = blocks.end();
            payload.truncate(payload.len() - 4);
            payload
        }
        5 => {
            let finals = [0x03, 0x00].repeat(1 + random.below(9));
            [&finals[..], &Peer::new(6).message(&plain)].concat()
        }
        // Several blocks.
        6 => {
            let blocks = (0..random.below(4)).fold(Blocks::new(), |blocks, _| {
                blocks.fixed(false, &symbols).fixed(false, &[])
            });
            blocks.message()
        }
        7 => {
            let stored = Blocks::new().stored(random.below(4) == 0, short);
            stored.stored(false, short).fixed(false, &[]).message()
        }
        // A match that refers to earlier messages.
        8 => {
            let far = [1, 40, 300, 20_000][random.below(4)];
            let match_ = [Match(10, far)];
            Blocks::new().fixed(false, &match_).message()
        }
        // The end is missing.
        9 => Blocks::new().open(random.below(2) == 0, &symbols).end(),
        10 => Blocks::new().stored(false, short).end(),
        11 => {
            let mut payload = Peer::new(9).message(&plain);
            payload.truncate(random.below(payload.len() + 1));
            payload
        }
        12 => Peer::new(6).flushed(&plain),
        // Bytes behind the end, or wrong ones.
        13 => [Peer::new(6).message(&plain), random.bytes(2)].concat(),
        14 => {
            let mut payload = Peer::new(6).message(&plain);
            let at = random.below(payload.len());
            payload[at] ^= 1 << random.below(8);
            payload
        }
        15 => {
            let len = random.below(30);
            random.bytes(len)
        }
        16 => Peer::new(6).message(&vec![b'0'; random.below(300_000)]),
        _ => peer.message(&plain),
    }
}

fn messages(random: &mut Random, setup: &Setup) -> Vec<Frame> {
    let mut peer = Peer::new(6);
    let mut frames = Vec::new();
    for _ in 0..1 + random.below(8) {
        let opcode = [TEXT, TEXT, BINARY][random.below(3)];
        let payload = payload(random, setup.takeover, &mut peer);
        frames.push(rsv1(frame(true, opcode, payload)).to(setup.side));
        match random.below(8) {
            0 => frames.push(wire::ping("between").to(setup.side)),
            1 => frames.push(frame(true, TEXT, "plain").to(setup.side)),
            _ => {}
        }
    }
    frames
}

#[test]
fn a_whole_message_gives_the_same_as_one_that_is_cut() {
    for seed in 0..2000 {
        let random = &mut Random(seed);
        let setup = Setup::random(random);
        let frames: Vec<_> = (messages(random, &setup).iter().map(Frame::bytes)).collect();

        // A frame that is cut behind its header is not here as a whole when it begins.
        let mut cut = setup.endpoint();
        for wire in &frames {
            let (last, before) = wire.split_last().expect("a header");
            cut.feed(before);
            cut.feed(&[*last]);
        }
        let mut alone = setup.endpoint();
        for wire in &frames {
            alone.feed_into(wire, wire.len() + ROOM);
        }
        let mut together = setup.endpoint();
        let all = frames.concat();
        together.feed_into(&all, all.len() + random.below(2) * ROOM);

        for whole in [alone, together] {
            assert_eq!(whole.events, cut.events, "{seed}: {setup:?}");
            assert_eq!(whole.error, cut.error, "{seed}: {setup:?}");
            assert_eq!(whole.out, cut.out, "{seed}: {setup:?}");
            if cut.error.is_none() {
                let (one, other) = (whole.ws.deflate_stats(), cut.ws.deflate_stats());
                assert_eq!(one, other, "{seed}: {setup:?}");
            }
        }
    }
}

/// The bytes behind a payload are used while it is inflated. They are there again afterwards.
#[test]
fn what_is_behind_a_message_stays() {
    for side in SIDES {
        for behind in 0..40 {
            let message = rsv1(frame(true, TEXT, Peer::new(6).message(b"hello, hello")));
            let next = frame(true, BINARY, vec![0xA5; behind]).to(side).bytes();
            let wire = [message.to(side).bytes(), next.clone(), next].concat();
            let setup = Setup {
                way: Way::Whole,
                side,
                takeover: true,
                window_bits: 15,
                max_final_blocks: 8,
                hibernates: false,
                config: Config::new(),
            };
            let mut end = setup.endpoint();
            // Bytes that are written into the room, but are not reported yet.
            let (first, rest) = wire.split_at(wire.len() - 2 * (2 + behind));
            end.input.extend_from_slice(first);
            end.input.spare(rest.len()).copy_from_slice(rest);
            while let Ok(Some(event)) = end.ws.next_event(&mut end.input, &mut end.out) {
                end.events.push(event.into());
            }
            end.input.filled(rest.len());
            end.drain();
            assert_eq!(end.error, None);
            let kinds = end.events.iter().map(|event| match event {
                support::OwnedEvent::Text(text) => text.clone().into_bytes(),
                support::OwnedEvent::Binary(bytes) => bytes.clone(),
                other => panic!("{other:?}"),
            });
            let expected = [
                b"hello, hello".to_vec(),
                vec![0xA5; behind],
                vec![0xA5; behind],
            ];
            assert_eq!(kinds.collect::<Vec<_>>(), expected, "{side:?} {behind}");
        }
    }
}

/// Also if it is here as a whole, a message that is longer than `parts_above` is delivered in parts,
/// and no other message is.
#[test]
fn a_long_message_is_in_parts() {
    for parts_above in [0, 1, 99, 100, 101] {
        for kind in [TEXT, BINARY] {
            let mut config = Config::new();
            config.parts_above = parts_above;
            let ws = Connection::assume_opened(Role::Server, config);
            let mut ws = ws.with_deflate(params(true, 15), DeflateConfig::new());
            let message = rsv1(frame(true, kind, Peer::new(6).message(&[b'x'; 100])));
            let wire = message.to(Side::Server).bytes();
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            input.spare(wire.len() + ROOM)[..wire.len()].copy_from_slice(&wire);
            input.filled(wire.len());
            let (mut whole, mut len) = (0, 0);
            while let Ok(Some(event)) = ws.next_event(&mut input, &mut out) {
                whole += usize::from(matches!(event, Event::Text(_) | Event::Binary(_)));
                len += event.payload().len();
            }
            assert_eq!(whole, usize::from(parts_above >= 100), "{parts_above}");
            assert_eq!(len, 100);
        }
    }
}
