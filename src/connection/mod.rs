//! An open connection: documentation and delegation.
//!
//! The decisions are in the receiving half, `receiving`, and the sending half, `sending`.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "deflate")]
use crate::deflate::{Compression, DeflateConfig, Params, Stats};
use crate::{
    buffer::RecvBuf,
    config::Config,
    deflate::Agreed,
    error::{ProtocolError, SendError},
    frame::{CloseCode, Opcode},
    message::{MessageKind, Rules},
    output::Output,
    seed::{MaskKeys, Seed},
};

mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod event;
mod halves;
mod heard;
mod lent;
mod liveness;
mod notes;
mod prepared;
mod receive;
mod receiving;
mod send;
mod send_half;
mod sending;

pub use closing::ReadyState;
pub use event::{CloseFrame, Event};
pub use halves::{JoinError, JoinErrorKind, RecvHalf};
pub use lent::Lent;
pub use notes::Notes;
pub use prepared::{Delivery, Prepared};
pub use send_half::SendHalf;

use liveness::Liveness;
use receive::Receiver;
use receiving::Receiving;
use send::Sender;
use sending::{Direct, Sending};

/// An open WebSocket connection (RFC 6455 §5–§7), in either role.
///
/// A [handshake](crate::handshake) returns it. If an HTTP library did the handshake,
/// [`assume_opened`](Self::assume_opened) makes one.
///
/// A connection does no I/O. Received bytes go into a [`RecvBuf`], and bytes to send
/// are appended to `out`, a [`BytesMut`](bytes::BytesMut) or an
/// [`OutQueue`](crate::OutQueue). The caller owns both buffers and passes the same two to every
/// call. The caller removes bytes from the front of `out` and never adds any: see [`Output`] for
/// the reason.
///
/// | methods | purpose |
/// |---|---|
/// | [`next_event`](Self::next_event), [`poll`](Self::poll), [`end_of_stream`](Self::end_of_stream) | receive: call `next_event` after each read until it returns `None` |
/// | [`send_text`](Self::send_text), [`send_binary`](Self::send_binary), [`send_ping`](Self::send_ping), [`send_pong`](Self::send_pong), [`close`](Self::close) | send |
/// | [`start_message`](Self::start_message), [`send_fragment`](Self::send_fragment), [`finish_message`](Self::finish_message) | send a message in pieces |
/// | [`send_prepared`](Self::send_prepared), [`send_prepared_within`](Self::send_prepared_within), [`send_bytes`](Self::send_bytes) | send to many, without a copy for each |
/// | [`lend_text`](Self::lend_text), [`lend_binary`](Self::lend_binary) and others | send without a copy |
/// | [`deadline`](Self::deadline), [`handle_timeout`](Self::handle_timeout) | time: call `deadline` before each wait, `handle_timeout` after it |
/// | [`is_done`](Self::is_done), [`state`](Self::state), [`close_sent`](Self::close_sent), [`close_received`](Self::close_received), [`error`](Self::error), [`round_trip_time`](Self::round_trip_time) | state |
/// | [`park`](Self::park), [`resume`](Self::resume) | share a receive buffer with other connections |
/// | [`split`](Self::split), [`join`](Self::join) | two halves, for two threads or tasks |
/// | `with_deflate`, `deflate`, `compression`, `set_compression`, `deflate_stats` | compression (feature `deflate`) |
///
/// The [crate documentation](crate) shows the loop that calls them.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Event, RecvBuf, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
///
/// // The masked "Hello" of RFC 6455 §5.7.
/// input.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// let event = ws.next_event(&mut input, &mut out)?;
/// assert_eq!(event, Some(Event::Text("Hello")));
/// assert_eq!(ws.next_event(&mut input, &mut out)?, None);
///
/// ws.send_text("Hello", &mut out)?;
/// assert_eq!(out[..], *b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Memory
///
/// A server's connection owns no heap memory while it is open. A client's owns its mask keys,
/// 260 bytes. Once a Close frame was sent or received, its reason is kept as well. The
/// [`RecvBuf`] and `out` are separate. Compression needs more: see `deflate`.
#[derive(Debug)]
pub struct Connection {
    recv: Receiving,
    send: Sending,
}

