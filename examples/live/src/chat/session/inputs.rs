//! What a client asks for, and the answers.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::BytesMut;
use websocket_proto::Connection;

use super::{Done, Joined, RECENT, Said, Session, TooMany, max_lag, start};
use crate::broker::{BrokerError, Position};
use crate::chat::limits::Verdict;
use crate::chat::protocol::{Code, Input, Output, Refusal, Stored};
use crate::chat::room::{Entered, Room};
use crate::chat::token::millis;

impl Session {
    pub(super) fn input(
        &mut self,
        input: Result<&str, Refusal>,
        ws: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), TooMany> {
        self.app.metrics.received.inc();
        let input = input.and_then(Input::parse);
        let done = match self.inputs.take() {
            Verdict::Take => input.and_then(|input| self.begin(input, ws, out)),
            Verdict::Warn => {
                self.app.metrics.rate_limited.inc();
                let rate = self.app.options.rate;
                let reason = format!("not done: more than {rate} messages a second");
                Err(match input {
                    Ok(input) => input.refuse(Code::RateLimited, reason),
                    Err(refusal) => Refusal {
                        code: Code::RateLimited,
                        reason,
                        ..refusal
                    },
                })
            }
            Verdict::Close => return Err(TooMany),
        };
        if let Err(refusal) = done {
            self.send(&refusal.output(), ws, out);
        }
        Ok(())
    }

    /// Does an input, or starts what has to be waited for.
    fn begin(
        &mut self,
        input: Input,
        ws: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        match &input {
            Input::Join { room, since } => {
                let max = self.app.options.max_rooms;
                if self.at(room).is_some() {
                    let reason = "you are in this room already";
                    return Err(input.refuse(Code::AlreadyJoined, reason));
                }
                if self.joined.len() >= max {
                    let reason = format!("a connection can be in {max} rooms");
                    return Err(input.refuse(Code::TooManyRooms, reason));
                }
                if !self.app.chat.rooms.is_open(room) && !self.place.new_room() {
                    let reason = "too many new rooms";
                    return Err(input.refuse(Code::Busy, reason));
                }
                let since = since.map(Position::from);
                let (room, mailbox) = (room.clone(), Arc::clone(&self.mailbox));
                let rooms = Arc::clone(&self.app.chat.rooms);
                self.doing = Some(Box::pin(async move {
                    Box::new(match rooms.enter(&room, mailbox).await {
                        Ok(entered) => Done::Joined(entered, since),
                        Err(error) => Done::Refused(refused(&input, &error)),
                    })
                }));
            }
            Input::Leave { room } => {
                let at = self.find(&input)?;
                self.joined.remove(at);
                let room = room.into();
                self.send(&Output::Left { room }, ws, out);
            }
            Input::Say { id, text, .. } => {
                let room = self.room(&input)?;
                let user = self.place.user();
                let stored = Stored {
                    id: id.into(),
                    from: (&**user).into(),
                    text: text.into(),
                    at: millis(SystemTime::now()),
                };
                // An id has no colon, so no other user has the same key.
                let (key, payload) = (format!("{id}:{user}"), stored.json());
                let (id, broker) = (id.clone(), Arc::clone(&self.app.broker));
                let begun = Instant::now();
                self.doing = Some(Box::pin(async move {
                    let published = broker.publish(&room.channel, &key, payload.into()).await;
                    Box::new(match published {
                        Ok(published) => Done::Said(Said {
                            room,
                            id,
                            published,
                            begun,
                        }),
                        Err(error) => Done::Refused(refused(&input, &error)),
                    })
                }));
            }
            Input::Typing { on, .. } => {
                let room = self.room(&input)?;
                let (user, on) = (self.place.user().to_string(), *on);
                self.doing = Some(Box::pin(async move {
                    Box::new(match room.typing(user, on).await {
                        Ok(()) => Done::Typed,
                        Err(error) => Done::Refused(refused(&input, &error)),
                    })
                }));
            }
        }
        Ok(())
    }

    /// Answers an input that is done.
    pub(super) fn done(&mut self, done: Done, ws: &mut Connection, out: &mut BytesMut) {
        match done {
            Done::Typed => {}
            Done::Refused(refusal) => self.send(&refusal.output(), ws, out),
            Done::Said(Said {
                room,
                id,
                published,
                begun,
            }) => {
                if !published.duplicate {
                    self.app.metrics.published.inc();
                    self.app
                        .metrics
                        .latency
                        .observe(begun.elapsed().as_secs_f64());
                }
                let ack = Output::Ack {
                    room: (&*room.name).into(),
                    id: id.into(),
                    epoch: published.position.epoch,
                    offset: published.position.offset,
                    duplicate: published.duplicate,
                };
                self.send(&ack, ws, out);
            }
            Done::Joined(
                Entered {
                    seat,
                    members,
                    count,
                },
                since,
            ) => {
                let history = self.app.broker.history(&seat.room.channel, since, RECENT);
                let recovered = since.filter(|_| !history.lost);
                let cursor = recovered.unwrap_or_else(|| start(&history));
                let joined = Output::Joined {
                    room: (&*seat.room.name).into(),
                    epoch: cursor.epoch,
                    offset: cursor.offset,
                    recovered: recovered.is_some(),
                    members: members.iter().map(|user| (&**user).into()).collect(),
                    count,
                };
                self.send(&joined, ws, out);
                self.joined.push_back(Joined {
                    seat,
                    cursor,
                    seen: None,
                    max_lag: max_lag(cursor, history.position, self.app.options.max_lag),
                });
            }
        }
    }

    /// The index of a room that the client must be in.
    fn find(&self, input: &Input) -> Result<usize, Refusal> {
        let at = self.at(input.room());
        at.ok_or_else(|| input.refuse(Code::NotJoined, "join the room first"))
    }

    fn room(&self, input: &Input) -> Result<Arc<Room>, Refusal> {
        let at = self.find(input)?;
        Ok(Arc::clone(&self.joined[at].seat.room))
    }

    fn at(&self, room: &str) -> Option<usize> {
        let mut joined = self.joined.iter();
        joined.position(|joined| *joined.seat.room.name == *room)
    }
}

fn refused(input: &Input, error: &BrokerError) -> Refusal {
    let code = match error {
        BrokerError::Away => Code::EngineAway,
        _ => Code::Busy,
    };
    input.refuse(code, error.to_string())
}
