//! Proves the wire format of one frame (RFC 6455 §5.2, §5.3, §7.4): a header that is encoded decodes
//! to itself; the encoder refuses what the decoder refuses; raw headers show all of it and are checked
//! with the same result; a mask can be applied in pieces; mask keys are fresh; and every error names
//! its rule. The small spaces are covered by `exhaustive_headers.rs`, `exhaustive_masks.rs` and
//! `exhaustive_closes.rs`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use websocket_proto::{
    ProtocolError, Seed,
    frame::{
        CloseCode, FrameError, FrameHeader, LengthForm, MaskKeys, Opcode, RawHeader, apply_mask,
    },
};

mod support;

use support::{variants, wire::Form};

const OPCODES: [Opcode; 6] = [
    Opcode::Continuation,
    Opcode::Text,
    Opcode::Binary,
    Opcode::Close,
    Opcode::Ping,
    Opcode::Pong,
];

const FORMS: [LengthForm; 3] = [LengthForm::Bits7, LengthForm::Bits16, LengthForm::Bits64];

/// Payload lengths: near the limits of the forms, and any other.
fn lengths() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..300_u64,
        65_500..65_600_u64,
        (0..64_u32, -2..3_i64).prop_map(|(bit, by)| (1_u64 << bit).wrapping_add_signed(by)),
        any::<u64>(),
    ]
}

