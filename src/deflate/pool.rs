//! A pool of codecs that many connections share.

use alloc::{boxed::Box, vec::Vec};

use super::{deflater, inflater};

/// Codecs that many connections use in turn, to save memory.
///
/// A connection needs its codecs (about 330 kB) only while it compresses or inflates. Make one pool
/// for each thread. Call [`lend`](Self::lend) before you receive or send on a connection, and
/// [`reclaim`](Self::reclaim) afterwards, also after an error and before each `.await`:
///
/// ```
/// # use bytes::BytesMut;
/// # use websocket_proto::{Config, Connection, ProtocolError, RecvBuf, Role};
/// # use websocket_proto::deflate::{DeflateConfig, Params, Pool};
/// fn on_readable(
///     pool: &mut Pool,
///     ws: &mut Connection,
///     input: &mut RecvBuf,
///     out: &mut BytesMut,
/// ) -> Result<(), ProtocolError> {
///     pool.lend(ws);
///     let result = take_events(ws, input, out);
///     pool.reclaim(ws);
///     result
/// }
///
/// fn take_events(
///     ws: &mut Connection,
///     input: &mut RecvBuf,
///     out: &mut BytesMut,
/// ) -> Result<(), ProtocolError> {
///     while let Some(event) = ws.next_event(input, out)? {
///         // Handle the event, and send replies.
/// #       let _ = event;
///     }
///     Ok(())
/// }
/// # let mut ws = Connection::assume_opened(Role::Server, Config::new())
/// #     .with_deflate(Params::default(), DeflateConfig::new());
/// # on_readable(&mut Pool::new(), &mut ws, &mut RecvBuf::new(), &mut BytesMut::new())?;
/// # Ok::<(), ProtocolError>(())
/// ```
///
/// - **Without context takeover**, `reclaim` takes both codecs back after each message.
/// - **With context takeover**, the next message needs the context, so `reclaim` leaves used codecs
///   with the connection. Call [`hibernate`](Self::hibernate) before a long wait. The next message
///   that is sent then allocates a new compressor and loads the history, so that nothing of
///   another connection is left in it.
///
/// The two directions of a connection can differ in this.
///
/// Using a pool is optional. A connection without a codec makes one when it needs it, and frees its
/// codecs when it is dropped. To free the codecs of a single connection earlier, call
/// `Pool::new().hibernate(&mut ws)`.
///
/// A pool keeps at most one inflater, and one compressor for each combination of window,
/// [`level`](super::DeflateConfig::level) and [`mem_level`](super::DeflateConfig::mem_level). The
/// peer can influence the window: compressors of all seven windows (9 to 15 bits) together take
/// 1.3 MB at the default memory level.
#[derive(Debug, Default)]
pub struct Pool {
    inflater: Option<Box<inflater::Engine>>,
    #[expect(clippy::vec_box, reason = "what moves is the box, between connections")]
    compressors: Vec<Box<deflater::Engine>>,
}

impl Pool {
    /// Makes an empty pool, which owns no heap memory.
    pub const fn new() -> Self {
        Self {
            inflater: None,
            compressors: Vec::new(),
        }
    }

    /// Moves codecs from the pool to the connection: those that the connection does not have and
    /// that the pool has. Call it before you receive or send. It is cheap, and does nothing if
    /// compression was not negotiated.
    pub fn lend(&mut self, connection: &mut impl Pooled) {
        let (inflater, deflater) = connection.codecs();
        if self.inflater.is_some()
            && let Some(slot) = inflater.and_then(|inflater| inflater.empty_slot())
        {
            *slot = self.inflater.take();
        }
        if let Some(deflater) = deflater
            && let setup = deflater.setup()
            && let Some(at) = (self.compressors.iter()).position(|engine| engine.setup == setup)
            && let Some(slot) = deflater.empty_slot()
        {
            *slot = Some(self.compressors.swap_remove(at));
        }
    }

    /// Takes back the codecs that the connection does not need between two messages. Call it before
    /// you wait or turn to another connection. It is cheap.
    ///
    /// A codec stays with the connection in the middle of a message, and with context takeover once
    /// it was used. From a connection that [is done](crate::Connection::is_done), all codecs are
    /// taken.
    pub fn reclaim(&mut self, connection: &mut impl Pooled) {
        self.take(connection, false);
    }

    /// Takes back all codecs, also those with context takeover. Call it before a long wait. A codec
    /// in the middle of a message stays with the connection.
    ///
    /// With context takeover the connection keeps its histories: at most one window for each
    /// direction, so 64 KiB by default. The next message restores the context from the history,
    /// which takes about 1 µs for an inflater and about 30 µs for a compressor.
    ///
    /// The pool keeps one codec of each kind and frees the others. The allocator decides whether
    /// freed memory returns to the operating system.
    pub fn hibernate(&mut self, connection: &mut impl Pooled) {
        self.take(connection, true);
    }

    fn take(&mut self, connection: &mut impl Pooled, context: bool) {
        let is_done = connection.is_over();
        let (mut inflater, mut deflater) = connection.codecs();
        if is_done {
            inflater.iter_mut().for_each(|inflater| inflater.abandon());
            deflater.iter_mut().for_each(|deflater| deflater.abandon());
        }
        // Replaces the inflater of the pool: they are all equal, and one is enough.
        if let Some(engine) = inflater.and_then(|inflater| inflater.take_engine(context)) {
            self.inflater = Some(engine);
        }
        if let Some(engine) = deflater.and_then(|deflater| deflater.take_engine(context))
            && self
                .compressors
                .iter()
                .all(|other| other.setup != engine.setup)
        {
            self.compressors.push(engine);
        }
    }
}

/// A type to which a [`Pool`] can lend codecs: a [`Connection`](crate::Connection). Other crates
/// cannot implement it.
///
/// ```
/// use websocket_proto::{Config, Connection, Role, deflate::Pool};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// Pool::new().lend(&mut ws);
/// ```
pub trait Pooled: sealed::Codecs {}

pub(crate) mod sealed {
    use crate::deflate::{Deflater, Inflater};

    pub trait Codecs {
        /// Both codecs, if compression was negotiated.
        fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>);

        /// Whether the connection needs no codec any more.
        fn is_over(&self) -> bool;
    }
}
