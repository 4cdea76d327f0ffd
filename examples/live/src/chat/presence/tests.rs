use super::*;

fn users<const N: usize>(names: [&str; N]) -> Vec<User> {
    names.map(User::from).to_vec()
}

fn user(name: &str) -> User {
    name.into()
}

fn strings<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(String::from).to_vec()
}

fn here<const N: usize>(names: [&str; N]) -> Gossip {
    let users = strings(names);
    Gossip::Here {
        part: 0,
        parts: 1,
        users,
    }
}

/// Several nodes whose signals all arrive, and a clock.
struct Nodes {
    nodes: Vec<Presence>,
    now: Instant,
    number: u64,
}

impl Nodes {
    fn new(count: usize) -> Self {
        let now = Instant::now();
        let nodes = (0..count).map(|_| Presence::new(now)).collect();
        Self {
            nodes,
            now,
            number: 0,
        }
    }

    fn enter(&mut self, node: usize, name: &str) -> (Vec<User>, usize) {
        self.nodes[node].enter(&user(name), self.now)
    }

    fn leave(&mut self, node: usize, name: &str) {
        self.nodes[node].leave(&user(name), self.now);
    }

    /// Lets the time pass. Returns what the clients of each node are told.
    fn pass(&mut self, time: Duration) -> Vec<Vec<Diff>> {
        let end = self.now + time;
        let mut told: Vec<Vec<Diff>> = self.nodes.iter().map(|_| Vec::new()).collect();
        loop {
            for (from, told) in told.iter_mut().enumerate() {
                told.extend(self.nodes[from].diff(self.now));
                for gossip in self.nodes[from].gossip(self.now) {
                    self.number += 1;
                    for to in (0..self.nodes.len()).filter(|to| *to != from) {
                        self.nodes[to].hear(from as u64, self.number, &gossip, self.now);
                    }
                }
            }
            let next = self
                .nodes
                .iter()
                .filter_map(|node| node.deadline(false))
                .min()
                .unwrap();
            if next > end {
                self.now = end;
                return told;
            }
            self.now = next.max(self.now);
        }
    }
}

fn diff<const J: usize, const L: usize>(joined: [&str; J], left: [&str; L], count: usize) -> Diff {
    let (joined, left) = (users(joined), users(left));
    Diff {
        joined,
        left,
        count,
    }
}

#[test]
fn changes_are_collected_and_told_once() {
    let mut nodes = Nodes::new(1);
    assert_eq!(nodes.enter(0, "Ann"), (users(["Ann"]), 1));
    // The diff with Bob and Ann comes later, so it is not told twice.
    assert_eq!(nodes.enter(0, "Bob"), (users(["Bob"]), 1));
    nodes.enter(0, "Eve");
    nodes.leave(0, "Eve");
    assert_eq!(nodes.pass(COLLECT - Duration::from_millis(1)), [[]]);
    assert_eq!(
        nodes.pass(Duration::from_millis(1)),
        [[diff(["Ann", "Bob"], [], 2)]]
    );
    // Gone and back within the time: nothing to tell.
    nodes.leave(0, "Ann");
    nodes.enter(0, "Ann");
    assert_eq!(nodes.pass(COLLECT), [[]]);
}

#[test]
fn a_user_who_is_there_twice_joins_once_and_leaves_at_the_last() {
    let mut nodes = Nodes::new(2);
    nodes.enter(0, "Bob");
    nodes.enter(0, "Ann");
    nodes.enter(0, "Ann");
    let both = || diff(["Ann", "Bob"], [], 2);
    assert_eq!(nodes.pass(COLLECT), [[both()], [both()]]);
    nodes.enter(1, "Ann");
    nodes.leave(0, "Ann");
    assert_eq!(nodes.pass(COLLECT), [[], []]);
    nodes.leave(0, "Ann");
    assert_eq!(nodes.pass(COLLECT), [[], []]);
    nodes.leave(1, "Ann");
    let left = || diff([], ["Ann"], 1);
    assert_eq!(nodes.pass(COLLECT), [[left()], [left()]]);
}

#[test]
fn a_node_that_opens_the_room_hears_of_the_others_at_once() {
    let mut nodes = Nodes::new(1);
    nodes.enter(0, "Ann");
    nodes.pass(Duration::from_secs(1));
    nodes.nodes.push(Presence::new(nodes.now));
    nodes.enter(1, "Bob");
    let told = nodes.pass(COLLECT);
    assert_eq!(
        told,
        [
            vec![diff(["Bob"], [], 2)],
            vec![diff(["Ann", "Bob"], [], 2)]
        ]
    );
}

