//! Proves that text fails at the first wrong byte (RFC 6455 §8.1): not later, when the frame or the
//! message is complete, and not earlier, when a character is only incomplete. The reference is
//! `core::str::from_utf8`. Every class of invalid sequence is split at every byte over frames and
//! reads, in both roles. Valid characters of all lengths are split in the same way.

use websocket_proto::{Config, ProtocolError};

mod support;

use support::{
    Endpoint, OwnedEvent, SIDES, Side, frame,
    wire::{self, BINARY, CONTINUATION, TEXT},
};

/// Invalid and incomplete sequences, by class.
const INVALID: [&[u8]; 38] = [
    // Continuation bytes without a start.
    b"\x80",
    b"\xBF",
    b"\x80\x80\x80\x80",
    "é".as_bytes().split_at(1).1,
    // Starts without, or with too few, continuation bytes.
    b"\xC3",
    b"\xC3\xC3",
    b"\xC3a",
    b"\xE2\x82",
    b"\xE2a\x82",
    b"\xE2\x82a",
    b"\xE2\x82\xE2",
    b"\xF0\x9F\x98",
    b"\xF0\x9F\x98a",
    b"\xF0\x9Fa\x80",
    b"\xF0a\x98\x80",
    b"\xF0\x9F\x98\xF0",
    // Overlong forms.
    b"\xC0\x80",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xE0\x80\x80",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\x80",
    b"\xF0\x82\x82\xAC",
    b"\xF0\x8F\xBF\xBF",
    // Surrogates, single and in pairs.
    b"\xED\xA0\x80",
    b"\xED\xAF\xBF",
    b"\xED\xB0\x80",
    b"\xED\xBF\xBF",
    b"\xED\xA0\x80\xED\xB0\x80",
    // Above U+10FFFF.
    b"\xF4\x90\x80\x80",
    b"\xF5\x80\x80\x80",
    b"\xF7\xBF\xBF\xBF",
    b"\xF8\x88\x80\x80\x80",
    b"\xFC\x84\x80\x80\x80\x80",
    // Bytes that UTF-8 never uses.
    b"\xFE",
    b"\xFF",
    b"\xFE\xFF",
];

/// The text before and after the sequence: nothing, ASCII, a character, and texts that are long
/// enough for the fast paths.
fn surroundings() -> [Vec<u8>; 5] {
    let long = "0123456789".repeat(7);
    [
        Vec::new(),
        b"a".to_vec(),
        "é😀".into(),
        long.clone().into(),
        format!("{long}€{long}é").into(),
    ]
}

/// How the payload is split into frames.
#[derive(Debug, Clone, Copy)]
enum Layout {
    OneFrame,
    /// Fragments of this many bytes. An empty fragment and a ping follow each.
    Fragments(usize),
}

/// The bytes of the frames, and after each byte the number of payload bytes that have arrived.
fn lay_out(side: Side, payload: &[u8], layout: Layout) -> (Vec<u8>, Vec<usize>) {
    let mut frames = Vec::new();
    match layout {
        Layout::OneFrame => frames.push(frame(true, TEXT, payload)),
        Layout::Fragments(n) => {
            for piece in payload.chunks(n) {
                frames.push(frame(false, CONTINUATION, piece));
                frames.push(wire::ping(""));
                frames.push(frame(false, CONTINUATION, ""));
            }
            frames.push(frame(true, CONTINUATION, ""));
            frames[0].opcode = TEXT;
        }
    }
    let (mut wire, mut arrived, mut total) = (Vec::new(), Vec::new(), 0);
    for frame in frames {
        let bytes = frame.clone().to(side).bytes();
        let header = bytes.len() - frame.payload.len();
        arrived.extend((1..=bytes.len()).map(|n| total + n.saturating_sub(header)));
        total += frame.payload.len();
        wire.extend(bytes);
    }
    (wire, arrived)
}

