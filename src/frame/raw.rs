use core::fmt;

/// The maximum length of a header on the wire, in bytes.
pub(super) const MAX_HEADER: usize = 14;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const OPCODE: u8 = 0x0F;
pub(super) const MASKED: u8 = 0x80;
/// The 7-bit lengths that announce a 16-bit and a 64-bit length (RFC 6455 §5.2).
pub(super) const LEN_16: u8 = 126;
pub(super) const LEN_64: u8 = 127;

/// The header of one frame as it is on the wire (RFC 6455 §5.2), legal or not.
///
/// It is for tools: an inspector decodes headers that a [`Connection`](crate::Connection) refuses
/// and continues with the next frame, and a test sends illegal headers to a peer.
/// [`check`](Self::check) tells what is wrong.
///
/// ```
/// use websocket_proto::frame::{FrameError, LengthForm, RawHeader};
///
/// // A length of 5 in the 16-bit form.
/// let (header, len) = RawHeader::decode(&[0x81, 126, 0, 5]).expect("complete");
/// assert_eq!((header.len, header.form, len), (5, LengthForm::Bits16, 4));
/// assert_eq!(header.check(), Err(FrameError::NonMinimalLength));
///
/// // A ping that is not the last frame of its message.
/// let ping = RawHeader { fin: false, ..RawHeader::new(0x9, 0) };
/// assert_eq!(ping.check(), Err(FrameError::FragmentedControl));
/// assert_eq!(ping.encode().as_bytes(), [0x09, 0x00]);
/// ```
// Exhaustive: the wire format has no room for another field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The first reserved bit.
    pub rsv1: bool,
    /// The second reserved bit.
    pub rsv2: bool,
    /// The third reserved bit.
    pub rsv3: bool,
    /// The four bits of the opcode. [`encode`](Self::encode) ignores the upper four bits.
    pub opcode: u8,
    /// The masking key, if the payload is masked (§5.3).
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes, any 64-bit number.
    pub len: u64,
    /// The form of the length on the wire. If `len` does not fit, [`encode`](Self::encode) uses the
    /// shortest form that `len` fits.
    pub form: LengthForm,
}

/// The form of a payload length on the wire (RFC 6455 §5.2). A short form is less than a longer one.
///
/// ```
/// use websocket_proto::frame::LengthForm;
///
/// assert_eq!(LengthForm::shortest(125), LengthForm::Bits7);
/// assert_eq!(LengthForm::shortest(126), LengthForm::Bits16);
/// assert_eq!(LengthForm::shortest(65_536), LengthForm::Bits64);
/// assert!(LengthForm::Bits7 < LengthForm::Bits16);
/// ```
// Exhaustive: RFC 6455 has these three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LengthForm {
    /// A 7-bit number of at most 125.
    Bits7,
    /// 126 as the 7-bit number, then 16 bits.
    Bits16,
    /// 127 as the 7-bit number, then 64 bits.
    Bits64,
}

impl LengthForm {
    /// Returns the shortest form for a payload of `len` bytes. No other form is legal.
    #[inline]
    pub const fn shortest(len: u64) -> Self {
        match len {
            0..=125 => Self::Bits7,
            126..=0xFFFF => Self::Bits16,
            _ => Self::Bits64,
        }
    }
}

impl RawHeader {
    /// Makes the header of an unfragmented, unmasked frame with `len` bytes of payload, in the
    /// shortest form.
    #[inline]
    pub const fn new(opcode: u8, len: u64) -> Self {
        Self {
            fin: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: None,
            len,
            form: LengthForm::shortest(len),
        }
    }

    /// Reads a header from the start of `input`. Returns the header and its length on the wire in
    /// bytes, or `None` if `input` ends inside the header. It does not fail: any bytes are a header.
    ///
    /// The next frame starts [`len`](Self::len) bytes after the header. A peer can write any number
    /// there, so use checked arithmetic.
    #[inline]
    pub fn decode(input: &[u8]) -> Option<(Self, usize)> {
        let &[first, second, ref rest @ ..] = input else {
            return None;
        };
        let (len, form, rest) = match second & !MASKED {
            LEN_16 => {
                let (&bytes, rest) = rest.split_first_chunk()?;
                let len = u64::from(u16::from_be_bytes(bytes));
                (len, LengthForm::Bits16, rest)
            }
            LEN_64 => {
                let (&bytes, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(bytes), LengthForm::Bits64, rest)
            }
            len => (u64::from(len), LengthForm::Bits7, rest),
        };
        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            let (&key, rest) = rest.split_first_chunk()?;
            (Some(key), rest)
        };
        let header = Self {
            fin: first & FIN != 0,
            rsv1: first & RSV1 != 0,
            rsv2: first & RSV2 != 0,
            rsv3: first & RSV3 != 0,
            opcode: first & OPCODE,
            mask,
            len,
            form,
        };
        Some((header, input.len() - rest.len()))
    }

    /// Returns the header as bytes, legal or not. The payload follows them on the wire, masked if
    /// `mask` is set.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let code = match (self.form, self.len) {
            (LengthForm::Bits7, 0..=125) => self.len as u8,
            (LengthForm::Bits7 | LengthForm::Bits16, 0..=0xFFFF) => LEN_16,
            _ => LEN_64,
        };
        let first = flag(self.fin, FIN)
            | flag(self.rsv1, RSV1)
            | flag(self.rsv2, RSV2)
            | flag(self.rsv3, RSV3)
            | self.opcode & OPCODE;
        let second = flag(self.mask.is_some(), MASKED) | code;
        // The header is put together in a register. Bytes that are stored one by one and then read
        // as a whole, when the value is moved, would make the processor wait.
        let mut bits = u128::from(u16::from_le_bytes([first, second]));
        let mut len = 2;
        match code {
            LEN_16 => {
                bits |= u128::from((self.len as u16).swap_bytes()) << 16;
                len = 4;
            }
            LEN_64 => {
                bits |= u128::from(self.len.swap_bytes()) << 16;
                len = 10;
            }
            _ => {}
        }
        if let Some(key) = self.mask {
            bits |= u128::from(u32::from_le_bytes(key)) << (8 * len);
            len += 4;
        }
        let mut bytes = [0; MAX_HEADER];
        bytes.copy_from_slice(&bits.to_le_bytes()[..MAX_HEADER]);
        EncodedHeader { bytes, len }
    }

    /// The form that `encode` writes.
    #[inline]
    pub(super) fn form(&self) -> LengthForm {
        self.form.max(LengthForm::shortest(self.len))
    }
}

/// A frame header as bytes, at most [`FrameHeader::MAX_LEN`](super::FrameHeader::MAX_LEN). It has no
/// heap memory.
///
/// ```
/// use websocket_proto::frame::{FrameHeader, Opcode};
///
/// let header = FrameHeader::new(Opcode::Text, 5).encode()?;
/// let mut wire = header.as_bytes().to_vec();
/// wire.extend_from_slice(b"Hello");
/// assert_eq!(wire, b"\x81\x05Hello");
/// # Ok::<(), websocket_proto::frame::FrameError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EncodedHeader {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl EncodedHeader {
    /// The bytes of the header.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for EncodedHeader {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}
