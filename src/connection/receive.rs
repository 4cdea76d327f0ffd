//! Makes messages and control frames of the bytes that arrive.
//!
//! It has two steps. [`Receiver::find`] takes in what has arrived until an event can be taken, and
//! [`Receiver::take`] takes it. [`Receiver::whole_frame`] is the fast path for the most common
//! frame.

mod compressed;

use core::ops::Range;

use crate::{
    buffer::{RecvBuf, WAITING, Waiting},
    deflate::{Inflated, Inflater},
    error::ProtocolError,
    frame::{FrameHeader, Opcode, is_ascii, unmask},
    message::{Assembly, MessageKind, Piece, Rules},
    meter,
    utf8::InvalidUtf8,
};

/// How many bytes of compressed payload are unmasked and inflated at once. At the end of a slice zlib
/// is slow, and it copies its window.
const SLICE: usize = 16 << 10;

/// After how many inflated bytes a call returns [`Found::Progress`]. A window that a final block makes
/// it load counts as well. It is about a millisecond of work. What is inflated at once comes on top, 64 KiB at most.
const WORK: usize = 1 << 20;

/// Up to this many bytes a text is looked at for ASCII alone, which is then the cheapest check.
const SHORT: usize = 32;

#[derive(Debug)]
pub(crate) struct Receiver {
    rules: Rules,
    /// `None` if compression was not negotiated.
    pub(super) inflater: Option<Inflater>,
}

/// An event that can be taken from the buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// A control frame with this header. The length is that of the header.
    Control(FrameHeader, usize),
    /// This many bytes of a plain message.
    Plain(Piece, usize),
    /// A plain text in `RecvBuf::collected`.
    Collected(Piece),
    /// This many bytes of a message that was compressed.
    Inflated(Piece, usize),
    /// No event, but work that should be continued by another call.
    Progress,
}

/// A whole message in one frame.
pub(crate) struct WholeFrame {
    pub(crate) kind: MessageKind,
    header_len: usize,
    len: usize,
    key: u32,
}

/// A received message or control frame, and the position of its payload in the buffer.
#[derive(Debug, Clone)]
pub(crate) enum Received {
    Control(Opcode, Range<usize>),
    Plain(MessageKind, Piece, Range<usize>),
    /// Its bytes are in `RecvBuf::collected`.
    Collected(Piece),
    /// Its bytes are in `RecvBuf::inflated`.
    Inflated(MessageKind, Piece),
    Progress,
}

impl Receiver {
    pub(crate) fn new(rules: Rules, inflater: Option<Inflater>) -> Self {
        Self { rules, inflater }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn set_inflater(&mut self, inflater: Option<Inflater>) {
        self.rules.deflate = inflater.is_some();
        self.inflater = inflater;
    }

    /// Looks for the most common frame: a whole uncompressed message of at most 65,535 bytes. Every
    /// other frame is left to [`find`](Self::find).
    ///
    /// One load reads the header, and plain values are returned: an `Option<FrameHeader>` would go
    /// through memory.
    #[inline(always)]
    pub(crate) fn whole_frame(&self, input: &RecvBuf) -> Option<WholeFrame> {
        self.whole::<0x80>(input)
    }

    /// Looks for a whole message in one frame whose first byte is this one, with the opcode.
    #[inline(always)]
    fn whole<const FIRST: u8>(&self, input: &RecvBuf) -> Option<WholeFrame> {
        let unread = input.unread();
        let head = u64::from_le_bytes(*unread.first_chunk()?);
        let kind = match head as u8 ^ FIRST {
            1 => MessageKind::Text,
            2 => MessageKind::Binary,
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
        if header_len + len > unread.len() || len > usize::from(self.rules.max_whole) {
            return None;
        }
        meter::bytes(header_len);
        Some(WholeFrame {
            kind,
            header_len,
            len,
            key,
        })
    }

    /// Takes a binary message that [`whole_frame`](Self::whole_frame) has found.
    #[inline(always)]
    pub(crate) fn take_binary<'b>(&self, frame: &WholeFrame, input: &'b mut RecvBuf) -> &'b [u8] {
        let payload = input.take_frame(frame.header_len, frame.len);
        if self.rules.masked {
            unmask(payload, frame.key.to_le_bytes(), 0);
        }
        payload
    }

