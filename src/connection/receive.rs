//! Makes messages and control frames of the bytes that arrive.
//!
//! [`Receiver::receive`] handles every frame. [`Receiver::whole_message`] is the fast path for the
//! most common frame.

use alloc::boxed::Box;
use core::ops::Range;

use crate::{
    buffer::RecvBuf,
    deflate::{Inflated, Inflater},
    error::ProtocolError,
    frame::{FrameHeader, Opcode, unmask},
    message::{Assembly, MessageKind, Rules},
};

/// How many bytes of compressed payload are inflated before `WORK` is checked again.
const SLICE: usize = 4 << 10;

/// After how many inflated bytes a call returns [`Received::Progress`]. It is about a millisecond
/// of work. The last slice can add 4 MiB, because DEFLATE compresses at most about 1000 to 1.
const WORK: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Receiver {
    rules: Rules,
    /// `None` if compression was not negotiated.
    pub(super) inflater: Option<Box<Inflater>>,
}

/// A received message or control frame, and the position of its payload in the buffer.
#[derive(Debug, Clone)]
pub(crate) enum Received {
    Message(MessageKind, Range<usize>),
    /// A message that was compressed. Its bytes are in `RecvBuf::inflated`.
    Inflated(MessageKind),
    Control(Opcode, Range<usize>),
    /// A part of a long compressed message was inflated. More of it is in the buffer.
    Progress,
}

