//! Proves that the result does not depend on how a stream is split into reads. Generated streams,
//! valid and invalid, complete and cut off, give the same events, replies and error in one read,
//! byte by byte, and in random reads. The result is also that of a simple reference decoder, which
//! reads single bytes. Both roles are tested.

use proptest::{collection::vec, prelude::*, sample::Index};
use websocket_proto::{Config, ProtocolError};

mod support;

use support::{
    Endpoint, Frame, OwnedEvent, Reference, SIDES, Side, config, frame, frames,
    wire::{self, BINARY, CLOSE, CONTINUATION, Form, PING, PONG, TEXT},
};

/// Limits and a backlog that some generated streams exceed.
fn small() -> Config {
    config(|c| {
        c.max_frame_size = 300;
        c.max_message_size = 400;
        c.max_fragments = 6;
        c.pong_backlog = 60;
    })
}

/// Text with characters of all lengths, sometimes with a wrong byte.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec!["a", "plain ascii ", "é", "€", "\u{FFFF}", "😀"]);
    let text = vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![
        8 => text.clone(),
        1 => (text, any::<Index>(), any::<u8>()).prop_map(|(mut text, at, byte)| {
            text.insert(at.index(text.len() + 1), byte);
            text
        }),
        1 => (0..700_usize).prop_map(|n| vec![b'x'; n]),
    ]
}

fn controls() -> impl Strategy<Value = Frame> {
    (
        prop::sample::select(&[PING, PONG][..]),
        vec(any::<u8>(), 0..=125),
    )
        .prop_map(|(opcode, payload)| frame(true, opcode, payload))
}

/// A message in fragments, split anywhere, with control frames between them.
fn messages() -> impl Strategy<Value = Vec<Frame>> {
    let payload = prop_oneof![
        3 => texts().prop_map(|text| (TEXT, text)),
        1 => vec(any::<u8>(), 0..600).prop_map(|bytes| (BINARY, bytes)),
    ];
    let cuts = vec(
        (any::<Index>(), prop::option::weighted(0.3, controls())),
        0..7,
    );
    (payload, cuts).prop_map(|((opcode, payload), cuts)| {
        let mut cuts: Vec<_> = cuts
            .into_iter()
            .map(|(cut, control)| (cut.index(payload.len() + 1), control))
            .collect();
        cuts.sort_by_key(|(cut, _)| *cut);
        let (mut frames, mut from) = (Vec::new(), 0);
        for (cut, control) in cuts {
            frames.push(frame(false, CONTINUATION, &payload[from..cut]));
            frames.extend(control);
            from = cut;
        }
        frames.push(frame(true, CONTINUATION, &payload[from..]));
        frames[0].opcode = opcode;
        frames
    })
}

/// A frame that is invalid, or not allowed at most positions.
fn offences() -> impl Strategy<Value = Frame> {
    let close = |payload| frame(true, CLOSE, payload);
    prop_oneof![
        (0..16_u8, any::<bool>(), 0..3_u8, 0..300_usize).prop_map(|(opcode, fin, rsv, len)| frame(
            fin,
            opcode,
            vec![b'x'; len]
        )
        .rsv(rsv)),
        (
            0..300_usize,
            prop::sample::select(&[Form::Bits16, Form::Bits64][..])
        )
            .prop_map(|(len, form)| frame(true, BINARY, vec![0; len]).form(form)),
        any::<u64>().prop_map(|len| frame(true, TEXT, "").claiming(len)),
        vec(any::<u8>(), 0..5).prop_map(close),
        (900..5100_u16, texts()).prop_map(|(code, mut reason)| {
            reason.truncate(123);
            wire::close(code, reason)
        }),
    ]
}

/// The bytes of a whole connection, as `side` receives them.
fn streams(side: Side) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => messages(),
        2 => controls().prop_map(|frame| vec![frame]),
        1 => offences().prop_map(|frame| vec![frame]),
    ];
    let masks = vec((any::<[u8; 4]>(), prop::bool::weighted(0.99)), 40..41);
    let end = prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let close = prop_oneof![
        Just(None),
        (1000..1003_u16, "[a-zé]{0,20}").prop_map(|(code, reason)| Some(wire::close(code, reason))),
    ];
    (vec(part, 0..6), close, masks, end).prop_map(move |(parts, close, masks, end)| {
        let mut wire = Vec::new();
        let frames = parts.into_iter().flatten().chain(close);
        for (frame, (key, right)) in frames.zip(masks.into_iter().cycle()) {
            let masked = (side == Side::Server) == right;
            let key = masked.then_some(key);
            wire.extend(Frame { key, ..frame }.bytes());
        }
        if let Some(end) = end {
            wire.truncate(end.index(wire.len() + 1));
        }
        wire
    })
}

/// Everything that a caller can observe.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<OwnedEvent>,
    out: Vec<u8>,
    error: Option<ProtocolError>,
    close_received: Option<(Option<u16>, String)>,
}

fn outcome(side: Side, pieces: &[&[u8]], spare: &[usize]) -> Outcome {
    let mut peer = Endpoint::new(side, small());
    for (piece, spare) in pieces.iter().zip(spare.iter().cycle()) {
        peer.feed_into(piece, *spare);
    }
    peer.end();
    Outcome {
        close_received: support::said(peer.ws.close_received()),
        events: peer.events,
        out: peer.out.to_vec(),
        error: peer.error,
    }
}

fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn any_split_is_the_same(side: Side, stream: &[u8], sizes: &[usize], spare: &[usize]) {
    let mut reference = Reference::new(side, small());
    reference.feed(stream);
    reference.end();

    // The clients have the same seed, so their replies have the same mask keys.
    let whole = outcome(side, &[stream], &[0]);
    assert_eq!(whole.events, reference.events);
    assert_eq!(whole.error, reference.error);
    let replies = frames(&whole.out);
    assert_eq!(wire::contents(&replies), wire::contents(&reference.replies));
    assert!(
        replies
            .iter()
            .all(|reply| reply.key.is_some() == (side == Side::Client))
    );

    assert_eq!(
        outcome(side, &cut(stream, &[1]), &[0]),
        whole,
        "byte by byte"
    );
    assert_eq!(
        outcome(side, &cut(stream, sizes), spare),
        whole,
        "{sizes:?} {spare:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_a_server_the_same(
        stream in streams(Side::Server),
        sizes in vec(prop_oneof![1..20_usize, 1..2000_usize], 1..8),
        spare in vec(0..3000_usize, 1..4),
    ) {
        any_split_is_the_same(Side::Server, &stream, &sizes, &spare);
    }

    #[test]
    fn any_split_gives_a_client_the_same(
        stream in streams(Side::Client),
        sizes in vec(prop_oneof![1..20_usize, 1..2000_usize], 1..8),
        spare in vec(0..3000_usize, 1..4),
    ) {
        any_split_is_the_same(Side::Client, &stream, &sizes, &spare);
    }
}

#[test]
fn every_single_cut_of_one_long_conversation() {
    let conversation = [
        frame(false, TEXT, "é"),
        wire::ping("one"),
        frame(false, CONTINUATION, ""),
        frame(true, CONTINUATION, "€ 😀"),
        frame(true, BINARY, vec![5; 130]),
        frame(true, TEXT, "plain text of some length"),
        wire::pong("two"),
        frame(false, BINARY, [1, 2, 3]),
        frame(true, CONTINUATION, ""),
        wire::close(1000, "très bien"),
        wire::text("late"),
    ];
    for side in SIDES {
        let stream = conversation
            .clone()
            .map(|frame| frame.to(side).bytes())
            .concat();
        let whole = outcome(side, &[&stream], &[0]);
        assert_eq!((whole.events.len(), whole.error), (7, None));
        for at in 0..=stream.len() {
            let (first, second) = stream.split_at(at);
            assert_eq!(outcome(side, &[first, second], &[0]), whole, "cut at {at}");
            any_split_is_the_same(side, first, &[1, 2, 3], &[1]);
        }
    }
}

#[test]
fn the_generated_streams_reach_every_error() {
    // The other tests are of value only if the generated streams differ. So count what they contain.
    use proptest::{
        strategy::ValueTree,
        test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner},
    };
    use websocket_proto::frame::FrameError;
    let mut runner = TestRunner::new_with_rng(
        Cases::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]),
    );
    let (mut errors, mut clean, mut replaced) = (Vec::new(), 0, 0);
    for side in SIDES {
        for _ in 0..4000 {
            let stream = streams(side)
                .new_tree(&mut runner)
                .expect("a stream")
                .current();
            let mut reference = Reference::new(side, small());
            reference.feed(&stream);
            let pings = reference
                .events
                .iter()
                .filter(|e| matches!(e, OwnedEvent::Ping(_)));
            let pongs = reference
                .replies
                .iter()
                .filter(|reply| reply.opcode == PONG);
            replaced += usize::from(pings.count() > pongs.count());
            reference.end();
            clean += usize::from(reference.error.is_none());
            errors.extend(reference.error);
        }
    }
    assert!(clean > 500, "{clean} streams went well");
    assert!(replaced > 50, "{replaced} streams had pongs to replace");
    let expected = [
        ProtocolError::Frame(FrameError::NonMinimalLength),
        ProtocolError::Frame(FrameError::LengthTopBit),
        ProtocolError::Frame(FrameError::FragmentedControl),
        ProtocolError::Frame(FrameError::ControlTooLong),
        ProtocolError::ReservedBit,
        ProtocolError::UnmaskedFrame,
        ProtocolError::MaskedFrame,
        ProtocolError::UnexpectedContinuation,
        ProtocolError::TruncatedCloseCode,
        ProtocolError::InvalidUtf8,
        ProtocolError::FrameTooBig,
        ProtocolError::MessageTooBig,
        ProtocolError::TooManyFragments,
        ProtocolError::InterleavedMessage,
        ProtocolError::EndOfStream,
    ];
    for error in expected {
        assert!(errors.contains(&error), "{error:?} never came up");
    }
    let some = |is: fn(&ProtocolError) -> bool| errors.iter().any(is);
    assert!(some(|e| matches!(
        e,
        ProtocolError::Frame(FrameError::ReservedOpcode(_))
    )));
    assert!(some(|e| matches!(e, ProtocolError::InvalidCloseCode(_))));
}
