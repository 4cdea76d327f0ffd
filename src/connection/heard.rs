use super::CloseFrame;
use crate::error::ProtocolError;

/// The notifications from the receiving half of a connection to the sending half. The sending half
/// sends none back, and keeps the error.
pub(super) trait Heard {
    /// Bytes have arrived: the peer is alive.
    fn bytes(&mut self);

    /// A ping has arrived.
    fn ping(&mut self, payload: &[u8]);

    /// A pong has arrived.
    fn pong(&mut self, payload: &[u8]);

    /// The peer's Close frame has arrived.
    fn close(&mut self, close: CloseFrame<'_>);

    /// The peer broke a rule or exceeded a limit.
    fn failure(&mut self, error: ProtocolError);

    /// The error that ended the connection.
    fn error(&self) -> Option<ProtocolError>;

    /// The number of payload bytes received of the message under way. `None` if no message is
    /// under way.
    fn unfinished(&mut self, received: Option<usize>);
}
