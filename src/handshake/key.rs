//! The key of the client, and the value by which the server proves that it read the key (RFC 6455
//! §1.3, §4.2.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// A value of `Sec-WebSocket-Accept`: 20 bytes in base64.
pub(super) type AcceptKey = [u8; 28];

/// A GUID that servers without WebSocket do not know (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Computes the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
///
/// Use it for a server that does the whole handshake itself. [`server`](super::server) and
/// [`values`](super::values) call it. The key is not checked.
///
/// ```
/// use websocket_proto::handshake::accept_key;
///
/// // The example of RFC 6455 §1.3.
/// let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let Ok(key) = <&[u8; 24]>::try_from(key) else {
        return encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize());
    };
    // A key of the right length and the GUID fill two blocks that differ in the key only.
    let mut blocks = BLOCKS;
    blocks[0][..24].copy_from_slice(key);
    let mut state = [
        0x6745_2301,
        0xEFCD_AB89,
        0x98BA_DCFE,
        0x1032_5476,
        0xC3D2_E1F0,
    ];
    sha1::block_api::compress(&mut state, &blocks);
    encode(state.map(u32::to_be_bytes).as_flattened())
}

/// 24 bytes for the key, the GUID, and the padding of SHA-1 for 60 bytes: a bit, zeros, and the
/// number of bits (RFC 3174 §4).
const BLOCKS: [[u8; 64]; 2] = {
    let mut blocks = [[0; 64]; 2];
    let (_, text) = blocks[0].split_at_mut(24);
    let (guid, padding) = text.split_at_mut(GUID.len());
    guid.copy_from_slice(GUID);
    padding[0] = 0x80;
    [blocks[1][62], blocks[1][63]] = (8 * 60_u16).to_be_bytes();
    blocks
};

/// The `Sec-WebSocket-Key` made of a nonce (§4.1).
pub(super) fn encode_key(nonce: [u8; 16]) -> [u8; 24] {
    encode(&nonce)
}

/// Whether this is "a base64-encoded [...] value that, when decoded, is 16 bytes in length"
/// (§4.2.1, item 5).
pub(super) fn is_key(key: &[u8]) -> bool {
    // 22 digits hold 16 bytes and four unused bits, for which the grammar of §11.3.1 allows any
    // value.
    let Some((digits, b"==")) = key.split_first_chunk::<22>() else {
        return false;
    };
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/');
    digits
        .iter()
        .fold(true, |valid, byte| valid & is_digit(byte))
}

pub(super) fn as_str(key: &[u8]) -> &str {
    // Base64 is ASCII.
    core::str::from_utf8(key).unwrap_or_default()
}

fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'='; N];
    // N is the length of the padded base64 of both inputs in use, 16 and 20 bytes.
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

#[cfg(test)]
mod tests {
    use base64::{
        alphabet,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    };

    use super::*;

    /// Keys of any length: one of 24 bytes is hashed in another way.
    #[test]
    fn an_accept_key_is_sha1_in_base64() {
        let text: [u8; 80] = core::array::from_fn(|at| at as u8 * 3);
        for start in 0..8 {
            for end in start..text.len() {
                let key = &text[start..end];
                let hash = Sha1::digest([key, GUID].concat());
                assert_eq!(accept_key(key), encode(&hash));
            }
        }
    }

    /// Each byte at each place, and other lengths.
    #[test]
    fn a_key_is_what_decodes_to_16_bytes() {
        let config = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
        let base64 = GeneralPurpose::new(&alphabet::STANDARD, config);
        let check = |key: &[u8]| {
            let decoded = base64.decode_slice(key, &mut [0; 18]);
            assert_eq!(is_key(key), decoded == Ok(16), "{key:?}");
        };
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        for at in 0..key.len() {
            for byte in 0..=255 {
                let mut other = *key;
                other[at] = byte;
                check(&other);
            }
        }
        for text in [
            &b"dGhlIHNhbXBsZSBub25jZQ==AAAA"[..],
            b"========================",
        ] {
            (0..=text.len()).for_each(|len| check(&text[..len]));
        }
    }
}
