//! Compression: the judge is flate2 with miniz_oxide, which shares no code with zlib-rs. It does what
//! RFC 7692 §7.2 says with a plain stream of DEFLATE: flush, remove the tail, append the tail.

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use websocket_proto::{
    MessageKind, ProtocolError,
    deflate::{Compression, DeflateConfig, Params},
};

use super::{Choices, Right, Row, Subject, Used, pieces};
use crate::support::{
    Endpoint, Frame, OwnedEvent, Side, Way, config,
    deflate::{Blocks, Symbol, miniz_inflated},
    frame,
    wire::{BINARY, CONTINUATION, TEXT, compressed_frames},
};

pub const SUBJECT: Subject = Subject {
    name: "deflate",
    body,
    rows: &[&EMPTY_PAYLOAD, &BEFORE_THE_START],
};

pub const EMPTY_PAYLOAD: Row = Row {
    name: "a compressed message without a byte",
    difference: "with the tail alone flate2 finds a block that is not complete, the crate takes it for \
        an empty message",
    rfc: "RFC 7692 §7.2.2: the payload and the tail are DEFLATE; §7.2.3.6: a fragment without data is \
        one octet, 0x00",
    right: Right::Judge,
};
pub const BEFORE_THE_START: Row = Row {
    name: "a reference to bytes before the first one",
    difference: "flate2 finds zeros there, the crate refuses it",
    rfc: "RFC 1951 §3.2.3: a distance cannot refer past the beginning of the output stream",
    right: Right::Crate,
};

/// The largest window (RFC 1951 §2).
const WINDOW: usize = 32 << 10;
/// What a sender removes and a receiver appends (RFC 7692 §7.2.1, §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
const MAX_MESSAGE: usize = 100_000;

fn body(data: &[u8]) -> Used {
    let mut choices = Choices(data);
    let side = choices.side();
    let takeover = choices.one_in(2);
    let sizes = choices.sizes();
    let peer = match choices.below(4) {
        0 => {
            sent(&mut choices, side, takeover);
            return Used::new();
        }
        1 => Peer::Plain,
        2 => Peer::Odd,
        _ => Peer::Wrong,
    };
    received(&mut choices, side, takeover, peer, &sizes)
}

/// What a peer sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Messages of flate2.
    Plain,
    /// Messages made by hand as well.
    Odd,
    /// Both, with wrong bytes.
    Wrong,
}

fn endpoint(choices: &mut Choices<'_>, side: Side, takeover: bool, window_bits: u8) -> Endpoint {
    let mut deflate = DeflateConfig::new();
    deflate.compression = choices.pick(&[Compression::Always, Compression::Above(20)]);
    deflate.level = 1 + choices.below(9) as u8;
    deflate.mem_level = 1 + choices.below(9) as u8;
    // flate2 has no such limit.
    deflate.max_final_blocks = u32::MAX;
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: Some(window_bits),
        client_max_window_bits: Some(window_bits),
    };
    let config = config(|c| {
        c.max_message_size = MAX_MESSAGE;
        c.fragment_size = choices.pick(&[usize::MAX, 1, 50]);
    });
    let way = choices.pick(&Way::ALL);
    Endpoint::with_deflate_in_way(way, side, config, params, deflate)
}

// --- compressed there, inflated here --------------------------------------------------------------