/// The role of this endpoint (RFC 6455 §5.1). Clients mask what they send, servers do not.
///
/// ```
/// use websocket_proto::{Role, Seed};
///
/// let server = Role::Server;
/// // A seed for the mask keys. A real client calls Seed::from_os().
/// let client = Role::Client(Seed::from([1; 32]));
/// ```
// Exhaustive: RFC 6455 has two roles.
#[derive(Debug)]
pub enum Role {
    /// The endpoint that accepts connections.
    Server,
    /// The endpoint that connects, with the entropy for its mask keys.
    Client(Seed),
}

/// # Construction
impl Connection {
    /// Makes a connection over a stream whose handshake was done elsewhere.
    ///
    /// If another implementation does only the HTTP, use
    /// [`handshake::values`](crate::handshake::values) instead: it checks the handshake and
    /// negotiates compression, also for HTTP/2 and HTTP/3.
    ///
    /// The caller guarantees that the handshake succeeded. If bytes arrived together with it, copy
    /// them into the `RecvBuf` first. Handshake settings in `config` are ignored. If compression
    /// was negotiated, call `with_deflate` on the new connection.
    ///
    /// # Panics
    ///
    /// If `config.deflate` is set: nothing is negotiated here, so that setting would have no
    /// effect. Set it to `None` and call `with_deflate`.
    pub fn assume_opened(role: Role, config: Config) -> Self {
        assert!(
            config.deflate().is_none(),
            "assume_opened negotiates nothing: set config.deflate to None, and call with_deflate \
             with the parameters that were negotiated"
        );
        let mask_keys = match role {
            Role::Server => None,
            Role::Client(seed) => Some(Box::new(MaskKeys::new(seed))),
        };
        Self::opened(mask_keys, &config, None)
    }

    /// Makes the connection that a handshake returns. A client has mask keys.
    pub(crate) fn opened(
        mask_keys: Option<Box<MaskKeys>>,
        config: &Config,
        deflate: Option<Agreed>,
    ) -> Self {
        let is_client = mask_keys.is_some();
        let (inflater, deflater) =
            deflate.map_or((None, None), |deflate| deflate.codecs(is_client));
        let rules = Rules::new(!is_client, inflater.is_some(), config);
        Self {
            recv: Receiving::new(Receiver::new(rules, inflater)),
            send: Sending::new(
                Sender::new(mask_keys, deflater, config),
                Liveness::new(config),
            ),
        }
    }
}

