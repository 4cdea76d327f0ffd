//! One error type over all others, for adapters and applications: whose fault it was, and whether a
//! client should try again.

use crate::{
    connection::{JoinError, JoinErrorKind},
    error::{ProtocolError, SendError},
    frame::{CloseCode, InvalidCloseCode},
    handshake::{
        HeadError,
        client::{ResponseError, UrlError},
        server::RequestError,
        values::Refusal,
    },
};

/// Any way in which a WebSocket connection fails, as one type.
///
/// The methods of this crate return smaller types, which say exactly what can happen there. `Error`
/// is for the functions of an adapter or an application: `?` converts all of them, and the errors of
/// the transport as well. So an adapter needs no error type of its own.
///
/// [`fault`](Self::fault) tells whose fault it was, for example to choose a log level.
/// [`can_retry`](Self::can_retry) tells whether a client should connect again:
///
/// | error | fault | retry |
/// |---|---|---|
/// | [`ProtocolError`]: end of stream, timeouts | transport | yes |
/// | [`ProtocolError`]: all others | peer | no |
/// | [`SendError::NotOpen`] | application | yes |
/// | [`SendError`]: all others | application | no |
/// | [`ResponseError`]: end of stream, timeout | transport | yes |
/// | [`ResponseError`]: all others | peer | no |
/// | [`RequestError`]: end of stream, timeout | transport | no, a server waits for the client |
/// | [`RequestError`]: all others | peer | no |
/// | [`UrlError`], [`HeadError`], [`InvalidCloseCode`], [`JoinError`] | application | no |
/// | `NegotiationError` of `deflate` | peer | no |
/// | [`Refused`](Self::Refused): status 408, 429, 500, 502, 503, 504 | peer | yes |
/// | [`Refused`](Self::Refused): all others | peer | no |
/// | [`Closed`](Self::Closed): code 1001, 1011, 1012, 1013, 1014 | peer | yes |
/// | [`Closed`](Self::Closed): all others, or no code | peer | no |
/// | `Io`: permission denied, invalid input, invalid data (such as a wrong certificate), unsupported | transport | no |
/// | `Io`: all others | transport | yes |
/// | `Entropy` | application | no |
///
/// Wait before each try, and longer after each failure: RFC 6455 §7.2.3 asks clients for a random
/// delay first, and then for truncated binary exponential backoff.
///
/// ```
/// use websocket_proto::handshake::client::Request;
/// use websocket_proto::{CloseCode, Error, Fault, ProtocolError};
///
/// fn connect(url: &str) -> Result<(), Error> {
///     let request = Request::new(url)?;
///     // Connect to `request.host()`, then the handshake. Here the stream
///     // ends.
///     Err(ProtocolError::EndOfStream)?
/// }
///
/// let error = connect("ws://example.com/").unwrap_err();
/// assert_eq!(error.fault(), Fault::Transport);
/// assert!(error.can_retry());
///
/// let error = connect("http://example.com/").unwrap_err();
/// assert_eq!(error.fault(), Fault::Application);
/// assert!(!error.can_retry());
///
/// // The application reports what is not an error of the protocol.
/// let error = Error::Closed(Some(CloseCode::SERVICE_RESTART));
/// assert!(error.can_retry());
/// ```
// `std::io::Error` can neither be copied nor compared, so neither can this type. Without the feature
// `std` it could be, but a feature must not take away what others use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection failed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The application asked the connection for something that is not allowed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The handshake of a server failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The handshake of a client failed.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The application asked a handshake for something that is not allowed.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The text is not a WebSocket URI.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The application asked for a close code that must not be sent.
    #[error(transparent)]
    CloseCode(#[from] InvalidCloseCode),
    /// The application tried to join halves that cannot be joined. A [`JoinError`] is converted too,
    /// which drops the halves.
    #[error(transparent)]
    Join(#[from] JoinErrorKind),
    /// The server's parameters of compression fit no offer.
    #[cfg(feature = "deflate")]
    #[error(transparent)]
    Negotiation(#[from] crate::deflate::NegotiationError),
    /// The server refused the handshake with this HTTP status. No method returns this variant: a
    /// client that takes [`Outcome::Refused`](crate::handshake::client::Outcome) for an error makes
    /// it.
    #[error("the server refused the handshake with status {0} (RFC 6455 §4.1)")]
    Refused(u16),
    /// The peer closed the connection with this code. No method returns this variant: an application
    /// that takes the code of [`close_received`](crate::Connection::close_received) for an error
    /// makes it.
    ///
    /// Its text has the code 1005 if there is no code, as the browser API does (§7.1.5).
    #[error(
        "the peer closed the connection with code {} (RFC 6455 §7.4)",
        .0.map_or(1005, u16::from)
    )]
    Closed(Option<CloseCode>),
    /// The transport failed.
    #[cfg(feature = "std")]
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The operating system gave no entropy for a [`Seed`](crate::Seed).
    #[cfg(feature = "getrandom")]
    #[error(transparent)]
    Entropy(#[from] getrandom::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        refusal.error().into()
    }
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        error.kind().into()
    }
}

