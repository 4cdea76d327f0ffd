//! The chat on one connection: what a client says, and what it does with what it hears.
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use examples::Failure;
use tokio::time::{Instant, sleep};
use websocket_proto::{Connection, ReadyState, SendError};

use super::Protocol;
use super::client::Shared;
use super::line::Line;
use super::open::Opening;
use super::wire::{Chat, Incoming};

/// What outlives a connection of a client.
pub struct Memory {
    pub index: usize,
    /// Number of the last message.
    sequence: u32,
    /// When the last message was sent first, unless it is acknowledged.
    pending: Option<u64>,
    /// When the connection was lost, until the client has joined again.
    lost: Option<Instant>,
}

impl Memory {
    pub fn new(index: usize) -> Self {
        Self {
            index,
            sequence: 0,
            pending: None,
            lost: None,
        }
    }
}

/// Why a server can refuse a request for now. It is sent again after a while.
const FOR_NOW: [&str; 3] = ["rate_limited", "engine_away", "busy"];
const AGAIN: Duration = Duration::from_millis(500);

pub struct Session<'a> {
    pub shared: &'a Rc<Shared>,
    pub me: &'a mut Memory,
    /// Until the client has joined.
    opening: Option<Opening<'a>>,
}

impl<'a> Session<'a> {
    pub fn new(shared: &'a Rc<Shared>, me: &'a mut Memory, opening: Opening<'a>) -> Self {
        let opening = Some(opening);
        Self {
            shared,
            me,
            opening,
        }
    }

    fn protocol(&self) -> Protocol {
        self.shared.options.protocol
    }

    fn room(&self) -> &'a str {
        let shared = self.shared;
        &shared.rooms[self.me.index % shared.rooms.len()]
    }

    /// Sends what is due: a message that was refused, or a new one.
    pub fn say(&mut self, ws: &mut Connection, out: &mut BytesMut) -> Result<(), SendError> {
        if ws.state() != ReadyState::Open {
            return Ok(()); // on the next connection
        }
        let control = &self.shared.controls[self.me.index];
        let again = control.again.take();
        if !self.is_joined() {
            return if again { self.join(ws, out) } else { Ok(()) };
        }
        if self.me.pending.is_some() {
            return if again { self.send(ws, out) } else { Ok(()) };
        }
        if !control.due.take() {
            return Ok(());
        }
        self.me.sequence += 1;
        self.me.pending = Some(self.shared.micros());
        self.shared.ledger.borrow_mut().said();
        self.send(ws, out)
    }

    fn join(&self, ws: &mut Connection, out: &mut BytesMut) -> Result<(), SendError> {
        let since = self.shared.ledger.borrow().position(self.me.index);
        ws.send_text(&self.protocol().join(self.room(), since), out)
    }

    /// Sends the pending message, if there is one. Its text and id are the same each time.
    fn send(&self, ws: &mut Connection, out: &mut BytesMut) -> Result<(), SendError> {
        let Some(sent) = self.me.pending else {
            return Ok(());
        };
        let (sender, sequence) = (self.me.index as u32, self.me.sequence);
        let line = Line {
            sender,
            sequence,
            sent,
        };
        let text = line.write(self.shared.options.size as usize);
        let (room, id) = (self.room(), id(sequence));
        let say = self.protocol().say(room, &id, sequence, &text);
        ws.send_text(&say, out)
    }

    /// Takes a message of the server.
    pub fn hear(
        &mut self,
        text: &str,
        ws: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        match self.protocol().parse(text) {
            Some(Incoming::Chat(chat)) => self.chat(&chat, ws, out),
            Some(Incoming::Open) => {
                let token = self.opening.as_ref().map_or("", |opening| &opening.token);
                Ok(ws.send_text(&Protocol::authorize(token), out)?)
            }
            Some(Incoming::Ping) => Ok(ws.send_text(Protocol::PONG, out)?),
            Some(Incoming::Refused(reason)) => Err(format!("refused: {reason}").into()),
            Some(Incoming::Other) => Ok(()),
            None => Err(format!("not understood: {text:.100}").into()),
        }
    }

    fn chat(
        &mut self,
        chat: &Chat<'_>,
        ws: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), Failure> {
        let index = self.me.index;
        let (ledger, stats) = (&self.shared.ledger, &self.shared.stats);
        let at = || {
            let at = chat.position();
            at.ok_or_else(|| format!("no epoch in {chat:?}"))
        };
        match &*chat.kind {
            "message" => {
                let line = Line::parse(&chat.text).filter(|_| chat.room == self.room());
                ledger.borrow_mut().message(index, at()?, line);
                if let Some(line) = line {
                    stats.borrow_mut().delivered(self.micros_since(line.sent));
                }
            }
            // A message that was sent again is acknowledged again.
            "ack" if chat.id == id(self.me.sequence) => {
                if let Some(sent) = self.me.pending.take() {
                    let sequence = self.me.sequence;
                    ledger.borrow_mut().acked(index, sequence, at()?);
                    stats.borrow_mut().acked(self.micros_since(sent));
                }
                self.say(ws, out)?;
            }
            "hello" => self.join(ws, out)?,
            "joined" => {
                ledger.borrow_mut().joined(index, at()?, chat.recovered);
                self.joined(chat.recovered);
                self.send(ws, out)?;
            }
            "reset" => {
                ledger.borrow_mut().reset(index, at()?);
                stats.borrow_mut().resets += 1;
            }
            "error" => {
                let error = format!("{}: {}", chat.code, chat.reason);
                stats.borrow_mut().error(error);
                if FOR_NOW.contains(&&*chat.code) {
                    self.again();
                }
            }
            _ => {} // typing, presence and the state of the engine
        }
        Ok(())
    }

    fn micros_since(&self, micros: u64) -> u64 {
        self.shared.micros().saturating_sub(micros)
    }

    /// Repeats after a while what the server has refused.
    fn again(&self) {
        let (shared, index) = (Rc::clone(self.shared), self.me.index);
        tokio::task::spawn_local(async move {
            sleep(AGAIN).await;
            shared.controls[index].again.set(true);
            shared.controls[index].wake.notify_one();
        });
    }

    pub fn is_joined(&self) -> bool {
        self.opening.is_none()
    }

    pub fn ended(&mut self) {
        if self.is_joined() {
            self.me.lost = Some(Instant::now());
        }
        self.shared.set_joined(self.me.index, false);
    }

    fn joined(&mut self, recovered: bool) {
        let mut stats = self.shared.stats.borrow_mut();
        match self.me.lost.take() {
            Some(lost) => stats.resumed(lost.elapsed(), recovered),
            None => {
                let start = self.opening.as_ref().map(|opening| opening.start);
                stats.connected(start.map_or(Duration::ZERO, |start| start.elapsed()));
            }
        }
        self.opening = None;
        self.shared.set_joined(self.me.index, true);
    }
}

/// The id of a message: unique for the user.
fn id(sequence: u32) -> String {
    format!("m{sequence}")
}
