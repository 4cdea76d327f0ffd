//! The JSON messages of the chat: PROTOCOL.md describes them.
//!
//! Names and texts are data. Nothing here escapes or removes markup: a page shows them as text.
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::broker::{EngineState, Epoch, Position};

/// Maximum length of a text, in characters (Unicode scalar values).
pub const TEXT: usize = 2000;
/// Maximum length of a user's name, in characters.
pub const NAME: usize = 32;
/// Maximum length of the name of a room, and of a message id.
pub const ROOM: usize = 32;
pub const ID: usize = 64;
/// Maximum number of names in a message. `count` counts all.
pub const NAMES: usize = 200;
/// Maximum length of a reason, in characters. It can quote what the client has sent.
const REASON: usize = 200;

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
        read(text).map_err(|mut refusal| {
            if refusal.reason.len() > REASON {
                refusal.reason = refusal.reason.chars().take(REASON).collect();
            }
            let (room, id) = known(text);
            Refusal {
                room,
                id,
                ..refusal
            }
        })
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

fn read(text: &str) -> Result<Input, Refusal> {
    let Type { kind } = object(text)?;
    let input = match kind.as_str() {
        "join" => {
            let Join { room, since, .. } = object(text)?;
            let since = since.map(|Object(since)| since);
            Input::Join { room, since }
        }
        "leave" => {
            let Leave { room, .. } = object(text)?;
            Input::Leave { room }
        }
        "say" => {
            let Say { room, id, text, .. } = object(text)?;
            Input::Say { room, id, text }
        }
        "typing" => {
            let Typing { room, on, .. } = object(text)?;
            Input::Typing { room, on }
        }
        _ => {
            let reason = format!("type: `{kind}` is not join, leave, say or typing");
            return Err(Refusal::new(Code::UnknownType, reason));
        }
    };
    check_room(input.room()).map_err(|reason| Refusal::new(Code::BadRoom, reason))?;
    if let Input::Say { id, text, .. } = &input {
        check_id(id).map_err(|reason| Refusal::new(Code::BadId, reason))?;
        check_text(text).map_err(|reason| Refusal::new(Code::BadText, reason))?;
    }
    Ok(input)
}

/// The room and the id of a message that is refused, as far as they can be read.
fn known(text: &str) -> (Option<String>, Option<String>) {
    let Ok(mut fields) = serde_json::from_str::<serde_json::Map<_, _>>(text) else {
        return (None, None);
    };
    let mut take = |name, check: fn(&str) -> Result<(), String>| match fields.remove(name) {
        Some(serde_json::Value::String(value)) => check(&value).is_ok().then_some(value),
        _ => None,
    };
    (take("room", check_room), take("id", check_id))
}

fn check_room(room: &str) -> Result<(), String> {
    check_word("room", room, ROOM)
}

fn check_id(id: &str) -> Result<(), String> {
    check_word("id", id, ID)
}

fn check_word(field: &str, word: &str, max: usize) -> Result<(), String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=max).contains(&word.len()) && word.bytes().all(valid) {
        return Ok(());
    }
    Err(format!("{field}: not 1 to {max} of A-Z a-z 0-9 - _"))
}

fn check_text(text: &str) -> Result<(), String> {
    let reason = if text.trim().is_empty() {
        "text: empty".into()
    } else if text.len() > TEXT && text.chars().count() > TEXT {
        format!("text: more than {TEXT} characters")
    } else if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        "text: a control character that is neither line feed nor tab".into()
    } else {
        return Ok(());
    };
    Err(reason)
}

/// Checks a user's name.
pub fn check_name(name: &str) -> Result<(), String> {
    let reason = if name.is_empty() {
        "name: empty".into()
    } else if name.len() > NAME && name.chars().count() > NAME {
        format!("name: more than {NAME} characters")
    } else if name.chars().any(is_invisible) {
        "name: a control or invisible character".into()
    } else if name.trim() != name {
        "name: a space at its start or end".into()
    } else {
        return Ok(());
    };
    Err(reason)
}

/// Control characters, and those that make one name look like another one: of no width, or of
/// direction.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Reads the type, which decides on the other fields.
#[derive(Deserialize)]
struct Type {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    room: String,
    since: Option<Object<Since>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    room: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    room: String,
    id: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typing {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    room: String,
    on: bool,
}

/// A `T` that was written as an object: the derived code of a struct also takes an array.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads an object. The error names the field.
fn object<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    let bad_json = |error: serde_json::Error| Refusal::new(Code::BadJson, error.to_string());
    let mut json = serde_json::Deserializer::from_str(text);
    let error = match serde_path_to_error::deserialize(&mut json) {
        Ok(Object(value)) => return json.end().map(|()| value).map_err(bad_json),
        Err(error) => error,
    };
    let (path, error) = (error.path().to_string(), error.into_inner());
    if !error.is_data() {
        return Err(bad_json(error));
    }
    // What follows a wrong field was not looked at: it may be no JSON.
    serde_json::from_str::<Object<IgnoredAny>>(text).map_err(bad_json)?;
    Err(match path.as_str() {
        "." => Refusal::new(Code::BadField, error.to_string()),
        path => Refusal::new(Code::BadField, format!("{path}: {error}")),
    })
}

/// The body of `POST /token`.
pub fn read_name(body: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        name: String,
    }
    let Body { name } = object(body)?;
    check_name(&name).map_err(|reason| Refusal::new(Code::BadField, reason))?;
    Ok(name)
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
