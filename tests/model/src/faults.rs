//! Known bugs, put between the model and a real connection. Each is one that a WebSocket library or a
//! program that uses one could have, and the model must find each of them.

use std::{fmt, time::Duration};

use bytes::BytesMut;
use clap::ValueEnum;
use websocket_proto::{Config, ProtocolError, ReadyState, RecvBuf, SendError};

use crate::{
    action::Side,
    endpoint::{PING_INTERVAL, START},
    system::{Ask, Seen, System, View},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// The Close frame of an application stays unsent.
    CloseNotFlushed,
    /// A Close frame is answered twice.
    AnswerTwice,
    /// An application can send a text after its Close frame.
    TextAfterClose,
    /// The close timeout never fires.
    NoCloseTimeout,
    /// A note of a Close frame is lost.
    LostNote,
    /// Pings get no pong.
    NoPong,
    /// The keepalive is off.
    NoKeepalive,
    /// A message is delivered again after the next one.
    StaleMessage,
    /// The last byte of a frame is sent with the next frame.
    HalfFrame,
    /// An error is forgotten after it was returned once.
    ForgottenError,
    /// A server waits for the client to end the stream.
    ServerWaits,
    /// The code of the peer is answered by another one.
    WrongCode,
    /// Merging notes loses the older one.
    MergeLoses,
    /// A Close frame inside a message that is sent in pieces is not written.
    NoCloseInMessage,
    /// At the end of the stream, what was not taken is dropped.
    EndDropsInput,
    /// The keepalive pings again while an earlier ping waits for an answer.
    PingsAgain,
    /// A note of an error is lost.
    LostError,
    /// Halves that are joined forget their error.
    JoinForgets,
    /// Halves that are joined forget that a message is sent in pieces.
    JoinForgetsMessage,
    /// The code of the peer is forgotten.
    ForgetsCode,
    /// Each fragment has the opcode of the message.
    NoContinuation,
    /// A server answers a Close frame without a code by 1005.
    Echoes1005,
    /// A read that ends inside of a frame is taken for the end of the stream.
    PartIsEnd,
    /// A program does not tell the connection that the stream has ended.
    IgnoresEnd,
    /// A program does not end its stream after the connection is over.
    NoShutdown,
    /// A message may take for ever.
    NoMessageTimeout,
}

impl Fault {
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Bugs of the settings.
    pub fn misconfigure(self, config: &mut Config) {
        if self == Self::NoMessageTimeout {
            config.message_timeout = None;
        }
    }

    pub fn put_into(self, system: Box<dyn System>, side: Side) -> Box<dyn System> {
        Box::new(Faulty {
            system,
            side,
            fault: self,
            held: Vec::new(),
            stale: None,
            armed: false,
            pinged: START,
        })
    }
}

#[derive(Debug)]
struct Faulty {
    system: Box<dyn System>,
    side: Side,
    fault: Fault,
    /// Bytes of the output that are held back.
    held: Vec<u8>,
    stale: Option<Seen>,
    /// What the bug waits for has happened.
    armed: bool,
    /// When the last keepalive ping was written.
    pinged: Duration,
}

impl Faulty {
    /// Whether a Close frame is the last thing in `out` that was written after `before` bytes.
    fn wrote_close(&self, before: usize, out: &BytesMut) -> bool {
        out.get(before).is_some_and(|first| first & 15 == 8)
    }

    /// Spoils what was written after `before` bytes.
    fn spoil(&mut self, before: usize, out: &mut BytesMut) {
        match self.fault {
            Fault::AnswerTwice if self.wrote_close(before, out) => {
                let answer = out[before..].to_vec();
                out.extend_from_slice(&answer);
            }
            Fault::WrongCode if self.wrote_close(before, out) => {
                let code = out.len().saturating_sub(2);
                if out.len() - before >= 4 {
                    out[code + 1] ^= 1;
                }
            }
            Fault::Echoes1005 if out.get(before..) == Some(&[0x88, 0]) => {
                out.truncate(before);
                out.extend_from_slice(&[0x88, 2]);
                out.extend_from_slice(&1005_u16.to_be_bytes());
            }
            Fault::NoPong if out.get(before).is_some_and(|first| first & 15 == 10) => {
                out.truncate(before);
            }
            Fault::HalfFrame if out.len() > before => {
                let mut frame = out.split_off(before).to_vec();
                out.extend_from_slice(&self.held);
                self.held = frame.split_off(frame.len() - 1);
                out.extend_from_slice(&frame);
            }
            _ => {}
        }
    }
}

