//! Text: the judge is `core::str::from_utf8`, which gets the whole text. The crate gets it in
//! fragments and reads of any size, and must refuse it at its first wrong byte (RFC 6455 §8.1).

use core::str::from_utf8;

use flate2::Compress;
use websocket_proto::{
    Config, ProtocolError,
    deflate::{DeflateConfig, Params},
};

use super::{Choices, Subject, Used, pieces};
use crate::support::{
    Endpoint, Frame, OwnedEvent, Side, Way, frame,
    wire::{self, CLOSE, CONTINUATION, TEXT},
};

/// There is no justified difference.
pub const SUBJECT: Subject = Subject {
    name: "utf8",
    body,
    rows: &[],
};

fn body(data: &[u8]) -> Used {
    let mut choices = Choices(data);
    let side = choices.side();
    let way = choices.pick(&Way::ALL);
    let sizes = choices.sizes();
    match choices.below(8) {
        0 => close_reason(&mut choices, way, side),
        1 => compressed(&mut choices, way, side, &sizes),
        _ => plain(&mut choices, way, side, &sizes),
    }
    Used::new()
}

/// A text in fragments, with pings between them. In reads of any size, it is refused by the read that
/// brings its first wrong byte.
fn plain(choices: &mut Choices<'_>, way: Way, side: Side, sizes: &[usize]) {
    let fragments = fragments(choices);
    let text = fragments.concat();
    // The length of the stream up to each byte of the text.
    let (mut stream, mut ends) = (Vec::new(), Vec::new());
    for (at, payload) in fragments.iter().enumerate() {
        let fin = at + 1 == fragments.len();
        let opcode = if at == 0 { TEXT } else { CONTINUATION };
        stream.extend(frame(fin, opcode, payload).to(side).bytes());
        ends.extend((0..payload.len()).map(|left| stream.len() - left).rev());
        if !fin && choices.one_in(4) {
            stream.extend(wire::ping("").to(side).bytes());
        }
    }
    let expected = verdict(&text);
    let refused_at = match first_wrong(&text) {
        Some(at) => Some(ends[at]),
        // It ends inside a character.
        None => expected.is_err().then_some(stream.len()),
    };

    let check = |pieces: &[&[u8]]| {
        let mut end = Endpoint::in_way(way, side, Config::new());
        let mut read = 0;
        for piece in pieces {
            let good = refused_at.is_none_or(|refused| read < refused);
            assert_eq!(
                end.error.is_none(),
                good,
                "{way:?} byte {read} {fragments:02x?}"
            );
            end.feed(piece);
            read += piece.len();
        }
        assert_eq!(result(&end), expected, "{way:?} {sizes:?} {fragments:02x?}");
    };
    check(&pieces(&stream, sizes));
    // Long texts are fed byte by byte around the wrong byte only.
    let (start, rest) = stream.split_at(refused_at.unwrap_or(stream.len()).saturating_sub(300));
    let slow: Vec<_> = [start].into_iter().chain(rest.chunks(1)).collect();
    check(&slow);
}

/// The same text compressed.
fn compressed(choices: &mut Choices<'_>, way: Way, side: Side, sizes: &[usize]) {
    let text = fragments(choices).concat();
    let level = flate2::Compression::new(choices.below(10) as u32);
    let mut payload = Vec::with_capacity(2 * text.len() + 100);
    Compress::new(level, false)
        .compress_vec(&text, &mut payload, flate2::FlushCompress::Sync)
        .expect("it compresses");
    payload.truncate(payload.len() - 4);
    let at = choices.below(256).min(payload.len());
    let (first, second) = payload.split_at(at);
    let stream = [
        frame(false, TEXT, first).rsv(4).to(side).bytes(),
        wire::ping("").to(side).bytes(),
        frame(true, CONTINUATION, second).to(side).bytes(),
    ]
    .concat();
    let (config, deflate) = (Config::new(), DeflateConfig::new());
    let mut end = Endpoint::with_deflate_in_way(way, side, config, Params::default(), deflate);
    pieces(&stream, sizes)
        .iter()
        .for_each(|piece| end.feed(piece));
    assert_eq!(
        result(&end),
        verdict(&text),
        "{way:?} {sizes:?} {stream:02x?}"
    );
}

/// The reason of a Close frame. Control frames are taken as a whole.
fn close_reason(choices: &mut Choices<'_>, way: Way, side: Side) {
    let mut reason = fragments(choices).concat();
    reason.truncate(123);
    let close: Frame = frame(true, CLOSE, [&[0x03, 0xe8], &reason[..]].concat());
    let mut end = Endpoint::in_way(way, side, Config::new());
    end.feed(&close.to(side).bytes());
    match from_utf8(&reason) {
        Ok(reason) => assert_eq!(end.events, [OwnedEvent::Close(Some(1000), reason.into())]),
        Err(_) => assert_eq!(end.error, Some(ProtocolError::InvalidUtf8), "{reason:02x?}"),
    }
}

/// The message, without the pings around it, or the error.
fn result(end: &Endpoint) -> Result<String, ProtocolError> {
    let mut messages = end
        .events
        .iter()
        .filter(|it| !matches!(it, OwnedEvent::Ping(_)));
    match (messages.next(), end.error) {
        (Some(OwnedEvent::Text(text)), None) => Ok(text.clone()),
        (None, Some(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn verdict(text: &[u8]) -> Result<String, ProtocolError> {
    let text = from_utf8(text).map_err(|_| ProtocolError::InvalidUtf8)?;
    Ok(text.to_owned())
}

/// The position of the first byte that no text can continue after.
fn first_wrong(text: &[u8]) -> Option<usize> {
    let error = from_utf8(text).err()?;
    let start = error.valid_up_to();
    (start..text.len()).find(|at| {
        let prefix = from_utf8(&text[start..=*at]);
        prefix.is_err_and(|error| error.error_len().is_some())
    })
}

/// Text, with or without some wrong bytes, in one to five pieces.
fn fragments(choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let mut text = match choices.below(8) {
        0 => choices.0[..choices.0.len().min(200)].to_vec(),
        _ => choices.text().into_bytes(),
    };
    for _ in 0..choices.pick(&[0, 0, 1, 1, 2]) {
        const WRONG: [u8; 16] = [
            0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x9f,
            0xa0, 0x8f,
        ];
        let wrong = choices.pick(&WRONG);
        let at = place(choices, text.len());
        match choices.below(3) {
            0 => text.insert(at, wrong),
            1 if at < text.len() => text[at] = wrong,
            _ => text.truncate(at),
        }
    }
    let mut fragments = vec![text];
    for _ in 0..choices.below(5) {
        let last = fragments.last_mut().expect("one piece at least");
        let at = place(choices, last.len());
        let rest = last.split_off(at);
        fragments.push(rest);
    }
    fragments
}

/// A position, near the start, near the end or anywhere.
fn place(choices: &mut Choices<'_>, len: usize) -> usize {
    let n = choices.below(256);
    match choices.below(3) {
        0 => n.min(len),
        1 => len - n.min(len),
        _ => len * n / 256,
    }
}
