//! A connection in two halves: splitting, joining, and the receiving half.

use alloc::{boxed::Box, sync::Arc};
use core::fmt;

#[cfg(feature = "deflate")]
use crate::deflate::{ByteCount, Params};
use crate::{buffer::RecvBuf, error::ProtocolError};

use super::{
    Connection, Event, SendHalf,
    heard::Heard,
    notes::{NoteTaker, Notes},
    receiving::Receiving,
};

/// The receiving half of a [split](Connection::split) connection.
///
/// It returns events. What the sending half must know of them is in its notes: pings to answer,
/// Close frames, errors. After each [`next_event`](Self::next_event), also after an error, pass the
/// result of [`take_notes`](Self::take_notes) on to [`SendHalf::hear`].
///
/// The table shows which half has which methods of [`Connection`]. They do the same there.
///
/// | half | methods |
/// |---|---|
/// | receiving | `next_event`, `poll`, `end_of_stream`, `park`, `resume`, `error`, `deflate`, `deflate_stats` |
/// | sending | all that send, `close`, `deadline`, `handle_timeout`, `state`, `is_done`, `close_sent`, `close_received`, `error`, `round_trip_time`, `compression`, `set_compression`, `deflate_stats` |
///
/// [`Connection::split`] shows an example.
#[derive(Debug)]
pub struct RecvHalf {
    pub(super) receiving: Receiving,
    noted: NoteTaker,
    /// How many notes were taken.
    taken: u32,
    pair: Arc<()>,
}

pub(super) fn split(ws: Connection) -> (RecvHalf, SendHalf) {
    let pair = Arc::new(());
    let recv = RecvHalf {
        receiving: ws.recv,
        noted: NoteTaker::new(ws.send.closing.error),
        taken: 0,
        pair: Arc::clone(&pair),
    };
    let send = SendHalf {
        sending: ws.send,
        heard: 0,
        pair,
    };
    (recv, send)
}

pub(super) fn join(recv: RecvHalf, send: SendHalf) -> Result<Connection, JoinError> {
    let reason = if !Arc::ptr_eq(&recv.pair, &send.pair) {
        JoinErrorKind::NotAPair
    } else if !recv.noted.notes.is_empty() || recv.taken != send.heard {
        JoinErrorKind::MissingNotes
    } else {
        let mut recv = recv.receiving;
        if send.sending.closing.error.is_some() {
            recv.stop();
        }
        return Ok(Connection {
            recv,
            send: send.sending,
        });
    };
    Err(JoinError {
        kind: reason,
        halves: Box::new((recv, send)),
    })
}
impl RecvHalf {
    /// Returns the next event, as [`Connection::next_event`]. Pings and Close frames are answered
    /// when the sending half hears the [notes](Self::take_notes).
    ///
    /// # Errors
    ///
    /// As [`Connection::next_event`]. Pass the notes on also after an error: the sending half then
    /// writes the Close frame.
    #[inline]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        self.receiving.next_event(input, &mut self.noted)
    }

    /// As [`Connection::poll`].
    #[inline]
    pub fn poll(&mut self, input: &mut RecvBuf) -> bool {
        self.receiving.poll(input, &mut self.noted)
    }

    /// Returns what the sending half must hear, or `None` if there is nothing new.
    ///
    /// Call it after each [`next_event`](Self::next_event) and [`poll`](Self::poll), and pass the
    /// notes on before you wait: like unsent output, notes that are kept back leave the peer without
    /// an answer. Notes that were not taken are merged with later ones.
    ///
    /// Each event and each read can cause one, and a peer decides how many events a read has. So send
    /// them through something that merges ([`Notes::merge`]) or waits.
    #[inline]
    pub fn take_notes(&mut self) -> Option<Notes> {
        if self.noted.notes.is_empty() {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        Some(self.noted.notes.take(self.taken))
    }

    /// As [`Connection::end_of_stream`]. The sending half hears of it by the notes.
    pub fn end_of_stream(&mut self) {
        if !self.receiving.eof {
            self.receiving.eof = true;
            self.noted.notes.end_of_stream();
        }
    }

    /// As [`Connection::park`].
    pub fn park(&mut self, shared: &mut RecvBuf) {
        if self.receiving.park(shared) {
            (&mut self.noted).bytes();
        }
    }

    /// As [`Connection::resume`].
    pub fn resume(&mut self, shared: &mut RecvBuf) {
        self.receiving.resume(shared);
    }

    /// Whether no event follows: the peer's Close frame has arrived, or there was an error. Then
    /// read and drop what arrives until the end of the stream, and report the
    /// [end](Self::end_of_stream).
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.receiving.is_over()
    }

    /// The error that ended receiving. An error of the sending half is not known here.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        self.noted.error
    }

    /// As [`Connection::deflate`].
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.receiving.deflate()
    }

    /// The received part of [`Connection::deflate_stats`].
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate_stats(&self) -> ByteCount {
        self.receiving.deflate_stats()
    }
}

/// The two halves cannot be joined. [`into_halves`](Self::into_halves) returns them.
///
/// ```
/// use websocket_proto::{Config, Connection, JoinErrorKind, Role};
///
/// let open = || Connection::assume_opened(Role::Server, Config::new());
/// let (recv, _) = open().split();
/// let (_, send) = open().split();
/// let error = Connection::join(recv, send).unwrap_err();
/// assert_eq!(error.kind(), JoinErrorKind::NotAPair);
/// let (recv, send) = error.into_halves();
/// ```
#[derive(thiserror::Error)]
#[error("the halves of a connection cannot be joined: {kind}")]
pub struct JoinError {
    kind: JoinErrorKind,
    halves: Box<(RecvHalf, SendHalf)>,
}

impl JoinError {
    /// The reason.
    #[must_use]
    pub fn kind(&self) -> JoinErrorKind {
        self.kind
    }

    /// Returns the halves.
    #[must_use]
    pub fn into_halves(self) -> (RecvHalf, SendHalf) {
        *self.halves
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinError").field(&self.kind).finish()
    }
}

/// Why two halves cannot be joined: see [`JoinError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JoinErrorKind {
    /// They are halves of different connections.
    #[error("they are halves of different connections")]
    NotAPair,
    /// The sending half has not heard all notes of the receiving half, or not in their order.
    /// Deliver them, and try again. If notes were lost, the connection cannot be joined.
    #[error("the sending half has not heard all notes")]
    MissingNotes,
}
