//! The bodies for received bytes, without and with compression.

use websocket_proto::{
    Config, Connection, ProtocolError,
    deflate::{DeflateConfig, Params},
    frame::RawHeader,
    meter,
};

use crate::{
    budget,
    node::{How, Node, Out},
    script::Script,
    support::{Endpoint, Reference, SIDES, Side, Way, frame, frames, reference::Deflate, wire},
};

/// What a connection receives, and how.
struct Plan<'a> {
    side: Side,
    config: Config,
    deflate: Option<(Params, DeflateConfig)>,
    hibernates: bool,
    /// Whether the connection is split, and whether it writes to a queue.
    split: bool,
    queue: bool,
    /// Taken in turn.
    reads: Vec<How>,
    stream: &'a [u8],
}

/// A connection receives the bytes, in random ways and with random limits.
///
/// The result does not depend on how the stream is split and on the way to receive, and is that of
/// the reference decoder. The replies are complete, valid frames. Each event takes bytes.
///
/// The first bytes are the decisions, and the rest is the stream.
pub fn receive(data: &[u8]) {
    let mut script = Script(data);
    let flags = script.byte();
    let config = script.limits();
    run(&Plan {
        side: SIDES[usize::from(flags & 1)],
        config,
        deflate: None,
        hibernates: false,
        split: flags & 2 != 0,
        queue: flags & 4 != 0,
        reads: reads(&mut script),
        stream: script.0,
    });
}

/// The same with compression. The stream can be the content of frames: for each, the first byte gives
/// its kind and the second its length.
pub fn inflate(data: &[u8]) {
    let mut script = Script(data);
    let flags = script.byte();
    let side = SIDES[usize::from(flags & 1)];
    let config = script.limits();
    let (params, mut deflate) = (script.params(), DeflateConfig::new());
    deflate.max_final_blocks = script.pick(&[u32::MAX, 8, 1, 0]);
    let reads = reads(&mut script);
    let framed = match flags & 8 {
        0 => script.0.to_vec(),
        _ => content(side, script.0),
    };
    run(&Plan {
        side,
        config,
        deflate: Some((params, deflate)),
        hibernates: flags & 16 != 0,
        split: flags & 2 != 0,
        queue: flags & 4 != 0,
        reads,
        stream: &framed,
    });
}

fn reads(script: &mut Script<'_>) -> Vec<How> {
    let count = script.number(8);
    script.bytes(count).iter().copied().map(How).collect()
}

