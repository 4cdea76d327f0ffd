//! Everything that can happen, each with a name that a trace prints and `--replay` reads.

use std::{fmt, str::FromStr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}

pub const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl Side {
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A step. For the network, `side` is the one that receives. For the clock it has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action {
    pub side: Side,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The application sends a text of two bytes, which are one character.
    Text,
    /// The application starts a binary message, and sends one byte of it.
    Begin,
    /// The application sends the other byte.
    Finish,
    Ping,
    /// The application closes, with code 1000 and no reason.
    Close,
    /// The application closes, with code 3000 and the reason "r".
    CloseReason,
    /// The peer's implementation is another one: its Close frame has no code.
    CloseEmpty,
    /// The peer's implementation is broken: it sends a text that is not UTF-8.
    Bad,
    /// The application stops taking events.
    Pause,
    /// The application takes one event. If there is none, it goes on as usual.
    Take,
    /// The program is gone. What it has written before still arrives.
    Gone,
    /// The sending half hears the oldest note.
    Hear,
    /// The two oldest notes are merged.
    Merge,
    /// The halves are joined, and split again.
    Join,
    /// A timer fires.
    Wake,
    /// One byte arrives.
    One,
    /// All bytes under way arrive in one read.
    All,
    /// The bytes under way are lost, and all that is written later.
    Cut,
    /// The receiver reads the end of the stream.
    End,
    /// The clock moves to the next deadline.
    Clock,
    /// The clock moves half the way to the next deadline.
    Half,
}

use What::*;

const NAMES: [(What, &str); 21] = [
    (Text, "text"),
    (Begin, "begin"),
    (Finish, "finish"),
    (Ping, "ping"),
    (Close, "close"),
    (CloseReason, "close-reason"),
    (CloseEmpty, "close-empty"),
    (Bad, "bad"),
    (Pause, "pause"),
    (Take, "take"),
    (Gone, "gone"),
    (Hear, "hear"),
    (Merge, "merge"),
    (Join, "join"),
    (Wake, "wake"),
    (One, "one"),
    (All, "all"),
    (Cut, "cut"),
    (End, "end"),
    (Clock, "next"),
    (Half, "half"),
];

impl Action {
    pub const fn new(side: Side, what: What) -> Self {
        Self { side, what }
    }

    pub(crate) fn number(self) -> u8 {
        2 * self.what as u8 + self.side as u8
    }

    /// All actions, in the order in which they are tried.
    pub fn all() -> impl Iterator<Item = Self> {
        let whats = NAMES.into_iter().map(|(what, _)| what);
        let both = whats.flat_map(|what| SIDES.map(|side| Self { side, what }));
        both.filter(|it| !(matches!(it.what, Clock | Half) && it.side == Side::Server))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(what, _)| *what == self.what);
        let name = name.map_or("?", |(_, name)| name);
        let side = self.side.name();
        f.pad(&match self.what {
            One | All | Cut | End => format!("to-{side}.{name}"),
            Clock | Half => format!("clock.{name}"),
            _ => format!("{side}.{name}"),
        })
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::all();
        all.find(|action| action.to_string() == name)
            .ok_or_else(|| format!("there is no action {name:?}"))
    }
}
