//! Messages in parts (`Config::parts_above`): which messages, which parts, what is checked, and how
//! much memory they take. `again_parts.rs` runs the tests of whole messages with parts.

use allocation_counter::measure;
use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, ProtocolError, RecvBuf};

mod support;

use support::{
    Frame, SIDES, Side, config, frame,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

const READ: usize = 16 << 10;

/// A piece of a message, as an event returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Whole(Vec<u8>),
    Part(Vec<u8>),
    End(Vec<u8>),
    Control,
}

use Piece::{Control, End, Part, Whole};

fn piece(event: Event<'_>) -> Piece {
    match event {
        Event::Text(text) => Whole(text.into()),
        Event::TextPart(text) => Part(text.into()),
        Event::TextEnd(text) => End(text.into()),
        Event::Binary(bytes) => Whole(bytes.into()),
        Event::BinaryPart(bytes) => Part(bytes.into()),
        Event::BinaryEnd(bytes) => End(bytes.into()),
        _ => Control,
    }
}

fn in_parts(above: usize) -> Config {
    config(|c| c.parts_above = above)
}

struct Receiver {
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
    pieces: Vec<Piece>,
}

impl Receiver {
    fn new(side: Side, config: Config) -> Self {
        Self {
            ws: Connection::assume_opened(side.role(), config),
            input: RecvBuf::new(),
            out: BytesMut::new(),
            pieces: Vec::new(),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        while let Some(event) = self.ws.next_event(&mut self.input, &mut self.out)? {
            self.pieces.push(piece(event));
        }
        Ok(())
    }
}

/// The pieces of these frames in one read.
fn pieces(side: Side, above: usize, frames: &[Frame]) -> Vec<Piece> {
    let mut receiver = Receiver::new(side, in_parts(above));
    let wire: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.clone().to(side).bytes())
        .collect();
    receiver.read(&wire).expect("legal");
    receiver.pieces
}

#[test]
fn the_threshold_is_the_longest_whole_message() {
    for side in SIDES {
        for len in [0, 1, 125, 126, 1000, 65_536] {
            let whole = vec![b'x'; len];
            let longer = vec![b'x'; len + 1];
            for opcode in [TEXT, BINARY] {
                let sent = [frame(true, opcode, &*whole), frame(true, opcode, &*longer)];
                let expected = [Whole(whole.clone()), End(longer.clone())];
                assert_eq!(pieces(side, len, &sent), expected, "{len}");
            }
        }
    }
}

#[test]
fn fragments_are_assembled_up_to_the_threshold() {
    let fragments = |last: &str| {
        [
            frame(false, TEXT, "one "),
            wire::ping("between"),
            frame(false, CONTINUATION, "two "),
            frame(true, CONTINUATION, last),
        ]
    };
    for side in SIDES {
        let expected = [Control, Whole(b"one two 3".to_vec())];
        assert_eq!(pieces(side, 9, &fragments("3")), expected);
        // What was assembled comes first.
        let expected = [Control, Part(b"one two ".to_vec()), End(b"33".to_vec())];
        assert_eq!(pieces(side, 9, &fragments("33")), expected);
        let expected = [Control, Part(b"one two ".to_vec()), End(b"33".to_vec())];
        assert_eq!(pieces(side, 8, &fragments("33")), expected);
        let expected = [
            Part(b"one ".to_vec()),
            Control,
            Part(b"two ".to_vec()),
            End(vec![]),
        ];
        assert_eq!(pieces(side, 0, &fragments("")), expected);
    }
}

