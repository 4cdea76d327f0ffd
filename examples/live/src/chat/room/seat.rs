//! The place of a connection in a room, and the signals that wait for it.
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio::time::Instant;
use websocket_proto::Prepared;

use super::{Room, Rooms};
use crate::chat::lock;
use crate::chat::presence::User;

/// Signals that wait for a reader. More than that are dropped, the oldest first.
const MAILBOX: usize = 64;

/// What wakes one connection, and the signals that wait for it.
pub struct Mailbox {
    id: u64,
    pub(super) user: User,
    pub wake: Notify,
    signals: Mutex<VecDeque<(Arc<str>, Prepared)>>,
    dropped: Counter,
}

/// The place of one connection in a room. It leaves on drop.
pub struct Seat {
    pub room: Arc<Room>,
    rooms: Arc<Rooms>,
    mailbox: Arc<Mailbox>,
    entered: bool,
}

/// What a connection sees of a room that it enters.
pub struct Entered {
    pub seat: Seat,
    pub members: Vec<User>,
    pub count: usize,
}

impl Mailbox {
    pub fn new(id: u64, user: User, dropped: Counter) -> Arc<Self> {
        Arc::new(Self {
            id,
            user,
            wake: Notify::new(),
            signals: Mutex::default(),
            dropped,
        })
    }

    pub(super) fn push(&self, room: &Arc<str>, signal: &Prepared) {
        let mut signals = lock(&self.signals);
        if signals.len() >= MAILBOX {
            signals.pop_front();
            self.dropped.inc();
        }
        signals.push_back((Arc::clone(room), signal.clone()));
        self.wake.notify_one();
    }

    pub fn pop(&self) -> Option<Prepared> {
        lock(&self.signals).pop_front().map(|(_, signal)| signal)
    }

    /// Drops all signals: the reader is too slow for them.
    pub fn drop_all(&self) {
        let signals = mem::take(&mut *lock(&self.signals));
        self.dropped.inc_by(signals.len() as u64);
    }
}

impl Seat {
    pub(super) fn new(room: Arc<Room>, rooms: Arc<Rooms>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            room,
            rooms,
            mailbox,
            entered: false,
        }
    }

    pub(super) fn enter(mut self) -> Entered {
        let mailbox = &self.mailbox;
        let mut state = lock(&self.room.state);
        state.readers.insert(mailbox.id, Arc::clone(mailbox));
        let (members, count) = state.presence.enter(&mailbox.user, Instant::now());
        drop(state);
        self.entered = true;
        self.room.changed.notify_one();
        Entered {
            seat: self,
            members,
            count,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self { room, mailbox, .. } = self;
        if self.entered {
            let mut state = lock(&room.state);
            state.readers.remove(&mailbox.id);
            state.presence.leave(&mailbox.user, Instant::now());
            drop(state);
            room.changed.notify_one();
            // What the client hears after it has left, or has entered again, is of then.
            lock(&mailbox.signals).retain(|(name, _)| !Arc::ptr_eq(name, &room.name));
        }
        self.rooms.give_back(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_bounded_and_drops_the_oldest() {
        let dropped = Counter::default();
        let mailbox = Mailbox::new(0, "Ann".into(), dropped.clone());
        let room: Arc<str> = "lobby".into();
        for text in 0..MAILBOX + 3 {
            mailbox.push(&room, &Prepared::text(&"x".repeat(text)));
        }
        assert_eq!(dropped.get(), 3);
        let length = |signal: Prepared| format!("{signal:?}");
        let first = mailbox.pop().map(length);
        assert_eq!(first, Some(length(Prepared::text("xxx"))));
        mailbox.drop_all();
        assert_eq!(dropped.get() as usize, 3 + MAILBOX - 1);
        assert!(mailbox.pop().is_none());
    }
}
