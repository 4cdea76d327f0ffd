//! One connection of the chat: one task.
//!
//! It keeps no queue of messages. It remembers how far the client is in each room, and takes what follows
//! from the broker as long as little output is unsent. So a client that reads slowly costs no more memory
//! than another one. It misses typing and presence first; if it is too far behind, it is closed, and can
//! resume.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use examples::adapters::tokio::Socket;
use governor::clock::DefaultClock;
use tokio::{select, task::yield_now};
use websocket_proto::deflate::Pool;
use websocket_proto::{CloseCode, Connection, Event, Prepared, ReadyState};

use super::limits::{Inputs, Place};
use super::or_pending;
use super::protocol::{Code, Limits, Output, Refusal, TEXT};
use super::room::{Entered, Mailbox, Room, Seat};
use crate::broker::{EngineState, History, Position, Published};
use crate::server::App;
use crate::server::log::millis;
use crate::server::metrics::CloseLabel;
use crate::server::upgrade::WebSocket;

mod inputs;

/// Unsent bytes above which nothing more is taken: neither messages for the client, nor its inputs.
const LIMIT: usize = 32 << 10;
/// Messages that a client gets of a room that it enters for the first time, or without its position.
const RECENT: usize = 50;
/// Messages that are taken from the broker at once.
const BATCH: usize = 32;