#[test]
fn a_text_that_was_assembled_from_reads_is_the_first_part() {
    // The first fragment is not ASCII and arrives in reads. It ends inside a character.
    let text = "é€😀".repeat(1000);
    let at = text.len() - 2;
    for side in SIDES {
        let first = frame(false, TEXT, &text.as_bytes()[..at]).to(side).bytes();
        let last = frame(true, CONTINUATION, &text.as_bytes()[at..])
            .to(side)
            .bytes();
        let mut receiver = Receiver::new(side, in_parts(text.len() - 1));
        for read in first.chunks(700) {
            receiver.read(read).expect("legal");
        }
        assert_eq!(receiver.pieces, []);
        receiver.read(&last).expect("legal");
        let at = text.len() - 4;
        let (part, end) = text.as_bytes().split_at(at);
        assert_eq!(receiver.pieces, [Part(part.to_vec()), End(end.to_vec())]);
    }
}

#[test]
fn a_part_comes_with_the_read_that_brings_it() {
    for side in SIDES {
        let wire = frame(true, TEXT, "aé€😀").to(side).bytes();
        let mut receiver = Receiver::new(side, in_parts(2));
        for byte in &wire {
            receiver.read(&[*byte]).expect("legal");
        }
        let expected = [
            Part(b"a".to_vec()),
            Part("é".into()),
            Part("€".into()),
            End("😀".into()),
        ];
        assert_eq!(receiver.pieces, expected);
        assert!(receiver.input.is_idle());
    }
}

#[test]
fn a_character_may_be_cut_by_frames_and_control_frames() {
    let text = "é€😀";
    for side in SIDES {
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let sent = [
                    frame(false, TEXT, &text.as_bytes()[..cut]),
                    wire::ping("a control frame of some length"),
                    frame(false, CONTINUATION, &text.as_bytes()[cut..second]),
                    frame(true, CONTINUATION, &text.as_bytes()[second..]),
                ];
                let mut all = Vec::new();
                for piece in pieces(side, 0, &sent) {
                    match piece {
                        Part(bytes) | End(bytes) | Whole(bytes) => {
                            std::str::from_utf8(&bytes).expect("whole characters");
                            all.extend(bytes);
                        }
                        Control => {}
                    }
                }
                assert_eq!(all, text.as_bytes());
            }
        }
    }
}

#[test]
fn wrong_text_fails_in_the_read_that_brings_it() {
    // The lead byte of a character, a byte that cannot follow, and an end inside a character.
    let cases: [(&[u8], bool, usize); 5] = [
        (b"abc\xC0", false, 3),
        (b"abc\xF0\x80", false, 4),
        (b"abc\xE2\x82A", false, 5),
        (b"abc\xE2\x82", true, 4),
        (b"\xFF", true, 0),
    ];
    for side in SIDES {
        for (text, fin, at) in cases {
            let wire = frame(fin, TEXT, text).to(side).bytes();
            let header = wire.len() - text.len();
            let mut receiver = Receiver::new(side, in_parts(0));
            for (index, byte) in wire.iter().enumerate() {
                let result = receiver.read(&[*byte]);
                if index < header + at {
                    assert_eq!(result, Ok(()), "{text:?} at {index}");
                } else {
                    assert_eq!(result, Err(ProtocolError::InvalidUtf8), "{text:?}");
                    break;
                }
            }
            assert!(receiver.ws.is_done());
        }
    }
}

#[test]
fn the_sum_of_the_parts_is_limited() {
    let limited = config(|c| {
        c.parts_above = 100;
        c.max_message_size = 1000;
        c.max_fragments = 20;
    });
    for side in SIDES {
        let mut receiver = Receiver::new(side, limited);
        receiver
            .read(&frame(false, BINARY, vec![1; 600]).to(side).bytes())
            .expect("within the limit");
        let header = frame(false, CONTINUATION, vec![1; 401]).to(side).bytes();
        assert_eq!(receiver.pieces, [Part(vec![1; 600])]);
        assert_eq!(
            receiver.read(&header[..8]),
            Err(ProtocolError::MessageTooBig)
        );

        let mut receiver = Receiver::new(side, limited);
        let byte = frame(false, CONTINUATION, "x").to(side).bytes();
        receiver
            .read(&frame(false, BINARY, vec![1; 600]).to(side).bytes())
            .expect("within the limit");
        for _ in 0..19 {
            receiver.read(&byte).expect("within the limit");
        }
        assert_eq!(receiver.read(&byte), Err(ProtocolError::TooManyFragments));
    }
}

