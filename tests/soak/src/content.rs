//! The content of messages. It is a function of the seed, the connection and the number of the
//! message, so whoever receives a message knows what it must be.

use websocket_proto::MessageKind;

use crate::random::{Random, hash};

/// Broadcasts are the messages of this connection, which does not exist.
pub const BROADCAST: u32 = u32::MAX;

/// Text and binary data of which all messages are cut.
const POOL: usize = 256 << 10;
/// Texts are cut at multiples of this number, which is never inside a character.
const UNIT: usize = 16;
/// A message that is not empty begins with the numbers of its connection and of itself.
const PREFIX: usize = 16;

#[derive(Debug)]
pub struct Content {
    seed: u64,
    text: Vec<u8>,
    binary: Vec<u8>,
}

/// Which message, without its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub kind: MessageKind,
    pub len: usize,
    prefix: [u8; PREFIX],
    /// Where its bytes are in the pool.
    at: usize,
}

impl Content {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(hash(seed, BROADCAST, 1));
        let units = [
            "the quick brown ",
            "fox jumps over a",
            "{\"id\":17,\"at\":3}",
            "éàüößçñø",
            "€₤₿ 漢字",
            "😀🚀🎉🔥",
        ];
        let mut text = Vec::with_capacity(POOL);
        while text.len() < POOL {
            text.extend_from_slice(units[random.below(units.len())].as_bytes());
        }
        let binary = (0..POOL / 8).flat_map(|_| random.word().to_le_bytes());
        Self {
            seed,
            text,
            binary: binary.collect(),
        }
    }

    pub fn message(&self, id: u32, number: u32) -> Message {
        let mut random = Random(hash(self.seed, id, number.wrapping_add(1)));
        let len = match random.upto(2000) {
            0..30 => 0,
            30..1800 => PREFIX + random.below(200),
            1800..1980 => PREFIX + random.below(4000),
            1980..1998 => PREFIX + random.below(20_000),
            // Connections without compression take more memory for longer messages.
            _ => PREFIX + random.below(90_000),
        };
        let kind = match random.chance(60) {
            true => MessageKind::Text,
            false => MessageKind::Binary,
        };
        let at = UNIT * random.below((POOL - 100_000) / UNIT);
        let numbers = u64::from(id) << 32 | u64::from(number);
        let digit = |n: usize| b"0123456789abcdef"[(numbers >> (60 - 4 * n)) as usize & 15];
        Message {
            kind,
            len,
            prefix: core::array::from_fn(digit),
            at,
        }
    }

    fn pool(&self, message: &Message) -> &[u8] {
        let pool = match message.kind {
            MessageKind::Text => &self.text,
            MessageKind::Binary => &self.binary,
        };
        &pool[message.at..]
    }

    /// Where the units of the pool end: what is left of a text is filled with dots.
    fn end_of_units(message: &Message) -> usize {
        let body = message.len.saturating_sub(PREFIX);
        match message.kind {
            MessageKind::Text => body - body % UNIT,
            MessageKind::Binary => body,
        }
    }

    /// Writes the message.
    pub fn write(&self, message: &Message, into: &mut Vec<u8>) {
        into.clear();
        if message.len > 0 {
            into.extend_from_slice(&message.prefix);
            into.extend_from_slice(&self.pool(message)[..Self::end_of_units(message)]);
            into.resize(message.len, b'.');
        }
    }

    /// Whether these are the bytes of the message from `at` on.
    pub fn matches(&self, message: &Message, at: usize, bytes: &[u8]) -> bool {
        if at + bytes.len() > message.len {
            return false;
        }
        let units = PREFIX + Self::end_of_units(message);
        let piece = |from: usize, to: usize| {
            let (from, to) = (from.max(at), to.min(at + bytes.len()).max(from.max(at)));
            (
                from,
                &bytes[(from - at).min(bytes.len())..(to - at).min(bytes.len())],
            )
        };
        let (start, prefix) = piece(0, PREFIX);
        if !prefix.is_empty() && self_slice(&message.prefix, start, prefix.len()) != prefix {
            return false;
        }
        let (start, body) = piece(PREFIX, units);
        if !body.is_empty() && self_slice(self.pool(message), start - PREFIX, body.len()) != body {
            return false;
        }
        piece(units, message.len).1.iter().all(|byte| *byte == b'.')
    }
}

fn self_slice(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    &bytes[at..at + len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_matches_in_any_split_and_nothing_else_does() {
        let content = Content::new(1);
        let mut bytes = Vec::new();
        for number in 0..300 {
            let message = content.message(3, number);
            content.write(&message, &mut bytes);
            assert_eq!(bytes.len(), message.len);
            if message.kind == MessageKind::Text {
                assert!(core::str::from_utf8(&bytes).is_ok());
            }
            let mut random = Random(number.into());
            for _ in 0..4 {
                let cut = random.below(bytes.len() + 1);
                assert!(content.matches(&message, 0, &bytes[..cut]));
                assert!(content.matches(&message, cut, &bytes[cut..]));
            }
            if !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] ^= 1;
                assert!(!content.matches(&message, 0, &bytes));
                bytes[at] ^= 1;
                bytes.push(b'.');
                assert!(!content.matches(&message, 0, &bytes));
            }
        }
    }
}
