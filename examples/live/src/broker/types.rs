//! The values that the broker takes and gives.
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use websocket_proto::Prepared;

/// Identifies one history of a channel. It changes if the history was lost: offsets of different
/// epochs cannot be compared. Written as 16 hexadecimal digits, because JavaScript has no 64-bit integer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// One that no other history has.
    pub(super) fn random() -> Self {
        Self(random())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A random number, not for secrets.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The text is not 16 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("an epoch has 16 hexadecimal digits")]
pub struct BadEpoch;

impl FromStr for Epoch {
    type Err = BadEpoch;

    fn from_str(text: &str) -> Result<Self, BadEpoch> {
        // `from_str_radix` would take a sign.
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadEpoch);
        }
        let value = u64::from_str_radix(text, 16);
        value.map(Self).map_err(|_| BadEpoch)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The place of a message in its channel. The first message of an epoch has offset 1, the next one 2,
/// and so on without gaps. Offset 0 is before the first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    pub epoch: Epoch,
    pub offset: u64,
}

impl Position {
    /// Of a channel that nobody knows.
    pub(super) const UNKNOWN: Self = Self {
        epoch: Epoch(0),
        offset: 0,
    };
}

/// A stored message. All readers share it.
pub struct Message {
    pub channel: Arc<str>,
    pub position: Position,
    pub payload: Bytes,
    frame: OnceLock<Prepared>,
    /// How many subscribers of this node it has notified. Set after the last one.
    pub(super) notified: OnceLock<usize>,
}

impl Message {
    pub(super) fn new(channel: Arc<str>, position: Position, payload: Bytes) -> Self {
        Self {
            channel,
            position,
            payload,
            frame: OnceLock::new(),
            notified: OnceLock::new(),
        }
    }

    /// The message as a WebSocket frame. The first caller makes it, all others share it.
    pub fn frame(&self, make: impl FnOnce(&Self) -> Prepared) -> &Prepared {
        self.frame.get_or_init(|| make(self))
    }
}

impl fmt::Debug for Message {
    /// Without the payload: logs must not contain it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("channel", &self.channel)
            .field("position", &self.position)
            .field("len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// What subscribers are told.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A message that is stored.
    Message(&'a Arc<Message>),
    /// Something that is not stored. It arrives once or not at all.
    Signal(&'a Bytes),
    /// The history was lost: a new epoch. Stored messages after this position follow.
    Reset(Position),
}

/// A subscriber. Two are the same if `Arc::ptr_eq` says so.
///
/// It is called on the task that publishes, so it must be short and must not block. It may subscribe
/// and unsubscribe. To publish, it spawns a task.
pub type Callback = Arc<dyn Fn(&str, Event<'_>) + Send + Sync>;

/// The answer to `subscribe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Of the last message before those that the callback is told.
    pub position: Position,
    /// The callback was subscribed before. Nothing has changed.
    pub already: bool,
}

/// The answer to `publish`: the message is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Subscribers of this node that the message has notified. 0 for a duplicate.
    pub notified: usize,
    pub position: Position,
    /// A message with this id was stored before, at `position`. This one was not stored.
    pub duplicate: bool,
}

/// The answer to `history`.
#[derive(Debug)]
pub struct History {
    /// In order of offsets, without gaps.
    pub messages: Vec<Arc<Message>>,
    /// Of the last stored message of the channel.
    pub position: Position,
    /// Messages after the given position are missing, or its epoch is another one.
    pub lost: bool,
}

/// Why the broker does not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Redis or NATS cannot be reached, or is too slow. A message may be stored all the same:
    /// publish it again with the same id.
    #[error("the engine is away")]
    Away,
    #[error("too many channels")]
    TooManyChannels,
    #[error("too many claims")]
    TooManyClaims,
    #[error("a channel has 1 to 64 characters of A-Z a-z 0-9 _ -")]
    BadChannel,
    #[error("an id has 1 to 256 bytes and no control characters")]
    BadId,
    #[error("a message has at most {limit} bytes")]
    TooLong { limit: usize },
    #[error("the engine's URL: {0}")]
    BadUrl(String),
}

/// Whether the engine can be reached. The engine in process always is `Up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineState {
    Up,
    Away,
}

/// Where channels and their history are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineUrl {
    /// `memory`: in this process.
    Memory,
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DB]` or `redis+unix:///PATH`.
    Redis(String),
    /// `nats://[USER:PASSWORD@]HOST[:PORT]`, several with commas.
    Nats(String),
}

impl FromStr for EngineUrl {
    type Err = BrokerError;

    fn from_str(url: &str) -> Result<Self, BrokerError> {
        match url.split_once("://") {
            None if url == "memory" => Ok(Self::Memory),
            Some(("redis" | "redis+unix", _)) => Ok(Self::Redis(url.into())),
            Some(("nats", _)) => Ok(Self::Nats(url.into())),
            _ => Err(BrokerError::BadUrl(
                "expected memory, redis://…, redis+unix://… or nats://…".into(),
            )),
        }
    }
}

/// How much the broker keeps. All limits hold together: what exceeds one of them is forgotten,
/// oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Messages of a channel. At least 1.
    pub count: usize,
    /// Payload bytes of a channel. Longer messages are refused.
    pub bytes: usize,
    /// Age of messages, and of channels that nobody uses.
    pub age: Duration,
    /// Channels of this node. If all of them have subscribers, more are refused.
    pub channels: usize,
    /// Memory of all channels of this node together, in bytes. A message counts with twice its payload
    /// (once as a frame) and 256 bytes, an id with 48 bytes.
    pub memory: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            count: 1000,
            bytes: 1 << 20,
            age: Duration::from_secs(3600),
            channels: 10_000,
            memory: 512 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_16_hexadecimal_digits() {
        let epoch = Epoch(0xabc);
        assert_eq!(epoch.to_string(), "0000000000000abc");
        assert_eq!(epoch.to_string().parse::<Epoch>().unwrap(), epoch);
        let json = serde_json::to_string(&Position { epoch, offset: 7 }).unwrap();
        assert_eq!(json, r#"{"epoch":"0000000000000abc","offset":7}"#);
        assert_eq!(
            serde_json::from_str::<Position>(&json).unwrap().epoch,
            epoch
        );
        for bad in [
            "",
            "abc",
            "+000000000000abc",
            "0000000000000abg",
            "00000000000000abc",
        ] {
            assert!(bad.parse::<Epoch>().is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_of_engines() {
        assert_eq!("memory".parse(), Ok(EngineUrl::Memory));
        for url in ["redis://h:1", "redis+unix:///tmp/s"] {
            assert_eq!(url.parse(), Ok(EngineUrl::Redis(url.into())));
        }
        assert_eq!("nats://h".parse(), Ok(EngineUrl::Nats("nats://h".into())));
        for bad in ["", "redis", "http://h", "memory://"] {
            assert!(bad.parse::<EngineUrl>().is_err(), "{bad}");
        }
    }
}
