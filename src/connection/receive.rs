//! From bytes to messages and control frames: the receive half of a connection.
//!
//! The steps can each be called alone: [`Receiver::check`] holds a header against the rules,
//! [`Receiver::take_payload`] unmasks, inflates and assembles what has arrived of a payload,
//! [`take_control`] takes a control frame. [`Receiver::whole_message`] does all at once for the common frame.

use core::ops::Range;

use super::MessageKind;
use crate::{
    buffer::RecvBuf,
    config::Config,
    deflate::Inflater,
    error::ProtocolError,
    frame::{FrameHeader, Opcode, unmask},
    utf8::Utf8,
};

#[derive(Debug)]
pub(crate) struct Receiver {
    /// Where compression was agreed on.
    pub(super) inflater: Option<Inflater>,
    max_frame_size: usize,
    max_message_size: usize,
    max_fragments: u32,
    /// Whether the peer must mask: it is the client (RFC 6455 §5.1).
    masked: bool,
}

/// Something whole, and where it is in the buffer.
#[derive(Debug, Clone)]
pub(crate) enum Received {
    Message(MessageKind, Range<usize>),
    /// A message that was compressed is beside the buffer.
    Inflated(MessageKind),
    Control(Opcode, Range<usize>),
}

/// A message of which some part has arrived. Lives in the buffer, beside the bytes it describes.
#[derive(Debug)]
pub(crate) struct Assembly {
    kind: MessageKind,
    compressed: bool,
    fragments: u32,
    /// The payloads of all frames so far, with that of the frame under way, in bytes.
    payload_len: usize,
    utf8: Utf8,
    /// The frame under way, or the last one.
    payload: Payload,
}

/// What has come of a frame's payload, and what is still to come, in bytes.
#[derive(Debug)]
struct Payload {
    fin: bool,
    key: Option<[u8; 4]>,
    done: usize,
    remaining: usize,
}

impl Receiver {
    pub(crate) fn new(masked: bool, inflater: Option<Inflater>, config: &Config) -> Self {
        Self {
            inflater,
            max_frame_size: config.max_frame_size,
            max_message_size: config.max_message_size,
            max_fragments: config.max_fragments,
            masked,
        }
    }

