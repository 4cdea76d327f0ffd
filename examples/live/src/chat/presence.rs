//! Who is in a room, over all nodes.
//!
//! Each node tells the others who is in the room on that node: what has changed at once, and everything
//! now and then, because a signal can be lost. A node that has been silent for long is forgotten. So there
//! is no shared list that a dead node could leave names in.
//!
//! This is a state of values and instants, without I/O: [`Presence::gossip`] and [`Presence::diff`] tell
//! what to send, [`Presence::deadline`] when to look again.
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::protocol::NAMES;

/// How often a node tells everything.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// A node that is silent for this long, while signals can arrive, is forgotten.
pub const SILENCE: Duration = Duration::from_secs(30);
/// Changes are collected for this long before clients are told.
pub const COLLECT: Duration = Duration::from_millis(250);
/// Names in one signal: engines limit the size of a message.
const PART: usize = 400;

pub type User = Arc<str>;

/// What nodes tell each other about a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gossip {
    /// A node has opened the room. The others answer with `Here`.
    Who,
    /// All users of this node, in `parts` signals.
    Here {
        part: usize,
        parts: usize,
        users: Vec<String>,
    },
    /// What has changed since the last signal.
    Change {
        joined: Vec<String>,
        left: Vec<String>,
    },
    Typing {
        user: String,
        on: bool,
    },
}

/// One signal, as the broker carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal<'a> {
    /// The process that sends it. Another one with the same `--node` has another number.
    pub node: u64,
    /// Counts up. What arrives after something newer is ignored.
    pub number: u64,
    pub gossip: Cow<'a, Gossip>,
}

/// What clients are told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Diff {
    pub joined: Vec<User>,
    pub left: Vec<User>,
    pub count: usize,
}

/// See the module.
pub struct Presence {
    /// The connections of each user on this node.
    local: BTreeMap<User, usize>,
    nodes: HashMap<u64, Node>,
    /// On how many nodes each user is.
    here: BTreeMap<User, usize>,
    /// Who is here, as the clients were told last.
    told: BTreeSet<User>,
    /// Users who have come or gone since.
    touched: BTreeSet<User>,
    tell_at: Option<Instant>,
    /// Users of this node who have come or gone since the other nodes were told.
    changed: BTreeSet<User>,
    ask: bool,
    heartbeat: Instant,
    /// Since when signals of other nodes arrive. `None`: they cannot.
    hearing: Option<Instant>,
}

struct Node {
    seen: Instant,
    number: u64,
    users: BTreeSet<User>,
    /// The parts of an unfinished `Here`: how many, and their users.
    parts: (usize, BTreeSet<User>),
}

impl Presence {
    /// A room that this node has just opened.
    pub fn new(now: Instant) -> Self {
        Self {
            local: BTreeMap::new(),
            nodes: HashMap::new(),
            here: BTreeMap::new(),
            told: BTreeSet::new(),
            touched: BTreeSet::new(),
            tell_at: None,
            changed: BTreeSet::new(),
            ask: true,
            heartbeat: now,
            hearing: Some(now),
        }
    }

    /// A connection of this node enters. Returns some of the members and their number, as the diffs
    /// that follow assume it, with `user` in any case.
    pub fn enter(&mut self, user: &User, now: Instant) -> (Vec<User>, usize) {
        let connections = self.local.entry(Arc::clone(user)).or_default();
        *connections += 1;
        if *connections == 1 {
            self.changed.insert(Arc::clone(user));
            self.add(user, now);
        }
        let mut names: Vec<User> = self.told.iter().take(NAMES).cloned().collect();
        if !names.contains(user) {
            names.truncate(NAMES - 1);
            names.push(Arc::clone(user));
        }
        let count = self.told.len() + usize::from(!self.told.contains(user));
        (names, count)
    }

    /// A connection of this node leaves.
    pub fn leave(&mut self, user: &User, now: Instant) {
        let Some(connections) = self.local.get_mut(user) else {
            return;
        };
        *connections -= 1;
        if *connections == 0 {
            self.local.remove(user);
            self.changed.insert(Arc::clone(user));
            self.remove(user, now);
        }
    }

    /// Whether the engine is there, which carries the signals. While it is away, silence says nothing:
    /// nobody is forgotten, and all have their time once more when it is back.
    pub fn engine(&mut self, up: bool, now: Instant) {
        self.hearing = up.then(|| self.hearing.unwrap_or(now));
    }

