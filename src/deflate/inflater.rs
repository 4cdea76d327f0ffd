//! From compressed payloads to messages (RFC 7692 §7.2.2).

use alloc::boxed::Box;
use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{ByteCount, History, Params, WINDOW, params::MAX_WINDOW_BITS, stage::Stage};
use crate::error::ProtocolError;

/// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message" (§7.2.2):
/// they end the empty block that ends a message. The fifth octet is one that must not be taken.
const TAIL: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// A whole empty block, at the start of an octet.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// The codec that inflates what arrives. Where the bytes go is its caller's business.
#[derive(Debug)]
pub struct Inflater {
    agreed: Params,
    engine: Option<Box<Engine>>,
    /// With context takeover: the window of the peer, as a power of two, and what is in it.
    takeover: Option<u8>,
    history: Option<Box<History>>,
    stage: Stage,
    /// Final blocks in the message under way, and how many there may be.
    final_blocks: u32,
    max_final_blocks: u32,
    bytes: ByteCount,
}

/// What one step of an [`Inflater`] did.
pub(crate) struct Step {
    /// Bytes taken from the input.
    pub(crate) consumed: usize,
    /// Bytes written into the room.
    pub(crate) produced: usize,
    /// Whether there may be more to come without more input.
    pub(crate) more: bool,
    /// What is wrong behind the bytes that were produced.
    pub(crate) error: Option<ProtocolError>,
}

impl Inflater {
    /// One for a peer with this window, which does or does not refer to earlier messages.
    pub(super) fn new(
        window_bits: u8,
        takeover: bool,
        agreed: Params,
        max_final_blocks: u32,
    ) -> Self {
        Self {
            agreed,
            engine: None,
            takeover: takeover.then_some(window_bits),
            history: None,
            stage: Stage::Unprepared,
            final_blocks: 0,
            max_final_blocks,
            bytes: ByteCount::default(),
        }
    }

    /// Inflates from `input` into `room`, as much as is there or fits. `so_far` is the end of the
    /// message under way: what follows a final block may refer to it.
    pub(crate) fn step<'a>(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        so_far: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Step {
        let engine = self.engine.get_or_insert_default();
        if !self.stage.goes_on(self.takeover.is_some()) {
            let history = self.history.iter().flat_map(|history| history.slices());
            let so_far = so_far.map(|piece| -> &[u8] { piece });
            engine.restart(history.chain(so_far));
        }
        self.stage = Stage::Inside;
        let Run {
            consumed,
            produced,
            status,
        } = engine.run(input, room, InflateFlush::NoFlush);
        self.bytes.compressed += consumed as u64;
        self.bytes.plain += produced as u64;
        let mut step = Step {
            consumed,
            produced,
            more: produced == room.len(),
            error: None,
        };
        match status {
            Ok(Status::StreamEnd) => {
                self.stage = Stage::Final;
                self.final_blocks += 1;
                // All of it is out, even if there is no room left.
                step.more = false;
                if self.final_blocks > self.max_final_blocks {
                    step.error = Some(ProtocolError::TooManyFinalBlocks);
                }
            }
            Ok(_) if consumed + produced > 0 || input.is_empty() => {}
            _ => step.error = Some(ProtocolError::InvalidDeflate),
        }
        step
    }

    /// Ends a message, whose payload must be whole.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        let final_blocks = core::mem::take(&mut self.final_blocks);
        match (self.stage, &mut self.engine) {
            // A message that ends with a final block needs no other end.
            (Stage::Final, _) => self.stage = Stage::Unprepared,
            (Stage::Inside, Some(engine)) => {
                // It stops where a block ends: there, if the message is whole.
                let end = engine.run(&TAIL, &mut [0], InflateFlush::Block);
                if (end.consumed, end.produced, end.status) != (4, 0, Ok(Status::Ok)) {
                    return Err(ProtocolError::InvalidDeflate);
                }
                // If that was another block than the empty one, some bits of the tail are left,
                // and none begins with those.
                let end = engine.run(&EMPTY_BLOCK, &mut [0], InflateFlush::NoFlush);
                self.stage = match (end.consumed, end.produced, end.status) {
                    (5, 0, Ok(Status::Ok)) => Stage::Ready,
                    // The empty one called itself final.
                    (0, 0, Ok(Status::StreamEnd)) if final_blocks < self.max_final_blocks => {
                        Stage::Unprepared
                    }
                    (0, 0, Ok(Status::StreamEnd)) => {
                        return Err(ProtocolError::TooManyFinalBlocks);
                    }
                    _ => return Err(ProtocolError::InvalidDeflate),
                };
            }
            // No payload: an empty message, of which zlib must not hear, as the tail alone is half
            // a block.
            _ => {}
        }
        Ok(())
    }

    /// Adds a message, or a part of one, to what later messages may refer to. Without context
    /// takeover there is no such thing.
    pub(crate) fn remember(&mut self, message: &[u8]) {
        if let Some(window_bits) = self.takeover {
            let history = self
                .history
                .get_or_insert_with(|| History::new(window_bits));
            history.push(message);
        }
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

/// What one call of zlib did.
struct Run {
    consumed: usize,
    produced: usize,
    status: Result<Status, zlib_rs::InflateError>,
}

impl Engine {
    /// Starts a new stream behind these bytes, of which one window counts.
    fn restart<'a>(&mut self, before: impl Iterator<Item = &'a [u8]> + Clone) {
        self.0.reset(false);
        let len = before.clone().map(<[u8]>::len).sum::<usize>();
        let mut skip = len.saturating_sub(WINDOW);
        for piece in before {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            if skipped < piece.len() {
                // A stream without a header takes as many as it is given, at any time.
                let _ = self.0.set_dictionary(&piece[skipped..]);
            }
        }
    }

    fn run(&mut self, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Run {
        let (total_in, total_out) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, flush);
        Run {
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
