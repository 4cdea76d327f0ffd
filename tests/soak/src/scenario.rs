//! What happens: a function of the seed and the number of a connection alone. So a run can be
//! repeated with a part of its connections, and each of them does what it did before.

use crate::{
    peer::attacks::{ATTACKS, Attack},
    random::{Random, hash},
};

/// A run. Two runs of equal scenarios are equal in every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub seed: u64,
    /// How many connections are open at once, about.
    pub connections: u32,
    /// How many messages are exchanged, at least, if no connection fails.
    pub messages: u64,
    /// Only these connections take part.
    pub only: Option<Vec<u32>>,
    /// Honest peers send at most so many messages.
    pub steps: u32,
    /// The network has no delay and does not split, and all peers read at once.
    pub calm: bool,
    /// A mistake that the server makes.
    pub bug: Option<Bug>,
}

/// A mistake of the server, on some of its connections, to see whether it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// It does not flush the output after an event.
    ForgetFlush,
    /// It sends an answer twice.
    DoubleMessage,
    /// It does not send an answer.
    LoseMessage,
    /// It never calls `handle_timeout`.
    NoTimeouts,
    /// It does not take codecs back.
    KeepCodecs,
    /// It panics.
    Panic,
}

impl Bug {
    pub const ALL: [(&str, Self); 6] = [
        ("forget-flush", Self::ForgetFlush),
        ("double-message", Self::DoubleMessage),
        ("lose-message", Self::LoseMessage),
        ("no-timeouts", Self::NoTimeouts),
        ("keep-codecs", Self::KeepCodecs),
        ("panic", Self::Panic),
    ];

    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, bug)| *bug == self);
        found.expect("all are listed").0
    }
}

/// How long it takes until as many connections were opened as are open at once, in milliseconds.
const GENERATION: u64 = 60_000;

impl Scenario {
    /// The command that repeats the run.
    pub fn command(&self) -> String {
        let Self {
            seed,
            connections,
            messages,
            ..
        } = self;
        let mut command = format!(
            "cargo run --release -p soak -- --connections {connections} --messages {messages} --seed {seed}"
        );
        if let Some(only) = &self.only {
            let only: Vec<_> = only.iter().map(u32::to_string).collect();
            command += &format!(" --only {}", only.join(","));
        }
        if self.steps < u32::MAX {
            command += &format!(" --steps {}", self.steps);
        }
        if self.calm {
            command += " --calm";
        }
        if let Some(bug) = self.bug {
            command += &format!(" --bug {}", bug.name());
        }
        command
    }

    pub fn new(seed: u64, connections: u32, messages: u64) -> Self {
        Self {
            seed,
            connections,
            messages,
            only: None,
            steps: u32::MAX,
            calm: false,
            bug: None,
        }
    }

    /// The plans of all connections that take part, by number.
    pub fn plans(&self) -> Vec<Plan> {
        let mut planned = 0;
        let all = (0..).take_while(|&id| {
            let goes_on = planned < self.messages;
            if goes_on && let Role::Honest(honest) = &self.plan(id).role {
                // Each is answered, but some are lost with their connections.
                planned += u64::from(honest.messages) * 17 / 10;
            }
            goes_on
        });
        match &self.only {
            Some(only) => only.iter().map(|&id| self.limited(id)).collect(),
            None => all.map(|id| self.limited(id)).collect(),
        }
    }

    fn limited(&self, id: u32) -> Plan {
        let mut plan = self.plan(id);
        if let Role::Honest(honest) = &mut plan.role {
            honest.messages = honest.messages.min(self.steps);
        }
        if self.calm {
            plan.weather = Weather::CALM;
        }
        plan
    }