    /// Takes a text that [`whole_frame`](Self::whole_frame) has found.
    #[inline(always)]
    pub(crate) fn take_text<'b>(
        &self,
        frame: &WholeFrame,
        input: &'b mut RecvBuf,
    ) -> Result<&'b str, InvalidUtf8> {
        let payload = input.take_frame(frame.header_len, frame.len);
        let is_short = frame.len <= SHORT;
        let ascii = match self.rules.masked {
            true => unmask(payload, frame.key.to_le_bytes(), 0) && is_short,
            false => is_short && payload.is_ascii(),
        };
        input.taken_text(frame.len, ascii)
    }

    /// Takes in what has arrived, until an event can be taken. Another call returns the same event.
    pub(crate) fn find(&mut self, input: &mut RecvBuf) -> Result<Option<Found>, ProtocolError> {
        if input.waiting.missing > 0 {
            return Ok(None);
        }
        let mut work = 0;
        loop {
            meter::step();
            if let Some(found) = piece(input)? {
                return Ok(Some(found));
            }
            if input.assembly.as_ref().is_none_or(Assembly::needs_frame) {
                let Some((header, len)) = FrameHeader::decode(input.unread())? else {
                    return Ok(None);
                };
                self.rules.check(&header, input.assembly.as_ref())?;
                if header.opcode.is_control() {
                    let is_here = input.unread().len() >= len + header.len as usize;
                    return Ok(is_here.then_some(Found::Control(header, len)));
                }
                if let Some(waiting) = self.waits(&header, len, input) {
                    input.waiting = waiting;
                    return Ok(None);
                }
                input.consume(len);
                match &mut input.assembly {
                    Some(message) => message.next_frame(&header, &self.rules),
                    None => input.begin_message(Assembly::begin(&header, &self.rules)),
                }
                // What was assembled before is delivered first if the message is now in parts.
                continue;
            }
            match &input.assembly {
                Some(message)
                    if message.remaining() > 0 && !message.more && input.unread().is_empty() =>
                {
                    return Ok(None);
                }
                Some(message) if message.compressed => self.inflate(input, &mut work)?,
                _ => append_plain(input)?,
            }
            if work > WORK {
                return Ok(Some(Found::Progress));
            }
        }
    }

    /// Whether the frame is left in the buffer until all of it is here. Then
    /// [`whole_frame`](Self::whole_frame) takes it, which costs much less than to take it in two pieces.
    /// A long frame is taken as it arrives, while it is in the fastest cache, and a text so that it
    /// fails at its first wrong byte.
    fn waits(&self, header: &FrameHeader, header_len: usize, input: &RecvBuf) -> Option<Waiting> {
        let len = usize::try_from(header.len).ok()?;
        let may_wait = header.opcode == Opcode::Binary
            && header.fin
            && !header.rsv1
            && len <= WAITING.min(self.rules.max_whole.into());
        let received = input.unread().len() - header_len;
        let missing = len.checked_sub(received)?;
        (may_wait && missing > 0).then_some(Waiting {
            received: received as u32,
            missing: missing as u32,
        })
    }

    /// Takes an event that [`find`](Self::find) has returned.
    pub(crate) fn take(&mut self, found: Found, input: &mut RecvBuf) -> Received {
        match (found, &input.assembly) {
            (Found::Control(header, len), _) => {
                let at = input.consume_frame(len, header.len as usize);
                if let Some(key) = header.mask {
                    unmask(input.get_mut(at.clone()), key, 0);
                }
                Received::Control(header.opcode, at)
            }
            (Found::Plain(piece, len), Some(message)) => {
                let kind = message.kind;
                let at = match piece {
                    Piece::Part => input.take_part(len),
                    Piece::Whole | Piece::End => input.end_message(),
                };
                Received::Plain(kind, piece, at)
            }
            (Found::Collected(piece), Some(_)) => {
                input.end_collected(piece);
                Received::Collected(piece)
            }
            (Found::Inflated(piece, len), Some(message)) => {
                let kind = message.kind;
                let inflated = &mut input.inflated;
                if piece != Piece::Whole {
                    inflated.take_part(len);
                }
                if let Some(inflater) = &mut self.inflater {
                    inflater.remember(inflated.bytes(piece), piece);
                }
                if piece != Piece::Part {
                    input.assembly = None;
                }
                Received::Inflated(kind, piece)
            }
            (_, None) | (Found::Progress, _) => Received::Progress,
        }
    }

    /// Inflates a slice of the received payload. Adds to the work of this call, as [`inflate`] does.
    #[inline(never)]
    fn inflate(&mut self, input: &mut RecvBuf, work: &mut usize) -> Result<(), ProtocolError> {
        // It is missing only if the caller passed the buffer of another connection.
        let inflater = self.inflater.as_mut().ok_or(ProtocolError::ReservedBit)?;
        let Some((message, payload, inflated)) = input.compressed() else {
            return Ok(());
        };
        let arrived = payload.len();
        let slice = &mut payload[..arrived.min(SLICE)];
        message.unmask(&mut slice[usize::from(message.unmasked)..]);
        let consumed = inflate(
            inflater,
            slice,
            arrived,
            self.rules.parts_above,
            message,
            inflated,
            work,
        )?;
        message.unmasked = (slice.len() - consumed) as u16;
        message.take(consumed);
        message.inflating = message.remaining() > 0 || message.more;
        let (is_whole, frame_ends) = (message.is_whole(), message.needs_frame());
        let checked_later = message.in_parts || message.more;
        input.consume(consumed);
        if is_whole {
            let ended = inflater.finish();
            ended.map_err(|error| first(&input.inflated, error))?;
        } else if !checked_later && (frame_ends || input.unread().is_empty()) {
            // Text fails at its first wrong byte (§8.1), before the next frame is looked at.
            input
                .check_inflated()
                .map_err(|_| ProtocolError::InvalidUtf8)?;
        }
        Ok(())
    }
}