/// # Receiving
impl Connection {
    /// Returns the next event in the bytes that were read into `input`, or `None` if more bytes
    /// are needed.
    ///
    /// Call it after every read until it returns `None`. Pongs and the answer to a Close frame
    /// are appended to `out` before the event is returned. Flush `out` before the next wait.
    ///
    /// One call does a bounded amount of work, in proportion to the bytes in `input`. If a
    /// compressed message inflates to about 1 MiB or more, the call returns [`Event::Progress`] in
    /// between.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the peer broke a rule or exceeded a limit. The Close frame that tells
    /// the peer is in `out`: flush `out`, then close the transport. Every later call returns the
    /// same error and drops what has arrived.
    #[inline(always)]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut RecvBuf,
        out: &mut dyn Output,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        self.recv.next_event(input, Direct(&mut self.send, out))
    }

    /// Returns whether [`next_event`](Self::next_event) has an event or an error to return. It
    /// borrows nothing, and it takes nothing: if it returns `true`, call `next_event`.
    ///
    /// Use it in a method that waits for an event and returns it. With `next_event` in the loop,
    /// today's borrow checker does not accept such a method.
    ///
    /// `poll` does the work of `next_event` up to the event: it assembles messages, inflates, and
    /// finds errors. Pongs and answers to Close frames are written by `next_event`. If `poll` finds an
    /// error, the Close frame is in `out`, and [`error`](Self::error) and [`is_done`](Self::is_done)
    /// tell it. It then always returns `true`, because `next_event` always returns the error.
    ///
    /// ```
    /// use std::io::{Error, Read, Write};
    ///
    /// use bytes::BytesMut;
    /// use websocket_proto::{Connection, Event, RecvBuf};
    ///
    /// struct Socket<S> {
    ///     stream: S,
    ///     ws: Connection,
    ///     input: RecvBuf,
    ///     out: BytesMut,
    /// }
    ///
    /// impl<S: Read + Write> Socket<S> {
    ///     /// Returns the next event; `None` at the end of the connection.
    ///     fn recv(&mut self) -> Result<Option<Event<'_>>, Error> {
    ///         while !self.ws.poll(&mut self.input, &mut self.out) {
    ///             self.stream.write_all(&self.out.split())?;
    ///             if self.ws.is_done() {
    ///                 return Ok(None);
    ///             }
    ///             match self.stream.read(self.input.spare(self.input.read_size()))? {
    ///                 0 => self.ws.end_of_stream(),
    ///                 n => self.input.filled(n),
    ///             }
    ///         }
    ///         let event = self.ws.next_event(&mut self.input, &mut self.out);
    ///         if event.is_err() {
    ///             // The Close frame that tells the peer.
    ///             self.stream.write_all(&self.out.split())?;
    ///         }
    ///         event.map_err(Error::other)
    ///     }
    /// }
    /// # let wire = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81\x00".to_vec();
    /// # let mut socket = Socket {
    /// #     stream: std::io::Cursor::new(wire),
    /// #     ws: Connection::assume_opened(websocket_proto::Role::Server, Default::default()),
    /// #     input: RecvBuf::new(),
    /// #     out: BytesMut::new(),
    /// # };
    /// # assert_eq!(socket.recv().unwrap(), Some(Event::Text("Hello")));
    /// # assert!(socket.recv().is_err());
    /// # assert!(socket.stream.into_inner().windows(2).any(|it| it == 1002_u16.to_be_bytes()));
    /// ```
    #[inline]
    pub fn poll(&mut self, input: &mut RecvBuf, out: &mut dyn Output) -> bool {
        self.recv.poll(input, Direct(&mut self.send, out))
    }

    /// Empties a receive buffer that many connections share, before the next connection uses it.
    ///
    /// Call it after the last event. The unread bytes and the message under way move to the
    /// connection:
    ///
    /// | in the buffer | the connection keeps |
    /// |---|---|
    /// | nothing | nothing: no heap memory |
    /// | an incomplete header or control frame | a copy of it, at most 130 bytes |
    /// | up to 4 KiB of a message, or an eighth of the buffer if that is more | a copy of it, and about 260 bytes |
    /// | more | the memory of the buffer, which gets new memory at the next read |
    ///
    /// To continue, call [`resume`](Self::resume) before the next read. What [`poll`](Self::poll) has returned
    /// does not count any more.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use websocket_proto::{Config, Connection, Event, RecvBuf, Role};
    ///
    /// let mut shared = RecvBuf::new();
    /// let mut out = BytesMut::new();
    /// let mut first = Connection::assume_opened(Role::Server, Config::new());
    /// let mut other = Connection::assume_opened(Role::Server, Config::new());
    ///
    /// // The first connection receives half of a frame.
    /// first.resume(&mut shared);
    /// shared.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f");
    /// assert_eq!(first.next_event(&mut shared, &mut out)?, None);
    /// first.park(&mut shared);
    ///
    /// // The buffer serves another connection.
    /// other.resume(&mut shared);
    /// shared.extend_from_slice(b"\x82\x80\x00\x00\x00\x00");
    /// assert_eq!(other.next_event(&mut shared, &mut out)?, Some(Event::Binary(b"")));
    /// other.park(&mut shared);
    ///
    /// // The other half of the frame.
    /// first.resume(&mut shared);
    /// shared.extend_from_slice(b"\x4d\x51\x58");
    /// assert_eq!(first.next_event(&mut shared, &mut out)?, Some(Event::Text("Hello")));
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    pub fn park(&mut self, shared: &mut RecvBuf) {
        if self.recv.park(shared) {
            self.send.liveness.heard();
        }
    }

    /// Moves what [`park`](Self::park) took back into the buffer. Call it before you read for this
    /// connection. It is cheap, and does nothing if nothing was parked.
    ///
    /// If bytes are read before this call, the next [`next_event`](Self::next_event) or
    /// [`poll`](Self::poll) resumes, and copies these bytes.
    ///
    /// # Panics
    ///
    /// If something was parked, and the buffer contains a message under way of another connection,
    /// which should have been parked. [`next_event`](Self::next_event), [`poll`](Self::poll) and
    /// [`park`](Self::park) panic likewise if there are bytes in the buffer and something was parked: they
    /// resume.
    pub fn resume(&mut self, shared: &mut RecvBuf) {
        self.recv.resume(shared);
    }

    /// Tells the connection that the peer has ended the stream. Call it if a read returns 0 bytes
    /// or fails with a connection reset.
    ///
    /// Then call [`next_event`](Self::next_event) again. It returns the events that arrived before
    /// the end, and then [`ProtocolError::EndOfStream`] if the closing handshake is not complete.
    /// Until then an open connection stays [`ReadyState::Open`].
    pub fn end_of_stream(&mut self) {
        self.recv.eof = true;
        self.send.end_of_stream();
    }
}

