//! Masks bytes while they are copied.

use bytes::BytesMut;

/// The shortest payload that [`append_masked`] accepts, in bytes.
pub(super) const MIN: usize = 64;

/// Appends a payload of at least [`MIN`] bytes, masked. With the feature `std` it uses the widest
/// vectors of the processor.
#[inline]
pub(super) fn append_masked(payload: &[u8], mask: u32, out: &mut BytesMut) {
    #[cfg(feature = "std")]
    fearless_simd::dispatch!(fearless_simd::Level::new(), _simd => append_blocks(payload, mask, out));
    #[cfg(not(feature = "std"))]
    append_blocks(payload, mask, out);
}

/// Each block goes from the payload through registers into `out`. So `out` needs no zeros before,
/// and no second pass.
///
/// It is inlined into a function for each level of SIMD, and compiled for that level.
#[inline(always)]
fn append_blocks(payload: &[u8], mask: u32, out: &mut BytesMut) {
    let (blocks, rest) = payload.as_chunks::<256>();
    for block in blocks {
        out.extend_from_slice(&masked(block, mask));
    }
    let (blocks, rest) = rest.as_chunks::<MIN>();
    for block in blocks {
        out.extend_from_slice(&masked(block, mask));
    }
    if let Some(last) = payload.last_chunk::<MIN>()
        && !rest.is_empty()
    {
        // The last block overlaps the block before it.
        out.truncate(out.len() + rest.len() - MIN);
        let mask = mask.rotate_right(8 * (rest.len() % 4) as u32);
        out.extend_from_slice(&masked(last, mask));
    }
}

/// Masks whole words.
#[inline(always)]
pub(super) fn masked<const N: usize>(bytes: &[u8; N], mask: u32) -> [u8; N] {
    let mut bytes = *bytes;
    for word in bytes.as_chunks_mut().0 {
        *word = (u32::from_le_bytes(*word) ^ mask).to_le_bytes();
    }
    bytes
}