impl Receiver {
    pub(crate) fn new(rules: Rules, inflater: Option<Box<Inflater>>) -> Self {
        Self { rules, inflater }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_inflater(&mut self, inflater: Option<Box<Inflater>>) {
        self.rules.deflate = inflater.is_some();
        self.inflater = inflater;
    }

    /// The fast path for a whole message in one uncompressed frame of at most 65,535 bytes. It
    /// reads the header with one load. Returns `None` for every other frame, which is left to
    /// [`receive`](Self::receive).
    #[inline]
    pub(crate) fn whole_message(&self, input: &mut RecvBuf) -> Option<(MessageKind, Range<usize>)> {
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
        if (head & 0x8000 != 0) != self.rules.masked {
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
        let header_len = header_len + if self.rules.masked { 4 } else { 0 };
        if header_len + len > unread.len() || len > self.rules.max_whole {
            return None;
        }
        let at = input.consume_frame(header_len, len);
        if self.rules.masked {
            unmask(input.get_mut(at.clone()), key.to_le_bytes(), 0);
        }
        Some((kind, at))
    }

    /// Returns the next message or control frame that is complete.
    pub(crate) fn receive(
        &mut self,
        input: &mut RecvBuf,
    ) -> Result<Option<Received>, ProtocolError> {
        let mut work = 0;
        loop {
            let under_way = input.assembly.as_ref();
            if under_way.is_some_and(Assembly::is_whole) {
                return self.take_inflated(input).map(Some);
            }
            if under_way.is_none_or(|message| message.remaining() == 0) {
                let Some((header, len)) = FrameHeader::decode(input.unread())? else {
                    return Ok(None);
                };
                self.rules.check(&header, under_way)?;
                if header.opcode.is_control() {
                    return Ok(take_control(&header, len, input));
                }
                input.consume(len);
                match &mut input.assembly {
                    Some(message) => message.next_frame(&header),
                    None => input.begin_message(Assembly::begin(&header, &self.rules)),
                }
            }
            let received = match &input.assembly {
                Some(message) if message.compressed => self.take_compressed(input, &mut work)?,
                _ => take_plain(input)?,
            };
            if received.is_some() || input.unread().is_empty() {
                return Ok(received);
            }
            if work > WORK {
                return Ok(Some(Received::Progress));
            }
        }
    }

    /// Inflates a slice of the received payload. Returns the message if it is complete.
    #[inline(never)]
    fn take_compressed(
        &mut self,
        input: &mut RecvBuf,
        work: &mut usize,
    ) -> Result<Option<Received>, ProtocolError> {
        // It is missing only if the caller passed the buffer of another connection.
        let inflater = self.inflater.as_mut().ok_or(ProtocolError::ReservedBit)?;
        let arrived = input.unread().len();
        let Some((message, piece, inflated)) = input.take_compressed(SLICE) else {
            return Ok(None);
        };
        message.unmask(piece);
        let limit = message.limit;
        let (is_whole, frame_ends) = (message.is_whole(), message.remaining() == 0);
        let arrived = arrived.min(piece.len() + message.remaining());
        *work += inflate(inflater, piece, arrived, limit, inflated)?;
        if !is_whole {
            // Text fails at its first wrong byte (§8.1), before the next frame is looked at.
            if frame_ends || input.unread().is_empty() {
                let stored = input.inflated.store(limit);
                stored.map_err(|_| ProtocolError::InvalidUtf8)?;
            }
            return Ok(None);
        }
        let ended = inflater.finish();
        ended.map_err(|error| first(&input.inflated, error))?;
        self.take_inflated(input).map(Some)
    }

    /// Takes a compressed message that is inflated completely. The chunks of a long message are
    /// joined in several calls.
    fn take_inflated(&mut self, input: &mut RecvBuf) -> Result<Received, ProtocolError> {
        let Some(message) = &input.assembly else {
            return Ok(Received::Progress);
        };
        let joined = input.inflated.join(message.limit);
        if !joined.map_err(|_| ProtocolError::InvalidUtf8)? {
            return Ok(Received::Progress);
        }
        let kind = message.kind;
        input.assembly = None;
        if let Some(inflater) = &mut self.inflater {
            inflater.remember(input.inflated.bytes());
        }
        Ok(Received::Inflated(kind))
    }
}

/// Inflates a whole piece and returns the number of inflated bytes. `arrived` tells how many bytes
/// of the frame are here, with this piece.
///
/// If several things are wrong, the error is the one that comes first in the inflated bytes, so that
/// it does not depend on how the input is split.
fn inflate(
    inflater: &mut Inflater,
    mut piece: &[u8],
    arrived: usize,
    limit: usize,
    inflated: &mut Inflated,
) -> Result<usize, ProtocolError> {
    let (mut total, mut more) = (0, false);
    while !piece.is_empty() || more {
        let lent = inflated.lend(limit, arrived);
        let (so_far, room) = lent.map_err(|_| ProtocolError::InvalidUtf8)?;
        // At the limit, room for one more byte shows whether the message is longer.
        let mut excess = [0];
        let at_limit = room.is_empty();
        let room = if at_limit { &mut excess } else { room };
        let mut step = inflater.step(piece, room, so_far);
        piece = &piece[step.consumed..];
        more = step.more;
        match at_limit {
            true if step.produced > 0 => step.error = Some(ProtocolError::MessageTooBig),
            true => {}
            false => inflated.written(step.produced),
        }
        if let Some(error) = step.error {
            return Err(first(inflated, error));
        }
        total += step.produced;
    }
    Ok(total)
}

/// Returns the error that comes first in the inflated bytes: invalid text, or the error after it.
fn first(inflated: &Inflated, after: ProtocolError) -> ProtocolError {
    match inflated.validate() {
        Ok(()) => after,
        Err(_) => ProtocolError::InvalidUtf8,
    }
}

/// Moves the received payload to the end of the message, unmasks it, and checks text. Returns the
/// message if it is complete.
fn take_plain(input: &mut RecvBuf) -> Result<Option<Received>, ProtocolError> {
    let Some((message, piece)) = input.append_to_message() else {
        return Ok(None);
    };
    let ascii = message.unmask(piece);
    let is_last = message.is_whole();
    // Text fails at its first wrong byte (§8.1). The last piece is not checked here: the whole text
    // is checked again when it becomes a `&str`, which safe Rust cannot avoid.
    let checked = is_last || ascii && message.utf8.is_complete();
    if message.kind == MessageKind::Text && !checked {
        let checked = message.utf8.push(piece);
        checked.map_err(|_| ProtocolError::InvalidUtf8)?;
    }
    let kind = message.kind;
    Ok(is_last.then(|| Received::Message(kind, input.end_message())))
}

/// Takes a control frame if it has arrived completely. Otherwise its header stays in the buffer and
/// is decoded again with the next read. A whole control frame has at most 131 bytes.
fn take_control(header: &FrameHeader, header_len: usize, input: &mut RecvBuf) -> Option<Received> {
    let len = header.len as usize;
    if input.unread().len() < header_len + len {
        return None;
    }
    let at = input.consume_frame(header_len, len);
    if let Some(key) = header.mask {
        unmask(input.get_mut(at.clone()), key, 0);
    }
    Some(Received::Control(header.opcode, at))
}
