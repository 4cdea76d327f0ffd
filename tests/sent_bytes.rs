//! Proves that every way of sending writes exactly the frames of a plain encoder: in both roles, for
//! payloads of all lengths at which the encoding changes, for several fragment sizes, with and
//! without a compressor that is not used, into both kinds of output, with and without room. Calls
//! that are refused write nothing.

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;
use websocket_proto::{
    Config, Connection, Delivery, Lent, MessageKind, OutQueue, Output, Prepared, Role, Seed,
    SendError, frame::MaskKeys,
};

mod support;

use support::{
    Random, SIDES, Side, config, frame,
    wire::{BINARY, CONTINUATION, PING, PONG, TEXT},
};

const SEED: [u8; 32] = [9; 32];

/// The ways to send a whole message.
#[derive(Debug, Clone, Copy)]
enum Way {
    Send,
    Bytes,
    Prepared,
    PreparedWithin,
    Lend,
    LendMut,
    LendPrepared,
    /// In two pieces.
    Pieces,
    LendPieces,
}

const WAYS: [Way; 9] = [
    Way::Send,
    Way::Bytes,
    Way::Prepared,
    Way::PreparedWithin,
    Way::Lend,
    Way::LendMut,
    Way::LendPrepared,
    Way::Pieces,
    Way::LendPieces,
];

/// A compressor that does not compress these messages.
#[derive(Debug, Clone, Copy)]
enum Compressor {
    Absent,
    #[cfg(feature = "deflate")]
    Never,
    /// It compresses longer messages, and messages in pieces, whose length is not known.
    #[cfg(feature = "deflate")]
    Above,
    /// It compressed all messages before, and was switched off.
    #[cfg(feature = "deflate")]
    SwitchedOff,
}

const COMPRESSORS: &[Compressor] = &[
    Compressor::Absent,
    #[cfg(feature = "deflate")]
    Compressor::Never,
    #[cfg(feature = "deflate")]
    Compressor::Above,
    #[cfg(feature = "deflate")]
    Compressor::SwitchedOff,
];

fn connection(side: Side, config: Config, compressor: Compressor) -> Connection {
    let role = match side {
        Side::Server => Role::Server,
        Side::Client => Role::Client(Seed::from(SEED)),
    };
    let ws = Connection::assume_opened(role, config);
    #[cfg(feature = "deflate")]
    let ws = {
        use websocket_proto::deflate::{Compression, DeflateConfig, Params};
        let with = |compression| {
            let mut config = DeflateConfig::new();
            config.compression = compression;
            move |ws: Connection| ws.with_deflate(Params::default(), config)
        };
        match compressor {
            Compressor::Absent => ws,
            Compressor::Never => with(Compression::Never)(ws),
            Compressor::Above => with(Compression::Above(100_000))(ws),
            Compressor::SwitchedOff => {
                let mut ws = with(Compression::Always)(ws);
                ws.set_compression(Compression::Never);
                ws
            }
        }
    };
    #[cfg(not(feature = "deflate"))]
    let Compressor::Absent = compressor;
    ws
}

enum Out {
    Bytes(BytesMut),
    Queue(OutQueue),
}

impl Out {
    fn output(&mut self) -> &mut dyn Output {
        match self {
            Self::Bytes(out) => out,
            Self::Queue(out) => out,
        }
    }

    /// Removes bytes from the front.
    fn take(&mut self, count: usize) -> Vec<u8> {
        let mut taken = vec![0; count];
        match self {
            Self::Bytes(out) => out.copy_to_slice(&mut taken),
            Self::Queue(out) => out.copy_to_slice(&mut taken),
        }
        taken
    }
}

/// A connection, its output, and what the output must be.
struct Sender {
    side: Side,
    ws: Connection,
    out: Out,
    fragment_size: usize,
    keys: MaskKeys,
    expected: Vec<u8>,
    /// How many bytes the transport has taken.
    taken: usize,
    random: Random,
}

impl Sender {
    fn new(side: Side, fragment_size: usize, compressor: Compressor, out: Out) -> Self {
        let config = config(|config| config.fragment_size = fragment_size);
        Self {
            side,
            ws: connection(side, config, compressor),
            out,
            fragment_size,
            keys: MaskKeys::new(Seed::from(SEED)),
            expected: Vec::new(),
            taken: 0,
            random: Random(3),
        }
    }

