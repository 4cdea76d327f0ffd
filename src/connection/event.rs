use core::fmt;

use crate::{
    error::ProtocolError,
    frame::{CloseCode, InvalidCloseCode},
    meter,
};

/// A received message or control frame. An event borrows the receive buffer, not the connection, so
/// you can reply while you hold it.
///
/// When the event is returned, `out` already contains the answer to a ping or to a Close frame.
///
/// `{:?}` shows the kind and the length of a message, but not its payload, because messages can be
/// private and long. The reason of a Close frame is shown.
///
/// ```
/// use websocket_proto::{CloseFrame, Event};
///
/// fn describe(event: &Event<'_>) -> String {
///     match event {
///         Event::Text(text) => format!("text: {text}"),
///         Event::Binary(bytes) => format!("{} bytes", bytes.len()),
///         Event::Ping(_) | Event::Pong(_) => "alive".into(),
///         Event::Close(CloseFrame { code, reason }) => {
///             format!("closed: {code:?} {reason}")
///         }
///         // Event::Progress and events of later versions.
///         _ => "nothing to do".into(),
///     }
/// }
/// assert_eq!(describe(&Event::Text("hi")), "text: hi");
/// assert_eq!(format!("{:?}", Event::Text("hi")), "Text(2 bytes)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Event<'b> {
    /// A complete text message (RFC 6455 §5.6).
    Text(&'b str),
    /// A complete binary message (§5.6).
    Binary(&'b [u8]),
    /// The next part of a text message that is longer than
    /// [`Config::parts_above`](crate::Config::parts_above). More parts follow.
    ///
    /// A part begins and ends with a whole character, and is not empty. Where a message is divided
    /// depends on the frames and on the reads. Only the concatenation of all parts has a meaning.
    /// Control frames can arrive between two parts.
    TextPart(&'b str),
    /// The last part of a text message that is delivered in parts. It can be empty.
    TextEnd(&'b str),
    /// The next part of a binary message that is longer than
    /// [`Config::parts_above`](crate::Config::parts_above), as [`TextPart`](Self::TextPart). More
    /// parts follow.
    BinaryPart(&'b [u8]),
    /// The last part of a binary message that is delivered in parts. It can be empty.
    BinaryEnd(&'b [u8]),
    /// A ping (§5.5.2) of at most 125 bytes. The pong is in `out`.
    Ping(&'b [u8]),
    /// A pong (§5.5.3) of at most 125 bytes: the answer to a ping, or unsolicited.
    Pong(&'b [u8]),
    /// The peer's Close frame (§5.5.1), the last event of a connection. Later calls return `None`
    /// and drop further bytes. If this endpoint has not
    /// sent a Close frame before, the answer is in `out`: a Close frame with the same code and
    /// without a reason.
    Close(CloseFrame<'b>),
    /// A part of a compressed message was inflated, and more of the message is in the buffer. Call
    /// `next_event` again, at once or after serving other connections.
    ///
    /// This event bounds the work of one call. It is returned only if a call has inflated about
    /// 1 MiB, where 32 final DEFLATE blocks count as much (with a window of 32 KiB), or has joined 4 MiB of a
    /// message that is longer. With the default limits of [`Config`](crate::Config) that is a message of
    /// almost 1 MiB, and most messages never cause it.
    Progress,
}

impl<'b> Event<'b> {
    /// The bytes of a message, of a part of one, of a ping or of a pong. Empty for other events.
    ///
    /// Use it to count bytes: a program that serves many connections in turn can stop after a number
    /// of bytes and serve the next connection.
    ///
    /// ```
    /// use websocket_proto::Event;
    ///
    /// assert_eq!(Event::Text("é").payload(), "é".as_bytes());
    /// assert_eq!(Event::Progress.payload(), b"");
    /// ```
    #[must_use]
    pub fn payload(&self) -> &'b [u8] {
        match *self {
            Self::Text(text) | Self::TextPart(text) | Self::TextEnd(text) => text.as_bytes(),
            Self::Binary(bytes) | Self::BinaryPart(bytes) | Self::BinaryEnd(bytes) => bytes,
            Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(_) | Self::Progress => &[],
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, len) = match self {
            Self::Text(text) => ("Text", text.len()),
            Self::Binary(bytes) => ("Binary", bytes.len()),
            Self::TextPart(text) => ("TextPart", text.len()),
            Self::TextEnd(text) => ("TextEnd", text.len()),
            Self::BinaryPart(bytes) => ("BinaryPart", bytes.len()),
            Self::BinaryEnd(bytes) => ("BinaryEnd", bytes.len()),
            Self::Ping(bytes) => ("Ping", bytes.len()),
            Self::Pong(bytes) => ("Pong", bytes.len()),
            Self::Close(close) => return f.debug_tuple("Close").field(close).finish(),
            Self::Progress => return f.write_str("Progress"),
        };
        write!(f, "{kind}({len} bytes)")
    }
}

/// The content of a Close frame (RFC 6455 §5.5.1, §7.1.5–6).
///
/// ```
/// use websocket_proto::{CloseFrame, frame::CloseCode};
///
/// let close = CloseFrame { code: Some(CloseCode::NORMAL), reason: "done" };
/// assert_eq!(close.code.map(u16::from), Some(1000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseFrame<'a> {
    /// The close code; `None` if the frame is empty. The browser API reports an empty frame as
    /// 1005.
    pub code: Option<CloseCode>,
    /// The reason, of at most 123 bytes. It is meant for debugging and is often empty.
    pub reason: &'a str,
}

impl<'b> CloseFrame<'b> {
    /// Parses the payload of a Close frame: nothing, or a code and a reason (§5.5.1). It is for tools: a
    /// connection parses Close frames itself.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::TruncatedCloseCode`], [`ProtocolError::InvalidCloseCode`],
    /// [`ProtocolError::InvalidUtf8`].
    ///
    /// ```
    /// use websocket_proto::{CloseCode, CloseFrame};
    ///
    /// let close = CloseFrame::parse(b"\x03\xe8bye")?;
    /// assert_eq!((close.code, close.reason), (Some(CloseCode::NORMAL), "bye"));
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    pub fn parse(payload: &'b [u8]) -> Result<Self, ProtocolError> {
        match payload {
            [] => Ok(Self {
                code: None,
                reason: "",
            }),
            [_] => Err(ProtocolError::TruncatedCloseCode),
            [high, low, reason @ ..] => {
                let code = CloseCode::try_from(u16::from_be_bytes([*high, *low]))
                    .map_err(|InvalidCloseCode(code)| ProtocolError::InvalidCloseCode(code))?;
                meter::bytes(reason.len());
                let reason =
                    core::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
                Ok(Self {
                    code: Some(code),
                    reason,
                })
            }
        }
    }
}
