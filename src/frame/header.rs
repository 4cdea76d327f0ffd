use core::{fmt, ops::Deref};

use super::Opcode;

/// The maximum payload of a control frame, in bytes (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const MASKED: u8 = 0x80;
/// The 7-bit lengths that announce a 16-bit and a 64-bit length (§5.2).
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;
/// The most significant bit of a 64-bit length must be zero (§5.2).
const MAX_LEN: u64 = u64::MAX >> 1;

/// The header of one frame (RFC 6455 §5.2).
///
/// [`decode`](Self::decode) reads it from bytes, and [`encode`](Self::encode) writes it. Both accept
/// the same headers.
///
/// ```
/// use websocket_proto::frame::{FrameHeader, Opcode};
///
/// let header = FrameHeader::new(Opcode::Binary, 65_536);
/// let wire = header.encode()?;
/// assert_eq!(wire.len(), 10);
/// assert_eq!(FrameHeader::decode(&wire)?, Some((header, 10)));
/// // An incomplete header is not an error: more bytes are needed.
/// assert_eq!(FrameHeader::decode(&wire[..9])?, None);
/// # Ok::<(), websocket_proto::frame::FrameError>(())
/// ```
// Exhaustive: the wire format has no room for another field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The first reserved bit. With permessage-deflate it marks a compressed message (RFC 7692 §6).
    pub rsv1: bool,
    /// The second reserved bit.
    pub rsv2: bool,
    /// The third reserved bit.
    pub rsv3: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The masking key, if the payload is masked (§5.3).
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes, below 2^63.
    pub len: u64,
}

impl FrameHeader {
    /// The maximum length of a header on the wire, in bytes: 2, and 8 for a 64-bit length, and 4 for
    /// a masking key.
    pub const MAX_LEN: usize = 14;

    /// Makes the header of an unfragmented, unmasked frame with `len` bytes of payload.
    #[inline]
    pub const fn new(opcode: Opcode, len: u64) -> Self {
        Self {
            fin: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: None,
            len,
        }
    }

    /// Reads a header from the start of `input`. Returns the header and its length on the wire in
    /// bytes, or `None` if `input` ends inside the header.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if no header of RFC 6455 begins with these bytes. A reserved opcode and a
    /// malformed control frame are errors as soon as the first two bytes are in `input`, a wrong
    /// length as soon as the whole length is.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        let opcode =
            Opcode::from_bits(first & 0x0F).ok_or(FrameError::ReservedOpcode(first & 0x0F))?;
        let fin = first & FIN != 0;
        let short = second & !MASKED;
        check_control(opcode, fin, u64::from(short))?;

        let (len, rest) = match short {
            LEN_16 => match rest.split_first_chunk() {
                Some((&bytes, rest)) => (u64::from(u16::from_be_bytes(bytes)), rest),
                None => return Ok(None),
            },
            LEN_64 => match rest.split_first_chunk() {
                Some((&bytes, rest)) => (u64::from_be_bytes(bytes), rest),
                None => return Ok(None),
            },
            _ => (u64::from(short), rest),
        };
        // "the minimal number of bytes MUST be used to encode the length" (§5.2)
        if length_code(len) != short {
            return Err(FrameError::NonMinimalLength);
        }
        if len > MAX_LEN {
            return Err(FrameError::LengthTopBit);
        }

        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            match rest.split_first_chunk() {
                Some((&key, rest)) => (Some(key), rest),
                None => return Ok(None),
            }
        };
        let header = Self {
            fin,
            rsv1: first & RSV1 != 0,
            rsv2: first & RSV2 != 0,
            rsv3: first & RSV3 != 0,
            opcode,
            mask,
            len,
        };
        Ok(Some((header, input.len() - rest.len())))
    }

    /// Returns the header as bytes. The payload follows them on the wire, masked if `mask` is set.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if [`decode`](Self::decode) would refuse the result.
    pub fn encode(&self) -> Result<EncodedHeader, FrameError> {
        check_control(self.opcode, self.fin, self.len)?;
        if self.len > MAX_LEN {
            return Err(FrameError::LengthTopBit);
        }
        Ok(self.encode_unchecked())
    }

    /// The same as [`encode`](Self::encode), for a header that is known to be well-formed.
    #[inline]
    pub(crate) fn encode_unchecked(&self) -> EncodedHeader {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let code = length_code(self.len);
        let mut header = EncodedHeader {
            bytes: [0; Self::MAX_LEN],
            len: 0,
        };
        header.push([
            flag(self.fin, FIN)
                | flag(self.rsv1, RSV1)
                | flag(self.rsv2, RSV2)
                | flag(self.rsv3, RSV3)
                | self.opcode as u8,
            flag(self.mask.is_some(), MASKED) | code,
        ]);
        match code {
            LEN_16 => header.push((self.len as u16).to_be_bytes()),
            LEN_64 => header.push(self.len.to_be_bytes()),
            _ => {}
        }
        if let Some(key) = self.mask {
            header.push(key);
        }
        header
    }
}

