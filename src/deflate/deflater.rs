//! Compresses the payloads of sent messages (RFC 7692 §7.2.1).

use alloc::boxed::Box;
use core::fmt;

use bytes::BytesMut;
use zlib_rs::{Deflate, DeflateFlush};

use super::{ByteCount, Compression, DeflateConfig, History, stage::Stage};
use crate::meter;

/// The length of the end of every flushed piece. The last piece of a message is sent without it:
/// "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (§7.2.1).
const TAIL_LEN: usize = 4;

/// Maximum number of bytes by which `out` grows at once, without the end of the flush.
const MAX_ROOM: usize = 64 << 10;

/// The compressor of one connection, and its history. It owns no memory before its first use.
#[derive(Debug)]
pub struct Deflater {
    state: Option<Box<State>>,
    /// Messages of more bytes are compressed: 0 stands for [`Compression::Always`], and `NEVER` for
    /// [`Compression::Never`]. A [`Compression`] would take 16 bytes of each connection.
    above: u32,
    takeover: bool,
    setup: Setup,
}

const NEVER: u32 = u32::MAX;

#[derive(Debug, Default)]
struct State {
    engine: Option<Box<Engine>>,
    /// With context takeover: what the peer has in its window.
    history: Option<Box<History>>,
    bytes: ByteCount,
    stage: Stage,
}

impl State {
    fn history(&mut self, setup: Setup) -> &mut History {
        let new = || History::new(setup.window_bits);
        self.history.get_or_insert_with(new)
    }
}

/// The settings of an engine. Connections with equal settings can share an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    level: u8,
    mem_level: u8,
    window_bits: u8,
}

impl Deflater {
    /// Makes a compressor with this window and with or without context takeover. Returns `None`
    /// for a window of 8 bits, which zlib does not support: all messages are then sent
    /// uncompressed.
    pub(super) fn new(max_window_bits: u8, takeover: bool, config: &DeflateConfig) -> Option<Self> {
        (max_window_bits > 8).then(|| Self::with_window(max_window_bits, takeover, config))
    }

    /// Makes a compressor with a window of 9 to 15 bits.
    pub(super) fn with_window(window_bits: u8, takeover: bool, config: &DeflateConfig) -> Self {
        let mut deflater = Self {
            state: None,
            above: NEVER,
            takeover,
            setup: Setup {
                level: config.level.clamp(1, 9),
                mem_level: config.mem_level.clamp(1, 9),
                window_bits,
            },
        };
        deflater.set_compression(config.compression);
        deflater
    }

    pub(crate) fn compression(&self) -> Compression {
        match self.above {
            NEVER => Compression::Never,
            0 => Compression::Always,
            above => Compression::Above(above as usize),
        }
    }

    /// The window of the compressor: N stands for 2^N bytes.
    pub(crate) fn window_bits(&self) -> u8 {
        self.setup.window_bits
    }

    pub(crate) fn set_compression(&mut self, compression: Compression) {
        self.above = match compression {
            Compression::Never => NEVER,
            Compression::Always => 0,
            Compression::Above(size) => u32::try_from(size).unwrap_or(NEVER).min(NEVER - 1),
        };
    }

    /// The longest message that is not compressed, if its length is known.
    pub(crate) fn longest_plain(&self) -> u32 {
        self.above
    }

    /// Whether a message of `len` bytes is compressed. `None`: the length is not known, because the
    /// message is sent in pieces.
    pub(crate) fn wants(&self, len: Option<usize>) -> bool {
        self.above != NEVER && len.is_none_or(|len| len > self.above as usize)
    }

    /// Compresses a piece of a message and appends it to `out`. `fin` marks the last piece. The
    /// piece is flushed, so that the peer can read it before the next one arrives.
    pub(crate) fn deflate(&mut self, piece: &[u8], fin: bool, out: &mut BytesMut) {
        let start = out.len();
        if !piece.is_empty() {
            self.append(piece, fin, out);
            if fin {
                out.truncate(out.len() - TAIL_LEN);
            }
        } else {
            // An empty piece is the last one. This is the header of an empty block. The peer appends the tail, which is the rest of the
            // block (§7.2.3.6).
            out.extend_from_slice(&[0]);
        }
        let state = self.state.get_or_insert_default();
        state.bytes.plain += piece.len() as u64;
        state.bytes.compressed += (out.len() - start) as u64;
        if fin && state.stage == Stage::Inside {
            state.stage = Stage::Ready;
        }
    }

