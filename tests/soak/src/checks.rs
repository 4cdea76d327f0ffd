//! What must hold for each connection: every message is the right one, once, in order; the
//! connection ends as its plan says, with the right code, and in time.

use std::collections::VecDeque;

use websocket_proto::{Event, MessageKind, ProtocolError, handshake::server::RequestError};

use crate::{
    budget::Cost,
    content::{BROADCAST, Content},
    scenario::{End, Plan, Role},
    server::{
        Ended, Sent,
        config::{self, LINGER},
    },
};

/// How a peer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEnd {
    /// An honest peer: both Close frames were exchanged.
    Closed,
    /// It has gone, or the network has failed.
    Gone,
    /// A peer that plays an attack has read everything: the status of the response, and the code of
    /// the Close frame at the end of the stream.
    Read { status: u16, close: Option<u16> },
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages that the peer has sent, and that the server has received.
    pub sent: u32,
    pub received: u32,
    received_at: usize,
    /// What the server has sent and the peer has not received.
    expected: VecDeque<(u32, u32)>,
    expected_at: usize,
    pub messages: u64,

    pub accepted: u64,
    pub ended: Option<(u64, Ended)>,
    pub closed: Option<u64>,
    pub peer: Option<PeerEnd>,
    /// When the server has read the last byte, and when the network has taken the last byte from it.
    heard: u64,
    taken: u64,
    /// When the server has sent a Close frame that it was not asked for.
    closing: Option<u64>,
    /// When the server received the last message, when it began to hold something after that, and
    /// how many bytes it has read since, the read with that message included.
    message: u64,
    unfinished: Option<u64>,
    since: u64,
    last_read: u64,

    pub read: u64,
    pub answered: u64,
    pub handshake: Cost,
    pub open: Cost,
}

impl Ledger {
    pub fn new(now: u64) -> Self {
        Self {
            accepted: now,
            heard: now,
            taken: now,
            ..Self::default()
        }
    }

    pub fn read(&mut self, now: u64, n: usize) {
        self.read += n as u64;
        if self.ended.is_some() {
            return; // It is dropped.
        }
        self.heard = now;
        self.unfinished.get_or_insert(now);
        self.last_read = n as u64;
        self.since += n as u64;
    }

    /// The server holds nothing of a message.
    pub fn idle(&mut self) {
        self.unfinished = None;
    }

    pub fn taken(&mut self, now: u64) {
        self.taken = now;
    }

    /// The server has received an event. Returns whether a message is complete.
    pub fn received(
        &mut self,
        plan: &Plan,
        content: &Content,
        event: &Event<'_>,
    ) -> Result<bool, String> {
        let Some((kind, bytes, last)) = piece(event) else {
            return Ok(false);
        };
        if last {
            // More may follow in the same read.
            (self.message, self.unfinished, self.since) = (self.heard, None, self.last_read);
        }
        let Role::Honest(_) = plan.role else {
            self.received += u32::from(last);
            return Ok(last);
        };
        if self.received >= self.sent {
            return Err(format!(
                "the server received message {}, which was not sent",
                self.received
            ));
        }
        let message = content.message(plan.id, self.received);
        if kind != message.kind || !content.matches(&message, self.received_at, bytes) {
            return Err(format!(
                "the server received a wrong message {}",
                self.received
            ));
        }
        self.received_at += bytes.len();
        if last {
            if self.received_at != message.len {
                return Err(format!(
                    "the server received a part of message {}",
                    self.received
                ));
            }
            (self.received, self.received_at) = (self.received + 1, 0);
            self.messages += 1;
        }
        Ok(last)
    }

    /// The server has sent a message.
    pub fn sent(&mut self, plan: &Plan, what: Sent) {
        if let Role::Honest(_) = plan.role {
            self.expected.push_back(match what {
                Sent::Echo => (plan.id, self.received - 1),
                Sent::Broadcast(number) => (BROADCAST, number),
            });
        }
    }