/// # Sending
///
/// Each method appends whole frames to `out`. If it returns an error, it has appended nothing.
impl Connection {
    /// Sends a text message. [`Config::fragment_size`] tells into how many frames it is split.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn send_text(&mut self, text: &str, out: &mut dyn Output) -> Result<(), SendError> {
        (self.send.open()?).message(Opcode::Text, text.as_bytes(), out.tail())
    }

    /// Sends a binary message. [`Config::fragment_size`] tells into how many frames it is split.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn send_binary(&mut self, bytes: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.send.open()?).message(Opcode::Binary, bytes, out.tail())
    }

    /// Sends a message whose payload is shared: an [`OutQueue`](crate::OutQueue) keeps a long
    /// payload without copying it. A [`BytesMut`](bytes::BytesMut) copies it.
    ///
    /// The payload is also copied if this side is a client, which masks it, or if the message is
    /// compressed or split into fragments.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`]; [`SendError::InvalidUtf8`] if
    /// `kind` is text and `payload` is not valid UTF-8.
    pub fn send_bytes(
        &mut self,
        kind: MessageKind,
        payload: &Bytes,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        self.send.open()?.bytes(kind, payload, out)
    }

    /// Sends a prepared message, which is framed and compressed once for many connections. The peer
    /// receives the same message as after [`send_text`](Self::send_text) or
    /// [`send_binary`](Self::send_binary).
    ///
    /// An [`OutQueue`](crate::OutQueue) shares a long message with the other connections. A
    /// [`BytesMut`](bytes::BytesMut) copies it.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn send_prepared(
        &mut self,
        message: &Prepared,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        self.send.open()?.prepared(message, out)
    }

    /// Sends a prepared message, unless more than `limit` bytes of `out` are unsent: then it drops
    /// the message for this peer. [`Delivery`] tells which.
    ///
    /// Call it for broadcasts, so that a peer that does not read cannot fill the memory: broadcasts
    /// fill `out` up to `limit` bytes and one message. With a limit of 0, a peer gets a message only
    /// if the transport has taken everything before it. If a peer misses messages, decide what to
    /// do: ignore it, send the current state later, or close the connection.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`], also above the limit.
    pub fn send_prepared_within(
        &mut self,
        message: &Prepared,
        limit: usize,
        out: &mut dyn Output,
    ) -> Result<Delivery, SendError> {
        self.send.open()?.prepared_within(message, limit, out)
    }

    /// Starts a message whose size is not known yet (RFC 6455 §5.4). It writes nothing.
    ///
    /// Send the message by [`send_fragment`](Self::send_fragment) and
    /// [`finish_message`](Self::finish_message). No other message can be sent until it is
    /// finished.
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
        self.send.open()?.start_message(kind)
    }

    /// Sends a piece of the message that was started. A text may be cut anywhere, also inside a
    /// character. An empty piece writes nothing.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`]; [`SendError::NoMessage`] if no message was started;
    /// [`SendError::InvalidUtf8`] if the piece makes a text invalid. After `InvalidUtf8` another
    /// piece can be sent instead.
    pub fn send_fragment(&mut self, piece: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        self.send.open()?.continue_message(piece, false, out.tail())
    }

    /// Sends the last piece of the message that was started. The piece may be empty.
    ///
    /// # Errors
    ///
    /// The errors of [`send_fragment`](Self::send_fragment). A text that ends inside a character
    /// is [`SendError::InvalidUtf8`] as well. After an error the message is still in progress.
    pub fn finish_message(&mut self, piece: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        self.send.open()?.continue_message(piece, true, out.tail())
    }

    /// Sends a ping of at most 125 bytes (RFC 6455 §5.5.2). The peer answers with a pong of the
    /// same bytes, which arrives as [`Event::Pong`].
    ///
    /// For keepalive you need not call it: [`handle_timeout`](Self::handle_timeout) sends the pings.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`]; [`SendError::ControlTooLong`] above 125 bytes.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.send.open()?).control(Opcode::Ping, payload, out.tail())
    }

    /// Sends an unsolicited pong of at most 125 bytes (RFC 6455 §5.5.3). It can serve as a
    /// heartbeat that expects no answer. To answer pings you need not call it:
    /// [`next_event`](Self::next_event) answers them.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`]; [`SendError::ControlTooLong`] above 125 bytes.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
        (self.send.open()?).control(Opcode::Pong, payload, out.tail())
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2): sends a Close frame. `reason` may be empty
    /// and has at most 123 bytes.
    ///
    /// Nothing can be sent afterwards. Messages of the peer can still arrive until its Close frame
    /// does, so continue the loop until [`is_done`](Self::is_done). A message that was started
    /// stays unfinished.
    ///
    /// If the connection is closing or closed already, `close` writes nothing and returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`SendError::ReasonTooLong`] if `reason` has more than 123 bytes, in every state.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut dyn Output,
    ) -> Result<(), SendError> {
        let code = Some(code);
        self.send.close(CloseFrame { code, reason }, out)
    }
}