thread_local! {
    /// All connections of a thread share its codecs: each of them would otherwise keep 330 kB.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

/// See the module.
pub struct Session {
    app: App,
    place: Place,
    begun: Instant,
    mailbox: Arc<Mailbox>,
    inputs: Inputs,
    joined: VecDeque<Joined>,
    /// What the last input has started. Until it is done, no more input is taken.
    doing: Option<Doing>,
}

/// A room that the client is in.
struct Joined {
    seat: Seat,
    /// Of the last message that the client has, or that is in its output.
    cursor: Position,
    /// `Room::news` at which the client had everything.
    seen: Option<u64>,
    /// How far it may be behind.
    max_lag: u64,
}

/// How far a client may be behind that is sent what follows `cursor`, up to `end`: these messages do not
/// count, as it was not slow.
fn max_lag(cursor: Position, end: Position, max_lag: u64) -> u64 {
    max_lag.saturating_add(end.offset.saturating_sub(cursor.offset))
}

/// In a box, as few connections do something at a time, and the others need no room for it.
type Doing = Pin<Box<dyn Future<Output = Box<Done>> + Send>>;

enum Done {
    Joined(Entered, Option<Position>),
    Said(Said),
    Typed,
    Refused(Refusal),
}

struct Said {
    room: Arc<Room>,
    id: String,
    published: Published,
    begun: Instant,
}

/// The client has not read for so long that messages are lost for it, or will be.
struct TooSlow;

/// The client has ignored the warnings.
struct TooMany;

/// Why a turn begins.
enum Wake {
    Start,
    /// Something has happened at the socket or in a room.
    Look,
    Done(Box<Done>),
    Engine(EngineState),
    Stop,
}

/// What comes after a turn.
enum Next {
    Wait,
    /// The same again, after other tasks.
    Yield,
    /// The connection is over.
    Finish,
    Close(CloseCode, &'static str),
}

/// Runs a connection to its end.
///
/// It is no `async fn`: that would keep its arguments twice, as captured and as used.
pub fn run(mut socket: WebSocket, mut session: Session) -> impl Future<Output = ()> + Send {
    let mut stopping = session.app.stopping.clone();
    let mut engine = session.app.broker.state();
    async move {
        let mut wake = Wake::Start;
        let close = loop {
            let next = POOL.with_borrow_mut(|pool| {
                pool.lend(&mut socket.ws);
                let next = session.turn(wake, &mut socket);
                pool.reclaim(&mut socket.ws);
                next
            });
            wake = match next {
                Next::Finish => break None,
                Next::Close(code, reason) => break Some((code, reason)),
                Next::Yield => {
                    yield_now().await;
                    Wake::Look
                }
                Next::Wait => select! {
                    () = socket.wait() => Wake::Look,
                    () = session.mailbox.wake.notified() => Wake::Look,
                    done = or_pending(&mut session.doing) => Wake::Done(done),
                    Ok(()) = engine.changed() => Wake::Engine(*engine.borrow_and_update()),
                    _ = stopping.wait_for(|stop| *stop) => Wake::Stop,
                },
            };
        };
        session.leave();
        match close {
            // A peer that does not answer in time is gone. In a box, as it is not for long.
            Some((code, reason)) => _ = Box::pin(socket.close(code, reason)).await,
            None => socket.finish().await,
        }
        session.ended(&socket.ws);
    }
}

impl Session {
    /// `id` is another one for each connection of the node.
    pub fn new(app: App, place: Place, id: u64) -> Self {
        let options = &app.options;
        let user = Arc::clone(place.user());
        let inputs = Inputs::new(options.rate, options.burst, DefaultClock::default());
        app.metrics.connections.inc();
        Self {
            mailbox: Mailbox::new(id, user, app.metrics.dropped.clone()),
            app,
            place,
            begun: Instant::now(),
            inputs,
            joined: VecDeque::new(),
            doing: None,
        }
    }

    /// Does all that can be done without waiting.
    fn turn(&mut self, wake: Wake, socket: &mut WebSocket) -> Next {
        let Socket { ws, input, out, .. } = socket;
        match wake {
            Wake::Look => {}
            Wake::Start => self.hello(ws, out),
            Wake::Done(done) => {
                self.doing = None;
                self.done(*done, ws, out);
            }
            Wake::Engine(state) => {
                let state = state.into();
                self.send(&Output::Engine { state }, ws, out);
            }
            Wake::Stop => return Next::Close(CloseCode::GOING_AWAY, "the server stops"),
        }
        if let Err(TooSlow) = self.deliver(ws, out) {
            return Next::Close(CloseCode::TRY_AGAIN_LATER, "too slow: resume");
        }
        while self.doing.is_none() && out.len() <= LIMIT {
            let input = match ws.next_event(input, out) {
                Ok(Some(Event::Text(text))) => Ok(text),
                Ok(Some(Event::Binary(_))) => Err(Refusal::new(Code::Binary, "text messages only")),
                Ok(Some(Event::Progress)) => return Next::Yield,
                Ok(Some(_)) => continue, // pings are answered already
                Ok(None) | Err(_) => break,
            };
            if ws.state() == ReadyState::Open
                && let Err(TooMany) = self.input(input, ws, out)
            {
                return Next::Close(CloseCode::POLICY_VIOLATION, "too many messages");
            }
        }
        match ws.is_done() || ws.error().is_some() {
            true => Next::Finish,
            false => Next::Wait,
        }
    }

    fn hello(&self, ws: &mut Connection, out: &mut BytesMut) {
        let options = &self.app.options;
        let hello = Output::Hello {
            user: (&**self.place.user()).into(),
            node: self.app.node.as_str().into(),
            engine: (*self.app.broker.state().borrow()).into(),
            limits: Limits {
                text: TEXT,
                rooms: options.max_rooms,
                rate: options.rate,
                burst: options.burst,
            },
        };
        self.send(&hello, ws, out);
    }

    /// Sends what is new in the rooms, and signals.
    fn deliver(&mut self, ws: &mut Connection, out: &mut BytesMut) -> Result<(), TooSlow> {
        for at in 0..self.joined.len() {
            self.deliver_room(at, ws, out)?;
        }
        if out.len() > LIMIT {
            // The next one whose turn it is first, so that one busy room cannot hide the others.
            self.joined.rotate_left(self.joined.len().min(1));
            self.mailbox.drop_all();
        }
        while out.len() <= LIMIT
            && let Some(signal) = self.mailbox.pop()
        {
            self.send_prepared(&signal, ws, out);
        }
        Ok(())
    }

    fn deliver_room(
        &mut self,
        at: usize,
        ws: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), TooSlow> {
        let broker = Arc::clone(&self.app.broker);
        loop {
            let joined = &mut self.joined[at];
            let room = Arc::clone(&joined.seat.room);
            // Before the look at the history: what comes in between is looked for again.
            let news = room.news();
            if joined.seen == Some(news) {
                return Ok(());
            }
            let limit = if out.len() > LIMIT { 0 } else { BATCH };
            let history = broker.history(&room.channel, Some(joined.cursor), limit);
            if history.position.epoch != joined.cursor.epoch {
                let recent = broker.history(&room.channel, None, RECENT);
                joined.cursor = start(&recent);
                joined.max_lag = max_lag(joined.cursor, recent.position, self.app.options.max_lag);
                let reset = Output::Reset {
                    room: (&*room.name).into(),
                    epoch: joined.cursor.epoch,
                    offset: joined.cursor.offset,
                };
                self.send(&reset, ws, out);
                continue;
            }
            let lag = history.position.offset.saturating_sub(joined.cursor.offset);
            if history.lost || lag > joined.max_lag {
                return Err(TooSlow);
            }
            for message in &history.messages {
                if out.len() > LIMIT {
                    return Ok(());
                }
                self.joined[at].cursor = message.position;
                let rooms = &self.app.chat.rooms;
                let frame = message.frame(|message| rooms.message(&room.name, message));
                self.send_prepared(frame, ws, out);
            }
            let joined = &mut self.joined[at];
            if joined.cursor == history.position {
                joined.seen = Some(news);
                joined.max_lag = self.app.options.max_lag;
            } else if history.messages.is_empty() {
                return Ok(()); // above the limit
            }
        }
    }

    /// Leaves all rooms, and drops what was under way.
    fn leave(&mut self) {
        self.doing = None;
        self.joined.clear();
    }

    fn send(&self, output: &Output<'_>, ws: &mut Connection, out: &mut BytesMut) {
        // It fails if the connection is closing: then nobody waits for the message.
        if ws.send_text(&output.json(), out).is_ok() {
            self.app.metrics.sent.inc();
        }
    }

    fn send_prepared(&self, message: &Prepared, ws: &mut Connection, out: &mut BytesMut) {
        if ws.send_prepared(message, out).is_ok() {
            self.app.metrics.sent.inc();
        }
    }

    fn ended(&self, ws: &Connection) {
        let close = ws.close_sent().or_else(|| ws.close_received());
        let code = close.and_then(|close| close.code).map_or(0, u16::from);
        self.app
            .metrics
            .closed
            .get_or_create(&CloseLabel::new(code))
            .inc();
        tracing::info!(
            user = &**self.place.user(),
            code,
            error = ws.error().map(tracing::field::display),
            ms = millis(self.begun.elapsed()),
            node = self.app.node,
            "chat ended"
        );
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.app.metrics.connections.dec();
    }
}

/// The position before the first message of a history, or that of its end.
fn start(history: &History) -> Position {
    history
        .messages
        .first()
        .map_or(history.position, |first| Position {
            offset: first.position.offset - 1,
            ..first.position
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Idle connections are many. Each one also has its timer, its HTTP stream and its mailbox.
    #[test]
    fn the_task_of_a_connection_is_small() {
        fn size<A, B, F>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        assert!(size(run) <= 1300, "{} bytes", size(run));
    }
}
