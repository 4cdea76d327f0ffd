use super::{
    Opcode,
    raw::{EncodedHeader, LengthForm, MAX_HEADER, RawHeader},
};
use crate::meter;

/// The maximum payload of a control frame, in bytes (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_PAYLOAD: usize = 125;

/// The most significant bit of a 64-bit length must be zero (§5.2).
const MAX_LEN: u64 = u64::MAX >> 1;

/// The header of one frame (RFC 6455 §5.2).
///
/// [`decode`](Self::decode) reads it from bytes, and [`encode`](Self::encode) writes it. Both accept
/// the same headers. For headers that may be illegal there is [`RawHeader`].
///
/// ```
/// use websocket_proto::frame::{FrameHeader, Opcode};
///
/// let header = FrameHeader::new(Opcode::Binary, 65_536);
/// let wire = header.encode()?;
/// let wire = wire.as_bytes();
/// assert_eq!(wire.len(), 10);
/// assert_eq!(FrameHeader::decode(wire)?, Some((header, 10)));
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
    pub const MAX_LEN: usize = MAX_HEADER;

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
    /// [`FrameError`] if no legal header begins with these bytes, as soon as they show it: a
    /// reserved opcode and a malformed control frame with the first two bytes, a wrong length with
    /// the byte that makes it wrong.
    #[inline]
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        match RawHeader::decode(input) {
            Some((header, len)) => {
                meter::bytes(len);
                Ok(Some((header.check()?, len)))
            }
            None => check_start(input),
        }
    }

    /// Returns the header as bytes. The payload follows them on the wire, masked if `mask` is set.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if [`decode`](Self::decode) would refuse the result.
    #[inline]
    pub fn encode(&self) -> Result<EncodedHeader, FrameError> {
        RawHeader::from(*self).check()?;
        Ok(self.encode_unchecked())
    }

    /// The same as [`encode`](Self::encode), for a header that is known to be legal.
    #[inline]
    pub(crate) fn encode_unchecked(&self) -> EncodedHeader {
        RawHeader::from(*self).encode()
    }
}

impl From<FrameHeader> for RawHeader {
    /// Uses the shortest form of the length.
    #[inline]
    fn from(header: FrameHeader) -> Self {
        Self {
            fin: header.fin,
            rsv1: header.rsv1,
            rsv2: header.rsv2,
            rsv3: header.rsv3,
            mask: header.mask,
            ..Self::new(header.opcode as u8, header.len)
        }
    }
}

impl RawHeader {
    /// Checks the rules that every frame must obey, and returns the header as one that is legal.
    ///
    /// Reserved bits are legal here, because an extension can give them a meaning.
    ///
    /// # Errors
    ///
    /// [`FrameError`] tells which rule is broken. If several are, it is the first one in this order:
    /// the opcode, the rules of control frames, the length.
    #[inline]
    pub fn check(&self) -> Result<FrameHeader, FrameError> {
        let opcode =
            Opcode::from_bits(self.opcode).ok_or(FrameError::ReservedOpcode(self.opcode))?;
        if opcode.is_control() {
            // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
            // fragmented" (§5.5). A longer form of the length is for longer payloads.
            if !self.fin {
                return Err(FrameError::FragmentedControl);
            }
            if self.form() != LengthForm::Bits7 {
                return Err(FrameError::ControlTooLong);
            }
        }
        // "the minimal number of bytes MUST be used to encode the length" (§5.2)
        if self.form() != LengthForm::shortest(self.len) {
            return Err(FrameError::NonMinimalLength);
        }
        if self.len > MAX_LEN {
            return Err(FrameError::LengthTopBit);
        }
        Ok(FrameHeader {
            fin: self.fin,
            rsv1: self.rsv1,
            rsv2: self.rsv2,
            rsv3: self.rsv3,
            opcode,
            mask: self.mask,
            len: self.len,
        })
    }
}

/// Checks the bytes of an incomplete header. One byte alone is never wrong.
///
/// The missing bytes are set to 0x7F. This makes the length legal if any bytes can: with 0x7F as
/// its next byte, a length has no leading zeros too many, and its top bit is not set.
#[cold]
fn check_start<T>(input: &[u8]) -> Result<Option<T>, FrameError> {
    meter::bytes(input.len());
    if input.len() < 2 {
        return Ok(None);
    }
    let mut header = [0x7F; MAX_HEADER];
    header[..input.len()].copy_from_slice(input);
    if let Some((header, _)) = RawHeader::decode(&header) {
        header.check()?;
    }
    Ok(None)
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
