//! Appends whole frames to a buffer, in one pass over the payload.
//!
//! A call of `memcpy` for a few bytes costs more than the rest of a short frame. So a short payload is
//! copied as two chunks of a constant size, of which the second may overlap the first.

use bytes::BytesMut;

use super::{
    mask_copy::{append_masked, masked},
    raw::{LEN_16, LEN_64, MASKED, MAX_HEADER},
};
use crate::meter;

/// Appends a frame of a server: the header, and the payload as it is.
///
/// `first` is the first byte of the header: FIN, the reserved bits and the opcode (RFC 6455 §5.2).
#[inline(always)]
pub(crate) fn append_frame(first: u8, payload: &[u8], out: &mut BytesMut) {
    let len = payload.len();
    meter::bytes(len);
    match len {
        8..=16 => return two_chunks::<8, 2, 10>([first, len as u8], 0, payload, out),
        17..=32 => return two_chunks::<16, 2, 18>([first, len as u8], 0, payload, out),
        33..=64 => return two_chunks::<32, 2, 34>([first, len as u8], 0, payload, out),
        _ => {}
    }
    out.reserve(MAX_HEADER + len);
    append_header(first, len, out);
    out.extend_from_slice(payload);
}

/// Appends the header of a frame of a server, with `len` bytes of payload.
#[inline(always)]
pub(crate) fn append_header(first: u8, len: usize, out: &mut BytesMut) {
    let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
    match len {
        0..=125 => out.extend_from_slice(&[first, h]),
        126..=0xFFFF => out.extend_from_slice(&[first, LEN_16, g, h]),
        _ => out.extend_from_slice(&[first, LEN_64, a, b, c, d, e, f, g, h]),
    }
}

/// Appends a frame of a client: the header, and the payload, masked with `key` (§5.3).
#[inline]
pub(crate) fn append_masked_frame(first: u8, key: [u8; 4], payload: &[u8], out: &mut BytesMut) {
    meter::bytes(payload.len());
    let mask = u32::from_le_bytes(key);
    let [a, b, c, d] = key;
    let header = [first, MASKED | payload.len() as u8, a, b, c, d];
    match payload.len() {
        8..=16 => two_chunks::<8, 6, 14>(header, mask, payload, out),
        17..=32 => two_chunks::<16, 6, 22>(header, mask, payload, out),
        33..=64 => two_chunks::<32, 6, 38>(header, mask, payload, out),
        65..=125 => two_chunks::<64, 6, 70>(header, mask, payload, out),
        0..=7 => append_tiny(header, mask, payload, out),
        _ => append_long(first, key, payload, out),
    }
}

/// Appends a payload of at most 7 bytes. It is filled up with zeros to 8 bytes, which are masked and cut
/// off again.
#[inline(never)]
fn append_tiny(header: [u8; 6], mask: u32, payload: &[u8], out: &mut BytesMut) {
    let mut padded = [0; 8];
    padded[..payload.len()].copy_from_slice(payload);
    let end = out.len() + header.len() + payload.len();
    two_chunks::<8, 6, 14>(header, mask, &padded, out);
    out.truncate(end);
}

/// Appends a payload of 126 bytes or more.
#[inline(never)]
fn append_long(first: u8, key: [u8; 4], payload: &[u8], out: &mut BytesMut) {
    out.reserve(MAX_HEADER + payload.len());
    append_masked_header(first, payload.len(), key, out);
    append_masked(payload, u32::from_le_bytes(key), out);
}

/// Appends the header of a frame of a client, with `len` bytes of payload.
#[inline]
pub(crate) fn append_masked_header(first: u8, len: usize, key: [u8; 4], out: &mut BytesMut) {
    let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
    let [k, l, m, n] = key;
    match len {
        0..=125 => out.extend_from_slice(&[first, MASKED | h, k, l, m, n]),
        126..=0xFFFF => out.extend_from_slice(&[first, MASKED | LEN_16, g, h, k, l, m, n]),
        _ => out.extend_from_slice(&[first, MASKED | LEN_64, a, b, c, d, e, f, g, h, k, l, m, n]),
    }
}

/// Appends a header of H bytes and a payload of N to 2 N bytes: its first N and its last N bytes. T is
/// H + N, which the compiler cannot compute itself.
#[inline(always)]
fn two_chunks<const N: usize, const H: usize, const T: usize>(
    header: [u8; H],
    mask: u32,
    payload: &[u8],
    out: &mut BytesMut,
) {
    let (Some(head), Some(tail)) = (payload.first_chunk(), payload.last_chunk()) else {
        debug_assert!(false, "{} bytes", payload.len());
        return;
    };
    let mut start = [0; T];
    start[..H].copy_from_slice(&header);
    start[H..].copy_from_slice(&masked::<N>(head, mask));
    out.reserve(T + N);
    let end = out.len() + H + payload.len();
    out.extend_from_slice(&start);
    out.truncate(end - N);
    let mask = mask.rotate_right(8 * (payload.len() % 4) as u32);
    out.extend_from_slice(&masked::<N>(tail, mask));
}
