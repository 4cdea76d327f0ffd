//! The instants of this crate, made of a clock of the operating system.

use core::time::Duration;
use std::time::Instant;

/// A clock for programs with `std`: makes the instants that this crate takes, and converts the
/// deadlines that it returns into what a transport needs for its wait.
///
/// An instant of this crate is a `Duration` since a start. A `Clock` is that start. One clock can
/// serve all connections of a program; copy it as needed.
///
/// | your wait | call |
/// |---|---|
/// | a blocking socket, a condition variable, `mio` | [`timeout`](Self::timeout) |
/// | `poll`, `epoll_wait` | [`poll_timeout`](Self::poll_timeout) |
/// | `tokio`, `async-io` | [`instant`](Self::instant) |
///
/// ```
/// use std::net::TcpStream;
/// use websocket_proto::{Clock, Connection};
///
/// /// To be called before each read of a blocking socket.
/// fn before_read(
///     ws: &mut Connection,
///     socket: &TcpStream,
///     clock: Clock,
/// ) -> std::io::Result<()> {
///     let deadline = ws.deadline(clock.now());
///     socket.set_read_timeout(clock.timeout(deadline))
/// }
/// # use websocket_proto::{Config, Role};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let socket = TcpStream::connect(listener.local_addr()?)?;
/// # let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// # before_read(&mut ws, &socket, Clock::start())?;
/// # assert!(socket.read_timeout()?.is_some());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// On `tokio`, a `select!` has this branch. `into` makes an `Instant` of tokio:
///
/// ```text
/// () = sleep_until(clock.instant(ws.deadline(clock.now())).into()) => {
///     ws.handle_timeout(clock.now(), out)?
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

/// What stands for "no deadline" where an instant is needed: about 30 years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Clock {
    /// Makes a clock that starts now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Returns the current instant: the time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns how long to wait from now until the deadline; `None` means for ever.
    ///
    /// It is at least 1 ms, also if the deadline has passed, because
    /// [`set_read_timeout`](std::net::TcpStream::set_read_timeout) refuses zero.
    pub fn timeout(&self, deadline: Option<Duration>) -> Option<Duration> {
        let left = deadline?.saturating_sub(self.now());
        Some(left.max(Duration::from_millis(1)))
    }

    /// Returns how long to wait from now until the deadline, in milliseconds, for `poll` and
    /// `epoll_wait`: -1 means for ever.
    ///
    /// It is rounded up, because a wait that ends before the deadline would be repeated in a tight
    /// loop. It is 0 if the deadline has passed, and `i32::MAX`, about 24 days, if the deadline is
    /// later than that.
    pub fn poll_timeout(&self, deadline: Option<Duration>) -> i32 {
        deadline.map_or(-1, |at| millis(at.saturating_sub(self.now())))
    }

    /// Returns the deadline as an [`Instant`]; without a deadline, one that is about 30 years away.
    pub fn instant(&self, deadline: Option<Duration>) -> Instant {
        deadline
            // `Instant + Duration` panics if the result is out of range.
            .and_then(|at| self.start.checked_add(at))
            .unwrap_or_else(|| Instant::now() + FAR)
    }
}

fn millis(left: Duration) -> i32 {
    i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_up() {
        for (nanos, expected) in [
            (0, 0),
            (1, 1),
            (1_000_000, 1),
            (1_000_001, 2),
            (2_147_483_646_000_001, i32::MAX),
            (2_147_483_647_000_001, i32::MAX),
            (u64::MAX, i32::MAX),
        ] {
            assert_eq!(millis(Duration::from_nanos(nanos)), expected, "{nanos}");
        }
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }
}
