//! An open connection: what arrived, what the application wants, time, and state.

use alloc::string::ToString;
use core::time::Duration;

use bytes::BytesMut;

use crate::{
    buffer::RecvBuf,
    config::Config,
    deflate::Agreed,
    error::{ProtocolError, SendError},
    frame::{CloseCode, MAX_CONTROL_PAYLOAD, Opcode},
    seed::{MaskKeys, Seed},
};

mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod event;
mod liveness;
mod receive;
mod send;

pub use closing::ReadyState;
pub use event::{CloseFrame, Event, MessageKind};
pub(crate) use receive::Assembly;

use closing::Closing;
use liveness::{Due, Liveness};
use receive::{Received, Receiver};
use send::Sender;

/// An open WebSocket connection (RFC 6455 §5–§7), in either role.
///
/// It comes out of an [opening handshake](crate::handshake) by value, or, where that happened
/// elsewhere, out of [`assume_opened`](Self::assume_opened). It owns no heap memory while it is
/// open, but for what compression needs: bytes arrive in a [`RecvBuf`] and leave through a
/// [`BytesMut`], both of them the caller's. The same two go into every call; the caller takes bytes from the front of `out` and
/// adds none of its own.
///
/// The methods come in families:
///
/// | | |
/// |---|---|
/// | what arrived | [`next_event`](Self::next_event) until `None` after each read, [`end_of_stream`](Self::end_of_stream) |
/// | what the application wants | [`send_text`](Self::send_text), [`send_binary`](Self::send_binary), [`start_message`](Self::start_message) and its pieces, [`send_ping`](Self::send_ping), [`send_pong`](Self::send_pong), [`close`](Self::close) |
/// | time | [`deadline`](Self::deadline) before each wait, [`handle_timeout`](Self::handle_timeout) when it passes |
/// | state | [`is_done`](Self::is_done), [`state`](Self::state), [`close_sent`](Self::close_sent), [`close_received`](Self::close_received), [`error`](Self::error), [`round_trip_time`](Self::round_trip_time) |
/// | compression | with the feature `deflate`: `deflate`, `set_compression`, `deflate_stats`, and `deflate::Pool` |
///
/// The [crate documentation](crate) shows the loop in which they are called.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Event, RecvBuf, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
///
/// // The masked "Hello" of RFC 6455 §5.7.
/// input.extend_from_slice(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// assert_eq!(ws.next_event(&mut input, &mut out)?, Some(Event::Text("Hello")));
/// assert_eq!(ws.next_event(&mut input, &mut out)?, None);
///
/// ws.send_text("Hello", &mut out)?;
/// assert_eq!(out[..], *b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What does not compile
///
/// An event cannot be kept over the next read, as its bytes are then gone:
///
/// ```compile_fail,E0499
/// # use websocket_proto::{Config, Connection, RecvBuf, Role};
/// # let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// # let (mut input, mut out) = (RecvBuf::new(), bytes::BytesMut::new());
/// let event = ws.next_event(&mut input, &mut out)?;
/// let room = input.spare(4096);
/// println!("{event:?}");
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
///
/// Nor can the next event be asked for while one is alive:
///
/// ```compile_fail,E0499
/// # use websocket_proto::{Config, Connection, RecvBuf, Role};
/// # let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// # let (mut input, mut out) = (RecvBuf::new(), bytes::BytesMut::new());
/// let first = ws.next_event(&mut input, &mut out)?;
/// let second = ws.next_event(&mut input, &mut out)?;
/// println!("{first:?}");
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
///
/// A connection cannot be made without an opening, or a word about where it took place:
///
/// ```compile_fail,E0599
/// # use websocket_proto::Connection;
/// let ws = Connection::default();
/// ```
///
/// ```compile_fail,E0451
/// # use websocket_proto::Connection;
/// # fn renewed(ws: Connection) -> Connection {
/// Connection { error: None, ..ws }
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    liveness: Liveness,
    error: Option<ProtocolError>,
}

/// The longest reason of a Close frame: what the code leaves of a control frame (RFC 6455 §5.5.1).
const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Which end of a connection this is (RFC 6455 §5.1): clients mask, servers do not.
///
/// ```
/// use websocket_proto::{Role, Seed};
///
/// let client = Role::Client(Seed::from([1; 32]));     // entropy for the mask keys
/// let server = Role::Server;
/// ```
// Exhaustive: there is no third end.
#[derive(Debug)]
pub enum Role {
    /// The end that was connected to.
    Server,
    /// The end that connected, with the entropy for its mask keys.
    Client(Seed),
}