/// A stream of valid frames.
fn content(side: Side, mut data: &[u8]) -> Vec<u8> {
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

/// Whether a frame of a stream begins a text.
fn has_text(mut stream: &[u8]) -> bool {
    while let Some((header, len)) = RawHeader::decode(stream) {
        if header.opcode == wire::TEXT {
            return true;
        }
        let len = len.saturating_add(header.len.try_into().unwrap_or(usize::MAX));
        stream = stream.get(len..).unwrap_or_default();
    }
    false
}

fn run(plan: &Plan<'_>) {
    // The plainest way: everything in one read.
    let mut whole = plan.endpoint(Way::Whole);
    whole.feed(plan.stream);
    whole.end();
    if let Some(reference) = plan.reference() {
        assert_eq!(whole.events, reference.events);
        if plan.assert_same(whole.error, reference.error) {
            let replies = frames(&whole.out);
            assert_eq!(wire::contents(&replies), wire::contents(&reference.replies));
        }
    }

    // Each other way, with the same reads: the replies are the same too.
    let pieces = plan.pieces();
    // Single bytes: a long stream would take too long.
    let size = 1 + plan.stream.len() / 400;
    let single: Vec<_> = plan
        .stream
        .chunks(size)
        .map(|piece| (piece, How(0)))
        .collect();
    let ways = Way::ALL.map(|way| (way, &pieces));
    for (way, pieces) in [(Way::Whole, &single)].into_iter().chain(ways) {
        let mut end = plan.endpoint(way);
        pieces.iter().for_each(|(piece, _)| end.feed(piece));
        end.end();
        assert_eq!(end.events, whole.events, "{way:?}");
        if plan.assert_same(end.error, whole.error) {
            assert_eq!(end.out, whole.out, "{way:?}");
        }
    }

    // Another way for each read, within the budgets.
    let mut node = plan.node();
    if !has_text(plan.stream) {
        node.budget.limits.text = 0;
    }
    for (piece, how) in &pieces {
        node.read(piece, *how);
    }
    node.end(How(0));
    node.join();
    assert_eq!(node.events, whole.events);
    plan.assert_same(node.error, whole.error);
    frames(&node.flush(usize::MAX));

    let (per_byte, codecs) = match plan.deflate {
        None => (meter::PLAIN, 0),
        Some(_) => (meter::DEFLATE, budget::CODECS),
    };
    node.budget.check_work(per_byte);
    node.budget.check_memory(node.inflates(), codecs);
}

impl Plan<'_> {
    fn endpoint(&self, way: Way) -> Endpoint {
        let mut config = self.config;
        config.parts_above = usize::MAX;
        let mut end = match self.deflate {
            None => Endpoint::in_way(way, self.side, config),
            Some((params, deflate)) => {
                Endpoint::with_deflate_in_way(way, self.side, config, params, deflate)
            }
        };
        end.hibernates = self.hibernates;
        end
    }

    fn node(&self) -> Node {
        let mut ws = Connection::assume_opened(self.side.role(), self.config);
        if let Some((params, deflate)) = self.deflate {
            ws = ws.with_deflate(params, deflate);
        }
        let out = match self.queue {
            false => Out::Plain(Default::default()),
            true => Out::Queue(Default::default()),
        };
        let mut node = Node::new(ws, &self.config, out);
        node.hibernates = self.hibernates;
        if self.split {
            node.split();
        }
        node
    }

    /// The decoder that tells the expected result. It does not count final blocks.
    fn reference(&self) -> Option<Reference> {
        let mut config = self.config;
        config.max_fragments = config.max_fragments.max(1);
        let mut reference = Reference::new(self.side, config);
        if let Some((params, deflate)) = self.deflate {
            if deflate.max_final_blocks < u32::MAX {
                return None;
            }
            let (bits, takeover) = self.compressor(&params);
            let mut deflate = Deflate::new(bits, takeover);
            deflate.hibernates = self.hibernates;
            reference = reference.with_deflate(deflate);
        }
        reference.feed(self.stream);
        reference.end();
        Some(reference)
    }

    /// The window and the context takeover of the peer.
    fn compressor(&self, params: &Params) -> (u8, bool) {
        let (bits, alone) = match self.side {
            Side::Server => (
                params.client_max_window_bits,
                params.client_no_context_takeover,
            ),
            Side::Client => (
                params.server_max_window_bits,
                params.server_no_context_takeover,
            ),
        };
        (bits.unwrap_or(15), !alone)
    }

    /// Returns whether the errors are the same. If not, the message must be one of those of which the
    /// manual says that only the error depends on the reads.
    fn assert_same(&self, error: Option<ProtocolError>, other: Option<ProtocolError>) -> bool {
        let is_same = error == other;
        let (bits, takeover) =
            (self.deflate.as_ref()).map_or((15, false), |(params, _)| self.compressor(params));
        let both = error.is_some() && other.is_some();
        assert!(
            is_same || both && takeover && bits < 15,
            "{error:?} instead of {other:?}"
        );
        is_same
    }

    fn pieces(&self) -> Vec<(&[u8], How)> {
        let mut rest = self.stream;
        let all = [How(7)];
        let reads = if self.reads.is_empty() {
            &all
        } else {
            &self.reads[..]
        };
        let mut pieces = Vec::new();
        for how in reads.iter().cycle() {
            let piece;
            (piece, rest) = rest.split_at(how.size().min(rest.len()));
            if piece.is_empty() {
                break;
            }
            pieces.push((piece, *how));
        }
        pieces
    }
}
