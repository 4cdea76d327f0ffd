//! What arrives: each event is compared with what the peer has written.

use std::mem;

use websocket_proto::ProtocolError;

use super::{Arrived, Checked, Control, Endpoint, Failure, Heard, Unfinished, Written};
use crate::{
    frames::{self, Frame},
    ledger::{Event, Ledger, Property},
    system::Seen,
};

impl Endpoint {
    /// Bytes arrive in one read. The second one of each pair is without its mask.
    pub fn arrive(&mut self, bytes: &[(u8, u8)]) {
        let raw: Vec<_> = bytes.iter().map(|(raw, _)| *raw).collect();
        self.input.extend_from_slice(&raw);
        self.since_idle
            .push(u8::try_from(bytes.len()).expect("a short read"));
        self.since_idle.extend(bytes.iter().map(|(_, plain)| plain));
        self.read.arrived = true;
        for (raw, _) in bytes {
            let frame = self.arrived.stream.push(*raw);
            let frame = frame.expect("it was checked when it was written").1;
            let is_data = |frame: &Frame| frame.opcode < 8 && frame.fin;
            self.arrived.messages += usize::from(frame.as_ref().is_some_and(is_data));
            let opcode = frame.as_ref().map(|frame| frame.opcode);
            self.arrived.frames.extend(frame);
            self.arrived.pings += usize::from(opcode == Some(frames::PING));
            self.arrived.close |= opcode == Some(frames::CLOSE);
        }
    }

    pub fn end_of_stream(&mut self, ledger: &mut Ledger) {
        self.before = self.row();
        self.visit(Event::End, ledger);
        self.system.end_of_stream();
        self.read.told_end = true;
        if self.halves() {
            self.next_note.end = true;
        } else {
            self.ended = true;
        }
        let side = self.side;
        ledger.tell(|| format!("{} reads the end of the stream", side.name()));
    }

    /// Takes an event. Returns whether there was one.
    pub fn receive(&mut self, peer: &Written, ledger: &mut Ledger) -> Checked<bool> {
        self.before = self.row();
        let closed = self.claimed.is_some();
        let notes = self.system.notes();
        let result = self.system.receive(&mut self.input, &mut self.out);
        if self.input.is_idle() {
            // As a new one: what happened before has no effect any more.
            self.input.release();
            self.since_idle.clear();
        } else {
            self.since_idle.push(0);
        }
        let side = self.side.name();
        if result != Ok(None) && !self.read.over {
            ledger.tell(|| match &result {
                Ok(Some(Seen::Close(said))) => format!("{side} reads {}", frames::show(said)),
                Ok(seen) => format!("{side} reads {seen:?}"),
                Err(error) => format!("{side} fails: {error}"),
            });
        }
        let appended = self.appended(ledger)?;
        let mut heard = mem::take(&mut self.next_note);
        heard.bytes |= mem::take(&mut self.read.arrived);
        let more = if self.read.over {
            let error = if self.halves() {
                self.read.error
            } else {
                self.error
            };
            let expected = error.map_or(Ok(None), |error| Err(error.0));
            ledger.check(Property::AfterEnd, result == expected, || {
                format!("{side} gets {result:?} after the end, and not {expected:?}")
            })?;
            false
        } else {
            let seen = self.arrived.look();
            let more = self.result(result, peer, &mut heard, ledger)?;
            let number = self.read.messages;
            heard.unfinished = seen.map(|bytes| Unfinished { number, bytes });
            more
        };
        if !self.halves() {
            self.answer(heard, closed, &appended, ledger)?;
        } else {
            let is_news =
                heard.bytes || heard.control.is_some() || heard.end || heard.failure.is_some();
            let noted = self.system.notes() > notes;
            ledger.check(Property::Answers, noted || !is_news, || {
                format!("{side}: the reader has no notes about {heard:?}")
            })?;
            if noted {
                self.notes.push_back(heard);
            }
        }
        Ok(more)
    }

    /// There is no event before more bytes arrive.
    fn nothing_is_withheld(&self, ledger: &mut Ledger) -> Checked {
        let Arrived {
            messages,
            pings,
            close,
            ..
        } = self.arrived;
        let all = (self.read.messages, self.read.pings) == (messages, pings) && !close;
        ledger.check(Property::Messages, all, || {
            let (side, read) = (self.side.name(), &self.read);
            format!(
                "{side} has read {} of {messages} messages and {} of {pings} pings that have \
                 arrived; a Close frame: {close}",
                read.messages, read.pings
            )
        })
    }

