//! Inflates the payloads of received messages (RFC 7692 §7.2.2).

use alloc::boxed::Box;
use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{
    ByteCount, History, Params,
    params::{MAX_WINDOW_BITS, PackedParams},
    stage::Stage,
};
use crate::{error::ProtocolError, message::Piece, meter};

/// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message" (§7.2.2).
/// They complete the empty block at the end of a message. The fifth octet is a probe: if the
/// inflater consumes it, no block has ended after the four.
const TAIL: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];

/// A whole empty block, if it begins at the start of an octet.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// What [`Inflater::whole`] needs behind a payload: the tail, and bytes that are not consumed. As zlib
/// is fast only while 15 bytes or more of the input are left, it is then fast to the end of the
/// payload.
pub(crate) const END: [u8; 20] = {
    let mut end = [0; 20];
    (end[2], end[3]) = (0xff, 0xff);
    end
};

/// The inflater of one connection, and its history. It owns no memory before its first use.
///
/// The caller provides the memory for the output, applies the size limit and validates text.
#[derive(Debug)]
pub struct Inflater {
    state: Option<Box<State>>,
    agreed: PackedParams,
    /// The window bits of the peer's compressor.
    window_bits: u8,
    takeover: bool,
    max_final_blocks: u32,
}

#[derive(Debug, Default)]
struct State {
    engine: Option<Box<Engine>>,
    /// The bytes before the message so far to which it can refer: earlier messages with context
    /// takeover, and parts of this message that were delivered.
    history: Option<Box<History>>,
    bytes: ByteCount,
    /// Final blocks in the current message so far.
    final_blocks: u32,
    stage: Stage,
}

/// The result of [`Inflater::step`].
pub(crate) struct Step {
    /// Number of bytes taken from the input.
    pub(crate) consumed: usize,
    /// Number of bytes written into the room.
    pub(crate) produced: usize,
    /// The same, and a window if the next step must load one.
    pub(crate) work: usize,
    /// Whether another step can produce bytes without more input.
    pub(crate) more: bool,
    /// An error in the input. It comes after the bytes that were produced.
    pub(crate) error: Option<ProtocolError>,
}

/// The result of [`Inflater::whole`].
pub(crate) enum Whole {
    /// The message is complete, and has this many bytes.
    Complete(usize),
    /// So many bytes of the payload were consumed, and so many written into the room. The next
    /// [`Inflater::step`] continues there, whether or not there is more input.
    Begun(usize, usize),
    /// Nothing was consumed.
    NotBegun,
}

impl Inflater {
    /// Makes an inflater for a peer that compresses with this window, and with or without context
    /// takeover.
    pub(super) fn new(
        window_bits: u8,
        takeover: bool,
        agreed: Params,
        max_final_blocks: u32,
    ) -> Self {
        Self {
            state: None,
            agreed: PackedParams::new(agreed),
            window_bits,
            takeover,
            max_final_blocks,
        }
    }

