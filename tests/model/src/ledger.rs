//! What is checked and how often, which pairs of state and event were visited, and the story of a
//! run that is printed.

use crate::action::Side;

/// A property that failed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub property: Property,
    pub text: String,
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// What must hold in every state, or in what follows from every state.
    Property {
        WholeFrames: "the output consists of whole frames, with masks from the client only",
        Legal: "frames are in a legal order: fragments, control frames, close codes",
        AfterClose: "no frame follows a Close frame, in either direction",
        Sends: "a send writes its message, or fails and writes nothing",
        Messages: "each message arrives once, in order, unchanged; all before a Close frame",
        Answers: "pings and Close frames are answered, and nothing else is written",
        Codes: "both sides know the Close frame that was sent, and that arrived",
        Table: "the state follows from the Close frames, the end of the stream and the error",
        AfterEnd: "no event after the end, and no message after an error",
        Stable: "what is done stays done, and an error repeats",
        Causes: "each error has its cause",
        Timers: "deadlines lie ahead, and no timer fires too early",
        Ends: "if the network delivers, both sides end, with all messages and codes",
        Lives: "if the network delivers, nobody is given up",
        Notices: "if the network falls silent, each side ends by its deadline",
        Cuts: "if the streams end, both sides end at once",
        Joins: "halves can be joined if all notes were heard",
    }
}

names! {
    /// The columns of the closing table.
    Event {
        Sends: "sends",
        Closes: "closes",
        Message: "message",
        Ping: "ping",
        Pong: "pong",
        Close: "Close",
        Bad: "bad",
        End: "end",
        PingDue: "ping due",
        PongDue: "pong due",
        MessageDue: "message due",
        CloseDue: "close due",
    }
}

/// The rows of the closing table: Close sent, Close received, end of stream; then failed.
pub const ROWS: [&str; 9] = [
    "no Close frame",
    "sent",
    "received",
    "sent and received",
    "ended, no Close frame",
    "ended, sent",
    "ended, received",
    "ended, sent and received",
    "failed",
];

#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub checks: [u64; Property::ALL.len()],
    pub visits: [[[u64; Event::ALL.len()]; ROWS.len()]; 2],
    /// What happens, if somebody wants to read it.
    pub story: Option<Vec<String>>,
}

impl Ledger {
    pub fn check(
        &mut self,
        property: Property,
        holds: bool,
        otherwise: impl FnOnce() -> String,
    ) -> Result<(), Violation> {
        self.checks[property as usize] += 1;
        match holds {
            true => Ok(()),
            false => Err(Violation {
                property,
                text: otherwise(),
            }),
        }
    }

    pub fn visit(&mut self, side: Side, row: usize, event: Event) {
        self.visits[side as usize][row][event as usize] += 1;
    }

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }

    pub fn add(&mut self, other: &Self) {
        let theirs = other.visits.as_flattened().as_flattened();
        let ours = self.visits.as_flattened_mut().as_flattened_mut();
        for (ours, theirs) in ours.iter_mut().zip(theirs) {
            *ours += theirs;
        }
        for (ours, theirs) in self.checks.iter_mut().zip(other.checks) {
            *ours += theirs;
        }
    }
}
