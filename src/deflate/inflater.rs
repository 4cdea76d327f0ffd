//! From compressed payloads to messages (RFC 7692 §7.2.2).

use alloc::boxed::Box;
use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{ByteCount, History, Inflated, Params, params::MAX_WINDOW_BITS, stage::Stage};
use crate::{error::ProtocolError, utf8::Utf8};

/// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message" (§7.2.2):
/// they end the empty block that ends a message. The fifth octet is one that must not be taken.
const TAIL: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// A whole empty block, at the start of an octet.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// The receive half of permessage-deflate.
#[derive(Debug)]
pub(crate) struct Inflater {
    agreed: Params,
    engine: Option<Box<Engine>>,
    /// With context takeover: the window of the peer, as a power of two, and what is in it.
    takeover: Option<u8>,
    history: Option<Box<History>>,
    stage: Stage,
    bytes: ByteCount,
}

impl Inflater {
    /// One for a peer with this window, which does or does not refer to earlier messages.
    pub(super) fn new(window_bits: u8, takeover: bool, agreed: Params) -> Self {
        Self {
            agreed,
            engine: None,
            takeover: takeover.then_some(window_bits),
            history: None,
            stage: Stage::Unprepared,
            bytes: ByteCount::default(),
        }
    }

    /// Inflates a piece of a message to the end of `message`, which gets no longer than `limit`;
    /// text is checked as it comes out. What is wrong is an error at the first inflated byte that
    /// it concerns, however the pieces are cut.
    pub(crate) fn inflate(
        &mut self,
        mut piece: &[u8],
        limit: usize,
        message: &mut Inflated,
        mut utf8: Option<&mut Utf8>,
    ) -> Result<(), ProtocolError> {
        self.bytes.compressed += piece.len() as u64;
        let mut is_full = false;
        while !piece.is_empty() || is_full {
            let engine = self.engine.get_or_insert_default();
            if !self.stage.goes_on(self.takeover.is_some()) {
                engine.restart(self.history.as_deref(), message);
            }
            self.stage = Stage::Inside;

            // At the limit, one byte more shows that there is more.
            let mut excess = [0];
            let room = message.room(limit);
            let at_limit = room.is_empty();
            let room = if at_limit { &mut excess } else { room };
            let step = engine.run(piece, room, InflateFlush::NoFlush);
            is_full = step.produced == room.len();
            if at_limit && is_full {
                return Err(ProtocolError::MessageTooBig);
            }
            if !at_limit {
                let inflated = message.written(step.produced);
                self.bytes.plain += inflated.len() as u64;
                // Whether there is more to come is known too late to look just once: see
                // `Receiver::take_payload`.
                if let Some(utf8) = &mut utf8 {
                    utf8.push(inflated)
                        .map_err(|_| ProtocolError::InvalidUtf8)?;
                }
            }
            match step.status {
                Ok(Status::StreamEnd) => {
                    self.stage = Stage::Final;
                    // All of it is out, even if there is no room left.
                    is_full = false;
                }
                Ok(_) if step.consumed + step.produced > 0 || piece.is_empty() => {}
                _ => return Err(ProtocolError::InvalidDeflate),
            }
            piece = &piece[step.consumed..];
        }
        Ok(())
    }

    /// Ends a message: it must be whole, and is made one piece.
    pub(crate) fn finish(&mut self, message: &mut Inflated) -> Result<(), ProtocolError> {
        match (self.stage, &mut self.engine) {
            // A message that ends with a final block needs no other end.
            (Stage::Final, _) => self.stage = Stage::Unprepared,
            (Stage::Inside, Some(engine)) => {
                // It stops where a block ends: there, if the message is whole.
                let step = engine.run(&TAIL, &mut [0], InflateFlush::Block);
                if (step.consumed, step.produced, step.status) != (4, 0, Ok(Status::Ok)) {
                    return Err(ProtocolError::InvalidDeflate);
                }
                // If that was another block than the empty one, some bits of the tail are left,
                // and none begins with those.
                let step = engine.run(&EMPTY_BLOCK, &mut [0], InflateFlush::NoFlush);
                self.stage = match (step.consumed, step.produced, step.status) {
                    (5, 0, Ok(Status::Ok)) => Stage::Ready,
                    // The empty one called itself final.
                    (0, 0, Ok(Status::StreamEnd)) => Stage::Unprepared,
                    _ => return Err(ProtocolError::InvalidDeflate),
                };
            }
            // No payload: an empty message, of which zlib must not hear, as the tail alone is half
            // a block.
            _ => {}
        }
        let message = message.join();
        if let Some(window_bits) = self.takeover {
            let history = self
                .history
                .get_or_insert_with(|| History::new(window_bits));
            history.push(message);
        }
        Ok(())
    }

    /// What both ends have agreed on.
    pub(crate) fn agreed(&self) -> Params {
        self.agreed
    }

    pub(crate) fn bytes(&self) -> ByteCount {
        self.bytes
    }

    /// Gives up the message under way, and the context.
    pub(super) fn abandon(&mut self) {
        self.stage = Stage::Unprepared;
    }

    /// Where an engine is to be put, if there is none.
    pub(super) fn vacancy(&mut self) -> Option<&mut Option<Box<Engine>>> {
        Some(&mut self.engine).filter(|engine| engine.is_none())
    }

    /// Gives the engine away, unless a message is under way; with `context` also one that
    /// remembers earlier messages.
    pub(super) fn take_engine(&mut self, context: bool) -> Option<Box<Engine>> {
        if !self.stage.is_free(self.takeover.is_some(), context) {
            return None;
        }
        self.stage = Stage::Unprepared;
        self.engine.take()
    }
}

/// zlib's inflater: 47,552 bytes of heap memory.
pub(super) struct Engine(Inflate);

struct Step {
    consumed: usize,
    produced: usize,
    status: Result<Status, zlib_rs::InflateError>,
}

impl Engine {
    /// Starts a new stream behind what was inflated so far.
    fn restart(&mut self, history: Option<&History>, message: &Inflated) {
        self.0.reset(false);
        // No more than the largest window: a peer decides how often this is done.
        let history = history.into_iter().flat_map(History::slices);
        let len = history.clone().map(<[u8]>::len).sum::<usize>() + message.len();
        let mut skip = len.saturating_sub(1 << MAX_WINDOW_BITS);
        for piece in history.chain(message.pieces()) {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            // A stream without a header takes as many as it is given, at any time.
            let _ = self.0.set_dictionary(&piece[skipped..]);
        }
    }

    fn run(&mut self, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Step {
        let (total_in, total_out) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, flush);
        Step {
            consumed: (self.0.total_in() - total_in) as usize,
            produced: (self.0.total_out() - total_out) as usize,
            status,
        }
    }
}

impl Default for Engine {
    /// zlib's memory does not depend on the window, so that one engine serves any.
    fn default() -> Self {
        Self(Inflate::new(false, MAX_WINDOW_BITS))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inflate").finish_non_exhaustive()
    }
}
