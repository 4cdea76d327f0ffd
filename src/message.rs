//! The message under way, and the rules that each frame must obey.

use crate::{
    config::Config,
    error::ProtocolError,
    frame::{FrameHeader, Opcode, unmask},
};

/// The two types of message (RFC 6455 §5.6).
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, MessageKind, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// ws.start_message(MessageKind::Binary)?;
/// ws.finish_message(b"the whole message", &mut out)?;
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
// Exhaustive: RFC 6455 reserves the opcodes of other types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes without a defined meaning.
    Binary,
}

impl MessageKind {
    /// The opcode of the first frame of a message.
    #[inline]
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The rules and limits for received frames.
#[derive(Debug)]
pub(crate) struct Rules {
    max_frame_size: usize,
    pub(crate) max_message_size: usize,
    /// The maximum size of a message in one frame that is delivered whole: the smallest of the
    /// three limits, and of 65,535.
    pub(crate) max_whole: u16,
    /// Longer messages are delivered in parts.
    pub(crate) parts_above: usize,
    max_fragments: u32,
    /// Whether the peer must mask its frames, because it is the client (RFC 6455 §5.1).
    pub(crate) masked: bool,
    /// Whether compression was negotiated.
    pub(crate) deflate: bool,
}

impl Rules {
    pub(crate) fn new(masked: bool, deflate: bool, config: &Config) -> Self {
        Self {
            max_frame_size: config.max_frame_size,
            max_message_size: config.max_message_size,
            max_whole: (config.max_frame_size)
                .min(config.max_message_size)
                .min(config.parts_above)
                .try_into()
                .unwrap_or(u16::MAX),
            parts_above: config.parts_above,
            max_fragments: config.max_fragments,
            masked,
            deflate,
        }
    }

    /// Checks that the frame is allowed while this message is under way, and is within the limits.
    pub(crate) fn check(
        &self,
        header: &FrameHeader,
        under_way: Option<&Assembly>,
    ) -> Result<(), ProtocolError> {
        // "MUST be 0 unless an extension is negotiated that defines meanings" (§5.2). "An endpoint
        // MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments
        // of a data message." (RFC 7692 §6.1)
        let starts_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let may_be_compressed = starts_message && self.deflate;
        if header.rsv1 && !may_be_compressed || header.rsv2 || header.rsv3 {
            return Err(ProtocolError::ReservedBit);
        }
        // "a client MUST mask all frames", "a server MUST NOT mask any frames" (§5.1)
        match (self.masked, header.mask) {
            (true, None) => return Err(ProtocolError::UnmaskedFrame),
            (false, Some(_)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        match (header.opcode, under_way) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Continuation, Some(message)) => {
                if message.fragments >= self.max_fragments {
                    return Err(ProtocolError::TooManyFragments);
                }
            }
            // "The fragments of one message MUST NOT be interleaved between the fragments of
            // another message" (§5.4)
            (_, Some(_)) => return Err(ProtocolError::InterleavedMessage),
            (_, None) => {}
        }
        let (so_far, compressed, frames) = match under_way {
            Some(message) => (
                message.payload_len,
                message.compressed,
                message.fragments as usize + 1,
            ),
            None => (0, header.rsv1, 1),
        };
        // DEFLATE makes incompressible data longer, and each flush adds some bytes to its frame. So
        // the compressed size gets more room. The inflated size is checked against the limit while
        // the message is inflated.
        let extra = match compressed {
            true => (self.max_message_size / 4).saturating_add(frames.saturating_mul(64)),
            false => 0,
        };
        let room = (self.max_message_size.saturating_add(extra)).saturating_sub(so_far);
        // A length that does not fit into `usize` exceeds every limit.
        match usize::try_from(header.len) {
            Ok(len) if len > room => Err(ProtocolError::MessageTooBig),
            Ok(len) if len > self.max_frame_size => Err(ProtocolError::FrameTooBig),
            Ok(_) => Ok(()),
            Err(_) => Err(ProtocolError::MessageTooBig),
        }
    }
}

/// Which piece of a message an event returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The complete message.
    Whole,
    /// A part that is not the last one.
    Part,
    /// The last part.
    End,
}