/// # Sending without a copy
///
/// These methods send the same bytes as the methods above. But the payload of a server stays where
/// it is, and only the header is appended to `out`. Use them if you write to the transport directly
/// afterwards, by one vectored write, and if the transport usually takes everything. [`Lent`] shows
/// how.
///
/// If a message must be compressed, split into fragments or copied to be masked, all of it is appended
/// to `out`. You write it in the same way. If a method returns an error, it has
/// appended nothing.
impl Connection {
    /// Sends a text message whose payload is written from `text`.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn lend_text<'a>(
        &'a mut self,
        text: &'a str,
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        let (opcode, text) = (Opcode::Text, text.as_bytes());
        (self.send).lend(out, |sender, out| sender.lend(opcode, text, out))
    }

    /// Sends a binary message whose payload is written from `bytes`.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn lend_binary<'a>(
        &'a mut self,
        bytes: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.send).lend(out, |sender, out| sender.lend(Opcode::Binary, bytes, out))
    }

    /// Sends a binary message whose payload is written from `bytes`, also by a client: it masks the
    /// payload where it is (RFC 6455 §5.3). Afterwards the content of `bytes` is not specified.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`]. After an error, `bytes` is
    /// unchanged.
    pub fn lend_binary_mut<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.send).lend(out, |sender, out| {
            sender.lend_mut(Opcode::Binary, bytes, out)
        })
    }

    /// Sends a prepared message whose frame is written from the memory of `message`. A connection
    /// whose `out` is empty needs no memory for it.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::MessageInProgress`].
    #[inline(always)]
    pub fn lend_prepared<'a>(
        &'a mut self,
        message: &'a Prepared,
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.send).lend(out, |sender, out| sender.lend_prepared(message, out))
    }

    /// Sends a piece of the message that was [started](Self::start_message). It is written from
    /// `piece`. An empty piece writes nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`send_fragment`](Self::send_fragment).
    pub fn lend_fragment<'a>(
        &'a mut self,
        piece: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.send).lend(out, |sender, out| sender.lend_piece(piece, false, out))
    }

    /// Sends the last piece of the message that was [started](Self::start_message). It is written
    /// from `piece`, which may be empty.
    ///
    /// # Errors
    ///
    /// The errors of [`finish_message`](Self::finish_message).
    pub fn lend_finish<'a>(
        &'a mut self,
        piece: &'a [u8],
        out: &'a mut BytesMut,
    ) -> Result<Lent<'a>, SendError> {
        (self.send).lend(out, |sender, out| sender.lend_piece(piece, true, out))
    }
}

/// # Time
///
/// An instant is a `Duration` since a start of your choice. All calls on one connection use the
/// same start, and instants never decrease. The handshake before it may use another start. A caller without a clock leaves these methods out; the connection then
/// has no keepalive and no timeouts.
impl Connection {
    /// Returns the instant at which to call [`handle_timeout`](Self::handle_timeout), or `None` if
    /// nothing will be due.
    ///
    /// The instant can be earlier than `now`: then do not wait. Compute the time to wait with
    /// `deadline.saturating_sub(now)`. A read timeout of a socket must not be zero.
    ///
    /// Call it before every wait, with the current instant. The connection has no clock: it takes
    /// whatever happened since the last call (bytes received, a Close frame sent) to have happened
    /// at `now`.
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
        self.send.deadline(now)
    }

    /// Does what is due at `now`: sends a keepalive ping, or ends the connection if the peer is
    /// too slow. A call before the deadline does nothing.
    ///
    /// What has arrived counts only after [`next_event`](Self::next_event) has seen it. So take
    /// all events before this call. If the whole process was paused, read first.
    ///
    /// Check [`is_done`](Self::is_done) afterwards. After a complete closing handshake a client
    /// waits for the server to close TCP; when that takes too long the connection is done, without
    /// an error.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::PongTimeout`], [`ProtocolError::MessageTimeout`],
    /// [`ProtocolError::CloseTimeout`]. After an earlier error the same error is returned again.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        out: &mut dyn Output,
    ) -> Result<(), ProtocolError> {
        let result = self.send.handle_timeout(now, out);
        result.inspect_err(|_| self.recv.stop())
    }
}