/// # Construction
impl Connection {
    /// A connection over a stream whose opening handshake happened elsewhere: an HTTP server's
    /// upgrade, or an extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441, RFC 9220).
    ///
    /// The caller vouches for the opening. Bytes that arrived behind it go into the `RecvBuf`. What
    /// the configuration says of the opening has no effect, compression included: where it was
    /// agreed on, `with_deflate` says so.
    pub fn assume_opened(role: Role, config: Config) -> Self {
        let mask_keys = match role {
            Role::Server => None,
            Role::Client(seed) => Some(MaskKeys::new(seed)),
        };
        Self::opened(mask_keys, &config, None)
    }

    /// A connection as it comes out of an opening; a client's has mask keys.
    pub(crate) fn opened(
        mask_keys: Option<MaskKeys>,
        config: &Config,
        deflate: Option<Agreed>,
    ) -> Self {
        let (inflater, deflater) =
            deflate.map_or((None, None), |deflate| deflate.codecs(mask_keys.is_some()));
        Self {
            receiver: Receiver::new(mask_keys.is_none(), inflater, config),
            sender: Sender::new(mask_keys, deflater, config),
            closing: Closing::default(),
            liveness: Liveness::new(config),
            error: None,
        }
    }
}

/// # What arrived
impl Connection {
    /// The next event in what has been read into `input`, or `None` when more bytes are needed.
    ///
    /// Call it until `None` after every read. Replies that the protocol asks for (pong, close)
    /// are appended to `out` by the time the event is returned: flush `out` before the next wait.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`], where the peer broke a rule or passed a limit. The Close frame that
    /// says so is in `out`; flush it, and close the transport. Every later call repeats the
    /// error and drops what has arrived.
    #[inline]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        out: &mut BytesMut,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        self.liveness.heard(input.take_heard());
        if self.error.is_some() || self.closing.received {
            // "any further data received MUST be discarded" (§1.4): no event after a Close.
            input.clear();
            return self.error.map_or(Ok(None), Err);
        }
        match self.receiver.receive(input) {
            Ok(None) => self.no_event(out),
            Ok(Some(Received::Message(kind, at))) => self.message_event(kind, input.get(at), out),
            Ok(Some(Received::Inflated(kind))) => {
                self.message_event(kind, input.inflated.bytes(), out)
            }
            Ok(Some(Received::Control(opcode, at))) => {
                self.control_event(opcode, input.get(at), out).map(Some)
            }
            Err(error) => Err(self.fail(error, out)),
        }
    }

    /// Tells that the peer has ended the stream: the read returned 0, or failed with a reset.
    ///
    /// Go on with [`next_event`](Self::next_event): it returns what has arrived before the end,
    /// and then [`ProtocolError::EndOfStream`] where the closing handshake is not complete.
    pub fn end_of_stream(&mut self) {
        self.closing.eof = true;
    }

    /// Without events, the end of the stream counts.
    #[inline]
    fn no_event<'b>(&mut self, out: &mut BytesMut) -> Result<Option<Event<'b>>, ProtocolError> {
        if self.closing.eof && !self.closing.is_clean() {
            return Err(self.fail(ProtocolError::EndOfStream, out));
        }
        Ok(None)
    }

    /// Makes a message an event, if a text is one.
    #[inline]
    fn message_event<'b>(
        &mut self,
        kind: MessageKind,
        payload: &'b [u8],
        out: &mut BytesMut,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match kind {
            MessageKind::Binary => Ok(Some(Event::Binary(payload))),
            MessageKind::Text => match simdutf8::basic::from_utf8(payload) {
                Ok(text) => Ok(Some(Event::Text(text))),
                Err(_) => Err(self.fail(ProtocolError::InvalidUtf8, out)),
            },
        }
    }

    /// Answers a control frame and makes it an event.
    fn control_event<'b>(
        &mut self,
        opcode: Opcode,
        payload: &'b [u8],
        out: &mut BytesMut,
    ) -> Result<Event<'b>, ProtocolError> {
        match opcode {
            Opcode::Ping => {
                // "unless it already received a Close frame" (§5.5.2); and nothing follows a
                // Close frame of ours (§5.5.1).
                if !self.closing.sent {
                    self.sender.pong(payload, out);
                }
                Ok(Event::Ping(payload))
            }
            Opcode::Pong => {
                self.liveness.heard_pong(payload);
                Ok(Event::Pong(payload))
            }
            _ => self.close_event(payload, out),
        }
    }

    fn close_event<'b>(
        &mut self,
        payload: &'b [u8],
        out: &mut BytesMut,
    ) -> Result<Event<'b>, ProtocolError> {
        let close = CloseFrame::parse(payload).map_err(|error| self.fail(error, out))?;
        self.closing.set_received(close);
        // "If an endpoint receives a Close frame and did not previously send a Close frame, the
        // endpoint MUST send a Close frame in response", echoing the code (§5.5.1).
        if !self.closing.sent {
            self.write_close(
                CloseFrame {
                    reason: "",
                    ..close
                },
                out,
            );
        }
        Ok(Event::Close(close))
    }

    /// Fails the connection (§7.1.7).
    #[cold]
    fn fail(&mut self, error: ProtocolError, out: &mut BytesMut) -> ProtocolError {
        self.error = Some(error);
        if let Some(code) = error.close_code()
            && !self.closing.sent
        {
            // The rule goes with the code, for whoever looks at the other end.
            let reason = &error.to_string();
            self.write_close(
                CloseFrame {
                    code: Some(code),
                    reason,
                },
                out,
            );
        }
        error
    }

    fn write_close(&mut self, close: CloseFrame<'_>, out: &mut BytesMut) {
        self.sender.close(close, out);
        self.closing.set_sent(close);
    }
}