    /// Another node has sent this.
    pub fn hear(&mut self, from: u64, number: u64, gossip: &Gossip, now: Instant) {
        let node = self.nodes.entry(from).or_insert_with(|| Node {
            seen: now,
            number: 0,
            users: BTreeSet::new(),
            parts: (0, BTreeSet::new()),
        });
        if number <= node.number {
            return; // something newer was here before
        }
        (node.seen, node.number) = (now, number);
        match gossip {
            Gossip::Who => self.heartbeat = now,
            Gossip::Typing { .. } => {}
            Gossip::Here { part, parts, users } => {
                if *part == 0 {
                    node.parts = Default::default();
                } else if *part != node.parts.0 {
                    return; // a part was lost: the next heartbeat has all of them
                }
                node.parts.0 += 1;
                node.parts
                    .1
                    .extend(users.iter().map(|user| user.as_str().into()));
                if node.parts.0 >= *parts {
                    let all = mem::take(&mut node.parts).1;
                    let before = mem::replace(&mut node.users, all.clone());
                    all.difference(&before).for_each(|user| self.add(user, now));
                    before
                        .difference(&all)
                        .for_each(|user| self.remove(user, now));
                }
            }
            Gossip::Change { joined, left } => {
                let users = |names: &[String]| names.iter().map(|it| it.as_str().into()).collect();
                let (mut joined, mut left): (Vec<User>, Vec<User>) = (users(joined), users(left));
                joined.retain(|user| node.users.insert(Arc::clone(user)));
                left.retain(|user| node.users.remove(user));
                joined.iter().for_each(|user| self.add(user, now));
                left.iter().for_each(|user| self.remove(user, now));
            }
        }
    }

    /// What to tell the other nodes now, in this order.
    pub fn gossip(&mut self, now: Instant) -> Vec<Gossip> {
        let mut gossip = Vec::new();
        if mem::take(&mut self.ask) {
            gossip.push(Gossip::Who);
        }
        if self.heartbeat <= now || self.changed.len() > PART {
            self.tell_all(&mut gossip);
            self.heartbeat = now + HEARTBEAT;
        } else if !self.changed.is_empty() {
            let (joined, left): (Vec<User>, Vec<User>) = mem::take(&mut self.changed)
                .into_iter()
                .partition(|user| self.local.contains_key(user));
            let (joined, left) = (names(&joined), names(&left));
            gossip.push(Gossip::Change { joined, left });
        }
        gossip
    }

    /// What to tell the clients of this node now.
    pub fn diff(&mut self, now: Instant) -> Option<Diff> {
        let hearing = self.hearing;
        let silent = |node: &Node| node.forget_at(hearing).is_some_and(|at| at <= now);
        let gone = self.nodes.extract_if(|_, node| silent(node));
        let gone: Vec<Node> = gone.map(|(_, node)| node).collect();
        for node in gone {
            node.users.iter().for_each(|user| self.remove(user, now));
        }
        self.tell_at.take_if(|at| *at <= now)?;
        let mut diff = Diff::default();
        for user in mem::take(&mut self.touched) {
            // Who has gone and come back in the meantime is told in neither list.
            if self.here.contains_key(&user) {
                if self.told.insert(Arc::clone(&user)) {
                    diff.joined.push(user);
                }
            } else if self.told.remove(&user) {
                diff.left.push(user);
            }
        }
        diff.count = self.told.len();
        let changed = !(diff.joined.is_empty() && diff.left.is_empty());
        diff.joined.truncate(NAMES);
        diff.left.truncate(NAMES);
        changed.then_some(diff)
    }

    /// When [`diff`](Self::diff) and, unless signals are on their way already, [`gossip`](Self::gossip)
    /// have something new, if nothing happens until then.
    pub fn deadline(&self, sending: bool) -> Option<Instant> {
        let nodes = self.nodes.values();
        let silence = nodes.filter_map(|node| node.forget_at(self.hearing));
        let heartbeat = (!sending).then_some(self.heartbeat);
        silence.chain(self.tell_at).chain(heartbeat).min()
    }

    fn tell_all(&mut self, gossip: &mut Vec<Gossip>) {
        self.changed.clear();
        let users: Vec<User> = self.local.keys().cloned().collect();
        let parts = users.len().div_ceil(PART).max(1);
        for part in 0..parts {
            let part_of = users.iter().skip(part * PART).take(PART);
            let users = part_of.map(ToString::to_string).collect();
            gossip.push(Gossip::Here { part, parts, users });
        }
    }

    fn add(&mut self, user: &User, now: Instant) {
        let nodes = self.here.entry(Arc::clone(user)).or_default();
        *nodes += 1;
        if *nodes == 1 {
            self.touch(user, now);
        }
    }

    fn remove(&mut self, user: &User, now: Instant) {
        let Some(nodes) = self.here.get_mut(user) else {
            return;
        };
        *nodes -= 1;
        if *nodes == 0 {
            self.here.remove(user);
            self.touch(user, now);
        }
    }

    fn touch(&mut self, user: &User, now: Instant) {
        self.touched.insert(Arc::clone(user));
        self.tell_at.get_or_insert(now + COLLECT);
    }
}

impl Node {
    /// When it is forgotten, if it is silent until then.
    fn forget_at(&self, hearing: Option<Instant>) -> Option<Instant> {
        Some(self.seen.max(hearing?) + SILENCE)
    }
}

fn names(users: &[User]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