/// # State
impl Connection {
    /// Whether to close the transport now, after flushing `out`. [`error`](Self::error) tells whether
    /// the reason was an error.
    ///
    /// - After an error: true.
    /// - Server: true when both Close frames were exchanged.
    /// - Client: true when, in addition, the server has ended the stream, as it should do first
    ///   (RFC 6455 §7.1.1), or [`Config::close_timeout`] has passed.
    ///
    /// The [crate documentation](crate#the-end-of-a-connection) shows how to close a TCP socket so
    /// that the Close frame arrives.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.send.state() == ReadyState::Closed
    }

    /// The state of the connection.
    #[must_use]
    pub fn state(&self) -> ReadyState {
        self.send.state()
    }

    /// The Close frame that this endpoint has written to `out`: by [`close`](Self::close), as the
    /// answer to the peer's, or because of an error.
    #[must_use]
    pub fn close_sent(&self) -> Option<CloseFrame<'_>> {
        self.send.closing.sent_frame()
    }

    /// The Close frame that the peer has sent.
    #[must_use]
    pub fn close_received(&self) -> Option<CloseFrame<'_>> {
        self.send.closing.received_frame()
    }

    /// The error that ended the connection.
    #[must_use]
    pub fn error(&self) -> Option<ProtocolError> {
        self.send.closing.error
    }

    /// The round-trip time that the last keepalive ping measured, in whole microseconds and at most
    /// 71 minutes.
    ///
    /// It is the time from the [`handle_timeout`](Self::handle_timeout) that sent the ping to the
    /// first [`deadline`](Self::deadline) or `handle_timeout` after its pong. It stays `None` if no
    /// pong arrived before the next ping.
    #[must_use]
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.send.liveness.round_trip()
    }
}

/// # Halves
impl Connection {
    /// Splits the connection into two halves, for two threads or tasks: one reads, the other writes.
    /// They share no memory. [`Notes`] go from the receiving to the sending half, nothing goes
    /// back.
    ///
    /// 1. The reader takes an event, and passes the notes on before it waits.
    /// 2. The writer calls [`hear`](SendHalf::hear) for each note, and flushes. It also keeps the
    ///    time: it waits no longer than its [`deadline`](SendHalf::deadline).
    /// 3. When the writer [is done](SendHalf::is_done) or fails, it shuts the transport down. The
    ///    reader then reads the end of the stream.
    ///
    /// ```
    /// use std::{sync::mpsc, thread};
    ///
    /// use bytes::BytesMut;
    /// use websocket_proto::{Config, Connection, Event, Notes, RecvBuf, Role};
    ///
    /// enum Task {
    ///     Hear(Notes),
    ///     Send(String),
    /// }
    ///
    /// let ws = Connection::assume_opened(Role::Server, Config::new());
    /// let (mut reader, mut writer) = ws.split();
    /// let (tasks, received) = mpsc::sync_channel(16);
    ///
    /// let writing = thread::spawn(move || {
    ///     let mut out = BytesMut::new();
    ///     for task in received {
    ///         match task {
    ///             Task::Hear(notes) => writer.hear(notes, &mut out),
    ///             Task::Send(text) => writer.send_text(&text, &mut out).unwrap(),
    ///         }
    ///         // Flush `out`. If `writer.is_done()`, shut the socket down.
    ///     }
    ///     out
    /// });
    ///
    /// let mut input = RecvBuf::new();
    /// // A masked ping, and the masked "Hello" of RFC 6455 §5.7.
    /// input.extend_from_slice(b"\x89\x80\0\0\0\0");
    /// input.extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    /// loop {
    ///     let event = reader.next_event(&mut input);
    ///     // Before `event?`: a failure has notes as well.
    ///     if let Some(notes) = reader.take_notes() {
    ///         tasks.send(Task::Hear(notes))?;
    ///     }
    ///     match event? {
    ///         Some(Event::Text(text)) => tasks.send(Task::Send(text.into()))?,
    ///         Some(_) => {}
    ///         None => break, // Read more.
    ///     }
    /// }
    /// drop(tasks);
    /// assert_eq!(writing.join().unwrap()[..], *b"\x8a\0\x81\x05Hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (RecvHalf, SendHalf) {
        halves::split(self)
    }

    /// Joins the halves of a connection. If they have failed with different errors, the connection has
    /// the error of the sending half: it decided what was sent.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the halves do not belong together, or if the sending half has not heard all
    /// notes. It returns the halves.
    pub fn join(recv: RecvHalf, send: SendHalf) -> Result<Self, JoinError> {
        halves::join(recv, send)
    }
}

