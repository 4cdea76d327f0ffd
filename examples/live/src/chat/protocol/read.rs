//! Reads the messages of a client. An error names the field and the reason.
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Code, ID, Input, NAME, ROOM, Refusal, Since, TEXT};

/// Maximum length of a reason, in characters. It can quote what the client has sent.
pub(super) const REASON: usize = 200;

/// Reads and checks a message of a client.
pub(super) fn input(text: &str) -> Result<Input, Refusal> {
    read(text).map_err(|refusal| {
        let mended = mend(text);
        let (text, mut refusal) = match &mended {
            Some(mended) if refusal.code == Code::BadJson => {
                (&**mended, surrogate(mended, refusal))
            }
            Some(mended) => (&**mended, refusal),
            None => (text, refusal),
        };
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

/// The same JSON with U+FFFD for each escape of a surrogate, or `None` if it has none. `JSON.stringify`
/// escapes a surrogate that is alone, for example of an emoji that was cut in two. That is no text, so
/// it is refused; but the client must be able to see which of its messages it was.
fn mend(text: &str) -> Option<String> {
    let mut json = text.as_bytes().to_vec();
    let (mut at, mut mended) = (0, false);
    while let Some(found) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        if let Some([_, b'u', hex @ ..]) = json.get_mut(at..at + 6)
            && let [b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..] = hex
            && hex.iter().all(u8::is_ascii_hexdigit)
        {
            hex.copy_from_slice(b"fffd");
            mended = true;
        }
        at = json.len().min(at + 2); // a backslash can be escaped, too
    }
    String::from_utf8(json).ok().filter(|_| mended)
}

/// Why a message that is JSON only when mended is refused.
fn surrogate(mended: &str, refusal: Refusal) -> Refusal {
    match read(mended) {
        Err(other) if other.code == Code::BadJson => refusal,
        // Where else surrogates can be, U+FFFD is refused as well.
        Err(other) if other.code != Code::BadText => other,
        _ => Refusal::new(Code::BadText, "text: half of a surrogate pair"),
    }
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
    Err(Refusal::new(Code::BadField, reason(&path, &error)))
}

/// Without types of Rust, and without the list of the fields that there are.
fn reason(path: &str, error: &serde_json::Error) -> String {
    let mut reason = error.to_string();
    if reason.starts_with("unknown field") {
        return format!("{path}: unknown field");
    }
    if let Some((is, place)) = reason.rsplit_once(", expected u64") {
        reason = format!("{is}, expected a whole number of 0 or more{place}");
    }
    match path {
        "." => reason,
        path => format!("{path}: {reason}"),
    }
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