prop_compose! {
    /// Any header of the type, valid or not.
    fn headers()(
        [fin, rsv1, rsv2, rsv3] in any::<[bool; 4]>(),
        opcode in prop::sample::select(&OPCODES[..]),
        mask in any::<Option<[u8; 4]>>(),
        len in lengths(),
    ) -> FrameHeader {
        FrameHeader { fin, rsv1, rsv2, rsv3, mask, ..FrameHeader::new(opcode, len) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_header_survives_a_round_trip_or_is_refused_both_ways(header in headers(), tail: [u8; 3]) {
        let control = header.opcode.is_control();
        let expected = match header {
            FrameHeader { fin: false, .. } if control => Err(FrameError::FragmentedControl),
            FrameHeader { len: 126.., .. } if control => Err(FrameError::ControlTooLong),
            FrameHeader { len, .. } if len >= 1 << 63 => Err(FrameError::LengthTopBit),
            _ => Ok(()),
        };
        let rsv = u8::from(header.rsv1) << 2 | u8::from(header.rsv2) << 1 | u8::from(header.rsv3);
        let mut frame = support::frame(header.fin, header.opcode as u8, []);
        frame = frame.rsv(rsv).claiming(header.len);
        frame.key = header.mask;
        let mut bytes = frame.bytes();

        match header.encode() {
            Ok(encoded) => {
                prop_assert_eq!(expected, Ok(()));
                let encoded = encoded.as_bytes();
                prop_assert_eq!(encoded, &bytes[..]);
                prop_assert!(encoded.len() <= FrameHeader::MAX_LEN);
                for cut in 0..bytes.len() {
                    prop_assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
                }
                bytes.extend(tail);
                let decoded = FrameHeader::decode(&bytes);
                prop_assert_eq!(decoded, Ok(Some((header, encoded.len()))));
            }
            Err(error) => {
                prop_assert_eq!(expected, Err(error));
                prop_assert_eq!(FrameHeader::decode(&bytes), Err(error));
            }
        }
    }

    #[test]
    fn decoding_depends_on_the_header_alone(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        let whole = FrameHeader::decode(&bytes);
        if let Ok(Some((header, len))) = whole {
            prop_assert!(len <= FrameHeader::MAX_LEN && len <= bytes.len());
            let encoded = header.encode().expect("legal");
            prop_assert_eq!(encoded.as_bytes(), &bytes[..len]);
        }
        // A prefix gives the same result or needs more bytes.
        for cut in 0..bytes.len() {
            let prefix = FrameHeader::decode(&bytes[..cut]);
            prop_assert!(prefix == Ok(None) || prefix == whole, "{prefix:?} became {whole:?}");
        }
    }

    #[test]
    fn a_raw_header_is_written_as_it_is(
        [fin, rsv1, rsv2, rsv3] in any::<[bool; 4]>(),
        opcode in 0..16_u8,
        mask in any::<Option<[u8; 4]>>(),
        len in lengths(),
        form in prop::sample::select(&FORMS[..]),
        tail: [u8; 3],
    ) {
        let header = RawHeader { fin, rsv1, rsv2, rsv3, mask, form, ..RawHeader::new(opcode, len) };
        // A form that is too short for the length is lengthened.
        let fits = match len {
            0..=125 => LengthForm::Bits7,
            126..=65_535 => LengthForm::Bits16,
            _ => LengthForm::Bits64,
        };
        let written = RawHeader { form: form.max(fits), ..header };

        let rsv = u8::from(rsv1) << 2 | u8::from(rsv2) << 1 | u8::from(rsv3);
        let mut frame = support::frame(fin, opcode, []).rsv(rsv).claiming(len);
        frame = frame.form(match written.form {
            LengthForm::Bits7 => Form::Shortest,
            LengthForm::Bits16 => Form::Bits16,
            LengthForm::Bits64 => Form::Bits64,
        });
        frame.key = mask;
        let mut bytes = frame.bytes();
        let encoded = header.encode();
        prop_assert_eq!(encoded.as_bytes(), &bytes[..]);
        // The upper bits of an opcode are not written.
        let opcode = opcode | 0xF0;
        prop_assert_eq!(RawHeader { opcode, ..header }.encode(), encoded);
        prop_assert_eq!(RawHeader { opcode, ..header }.check(), Err(FrameError::ReservedOpcode(opcode)));

        let size = bytes.len();
        for cut in 0..size {
            prop_assert_eq!(RawHeader::decode(&bytes[..cut]), None);
        }
        bytes.extend(tail);
        prop_assert_eq!(RawHeader::decode(&bytes), Some((written, size)));
        prop_assert_eq!(header.check(), written.check());
        prop_assert_eq!(header.check().map(|it| Some((it, size))), FrameHeader::decode(&bytes));
        if let Ok(legal) = header.check() {
            prop_assert_eq!(RawHeader::from(legal), written);
        }
    }

    #[test]
    fn a_mask_may_be_applied_in_pieces(
        payload in prop::collection::vec(any::<u8>(), 0..5000),
        key: [u8; 4],
        offset: u64,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let expected = masked_naively(&payload, key, offset);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.push(payload.len());
        cuts.sort();
        let (mut pieces, mut from) = (payload, 0);
        for to in cuts {
            apply_mask(&mut pieces[from..to], key, offset.wrapping_add(from as u64));
            from = to;
        }
        prop_assert_eq!(pieces, expected);
    }
}

fn masked_naively(payload: &[u8], key: [u8; 4], offset: u64) -> Vec<u8> {
    let phase = (offset % 4) as usize;
    payload
        .iter()
        .enumerate()
        .map(|(i, byte)| byte ^ key[(i + phase) % 4])
        .collect()
}

#[test]
fn an_encoded_header_is_its_bytes() {
    for len in [0, 125, 126, 65_536] {
        let encoded = FrameHeader::new(Opcode::Binary, len)
            .encode()
            .expect("legal");
        assert_eq!(encoded.as_ref(), encoded.as_bytes());
        assert_eq!(format!("{encoded:?}"), format!("{:?}", encoded.as_bytes()));
    }
}

/// An incomplete header is refused exactly if no bytes can make it legal.
#[test]
fn an_error_is_told_by_the_first_byte_that_shows_it() {
    let refused = |wire: &[u8]| FrameHeader::decode(wire).err();
    for (wire, shown_by, error) in [
        (&[0x82, 126, 0, 125][..], 4, FrameError::NonMinimalLength),
        (
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 1, 1],
            8,
            FrameError::NonMinimalLength,
        ),
        (
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 1, 1],
            3,
            FrameError::LengthTopBit,
        ),
        (&[0x83, 127, 0x80, 0], 2, FrameError::ReservedOpcode(3)),
        (&[0x09, 127, 0x80, 0], 2, FrameError::FragmentedControl),
        (&[0x89, 127, 0x80, 0], 2, FrameError::ControlTooLong),
    ] {
        for cut in 0..=wire.len() {
            let expected = (cut >= shown_by).then_some(error);
            assert_eq!(refused(&wire[..cut]), expected, "{:x?}", &wire[..cut]);
        }
    }
    // Each of these can still become legal.
    for wire in [
        &[0x82, 126, 0][..],
        &[0x82, 127, 0, 0, 0, 0, 0],
        &[0x82, 127, 0x7F],
        &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..9],
        &[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3],
    ] {
        assert_eq!(refused(wire), None, "{wire:x?}");
    }
}

/// Keys do not repeat, and another seed gives other keys.
#[test]
fn mask_keys_are_fresh() {
    let mut keys = MaskKeys::new(Seed::from([1; 32]));
    let mut others = MaskKeys::new(Seed::from([2; 32]));
    let mut seen: Vec<_> = (0..1000)
        .flat_map(|_| [keys.next_key(), others.next_key()])
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2000);
    assert_eq!(format!("{keys:?}"), "MaskKeys(..)");

    let mut first = MaskKeys::new(Seed::from([1; 32]));
    let mut second = MaskKeys::new(Seed::from([1; 32]));
    assert!((0..100).all(|_| first.next_key() == second.next_key()));
    // The documentation states the size.
    assert_eq!(size_of::<MaskKeys>(), 260);
}