/// Messages of flate2 arrive as they were sent. Both refuse the same ones of those made by hand.
fn received(
    choices: &mut Choices<'_>,
    side: Side,
    takeover: bool,
    kind: Peer,
    sizes: &[usize],
) -> Used {
    let mut end = endpoint(choices, side, takeover, 15);
    let level = flate2::Compression::new(choices.below(10) as u32);
    let mut peer = Compress::new(level, false);
    // What was inflated before, as the judge sees it.
    let mut before = Vec::new();
    let mut used = Used::new();
    let mut plain = Vec::new();
    while !choices.0.is_empty() && end.error.is_none() {
        message(choices, &mut plain);
        if !takeover {
            before.clear();
            peer.reset();
        }
        let mut payload = match choices.below(6) {
            4 if kind == Peer::Wrong => choices.bytes(40).to_vec(),
            0 | 5 if kind != Peer::Plain => by_hand(choices, before.len()),
            _ => compressed(choices, &mut peer, &plain),
        };
        if kind == Peer::Wrong {
            for _ in 0..choices.pick(&[0, 0, 0, 1, 2]) {
                spoil_byte(choices, &mut payload);
            }
        }
        let is_text = core::str::from_utf8(&plain).is_ok() && kind == Peer::Plain;
        let stream = fragments(choices, if is_text { TEXT } else { BINARY }, &payload);
        let stream = stream.into_iter().flat_map(|frame| frame.to(side).bytes());
        let stream = stream.collect::<Vec<_>>();
        let pieces = pieces(&stream, sizes);
        let ours = compare(&mut end, &pieces, &before, &payload, &mut used);
        if kind == Peer::Plain {
            assert_eq!(ours.as_ref(), Some(&plain));
        }
        before.extend(ours.unwrap_or_default());
        before.drain(..before.len().saturating_sub(WINDOW));
    }
    used
}

/// One compressed message. Returns what it inflates to. `before` is what it may refer to.
pub fn compare(
    end: &mut Endpoint,
    pieces: &[&[u8]],
    before: &[u8],
    payload: &[u8],
    used: &mut Used,
) -> Option<Vec<u8>> {
    pieces.iter().for_each(|piece| end.feed(piece));
    let ours = match (end.take_events().pop(), end.error) {
        (Some(OwnedEvent::Binary(bytes)), None) => Ok(bytes),
        (Some(OwnedEvent::Text(text)), None) => Ok(text.into_bytes()),
        (None, Some(error)) => Err(error),
        other => panic!("{other:?}"),
    };
    let judge = inflated(before, payload);
    match (&ours, &judge) {
        (ours, judge) if ours == judge => {}
        (Ok(empty), _) if payload.is_empty() && empty.is_empty() => used.push(&EMPTY_PAYLOAD),
        // miniz_oxide below flate2 finds it too, if it is given all bytes so far.
        (Err(ProtocolError::InvalidDeflate), _)
            if miniz_inflated(before, payload, 1100 * payload.len()).is_none() =>
        {
            used.push(&BEFORE_THE_START);
        }
        _ => panic!("{before:02x?}\n{payload:02x?}\nthe crate: {ours:02x?}\nflate2: {judge:02x?}"),
    }
    ours.ok()
}

/// One message in one or several blocks, without its tail.
fn compressed(choices: &mut Choices<'_>, peer: &mut Compress, plain: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut put = |part: &[u8], flush| {
        payload.reserve(2 * part.len() + 100);
        let taken = peer.total_in();
        peer.compress_vec(part, &mut payload, flush)
            .expect("it compresses");
        assert_eq!(peer.total_in() - taken, part.len() as u64);
    };
    let mut rest = plain;
    for _ in 0..choices.below(4) {
        let (part, behind) = rest.split_at(rest.len() * choices.below(4) / 4);
        let flush = [
            FlushCompress::Partial,
            FlushCompress::Sync,
            FlushCompress::Full,
            FlushCompress::None,
        ];
        put(part, choices.pick(&flush));
        rest = behind;
    }
    put(rest, FlushCompress::Sync);
    // A second flush adds nothing. It is needed if the first one had nothing to do.
    if !payload.ends_with(&TAIL) {
        payload.extend([0x00, 0x00, 0x00, 0xff, 0xff]);
    }
    payload.truncate(payload.len() - TAIL.len());
    payload
}

