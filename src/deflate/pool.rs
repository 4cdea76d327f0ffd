//! Codecs that many connections share.

use alloc::{boxed::Box, vec::Vec};

use super::{deflater, inflater};

/// Codecs for any number of connections, one after the other: an inflater, and a compressor for
/// each combination of level, memory level and window.
///
/// A codec is needed while a message is on its way through it, and kept between two messages only
/// for the sake of its context. A thread that serves many connections owns a pool, lends to a
/// connection before it deals with it, and takes back afterwards:
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
///     while let Some(event) = ws.next_event(input, out)? {
///         // Reply at will.
/// #       let _ = event;
///     }
///     pool.reclaim(ws);
///     Ok(())
/// }
/// # let mut ws = Connection::assume_opened(Role::Server, Config::new())
/// #     .with_deflate(Params::default(), DeflateConfig::new());
/// # on_readable(&mut Pool::new(), &mut ws, &mut RecvBuf::new(), &mut BytesMut::new())?;
/// # Ok::<(), ProtocolError>(())
/// ```
///
/// With context takeover nothing comes back that way; [`hibernate`](Self::hibernate) is for that.
/// None of it is a duty. A connection that lacks a codec makes its own, and what is not taken back
/// ends with the connection. Without a pool, `Pool::new().hibernate(&mut ws)` just frees memory.
/// Peers choose windows: a pool may come to hold a compressor for each of the seven.
#[derive(Debug, Default)]
pub struct Pool {
    inflater: Option<Box<inflater::Engine>>,
    #[expect(clippy::vec_box, reason = "what moves is the box, between connections")]
    compressors: Vec<Box<deflater::Engine>>,
}

impl Pool {
    /// An empty pool, without heap memory.
    pub const fn new() -> Self {
        Self {
            inflater: None,
            compressors: Vec::new(),
        }
    }

    /// Lends the connection the codecs that it lacks, as far as the pool has them. Costs next to
    /// nothing, also for a connection without compression.
    pub fn lend(&mut self, connection: &mut impl Pooled) {
        let (inflater, deflater) = connection.codecs();
        if let Some(vacancy) = inflater.and_then(|inflater| inflater.vacancy()) {
            *vacancy = self.inflater.take();
        }
        if let Some((setup, vacancy)) = deflater.and_then(|deflater| deflater.vacancy()) {
            let at = (self.compressors.iter()).position(|engine| engine.setup == setup);
            *vacancy = at.map(|at| self.compressors.swap_remove(at));
        }
    }

    /// Takes back the codecs that hold nothing: those without context takeover, unless a message
    /// is under way, and those of a connection that [is done](crate::Connection::is_done). Costs next to
    /// nothing.
    pub fn reclaim(&mut self, connection: &mut impl Pooled) {
        self.take(connection, false);
    }

    /// Takes back all codecs, unless a message is under way. With context takeover the connection
    /// keeps its histories, from which a codec learns the context anew when it is next needed: an
    /// inflater in about one microsecond, a compressor in about 30. Meant for before a long wait.
    ///
    /// The pool keeps one codec of each kind, and frees what it has already. Whether freed memory goes back to the operating system is up to the allocator.
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
        // Of two that are the same, one is enough.
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

/// What a [`Pool`] can lend codecs to: a [`Connection`](crate::Connection).
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

        /// Whether neither will be needed any more.
        fn is_over(&self) -> bool;
    }
}
