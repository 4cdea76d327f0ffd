//! What the receiving half of a split connection tells the sending half.

use core::fmt;

use super::{CloseFrame, heard::Heard};
use crate::{error::ProtocolError, frame::MAX_CONTROL_PAYLOAD, meter};

/// What a [`RecvHalf`](super::RecvHalf) has heard and the [`SendHalf`](super::SendHalf) of the same
/// connection must know: signs of life, pings to answer, the peer's Close frame, an error, the end
/// of the stream.
///
/// [`RecvHalf::take_notes`](super::RecvHalf::take_notes) returns it. Send it to the thread or task of
/// the sending half, which passes it to [`SendHalf::hear`](super::SendHalf::hear). Deliver all notes,
/// in order. It has a fixed size, no heap memory, and is `Send`.
///
/// If the way to the other thread is full, [`merge`](Self::merge) newer notes into the older ones.
/// Of several pings, only the latest is then answered, as RFC 6455 §5.5.3 allows.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, RecvBuf, Role};
///
/// let ws = Connection::assume_opened(Role::Server, Config::new());
/// let (mut reader, mut writer) = ws.split();
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
///
/// // Two masked pings.
/// input.extend_from_slice(b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b");
/// let _ping = reader.next_event(&mut input)?;
/// let mut notes = reader.take_notes().expect("a ping to answer");
/// let _ping = reader.next_event(&mut input)?;
/// notes.merge(reader.take_notes().expect("another one"));
///
/// writer.hear(notes, &mut out);
/// assert_eq!(out[..], *b"\x8a\x01b");
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
#[must_use = "the sending half must hear it"]
pub struct Notes {
    /// The numbers of the first and the last of the notes that were merged.
    first: u32,
    last: u32,
    /// Notes are missing between `first` and `last`.
    gap: bool,
    heard: bool,
    end: bool,
    control: Control,
    payload: [u8; MAX_CONTROL_PAYLOAD],
    payload_len: u8,
    /// Only a pong of 4 bytes can answer a keepalive ping.
    pong: Option<[u8; 4]>,
    failure: Option<ProtocolError>,
    message: Option<Progress>,
}

/// A control frame that must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    None,
    Ping,
    Close,
}

/// The progress of received messages.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// A message has ended, so that a message under way is another one.
    ended: bool,
    /// The payload bytes received of the message under way.
    received: Option<usize>,
}

impl Notes {
    pub(super) const fn new() -> Self {
        Self {
            first: 0,
            last: 0,
            gap: false,
            heard: false,
            end: false,
            control: Control::None,
            payload: [0; MAX_CONTROL_PAYLOAD],
            payload_len: 0,
            pong: None,
            failure: None,
            message: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !(self.heard || self.end)
            && self.control == Control::None
            && self.pong.is_none()
            && self.failure.is_none()
            && self.message.is_none()
    }

    /// Takes the notes, and gives them this number.
    pub(super) fn take(&mut self, number: u32) -> Self {
        let taken = core::mem::replace(self, Self::new());
        Self {
            first: number,
            last: number,
            ..taken
        }
    }

    /// Adds newer notes of the same connection. It takes no memory.
    pub fn merge(&mut self, newer: Self) {
        self.gap |= newer.gap || newer.first != self.last.wrapping_add(1);
        self.last = newer.last;
        self.heard |= newer.heard;
        self.end |= newer.end;
        if newer.control != Control::None {
            // A ping needs no pong once a Close frame has arrived (RFC 6455 §5.5.2).
            (self.control, self.payload) = (newer.control, newer.payload);
            self.payload_len = newer.payload_len;
        }
        self.pong = newer.pong.or(self.pong);
        self.failure = self.failure.or(newer.failure);
        if let Some(Progress { ended, received }) = newer.message {
            self.set_message(ended, received);
        }
    }

    fn set_message(&mut self, ended: bool, received: Option<usize>) {
        let before = self.message.is_some_and(|message| message.ended);
        self.message = Some(Progress {
            ended: ended || before,
            received,
        });
    }

    fn set_control(&mut self, control: Control, parts: [&[u8]; 2]) {
        meter::bytes(parts[0].len() + parts[1].len());
        self.control = control;
        self.payload_len = 0;
        for byte in parts.into_iter().flatten() {
            self.payload[usize::from(self.payload_len)] = *byte;
            self.payload_len += 1;
        }
    }

    /// The stream has ended.
    pub(super) fn end_of_stream(&mut self) {
        self.end = true;
    }

    /// Tells the sending half. Returns whether the stream has ended.
    pub(super) fn tell(&self, sending: &mut impl Heard) -> bool {
        if self.heard {
            sending.bytes();
        }
        if let Some(payload) = self.pong {
            sending.pong(&payload);
        }
        if let Some(Progress { ended, received }) = self.message {
            if ended {
                sending.unfinished(None);
            }
            sending.unfinished(received);
        }
        let payload = &self.payload[..usize::from(self.payload_len)];
        match self.control {
            Control::None => {}
            Control::Ping => sending.ping(payload),
            Control::Close => {
                if let Ok(close) = CloseFrame::parse(payload) {
                    sending.close(close);
                }
            }
        }
        if let Some(error) = self.failure {
            sending.failure(error);
        }
        self.end
    }

    /// The numbers of the first and the last notes in it. `None` if some are missing in between.
    pub(super) fn numbers(&self) -> Option<(u32, u32)> {
        (!self.gap).then_some((self.first, self.last))
    }
}

/// Writes notes for the sending half.
#[derive(Debug)]
pub(super) struct NoteTaker {
    pub(super) notes: Notes,
    pub(super) error: Option<ProtocolError>,
    /// The progress that was noted last. At first it is not known what the sending half knows.
    received: Option<usize>,
}

impl NoteTaker {
    pub(super) const fn new(error: Option<ProtocolError>) -> Self {
        Self {
            notes: Notes::new(),
            error,
            received: Some(usize::MAX),
        }
    }
}

impl Heard for &mut NoteTaker {
    #[inline]
    fn bytes(&mut self) {
        self.notes.heard = true;
    }

    fn ping(&mut self, payload: &[u8]) {
        self.notes.set_control(Control::Ping, [payload, b""]);
    }

    fn pong(&mut self, payload: &[u8]) {
        self.notes.pong = payload.try_into().ok().or(self.notes.pong);
    }

    fn close(&mut self, close: CloseFrame<'_>) {
        let code = close.code.map(|code| u16::from(code).to_be_bytes());
        let code = code.as_slice().as_flattened();
        (self.notes).set_control(Control::Close, [code, close.reason.as_bytes()]);
    }

    fn failure(&mut self, error: ProtocolError) {
        self.error = Some(error);
        self.notes.failure = Some(error);
    }

    fn error(&self) -> Option<ProtocolError> {
        self.error
    }

    fn unfinished(&mut self, received: Option<usize>) {
        if self.received != received {
            self.received = received;
            self.notes.set_message(received.is_none(), received);
        }
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes")
            .field("heard", &self.heard)
            .field("control", &self.control)
            .field("failure", &self.failure)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