/// Feeds reads of `read` bytes. After each read, checks that there is an error if and only if the
/// payload so far cannot be the start of valid text.
fn fails_at_the_offending_byte(side: Side, payload: &[u8], layout: Layout, read: usize) {
    let (wire, arrived) = lay_out(side, payload, layout);
    let mut peer = Endpoint::new(side, Config::new());
    let mut fed = 0;
    for bytes in wire.chunks(read) {
        peer.feed(bytes);
        fed += bytes.len();
        let so_far = arrived[fed - 1];
        let is_whole = fed == wire.len();
        let impossible = match core::str::from_utf8(&payload[..so_far]) {
            Ok(_) => false,
            Err(error) => error.error_len().is_some() || is_whole,
        };
        let expected = impossible.then_some(ProtocolError::InvalidUtf8);
        assert_eq!(
            peer.error, expected,
            "{side:?} {layout:?} {read}: {so_far} of {payload:02x?}"
        );
    }
    let texts = peer
        .events
        .iter()
        .filter(|event| matches!(event, OwnedEvent::Text(_)));
    assert_eq!(
        texts.count(),
        usize::from(core::str::from_utf8(payload).is_ok())
    );
}

fn in_all_layouts(payload: &[u8]) {
    for side in SIDES {
        for layout in [
            Layout::OneFrame,
            Layout::Fragments(1),
            Layout::Fragments(2),
            Layout::Fragments(3),
        ] {
            for read in [1, 2, 7, usize::MAX] {
                fails_at_the_offending_byte(side, payload, layout, read);
            }
        }
    }
}

#[test]
fn every_class_of_invalid_text_fails_at_its_first_impossible_byte() {
    for invalid in INVALID {
        assert!(core::str::from_utf8(invalid).is_err());
        for before in surroundings() {
            for after in [&b""[..], b"a", "é".as_bytes(), &[b'x'; 40]] {
                in_all_layouts(&[&before, invalid, after].concat());
            }
        }
    }
}

#[test]
fn characters_of_all_lengths_pass_wherever_they_are_cut() {
    let borders = "\0\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFD}\u{FFFF}\u{10000}\u{10FFFF}";
    let texts = ["κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "😀😀😀", borders];
    for text in texts {
        for surroundings in surroundings() {
            in_all_layouts(&[&surroundings, text.as_bytes(), &surroundings].concat());
        }
    }
}

#[test]
fn a_text_is_cut_once_at_every_byte_over_fragments_and_reads() {
    let text = "a\u{7FF}€😀z".repeat(3) + &"plain ".repeat(6);
    for side in SIDES {
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let fragments = [frame(false, TEXT, first), frame(true, CONTINUATION, second)];
            let mut peer = Endpoint::new(side, Config::new());
            for fragment in fragments {
                peer.feed(&fragment.to(side).bytes());
            }
            let whole = wire::text(&text).to(side).bytes();
            let (first, second) = whole.split_at(whole.len() - cut);
            peer.feed(first);
            peer.feed(second);
            assert_eq!(
                peer.events,
                [OwnedEvent::text(&text), OwnedEvent::text(&text)],
                "{cut}"
            );
        }
    }
}

#[test]
fn a_character_is_not_completed_by_the_next_message() {
    for side in SIDES {
        let half = frame(false, TEXT, b"\xC3").to(side).bytes();
        let mut peer = Endpoint::new(side, Config::new());
        peer.feed(&half);
        assert_eq!(peer.error, None);
        peer.feed(&frame(true, CONTINUATION, "").to(side).bytes());
        assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
        assert_eq!(peer.flush()[0].close_code(), 1007);

        // Binary messages may contain any bytes.
        let mut peer = Endpoint::new(side, Config::new());
        for invalid in INVALID {
            peer.feed(&frame(true, wire::BINARY, invalid).to(side).bytes());
            assert_eq!(
                peer.events.pop(),
                Some(OwnedEvent::Binary(invalid.to_vec()))
            );
        }
    }
}