    /// An honest peer has received an event.
    pub fn peer_received(&mut self, content: &Content, event: &Event<'_>) -> Result<bool, String> {
        let Some((kind, bytes, last)) = piece(event) else {
            return Ok(false);
        };
        // A message in parts is expected once the server has received all of it.
        let next = match self.expected.front() {
            Some(next) => *next,
            None => return Err("the peer received a message that the server did not send".into()),
        };
        let message = content.message(next.0, next.1);
        if kind != message.kind || !content.matches(&message, self.expected_at, bytes) {
            let which = if next.0 == BROADCAST {
                "broadcast"
            } else {
                "answer"
            };
            return Err(format!(
                "the peer received something else than {which} {}",
                next.1
            ));
        }
        self.expected_at += bytes.len();
        if last {
            if self.expected_at != message.len {
                return Err(format!("the peer received a part of message {}", next.1));
            }
            self.expected_at = 0;
            self.expected.pop_front();
            self.messages += 1;
        }
        Ok(last)
    }

    pub fn ended(&mut self, now: u64, how: Ended) -> Result<(), String> {
        if let Some((_, before)) = self.ended {
            return Err(format!("it ended twice: {before:?}, {how:?}"));
        }
        self.ended = Some((now, how));
        Ok(())
    }

    pub fn closing(&mut self, now: u64) {
        self.closing.get_or_insert(now);
    }

    /// Everything is over. `failed` is whether the network has failed.
    pub fn verify(&self, plan: &Plan, failed: bool) -> Result<(), String> {
        let (at, how) = self.ended.ok_or("the server did not end it")?;
        let peer = self.peer.ok_or("the peer did not end")?;
        self.in_time(plan, at, how)?;
        let expected = match &plan.role {
            Role::Attack(attack) => (attack.ends)(&how),
            Role::Honest(honest) => self.honest_end(honest.end, how, failed),
        };
        if !expected {
            return Err(format!(
                "it ended with {how:?} (peer: {peer:?}), which its plan does not allow"
            ));
        }
        match &plan.role {
            Role::Attack(_) => told(how, peer),
            Role::Honest(_) if failed => Ok(()),
            Role::Honest(honest) => {
                // The network has not failed, so nothing may be lost.
                let clean = matches!(how, Ended::Closed(_)) == (peer == PeerEnd::Closed);
                if !clean && honest.end != End::Fin {
                    return Err(format!(
                        "one side has closed, the other has not: {how:?}, {peer:?}"
                    ));
                }
                if self.received != self.sent {
                    return Err(format!(
                        "{} of {} messages arrived",
                        self.received, self.sent
                    ));
                }
                match self.expected.len() {
                    0 => Ok(()),
                    n => Err(format!("{n} messages of the server did not arrive")),
                }
            }
        }
    }

    fn honest_end(&self, end: End, how: Ended, failed: bool) -> bool {
        use ProtocolError::{CloseTimeout, EndOfStream, MessageTimeout, PongTimeout};
        let closed = |code| how == Ended::Closed([Some(code), Some(code)]);
        match end {
            End::Fin => how == Ended::Failed(EndOfStream),
            End::Reset => failed && how == Ended::Failed(EndOfStream),
            End::Silent | End::Cut { silent: true, .. } if failed => matches!(
                how,
                Ended::Failed(PongTimeout | MessageTimeout | CloseTimeout)
                    | Ended::Refused(RequestError::Timeout)
            ),
            End::Cut { silent: false, .. } if failed => matches!(
                how,
                Ended::Failed(EndOfStream) | Ended::Refused(RequestError::EndOfStream)
            ),
            End::ServerCloses if self.sent > 0 => closed(1001),
            _ => closed(1000),
        }
    }

