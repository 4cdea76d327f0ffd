//! The short way of the most common compressed message: one frame, which is wholly here.

use super::{Receiver, SLICE, WholeFrame};
use crate::{
    buffer::RecvBuf,
    deflate::{END, Whole},
    frame::{FrameHeader, unmask},
    message::{Assembly, MessageKind, Piece},
};

/// The first byte of a compressed message in one frame, without its opcode: FIN and RSV1.
const COMPRESSED: u8 = 0xC0;

impl Receiver {
    /// Inflates the next message into `RecvBuf::inflated` and takes it, if it is compressed, in one
    /// frame, here as a whole, and as most compressors make it.
    ///
    /// Any other message is left to [`find`](Self::find), also in the middle. Both ways return the
    /// same events and errors.
    #[inline(never)]
    pub(crate) fn whole_compressed(&mut self, input: &mut RecvBuf) -> Option<MessageKind> {
        let frame = self.whole::<COMPRESSED>(input)?;
        if frame.len == 0 || frame.len > SLICE {
            return None;
        }
        let (header_len, len, limit) = (frame.header_len, frame.len, self.rules.max_message_size);
        let inflater = self.inflater.as_mut()?;
        input.begin_inflating(frame.kind);
        let (memory, inflated) = input.payload_and_behind(header_len, len, END.len())?;
        if self.rules.masked {
            unmask(&mut memory[..len], frame.key.to_le_bytes(), 0);
        }
        // What is behind the payload is the next frame, or room that is lent.
        let (_, behind) = memory.split_last_chunk_mut()?;
        let saved = core::mem::replace(behind, END);
        let whole = inflater.whole(memory, inflated.first_room(limit, len));
        let (_, behind) = memory.split_last_chunk_mut()?;
        *behind = saved;
        match whole {
            Whole::Complete(produced) if produced <= self.rules.parts_above => {
                inflated.written(produced);
                inflater.remember(inflated.bytes(Piece::Whole), Piece::Whole);
                input.consume_frame(header_len, len);
                Some(frame.kind)
            }
            _ => {
                self.hand_over(&frame, whole, input);
                None
            }
        }
    }

    /// Begins the message for [`find`](Self::find), which continues where the inflater has stopped.
    #[cold]
    fn hand_over(&self, frame: &WholeFrame, whole: Whole, input: &mut RecvBuf) {
        let Ok(Some((header, _))) = FrameHeader::decode(input.unread()) else {
            return;
        };
        let (consumed, produced, more) = match whole {
            Whole::Complete(produced) => (frame.len, produced, false),
            Whole::Begun(consumed, produced) => (consumed, produced, true),
            Whole::NotBegun => (0, 0, false),
        };
        input.consume(frame.header_len);
        let mut message = Assembly::begin(&header, &self.rules);
        message.unmasked = (frame.len - consumed) as u16;
        message.more = more;
        message.in_parts = produced > self.rules.parts_above;
        message.take(consumed);
        input.begin_message(message);
        input.inflated.written(produced);
        input.consume(consumed);
    }
}
