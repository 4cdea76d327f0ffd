//! The errors of a connection: [`ProtocolError`] is a fault of the peer, [`SendError`] a fault of
//! the application. The errors of the handshake are in [`handshake`](crate::handshake).

use crate::frame::{CloseCode, FrameError};

/// The peer broke a rule, exceeded a limit, or was silent for too long. The connection is over.
///
/// When the error is returned, `out` already contains a Close frame with
/// [`close_code`](Self::close_code) (RFC 6455 §7.1.7), unless a Close frame was sent before. Flush
/// `out`, then close the transport. The reason in that frame is the text of the error. Later calls of
/// [`next_event`](crate::Connection::next_event) and
/// [`handle_timeout`](crate::Connection::handle_timeout) return the same error.
///
/// Each variant names the code of that Close frame.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{CloseCode, Config, Connection};
/// use websocket_proto::{ProtocolError, RecvBuf, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// // A text frame without a mask: a client must mask its frames.
/// input.extend_from_slice(&[0x81, 0x00]);
/// let error = ws.next_event(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, ProtocolError::UnmaskedFrame);
/// assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
/// assert_eq!(out[2..4], 1002_u16.to_be_bytes());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The frame header is invalid: see [`FrameError`]. 1002.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A reserved bit is set, and no extension gives it a meaning (§5.2). With compression, the
    /// first reserved bit is allowed in the first frame of a message only (RFC 7692 §6.1). 1002.
    #[error("a reserved bit is set without an extension (RFC 6455 §5.2)")]
    ReservedBit,
    /// A frame from a client is not masked (§5.1). 1002.
    #[error("a frame from a client is not masked (RFC 6455 §5.1)")]
    UnmaskedFrame,
    /// A frame from a server is masked (§5.1). 1002.
    #[error("a frame from a server is masked (RFC 6455 §5.1)")]
    MaskedFrame,
    /// A continuation frame arrived, but no message is under way (§5.4). 1002.
    #[error("a continuation frame without a message to continue (RFC 6455 §5.4)")]
    UnexpectedContinuation,
    /// A text or binary frame arrived before the message under way was complete (§5.4). 1002.
    #[error("a new message begins inside a fragmented one (RFC 6455 §5.4)")]
    InterleavedMessage,
    /// A Close frame has a payload of one byte. A close code has two (§5.5.1). 1002.
    #[error("a Close frame has a payload of one byte (RFC 6455 §5.5.1)")]
    TruncatedCloseCode,
    /// A Close frame contains a code that must not be sent (§7.4). 1002.
    #[error("the close code {0} must not be sent (RFC 6455 §7.4)")]
    InvalidCloseCode(u16),
    /// A text message or the reason of a Close frame is not valid UTF-8 (§8.1). 1007.
    #[error("text is not valid UTF-8 (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// A compressed message cannot be inflated: it is corrupt, is not complete, or refers to bytes
    /// that were never sent (RFC 7692 §7.2.2). 1007.
    #[error("compressed data is not valid DEFLATE (RFC 7692 §7.2.2)")]
    InvalidDeflate,
    /// A frame exceeds [`Config::max_frame_size`](crate::Config::max_frame_size). 1009.
    #[error("a frame is longer than this endpoint accepts (RFC 6455 §10.4)")]
    FrameTooBig,
    /// A message exceeds [`Config::max_message_size`](crate::Config::max_message_size). 1009.
    #[error("a message is longer than this endpoint accepts (RFC 6455 §10.4)")]
    MessageTooBig,
    /// A message exceeds [`Config::max_fragments`](crate::Config::max_fragments). 1009.
    #[error("a message has more fragments than this endpoint accepts (RFC 6455 §10.4)")]
    TooManyFragments,
    /// A compressed message exceeds `DeflateConfig::max_final_blocks`. 1009.
    #[error(
        "a compressed message has more final blocks than this endpoint accepts (RFC 7692 §7.2.3.4)"
    )]
    TooManyFinalBlocks,
    /// A message was not complete within
    /// [`Config::message_timeout`](crate::Config::message_timeout) and one second for each
    /// [`Config::min_message_rate`](crate::Config::min_message_rate) bytes received of it. 1008.
    #[error("a message arrives too slowly (RFC 6455 §7.4.1)")]
    MessageTimeout,
    /// No byte was received for [`Config::pong_timeout`](crate::Config::pong_timeout) after a
    /// keepalive ping. 1011.
    #[error("nothing was received in time after a ping (RFC 6455 §5.5.2)")]
    PongTimeout,
    /// The peer did not answer the Close frame within
    /// [`Config::close_timeout`](crate::Config::close_timeout) (§7.1.1). No Close frame is written,
    /// because one was sent before.
    #[error("the Close frame was not answered in time (RFC 6455 §7.1.1)")]
    CloseTimeout,
    /// The stream ended before the closing handshake was complete. No Close frame is written. The
    /// browser API reports this as 1006 (§7.1.5).
    #[error("the stream ended without a closing handshake (RFC 6455 §7.1.5)")]
    EndOfStream,
}

impl ProtocolError {
    /// Returns the code of the Close frame for this error. `None` if the error has no Close frame:
    /// [`CloseTimeout`](Self::CloseTimeout) and [`EndOfStream`](Self::EndOfStream).
    pub fn close_code(&self) -> Option<CloseCode> {
        Some(match self {
            Self::Frame(_)
            | Self::ReservedBit
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig
            | Self::MessageTooBig
            | Self::TooManyFragments
            | Self::TooManyFinalBlocks => CloseCode::MESSAGE_TOO_BIG,
            Self::MessageTimeout => CloseCode::POLICY_VIOLATION,
            Self::PongTimeout => CloseCode::INTERNAL_ERROR,
            Self::CloseTimeout | Self::EndOfStream => return None,
        })
    }
}

/// The application asked for something that RFC 6455 does not allow. Nothing was written to `out`,
/// and the connection is unchanged: you can continue to use it.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Role, SendError};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// let result = ws.send_ping(&[0; 126], &mut out);
/// assert_eq!(result, Err(SendError::ControlTooLong));
/// assert!(out.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed: no frame may follow a Close frame (§5.5.1).
    /// [`Connection::error`](crate::Connection::error) and
    /// [`close_received`](crate::Connection::close_received) tell why.
    ///
    /// Do not end the loop because of this error. If this endpoint has sent the first Close frame,
    /// the peer's messages and its Close frame can still arrive.
    #[error("nothing can be sent once the connection is closing (RFC 6455 §5.5.1)")]
    NotOpen,
    /// A message was started by [`start_message`](crate::Connection::start_message) and is not
    /// finished. Until then only control frames can be sent (§5.4).
    #[error("the message that was started is not finished (RFC 6455 §5.4)")]
    MessageInProgress,
    /// A piece of a message was sent, but no message was started.
    #[error("no message was started")]
    NoMessage,
    /// A ping or pong has more than 125 bytes (§5.5).
    #[error("a ping or pong has at most 125 bytes (RFC 6455 §5.5)")]
    ControlTooLong,
    /// The reason of a Close frame has more than 123 bytes (§5.5).
    #[error("the reason of a Close frame has at most 123 bytes (RFC 6455 §5.5)")]
    ReasonTooLong,
    /// A piece of a text message makes the text invalid UTF-8 (§5.6).
    #[error("text must be valid UTF-8 (RFC 6455 §5.6)")]
    InvalidUtf8,
}