    fn result(
        &mut self,
        result: Result<Option<Seen>, ProtocolError>,
        peer: &Written,
        heard: &mut Heard,
        ledger: &mut Ledger,
    ) -> Checked<bool> {
        let side = self.side.name();
        match result {
            Ok(Some(seen)) => {
                self.event(seen, peer, heard, ledger)?;
                return Ok(true);
            }
            Ok(None) => {
                self.nothing_is_withheld(ledger)?;
                ledger.check(Property::Causes, !self.read.told_end, || {
                    format!("{side}: the end of the stream is no error, and no Close frame arrived")
                })?;
            }
            Err(error) => {
                let cause = match error {
                    ProtocolError::EndOfStream => {
                        self.nothing_is_withheld(ledger)?;
                        self.read.told_end
                    }
                    ProtocolError::InvalidUtf8 => {
                        self.visit(Event::Bad, ledger);
                        peer.bad
                    }
                    _ => false,
                };
                ledger.check(Property::Causes, cause, || {
                    format!("{side} fails without a cause: {error}")
                })?;
                heard.failure = Some(Failure(error));
                self.read.error = Some(Failure(error));
                self.read.over = true;
            }
        }
        Ok(false)
    }

    fn event(
        &mut self,
        seen: Seen,
        peer: &Written,
        heard: &mut Heard,
        ledger: &mut Ledger,
    ) -> Checked {
        let side = self.side.name();
        self.visit(
            match seen {
                Seen::Message(..) | Seen::Part(..) | Seen::End(..) => Event::Message,
                Seen::Ping(_) => Event::Ping,
                Seen::Pong(_) => Event::Pong,
                Seen::Close(_) => Event::Close,
            },
            ledger,
        );
        let read = &mut self.read;
        let under_way = peer.open.as_ref();
        let next = peer.messages.get(read.messages).or(under_way);
        match seen {
            Seen::Message(text, bytes) => {
                read.messages += 1;
                let next = peer.messages.get(read.messages - 1);
                let message = Some(&(text, bytes));
                ledger.check(Property::Messages, message == next, || {
                    format!("{side} reads {message:?}, and not {next:?}")
                })
            }
            Seen::Part(text, bytes) => {
                read.parts.extend(bytes);
                let fits = next.is_some_and(|it| it.0 == text && it.1.starts_with(&read.parts));
                ledger.check(Property::Messages, fits, || {
                    format!("{side} reads the parts {:?} of {next:?}", read.parts)
                })
            }
            Seen::End(text, bytes) => {
                read.parts.extend(bytes);
                let message = Some((text, mem::take(&mut read.parts)));
                let fits = peer.messages.get(read.messages) == message.as_ref();
                read.messages += 1;
                ledger.check(Property::Messages, fits, || {
                    format!("{side} reads {message:?} in parts, and not {next:?}")
                })
            }
            Seen::Ping(payload) => {
                let fits = peer.pings.get(read.pings) == Some(&payload);
                read.pings += 1;
                heard.control = Some(Control::Ping(payload));
                ledger.check(Property::Messages, fits, || {
                    format!("{side} reads a ping that was not sent, or twice, or too late")
                })
            }
            Seen::Pong(payload) => {
                let waiting = self.written.pings[read.pongs..].iter();
                let at = waiting.into_iter().position(|ping| *ping == payload);
                read.pongs += at.map_or(0, |at| at + 1);
                ledger.check(Property::Answers, at.is_some(), || {
                    format!("{side} reads a pong that answers no ping")
                })
            }
            Seen::Close(said) => {
                read.over = true;
                ledger.check(Property::Codes, peer.close.as_ref() == Some(&said), || {
                    format!("{side} reads {said:?}, but {:?} was sent", peer.close)
                })?;
                let all = (read.messages, read.pings) == (peer.messages.len(), peer.pings.len());
                ledger.check(Property::Messages, all, || {
                    format!(
                        "{side} reads a Close frame before {:?} and {:?}",
                        peer.messages, peer.pings
                    )
                })?;
                heard.control = Some(Control::Close(said));
                Ok(())
            }
        }
    }
}
