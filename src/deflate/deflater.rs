//! From messages to compressed payloads (RFC 7692 §7.2.1).

use alloc::boxed::Box;
use core::fmt;

use bytes::BytesMut;
use zlib_rs::{Deflate, DeflateFlush};

use super::{ByteCount, Compression, DeflateConfig, History, stage::Stage};

/// What a flushed piece ends with, and a message leaves out: "Remove 4 octets (that are 0x00 0x00
/// 0xff 0xff) from the tail end" (§7.2.1).
const TAIL_LEN: usize = 4;

/// How many bytes are compressed into at once, at most.
const MAX_ROOM: usize = 64 << 10;

/// The send half of permessage-deflate.
#[derive(Debug)]
pub struct Deflater {
    engine: Option<Box<Engine>>,
    /// With context takeover: what the peer has in its window.
    takeover: bool,
    history: Option<Box<History>>,
    setup: Setup,
    compression: Compression,
    stage: Stage,
    bytes: ByteCount,
}

/// What makes one engine differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    level: u8,
    mem_level: u8,
    window_bits: u8,
}

impl Deflater {
    /// One with this window at most, which does or does not refer to earlier messages. `None` for
    /// a window that zlib cannot do with: such an end sends every message as it is.
    pub(super) fn new(max_window_bits: u8, takeover: bool, config: &DeflateConfig) -> Option<Self> {
        let deflater = Self {
            engine: None,
            takeover,
            history: None,
            setup: Setup {
                level: config.level.clamp(1, 9),
                mem_level: config.mem_level.clamp(1, 9),
                window_bits: max_window_bits,
            },
            compression: config.compression,
            stage: Stage::Unprepared,
            bytes: ByteCount::default(),
        };
        (max_window_bits > 8).then_some(deflater)
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    pub(crate) fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Whether a message of this length is to be compressed; that of one in pieces is not known.
    #[inline]
    pub(crate) fn wants(&self, len: Option<usize>) -> bool {
        match (self.compression, len) {
            (Compression::Never, _) => false,
            (_, None) => true,
            (Compression::Always, Some(len)) => len > 0,
            (Compression::Above(most), Some(len)) => len > most,
        }
    }

    /// Appends a piece of a message to `out`, compressed; with `fin`, the last one. All of it is
    /// flushed, so that the peer can read it without the next.
    pub(crate) fn deflate(&mut self, piece: &[u8], fin: bool, out: &mut BytesMut) {
        let start = out.len();
        if !piece.is_empty() {
            self.append(piece, out);
            if fin {
                out.truncate(out.len() - TAIL_LEN);
            }
        } else if fin {
            // The head of an empty block, whose rest is the tail that the peer adds (§7.2.3.6).
            out.extend_from_slice(&[0]);
        }
        self.bytes.plain += piece.len() as u64;
        self.bytes.compressed += (out.len() - start) as u64;
        self.stage = match (fin, self.stage) {
            (true, Stage::Inside) => Stage::Ready,
            (_, stage) => stage,
        };
    }

    fn append(&mut self, piece: &[u8], out: &mut BytesMut) {
        let engine = self
            .engine
            .get_or_insert_with(|| Box::new(Engine::new(self.setup)));
        if !self.stage.goes_on(self.takeover) {
            engine.restart(self.history.as_deref());
        }
        self.stage = Stage::Inside;
        engine.run(piece, out);
        if self.takeover {
            let window_bits = self.setup.window_bits;
            let history = self
                .history
                .get_or_insert_with(|| History::new(window_bits));
            history.push(piece);
        }
    }

    pub(crate) fn bytes(&self) -> ByteCount {
        self.bytes
    }

    /// Gives up the message under way, and the context.
    pub(super) fn abandon(&mut self) {
        self.stage = Stage::Unprepared;
    }

    /// Where an engine of this setup is to be put, if there is none.
    pub(super) fn vacancy(&mut self) -> Option<(Setup, &mut Option<Box<Engine>>)> {
        let engine = Some(&mut self.engine).filter(|engine| engine.is_none());
        engine.map(|engine| (self.setup, engine))
    }

    /// Gives the engine away, unless a message is under way; with `context` also one that
    /// remembers earlier messages.
    pub(super) fn take_engine(&mut self, context: bool) -> Option<Box<Engine>> {
        if !self.stage.is_free(self.takeover, context) {
            return None;
        }
        self.stage = Stage::Unprepared;
        self.engine.take()
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

    /// Starts a new stream behind these messages.
    fn restart(&mut self, history: Option<&History>) {
        self.deflate.reset();
        for piece in history.into_iter().flat_map(History::slices) {
            // A stream without a header takes as many as it is given, between two flushes.
            let _ = self.deflate.set_dictionary(piece);
        }
    }

    /// Appends all of the piece, flushed.
    fn run(&mut self, mut piece: &[u8], out: &mut BytesMut) {
        loop {
            // Room for most pieces at once, and for the mark of the flush; not so much that what
            // shrinks to nothing leaves a great deal of it.
            let start = out.len();
            let room = (piece.len() / 2).min(MAX_ROOM) + 64;
            out.resize(start + room, 0);
            let (total_in, total_out) = (self.deflate.total_in(), self.deflate.total_out());
            let status = (self.deflate).compress(piece, &mut out[start..], DeflateFlush::SyncFlush);
            debug_assert!(status.is_ok(), "{status:?}");
            let produced = (self.deflate.total_out() - total_out) as usize;
            out.truncate(start + produced);
            piece = &piece[(self.deflate.total_in() - total_in) as usize..];
            // What is left is flushed as well "if avail_out is not zero", as zlib's manual says. It
            // takes no more than 4 GiB at once.
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
