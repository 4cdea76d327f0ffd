#[cfg(feature = "std")]
use fearless_simd::{Level, Simd, dispatch, prelude::*};

use crate::meter;

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

/// From this length on a payload is masked with vectors. Below it, finding out which ones the CPU has
/// costs more than they save.
#[cfg(feature = "std")]
const WIDE: usize = 256;

/// Masks in place. Returns true if the result is known to be ASCII: it is looked at only where that
/// costs nothing.
///
/// [`bytes`] is the plain form. The others do the same for some lengths, and are faster there:
///
/// | bytes | form | why |
/// |---|---|---|
/// | 8 to 16 | two words of 8 bytes, which may overlap | no loop; the only form that is inlined |
/// | 17 to 32 | two blocks of 16 bytes, which may overlap | no loop |
/// | 0 to 7 | byte by byte | |
/// | 33 to 255; without `std` all from 33 on | blocks of 32 bytes, the last one may overlap | LLVM uses two vectors for a block |
/// | from 256 | vectors of 32 bytes if the CPU has AVX2, else of 16 | vectors of 64 bytes are not faster |
#[inline(always)]
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4], offset: u64) -> bool {
    meter::bytes(payload.len());
    let key = u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32);
    let key = u64::from(key) << 32 | u64::from(key);
    match payload.len() {
        8..=16 => ends::<8>(payload, key),
        _ => unmask_other(payload, key),
    }
}

#[inline(never)]
fn unmask_other(payload: &mut [u8], key: u64) -> bool {
    match payload.len() {
        0..8 => bytes(payload, key),
        8..=16 => ends::<8>(payload, key),
        17..=32 => ends::<16>(payload, key),
        #[cfg(feature = "std")]
        WIDE.. => wide(payload, key),
        _ => blocks(payload, key),
    }
}

#[inline(always)]
fn bytes(payload: &mut [u8], key: u64) -> bool {
    for (byte, key) in payload.iter_mut().zip(key.to_le_bytes().iter().cycle()) {
        *byte ^= key;
    }
    false
}

/// Masks `N` to `2 * N` bytes.
#[inline(always)]
fn ends<const N: usize>(payload: &mut [u8], key: u64) -> bool {
    let (Some(&(mut first)), Some(&(mut last))) =
        (payload.first_chunk::<N>(), payload.last_chunk::<N>())
    else {
        return bytes(payload, key);
    };
    // Both were read before one is written.
    let seen = words(&mut first, key) | words(&mut last, from(key, payload.len()));
    if let Some(to) = payload.first_chunk_mut() {
        *to = first;
    }
    if let Some(to) = payload.last_chunk_mut() {
        *to = last;
    }
    seen & 0x8080_8080_8080_8080 == 0
}

#[inline(always)]
fn blocks(payload: &mut [u8], key: u64) -> bool {
    const N: usize = 32;
    let Some(&(mut last)) = payload.last_chunk::<N>() else {
        return bytes(payload, key);
    };
    words(&mut last, from(key, payload.len()));
    for block in payload.as_chunks_mut::<N>().0 {
        words(block, key);
    }
    if let Some(to) = payload.last_chunk_mut() {
        *to = last;
    }
    false
}

/// Returns all bits that are set in the result. If they are not used, LLVM makes vector instructions
/// of it.
#[inline(always)]
fn words<const N: usize>(block: &mut [u8; N], key: u64) -> u64 {
    let mut seen = 0;
    for word in block.as_chunks_mut::<8>().0 {
        let plain = u64::from_le_bytes(*word) ^ key;
        seen |= plain;
        *word = plain.to_le_bytes();
    }
    seen
}

/// The key for the bytes from `offset` on. All forms mask a multiple of 4 bytes at the end of a payload,
/// so the key for them is also that for the offset `payload.len()`.
#[inline(always)]
fn from(key: u64, offset: usize) -> u64 {
    key.rotate_right(8 * (offset % 4) as u32)
}

/// Whether a payload that was not masked is ASCII. A long one is looked at with vectors, as in
/// [`unmask`].
#[inline]
pub(crate) fn is_ascii(payload: &[u8]) -> bool {
    meter::bytes(payload.len());
    #[cfg(all(feature = "std", any(target_arch = "x86", target_arch = "x86_64")))]
    if payload.len() >= WIDE
        && let Some(simd) = Level::new().as_avx2()
    {
        return simd.vectorize(
            #[inline(always)]
            || {
                // A block at a time, because most texts that are not ASCII show it soon.
                let mut blocks = payload.chunks(512);
                blocks.all(|block| block.iter().fold(0, |seen, byte| seen | byte).is_ascii())
            },
        );
    }
    payload.is_ascii()
}

#[cfg(feature = "std")]
#[inline(always)]
fn wide(payload: &mut [u8], key: u64) -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(simd) = Level::new().as_avx2() {
        return simd.vectorize(
            #[inline(always)]
            || vectors(simd, payload, key),
        );
    }
    dispatch!(Level::baseline(), simd => vectors(simd, payload, key))
}

/// Masks vector by vector, from the first aligned address on. A vector that is not aligned can lie in
/// two cache lines, which takes twice as long.
#[cfg(feature = "std")]
#[inline(always)]
fn vectors<S: Simd>(simd: S, payload: &mut [u8], key: u64) -> bool {
    let n = S::u8s::LEN;
    let Some(last) = payload.len().checked_sub(n) else {
        return bytes(payload, key);
    };
    let vector = |key: u64| -> S::u8s { S::u64s::splat(simd, key).bitcast() };
    // What lies before the first and behind the last aligned vector is masked as one vector, which
    // overlaps with them. Both are read before anything is written.
    let start = S::u8s::from_slice(simd, &payload[..n]) ^ vector(key);
    let end = S::u8s::from_slice(simd, &payload[last..]) ^ vector(from(key, payload.len()));

    let unaligned = payload.as_ptr().addr().wrapping_neg() % n;
    let key = vector(from(key, unaligned));
    // Four at a time, so that none waits for the one before it.
    let mut seen = [start, end, end, end];
    let mut blocks = payload[unaligned..].chunks_exact_mut(4 * n);
    for block in &mut blocks {
        for (bytes, seen) in block.chunks_exact_mut(n).zip(&mut seen) {
            let plain = S::u8s::from_slice(simd, bytes) ^ key;
            *seen |= plain;
            plain.store_slice(bytes);
        }
    }
    for (bytes, seen) in (blocks.into_remainder().chunks_exact_mut(n)).zip(&mut seen) {
        let plain = S::u8s::from_slice(simd, bytes) ^ key;
        *seen |= plain;
        plain.store_slice(bytes);
    }
    start.store_slice(&mut payload[..n]);
    end.store_slice(&mut payload[last..]);

    let seen = (seen[0] | seen[1]) | (seen[2] | seen[3]);
    let high = S::u8s::splat(simd, 0x80);
    !(seen & high).simd_eq(high).any_true()
}