/// The 7-bit length field for a payload of `len` bytes, in the minimal form.
#[inline]
const fn length_code(len: u64) -> u8 {
    match len {
        0..=125 => len as u8,
        126..=0xFFFF => LEN_16,
        _ => LEN_64,
    }
}

/// "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
/// fragmented" (§5.5). The 7-bit length is enough to see that a payload is longer.
const fn check_control(opcode: Opcode, fin: bool, len: u64) -> Result<(), FrameError> {
    if opcode.is_control() && !fin {
        return Err(FrameError::FragmentedControl);
    }
    if opcode.is_control() && len > MAX_CONTROL_PAYLOAD as u64 {
        return Err(FrameError::ControlTooLong);
    }
    Ok(())
}

/// A frame header as bytes, at most [`FrameHeader::MAX_LEN`]. It dereferences to `[u8]` and has no
/// heap memory.
///
/// ```
/// use websocket_proto::frame::{FrameHeader, Opcode};
///
/// let header = FrameHeader::new(Opcode::Text, 5).encode()?;
/// assert_eq!(&header[..], [0x81, 0x05]);
/// # Ok::<(), websocket_proto::frame::FrameError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EncodedHeader {
    bytes: [u8; FrameHeader::MAX_LEN],
    len: u8,
}

impl EncodedHeader {
    #[inline(always)]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let start = usize::from(self.len);
        self.bytes[start..start + N].copy_from_slice(&bytes);
        self.len += N as u8;
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The bytes are not a frame header of RFC 6455, or the header cannot be encoded.
///
/// ```
/// use websocket_proto::frame::{FrameError, FrameHeader};
///
/// // A length of 5 in the 16-bit form.
/// let result = FrameHeader::decode(&[0x81, 126, 0, 5]);
/// assert_eq!(result, Err(FrameError::NonMinimalLength));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The opcode is reserved: 0x3–0x7 or 0xB–0xF (§5.2).
    #[error("the opcode {0:#x} is reserved (RFC 6455 §5.2)")]
    ReservedOpcode(u8),
    /// The payload length is in a longer form than needed (§5.2).
    #[error("the payload length is not in its shortest form (RFC 6455 §5.2)")]
    NonMinimalLength,
    /// The payload length is 2^63 or more (§5.2).
    #[error("the top bit of a 64-bit payload length is set (RFC 6455 §5.2)")]
    LengthTopBit,
    /// A control frame has no FIN bit (§5.4, §5.5).
    #[error("a control frame is fragmented (RFC 6455 §5.5)")]
    FragmentedControl,
    /// A control frame has more than 125 bytes of payload (§5.5).
    #[error("a control frame has more than 125 bytes of payload (RFC 6455 §5.5)")]
    ControlTooLong,
}