    /// Counts a message that another compressor has compressed, without context takeover. It comes
    /// between two messages of this compressor.
    ///
    /// With context takeover the message is in the window of the peer, so it enters the history. The
    /// engine sees it before its next message.
    pub(crate) fn bypass(&mut self, plain: &[u8], compressed: usize) {
        let state = self.state.get_or_insert_default();
        state.bytes.plain += plain.len() as u64;
        state.bytes.compressed += compressed as u64;
        if self.takeover {
            state.history(self.setup).push_unseen(plain);
        }
    }

    fn append(&mut self, piece: &[u8], fin: bool, out: &mut BytesMut) {
        let state = self.state.get_or_insert_default();
        let history = state.history.as_deref();
        let continues = state.stage.can_continue(self.takeover);
        if !continues {
            // A stream that goes on after this piece gets a new engine. After a reset, zlib-rs hashes
            // the last bytes of a piece together with bytes of the stream before, so the lengths of
            // later pieces would depend on what another message, or another connection, has sent.
            let ends = fin && !self.takeover;
            match state.engine.as_mut().filter(|_| ends) {
                Some(engine) => engine.restart(),
                None => state.engine = None,
            }
        }
        let engine = state
            .engine
            .get_or_insert_with(|| Box::new(Engine::new(self.setup)));
        engine.see(history.map(match continues {
            true => History::unseen,
            false => History::slices,
        }));
        state.stage = Stage::Inside;
        engine.run(piece, out);
        if self.takeover {
            state.history(self.setup).push(piece);
        }
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

    /// The settings that an engine must have.
    pub(super) fn setup(&self) -> Setup {
        self.setup
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

/// zlib's compressor.
pub(super) struct Engine {
    deflate: Deflate,
    pub(super) setup: Setup,
}

impl Engine {
    fn new(setup: Setup) -> Self {
        let config = zlib_rs::DeflateConfig {
            level: setup.level.into(),
            // Negative: without a header.
            window_bits: -i32::from(setup.window_bits),
            mem_level: setup.mem_level.into(),
            ..Default::default()
        };
        Self {
            deflate: Deflate::new_with_config(config),
            setup,
        }
    }

    /// Starts a new stream.
    fn restart(&mut self) {
        self.deflate.reset();
    }

    /// Appends bytes to the window, so that the next message can refer to them.
    fn see(&mut self, history: Option<[&[u8]; 2]>) {
        let pieces = history.into_iter().flatten();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            // This cannot fail: a stream without a zlib header accepts any number of
            // dictionaries between two flushes.
            meter::bytes(piece.len());
            let result = self.deflate.set_dictionary(piece);
            debug_assert!(result.is_ok(), "{result:?}");
        }
    }

    /// Compresses the whole piece, flushes it, and appends it to `out`.
    fn run(&mut self, mut piece: &[u8], out: &mut BytesMut) {
        loop {
            // Half of the piece is enough for most pieces, and 64 bytes hold the end of the
            // flush. More could leave `out` with a large unused capacity if the piece shrinks well.
            let start = out.len();
            let room = (piece.len() / 2).min(MAX_ROOM) + 64;
            out.resize(start + room, 0);
            let (total_in, total_out) = (self.deflate.total_in(), self.deflate.total_out());
            let status = (self.deflate).compress(piece, &mut out[start..], DeflateFlush::SyncFlush);
            debug_assert!(status.is_ok(), "{status:?}");
            let produced = (self.deflate.total_out() - total_out) as usize;
            out.truncate(start + produced);
            let consumed = (self.deflate.total_in() - total_in) as usize;
            piece = &piece[consumed..];
            meter::step();
            meter::bytes(room + consumed + produced);
            // The flush is complete if there is room left: zlib's manual requires further calls
            // "until the flush is complete (deflate returns with non-zero avail_out)". Some of the
            // piece can be left if it is longer than 4 GiB.
            if piece.is_empty() && produced < room {
                debug_assert!(out.ends_with(&[0x00, 0x00, 0xff, 0xff]));
                return;
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflate")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}