impl System for Faulty {
    fn receive(
        &mut self,
        input: &mut RecvBuf,
        out: &mut BytesMut,
    ) -> Result<Option<Seen>, ProtocolError> {
        if self.fault == Fault::ForgottenError && self.armed {
            input.clear();
            return Ok(None);
        }
        if self.fault == Fault::EndDropsInput && self.armed {
            input.clear();
        }
        let before = out.len();
        let result = self.system.receive(input, out);
        self.armed |= self.fault == Fault::ForgottenError && result.is_err();
        self.spoil(before, out);
        match (&result, self.fault) {
            (Ok(None), Fault::PartIsEnd) if !input.is_idle() => {
                return Err(ProtocolError::EndOfStream);
            }
            (Ok(Some(seen @ Seen::Message(..))), Fault::StaleMessage) => match self.stale.take() {
                Some(stale) => return Ok(Some(stale)),
                None => self.stale = Some(seen.clone()),
            },
            (Ok(Some(Seen::Close(_))), Fault::LostNote) => self.armed = true,
            (Err(_), Fault::LostError) => self.armed = true,
            _ => {}
        }
        result
    }

    fn end_of_stream(&mut self) {
        self.armed |= self.fault == Fault::EndDropsInput;
        self.system.end_of_stream();
    }

    fn send(&mut self, ask: Ask<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        if self.fault == Fault::JoinForgetsMessage && self.armed && matches!(ask, Ask::Finish(_)) {
            return Err(SendError::NoMessage);
        }
        let before = out.len();
        let result = self.system.send(ask, out);
        if self.fault == Fault::NoContinuation && matches!(ask, Ask::Finish(_)) && result.is_ok() {
            out[before] |= 2;
        }
        if self.fault == Fault::NoCloseInMessage {
            match ask {
                Ask::Begin(_) => self.armed = true,
                Ask::Finish(_) => self.armed = false,
                Ask::Close(..) if self.armed => out.truncate(before),
                _ => {}
            }
        }
        if self.fault == Fault::HalfFrame {
            self.spoil(before, out);
        }
        if let (Fault::TextAfterClose, Ask::Text(text), Err(SendError::NotOpen), Side::Server) =
            (self.fault, ask, result, self.side)
        {
            out.extend_from_slice(&[0x81, text.len() as u8]);
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        result
    }

    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let due = self.system.deadline(now);
        match self.fault {
            Fault::NoCloseTimeout if self.view().state == ReadyState::Closing => None,
            Fault::NoKeepalive if self.view().state == ReadyState::Open => None,
            Fault::PingsAgain if self.view().state == ReadyState::Open => {
                due.map(|due| due.min(self.pinged + PING_INTERVAL))
            }
            _ => due,
        }
    }

    fn handle_timeout(&mut self, now: Duration, out: &mut BytesMut) -> Result<(), ProtocolError> {
        let closing = self.view().state == ReadyState::Closing;
        match self.fault {
            Fault::NoCloseTimeout if closing => Ok(()),
            Fault::NoKeepalive if !closing => Ok(()),
            Fault::PingsAgain => {
                let before = out.len();
                let result = self.system.handle_timeout(now, out);
                let open = self.view().state == ReadyState::Open;
                if open && out.len() == before && now >= self.pinged + PING_INTERVAL {
                    self.system.send(Ask::Ping(b"again"), out).expect("open");
                }
                if out.len() > before {
                    self.pinged = now;
                }
                result
            }
            _ => self.system.handle_timeout(now, out),
        }
    }

    fn view(&self) -> View {
        let mut view = self.system.view();
        let clean = view.state == ReadyState::Closed && view.error.is_none();
        if self.fault == Fault::ServerWaits && self.side == Side::Server && clean {
            view.state = ReadyState::Closing;
        }
        if self.fault == Fault::JoinForgets && self.armed {
            view.error = None;
        }
        if self.fault == Fault::ForgetsCode {
            view.received = None;
        }
        view
    }

    fn notes(&self) -> usize {
        self.system.notes()
    }

    fn hear(&mut self, out: &mut BytesMut) {
        let before = out.len();
        let loses = matches!(self.fault, Fault::LostNote | Fault::LostError);
        if loses && self.armed && self.notes() == 1 {
            return self.system.lose();
        }
        self.system.hear(out);
        self.spoil(before, out);
    }

    fn merge(&mut self) {
        match self.fault {
            Fault::MergeLoses => self.system.lose(),
            _ => self.system.merge(),
        }
    }

    fn lose(&mut self) {
        self.system.lose();
    }

    fn join(&mut self) -> Result<(), String> {
        self.armed |= matches!(self.fault, Fault::JoinForgets | Fault::JoinForgetsMessage);
        self.system.join()
    }

    fn flushes(&self) -> bool {
        self.fault != Fault::CloseNotFlushed || self.view().sent.is_none()
    }

    fn hears_end(&self) -> bool {
        self.fault != Fault::IgnoresEnd
    }

    fn shuts_down(&self) -> bool {
        self.fault != Fault::NoShutdown
    }

    fn fingerprint(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        self.system.fingerprint(to)?;
        let Self {
            held,
            stale,
            armed,
            pinged,
            ..
        } = self;
        write!(to, "{held:?}{stale:?}{armed}{pinged:?}")
    }
}
