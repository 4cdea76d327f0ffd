//! The states of the closing handshake (RFC 6455 §7.1).

use alloc::boxed::Box;

use super::CloseFrame;
use crate::{error::ProtocolError, frame::CloseCode};

/// The state of a connection, like `readyState` in the browser API.
///
/// There is no `Connecting`: before a connection exists, its handshake is a type of
/// [`handshake`](crate::handshake).
///
/// ```
/// use websocket_proto::{Config, Connection, ReadyState, Role};
///
/// let ws = Connection::assume_opened(Role::Server, Config::new());
/// assert_eq!(ws.state(), ReadyState::Open);
/// ```
// Exhaustive: RFC 6455 and the browser API have these states and CONNECTING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// Messages can be sent and received.
    Open,
    /// A Close frame was sent or received. Nothing can be sent. Events can still arrive. A client
    /// stays in this state after both Close frames, until the server ends the stream or
    /// [`Config::close_timeout`](crate::Config::close_timeout) passes.
    Closing,
    /// The connection [is done](crate::Connection::is_done): flush `out` and close the transport.
    Closed,
}

/// The progress of the closing handshake.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    pub(crate) sent: bool,
    pub(crate) received: bool,
    pub(crate) eof: bool,
    /// The error that ended the connection.
    pub(crate) error: Option<ProtocolError>,
    record: Option<Box<Record>>,
}

/// The content of the two Close frames. It is on the heap because an open connection does not need
/// it.
#[derive(Debug, Default)]
struct Record {
    sent: Option<(Option<CloseCode>, Box<str>)>,
    received: Option<(Option<CloseCode>, Box<str>)>,
}

impl Closing {
    /// The state, as a table of what was sent and received.
    ///
    /// A received Close frame is answered in the same call, so "received, not sent" does not last.
    /// The end of the stream alone does not change the state, because events can still be unread, a
    /// Close frame among them. If no Close frame is among them, the end of the stream becomes an
    /// error after the last event.
    pub(crate) fn state(&self, is_client: bool) -> ReadyState {
        use ReadyState::{Closed, Closing, Open};
        if self.error.is_some() {
            return Closed;
        }
        match (self.sent, self.received, self.eof) {
            (false, false, _) => Open,
            (true, false, _) | (false, true, _) => Closing,
            // "the server MUST close the TCP connection immediately", while "a client MAY wait
            // for the server to close" it (§7.1.1): the client waits, with a deadline.
            (true, true, false) if is_client => Closing,
            (true, true, false) => Closed,
            (true, true, true) => Closed,
        }
    }

    /// Whether the closing handshake is complete: both Close frames were sent (§7.1.4).
    pub(crate) fn is_clean(&self) -> bool {
        self.sent && self.received
    }

    pub(crate) fn set_sent(&mut self, frame: CloseFrame<'_>) {
        self.sent = true;
        self.record.get_or_insert_default().sent = Some((frame.code, frame.reason.into()));
    }

    pub(crate) fn set_received(&mut self, frame: CloseFrame<'_>) {
        self.received = true;
        self.record.get_or_insert_default().received = Some((frame.code, frame.reason.into()));
    }

    pub(crate) fn sent_frame(&self) -> Option<CloseFrame<'_>> {
        let (code, reason) = self.record.as_ref()?.sent.as_ref()?;
        Some(CloseFrame {
            code: *code,
            reason,
        })
    }

    pub(crate) fn received_frame(&self) -> Option<CloseFrame<'_>> {
        let (code, reason) = self.record.as_ref()?.received.as_ref()?;
        Some(CloseFrame {
            code: *code,
            reason,
        })
    }
}
