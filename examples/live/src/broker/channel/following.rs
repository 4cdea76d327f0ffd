//! What a channel takes in from the log of an engine.
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Channel, Happened};
use crate::broker::counts::Counters;
use crate::broker::log::{Entry, Tail};
use crate::broker::types::{Message, Position};

impl Channel {
    /// Takes in a signal of another node.
    pub fn signalled(&self, payload: Bytes) {
        self.state().enqueue(Happened::Signal(payload, None));
    }

    /// Takes in a message that the log has pushed. `false`: something before it is missing here.
    pub fn take_in(&self, position: Position, payload: Bytes) -> bool {
        let mut state = self.state();
        let last = state.ring.position();
        if position.epoch != last.epoch || position.offset > last.offset + 1 {
            return false;
        }
        // Otherwise it was read before.
        if position.offset == last.offset + 1 {
            self.push(&mut state, Instant::now(), position, payload);
        }
        true
    }

    /// Takes in what was read from the log: what is new here, or another epoch.
    pub fn catch_up(&self, tail: Tail) {
        let now = Instant::now();
        let mut state = self.state();
        let last = state.ring.position();
        let mut reset = false;
        // Messages up to this offset are the same as in the epoch before: subscribers know them.
        let mut known = 0;
        if tail.position.epoch != last.epoch {
            if let Some(forked) = tail.forked
                && forked.epoch == last.epoch
            {
                known = forked.offset.min(last.offset);
                // A node that did not know the old end may have published before the fork.
                let mut entries = tail.entries.iter();
                let other = entries.find(|entry| {
                    let before = state.ring.get(entry.offset);
                    before.is_some_and(|message| message.payload != entry.payload)
                });
                known = other.map_or(known, |entry| known.min(entry.offset - 1));
            }
            state.ring.reset(tail.start());
            state.waiting.clear();
            reset = true;
            Counters::add(&self.counters.resets, 1);
        }
        for Entry {
            offset,
            age,
            payload,
        } in tail.entries
        {
            let before = state.ring.position();
            if offset <= before.offset {
                continue; // It was pushed before.
            }
            let position = Position {
                offset,
                ..tail.position
            };
            let at = now.checked_sub(age).unwrap_or(now);
            if offset <= known {
                let message = Message::new(self.name.clone(), position, payload);
                state.ring.push(at, Arc::new(message));
                continue;
            }
            if std::mem::take(&mut reset) {
                state.enqueue(Happened::Reset(before));
            }
            self.push(&mut state, at, position, payload);
        }
        // The last messages are too old, or were removed.
        if tail.position.offset > state.ring.position().offset {
            state.ring.reset(tail.position);
        }
        if reset {
            let position = state.ring.position();
            state.enqueue(Happened::Reset(position));
        }
        state.ring.expire(now);
    }
}
