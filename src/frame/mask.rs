/// Masks or unmasks `payload` in place (RFC 6455 §5.3).
///
/// `offset` is the position of `payload[0]` in the whole payload of the frame, in bytes. So a
/// payload that arrives in pieces can be unmasked piece by piece. Applying the same mask twice
/// restores the bytes.
///
/// ```
/// use websocket_proto::frame::apply_mask;
///
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut whole = *b"masked in one go, or in two";
/// let mut pieces = whole;
/// apply_mask(&mut whole, key, 0);
/// apply_mask(&mut pieces[..7], key, 0);
/// apply_mask(&mut pieces[7..], key, 7);
/// assert_eq!(whole, pieces);
/// ```
#[inline]
pub fn apply_mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    unmask(payload, key, offset);
}

/// Masks in place and returns whether the result is ASCII, in one pass.
///
/// A payload of 8 bytes and more is masked in whole words. The last word may overlap the word
/// before it, so that no loop over single bytes is needed. The loop over the words is simple,
/// because LLVM then uses vector instructions. It does not if the code groups words into blocks.
#[inline]
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4], offset: u64) -> bool {
    let key = u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32);
    let wide = u64::from(key) << 32 | u64::from(key);
    let len = payload.len();

    let Some(&last) = payload.last_chunk::<8>() else {
        let mut seen = 0;
        for (byte, key) in payload.iter_mut().zip(wide.to_le_bytes()) {
            *byte ^= key;
            seen |= *byte;
        }
        return seen.is_ascii();
    };
    // The last word is read before the loop changes a part of it.
    let last = u64::from_le_bytes(last) ^ wide.rotate_right(8 * (len % 4) as u32);

    let mut seen = last;
    for word in payload.as_chunks_mut::<8>().0 {
        let plain = u64::from_le_bytes(*word) ^ wide;
        seen |= plain;
        *word = plain.to_le_bytes();
    }
    if let Some(end) = payload.last_chunk_mut::<8>() {
        *end = last.to_le_bytes();
    }
    seen & 0x8080_8080_8080_8080 == 0
}
