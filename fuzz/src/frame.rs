//! The body for the wire format of one frame.

use websocket_proto::{
    Seed,
    frame::{FrameHeader, LengthForm, MaskKeys, RawHeader, apply_mask},
};

use crate::budget::Budget;

/// A header that decodes is encoded to the same bytes. A prefix of it gives the same result or needs
/// more bytes. A raw header decodes whatever it is, is encoded to the same bytes, and is checked with
/// the same result. A payload can be masked in pieces, and masking it twice restores it.
pub fn frame(data: &[u8]) {
    let mut budget = Budget::default();
    budget.receives(data.len(), 0);
    let whole = budget.call(|| FrameHeader::decode(data));
    for cut in 0..data.len().min(FrameHeader::MAX_LEN) {
        let prefix = budget.call(|| FrameHeader::decode(&data[..cut]));
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
    match budget.call(|| RawHeader::decode(data)) {
        Some((header, len)) => {
            assert_eq!(header.encode().as_bytes(), &data[..len]);
            assert_eq!(header.check().map(|header| Some((header, len))), whole);
            assert_eq!(RawHeader::decode(&data[..len - 1]), None);
            assert!(header.form >= LengthForm::Bits7);
            let key = header.mask.unwrap_or_else(|| key(data));
            mask(&data[len..], key, header.len);
        }
        None => assert!(data.len() < FrameHeader::MAX_LEN && !matches!(whole, Ok(Some(_)))),
    }
    budget.check_work(1);
    budget.check_memory(None, 0);
}

/// A key of any number. Keys are a function of the seed and of their number.
fn key(data: &[u8]) -> [u8; 4] {
    let number = usize::from(data[0]);
    let mut keys = [0; 2].map(|_| MaskKeys::new(Seed::from([data[0]; 32])));
    let mut key = || keys.each_mut().map(MaskKeys::next_key);
    for _ in 0..number {
        key();
    }
    let [first, second] = key();
    assert_eq!(first, second);
    first
}

/// Masks from `offset` on, at once and in two pieces.
fn mask(plain: &[u8], key: [u8; 4], offset: u64) {
    let mut whole = plain.to_vec();
    apply_mask(&mut whole, key, offset);
    for (at, (masked, byte)) in whole.iter().zip(plain).enumerate() {
        let phase = (offset % 4) as usize + at;
        assert_eq!(*masked, byte ^ key[phase % 4], "byte {at}");
    }
    let cut = usize::from(key[0]).min(plain.len());
    let mut pieces = plain.to_vec();
    apply_mask(&mut pieces[..cut], key, offset);
    apply_mask(&mut pieces[cut..], key, offset.wrapping_add(cut as u64));
    assert_eq!(pieces, whole);
    apply_mask(&mut pieces, key, offset);
    assert_eq!(pieces, plain);
}
