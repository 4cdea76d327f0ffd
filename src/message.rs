//! The message under way: what this endpoint accepts of a frame, and how much of a message is here.

use crate::{
    config::Config,
    error::ProtocolError,
    frame::{FrameHeader, Opcode, unmask},
    utf8::Utf8,
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
/// ws.finish_message(b"all of it", &mut out)?;
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
// Exhaustive: the opcodes of further types are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// What this endpoint accepts of a frame.
#[derive(Debug)]
pub(crate) struct Rules {
    max_frame_size: usize,
    max_message_size: usize,
    /// The smaller one of the two: what a message in one frame may have.
    pub(crate) max_whole: usize,
    max_fragments: u32,
    /// Whether the peer must mask: it is the client (RFC 6455 §5.1).
    pub(crate) masked: bool,
    /// Whether compression was negotiated.
    pub(crate) deflate: bool,
}

impl Rules {
    pub(crate) fn new(masked: bool, deflate: bool, config: &Config) -> Self {
        Self {
            max_frame_size: config.max_frame_size,
            max_message_size: config.max_message_size,
            max_whole: config.max_frame_size.min(config.max_message_size),
            max_fragments: config.max_fragments,
            masked,
            deflate,
        }
    }

    /// Whether this frame is allowed behind what has arrived, and within the limits.
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
        // DEFLATE makes incompressible data longer, and each flushed frame as well. The inflated
        // bytes are held to the limit itself, as they come out.
        let extra = match compressed {
            true => (self.max_message_size / 4).saturating_add(frames.saturating_mul(64)),
            false => 0,
        };
        let room = (self.max_message_size.saturating_add(extra)).saturating_sub(so_far);
        // What does not fit into the address space is above any limit.
        match usize::try_from(header.len) {
            Ok(len) if len > room => Err(ProtocolError::MessageTooBig),
            Ok(len) if len > self.max_frame_size => Err(ProtocolError::FrameTooBig),
            Ok(_) => Ok(()),
            Err(_) => Err(ProtocolError::MessageTooBig),
        }
    }
}

/// A message of which some part has arrived. It lives beside the bytes that it describes, in the
/// receive buffer, so that the two cannot be parted.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) kind: MessageKind,
    pub(crate) compressed: bool,
    /// Whether the frame under way is the last one.
    fin: bool,
    /// The mask of the next payload byte, and the bytes after it (RFC 6455 §5.3).
    key: Option<[u8; 4]>,
    /// Of the characters that have arrived, for a text that is not compressed.
    pub(crate) utf8: Utf8,
    fragments: u32,
    /// The payloads of all frames so far, with the whole of the frame under way, in bytes.
    payload_len: usize,
    /// Bytes still to come of the frame under way; 0 between two frames.
    remaining: usize,
    /// The most that may become of it, in bytes.
    pub(crate) limit: usize,
}

impl Assembly {
    /// A message that begins with this frame, which has passed [`Rules::check`].
    pub(crate) fn begin(header: &FrameHeader, rules: &Rules) -> Self {
        let mut message = Self {
            kind: match header.opcode {
                Opcode::Text => MessageKind::Text,
                _ => MessageKind::Binary,
            },
            compressed: header.rsv1,
            fin: false,
            key: None,
            utf8: Utf8::default(),
            fragments: 0,
            payload_len: 0,
            remaining: 0,
            limit: rules.max_message_size,
        };
        message.next_frame(header);
        message
    }

    /// The next frame of the message, which has passed [`Rules::check`].
    pub(crate) fn next_frame(&mut self, header: &FrameHeader) {
        self.fin = header.fin;
        self.key = header.mask;
        self.fragments += 1;
        // The check has found that they fit.
        self.remaining = header.len as usize;
        self.payload_len += self.remaining;
    }

    /// Unmasks the next piece of the payload. Whether it is known to be ASCII.
    #[inline]
    pub(crate) fn unmask(&mut self, piece: &mut [u8]) -> bool {
        self.remaining -= piece.len();
        let Some(key) = &mut self.key else {
            return false;
        };
        let ascii = unmask(piece, *key, 0);
        key.rotate_left(piece.len() % 4);
        ascii
    }

    /// Bytes still to come of the frame under way; 0 between two frames.
    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }

    /// Whether all frames have arrived whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.fin && self.remaining == 0
    }

    /// Payload bytes that have arrived, as they are on the wire.
    pub(crate) fn received(&self) -> usize {
        self.payload_len - self.remaining
    }
}
