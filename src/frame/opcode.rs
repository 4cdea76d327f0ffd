/// The type of a frame (RFC 6455 §5.2). The reserved values 0x3–0x7 and 0xB–0xF have no variant:
/// decoding them is an error.
///
/// ```
/// use websocket_proto::frame::Opcode;
///
/// assert_eq!(Opcode::from_bits(0x9), Some(Opcode::Ping));
/// assert!(Opcode::Ping.is_control());
/// assert_eq!(Opcode::from_bits(0x3), None);
/// ```
// Exhaustive: RFC 6455 defines these six, and an extension that adds one changes the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further frame of a fragmented message.
    Continuation = 0x0,
    /// The first frame of a text message.
    Text = 0x1,
    /// The first frame of a binary message.
    Binary = 0x2,
    /// A frame of the closing handshake (§5.5.1).
    Close = 0x8,
    /// A request for a pong (§5.5.2).
    Ping = 0x9,
    /// An answer to a ping, or an unsolicited pong (§5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode with these four bits. `None` if the value is reserved or above 15.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is the opcode of a control frame: Close, Ping or Pong (§5.5). A control frame is
    /// never fragmented, has at most 125 bytes of payload, and is allowed between the fragments of a
    /// message.
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
