//! The bodies of the fuzz targets: functions that panic if the crate breaks a promise for these
//! bytes. `tests/fuzz_bodies.rs` runs the same functions as ordinary tests.

use websocket_proto::{
    Config,
    frame::{FrameHeader, RawHeader},
};

#[cfg(feature = "deflate")]
mod deflate;
mod handshakes;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;

#[cfg(feature = "deflate")]
pub use deflate::{deflate_round_trip, inflate};
pub use handshakes::{client_handshake, server_handshake};

use support::{Endpoint, Reference, Side, Way, config, frames, wire};

/// A header that decodes is encoded to the same bytes. A prefix of it gives the same result or needs
/// more bytes. A raw header decodes whatever it is, is encoded to the same bytes, and is checked with
/// the same result.
pub fn header_decode(data: &[u8]) {
    let whole = FrameHeader::decode(data);
    for cut in 0..data.len().min(FrameHeader::MAX_LEN) {
        let prefix = FrameHeader::decode(&data[..cut]);
        assert!(prefix == Ok(None) || prefix == whole);
    }
    match whole {
        Ok(Some((header, len))) => {
            let encoded = header.encode().expect("what decodes can be encoded");
            assert_eq!(encoded.as_bytes(), &data[..len]);
        }
        Ok(None) => assert!(data.len() < FrameHeader::MAX_LEN),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match RawHeader::decode(data) {
        Some((header, len)) => {
            assert_eq!(header.encode().as_bytes(), &data[..len]);
            assert_eq!(header.check().map(|header| Some((header, len))), whole);
            assert_eq!(RawHeader::decode(&data[..len - 1]), None);
        }
        None => assert!(data.len() < FrameHeader::MAX_LEN && !matches!(whole, Ok(Some(_)))),
    }
}

/// A server receives the bytes: see [`receive`].
pub fn server_receive(data: &[u8]) {
    receive(Side::Server, data);
}

/// A client receives the bytes: see [`receive`].
pub fn client_receive(data: &[u8]) {
    receive(Side::Client, data);
}

/// The first byte tells how many of the next bytes are the sizes of reads. The rest is the stream.
///
/// The result does not depend on how the stream is split and on the way to receive, and is that of
/// the reference decoder. The
/// replies are complete, valid frames. Each event takes bytes, so the work is bounded. The limits
/// bound the memory.
fn receive(side: Side, data: &[u8]) {
    let [sizes, data @ ..] = data else { return };
    let (sizes, stream) = data.split_at(usize::from(sizes % 8).min(data.len()));

    let mut reference = Reference::new(side, limits());
    reference.feed(stream);
    reference.end();

    let whole = feed(Way::Whole, side, [stream]);
    assert_eq!(whole.events, reference.events);
    assert_eq!(whole.error, reference.error);
    let replies = frames(&whole.out);
    assert_eq!(wire::contents(&replies), wire::contents(&reference.replies));

    let cuts = [&[0; 4096][..], sizes].map(|sizes| (Way::Whole, sizes));
    let ways = Way::ALL.map(|way| (way, sizes));
    for (way, sizes) in cuts.into_iter().chain(ways) {
        let cut = feed(way, side, cut(stream, sizes));
        assert_eq!(cut.events, whole.events);
        assert_eq!(cut.error, whole.error);
        assert_eq!(cut.out, whole.out);
        // A message, an incomplete control frame and one read. Growth can double the memory.
        let most = limits().max_message_size + 139 + 256;
        assert!(cut.input.capacity() <= 2 * most);
    }
}

fn limits() -> Config {
    config(|c| {
        c.max_frame_size = 1000;
        c.max_message_size = 1500;
        c.max_fragments = 10;
        c.pong_backlog = 60;
    })
}

/// Splits the bytes into pieces of these sizes plus one. The sizes and a last 255 are repeated.
fn cut<'a>(mut rest: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().chain([&255]).cycle() {
        let (piece, left) = rest.split_at((usize::from(*size) + 1).min(rest.len()));
        if piece.is_empty() {
            break;
        }
        pieces.push(piece);
        rest = left;
    }
    pieces
}

fn feed<'a>(way: Way, side: Side, pieces: impl IntoIterator<Item = &'a [u8]>) -> Endpoint {
    let mut endpoint = Endpoint::in_way(way, side, limits());
    for piece in pieces {
        endpoint.feed(piece);
    }
    endpoint.end();
    endpoint
}
