//! The messages of the chat as a client sees them, plain or in the text framing of Socket.IO.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Protocol;
use super::ledger::Position;

/// What a server has sent.
#[derive(Debug, PartialEq)]
pub enum Incoming<'a> {
    /// A message of the chat.
    Chat(Chat<'a>),
    /// Socket.IO: the transport is open. Answer with the token.
    Open,
    /// Socket.IO: the server asks whether the client is alive.
    Ping,
    /// Socket.IO: the server ends or refuses the session.
    Refused(&'a str),
    /// Nothing to do.
    Other,
}

/// The fields of all messages from the server. Those that a type does not have are empty.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Chat<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    pub offset: u64,
    pub recovered: bool,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

impl Chat<'_> {
    /// `None`: the epoch is not 16 hex digits.
    pub fn position(&self) -> Option<Position> {
        let epoch =
            (self.epoch.len() == 16).then(|| u64::from_str_radix(&self.epoch, 16).ok())??;
        let offset = self.offset;
        Some(Position { epoch, offset })
    }
}

#[derive(Serialize)]
struct Join<'a> {
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

#[derive(Serialize)]
struct Since {
    epoch: String,
    offset: u64,
}

#[derive(Serialize)]
struct Say<'a> {
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    room: &'a str,
    id: &'a str,
    text: &'a str,
}

impl Protocol {
    /// The path and query of the WebSocket.
    pub fn path(self, token: &str) -> String {
        match self {
            Self::Live => format!("/chat?token={token}"),
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".into(),
        }
    }

    pub fn join(self, room: &str, since: Option<Position>) -> String {
        let since = since.map(|at| Since {
            epoch: format!("{:016x}", at.epoch),
            offset: at.offset,
        });
        let kind = self.kind("join");
        self.event("join", None, &Join { kind, room, since })
    }

    /// `number` is that of the acknowledgement.
    pub fn say(self, room: &str, id: &str, number: u32, text: &str) -> String {
        let kind = self.kind("say");
        let say = Say {
            kind,
            room,
            id,
            text,
        };
        self.event("say", Some(number), &say)
    }

    /// The answer to [`Incoming::Open`].
    pub fn authorize(token: &str) -> String {
        format!("40{}", json(&serde_json::json!({ "token": token })))
    }

    pub const PONG: &str = "3";

    /// Socket.IO has the type outside of the object.
    fn kind(self, kind: &str) -> &str {
        match self {
            Self::Live => kind,
            Self::SocketIo => "",
        }
    }

    fn event(self, name: &str, number: Option<u32>, body: &impl Serialize) -> String {
        let body = json(body);
        match (self, number) {
            (Self::Live, _) => body,
            (Self::SocketIo, None) => format!(r#"42["{name}",{body}]"#),
            (Self::SocketIo, Some(number)) => format!(r#"42{number}["{name}",{body}]"#),
        }
    }

    /// `None`: it is not a message of the chat.
    pub fn parse(self, text: &str) -> Option<Incoming<'_>> {
        if self == Self::Live {
            return Some(Incoming::Chat(serde_json::from_str(text).ok()?));
        }
        let packet = text.get(..1)?;
        match packet {
            "0" => return Some(Incoming::Open),
            "2" => return Some(Incoming::Ping),
            "4" => {}
            _ => return Some(Incoming::Other),
        }
        let (kind, body) = (text.get(1..2)?, &text[2..]);
        match kind {
            "0" => Some(Incoming::Other),
            "1" | "4" => Some(Incoming::Refused(body)),
            "2" => {
                let (name, body) = body.strip_prefix("[\"")?.split_once("\",")?;
                let mut chat: Chat = serde_json::from_str(body.strip_suffix(']')?).ok()?;
                chat.kind = name.into();
                Some(Incoming::Chat(chat))
            }
            "3" => {
                let body = body.trim_start_matches(|c: char| c.is_ascii_digit());
                let body = body.strip_prefix('[')?.strip_suffix(']')?;
                Some(Incoming::Chat(serde_json::from_str(body).ok()?))
            }
            _ => None,
        }
    }
}

fn json(value: &impl Serialize) -> String {
    // Only maps with keys that are no strings fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position {
        epoch: 0xabc,
        offset: 7,
    };

    #[test]
    fn requests_of_both_protocols() {
        let join = Protocol::Live.join("r", Some(AT));
        let body = r#""room":"r","since":{"epoch":"0000000000000abc","offset":7}}"#;
        assert_eq!(join, format!(r#"{{"type":"join",{body}"#));
        let join = Protocol::SocketIo.join("r", Some(AT));
        assert_eq!(join, format!(r#"42["join",{{{body}]"#));
        let say = Protocol::Live.say("r", "m3", 3, "t");
        assert_eq!(say, r#"{"type":"say","room":"r","id":"m3","text":"t"}"#);
        let say = Protocol::SocketIo.say("r", "m3", 3, "t");
        assert_eq!(say, r#"423["say",{"room":"r","id":"m3","text":"t"}]"#);
        assert_eq!(Protocol::authorize("a.b"), r#"40{"token":"a.b"}"#);
    }

    #[test]
    fn a_message_is_the_same_in_both_and_borrows() {
        let fields = r#""room":"r","epoch":"0000000000000abc","offset":7,"text":"t"}"#;
        let plain = format!(r#"{{"type":"message",{fields}"#);
        let framed = format!(r#"42["message",{{{fields}]"#);
        for (protocol, text) in [(Protocol::Live, plain), (Protocol::SocketIo, framed)] {
            let Some(Incoming::Chat(chat)) = protocol.parse(&text) else {
                panic!("{text}")
            };
            assert_eq!(
                (&*chat.kind, &*chat.room, &*chat.text),
                ("message", "r", "t")
            );
            assert_eq!(chat.position(), Some(AT));
            assert!(matches!(chat.text, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn packets_of_socket_io() {
        let parse = |text| Protocol::SocketIo.parse(text);
        assert_eq!(
            parse(r#"0{"sid":"x","pingInterval":25000}"#),
            Some(Incoming::Open)
        );
        assert_eq!(parse("2"), Some(Incoming::Ping));
        assert_eq!(parse("6"), Some(Incoming::Other));
        assert_eq!(parse(r#"40{"sid":"x"}"#), Some(Incoming::Other));
        assert_eq!(parse("41"), Some(Incoming::Refused("")));
        assert_eq!(
            parse(r#"44{"message":"no"}"#),
            Some(Incoming::Refused(r#"{"message":"no"}"#))
        );
        let Some(Incoming::Chat(ack)) = parse(r#"4312[{"type":"ack","id":"m12","offset":9}]"#)
        else {
            panic!()
        };
        assert_eq!((&*ack.kind, &*ack.id, ack.offset), ("ack", "m12", 9));
        for text in [
            "",
            "é",
            "4",
            "42",
            "42[]",
            r#"42["x"]"#,
            "43[",
            "49",
            r#"42["x",{]"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(Protocol::Live.parse("{"), None);
    }
}