/// Returns the next piece of the message under way, if one is complete.
fn piece(input: &mut RecvBuf) -> Result<Option<Found>, ProtocolError> {
    let Some(message) = &input.assembly else {
        return Ok(None);
    };
    let invalid = |_| ProtocolError::InvalidUtf8;
    let (is_whole, in_parts) = (message.is_whole(), message.in_parts);
    let last = match in_parts {
        true => Piece::End,
        false => Piece::Whole,
    };
    if message.collected {
        // If the message is now in parts, the first one is what was collected.
        return Ok(match in_parts {
            true => Some(Found::Collected(Piece::Part)),
            false => is_whole.then_some(Found::Collected(Piece::Whole)),
        });
    }
    if !message.compressed {
        let found = match is_whole {
            true => Some(Found::Plain(last, input.message.len())),
            false if in_parts => match input.complete(message.kind).map_err(invalid)? {
                0 => None,
                len => Some(Found::Plain(Piece::Part, len)),
            },
            false => None,
        };
        return Ok(found);
    }
    if !in_parts {
        // The chunks of a long message are joined in several calls.
        return Ok(match is_whole {
            true if input.inflated.join(message.limit).map_err(invalid)? => {
                Some(Found::Inflated(Piece::Whole, 0))
            }
            true => Some(Found::Progress),
            false => None,
        });
    }
    let frame_ends = message.needs_frame();
    let arrived = input.unread().len();
    let inflated = &mut input.inflated;
    inflated.drop_part();
    if inflated.has_chunks() {
        return Ok(Some(Found::Inflated(Piece::Part, 0)));
    }
    if is_whole {
        return Ok(Some(Found::Inflated(Piece::End, inflated.left())));
    }
    let complete = inflated.complete().map_err(invalid)?;
    // Small parts are joined until the room is full or the payload is used up.
    let ready = complete > 0 && (frame_ends || arrived == 0 || inflated.is_full());
    Ok(ready.then_some(Found::Inflated(Piece::Part, complete)))
}

/// Inflates a piece of the payload, in full or until a part must be taken or the work of this call is
/// enough. Returns the number of bytes that were consumed. The work are the bytes that were produced
/// and the windows that were loaded. `arrived` tells how many bytes of the frame are here, with this
/// piece.
///
/// If several things are wrong, the error is the one that comes first in the inflated bytes, so that
/// it does not depend on how the input is split.
fn inflate(
    inflater: &mut Inflater,
    piece: &[u8],
    arrived: usize,
    parts_above: usize,
    message: &mut Assembly,
    inflated: &mut Inflated,
    work: &mut usize,
) -> Result<usize, ProtocolError> {
    let mut rest = piece;
    while !rest.is_empty() || message.more {
        if *work > WORK || message.in_parts && inflated.is_full() {
            break;
        }
        let lent = inflated.lend(message.limit, arrived);
        let (so_far, room) = lent.map_err(|_| ProtocolError::InvalidUtf8)?;
        // At the limit, room for one more byte shows whether the message is longer.
        let mut excess = [0];
        let at_limit = room.is_empty();
        let room = if at_limit { &mut excess } else { room };
        let mut step = inflater.step(rest, room, so_far);
        rest = &rest[step.consumed..];
        message.more = step.more;
        match at_limit {
            true if step.produced > 0 => step.error = Some(ProtocolError::MessageTooBig),
            true => {}
            false => inflated.written(step.produced),
        }
        if let Some(error) = step.error {
            return Err(first(inflated, error));
        }
        *work += step.work;
        message.in_parts |= inflated.len() > parts_above;
    }
    Ok(piece.len() - rest.len())
}

/// Returns the error that comes first in the inflated bytes: invalid text, or the error after it.
fn first(inflated: &Inflated, after: ProtocolError) -> ProtocolError {
    match inflated.validate() {
        Ok(()) => after,
        Err(_) => ProtocolError::InvalidUtf8,
    }
}

/// Moves the received payload to the end of the message, unmasks it, and checks text.
fn append_plain(input: &mut RecvBuf) -> Result<(), ProtocolError> {
    let Some((message, piece)) = input.append_to_message() else {
        return Ok(());
    };
    let len = piece.len();
    let known_ascii = message.unmask(piece);
    // A part is checked when it becomes a `&str`, which safe Rust cannot avoid.
    let checked = message.kind == MessageKind::Text && !message.in_parts;
    let ascii = checked && (known_ascii || is_ascii(piece));
    message.take(len);
    if checked {
        let checked = input.check_text(len, ascii);
        checked.map_err(|_| ProtocolError::InvalidUtf8)?;
    }
    Ok(())
}