    fn expect_frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let mut frame = frame(fin, opcode, payload);
        if self.side == Side::Client {
            frame = frame.masked(self.keys.next_key());
        }
        self.expected.extend(frame.bytes());
    }

    /// Expects a message, or a piece of one.
    fn expect(&mut self, opcode: u8, mut payload: &[u8], fin: bool) {
        let mut opcode = opcode;
        while payload.len() > self.fragment_size {
            let (fragment, rest) = payload.split_at(self.fragment_size);
            self.expect_frame(false, opcode, fragment);
            (opcode, payload) = (CONTINUATION, rest);
        }
        self.expect_frame(fin, opcode, payload);
    }

    /// The transport takes all, a part, or nothing of what is unsent. The room in the output changes.
    fn flush(&mut self, all: bool) {
        let unsent = self.out.output().unsent();
        assert_eq!(self.taken + unsent, self.expected.len());
        let count = match self.random.below(4) {
            0 if !all => 0,
            1 if !all => self.random.below(unsent + 1),
            _ => unsent,
        };
        let sent = self.out.take(count);
        assert!(sent == self.expected[self.taken..][..count]);
        self.taken += count;
        if let Out::Bytes(out) = &mut self.out
            && out.is_empty()
            && self.random.below(4) == 0
        {
            *out = BytesMut::with_capacity(self.random.below(300));
        }
    }

    /// Sends a message and expects it. The content is ASCII.
    fn send(&mut self, way: Way, kind: MessageKind, payload: &[u8]) {
        let text = str::from_utf8(payload).expect("ASCII");
        let opcode = match kind {
            MessageKind::Text => TEXT,
            MessageKind::Binary => BINARY,
        };
        let prepared = match kind {
            MessageKind::Text => Prepared::text(text),
            MessageKind::Binary => Prepared::binary(payload),
        };
        let (first, last) = payload.split_at(payload.len() / 3);
        match way {
            Way::Pieces | Way::LendPieces if first.is_empty() => self.expect(opcode, last, true),
            Way::Pieces | Way::LendPieces => {
                self.expect(opcode, first, false);
                self.expect(CONTINUATION, last, true);
            }
            // It takes binary only.
            Way::LendMut => self.expect(BINARY, payload, true),
            _ => self.expect(opcode, payload, true),
        }
        let (ws, shown) = (&mut self.ws, &self.expected);
        let mut lent = Lending {
            before: self.taken,
            expected: shown,
            random: &mut self.random,
        };
        let out = match (&mut self.out, way) {
            (Out::Bytes(out), Way::Lend) => {
                let result = match kind {
                    MessageKind::Text => ws.lend_text(text, out),
                    MessageKind::Binary => ws.lend_binary(payload, out),
                };
                self.taken = lent.write(result);
                return;
            }
            (Out::Bytes(out), Way::LendMut) => {
                self.taken = lent.write(ws.lend_binary_mut(&mut payload.to_vec(), out));
                return;
            }
            (Out::Bytes(out), Way::LendPrepared) => {
                self.taken = lent.write(ws.lend_prepared(&prepared, out));
                return;
            }
            (Out::Bytes(out), Way::LendPieces) => {
                ws.start_message(kind).expect("open");
                refused(ws, out);
                lent.before = lent.write_some(ws.lend_fragment(first, out));
                refused(ws, out);
                self.taken = lent.write(ws.lend_finish(last, out));
                return;
            }
            (out, _) => out.output(),
        };
        match way {
            Way::Bytes => ws.send_bytes(kind, &Bytes::copy_from_slice(payload), out),
            Way::Prepared | Way::LendPrepared => ws.send_prepared(&prepared, out),
            Way::PreparedWithin => {
                let sent = ws.send_prepared_within(&prepared, usize::MAX, out);
                sent.map(|sent| assert_ne!(sent, Delivery::Dropped))
            }
            Way::Pieces | Way::LendPieces => {
                ws.start_message(kind).expect("open");
                refused(ws, out);
                ws.send_fragment(first, out).expect("started");
                refused(ws, out);
                ws.finish_message(last, out)
            }
            Way::LendMut => ws.send_binary(payload, out),
            Way::Send | Way::Lend => match kind {
                MessageKind::Text => ws.send_text(text, out),
                MessageKind::Binary => ws.send_binary(payload, out),
            },
        }
        .expect("open");
    }
}

/// What the transport takes of a lent message.
struct Lending<'a> {
    before: usize,
    expected: &'a [u8],
    random: &'a mut Random,
}

impl Lending<'_> {
    fn write(&mut self, lent: Result<Lent<'_>, SendError>) -> usize {
        let lent = lent.expect("open");
        assert_eq!(self.before + lent.unsent(), self.expected.len());
        self.write_some(Ok(lent))
    }

    /// Takes a random number of bytes in two writes. Returns how many were taken in all.
    fn write_some(&mut self, lent: Result<Lent<'_>, SendError>) -> usize {
        let mut lent = lent.expect("open");
        let mut taken = self.before;
        for _ in 0..2 {
            let unsent = lent.slices().concat();
            assert!(self.expected[taken..].starts_with(&unsent));
            let count = match self.random.below(3) {
                0 => self.random.below(unsent.len() + 1),
                1 => unsent.len().min(self.random.below(20)),
                _ => unsent.len(),
            };
            lent.written(count);
            taken += count;
        }
        taken
    }
}

