//! Handshakes that end before they are complete: the peer ends the stream, or the time is over.

use core::{fmt::Debug, time::Duration};

use bytes::BytesMut;
use websocket_proto::{
    RecvBuf,
    handshake::{
        client::{self, Outcome, ResponseError},
        server::{self, RequestError},
    },
};

/// What happens between two reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The peer ends the stream.
    End,
    /// `handle_timeout`, just before the deadline.
    Early,
    /// At the deadline.
    Late,
}

/// The handshake of a role.
pub(crate) trait Handshake {
    type Error: Debug + PartialEq + Copy;
    const ENDED: Self::Error;
    const LATE: Self::Error;

    /// Returns whether the connection is open.
    fn next(&mut self, input: &mut RecvBuf) -> Result<Option<bool>, Self::Error>;
    fn end_of_stream(&mut self);
    fn deadline(&mut self, now: Duration) -> Option<Duration>;
    fn handle_timeout(&mut self, now: Duration) -> Result<(), Self::Error>;
}

/// Receives the pieces, with the event behind so many of them. The result without the event is
/// `whole`.
pub(crate) fn interrupted<H: Handshake>(
    mut handshake: H,
    pieces: &[&[u8]],
    (at, event): (usize, Event),
    whole: Result<Option<bool>, H::Error>,
) {
    let start = Duration::from_secs(1);
    let due = handshake.deadline(start);
    let mut input = RecvBuf::new();
    let (before, after) = pieces.split_at(at.min(pieces.len()));
    let mut outcome = receive(&mut handshake, &mut input, before);
    // The body of a response that refuses can follow.
    let due = due.filter(|_| matches!(outcome, Ok(None | Some(false))));
    assert_eq!(handshake.deadline(start), due);
    let end = match event {
        Event::End => {
            handshake.end_of_stream();
            (outcome == Ok(None)).then_some(H::ENDED)
        }
        Event::Early => {
            let now = due.unwrap_or(start).saturating_sub(Duration::from_nanos(1));
            assert_eq!(handshake.handle_timeout(now).err(), outcome.err());
            None
        }
        Event::Late => {
            let late = due.map(|_| H::LATE);
            let result = handshake.handle_timeout(due.unwrap_or(Duration::MAX));
            assert_eq!(result.err(), late.or(outcome.err()));
            late
        }
    };
    if let Some(error) = end {
        for _ in 0..2 {
            assert_eq!(handshake.next(&mut input), Err(error));
            assert_eq!(handshake.handle_timeout(start), Err(error));
        }
        assert_eq!(handshake.deadline(start), None);
    } else {
        if outcome == Ok(None) {
            outcome = receive(&mut handshake, &mut input, after);
        }
        assert_eq!(outcome, whole);
    }
}

fn receive<H: Handshake>(
    handshake: &mut H,
    input: &mut RecvBuf,
    pieces: &[&[u8]],
) -> Result<Option<bool>, H::Error> {
    for piece in pieces {
        input.extend_from_slice(piece);
        let outcome = handshake.next(input)?;
        if outcome.is_some() {
            return Ok(outcome);
        }
    }
    Ok(None)
}

pub(crate) struct Server {
    pub(crate) handshake: server::Handshake,
    pub(crate) out: BytesMut,
}

impl Handshake for Server {
    type Error = RequestError;
    const ENDED: RequestError = RequestError::EndOfStream;
    const LATE: RequestError = RequestError::Timeout;

    fn next(&mut self, input: &mut RecvBuf) -> Result<Option<bool>, RequestError> {
        let pending = self.handshake.next(input, &mut self.out)?;
        Ok(pending.map(|_| true))
    }

    fn end_of_stream(&mut self) {
        self.handshake.end_of_stream();
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        self.handshake.deadline(now)
    }

    /// An error has its response, once.
    fn handle_timeout(&mut self, now: Duration) -> Result<(), RequestError> {
        let before = self.out.len();
        let result = self.handshake.handle_timeout(now, &mut self.out);
        let status = result.err().and_then(|error| error.status());
        let response = status.map_or(String::new(), |status| format!("HTTP/1.1 {status} "));
        assert!(self.out.starts_with(response.as_bytes()));
        assert_eq!(self.out.is_empty(), status.is_none());
        assert!(before == 0 || before == self.out.len());
        result
    }
}

impl Handshake for client::Handshake {
    type Error = ResponseError;
    const ENDED: ResponseError = ResponseError::EndOfStream;
    const LATE: ResponseError = ResponseError::Timeout;

    fn next(&mut self, input: &mut RecvBuf) -> Result<Option<bool>, ResponseError> {
        let outcome = self.next(input)?;
        Ok(outcome.map(|it| matches!(it, Outcome::Accepted(..))))
    }

    fn end_of_stream(&mut self) {
        self.end_of_stream();
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        self.deadline(now)
    }

    fn handle_timeout(&mut self, now: Duration) -> Result<(), ResponseError> {
        self.handle_timeout(now)
    }
}