/// The message under way: its header has arrived, its end has not. It is kept in the receive buffer
/// with its bytes, so that the two cannot be separated.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) kind: MessageKind,
    pub(crate) compressed: bool,
    /// Whether the current frame is the last one.
    fin: bool,
    /// Whether the message is delivered in parts, because it is longer than `parts_above`.
    pub(crate) in_parts: bool,
    /// Compressed: whether the current frame is not inflated completely. An empty frame is not until
    /// the end of the message was checked.
    pub(crate) inflating: bool,
    /// Compressed: whether the inflater has output left that did not fit into the room.
    pub(crate) more: bool,
    /// The masking key, rotated so that its first byte masks the next payload byte (RFC 6455
    /// §5.3).
    key: Option<[u8; 4]>,
    /// Compressed: the number of bytes that are unmasked but not inflated yet.
    pub(crate) unmasked: u16,
    /// Plain text: whether it is collected in `RecvBuf::text`. Then only the bytes of an incomplete
    /// character are left in the memory.
    pub(crate) collected: bool,
    /// Plain text: the number of bytes in the memory that were checked. They end with a whole
    /// character.
    pub(crate) checked: usize,
    fragments: u32,
    /// The payload lengths of all frames so far, the whole current frame included, in bytes.
    payload_len: usize,
    /// Bytes of the current frame that were not taken; 0 between two frames.
    remaining: usize,
    /// The maximum size of the message, or of the part of it that is assembled, in bytes.
    pub(crate) limit: usize,
}

impl Assembly {
    /// Begins a message with this frame. The frame has passed [`Rules::check`].
    pub(crate) fn begin(header: &FrameHeader, rules: &Rules) -> Self {
        let mut message = Self {
            kind: match header.opcode {
                Opcode::Text => MessageKind::Text,
                _ => MessageKind::Binary,
            },
            compressed: header.rsv1,
            fin: false,
            in_parts: false,
            inflating: false,
            more: false,
            key: None,
            unmasked: 0,
            collected: false,
            checked: 0,
            fragments: 0,
            payload_len: 0,
            remaining: 0,
            limit: match header.rsv1 {
                true => rules.max_message_size,
                false => rules.max_message_size.min(rules.parts_above),
            },
        };
        message.next_frame(header, rules);
        message
    }

    /// Adds the next frame of the message. The frame has passed [`Rules::check`].
    pub(crate) fn next_frame(&mut self, header: &FrameHeader, rules: &Rules) {
        self.fin = header.fin;
        self.key = header.mask;
        self.inflating = self.compressed;
        self.fragments += 1;
        // `Rules::check` has shown that the length fits into `usize`.
        self.remaining = header.len as usize;
        self.payload_len += self.remaining;
        // The length of a compressed message is known only after inflating.
        self.in_parts |= !self.compressed && self.payload_len > rules.parts_above;
    }

    /// Unmasks the next piece of the payload. Returns true if the piece is known to be ASCII.
    #[inline]
    pub(crate) fn unmask(&mut self, piece: &mut [u8]) -> bool {
        let Some(key) = &mut self.key else {
            return false;
        };
        let ascii = unmask(piece, *key, 0);
        // `[u8; 4]::rotate_left` would be a call.
        *key = u32::from_le_bytes(*key)
            .rotate_right(8 * (piece.len() % 4) as u32)
            .to_le_bytes();
        ascii
    }

    /// Takes `n` bytes of the payload.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) {
        self.remaining -= n;
    }

    /// Bytes of the current frame that were not taken; 0 between two frames.
    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }

    /// Whether nothing of the current frame is left, so that another frame must follow.
    pub(crate) fn needs_frame(&self) -> bool {
        self.remaining == 0 && !self.inflating
    }

    /// Whether the message is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.fin && self.needs_frame()
    }

    /// The payload bytes that have arrived, as sent on the wire.
    pub(crate) fn received(&self) -> usize {
        self.payload_len - self.remaining
    }
}
