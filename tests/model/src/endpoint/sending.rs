//! The sending half: answers, messages of the application, timers, and what it says of itself.

use std::{mem, time::Duration};

use websocket_proto::{ProtocolError, ReadyState, SendError};

use super::{CLOSE_TIMEOUT, Checked, Control, Endpoint, Failure, Heard, PING_INTERVAL, Unfinished};
use crate::{
    action::Side,
    frames::{self, Frame},
    ledger::{Event, Ledger, Property},
    system::Ask,
};

impl Endpoint {
    pub fn hear(&mut self, ledger: &mut Ledger) -> Checked {
        let closed = self.claimed.is_some();
        self.system.hear(&mut self.out);
        let appended = self.appended(ledger)?;
        match self.notes.pop_front() {
            Some(heard) => self.answer(heard, closed, &appended, ledger),
            None => Ok(()),
        }
    }

    pub fn merge(&mut self) {
        self.system.merge();
        if let Some(newer) = self.notes.remove(1)
            && let Some(older) = self.notes.front_mut()
        {
            older.bytes |= newer.bytes;
            older.end |= newer.end;
            older.control = newer.control.or(older.control.take());
            older.failure = older.failure.or(newer.failure);
            older.unfinished = newer.unfinished;
        }
    }

    /// The sending half has heard this, and has appended these frames. `closed` tells whether it had
    /// sent a Close frame before.
    pub(super) fn answer(
        &mut self,
        heard: Heard,
        mut closed: bool,
        appended: &[Frame],
        ledger: &mut Ledger,
    ) -> Checked {
        let mut expected = Vec::new();
        match heard.control {
            Some(Control::Ping(payload)) if !closed => expected.push(Frame::pong(&payload)),
            Some(Control::Close(said)) => {
                if !mem::replace(&mut closed, true) {
                    expected.push(Frame::close(said.0));
                }
                self.received = Some(said);
            }
            _ => {}
        }
        if let Some(Failure(error)) = heard.failure
            && let Some(code) = error.close_code()
            && !closed
        {
            let mut close = Frame::close(Some(code.into()));
            close.payload.extend(error.to_string().bytes());
            expected.push(close);
        }
        self.ended |= heard.end;
        self.error = self.error.or(heard.failure);
        if self.error.is_some() && !self.halves() {
            self.read.over = true;
        }
        if heard.bytes {
            self.unanswered = None;
        }
        let number = |it: Option<Unfinished>| it.map(|it| it.number);
        if number(heard.unfinished) != number(self.unfinished) {
            self.unfinished_since = None;
        }
        self.unfinished = heard.unfinished;
        let side = self.side.name();
        ledger.check(Property::Answers, appended == expected, || {
            format!("{side} writes {appended:?}, and not {expected:?}")
        })
    }

    pub fn ask(&mut self, ask: Ask<'_>, ledger: &mut Ledger) -> Checked {
        let is_close = matches!(ask, Ask::Close(..));
        self.before = self.row();
        self.visit(
            if is_close {
                Event::Closes
            } else {
                Event::Sends
            },
            ledger,
        );
        let under_way = self.written.open.is_some();
        let expected = match ask {
            Ask::Close(..) => Ok(()),
            _ if !self.is_open() => Err(SendError::NotOpen),
            Ask::Text(_) | Ask::Begin(_) if under_way => Err(SendError::MessageInProgress),
            Ask::Finish(_) if !under_way => Err(SendError::NoMessage),
            _ => Ok(()),
        };
        let writes = expected.is_ok() && self.is_open();
        let mut message = self.written.open.clone().unwrap_or_default();
        let result = self.system.send(ask, &mut self.out);
        let appended = self.appended(ledger)?;
        let written = match ask {
            _ if !writes => appended.is_empty(),
            Ask::Text(text) => self.written.messages.last() == Some(&(true, text.into())),
            Ask::Begin(piece) => self.written.open == Some((false, piece.into())),
            Ask::Finish(piece) => {
                message.1.extend_from_slice(piece);
                self.written.messages.last() == Some(&message)
            }
            Ask::Ping(payload) => {
                matches!(&appended[..], [ping] if ping.opcode == frames::PING && ping.payload == payload)
            }
            Ask::Close(code, reason) => {
                self.claimed == Some((Some(code), reason.into())) && appended.len() == 1
            }
        };
        let side = self.side.name();
        ledger.check(Property::Sends, result == expected && written, || {
            format!(
                "{side}: {ask:?} returns {result:?}, and not {expected:?}; it writes {appended:?}"
            )
        })
    }

    /// Turns the Close frame that was just written into one without a code, as other
    /// implementations send it.
    pub fn empty_close(&mut self) {
        let mask = if self.side == Side::Client { 4 } else { 0 };
        let end = self.out.len() - 2;
        self.out.truncate(end);
        self.out[end - mask - 1] -= 2;
        if let Some(close) = self.queued.last_mut() {
            close.payload.clear();
        }
        self.written.close = Some((None, String::new()));
    }