/// Whose fault an [`Error`] was.
///
/// ```
/// use websocket_proto::{Error, Fault, ProtocolError, SendError};
///
/// let error = Error::from(ProtocolError::InvalidUtf8);
/// assert_eq!(error.fault(), Fault::Peer);
/// let error = Error::from(SendError::ControlTooLong);
/// assert_eq!(error.fault(), Fault::Application);
/// ```
// Exhaustive: a connection has two ends, and something between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer broke a rule, exceeded a limit, refused the handshake or closed the connection.
    Peer,
    /// This endpoint: its program, its configuration or its operating system.
    Application,
    /// The transport failed, ended or was too slow. It is not known whether the reason was the peer
    /// or the network.
    Transport,
}

impl Error {
    /// Returns whose fault it was: see the table of [`Error`].
    pub fn fault(&self) -> Fault {
        self.verdict().0
    }

    /// Returns whether a client that connects again in the same way can succeed: see the table of
    /// [`Error`]. Always `false` for the handshake of a server.
    pub fn can_retry(&self) -> bool {
        self.verdict().1
    }

    fn verdict(&self) -> (Fault, bool) {
        use Fault::{Application, Peer, Transport};
        match self {
            Self::Protocol(
                ProtocolError::EndOfStream
                | ProtocolError::MessageTimeout
                | ProtocolError::PongTimeout
                | ProtocolError::CloseTimeout,
            ) => (Transport, true),
            Self::Protocol(_) => (Peer, false),
            // The connection is over. What was to be sent can be sent on another one.
            Self::Send(SendError::NotOpen) => (Application, true),
            Self::Send(_) => (Application, false),
            Self::Request(RequestError::EndOfStream | RequestError::Timeout) => (Transport, false),
            Self::Request(_) => (Peer, false),
            Self::Response(ResponseError::EndOfStream | ResponseError::Timeout) => {
                (Transport, true)
            }
            Self::Response(_) => (Peer, false),
            Self::Head(_) | Self::Url(_) | Self::CloseCode(_) | Self::Join(_) => {
                (Application, false)
            }
            #[cfg(feature = "deflate")]
            Self::Negotiation(_) => (Peer, false),
            // RFC 9110 §15.5.9, §15.6; RFC 6585 §4.
            Self::Refused(status) => (Peer, matches!(status, 408 | 429 | 500 | 502..=504)),
            // 1011 is also sent if pongs do not arrive in time, by this crate among others.
            Self::Closed(code) => (
                Peer,
                code.is_some_and(|code| matches!(u16::from(code), 1001 | 1011..=1014)),
            ),
            #[cfg(feature = "std")]
            Self::Io(error) => {
                use std::io::ErrorKind::{
                    InvalidData, InvalidInput, PermissionDenied, Unsupported,
                };
                let lasting = matches!(
                    error.kind(),
                    InvalidData | InvalidInput | PermissionDenied | Unsupported
                );
                (Transport, !lasting)
            }
            #[cfg(feature = "getrandom")]
            Self::Entropy(_) => (Application, false),
        }
    }
}