/// Blocks that a compressor would not write: final ones with more behind them, and references to any
/// distance, most of them within the bytes `so_far`.
fn by_hand(choices: &mut Choices<'_>, mut so_far: usize) -> Vec<u8> {
    let mut blocks = Blocks::new();
    let mut is_final = false;
    for _ in 0..1 + choices.below(4) {
        is_final = choices.one_in(2);
        let n = choices.below(6);
        let symbols = (0..n).map(|_| match choices.byte() {
            byte @ 128.. if so_far > 0 => {
                let any = choices.below(256) * 256 + choices.below(256);
                let within = match choices.one_in(16) {
                    true => WINDOW,
                    false => so_far.min(WINDOW),
                };
                let len = 3 + usize::from(byte) % 8;
                so_far += len;
                Symbol::Match(len, any % within + 1)
            }
            byte => {
                so_far += 1;
                Symbol::Literal(byte)
            }
        });
        blocks = blocks.fixed(is_final, &symbols.collect::<Vec<_>>());
        if is_final {
            blocks = blocks.aligned();
        }
    }
    match is_final ^ choices.one_in(16) {
        true => blocks.end(),
        false => blocks.message(),
    }
}

/// A new message, or a longer one that begins with the last one, or the end of the last one.
fn message(choices: &mut Choices<'_>, plain: &mut Vec<u8>) {
    match choices.below(4) {
        0 => plain.extend(choices.text().bytes()),
        1 => {
            let start = plain.len() * choices.below(4) / 4;
            plain.drain(..start);
        }
        2 => *plain = choices.text().into_bytes(),
        _ => {
            let times = choices.pick(&[1, 1, 3, 500]);
            *plain = choices.bytes(40).repeat(times);
        }
    }
    plain.truncate(MAX_MESSAGE);
}

fn spoil_byte(choices: &mut Choices<'_>, payload: &mut Vec<u8>) {
    let byte = choices.byte();
    let at = match choices.one_in(2) {
        true => payload.len() - choices.below(20).min(payload.len()),
        false => choices.below(256).min(payload.len()),
    };
    match choices.below(4) {
        0 => payload.truncate(at),
        1 => payload.insert(at, byte),
        2 => payload.extend([byte, 0, 0, 0xff, 0xff]),
        _ if at < payload.len() => payload[at] ^= byte,
        _ => payload.push(byte),
    }
}

/// A compressed message in one to four frames.
fn fragments(choices: &mut Choices<'_>, opcode: u8, mut payload: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for _ in 0..choices.below(4) {
        let (first, rest) = payload.split_at(payload.len() * choices.below(5) / 5);
        frames.push(frame(false, CONTINUATION, first));
        payload = rest;
    }
    frames.push(frame(true, CONTINUATION, payload));
    frames[0].opcode = opcode;
    frames[0].rsv = 4;
    frames
}

/// Inflates a message as RFC 7692 §7.2.2 says. `before` is what it may refer to.
fn inflated(before: &[u8], payload: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut stream = Inflate::new(before);
    if stream.run(payload)? == Status::StreamEnd {
        return Ok(stream.output);
    }
    let len = stream.output.len();
    // "Append 4 octets of 0x00 0x00 0xff 0xff": they complete an empty block, and nothing else.
    stream.run(&TAIL)?;
    let is_complete = stream.output.len() == len && stream.is_between_blocks()?;
    is_complete
        .then_some(stream.output)
        .ok_or(ProtocolError::InvalidDeflate)
}

/// A stream of flate2 that goes on after a final block (RFC 7692 §7.2.3.4).
struct Inflate<'a> {
    before: &'a [u8],
    engine: Decompress,
    output: Vec<u8>,
    /// The longest output.
    limit: usize,
}

impl<'a> Inflate<'a> {
    fn new(before: &'a [u8]) -> Self {
        let mut inflate = Self {
            before,
            engine: Decompress::new(false),
            output: Vec::new(),
            limit: MAX_MESSAGE,
        };
        inflate.restart();
        inflate
    }