/// # What the application wants
///
/// Each of these appends whole frames to `out`, or nothing where it returns an error.
impl Connection {
    /// Sends a text message, in as many frames as [`Config::fragment_size`] asks for.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.message(Opcode::Text, text.as_bytes(), out)
    }

    /// Sends a binary message, in as many frames as [`Config::fragment_size`] asks for.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline]
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.message(Opcode::Binary, bytes, out)
    }

    /// Starts a message whose size is not known yet (§5.4). Its pieces follow by
    /// [`send_fragment`](Self::send_fragment) and [`finish_message`](Self::finish_message); no
    /// other message can be sent until then. Writes nothing yet.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use websocket_proto::{Config, Connection, MessageKind, Role};
    /// # let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// # let mut out = BytesMut::new();
    /// ws.start_message(MessageKind::Text)?;
    /// for line in ["one\n", "two\n"] {
    ///     ws.send_fragment(line.as_bytes(), &mut out)?;
    /// }
    /// ws.finish_message(b"", &mut out)?;
    /// assert_eq!(out[..], *b"\x01\x04one\n\x00\x04two\n\x80\x00");
    /// # Ok::<(), websocket_proto::SendError>(())
    /// ```
    pub fn start_message(&mut self, kind: MessageKind) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.start_message(kind)
    }

    /// Sends a piece of the message that was started. Text may be cut anywhere, also inside a
    /// character.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::NoMessage`]; [`SendError::InvalidUtf8`] where the
    /// piece makes a text invalid: another piece may be sent in its place.
    pub fn send_fragment(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.continue_message(piece, false, out)
    }

    /// Sends the last piece of the message that was started; it may be empty.
    ///
    /// # Errors
    ///
    /// Those of [`send_fragment`](Self::send_fragment), and [`SendError::InvalidUtf8`] where a
    /// text ends inside a character. The message is then still under way.
    pub fn finish_message(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.continue_message(piece, true, out)
    }

    /// Sends a ping of at most 125 bytes (§5.5.2). The peer's [`Event::Pong`] carries the same
    /// bytes. Pings at an interval are sent by [`handle_timeout`](Self::handle_timeout) unasked.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::ControlTooLong`].
    pub fn send_ping(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Ping, payload, out)
    }

    /// Sends a pong that nobody asked for, of at most 125 bytes: a one-way heartbeat (§5.5.3).
    /// Pings are answered without it.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::ControlTooLong`].
    pub fn send_pong(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Pong, payload, out)
    }

    /// Starts the closing handshake (§7.1.2): sends a Close frame, after which nothing can be
    /// sent. Events still come until the peer's Close frame, so go on with the loop until
    /// [`is_done`](Self::is_done), and reply to none of them: that is [`SendError::NotOpen`]. A
    /// message sent in pieces may stay unfinished.
    ///
    /// `reason` has at most 123 bytes and may be empty.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::ReasonTooLong`].
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_open()?;
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        let close = CloseFrame {
            code: Some(code),
            reason,
        };
        self.write_close(close, out);
        Ok(())
    }

    #[inline]
    fn check_open(&self) -> Result<(), SendError> {
        if self.error.is_some() || self.closing.sent {
            return Err(SendError::NotOpen);
        }
        Ok(())
    }
}

