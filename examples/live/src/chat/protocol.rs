//! The JSON messages of the chat: PROTOCOL.md describes them.
//!
//! Names and texts are data. Nothing here escapes or removes markup: a page shows them as text.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::broker::{EngineState, Epoch, Position};

mod read;

pub use read::{check_name, read_name};

/// Maximum length of a text, in characters (Unicode scalar values).
pub const TEXT: usize = 2000;
/// Maximum length of a user's name, in characters.
pub const NAME: usize = 32;
/// Maximum length of the name of a room, and of a message id.
pub const ROOM: usize = 32;
pub const ID: usize = 64;
/// Maximum number of names in a message. `count` counts all.
pub const NAMES: usize = 200;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Input {
    Join {
        room: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Since>,
    },
    Leave {
        room: String,
    },
    Say {
        room: String,
        id: String,
        text: String,
    },
    Typing {
        room: String,
        on: bool,
    },
}

/// A position in the history of a room, as a client keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    pub epoch: Epoch,
    pub offset: u64,
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Output<'a> {
    Hello {
        user: Cow<'a, str>,
        node: Cow<'a, str>,
        engine: Engine,
        limits: Limits,
    },
    Joined {
        room: Cow<'a, str>,
        epoch: Epoch,
        offset: u64,
        recovered: bool,
        members: Vec<Cow<'a, str>>,
        count: usize,
    },
    Message {
        room: Cow<'a, str>,
        epoch: Epoch,
        offset: u64,
        id: Cow<'a, str>,
        from: Cow<'a, str>,
        text: Cow<'a, str>,
        at: u64,
    },
    Ack {
        room: Cow<'a, str>,
        id: Cow<'a, str>,
        epoch: Epoch,
        offset: u64,
        duplicate: bool,
    },
    Left {
        room: Cow<'a, str>,
    },
    Presence {
        room: Cow<'a, str>,
        joined: Vec<Cow<'a, str>>,
        left: Vec<Cow<'a, str>>,
        count: usize,
    },
    Typing {
        room: Cow<'a, str>,
        user: Cow<'a, str>,
        on: bool,
    },
    Reset {
        room: Cow<'a, str>,
        epoch: Epoch,
        offset: u64,
    },
    Engine {
        state: Engine,
    },
    Error {
        code: Code,
        reason: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<Cow<'a, str>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    Up,
    Away,
}

/// What `hello` tells of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub text: usize,
    pub rooms: usize,
    pub rate: u32,
    pub burst: u32,
}

/// The code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    BadJson,
    UnknownType,
    BadField,
    BadRoom,
    BadId,
    BadText,
    NotJoined,
    AlreadyJoined,
    TooManyRooms,
    RateLimited,
    Binary,
    EngineAway,
    Busy,
}

/// Why an input was refused, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
    pub id: Option<String>,
    pub room: Option<String>,
}

/// What the broker stores of a message. Its position is not in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored<'a> {
    pub id: Cow<'a, str>,
    pub from: Cow<'a, str>,
    pub text: Cow<'a, str>,
    /// Milliseconds since 1970.
    pub at: u64,
}

impl Output<'_> {
    /// The JSON text.
    pub fn json(&self) -> String {
        // Only maps with keys that are no strings can fail, and there is none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Input {
    /// Reads and checks a message of a client.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        read::input(text)
    }

    pub fn room(&self) -> &str {
        match self {
            Self::Join { room, .. }
            | Self::Leave { room }
            | Self::Say { room, .. }
            | Self::Typing { room, .. } => room,
        }
    }

    /// The answer to this input if it is not done.
    pub fn refuse(&self, code: Code, reason: impl Into<String>) -> Refusal {
        let id = match self {
            Self::Say { id, .. } => Some(id.clone()),
            _ => None,
        };
        Refusal {
            code,
            reason: reason.into(),
            room: Some(self.room().into()),
            id,
        }
    }
}

impl Stored<'_> {
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // as above
    }
}

impl From<Since> for Position {
    fn from(Since { epoch, offset }: Since) -> Self {
        Self { epoch, offset }
    }
}

impl From<EngineState> for Engine {
    fn from(state: EngineState) -> Self {
        match state {
            EngineState::Up => Self::Up,
            EngineState::Away => Self::Away,
        }
    }
}

impl Refusal {
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            id: None,
            room: None,
        }
    }

    pub fn output(&self) -> Output<'_> {
        Output::Error {
            code: self.code,
            reason: self.reason.as_str().into(),
            id: self.id.as_deref().map(Cow::from),
            room: self.room.as_deref().map(Cow::from),
        }
    }
}

#[cfg(test)]
mod tests;