    fn plan(&self, id: u32) -> Plan {
        let mut random = Random(hash(self.seed, id, 0));
        let first = u64::from(id) * GENERATION / u64::from(self.connections);
        let opens_at = 1 + first + random.upto(GENERATION / 10);
        let weather = Weather::of(&mut random);
        if random.chance(20) {
            let attack = &ATTACKS[random.below(ATTACKS.len())];
            let door = attack.doors[random.below(attack.doors.len())];
            return Plan {
                id,
                opens_at,
                door,
                weather,
                role: Role::Attack(attack),
            };
        }
        let door = Door::ALL[random.below(Door::ALL.len())];
        let messages = match random.below(10) {
            0 => 0,
            1 => random.upto(20) as u32,
            2 => 400 + random.upto(800) as u32,
            _ => 50 + random.upto(350) as u32,
        };
        let end = match random.below(20) {
            0..9 => End::Close,
            9..13 => End::ServerCloses,
            13..15 => End::Fin,
            15..17 => End::Reset,
            17 => End::Silent,
            // Most of these numbers of bytes are within what the peer sends.
            18 => End::Cut {
                after: random.upto(40_000),
                silent: true,
            },
            _ => End::Cut {
                after: random.upto(40_000),
                silent: false,
            },
        };
        let role = Role::Honest(Honest {
            messages,
            end,
            in_room: random.chance(25),
            keepalive: random.chance(50),
            idle: random.chance(15).then(|| 30_000 + random.upto(90_000)),
        });
        Plan {
            id,
            opens_at,
            door,
            weather,
            role,
        }
    }
}

/// What one connection does.
#[derive(Debug, Clone)]
pub struct Plan {
    pub id: u32,
    /// In milliseconds, as all instants of the simulation.
    pub opens_at: u64,
    pub door: Door,
    pub weather: Weather,
    pub role: Role,
}

#[derive(Debug, Clone)]
pub enum Role {
    Honest(Honest),
    Attack(&'static Attack),
}

/// A peer that obeys the protocol.
#[derive(Debug, Clone)]
pub struct Honest {
    pub messages: u32,
    pub end: End,
    /// It gets broadcasts.
    pub in_room: bool,
    /// It sends keepalive pings of its own.
    pub keepalive: bool,
    /// How long it is silent in the middle.
    pub idle: Option<u64>,
}

/// How an honest peer ends its connection, after its last message if nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a Close frame.
    Close,
    /// The server closes, after three quarters of the messages.
    ServerCloses,
    /// With the end of the stream, without a Close frame.
    Fin,
    Reset,
    /// Nothing arrives any more, in both directions, and nobody is told.
    Silent,
    /// The network fails after so many bytes of the peer, wherever that is.
    Cut {
        after: u64,
        silent: bool,
    },
}

/// The address that a peer connects to: each has another configuration (`server::config`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    Plain,
    /// Long messages arrive in parts.
    Parts,
    /// Compression with context takeover.
    Takeover,
    /// Compression without context takeover.
    Alone,
    /// The server splits the connection into halves.
    Halves,
    HalvesTakeover,
}

impl Door {
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Parts,
        Self::Takeover,
        Self::Alone,
        Self::Halves,
        Self::HalvesTakeover,
    ];

    pub fn compresses(self) -> bool {
        matches!(self, Self::Takeover | Self::Alone | Self::HalvesTakeover)
    }

    pub fn has_halves(self) -> bool {
        matches!(self, Self::Halves | Self::HalvesTakeover)
    }
}

/// The network between a peer and the server, and how the peer reads.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// In milliseconds.
    pub min_delay: u64,
    pub max_delay: u64,
    /// What is written arrives in pieces of at most so many bytes.
    pub piece: usize,
    /// How many of 1000 pieces are lost and sent again after a second.
    pub lost: u64,
    /// How many bytes can be under way and unread.
    pub window: usize,
    /// How many bytes the peer reads in 100 ms.
    pub rate: usize,
}

impl Weather {
    pub const CALM: Self = Self {
        min_delay: 1,
        max_delay: 1,
        piece: usize::MAX,
        lost: 0,
        window: 1 << 20,
        rate: usize::MAX,
    };

    fn of(random: &mut Random) -> Self {
        let min_delay = [1, 5, 20, 150][random.below(4)];
        Self {
            min_delay,
            max_delay: min_delay + [0, 1, 30][random.below(3)],
            piece: [usize::MAX, 1460, 1460, 300, 40][random.below(5)],
            lost: [0, 0, 5, 20][random.below(4)],
            window: [8 << 10, 64 << 10, 256 << 10][random.below(3)],
            rate: [usize::MAX, usize::MAX, 64 << 10, 2 << 10][random.below(4)],
        }
    }
}