/// Receives a message of `len` bytes in reads of 16 KiB. Returns the most heap memory in use at
/// once, and the number of bytes that were delivered.
fn memory_of(side: Side, opcode: u8, len: usize, parked: bool) -> (u64, usize) {
    let unit = if opcode == TEXT {
        "abcdef\u{fc}"
    } else {
        "12345678"
    };
    // With a key of zeros, masked and plain bytes are the same.
    let key = (side == Side::Server).then_some([0; 4]);
    let sent = Frame {
        key,
        ..frame(true, opcode, "")
    };
    let mut header = sent.claiming(len as u64).bytes();
    let mut read: Vec<u8> = unit.bytes().cycle().take(READ).collect();
    let mut delivered = 0;
    let info = measure(|| {
        let endless = config(|c| {
            c.parts_above = 64 << 10;
            c.max_message_size = usize::MAX;
        });
        let mut ws = Connection::assume_opened(side.role(), endless);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut left = len;
        while left > 0 {
            if parked {
                ws.resume(&mut input);
            }
            let room = input.spare(READ);
            let n = match header.len() {
                0 => left.min(READ),
                n => n,
            };
            match header.is_empty() {
                true => {
                    room[..n].copy_from_slice(&read[..n]);
                    // The next read goes on where this one ended.
                    read.rotate_left(n % unit.len());
                    left -= n;
                }
                false => room[..n].copy_from_slice(&header),
            }
            header = Vec::new();
            input.filled(n);
            while let Some(event) = ws.next_event(&mut input, &mut out).expect("legal") {
                delivered += match event {
                    Event::TextPart(text) | Event::TextEnd(text) => text.len(),
                    Event::BinaryPart(bytes) | Event::BinaryEnd(bytes) => bytes.len(),
                    _ => panic!("{event:?}"),
                };
            }
            if parked {
                ws.park(&mut input);
                assert!(input.is_idle());
            }
        }
    });
    (info.bytes_max, delivered)
}

#[test]
fn a_message_of_any_length_takes_the_memory_of_one_read() {
    for side in SIDES {
        for opcode in [TEXT, BINARY] {
            for parked in [false, true] {
                let len = 5 << 20;
                let (memory, delivered) = memory_of(side, opcode, len, parked);
                assert_eq!(delivered, len);
                assert!(memory <= READ as u64 + 1000, "{memory} bytes for {len}");
            }
        }
    }
}

/// Fragments are assembled up to the threshold. A text that is not ASCII is collected apart from them.
#[test]
fn fixed_31_fragments_take_the_memory_of_the_threshold_and_one_read() {
    let cases = [0, 64 << 10, 300_000].map(|above| [(above, BINARY, 0), (above, TEXT, 256 << 10)]);
    for (side, (above, opcode, extra)) in SIDES
        .into_iter()
        .flat_map(|side| cases.as_flattened().iter().map(move |case| (side, *case)))
    {
        let start = frame(false, opcode, "").to(side).bytes();
        let more = frame(false, CONTINUATION, "é".repeat(500)).to(side).bytes();
        let wire = [start, more.repeat(2000)].concat();
        let endless = config(|c| {
            c.parts_above = above;
            c.max_message_size = usize::MAX;
        });
        let (mut held, mut delivered) = (0, 0);
        let info = measure(|| {
            let mut ws = Connection::assume_opened(side.role(), endless);
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            for read in wire.chunks(READ) {
                input.spare(READ)[..read.len()].copy_from_slice(read);
                input.filled(read.len());
                while let Some(event) = ws.next_event(&mut input, &mut out).expect("legal") {
                    delivered += event.payload().len();
                }
                held = held.max(input.capacity());
            }
        });
        assert!(delivered >= 1_900_000, "{delivered}");
        let most = above + READ + 130 + extra;
        assert!(held <= most, "{side:?}, {above}: {held}, more than {most}");
        assert!(
            info.bytes_max as usize <= 2 * most + 260,
            "{above}: {info:?}"
        );
    }
}

