//! The closing handshake (RFC 6455 §7.1) as a table.

use alloc::boxed::Box;

use super::CloseFrame;
use crate::{error::ProtocolError, frame::CloseCode};

/// Where a connection is in its life, as a type of the field's APIs.
///
/// CONNECTING is not among the values: before the connection there are the types of
/// [`handshake`](crate::handshake).
///
/// ```
/// use websocket_proto::{Config, Connection, ReadyState, Role};
///
/// let ws = Connection::assume_opened(Role::Server, Config::new());
/// assert_eq!(ws.state(), ReadyState::Open);
/// ```
// Exhaustive: the four values of the standards (with CONNECTING) are all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// Messages go both ways.
    Open,
    /// The closing handshake is under way. Nothing more can be sent; events still come.
    Closing,
    /// Nothing more will come or go: flush `out` and close the transport.
    Closed,
}

/// What has happened of the closing handshake.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    pub(crate) sent: bool,
    pub(crate) received: bool,
    pub(crate) eof: bool,
    /// What ended the connection instead.
    pub(crate) error: Option<ProtocolError>,
    record: Option<Box<Record>>,
}

/// What the two Close frames said. On the heap, as a connection that is open needs none of it.
#[derive(Debug, Default)]
struct Record {
    sent: Option<(Option<CloseCode>, Box<str>)>,
    received: Option<(Option<CloseCode>, Box<str>)>,
}

impl Closing {
    /// The table. A received Close is answered at once, so "received, not sent" lasts no longer
    /// than that call. The end of the stream alone closes nothing: events may still be unread, a
    /// Close among them; behind them it is an error.
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

    /// Whether the stream may end here: both Close frames have been seen (§7.1.4).
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