    /// A new stream whose window contains the bytes so far: they are its first block.
    fn restart(&mut self) {
        self.engine.reset(false);
        let so_far = [self.before, &self.output].concat();
        let window = &so_far[so_far.len().saturating_sub(WINDOW)..];
        let stored = stored_block(window);
        let mut output = Vec::with_capacity(window.len() + 1);
        let status = self
            .engine
            .decompress_vec(&stored, &mut output, FlushDecompress::None);
        assert_eq!((status.ok(), &output[..]), (Some(Status::Ok), window));
    }

    /// Inflates `input`. The status tells whether it ends with a final block.
    fn run(&mut self, mut input: &[u8]) -> Result<Status, ProtocolError> {
        loop {
            let (total_in, len) = (self.engine.total_in(), self.output.len());
            // The room is never full, unless the message is too long.
            self.output.reserve(self.limit + 1 - len);
            let status =
                (self.engine).decompress_vec(input, &mut self.output, FlushDecompress::None);
            if self.output.len() > self.limit {
                return Err(ProtocolError::MessageTooBig);
            }
            let status = status.map_err(|_| ProtocolError::InvalidDeflate)?;
            input = &input[(self.engine.total_in() - total_in) as usize..];
            match status {
                Status::StreamEnd if input.is_empty() => return Ok(status),
                Status::StreamEnd => self.restart(),
                _ if self.output.len() > len || !input.is_empty() => {}
                _ => return Ok(Status::Ok),
            }
        }
    }

    /// Whether the next bits are the header of a block: a final, stored one is then inflated.
    fn is_between_blocks(&mut self) -> Result<bool, ProtocolError> {
        let len = self.output.len();
        let mut probe = stored_block(b"probe");
        probe[0] = 1;
        self.limit += probe.len();
        let status = self.run(&probe)?;
        let inflated = self.output.split_off(len);
        Ok((status, &inflated[..]) == (Status::StreamEnd, b"probe"))
    }
}

/// RFC 1951 §3.2.4. It is no final block.
fn stored_block(plain: &[u8]) -> Vec<u8> {
    let len = plain.len() as u16;
    [&[0], &len.to_le_bytes()[..], &(!len).to_le_bytes(), plain].concat()
}

// --- compressed here, inflated there --------------------------------------------------------------

/// One stream of flate2 inflates the messages of the crate, as long as they may refer to each other.
fn sent(choices: &mut Choices<'_>, side: Side, takeover: bool) {
    let window_bits = 9 + choices.below(7) as u8;
    let mut end = endpoint(choices, side, takeover, window_bits);
    let mut judge = Decompress::new(false);
    let mut plain = Vec::new();
    while !choices.0.is_empty() {
        message(choices, &mut plain);
        match choices.below(3) {
            0 => end
                .ws
                .send_binary(&plain, &mut end.out)
                .expect("it is open"),
            _ => {
                let (first, second) = plain.split_at(plain.len() / 2);
                end.ws
                    .start_message(MessageKind::Binary)
                    .expect("it is open");
                end.ws
                    .send_fragment(first, &mut end.out)
                    .expect("it was started");
                end.ws
                    .finish_message(second, &mut end.out)
                    .expect("it was started");
            }
        }
        let message = compressed_frames(&end.out.split());
        let payload = message.iter().flat_map(|frame| &frame.payload).copied();
        let mut payload: Vec<u8> = payload.collect();
        if message[0].rsv == 4 {
            if !takeover {
                judge.reset(false);
            }
            payload.extend(TAIL);
            payload = all(&mut judge, &payload);
        }
        assert_eq!(payload, plain);
    }
}

/// Inflates input that has no final block.
fn all(judge: &mut Decompress, input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(MAX_MESSAGE + 1);
    let start = judge.total_in();
    let status = judge.decompress_vec(input, &mut output, FlushDecompress::None);
    assert_eq!(status.ok(), Some(Status::Ok));
    let taken = (judge.total_in() - start) as usize;
    if taken < input.len() {
        output.extend(all(judge, &input[taken..]));
    }
    output
}