    /// Inflates from `input` into `room`, until the input is used up, the room is full or a final
    /// block ends.
    ///
    /// `so_far` is the inflated message so far without the parts that were remembered: all of it,
    /// or at least one window. Data after a final block can refer to it.
    pub(crate) fn step<'a>(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        so_far: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Step {
        let state = self.state.get_or_insert_default();
        let Run {
            consumed,
            produced,
            status,
        } = state.run(
            self.takeover,
            self.window_bits,
            so_far,
            input,
            room,
            InflateFlush::NoFlush,
        );
        state.stage = Stage::Inside;
        state.count(consumed, produced);
        let mut step = Step {
            consumed,
            produced,
            work: produced,
            more: produced == room.len(),
            error: None,
        };
        match status {
            Ok(Status::StreamEnd) => {
                state.stage = Stage::AfterFinalBlock;
                step.work += 1 << self.window_bits;
                state.final_blocks += 1;
                // The output of this block is complete, even if the room is full.
                step.more = false;
                if state.final_blocks > self.max_final_blocks {
                    step.error = Some(ProtocolError::TooManyFinalBlocks);
                }
            }
            Ok(_) if consumed + produced > 0 || input.is_empty() => {}
            _ => step.error = Some(ProtocolError::InvalidDeflate),
        }
        step
    }

    /// Inflates a message whose payload is here in one piece. `input` is the payload, which is not
    /// empty, and [`END`] behind it.
    ///
    /// It is for messages as most compressors make them: one block, then the empty one that ends with
    /// the tail. With any other message it stops, at the latest when the room is full. Then
    /// [`step`](Self::step) and [`finish`](Self::finish) continue, and find what is wrong.
    pub(crate) fn whole(&mut self, input: &[u8], room: &mut [u8]) -> Whole {
        if self.max_final_blocks == 0 {
            // The empty block can be marked as final, which is not seen here.
            return Whole::NotBegun;
        }
        let len = input.len() - END.len();
        let state = self.state.get_or_insert_default();
        let none = core::iter::empty();
        // With `Block`, zlib stops at the end of a block.
        let mut run = state.run(
            self.takeover,
            self.window_bits,
            none,
            input,
            room,
            InflateFlush::Block,
        );
        let (mut consumed, mut produced) = (run.consumed, run.produced);
        let mut block = 0;
        if (len - 1..=len).contains(&consumed) && produced < room.len() && run.is_ok() {
            block = consumed;
            let engine = state.engine.get_or_insert_default();
            let (input, room) = (&input[consumed..], &mut room[produced..]);
            run = engine.run(input, room, InflateFlush::Block);
            consumed += run.consumed;
            produced += run.produced;
        }
        // This block began in the last byte of the payload, or in the one before it, and ended exactly
        // with the tail. So it is the empty block: one with fixed codes does not end with a bit that
        // is 1, and one with dynamic codes has more than 47 bits: 29 before the lengths of its codes,
        // 18 for the lengths of 258 codes, and its end.
        let is_empty = run.produced == 0 && run.is_ok();
        if is_empty && block + 1 >= len && consumed == len + 4 {
            state.count(len, produced);
            state.stage = Stage::Ready;
            return Whole::Complete(produced);
        }
        if consumed <= len && run.status.is_ok() {
            state.count(consumed, produced);
            state.stage = Stage::Inside;
            return Whole::Begun(consumed, produced);
        }
        // It has consumed bytes behind the payload, or there is an error, which may be there. So the
        // message is wrong, and the next step starts with it again to find the error. If a window
        // of less than 32 KiB was negotiated, the engine has now lost what was before that window.
        state.stage = Stage::Unprepared;
        Whole::NotBegun
    }

    /// Ends a message. Call it after the last byte of the payload. Fails if the payload is
    /// incomplete or has too many final blocks.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        // Without a state the message has no bytes.
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let final_blocks = core::mem::take(&mut state.final_blocks);
        match (state.stage, &mut state.engine) {
            // After a final block nothing has to follow.
            (Stage::AfterFinalBlock, _) => state.stage = Stage::Unprepared,
            (Stage::Inside, Some(engine)) => {
                // With `Block`, zlib stops at the end of a block. If the message is complete, that
                // is the end of the tail.
                let end = engine.run(&TAIL, &mut [0], InflateFlush::Block);
                if (end.consumed, end.produced, end.status) != (4, 0, Ok(Status::Ok)) {
                    return Err(ProtocolError::InvalidDeflate);
                }
                // If the tail completed a block other than the empty one, zlib has not used all of
                // its bits. No valid block begins with these bits, so the empty block then fails.
                let end = engine.run(&EMPTY_BLOCK, &mut [0], InflateFlush::NoFlush);
                state.stage = match (end.consumed, end.produced, end.status) {
                    (5, 0, Ok(Status::Ok)) => Stage::Ready,
                    // The empty block at the end was marked as final.
                    (0, 0, Ok(Status::StreamEnd)) if final_blocks < self.max_final_blocks => {
                        Stage::Unprepared
                    }
                    (0, 0, Ok(Status::StreamEnd)) => {
                        return Err(ProtocolError::TooManyFinalBlocks);
                    }
                    _ => return Err(ProtocolError::InvalidDeflate),
                };
            }
            // The payload has no bytes: the message is empty. zlib must not see the tail, because
            // without the header before it the tail is not a valid block.
            _ => {}
        }
        Ok(())
    }

    /// Adds a message, or a piece of one, to the history. Without context takeover, the history is
    /// for the rest of the message only.
    pub(crate) fn remember(&mut self, bytes: &[u8], piece: Piece) {
        if !self.takeover && piece != Piece::Part {
            if let Some(state) = &mut self.state {
                state.history = None;
            }
            return;
        }
        let state = self.state.get_or_insert_default();
        let window_bits = self.window_bits;
        let history = state
            .history
            .get_or_insert_with(|| History::new(window_bits));
        history.push(bytes);
    }

    /// The negotiated parameters.
    pub(crate) fn agreed(&self) -> Params {
        self.agreed.unpack()
    }

    pub(crate) fn bytes(&self) -> ByteCount {
        (self.state.as_ref()).map_or(ByteCount::default(), |state| state.bytes)
    }

    /// Abandons the current message and the context, so that the engine can be taken.
    pub(super) fn abandon(&mut self) {
        if let Some(state) = &mut self.state {
            state.stage = Stage::Unprepared;
        }
    }

    /// If there is no engine: the place to put one.
    pub(super) fn empty_slot(&mut self) -> Option<&mut Option<Box<Engine>>> {
        let engine = &mut self.state.get_or_insert_default().engine;
        Some(engine).filter(|engine| engine.is_none())
    }

    /// Takes the engine away, unless it is inside a message. With `context`, also takes an engine
    /// that remembers earlier messages; the history stays.
    pub(super) fn take_engine(&mut self, context: bool) -> Option<Box<Engine>> {
        let state = self.state.as_mut()?;
        if !state.stage.can_be_taken(self.takeover, context) {
            return None;
        }
        state.stage = Stage::Unprepared;
        let engine = state.engine.take();
        if state.bytes == ByteCount::default() && state.history.is_none() {
            self.state = None;
        }
        engine
    }
}

