//! Whose fault it is decides the type: [`ProtocolError`] is the peer's, [`SendError`] the
//! application's. The openings have two of their own in [`handshake`](crate::handshake).

use crate::frame::{CloseCode, FrameError};

/// The peer broke a rule, passed a limit, or fell silent. The connection is over.
///
/// The Close frame with [`close_code`](Self::close_code) is already in `out` when the error is
/// returned, as RFC 6455 §7.1.7 asks for, unless a Close frame was sent before. Every later call
/// that receives repeats the error.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, ProtocolError, RecvBuf, Role, frame::CloseCode};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
/// input.extend_from_slice(&[0x81, 0x00]);                    // a client must mask its frames
/// let error = ws.next_event(&mut input, &mut out).unwrap_err();
/// assert_eq!(error, ProtocolError::UnmaskedFrame);
/// assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
/// assert_eq!(out[2..4], 1002_u16.to_be_bytes());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Bytes that are no frame header. 1002.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A reserved bit, without an extension that gives it a meaning (§5.2). With compression the
    /// first has one in the first frame of a message, and nowhere else (RFC 7692 §6.1). 1002.
    #[error("a reserved bit is set without an extension (RFC 6455 §5.2)")]
    ReservedBit,
    /// A client's frame without a mask (§5.1). 1002.
    #[error("a frame from a client is not masked (RFC 6455 §5.1)")]
    UnmaskedFrame,
    /// A server's frame with a mask (§5.1). 1002.
    #[error("a frame from a server is masked (RFC 6455 §5.1)")]
    MaskedFrame,
    /// A continuation frame outside of a message (§5.4). 1002.
    #[error("a continuation frame without a message to continue (RFC 6455 §5.4)")]
    UnexpectedContinuation,
    /// A text or binary frame before the message under way has ended (§5.4). 1002.
    #[error("a new message begins inside a fragmented one (RFC 6455 §5.4)")]
    InterleavedMessage,
    /// A Close frame with one byte, half a code (§5.5.1). 1002.
    #[error("a Close frame has a payload of one byte (RFC 6455 §5.5.1)")]
    TruncatedCloseCode,
    /// A Close frame with a code that must not be sent (§7.4). 1002.
    #[error("the close code {0} must not be sent (RFC 6455 §7.4)")]
    InvalidCloseCode(u16),
    /// A text message, or the reason of a Close frame, that is not UTF-8 (§8.1). 1007.
    #[error("text is not valid UTF-8 (RFC 6455 §8.1)")]
    InvalidUtf8,
    /// A compressed message that cannot be inflated: it is corrupt, has no end, or refers to what
    /// never was (RFC 7692 §7.2.2). 1007.
    #[error("compressed data is not valid DEFLATE (RFC 7692 §7.2.2)")]
    InvalidDeflate,
    /// A frame longer than [`Config::max_frame_size`](crate::Config::max_frame_size). 1009.
    #[error("a frame is longer than this endpoint accepts (RFC 6455 §10.4)")]
    FrameTooBig,
    /// A message longer than [`Config::max_message_size`](crate::Config::max_message_size). 1009.
    #[error("a message is longer than this endpoint accepts (RFC 6455 §10.4)")]
    MessageTooBig,
    /// A message of more frames than [`Config::max_fragments`](crate::Config::max_fragments). 1009.
    #[error("a message has more fragments than this endpoint accepts (RFC 6455 §10.4)")]
    TooManyFragments,
    /// A compressed message with more final blocks than
    /// [`DeflateConfig::max_final_blocks`](crate::deflate::DeflateConfig). 1009.
    #[error(
        "a compressed message has more final blocks than this endpoint accepts (RFC 7692 §7.2.3.4)"
    )]
    TooManyFinalBlocks,
    /// A message that was not complete within
    /// [`Config::message_timeout`](crate::Config::message_timeout), or arrived too slowly. 1008.
    #[error("a message arrives too slowly (RFC 6455 §7.4.1)")]
    MessageTimeout,
    /// Nothing was received for [`Config::pong_timeout`](crate::Config::pong_timeout) after a
    /// ping. 1011.
    #[error("nothing was received in time after a ping (RFC 6455 §5.5.2)")]
    PongTimeout,
    /// The peer did not answer the Close frame within
    /// [`Config::close_timeout`](crate::Config::close_timeout) (§7.1.1). Nothing more can be sent.
    #[error("the Close frame was not answered in time (RFC 6455 §7.1.1)")]
    CloseTimeout,
    /// The stream ended before the closing handshake was complete, which APIs for JavaScript
    /// report as 1006 (§7.1.5). Nothing more can be sent.
    #[error("the stream ended without a closing handshake (RFC 6455 §7.1.5)")]
    EndOfStream,
}

impl ProtocolError {
    /// The code of the Close frame that the peer is sent; `None` where it is sent none.
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

/// The application asked for something that RFC 6455 does not allow here. Nothing was written to
/// `out`, and the connection is as it was: it can go on, or be closed.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Role, SendError};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// assert_eq!(ws.send_ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
/// assert!(out.is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed: no frame may follow a Close frame (§5.5.1). Why, say
    /// [`Connection::error`](crate::Connection::error) and
    /// [`close_received`](crate::Connection::close_received). While this side waits for the peer's
    /// Close frame there is no reason to end the loop for it.
    #[error("nothing can be sent once the connection is closing (RFC 6455 §5.5.1)")]
    NotOpen,
    /// A message sent in pieces has not been finished; only control frames may come in between
    /// (§5.4).
    #[error("the message that was started is not finished (RFC 6455 §5.4)")]
    MessageInProgress,
    /// A piece of a message that was not started.
    #[error("no message was started")]
    NoMessage,
    /// A ping or pong with more than 125 bytes (§5.5).
    #[error("a ping or pong holds at most 125 bytes (RFC 6455 §5.5)")]
    ControlTooLong,
    /// A reason for closing with more than 123 bytes (§5.5).
    #[error("a reason for closing holds at most 123 bytes (RFC 6455 §5.5)")]
    ReasonTooLong,
    /// A piece of a text message that makes it invalid UTF-8 (§5.6).
    #[error("text must be valid UTF-8 (RFC 6455 §5.6)")]
    InvalidUtf8,
}
