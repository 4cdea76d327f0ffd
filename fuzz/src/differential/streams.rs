//! Streams of frames, legal and nearly legal, and where the frames of a stream are.

use websocket_proto::frame::{LengthForm, RawHeader};

use super::Choices;
use crate::support::{
    Side, frame,
    wire::{self, Form, Frame},
};

/// Frames of a peer that follow the rules. With `spoil`, some of them break one.
pub fn stream(choices: &mut Choices<'_>, side: Side, spoil: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    // The message under way: whether it is text, and text that is left for its next frame.
    let mut message: Option<(bool, Vec<u8>)> = None;
    while !choices.0.is_empty() {
        let mut next = match choices.below(16) {
            0 => wire::ping(control_payload(choices)),
            1 => wire::pong(control_payload(choices)),
            2 => close(choices),
            _ => data_frame(choices, &mut message),
        }
        .to(side);
        if spoil && choices.one_in(6) {
            next = spoilt(choices, next);
        }
        stream.extend(next.bytes());
        if next.opcode == wire::CLOSE && !choices.one_in(4) {
            break;
        }
    }
    if spoil && choices.one_in(4) {
        stream.truncate(stream.len().saturating_sub(1 + choices.below(20)));
    }
    stream
}

pub fn control_payload(choices: &mut Choices<'_>) -> Vec<u8> {
    let n = choices.pick(&[0, 1, 4, 125]);
    let byte = choices.byte();
    vec![byte; n]
}

fn close(choices: &mut Choices<'_>) -> Frame {
    let codes = [
        1000, 1001, 1003, 1007, 1011, 1013, 1014, 3000, 4999, 0, 999, 1004, 1005, 1006, 1015, 1016,
        2999, 5000, 65535,
    ];
    let reason = choices.pick(&["", "", "bye", "\u{20ac}"]);
    match choices.below(4) {
        0 => frame(true, wire::CLOSE, ""),
        // Two thirds of them may be sent.
        1 => wire::close(choices.pick(&codes), reason),
        _ => wire::close(choices.pick(&codes[..9]), reason),
    }
}

fn data_frame(choices: &mut Choices<'_>, message: &mut Option<(bool, Vec<u8>)>) -> Frame {
    let (opcode, is_text, mut payload) = match message.take() {
        Some((is_text, left)) => (wire::CONTINUATION, is_text, left),
        None if choices.one_in(2) => (wire::TEXT, true, Vec::new()),
        None => (wire::BINARY, false, Vec::new()),
    };
    if is_text {
        payload.extend(choices.text().bytes());
    } else {
        let len = match choices.one_in(8) {
            true => choices.pick(&[1000, 1001, 65535, 65536]),
            false => choices.pick(&[0, 1, 7, 125, 126, 127, 300]),
        };
        let byte = choices.byte();
        payload.extend((0..len).map(|at| byte.wrapping_add(at as u8)));
    }
    let fin = !choices.one_in(3);
    if !fin {
        // A character can be cut in two.
        let len = payload.len() - choices.below(4).min(payload.len());
        *message = Some((
            is_text,
            if is_text {
                payload.split_off(len)
            } else {
                Vec::new()
            },
        ));
    }
    frame(fin, opcode, payload)
}

fn spoilt(choices: &mut Choices<'_>, mut frame: Frame) -> Frame {
    match choices.below(10) {
        0 => frame.rsv = choices.byte() & 7,
        1 => frame.key = frame.key.xor(Some([1, 2, 3, 4])),
        2 => frame.opcode = choices.byte() & 15,
        3 => frame.fin = !frame.fin,
        4 => frame.form = Form::Bits16,
        5 => frame.form = Form::Bits64,
        6 => {
            let lens = [
                0,
                1,
                126,
                1001,
                65536,
                1 << 32,
                (1 << 63) - 1,
                1 << 63,
                u64::MAX,
            ];
            frame.claimed = Some(choices.pick(&lens));
        }
        7 => frame.payload.truncate(1),
        8 => frame.payload.extend([choices.byte(); 130]),
        _ => {
            let at = choices.below(256).min(frame.payload.len());
            frame.payload.insert(at, choices.byte());
        }
    }
    frame
}

// --- where the frames of a stream are ------------------------------------------------------------

/// The headers of a stream, each with its position and length. The last one may be incomplete.
pub fn headers(stream: &[u8]) -> Vec<(usize, Option<(RawHeader, usize)>)> {
    let (mut headers, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        let header = RawHeader::decode(&stream[at..]);
        headers.push((at, header));
        let next = header.and_then(|(header, len)| {
            let payload = usize::try_from(header.len).ok()?;
            at.checked_add(len)?.checked_add(payload)
        });
        at = next.unwrap_or(usize::MAX);
    }
    headers
}

/// The number of bytes that the last frame lacks; `None` if it is complete. Of a frame with a payload
/// longer than `most`, only the header counts.
pub fn missing(stream: &[u8], most: usize) -> Option<usize> {
    let mut whole = stream.to_vec();
    let (at, _) = *headers(stream).last()?;
    // A header that is not complete is filled up with zeros.
    while RawHeader::decode(&whole[at..]).is_none() {
        whole.push(0);
    }
    let (header, len) = RawHeader::decode(&whole[at..])?;
    let payload = usize::try_from(header.len).ok().filter(|len| *len <= most);
    // tungstenite refuses a longer frame at its header.
    let end = at + len + payload.unwrap_or(0);
    end.checked_sub(stream.len()).filter(|missing| *missing > 0)
}

/// The same for a control frame whose header is complete.
pub fn missing_of_control(stream: &[u8]) -> Option<usize> {
    let (_, header) = *headers(stream).last()?;
    header.filter(|(header, _)| header.opcode >= 8)?;
    missing(stream, 125)
}

/// Writes the length of a frame in its shortest form. Returns whether it was not.
pub fn shorten(frame: Option<(usize, RawHeader, usize)>, stream: &mut Vec<u8>) -> bool {
    let Some((at, mut header, len)) = frame else {
        return false;
    };
    let form = core::mem::replace(&mut header.form, LengthForm::shortest(header.len));
    stream.splice(at..at + len, header.encode().as_bytes().iter().copied());
    form > header.form
}