#[cfg(feature = "deflate")]
/// # Compression
///
/// The module [`deflate`](crate::deflate) explains how compression is negotiated and what it costs.
impl Connection {
    /// Switches compression on with parameters that were negotiated elsewhere. Call it directly
    /// after [`assume_opened`](Self::assume_opened), whose configuration must not set `deflate`.
    ///
    /// `params` are the parameters on which both peers have agreed. Window bits outside 8 to 15
    /// count as the nearest. `config` tells how this side compresses, and limits final blocks. It
    /// can also restrict this side's compressor to a smaller window, or to no context takeover.
    ///
    /// # Panics
    ///
    /// If something was already sent, or if [`next_event`](Self::next_event) has already seen
    /// received bytes.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Role, deflate::DeflateConfig};
    ///
    /// # let fields = ["permessage-deflate; client_max_window_bits"];
    /// let config = DeflateConfig::new();
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// // `fields` are the values of Sec-WebSocket-Extensions in the request.
    /// if let Some(params) = config.accept(fields) {
    ///     let field = format!("Sec-WebSocket-Extensions: {params}\r\n");
    ///     // Add `field` to the server's response.
    /// #   assert_eq!(field, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ///     ws = ws.with_deflate(params, config);
    /// }
    /// assert!(ws.deflate().is_some());
    /// ```
    #[must_use]
    pub fn with_deflate(mut self, params: Params, config: DeflateConfig) -> Self {
        assert!(
            !self.recv.used && !self.send.sender.used(),
            "with_deflate must be called before anything is received or sent"
        );
        let agreed = Agreed { params, config };
        let (inflater, deflater) = agreed.codecs(self.send.sender.is_client());
        self.recv.receiver.set_inflater(inflater);
        self.send.sender.set_deflater(deflater);
        self
    }

    /// The negotiated parameters, or `None` if compression was not negotiated.
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.recv.deflate()
    }

    /// Which messages this side compresses. [`Compression::Never`] if compression was not
    /// negotiated, or if this side cannot compress because a window of 8 bits was negotiated.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.send.compression()
    }

    /// Sets which messages this side compresses, in place of [`DeflateConfig::compression`]. Call
    /// it at any time; it applies to messages that are started afterwards.
    ///
    /// It has no effect if compression was not negotiated, or if a window of 8 bits was negotiated
    /// for this side.
    pub fn set_compression(&mut self, compression: Compression) {
        self.send.set_compression(compression);
    }

    /// The effect of compression so far, in bytes. Unfinished messages count as far as they were
    /// compressed or inflated. All zero if compression was not negotiated.
    #[must_use]
    pub fn deflate_stats(&self) -> Stats {
        Stats {
            sent: self.send.deflate_stats(),
            received: self.recv.deflate_stats(),
        }
    }
}

/// An event cannot be kept over the next read, which overwrites its bytes:
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
/// The next event cannot be taken while an event is still used:
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
/// A connection comes from a handshake or from `assume_opened` only:
///
/// ```compile_fail,E0599
/// # use websocket_proto::Connection;
/// let ws = Connection::default();
/// ```
///
/// ```compile_fail,E0451
/// # use websocket_proto::Connection;
/// # fn renewed(ws: Connection, other: Connection) -> Connection {
/// Connection { recv: ws.recv, send: other.send }
/// # }
/// ```
#[cfg(doctest)]
struct WhatDoesNotCompile;
