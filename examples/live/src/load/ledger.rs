//! The book of a run: what every reader of a room has received, and what the server has acknowledged.
//! It finds what was lost, doubled, out of order or changed. It does no input and output.
//!
//! Offsets of a room are dense and the same for all readers. So it is enough to check that each reader
//! gets the offsets one by one, that all see the same message at an offset, and at the end, once for
//! each room, that the messages of each sender are in order and there once.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::line::Line;

/// The place of a message in the history of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub epoch: u64,
    pub offset: u64,
}

/// What is wrong. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages that a reader did not get.
    pub lost: u64,
    /// Messages that a reader got twice, or that are stored twice.
    pub doubled: u64,
    /// Messages that came after a later one.
    pub disordered: u64,
    /// Messages that were changed, or are not the same for all readers, or in the wrong room.
    pub corrupted: u64,
    /// Messages that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// The first of them in words.
    pub examples: Vec<String>,
}

const EXAMPLES: usize = 10;
/// Missing offsets of one reader that may still come late. More are lost at once.
const LATE: u64 = 1000;

impl Faults {
    pub fn none(&self) -> bool {
        (
            self.lost,
            self.doubled,
            self.disordered,
            self.corrupted,
            self.unacknowledged,
        ) == (0, 0, 0, 0, 0)
    }

    fn lose(&mut self, messages: u64) {
        self.lost = self.lost.saturating_add(messages);
    }

    fn note(&mut self, example: fmt::Arguments<'_>) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(example.to_string());
        }
    }
}

#[derive(Clone, Default)]
struct Reader {
    /// `None`: did not join yet.
    at: Option<Position>,
    /// Offsets that were skipped.
    missing: Vec<u64>,
}

/// The log of one epoch of a room: the sender and sequence at each offset, as first seen.
struct Log {
    epoch: u64,
    entries: BTreeMap<u64, (u32, u32)>,
}

impl Log {
    fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(last, _)| *last)
    }
}

/// The readers, by number. The reader with number `n` is in the room `n % rooms`.
pub struct Ledger {
    readers: Vec<Reader>,
    /// The epochs of each room, in the order in which they were seen.
    rooms: Vec<Vec<Log>>,
    /// Where a reader was when its epoch ended.
    left: Vec<(usize, Position)>,
    said: u64,
    acked: u64,
    delivered: u64,
    faults: Faults,
}

impl Ledger {
    /// The rooms must be new: without messages.
    pub fn new(readers: usize, rooms: usize) -> Self {
        Self {
            readers: vec![Reader::default(); readers],
            rooms: (0..rooms.max(1)).map(|_| Vec::new()).collect(),
            left: Vec::new(),
            said: 0,
            acked: 0,
            delivered: 0,
            faults: Faults::default(),
        }
    }

    pub fn room_of(&self, reader: usize) -> usize {
        reader % self.rooms.len()
    }

    /// The position to resume from.
    pub fn position(&self, reader: usize) -> Option<Position> {
        self.readers[reader].at
    }

    /// Messages that readers got in all.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages of the senders, and how many of them were acknowledged.
    pub fn sent(&self) -> (u64, u64) {
        (self.said, self.acked)
    }

    /// The answer to a join: what follows comes after `at`.
    pub fn joined(&mut self, reader: usize, at: Position, recovered: bool) {
        let Reader {
            at: before,
            missing,
        } = &mut self.readers[reader];
        match *before {
            // A new room has no messages. If it has, they were missed.
            None => skip(missing, &mut self.faults, reader, 0, at.offset),
            // What comes next must follow `before`, whatever the server says here.
            Some(before) if recovered && before.epoch == at.epoch => return,
            Some(before) => {
                if recovered {
                    self.faults.corrupted += 1;
                    let (old, new) = (before.epoch, at.epoch);
                    (self.faults).note(format_args!(
                        "reader {reader}: {old:x} recovered as {new:x}"
                    ));
                }
                if before.epoch == at.epoch {
                    skip(missing, &mut self.faults, reader, before.offset, at.offset);
                } else {
                    self.left.push((reader, before));
                }
                // The reader forgets its position: what it has seen may come again.
                self.faults.lose(missing.len() as u64);
                missing.clear();
            }
        }
        *before = Some(at);
    }

    /// The history was lost, and a new epoch begins.
    pub fn reset(&mut self, reader: usize, at: Position) {
        self.joined(reader, at, false);
    }

