//! Whether another try can help, and how long to wait before it: exponential back-off with full
//! jitter.
use std::{error::Error, fmt, io, time::Duration};

use websocket_proto::handshake::client::ResponseError;
use websocket_proto::{CloseCode, CloseFrame, ProtocolError};

use crate::adapters::tokio::Refused;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that held this long counts as a success.
const STABLE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the time to wait after a failure. `open` is how long the connection was open, if it was.
    ///
    /// It is between zero and a limit that doubles with each failure. If a server fails, all of its
    /// clients notice at once: `random` spreads their next tries over the whole of that time.
    pub fn pause(&mut self, open: Option<Duration>, random: u64) -> Duration {
        if open.is_some_and(|open| open >= STABLE) {
            self.failures = 0;
        }
        let limit = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        limit.mul_f64(random as f64 / u64::MAX as f64)
    }
}

/// The server closed the connection.
#[derive(Debug)]
pub struct Closed {
    code: Option<CloseCode>,
    reason: String,
}

impl Closed {
    pub fn new(close: CloseFrame<'_>) -> Self {
        let (code, reason) = (close.code, close.reason.escape_debug().to_string());
        Self { code, reason }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) if self.reason.is_empty() => write!(f, "the server closed with {code}"),
            Some(code) => write!(f, "the server closed with {code} {}", self.reason),
            None => write!(f, "the server closed without a code"),
        }
    }
}

impl Error for Closed {}

/// Whether the same can succeed later. It cannot if this end, or what it asks for, is wrong.
pub fn retry_helps(error: &(dyn Error + 'static)) -> bool {
    if let Some(closed) = error.downcast_ref::<Closed>() {
        // Going away; an internal error; a restart; try again later; a bad gateway. An application
        // adds those of its own codes, 3000 to 4999, that pass.
        return matches!(closed.code.map(u16::from), Some(1001 | 1011..=1014));
    }
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return matches!(refused.status, 408 | 425 | 429 | 500..);
    }
    if let Some(error) = error.downcast_ref::<ResponseError>() {
        return matches!(error, ResponseError::Timeout | ResponseError::EndOfStream);
    }
    if let Some(error) = error.downcast_ref::<ProtocolError>() {
        return matches!(
            error,
            ProtocolError::EndOfStream | ProtocolError::PongTimeout | ProtocolError::MessageTimeout
        );
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // TLS: the certificate is not accepted, or this is no TLS. A file is not there.
        use io::ErrorKind::{InvalidData, InvalidInput, Other, Unsupported};
        return !matches!(
            error.kind(),
            InvalidData | InvalidInput | Other | Unsupported
        );
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_starts_again_after_a_stable_connection() {
        let mut backoff = Backoff::default();
        let mut limit = |open: Option<u64>| {
            backoff
                .pause(open.map(Duration::from_secs), u64::MAX)
                .as_millis()
        };
        let limits: Vec<_> = (0..9).map(|_| limit(None)).collect();
        assert_eq!(
            limits,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(limit(Some(9)), 30_000);
        assert_eq!(limit(Some(10)), 500);
        assert_eq!(limit(Some(9)), 1000);
    }

    #[test]
    fn is_anywhere_below_the_limit() {
        let pause = |random| Backoff::default().pause(None, random).as_millis();
        assert_eq!(
            [pause(0), pause(u64::MAX / 2), pause(u64::MAX)],
            [0, 250, 500]
        );
    }
}