/// The keys are the output of ChaCha12 as another implementation computes it: a seed for the next
/// generator, and 56 keys.
#[test]
fn mask_keys_are_those_of_chacha12() {
    let mut seed = [5; 32];
    let mut keys = MaskKeys::new(Seed::from(seed));
    for _ in 0..5 {
        let mut generator = ChaCha12Rng::from_seed(seed);
        generator.fill_bytes(&mut seed);
        for _ in 0..56 {
            let mut key = [0; 4];
            generator.fill_bytes(&mut key);
            assert_eq!(keys.next_key(), key);
        }
    }
}

#[test]
fn every_opcode_is_known_or_refused() {
    for bits in 0..=255_u8 {
        let known = OPCODES.into_iter().find(|opcode| *opcode as u8 == bits);
        assert_eq!(Opcode::from_bits(bits), known, "{bits:#x}");
    }
    let control = OPCODES.map(Opcode::is_control);
    assert_eq!(control, [false, false, false, true, true, true]);
}

#[test]
fn close_codes_have_names() {
    let named = [
        CloseCode::NORMAL,
        CloseCode::GOING_AWAY,
        CloseCode::PROTOCOL_ERROR,
        CloseCode::UNSUPPORTED_DATA,
        CloseCode::INVALID_PAYLOAD,
        CloseCode::POLICY_VIOLATION,
        CloseCode::MESSAGE_TOO_BIG,
        CloseCode::MANDATORY_EXTENSION,
        CloseCode::INTERNAL_ERROR,
        CloseCode::SERVICE_RESTART,
        CloseCode::TRY_AGAIN_LATER,
        CloseCode::BAD_GATEWAY,
    ];
    let numbers: Vec<u16> = (1000..=1003).chain(1007..=1014).collect();
    assert_eq!(named.map(u16::from).to_vec(), numbers);
}

#[test]
fn every_error_names_its_rule_and_fits_into_a_close_frame() {
    let frame_errors = [
        FrameError::ReservedOpcode(15),
        FrameError::NonMinimalLength,
        FrameError::LengthTopBit,
        FrameError::FragmentedControl,
        FrameError::ControlTooLong,
    ];
    let names = frame_errors.each_ref().map(support::variant);
    let all = variants(include_str!("../src/frame/header.rs"), "FrameError");
    assert_eq!(BTreeSet::from(names.each_ref().map(|it| &**it)), all);

    let errors = [
        (ProtocolError::ReservedBit, 1002),
        (ProtocolError::UnmaskedFrame, 1002),
        (ProtocolError::MaskedFrame, 1002),
        (ProtocolError::UnexpectedContinuation, 1002),
        (ProtocolError::InterleavedMessage, 1002),
        (ProtocolError::TruncatedCloseCode, 1002),
        (ProtocolError::InvalidCloseCode(65_535), 1002),
        (ProtocolError::InvalidUtf8, 1007),
        (ProtocolError::InvalidDeflate, 1007),
        (ProtocolError::FrameTooBig, 1009),
        (ProtocolError::MessageTooBig, 1009),
        (ProtocolError::TooManyFragments, 1009),
        (ProtocolError::TooManyFinalBlocks, 1009),
        (ProtocolError::MessageTimeout, 1008),
        (ProtocolError::PongTimeout, 1011),
        (ProtocolError::CloseTimeout, 0),
        (ProtocolError::EndOfStream, 0),
    ];
    let frame_errors = frame_errors.map(|error| (ProtocolError::from(error), 1002));
    let errors: Vec<_> = frame_errors.into_iter().chain(errors).collect();
    let names: Vec<_> = errors
        .iter()
        .map(|(error, _)| support::variant(error))
        .collect();
    let all = variants(include_str!("../src/error.rs"), "ProtocolError");
    assert_eq!(names.iter().map(|it| &**it).collect::<BTreeSet<_>>(), all);

    let mut texts = BTreeSet::new();
    for (error, code) in errors {
        assert_eq!(error.close_code().map_or(0, u16::from), code, "{error:?}");
        let text = error.to_string();
        assert!(text.len() <= 123, "{} bytes: {text}", text.len());
        let names_a_rule = ["RFC 6455 §", "RFC 7692 §"]
            .iter()
            .any(|it| text.contains(it));
        assert!(names_a_rule, "{text}");
        assert!(texts.insert(text), "two errors have the text of {error:?}");
    }
}