    /// The next message or control frame that has arrived whole.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        input: &mut RecvBuf,
    ) -> Result<Option<Received>, ProtocolError> {
        match self.whole_message(input) {
            Some(received) => Ok(Some(received)),
            None => self.receive_any(input),
        }
    }

    /// The short way for an unfragmented data frame that is here with all of its payload: one
    /// load for the whole header. Whatever is unusual is left to the long way.
    #[inline]
    fn whole_message(&self, input: &mut RecvBuf) -> Option<Received> {
        if input.assembly.is_some() {
            return None;
        }
        let unread = input.unread();
        let head = u64::from_le_bytes(*unread.first_chunk()?);
        let kind = match head as u8 {
            0x81 => MessageKind::Text,
            0x82 => MessageKind::Binary,
            _ => return None,
        };
        if (head & 0x8000 != 0) != self.masked {
            return None;
        }
        let (len, header_len, key) = match (head >> 8) as u8 & 0x7F {
            126 => match u16::swap_bytes((head >> 16) as u16) {
                0..126 => return None,
                len => (usize::from(len), 4, (head >> 32) as u32),
            },
            127 => return None,
            len => (usize::from(len), 2, (head >> 16) as u32),
        };
        let header_len = header_len + if self.masked { 4 } else { 0 };
        if header_len + len > unread.len() || len > self.max_frame_size.min(self.max_message_size) {
            return None;
        }
        input.consume(header_len);
        if self.masked {
            unmask(&mut input.unread_mut()[..len], key.to_le_bytes(), 0);
        }
        Some(Received::Message(kind, input.consume(len)))
    }

    /// The long way: plain and complete.
    #[inline(never)]
    fn receive_any(&mut self, input: &mut RecvBuf) -> Result<Option<Received>, ProtocolError> {
        loop {
            if input
                .assembly
                .as_ref()
                .is_none_or(|message| message.remaining() == 0)
            {
                let Some((header, len)) = FrameHeader::decode(input.unread())? else {
                    return Ok(None);
                };
                self.check(&header, input)?;
                if header.opcode.is_control() {
                    return Ok(take_control(&header, len, input));
                }
                input.consume(len);
                begin_payload(&header, input);
            }
            let received = self.take_payload(input)?;
            if received.is_some() || input.unread().is_empty() {
                return Ok(received);
            }
        }
    }

    /// Whether this frame is allowed at this point, and within the limits.
    fn check(&self, header: &FrameHeader, input: &RecvBuf) -> Result<(), ProtocolError> {
        // "MUST be 0 unless an extension is negotiated that defines meanings" (§5.2). "An endpoint
        // MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments
        // of a data message." (RFC 7692 §6.1)
        let starts_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let may_be_compressed = starts_message && self.inflater.is_some();
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
        match (header.opcode, &input.assembly) {
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
        let (so_far, compressed, frames) = match &input.assembly {
            Some(message) => (
                message.payload_len,
                message.compressed,
                message.fragments as usize + 1,
            ),
            None => (0, header.rsv1, 1),
        };
        // What cannot be compressed gets longer, and so does each frame that was flushed. The limit
        // on what comes out holds while it does.
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

    /// What has arrived of the payload goes to the end of the message, unmasked, inflated and, for
    /// text, checked. Returns the message, where that was the rest of it.
    fn take_payload(&mut self, input: &mut RecvBuf) -> Result<Option<Received>, ProtocolError> {
        let Some(mut message) = input.assembly.take() else {
            return Ok(None);
        };
        let n = message.payload.remaining.min(input.unread().len());
        let is_text = message.kind == MessageKind::Text;
        let is_last = message.payload.fin && message.payload.remaining == n;
        if message.compressed {
            // Missing only where the buffer is that of another connection.
            let inflater = self.inflater.as_mut().ok_or(ProtocolError::ReservedBit)?;
            let (piece, inflated) = input.take_compressed(n);
            message.payload.take(piece);
            let utf8 = is_text.then_some(&mut message.utf8);
            inflater.inflate(piece, self.max_message_size, inflated, utf8)?;
            if is_last {
                inflater.finish(inflated)?;
                return Ok(Some(Received::Inflated(message.kind)));
            }
        } else {
            let piece = input.append_to_message(n);
            let ascii = message.payload.take(piece);
            // Text is refused at the first wrong byte (§8.1), and an incomplete end when all of it
            // becomes a `&str`: safe Rust has no way to that but to look at it once more.
            let checked = is_last || ascii && message.utf8.is_complete();
            if is_text && !checked {
                let checked = message.utf8.push(piece);
                checked.map_err(|_| ProtocolError::InvalidUtf8)?;
            }
            if is_last {
                let whole = input.end_message();
                return Ok(Some(Received::Message(message.kind, whole)));
            }
        }
        input.assembly = Some(message);
        Ok(None)
    }
}

impl Payload {
    /// Unmasks the next piece. Whether it is known to be ASCII.
    fn take(&mut self, piece: &mut [u8]) -> bool {
        let done = self.done as u64;
        self.done += piece.len();
        self.remaining -= piece.len();
        self.key.is_some_and(|key| unmask(piece, key, done))
    }
}

impl Assembly {
    /// Bytes still to come of the frame under way; 0 between two frames.
    pub(crate) fn remaining(&self) -> usize {
        self.payload.remaining
    }
}

/// A control frame, if all of it is here. Else its header stays, to be read again with the rest:
/// a whole control frame has at most 139 bytes.
fn take_control(header: &FrameHeader, header_len: usize, input: &mut RecvBuf) -> Option<Received> {
    let len = header.len as usize;
    if input.unread().len() < header_len + len {
        return None;
    }
    input.consume(header_len);
    if let Some(key) = header.mask {
        unmask(&mut input.unread_mut()[..len], key, 0);
    }
    Some(Received::Control(header.opcode, input.consume(len)))
}

/// Begins a message, or its next fragment, whose payload follows in the buffer.
fn begin_payload(header: &FrameHeader, input: &mut RecvBuf) {
    let payload = Payload {
        fin: header.fin,
        key: header.mask,
        done: 0,
        remaining: header.len as usize,
    };
    match &mut input.assembly {
        Some(message) => {
            message.fragments += 1;
            message.payload_len += payload.remaining;
            message.payload = payload;
        }
        None => {
            let kind = match header.opcode {
                Opcode::Text => MessageKind::Text,
                _ => MessageKind::Binary,
            };
            input.begin_message(Assembly {
                kind,
                compressed: header.rsv1,
                fragments: 1,
                payload_len: payload.remaining,
                utf8: Utf8::default(),
                payload,
            });
        }
    }
}
