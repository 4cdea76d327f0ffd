//! The last messages of a channel.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::held::Held;
use super::types::{History, HistoryLimits, Message, Position};

#[cfg(test)]
mod tests;

/// The last messages of a channel, without gaps, bounded by count, bytes and age.
pub(super) struct Ring {
    limits: HistoryLimits,
    held: Arc<Held>,
    position: Position,
    /// With the time of storing. The last one has the offset of `position`.
    messages: VecDeque<(Instant, Arc<Message>)>,
    bytes: usize,
}

impl Ring {
    pub fn new(limits: HistoryLimits, position: Position, held: Arc<Held>) -> Self {
        Self {
            limits,
            held,
            position,
            messages: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Of the last message.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Forgets everything. The next message comes after `position`.
    pub fn reset(&mut self, position: Position) {
        *self = Self::new(self.limits, position, self.held.clone());
    }

    /// Adds a message of this epoch, with a higher offset. If offsets were skipped, the messages before
    /// are forgotten: readers must see that something is missing.
    pub fn push(&mut self, at: Instant, message: Arc<Message>) {
        let Position { epoch, offset } = message.position;
        debug_assert!(epoch == self.position.epoch && offset > self.position.offset);
        if offset != self.position.offset + 1 {
            self.reset(self.position);
        }
        self.position = message.position;
        self.bytes += message.payload.len();
        self.held.add(cost(&message));
        self.messages.push_back((at, message));
        while self.messages.len() > self.limits.count || self.bytes > self.limits.bytes {
            self.forget_oldest();
        }
    }

    /// Forgets messages that are too old.
    pub fn expire(&mut self, now: Instant) {
        self.keep(self.limits.age, now);
    }

    /// Forgets messages that are older than this.
    pub fn keep(&mut self, age: Duration, now: Instant) {
        while let Some((at, _)) = self.messages.front()
            && now.saturating_duration_since(*at) > age
        {
            self.forget_oldest();
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new(); // gives the memory back
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, message)) = self.messages.pop_front() {
            self.bytes -= message.payload.len();
            self.held.remove(cost(&message));
        }
    }

    /// The time of storing of the oldest message.
    pub fn oldest(&self) -> Option<Instant> {
        self.messages.front().map(|(at, _)| *at)
    }

    pub fn get(&self, offset: u64) -> Option<&Arc<Message>> {
        let behind = usize::try_from(self.position.offset.checked_sub(offset)?).ok()?;
        let index = self.messages.len().checked_sub(behind + 1)?;
        self.messages.get(index).map(|(_, message)| message)
    }

    /// At most `limit` messages: the first ones after `after`, or the last ones.
    pub fn read(&self, after: Option<Position>, limit: usize) -> History {
        let len = self.messages.len();
        let behind = after.map(|after| self.behind(after));
        let start = match behind {
            Some(Some(behind)) => len - behind,
            None | Some(None) => len.saturating_sub(limit),
        };
        let messages = self.messages.range(start..).take(limit);
        History {
            messages: messages.map(|(_, message)| message.clone()).collect(),
            position: self.position,
            lost: behind == Some(None),
        }
    }

    /// The number of messages after a position, if none of them is missing.
    fn behind(&self, after: Position) -> Option<usize> {
        if after.epoch != self.position.epoch {
            return None;
        }
        let behind = self.position.offset.checked_sub(after.offset)?;
        usize::try_from(behind)
            .ok()
            .filter(|n| *n <= self.messages.len())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for (_, message) in &self.messages {
            self.held.remove(cost(message));
        }
    }
}

/// The memory of a message: see [`HistoryLimits::memory`].
fn cost(message: &Message) -> usize {
    2 * message.payload.len() + 256
}