#[cfg(feature = "deflate")]
mod deflate {
    use super::*;
    use support::Random;
    use support::deflate::{Blocks, Match, Peer, all, always, params, rsv1};

    fn receiver(side: Side, config: Config, takeover: bool) -> Receiver {
        let ws = Connection::assume_opened(side.role(), config)
            .with_deflate(params(takeover, 15), always(|_| {}));
        Receiver {
            ws,
            ..Receiver::new(side, config)
        }
    }

    /// What the pieces of one message contain together.
    fn joined(pieces: &[Piece]) -> Vec<u8> {
        let bytes = pieces.iter().map(|piece| match piece {
            Part(bytes) | End(bytes) | Whole(bytes) => &**bytes,
            Control => &[],
        });
        bytes.collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_threshold_is_that_of_the_inflated_message() {
        for (side, takeover) in all() {
            for len in [1, 1000, 70_000, 200_000] {
                for longer in [false, true] {
                    let mut receiver = receiver(side, in_parts(len), takeover);
                    let plain = Random(1).bytes(len + usize::from(longer));
                    let sent = rsv1(frame(true, BINARY, Peer::new(6).message(&plain)));
                    receiver.read(&sent.to(side).bytes()).expect("legal");
                    let whole = receiver.pieces == [Whole(plain.clone())];
                    assert_eq!(whole, !longer, "{len}");
                    assert_eq!(joined(&receiver.pieces), plain);
                    let ends = |piece: &&Piece| matches!(piece, End(_));
                    let count = receiver.pieces.iter().filter(ends).count();
                    assert_eq!(count, usize::from(longer));
                }
            }
        }
    }

    /// What one read brings is joined, so that a part does not cost an event for each 4 KiB.
    #[test]
    fn the_parts_of_one_read_are_long() {
        for (side, takeover) in all() {
            let mut receiver = receiver(side, in_parts(10), takeover);
            let plain = Random(1).bytes(200_000);
            let sent = rsv1(frame(true, BINARY, Peer::new(6).message(&plain)));
            receiver.read(&sent.to(side).bytes()).expect("legal");
            assert_eq!(joined(&receiver.pieces), plain);
            assert!(receiver.pieces.len() <= 5, "{}", receiver.pieces.len());
        }
    }

    /// After a final block the inflater starts anew. Its window consists of parts that were
    /// delivered long ago, and with context takeover of the message before.
    #[test]
    fn data_after_a_final_block_refers_to_parts_that_were_delivered() {
        for (side, takeover) in all() {
            let noise = Random(7).bytes(200_000);
            let mut plain = noise.clone();
            let mut blocks = Blocks::new();
            for chunk in noise.chunks(50_000) {
                blocks = blocks.stored(false, chunk);
            }
            for distance in [32_768, 20_000, 5, 1] {
                blocks = blocks.fixed(true, &[Match(10, distance)]).aligned();
                for _ in 0..10 {
                    plain.push(plain[plain.len() - distance]);
                }
            }
            let payload = blocks.message();
            for read in [1000, 70_000, 1 << 20] {
                let mut receiver = receiver(side, in_parts(10), takeover);
                for message in 0..2 {
                    let sent = rsv1(frame(true, BINARY, &*payload)).to(side).bytes();
                    for piece in sent.chunks(read) {
                        receiver.read(piece).expect("legal");
                    }
                    let pieces = core::mem::take(&mut receiver.pieces);
                    assert!(pieces.len() > 3, "{message}");
                    assert_eq!(joined(&pieces), plain, "{side:?} {takeover} {read}");
                }
            }
        }
    }

    /// Without context takeover, nothing of a message may serve the next one.
    #[test]
    fn the_history_of_the_parts_ends_with_the_message() {
        for side in SIDES {
            let mut receiver = receiver(side, in_parts(10), false);
            let first = Blocks::new().stored(false, &[1; 1000]).message();
            let sent = rsv1(frame(true, BINARY, first)).to(side).bytes();
            for byte in &sent {
                receiver.read(&[*byte]).expect("legal");
            }
            assert_eq!(joined(&receiver.pieces), [1; 1000]);
            let second = Blocks::new().fixed(false, &[Match(10, 500)]).message();
            let sent = rsv1(frame(true, BINARY, second)).to(side).bytes();
            let result = receiver.read(&sent);
            assert_eq!(result, Err(ProtocolError::InvalidDeflate));
        }
    }

    #[test]
    fn a_bomb_in_parts_takes_constant_memory_and_ends_at_the_limit() {
        const LIMIT: usize = 2 << 20;
        // `deflate_memory.rs` has their parts.
        const CODEC: usize = 47_680 + 40;
        const HISTORY: usize = (32 << 10) + 32;
        let cases = [0, 1000, 64 << 10, 500_000]
            .into_iter()
            .flat_map(|above| all().map(move |(side, takeover)| (above, side, takeover)));
        for (above, side, takeover) in cases {
            let limited = config(|c| {
                c.parts_above = above;
                c.max_message_size = LIMIT;
            });
            for (opcode, excess) in [(BINARY, 0), (TEXT, 0), (BINARY, 1), (TEXT, 1)] {
                let plain = vec![b'x'; LIMIT + excess];
                let payload = Peer::new(6).message(&plain);
                let sent = rsv1(frame(true, opcode, payload)).to(side).bytes();
                drop(plain);
                let (mut delivered, mut result) = (0, Ok(()));
                let info = measure(|| {
                    let mut receiver = receiver(side, limited, takeover);
                    'reads: for read in sent.chunks(READ) {
                        receiver.input.extend_from_slice(read);
                        loop {
                            let (input, out) = (&mut receiver.input, &mut receiver.out);
                            match receiver.ws.next_event(input, out) {
                                Ok(None) => break,
                                Ok(Some(event)) => match event {
                                    Event::TextPart(t) | Event::TextEnd(t) => delivered += t.len(),
                                    Event::BinaryPart(b) | Event::BinaryEnd(b) => {
                                        delivered += b.len();
                                    }
                                    other => panic!("{other:?}"),
                                },
                                Err(error) => {
                                    result = Err(error);
                                    break 'reads;
                                }
                            }
                        }
                    }
                });
                match excess {
                    0 => assert_eq!((result, delivered), (Ok(()), LIMIT)),
                    _ => {
                        assert_eq!(result, Err(ProtocolError::MessageTooBig));
                        assert!(delivered <= LIMIT);
                    }
                }
                let most = above + READ + (128 << 10) + CODEC + HISTORY;
                assert!(info.bytes_max as usize <= most, "{above}: {info:?}");
            }
        }
    }

    #[test]
    fn wrong_text_in_parts_is_found() {
        for (side, takeover) in all() {
            let mut plain = vec![b'x'; 300_000];
            plain[250_000] = 0xFF;
            let payload = Peer::new(6).message(&plain);
            let sent = rsv1(frame(true, TEXT, payload)).to(side).bytes();
            let mut receiver = receiver(side, in_parts(10), takeover);
            let result = sent.chunks(10).try_for_each(|read| receiver.read(read));
            assert_eq!(result, Err(ProtocolError::InvalidUtf8));
            let parts = joined(&receiver.pieces);
            assert!(parts.len() <= 250_000 && parts.len() >= 250_000 - (64 << 10));
        }
    }
}