/// No other message can be sent while one is in progress, not even an empty one.
fn refused(ws: &mut Connection, out: &mut dyn Output) {
    let (before, refused) = (out.unsent(), Err(SendError::MessageInProgress));
    let prepared = Prepared::text("");
    assert_eq!(ws.send_text("", out), refused);
    assert_eq!(ws.send_binary(b"no", out), refused);
    assert_eq!(
        ws.send_bytes(MessageKind::Text, &Bytes::new(), out),
        refused
    );
    assert_eq!(ws.send_prepared(&prepared, out), refused);
    assert_eq!(ws.start_message(MessageKind::Text), refused);
    assert_eq!(out.unsent(), before);
    let mut other = BytesMut::new();
    assert!(ws.lend_text("", &mut other).is_err());
    assert!(ws.lend_binary_mut(&mut [], &mut other).is_err());
    assert!(ws.lend_prepared(&prepared, &mut other).is_err());
    assert!(other.is_empty());
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i * 7 % 26) as u8).collect()
}

/// Both kinds of output, with and without room.
fn outputs() -> [Out; 3] {
    [
        Out::Bytes(BytesMut::new()),
        Out::Bytes(BytesMut::with_capacity(1 << 20)),
        Out::Queue(OutQueue::new()),
    ]
}

/// Sends messages of these lengths in every way.
fn all_ways(
    lengths: impl Iterator<Item = usize> + Clone,
    fragment_size: usize,
    compressor: Compressor,
) {
    let ways = match compressor {
        #[cfg(feature = "deflate")]
        Compressor::Above => &WAYS[..7],
        _ => &WAYS[..],
    };
    for side in SIDES {
        for out in outputs() {
            let mut sender = Sender::new(side, fragment_size, compressor, out);
            for len in lengths.clone() {
                let payload = payload(len);
                for way in ways {
                    let kind = match sender.random.below(2) {
                        0 => MessageKind::Text,
                        _ => MessageKind::Binary,
                    };
                    sender.send(*way, kind, &payload);
                    sender.flush(false);
                }
            }
            sender.flush(true);
            assert_eq!(sender.taken, sender.expected.len());
        }
    }
}

#[test]
fn short_messages() {
    all_ways(0..=300, usize::MAX, Compressor::Absent);
}

#[test]
fn long_messages() {
    let lengths = (508..516).chain(1020..1028).chain(65_533..65_538);
    all_ways(lengths, usize::MAX, Compressor::Absent);
}

#[test]
fn messages_in_fragments() {
    for fragment_size in [1, 2, 7, 125, 126, 200] {
        let lengths = (0..=40).chain(123..130).chain(398..402);
        all_ways(lengths, fragment_size, Compressor::Absent);
    }
    all_ways(65_534..65_538, 65_536, Compressor::Absent);
}

#[test]
fn a_compressor_that_is_not_used() {
    for compressor in COMPRESSORS {
        all_ways((0..=40).chain(123..130), usize::MAX, *compressor);
        all_ways((0..=40).step_by(3), 7, *compressor);
    }
}

#[test]
fn control_frames() {
    for side in SIDES {
        for out in outputs() {
            let mut sender = Sender::new(side, 10, Compressor::Absent, out);
            for len in 0..=125 {
                let payload = payload(len);
                sender.expect_frame(true, PING, &payload);
                sender.expect_frame(true, PONG, &payload);
                let out = sender.out.output();
                sender.ws.send_ping(&payload, out).expect("open");
                sender.ws.send_pong(&payload, out).expect("open");
                sender.flush(false);
            }
            sender.flush(true);
        }
    }
}

proptest! {
    /// Any content, any lengths, one after another.
    #[test]
    fn random_messages(
        messages in prop::collection::vec((0..WAYS.len(), "[a-z]{0,700}", any::<bool>()), 1..20),
        fragment_size in prop_oneof![Just(usize::MAX), 1..1000_usize],
        is_client in any::<bool>(),
        output in 0..3_usize,
    ) {
        let side = if is_client { Side::Client } else { Side::Server };
        let out = outputs().into_iter().nth(output).expect("one of three");
        let mut sender = Sender::new(side, fragment_size, Compressor::Absent, out);
        for (way, text, is_text) in &messages {
            let kind = if *is_text { MessageKind::Text } else { MessageKind::Binary };
            sender.send(WAYS[*way], kind, text.as_bytes());
            sender.flush(false);
        }
        sender.flush(true);
    }
}