impl State {
    /// Inflates, after the engine is restarted if it does not know what is before `input`: the
    /// history, and `so_far`.
    #[inline]
    fn run<'a>(
        &mut self,
        takeover: bool,
        window_bits: u8,
        so_far: impl Iterator<Item = &'a [u8]> + Clone,
        input: &[u8],
        room: &mut [u8],
        flush: InflateFlush,
    ) -> Run {
        let engine = self.engine.get_or_insert_default();
        let history = self.history.iter().flat_map(|history| history.slices());
        let before = history.chain(so_far.map(|piece| -> &[u8] { piece }));
        if !self.stage.can_continue(takeover) {
            engine.restart(before, window_bits);
            return engine.run(input, room, flush);
        }
        let run = engine.run(input, room, flush);
        if self.stage == Stage::Ready && run.is_end() {
            // The empty block at the end of the message before was marked as final.
            engine.restart(before, window_bits);
            return engine.run(input, room, flush);
        }
        run
    }

    fn count(&mut self, compressed: usize, plain: usize) {
        self.bytes.compressed += compressed as u64;
        self.bytes.plain += plain as u64;
    }
}

/// zlib's inflater: 47,552 bytes of heap memory.
pub(super) struct Engine(Inflate);

/// The result of one call of zlib.
struct Run {
    consumed: usize,
    produced: usize,
    status: Result<Status, zlib_rs::InflateError>,
}

impl Run {
    fn is_ok(&self) -> bool {
        self.status == Ok(Status::Ok)
    }

    /// Whether the stream had ended before.
    fn is_end(&self) -> bool {
        (self.consumed, self.produced, self.status) == (0, 0, Ok(Status::StreamEnd))
    }
}

impl Engine {
    /// Starts a new stream that can refer to the negotiated window: the last of these bytes.
    #[inline(never)]
    fn restart<'a>(&mut self, before: impl Iterator<Item = &'a [u8]> + Clone, window_bits: u8) {
        self.0.reset(false);
        let len = before.clone().map(<[u8]>::len).sum::<usize>();
        let mut skip = len.saturating_sub(1 << window_bits);
        for piece in before {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            if skipped < piece.len() {
                meter::bytes(piece.len() - skipped);
                // This cannot fail: a stream without a zlib header accepts any number of
                // dictionaries at any time.
                let _ = self.0.set_dictionary(&piece[skipped..]);
            }
        }
    }

    fn run(&mut self, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Run {
        let (total_in, total_out) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, flush);
        let run = Run {
            consumed: (self.0.total_in() - total_in) as usize,
            produced: (self.0.total_out() - total_out) as usize,
            status,
        };
        meter::step();
        meter::bytes(run.consumed + run.produced);
        run
    }
}

impl Default for Engine {
    /// Uses the largest window: zlib's memory does not depend on the window, and so one engine
    /// can serve every connection.
    fn default() -> Self {
        Self(Inflate::new(false, MAX_WINDOW_BITS))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inflate").finish_non_exhaustive()
    }
}
