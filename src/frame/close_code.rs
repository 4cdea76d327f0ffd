use core::fmt;

/// A close code that may be sent in a Close frame (RFC 6455 §7.4).
///
/// These codes are 1000–1003, 1007–1014 and 3000–4999. `try_from` fails for all others: the codes
/// that must not be sent (1004–1006, 1015) and unassigned ones. Applications use 4000–4999 for
/// codes of their own.
///
/// ```
/// use websocket_proto::frame::CloseCode;
///
/// assert_eq!(CloseCode::try_from(1000), Ok(CloseCode::NORMAL));
/// assert_eq!(u16::from(CloseCode::GOING_AWAY), 1001);
/// assert!(CloseCode::try_from(1006).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: normal end; the connection has served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server is going down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: this endpoint does not accept this type of data.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the data does not fit the type of the message, for example text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message violates the policy of this endpoint.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client needs an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition at this endpoint.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid response from upstream (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
}

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, InvalidCloseCode> {
        match code {
            // §7.4.1 with the IANA registry; §7.4.2 for the ranges.
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(InvalidCloseCode(code)),
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number is not a close code that may be sent (RFC 6455 §7.4). It contains the number.
///
/// ```
/// use websocket_proto::frame::{CloseCode, InvalidCloseCode};
///
/// assert_eq!(CloseCode::try_from(1005), Err(InvalidCloseCode(1005)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a close code that may be sent: RFC 6455 §7.4 allows 1000-1003, 1007-1014 and 3000-4999"
)]
pub struct InvalidCloseCode(pub u16);