#[test]
fn a_silent_node_is_forgotten() {
    let mut nodes = Nodes::new(2);
    nodes.enter(0, "Ann");
    nodes.enter(1, "Bob");
    nodes.pass(Duration::from_secs(60));
    let mut dead = nodes.nodes.pop();
    assert_eq!(nodes.pass(SILENCE - HEARTBEAT), [[]]);
    assert_eq!(nodes.pass(HEARTBEAT + COLLECT), [[diff([], ["Bob"], 1)]]);
    // It comes back.
    nodes.nodes.extend(dead.take());
    let told = nodes.pass(HEARTBEAT + COLLECT);
    assert_eq!(told[0], [diff(["Bob"], [], 2)]);
}

#[test]
fn nobody_is_forgotten_while_the_engine_is_away() {
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let mut presence = Presence::new(begun);
    presence.hear(7, 1, &here(["Ann"]), begun);
    presence.hear(8, 1, &here(["Bob"]), begun);
    let both = Some(diff(["Ann", "Bob"], [], 2));
    assert_eq!(presence.diff(begun + COLLECT), both);
    presence.engine(false, at(1));
    presence.gossip(at(100));
    assert_eq!(presence.diff(at(100)), None);
    // It does not look again and again for what cannot happen.
    assert_eq!(presence.deadline(false), Some(at(100) + HEARTBEAT));
    // It is back. One of the nodes is, too.
    presence.engine(true, at(100));
    presence.hear(7, 2, &here(["Ann"]), at(110));
    presence.engine(true, at(129));
    assert_eq!(presence.diff(at(129)), None);
    assert_eq!(presence.deadline(true), Some(at(130)));
    assert_eq!(presence.diff(at(130)), None); // changes are collected first
    let gone = presence.diff(at(130) + COLLECT);
    assert_eq!(gone, Some(diff([], ["Bob"], 1)));
}

#[test]
fn a_heartbeat_mends_what_was_lost_and_old_signals_are_ignored() {
    let now = Instant::now();
    let mut presence = Presence::new(now);
    presence.hear(7, 3, &here(["Ann", "Bob"]), now);
    let change = |joined, left| Gossip::Change { joined, left };
    // Older than what is known, and a repetition.
    presence.hear(7, 2, &change(strings(["Eve"]), vec![]), now);
    presence.hear(7, 3, &here(["Eve"]), now);
    let diff_at = |presence: &mut Presence, now: Instant| presence.diff(now + COLLECT);
    assert_eq!(
        diff_at(&mut presence, now),
        Some(diff(["Ann", "Bob"], [], 2))
    );
    // "Bob left, Dan joined" was lost.
    presence.hear(7, 5, &here(["Ann", "Dan"]), now);
    assert_eq!(diff_at(&mut presence, now), Some(diff(["Dan"], ["Bob"], 2)));
    // A change that repeats what is known.
    presence.hear(7, 6, &change(strings(["Ann"]), strings(["Bob"])), now);
    assert_eq!(diff_at(&mut presence, now), None);
    presence.hear(7, 7, &here([]), now);
    assert_eq!(
        diff_at(&mut presence, now),
        Some(diff([], ["Ann", "Dan"], 0))
    );
}

#[test]
fn many_users_are_told_in_parts() {
    let now = Instant::now();
    let (mut one, mut two) = (Presence::new(now), Presence::new(now));
    let name = |i: usize| user(&format!("user-{i:04}"));
    for i in 0..1200 {
        one.enter(&name(i), now);
    }
    let gossip = one.gossip(now);
    let sizes: Vec<usize> = gossip
        .iter()
        .map(|gossip| match gossip {
            Gossip::Here { users, .. } => users.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(sizes, [0, 400, 400, 400]); // the first is `Who`
    // A part is lost: nobody is there yet, rather than some who then leave.
    for part in [1, 3] {
        two.hear(1, part as u64, &gossip[part], now);
    }
    assert_eq!(two.diff(now + COLLECT), None);
    for (number, part) in (4..).zip(&gossip[1..]) {
        two.hear(1, number, part, now);
    }
    let diff = two.diff(now + COLLECT).unwrap();
    assert_eq!((diff.joined.len(), diff.count), (NAMES, 1200));
    // The list of members has room for the one who enters.
    let (names, count) = two.enter(&user("zoe"), now);
    assert_eq!((names.len(), count), (NAMES, 1201));
    assert_eq!(names.last(), Some(&user("zoe")));
}
