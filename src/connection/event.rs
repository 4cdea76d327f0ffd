use crate::frame::CloseCode;

/// Something that arrived. It borrows the receive buffer, never the connection, so that the
/// application can reply while it looks at it.
///
/// Ping and Close have been answered by the time the event is seen: the reply is in `out`.
///
/// ```
/// use websocket_proto::{CloseFrame, Event};
///
/// fn describe(event: &Event<'_>) -> String {
///     match event {
///         Event::Text(text) => format!("text: {text}"),
///         Event::Binary(bytes) => format!("{} bytes", bytes.len()),
///         Event::Ping(_) | Event::Pong(_) => "alive".into(),
///         Event::Close(CloseFrame { code, reason }) => format!("bye: {code:?} {reason}"),
///         _ => "news from a later version".into(),
///     }
/// }
/// assert_eq!(describe(&Event::Text("hi")), "text: hi");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Event<'b> {
    /// A whole text message (RFC 6455 §5.6), valid UTF-8.
    Text(&'b str),
    /// A whole binary message (§5.6).
    Binary(&'b [u8]),
    /// A ping (§5.5.2), at most 125 bytes. The pong is in `out`.
    Ping(&'b [u8]),
    /// A pong (§5.5.3), at most 125 bytes: the answer to a ping, or unsolicited.
    Pong(&'b [u8]),
    /// The peer's Close frame (§5.5.1), the last event of a connection. The reply is in `out`, with
    /// the same code and no reason, unless this is the reply.
    Close(CloseFrame<'b>),
}

/// What a Close frame says (RFC 6455 §5.5.1, §7.1.5–6).
///
/// ```
/// use websocket_proto::{CloseFrame, frame::CloseCode};
///
/// let close = CloseFrame { code: Some(CloseCode::NORMAL), reason: "done" };
/// assert_eq!(close.code.map(u16::from), Some(1000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseFrame<'a> {
    /// The code; `None` where the frame is empty, which APIs for JavaScript report as 1005.
    pub code: Option<CloseCode>,
    /// The reason: at most 123 bytes, for people who debug; empty where there is none.
    pub reason: &'a str,
}

/// The two types of message (RFC 6455 §5.6).
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, MessageKind, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// ws.start_message(MessageKind::Binary)?;
/// ws.finish_message(b"all of it", &mut out)?;
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
// Exhaustive: the opcodes of further types are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}