    /// Turns the text "?" that was just written into one that is not UTF-8.
    pub fn bad_text(&mut self) {
        if let Some(byte) = self.out.last_mut() {
            *byte ^= b'?' ^ 0xFF;
        }
        if let Some(text) = self.queued.last_mut() {
            text.payload = vec![0xFF];
        }
        self.written.messages.pop();
        self.written.bad = true;
    }

    /// Does what is due, and asks for the next deadline.
    pub fn wake(&mut self, now: Duration, ledger: &mut Ledger) -> Checked {
        let side = self.side.name();
        let state = self.expected_state();
        self.before = self.row();
        if state == ReadyState::Closing {
            self.closing_since.get_or_insert(now);
        }
        let has_closed = self
            .closing_since
            .is_some_and(|since| now >= since + CLOSE_TIMEOUT);
        if self.unfinished.is_some() {
            self.unfinished_since.get_or_insert(now);
        }
        let ahead = self.out.len();
        let result = self.system.handle_timeout(now, &mut self.out);
        let appended = self.appended(ledger)?;
        match (self.error, result) {
            (Some(error), _) => {
                let repeats = result == Err(error.0) && appended.is_empty();
                ledger.check(Property::Stable, repeats, || {
                    format!("{side}: {error:?} became {result:?}, with {appended:?}")
                })?;
            }
            (None, Ok(())) => {
                if state == ReadyState::Closing && self.is_clean() && has_closed {
                    self.visit(Event::CloseDue, ledger);
                    self.gave_up = true;
                }
                if let [ping] = &appended[..]
                    && ping.opcode == frames::PING
                {
                    self.visit(Event::PingDue, ledger);
                    let is_due = state == ReadyState::Open
                        && self.unanswered.is_none()
                        && now >= self.pinged + PING_INTERVAL;
                    (self.unanswered, self.pinged, self.ahead) = (Some(now), now, ahead);
                    ledger.check(Property::Timers, is_due, || {
                        format!("{side} pings too early")
                    })?;
                } else {
                    ledger.check(Property::Answers, appended.is_empty(), || {
                        format!("{side} writes {appended:?}, and nothing was due")
                    })?;
                }
            }
            (None, Err(error)) => {
                ledger.tell(|| format!("{side} fails: {error}"));
                let (event, since, code) = match error {
                    ProtocolError::PongTimeout => {
                        let silent = self
                            .unanswered
                            .is_some_and(|since| now >= since + self.pong_timeout);
                        let open = state == ReadyState::Open;
                        (Event::PongDue, silent && open, Some(1011))
                    }
                    ProtocolError::MessageTimeout => {
                        let late = self.message_due().is_some_and(|due| now >= due);
                        let open = state == ReadyState::Open;
                        (Event::MessageDue, late && open, Some(1008))
                    }
                    ProtocolError::CloseTimeout => {
                        let waits = state == ReadyState::Closing && !self.is_clean();
                        (Event::CloseDue, waits && has_closed, None)
                    }
                    _ => (Event::Bad, false, None),
                };
                self.visit(event, ledger);
                ledger.check(Property::Timers, since, || {
                    format!("{side} fails too early, or without a cause: {error}")
                })?;
                let close = code.map(|code| (Some(code), error.to_string()));
                let written = match &appended[..] {
                    [] => None,
                    [close] => close.said().ok(),
                    _ => Some((None, "two frames".into())),
                };
                ledger.check(Property::Answers, written == close, || {
                    format!("{side} writes {appended:?} about {error}")
                })?;
                self.error = Some(Failure(error));
                self.read.over |= !self.halves();
            }
        }
        self.due = self.system.deadline(now);
        let due = self.due;
        let message_due = self.message_due();
        let earlier = |other| message_due.into_iter().chain([other]).min();
        let expected = match self.expected_state() {
            ReadyState::Closed => due.is_none(),
            ReadyState::Closing => due == self.closing_since.map(|since| since + CLOSE_TIMEOUT),
            ReadyState::Open => match self.unanswered {
                // A message under way that must be complete before that comes first.
                None => due == earlier(self.pinged + PING_INTERVAL),
                Some(_) => due.is_some() && due <= earlier(now + self.pong_timeout),
            },
        };
        let lies_ahead = due.is_none_or(|due| due > now);
        ledger.check(Property::Timers, expected && lies_ahead, || {
            format!("{side}: at {now:?} the next deadline is {due:?}")
        })
    }

    /// Compares what the connection says of itself with what the observer knows.
    pub fn look(&mut self, ledger: &mut Ledger) -> Checked {
        let side = self.side.name();
        let view = self.system.view();
        let error = self.error.map(|error| error.0);
        ledger.check(Property::Stable, view.error == error, || {
            format!(
                "{side} says that its error is {:?}, and not {error:?}",
                view.error
            )
        })?;
        let codes = view.sent == self.claimed && view.received == self.received;
        ledger.check(Property::Codes, codes, || {
            let (sent, received) = (&self.claimed, &self.received);
            format!("{side} says {view:?}, and not {sent:?} sent, {received:?} received")
        })?;
        let state = self.expected_state();
        ledger.check(Property::Table, view.state == state, || {
            format!("{side} says that it is {:?}, and not {state:?}", view.state)
        })
    }
}