    /// The time limits of `Config`, from what the network has done.
    fn in_time(&self, plan: &Plan, at: u64, how: Ended) -> Result<(), String> {
        let config = config::config(plan.door);
        let ms = |duration: core::time::Duration| duration.as_millis() as u64;
        let ping = ms(config.ping_interval.unwrap_or_default());
        let pong = ms(config.pong_timeout);
        let limits = |from: u64, to: u64| match (from..=to).contains(&at) {
            true => Ok(()),
            false => Err(format!(
                "it ended with {how:?} at {at} ms, which should be from {from} to {to} ms"
            )),
        };
        // No byte since a ping, and none taken for as long.
        let progress = self.heard.max(self.taken);
        match how {
            Ended::Refused(RequestError::Timeout) => {
                let due = self.accepted + ms(config.handshake_timeout);
                limits(due, due)?;
            }
            Ended::Failed(ProtocolError::PongTimeout) => {
                limits(self.heard + pong, progress + ping.max(pong) + pong)?;
            }
            Ended::Failed(ProtocolError::CloseTimeout) => {
                let due = self.closing.unwrap_or(0) + ms(config.close_timeout);
                limits(due, due)?;
            }
            Ended::Failed(ProtocolError::MessageTimeout) => {
                let (since, until) = (self.message, self.unfinished.unwrap_or(self.message));
                let timeout = ms(config.message_timeout.unwrap_or_default());
                let earned = 1 + 1000 * self.since / u64::from(config.min_message_rate);
                limits(since + timeout, until + timeout + earned)?;
            }
            _ => limits(0, progress + ping.max(pong) + pong)?,
        }
        match self.closed {
            Some(closed) if closed <= at + LINGER => Ok(()),
            Some(closed) => Err(format!("it ended at {at} ms and was closed at {closed} ms")),
            None => Err("the server did not close it".into()),
        }
    }
}

/// A peer that reads to the end is told why the connection has ended (RFC 6455 §7.1.7).
fn told(how: Ended, peer: PeerEnd) -> Result<(), String> {
    let PeerEnd::Read { status, close } = peer else {
        return Ok(());
    };
    let expected = match how {
        Ended::Refused(error) => (refusal(error), None),
        Ended::Failed(error) => (101, close_code(error)),
        Ended::Closed([sent, _]) => (101, sent),
    };
    // After a Close frame of its own the server sends no other (§5.5.1).
    let silent = matches!(how, Ended::Failed(error) if close_code(error).is_none());
    match (status, close) == expected || status == 101 && silent {
        true => Ok(()),
        false => Err(format!(
            "it ended with {how:?}, but the peer read {status}, {close:?}"
        )),
    }
}

/// The close code for an error (RFC 6455 §7.4.1).
fn close_code(error: ProtocolError) -> Option<u16> {
    use ProtocolError::*;
    match error {
        InvalidUtf8 | InvalidDeflate => Some(1007),
        MessageTimeout => Some(1008),
        FrameTooBig | MessageTooBig | TooManyFragments | TooManyFinalBlocks => Some(1009),
        PongTimeout => Some(1011),
        CloseTimeout | EndOfStream => None,
        _ => Some(1002),
    }
}

/// The status of a response that refuses; 0 if there is none.
fn refusal(error: RequestError) -> u16 {
    match error {
        RequestError::EndOfStream => 0,
        RequestError::OriginNotAllowed => 403,
        RequestError::Timeout => 408,
        RequestError::Body => 413,
        RequestError::Upgrade | RequestError::Version => 426,
        RequestError::Method => 405,
        RequestError::HttpVersion => 505,
        RequestError::Http(_) => error.status().unwrap_or(0),
        _ => 400,
    }
}

/// The kind and the bytes of a message or a part of one, and whether it is the end.
fn piece<'a>(event: &Event<'a>) -> Option<(MessageKind, &'a [u8], bool)> {
    use MessageKind::{Binary, Text};
    let (kind, last) = match event {
        Event::Text(_) | Event::TextEnd(_) => (Text, true),
        Event::Binary(_) | Event::BinaryEnd(_) => (Binary, true),
        Event::TextPart(_) => (Text, false),
        Event::BinaryPart(_) => (Binary, false),
        _ => return None,
    };
    Some((kind, event.payload(), last))
}

/// The bound of the output that a peer causes without a message: for each ping a pong, which is
/// shorter, one Close frame, and one response.
pub fn most_answered(read: u64) -> u64 {
    read + 127 + 1024
}