/// Texts that fill all of a frame. A fast check may look at whole blocks, so the length, the place of
/// the frame and its neighbours matter.
#[test]
fn a_text_between_other_frames_is_checked_alone() {
    let mixed = "aé€😀".repeat(20);
    for side in SIDES {
        for len in 0..=mixed.len() {
            let mut ascii = vec![b'x'; len];
            let mut texts = vec![ascii.clone(), mixed.as_bytes()[..len].to_vec()];
            if let Some(last) = ascii.last_mut() {
                *last = 0xC3;
                texts.push(ascii.clone());
                ascii[0] = 0x80;
                texts.push(ascii);
            }
            for text in texts {
                let neighbour = frame(true, BINARY, [0xFF; 90]).to(side).bytes();
                let text_frame = frame(true, TEXT, &text).to(side).bytes();
                for before in [&b""[..], &neighbour] {
                    let mut peer = Endpoint::new(side, Config::new());
                    peer.feed(&[before, &text_frame, &neighbour].concat());
                    let seen = peer.events.iter().skip(usize::from(!before.is_empty()));
                    let seen: Vec<_> = seen.cloned().collect();
                    let binary = OwnedEvent::Binary(vec![0xFF; 90]);
                    match String::from_utf8(text.clone()) {
                        Ok(text) => assert_eq!(seen, [OwnedEvent::Text(text), binary]),
                        Err(_) => {
                            assert_eq!(seen, []);
                            assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8), "{text:02x?}");
                        }
                    }
                }
            }
        }
    }
}

/// A long text that is cut by reads: ASCII stays where it was read, other text is collected. Both ways
/// meet in one message, before and behind 64 KiB.
#[test]
fn a_long_text_is_whole_wherever_it_stops_being_ascii() {
    const LEN: usize = 80_000;
    for side in SIDES {
        for ascii in [0, 1, 15_000, 65_000, 65_600, 79_990] {
            for wrong in [None, Some(100), Some(69_000), Some(LEN - 1)] {
                let read = [16_384, 1_460, 100_000][ascii % 3];
                let mut text = "x".repeat(ascii);
                while text.len() < LEN {
                    text.push_str("é€😀 text");
                }
                let mut text = text.into_bytes();
                if let Some(at) = wrong {
                    text[at] = 0xFF;
                }
                // In three frames, the middle one with most of the payload.
                let frames = [
                    frame(false, TEXT, &text[..10]),
                    frame(false, CONTINUATION, &text[10..LEN - 9]),
                    wire::ping(""),
                    frame(true, CONTINUATION, &text[LEN - 9..]),
                    frame(true, TEXT, "next"),
                ];
                let wire: Vec<u8> = frames
                    .into_iter()
                    .flat_map(|it| it.to(side).bytes())
                    .collect();
                let mut peer = Endpoint::new(side, Config::new());
                wire.chunks(read).for_each(|bytes| peer.feed(bytes));
                let texts: Vec<_> = peer
                    .events
                    .into_iter()
                    .filter(|it| matches!(it, OwnedEvent::Text(_)))
                    .collect();
                match String::from_utf8(text) {
                    Ok(text) => {
                        assert_eq!(peer.error, None, "{side:?} {ascii} {wrong:?} {read}");
                        assert!(texts == [OwnedEvent::Text(text), OwnedEvent::Text("next".into())]);
                    }
                    Err(_) => {
                        assert!(texts.is_empty());
                        assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
                    }
                }
            }
        }
    }
}

/// From 1 KiB on a text that is not ASCII is collected.
#[test]
fn every_class_of_invalid_text_fails_behind_a_collected_text() {
    for side in SIDES {
        for wrong in INVALID {
            for after in ["", "é"] {
                let payload = ["é".repeat(520).as_bytes(), wrong, after.as_bytes()].concat();
                let (wire, arrived) = lay_out(side, &payload, Layout::OneFrame);
                let mut peer = Endpoint::new(side, Config::new());
                let start = arrived.iter().filter(|&&n| n < 1040).count();
                peer.feed(&wire[..start]);
                assert_eq!(peer.error, None);
                for fed in start + 1..=wire.len() {
                    peer.feed(&wire[fed - 1..fed]);
                    let impossible = match core::str::from_utf8(&payload[..arrived[fed - 1]]) {
                        Ok(_) => false,
                        Err(error) => error.error_len().is_some() || fed == wire.len(),
                    };
                    let expected = impossible.then_some(ProtocolError::InvalidUtf8);
                    assert_eq!(peer.error, expected, "{side:?} {wrong:02x?} {after}");
                }
            }
        }
    }
}