    /// A message arrived. `line` is `None` if its text was changed or is of another room.
    pub fn message(&mut self, reader: usize, at: Position, line: Option<Line>) {
        self.delivered += 1;
        let faults = &mut self.faults;
        let Reader {
            at: Some(now),
            missing,
        } = &mut self.readers[reader]
        else {
            faults.corrupted += 1;
            return faults.note(format_args!("reader {reader}: a message before joining"));
        };
        if now.epoch != at.epoch {
            faults.corrupted += 1;
            let (old, new) = (now.epoch, at.epoch);
            return faults.note(format_args!(
                "reader {reader}: epoch {new:x} without a reset of {old:x}"
            ));
        }
        if at.offset > now.offset {
            skip(missing, faults, reader, now.offset, at.offset - 1);
            now.offset = at.offset;
        } else if let Some(late) = missing.iter().position(|it| *it == at.offset) {
            missing.swap_remove(late);
            faults.disordered += 1;
            faults.note(format_args!(
                "reader {reader}: offset {} came late",
                at.offset
            ));
        } else {
            faults.doubled += 1;
            faults.note(format_args!("reader {reader}: offset {} again", at.offset));
        }
        match line {
            Some(line) => self.enter(self.room_of(reader), at, (line.sender, line.sequence)),
            None => {
                faults.corrupted += 1;
                faults.note(format_args!(
                    "reader {reader}: offset {} was changed",
                    at.offset
                ));
            }
        }
    }

    /// A sender has sent a message for the first time.
    pub fn said(&mut self) {
        self.said += 1;
    }

    /// The server has accepted a message. Call it once for each.
    pub fn acked(&mut self, sender: usize, sequence: u32, at: Position) {
        self.acked += 1;
        self.enter(self.room_of(sender), at, (sender as u32, sequence));
    }

    /// Whether all messages are acknowledged and every reader has all of its room.
    pub fn settled(&self) -> bool {
        self.said == self.acked
            && (self.readers.iter().enumerate()).all(|(reader, Reader { at, .. })| {
                at.is_some_and(|at| match self.rooms[self.room_of(reader)].last() {
                    Some(log) => log.epoch == at.epoch && log.last() <= at.offset,
                    None => true,
                })
            })
    }

    /// Compares with what others have seen at this offset.
    fn enter(&mut self, room: usize, at: Position, entry: (u32, u32)) {
        let logs = &mut self.rooms[room];
        let log = logs.iter().rposition(|log| log.epoch == at.epoch);
        let log = log.unwrap_or_else(|| {
            let (epoch, entries) = (at.epoch, BTreeMap::new());
            logs.push(Log { epoch, entries });
            logs.len() - 1
        });
        let first = *logs[log].entries.entry(at.offset).or_insert(entry);
        if first != entry {
            self.faults.corrupted += 1;
            let offset = at.offset;
            (self.faults).note(format_args!(
                "room {room}: offset {offset} is {first:?} and {entry:?}"
            ));
        }
    }

    /// The result, when nothing more can come.
    pub fn finish(mut self) -> Faults {
        self.faults.unacknowledged += self.said - self.acked;
        for (reader, Reader { at, missing }) in self.readers.iter().enumerate() {
            self.faults.lose(missing.len() as u64);
            if let Some(offset) = missing.first() {
                (self.faults).note(format_args!(
                    "reader {reader}: offset {offset} did not come"
                ));
            }
            // One that never came got nothing of what the room has.
            let epoch = self.rooms[reader % self.rooms.len()].first();
            let never = epoch.map(|log| Position {
                epoch: log.epoch,
                offset: 0,
            });
            self.left.extend(at.or(never).map(|at| (reader, at)));
        }
        for (reader, at) in &self.left {
            let logs = &self.rooms[reader % self.rooms.len()];
            let log = logs.iter().find(|log| log.epoch == at.epoch);
            let last = log.map_or(0, Log::last);
            if last > at.offset {
                self.faults.lose(last - at.offset);
                let offset = at.offset;
                (self.faults).note(format_args!(
                    "reader {reader}: ends at {offset} and not {last}"
                ));
            }
        }
        for (room, logs) in self.rooms.iter().enumerate() {
            check_senders(room, logs, &mut self.faults);
        }
        self.faults
    }
}

/// The offsets after `from` up to `to` did not come.
fn skip(missing: &mut Vec<u64>, faults: &mut Faults, reader: usize, from: u64, to: u64) {
    if to <= from {
        return;
    }
    faults.note(format_args!(
        "reader {reader}: after {from} up to {to} was skipped"
    ));
    let late = (to - from).min(LATE - missing.len() as u64);
    missing.extend((to - late..to).map(|before| before + 1));
    faults.lose(to - from - late);
}

/// The sequences of each sender must be 1, 2, 3 …
fn check_senders(room: usize, logs: &[Log], faults: &mut Faults) {
    let mut last = BTreeMap::new();
    for log in logs {
        let mut seen = BTreeSet::new();
        for (offset, &(sender, sequence)) in &log.entries {
            let last = last.entry(sender).or_insert(0);
            // A new epoch can begin with the end of the old one, and a message can be sent again whose
            // acknowledgement was lost.
            let begins = seen.insert(sender);
            let what = if sequence > *last + 1 {
                faults.disordered += 1;
                "too early"
            } else if sequence <= *last && !begins {
                faults.doubled += 1;
                "again"
            } else {
                *last = sequence;
                continue;
            };
            *last = sequence.max(*last);
            faults.note(format_args!(
                "room {room}: message {sequence} of sender {sender} {what} at offset {offset}"
            ));
        }
    }
}
