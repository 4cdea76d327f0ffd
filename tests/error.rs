//! Proves that `Error` takes every error of the crate, shows its text, and judges it as the table of
//! its documentation says.

use std::error::Error as _;

use websocket_proto::{
    CloseCode, Config, Connection, Error, Fault, JoinErrorKind, ProtocolError, Role, SendError,
    frame::FrameError,
    handshake::{
        HeadError, HttpError,
        client::{Request, ResponseError, UrlError},
        server::RequestError,
    },
};

use Fault::{Application, Peer, Transport};

#[track_caller]
fn judged(errors: impl IntoIterator<Item = impl Into<Error>>, fault: Fault, can_retry: bool) {
    for error in errors.into_iter().map(Into::into) {
        assert_eq!(error.fault(), fault, "{error:?}");
        assert_eq!(error.can_retry(), can_retry, "{error:?}");
    }
}

#[test]
fn errors_of_a_connection() {
    let ends = [
        ProtocolError::EndOfStream,
        ProtocolError::MessageTimeout,
        ProtocolError::PongTimeout,
        ProtocolError::CloseTimeout,
    ];
    judged(ends, Transport, true);
    let violations = [
        ProtocolError::Frame(FrameError::LengthTopBit),
        ProtocolError::ReservedBit,
        ProtocolError::UnmaskedFrame,
        ProtocolError::MaskedFrame,
        ProtocolError::UnexpectedContinuation,
        ProtocolError::InterleavedMessage,
        ProtocolError::TruncatedCloseCode,
        ProtocolError::InvalidCloseCode(1005),
        ProtocolError::InvalidUtf8,
        ProtocolError::InvalidDeflate,
        ProtocolError::FrameTooBig,
        ProtocolError::MessageTooBig,
        ProtocolError::TooManyFragments,
        ProtocolError::TooManyFinalBlocks,
    ];
    judged(violations, Peer, false);
    judged([SendError::NotOpen], Application, true);
    let mistakes = [
        SendError::MessageInProgress,
        SendError::NoMessage,
        SendError::ControlTooLong,
        SendError::ReasonTooLong,
        SendError::InvalidUtf8,
    ];
    judged(mistakes, Application, false);
    judged([CloseCode::try_from(1005).unwrap_err()], Application, false);
    let reasons = [JoinErrorKind::NotAPair, JoinErrorKind::MissingNotes];
    judged(reasons, Application, false);
    let halves = || Connection::assume_opened(Role::Server, Config::new()).split();
    let error = Connection::join(halves().0, halves().1).unwrap_err();
    judged([error], Application, false);
}

#[test]
fn errors_of_a_handshake() {
    let ends = [ResponseError::EndOfStream, ResponseError::Timeout];
    judged(ends, Transport, true);
    let wrong = [
        ResponseError::Http(HttpError::FirstByte),
        ResponseError::HttpVersion,
        ResponseError::Upgrade,
        ResponseError::Connection,
        ResponseError::Accept,
        ResponseError::Extension,
        ResponseError::DeflateParameters,
        ResponseError::Subprotocol,
    ];
    judged(wrong, Peer, false);
    // A server cannot try again.
    let ends = [RequestError::EndOfStream, RequestError::Timeout];
    judged(ends, Transport, false);
    let wrong = [
        RequestError::Http(HttpError::HeadTooLong),
        RequestError::OriginNotAllowed,
        RequestError::Upgrade,
    ];
    judged(wrong, Peer, false);
    judged([UrlError::Scheme, UrlError::Syntax], Application, false);
    let mistakes = [HeadError::ReservedHeader, HeadError::InvalidStatus];
    judged(mistakes, Application, false);
    #[cfg(feature = "deflate")]
    judged([websocket_proto::deflate::NegotiationError], Peer, false);
}

#[test]
fn statuses_and_close_codes() {
    for status in 0..=999 {
        let retry = [408, 429, 500, 502, 503, 504].contains(&status);
        judged([Error::Refused(status)], Peer, retry);
    }
    for code in (0..=u16::MAX).filter_map(|code| CloseCode::try_from(code).ok()) {
        let retry = [1001, 1011, 1012, 1013, 1014].contains(&u16::from(code));
        judged([Error::Closed(Some(code))], Peer, retry);
    }
    judged([Error::Closed(None)], Peer, false);

    let texts = [
        (Error::Refused(503), "status 503 "),
        (Error::Closed(Some(CloseCode::GOING_AWAY)), "code 1001 "),
        (Error::Closed(None), "code 1005 "),
    ];
    for (error, text) in texts {
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.source().is_none());
    }
}

#[cfg(feature = "std")]
#[test]
fn errors_of_the_transport() {
    use std::io::{self, ErrorKind};
    for kind in [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NotConnected,
        ErrorKind::TimedOut,
        ErrorKind::UnexpectedEof,
        ErrorKind::Other, // A name that could not be resolved.
    ] {
        judged([io::Error::from(kind)], Transport, true);
    }
    for kind in [
        ErrorKind::InvalidData, // TLS libraries report a wrong certificate so.
        ErrorKind::InvalidInput,
        ErrorKind::PermissionDenied,
        ErrorKind::Unsupported,
    ] {
        judged([io::Error::from(kind)], Transport, false);
    }
}

#[cfg(feature = "getrandom")]
#[test]
fn errors_of_the_entropy_source() {
    judged([getrandom::Error::UNEXPECTED], Application, false);
}

/// The text is that of the error inside, and `source` does not repeat it.
#[test]
fn texts_and_sources_are_those_of_the_error_inside() {
    fn same(error: impl Into<Error> + std::error::Error + Clone) {
        let text = error.to_string();
        let source = error.source().map(ToString::to_string);
        let all: Error = error.into();
        assert_eq!(all.to_string(), text);
        assert_eq!(all.source().map(ToString::to_string), source);
    }
    same(ProtocolError::from(FrameError::LengthTopBit));
    same(ProtocolError::EndOfStream);
    same(SendError::NotOpen);
    same(RequestError::Http(HttpError::Field));
    same(ResponseError::Accept);
    same(HeadError::InvalidHost);
    same(UrlError::Fragment);
    #[cfg(feature = "std")]
    {
        let cause = std::io::Error::other("no route");
        assert_eq!(Error::from(cause).to_string(), "no route");
    }
}

/// What an adapter writes: one `?` for each kind of error.
#[test]
fn an_adapter_needs_no_type_of_its_own() {
    fn all(step: u8) -> Result<(), Error> {
        match step {
            0 => Err(ProtocolError::EndOfStream)?,
            1 => Err(SendError::NotOpen)?,
            2 => Err(RequestError::Host)?,
            3 => Err(ResponseError::Accept)?,
            4 => Err(HeadError::InvalidHost)?,
            _ => Request::new("").map(drop)?,
        }
        Ok(())
    }
    let errors: Vec<_> = (0..6).map(|step| all(step).unwrap_err()).collect();
    assert!(matches!(
        errors[..],
        [
            Error::Protocol(ProtocolError::EndOfStream),
            Error::Send(SendError::NotOpen),
            Error::Request(RequestError::Host),
            Error::Response(ResponseError::Accept),
            Error::Head(HeadError::InvalidHost),
            Error::Url(UrlError::Syntax),
        ]
    ));
}

#[test]
fn it_is_small_and_goes_to_other_threads() {
    fn is_any_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_any_error::<Error>();
    assert!(size_of::<Error>() <= 16, "{}", size_of::<Error>());
}