/// # Time
///
/// An instant is a `Duration` since a start of the caller's choice, the same in all calls; it
/// must not run backwards. A caller without a clock leaves these out, and has no keepalive and no
/// close timeout.
impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called, or `None` for not at all.
    ///
    /// Ask before every wait, with the current instant: this is where the connection learns when
    /// things happened. What happened since the last call (bytes received, a Close frame sent) is
    /// taken to have happened at `now`. ([`handle_timeout`](Self::handle_timeout) does the same.)
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use std::time::Duration;
    /// # use websocket_proto::{Config, Connection, Role};
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// let mut out = BytesMut::new();
    /// let now = Duration::from_secs(100);
    /// let ping_at = ws.deadline(now).expect("keepalive is on by default");
    /// assert_eq!(ping_at, Duration::from_secs(120));
    /// ws.handle_timeout(ping_at, &mut out)?;
    /// assert_eq!(out[0], 0x89);
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    pub fn deadline(&mut self, now: Duration) -> Option<Duration> {
        match self.state() {
            ReadyState::Closed => None,
            state => self.liveness.deadline(now, state == ReadyState::Closing),
        }
    }

    /// Does what is due at `now`: sends a keepalive ping, or ends a connection whose peer has
    /// fallen silent. Too early a call does nothing, so that it may also be made at every turn.
    ///
    /// A ping behind a backlog cannot be answered before the peer has read that: as long as it
    /// takes some of the bytes in front of the ping in each period, it is not silent. What has
    /// arrived counts once [`next_event`](Self::next_event) was called: take events before, and
    /// after a pause of the whole process read first.
    ///
    /// Look at [`is_done`](Self::is_done) afterwards: a client stops waiting for a server that
    /// does not end the stream after the closing handshake, which is no error.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::PongTimeout`], [`ProtocolError::CloseTimeout`]; an earlier error is
    /// repeated.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let closing = match self.state() {
            ReadyState::Closed => return Ok(()),
            state => state == ReadyState::Closing,
        };
        let ahead = self.sender.ahead_of_ping(out);
        match self.liveness.due(now, closing, ahead, out.len()) {
            Due::Nothing => Ok(()),
            Due::Ping(payload) => {
                self.sender.keepalive(payload, out);
                Ok(())
            }
            Due::PongTimeout => Err(self.fail(ProtocolError::PongTimeout, out)),
            // A client that waits for the server to close TCP stops waiting (§7.1.1).
            Due::CloseTimeout if self.closing.is_clean() => {
                self.closing.eof = true;
                Ok(())
            }
            Due::CloseTimeout => Err(self.fail(ProtocolError::CloseTimeout, out)),
        }
    }
}

/// # State
impl Connection {
    /// Whether the transport should be closed now, once `out` is flushed.
    ///
    /// True after an error and after the closing handshake; there a client first waits for the
    /// server to end the stream (§7.1.1). To close a TCP socket so
    /// that the Close frame arrives: shut down writing, read and drop until the end of the stream
    /// or a deadline, then close.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state() == ReadyState::Closed
    }

    /// Where the connection is in its life.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        match self.error {
            Some(_) => ReadyState::Closed,
            None => self.closing.state(self.sender.is_client()),
        }
    }

    /// What this side's Close frame said, once it is in `out`: the application's, the reply, or
    /// the one for an error.
    #[must_use]
    pub fn close_sent(&self) -> Option<CloseFrame<'_>> {
        self.closing.sent_frame()
    }

    /// What the peer's Close frame said, once it has arrived.
    #[must_use]
    pub fn close_received(&self) -> Option<CloseFrame<'_>> {
        self.closing.received_frame()
    }

    /// The error that ended the connection.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        self.error
    }

    /// The round-trip time of the last keepalive ping that was answered before the next, from the
    /// [`handle_timeout`](Self::handle_timeout) that sent it to the first
    /// [`deadline`](Self::deadline) or `handle_timeout` after the pong.
    #[must_use]
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.liveness.round_trip()
    }
}
