//! Proves the wire format of one frame (RFC 6455 §5.2, §5.3, §7.4): a header that is encoded decodes
//! to itself; every form of length has its exact limits; the encoder refuses what the decoder
//! refuses; the mask is that of a simple implementation at every length, offset and split; and the
//! close codes that may be sent are exactly those of the RFC.

use proptest::prelude::*;
use websocket_proto::{
    ProtocolError,
    frame::{CloseCode, FrameError, FrameHeader, InvalidCloseCode, Opcode, apply_mask},
};

mod support;

use support::{
    Random,
    wire::{self, Form, KEY},
};

const OPCODES: [Opcode; 6] = [
    Opcode::Continuation,
    Opcode::Text,
    Opcode::Binary,
    Opcode::Close,
    Opcode::Ping,
    Opcode::Pong,
];

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
                prop_assert_eq!(&encoded[..], &bytes[..]);
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
            prop_assert_eq!(&header.encode().expect("legal")[..], &bytes[..len]);
        }
        // A prefix gives the same result or needs more bytes.
        for cut in 0..bytes.len() {
            let prefix = FrameHeader::decode(&bytes[..cut]);
            prop_assert!(prefix == Ok(None) || prefix == whole, "{prefix:?} became {whole:?}");
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
fn a_mask_is_right_at_every_length_and_offset() {
    let random = Random(1).bytes(131);
    for len in 0..=130 {
        for offset in 0..8 {
            let mut payload = random[..len].to_vec();
            apply_mask(&mut payload, KEY, offset);
            assert_eq!(
                payload,
                masked_naively(&random[..len], KEY, offset),
                "{len} {offset}"
            );
            apply_mask(&mut payload, KEY, offset);
            assert_eq!(payload, random[..len], "{len} {offset}: applied twice");
        }
    }
}

#[test]
fn lengths_have_exactly_one_form() {
    let top = 1_u64 << 63;
    let lengths = [
        (0, 2),
        (1, 2),
        (125, 2),
        (126, 4),
        (127, 4),
        (65_535, 4),
        (65_536, 10),
        (65_537, 10),
        ((1 << 31) - 1, 10),
        (1 << 31, 10),
        ((1 << 31) + 1, 10),
        (1 << 32, 10),
        (top - 1, 10),
    ];
    for (len, size) in lengths {
        let header = FrameHeader::new(Opcode::Binary, len);
        let shortest = wire::frame(true, wire::BINARY, []).claiming(len);
        assert_eq!(
            header.encode().expect("legal")[..],
            shortest.bytes(),
            "{len}"
        );
        assert_eq!(
            FrameHeader::decode(&shortest.bytes()),
            Ok(Some((header, size))),
            "{len}"
        );

        for (form, fits) in [(Form::Bits16, 126..65_536), (Form::Bits64, 65_536..top)] {
            let wire = shortest.clone().form(form).bytes();
            if !fits.contains(&len) && (form == Form::Bits64 || len < 126) {
                let refused = Err(FrameError::NonMinimalLength);
                assert_eq!(FrameHeader::decode(&wire), refused, "{len} {form:?}");
            }
        }
    }
    for len in [top, top + 1, u64::MAX - 3, u64::MAX] {
        let wire = wire::frame(true, wire::BINARY, []).claiming(len).bytes();
        assert_eq!(
            FrameHeader::decode(&wire),
            Err(FrameError::LengthTopBit),
            "{len}"
        );
        let header = FrameHeader::new(Opcode::Binary, len);
        assert_eq!(header.encode(), Err(FrameError::LengthTopBit), "{len}");
    }
}

#[test]
fn every_opcode_is_known_or_refused() {
    for bits in 0..=255_u8 {
        let known = OPCODES.into_iter().find(|opcode| *opcode as u8 == bits);
        assert_eq!(Opcode::from_bits(bits), known, "{bits:#x}");
    }
    for bits in (0x3..=0x7).chain(0xB..=0xF) {
        for fin in [0, 0x80] {
            let refused = Err(FrameError::ReservedOpcode(bits));
            assert_eq!(FrameHeader::decode(&[fin | bits, 0]), refused);
            // Two bytes are enough for the error, even if the header is longer.
            assert_eq!(FrameHeader::decode(&[fin | bits, 0xFF]), refused);
        }
    }
    let control = OPCODES.map(Opcode::is_control);
    assert_eq!(control, [false, false, false, true, true, true]);
}

#[test]
fn control_frames_are_whole_and_short() {
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        let bits = opcode as u8;
        let longest = FrameHeader::new(opcode, 125);
        assert_eq!(
            FrameHeader::decode(&[0x80 | bits, 125]),
            Ok(Some((longest, 2)))
        );
        // Two bytes are enough for the error, whatever length follows.
        for short in [126, 127, 0x80 | 126, 0x80 | 127] {
            let refused = Err(FrameError::ControlTooLong);
            assert_eq!(FrameHeader::decode(&[0x80 | bits, short]), refused);
        }
        assert_eq!(
            FrameHeader::decode(&[bits, 0]),
            Err(FrameError::FragmentedControl)
        );
    }
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    for number in 0..=u16::MAX {
        let legal = [1000..=1003, 1007..=1014, 3000..=4999];
        let code = CloseCode::try_from(number);
        if legal.iter().any(|range| range.contains(&number)) {
            assert_eq!(code.map(u16::from), Ok(number));
            assert_eq!(code.map(|code| code.to_string()), Ok(number.to_string()));
        } else {
            assert_eq!(code, Err(InvalidCloseCode(number)));
        }
    }
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
    let errors = [
        (ProtocolError::ReservedBit, 1002),
        (ProtocolError::UnmaskedFrame, 1002),
        (ProtocolError::MaskedFrame, 1002),
        (ProtocolError::UnexpectedContinuation, 1002),
        (ProtocolError::InterleavedMessage, 1002),
        (ProtocolError::TruncatedCloseCode, 1002),
        (ProtocolError::InvalidCloseCode(65_535), 1002),
        (ProtocolError::InvalidUtf8, 1007),
        (ProtocolError::FrameTooBig, 1009),
        (ProtocolError::MessageTooBig, 1009),
        (ProtocolError::TooManyFragments, 1009),
        (ProtocolError::PongTimeout, 1011),
        (ProtocolError::CloseTimeout, 0),
        (ProtocolError::EndOfStream, 0),
    ];
    let frame_errors = frame_errors.map(|error| (ProtocolError::from(error), 1002));
    let mut texts = Vec::new();
    for (error, code) in frame_errors.into_iter().chain(errors) {
        assert_eq!(error.close_code().map_or(0, u16::from), code, "{error:?}");
        let text = error.to_string();
        assert!(text.len() <= 123, "{} bytes: {text}", text.len());
        assert!(text.contains("RFC 6455 §"), "{text}");
        assert!(!texts.contains(&text), "two errors have the text {text}");
        texts.push(text);
    }
}
