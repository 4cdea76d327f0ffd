//! Inputs. They depend on nothing but their arguments, so each run measures the same bytes.

use fastrand::Rng;

/// What a payload consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    Binary,
    /// Text of ASCII letters and spaces.
    Ascii,
    /// Text with one letter of two bytes in nine bytes, about as in German.
    MultiByte,
}

impl Content {
    pub const ALL: [Self; 3] = [Self::Binary, Self::Ascii, Self::MultiByte];

    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ascii",
            Self::MultiByte => "multibyte",
        }
    }

    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// A payload of exactly `len` bytes.
    pub fn payload(self, len: usize, rng: &mut Rng) -> Vec<u8> {
        let mut payload = Vec::with_capacity(len);
        while payload.len() < len {
            match self {
                Self::Binary => payload.push(rng.u8(..)),
                Self::MultiByte if payload.len() % 9 == 3 && payload.len() + 2 <= len => {
                    payload.extend_from_slice("ü".as_bytes());
                }
                Self::Ascii | Self::MultiByte => payload.push(match rng.u8(..6) {
                    0 => b' ',
                    _ => rng.u8(b'a'..=b'z'),
                }),
            }
        }
        payload
    }
}

/// Text that compresses as real text does: words, of which some are frequent.
pub fn words(len: usize, rng: &mut Rng) -> String {
    const WORDS: [&str; 64] = [
        "the",
        "a",
        "to",
        "and",
        "is",
        "it",
        "you",
        "of",
        "in",
        "we",
        "that",
        "for",
        "on",
        "at",
        "not",
        "this",
        "have",
        "with",
        "be",
        "was",
        "so",
        "but",
        "are",
        "can",
        "what",
        "just",
        "like",
        "do",
        "think",
        "there",
        "if",
        "meeting",
        "tomorrow",
        "lunch",
        "release",
        "server",
        "client",
        "message",
        "please",
        "thanks",
        "later",
        "morning",
        "build",
        "failed",
        "works",
        "again",
        "review",
        "branch",
        "deploy",
        "customer",
        "ticket",
        "noon",
        "coffee",
        "anyone",
        "looking",
        "problem",
        "version",
        "update",
        "question",
        "channel",
        "remember",
        "yesterday",
        "probably",
        "something",
    ];
    let mut text = String::with_capacity(len + 16);
    while text.len() < len {
        // Small numbers are more frequent, as short words are.
        let at = rng.usize(..64).min(rng.usize(..64));
        text.push_str(WORDS[at]);
        text.push(' ');
    }
    text.truncate(len);
    text
}

/// A JSON document of about `len` bytes, exactly `len` if it is at least 200: a list of events, with
/// the same keys again and again.
pub fn json(len: usize, rng: &mut Rng) -> String {
    let mut text = String::from("{\"events\":[");
    let mut id = rng.u32(..1_000_000);
    loop {
        let said = rng.usize(12..48);
        let event = format!(
            "{{\"id\":{id},\"user\":\"u{}\",\"time\":\"2026-05-{:02}T{:02}:{:02}:{:02}Z\",\"text\":\"{}\"}},",
            rng.u32(..500),
            rng.u8(1..29),
            rng.u8(..24),
            rng.u8(..60),
            rng.u8(..60),
            words(said, rng),
        );
        if text.len() + event.len() + 2 > len {
            break;
        }
        text.push_str(&event);
        id += rng.u32(1..20);
    }
    text.truncate(text.trim_end_matches(',').len());
    let rest = len.saturating_sub(text.len() + 2);
    text.extend(std::iter::repeat_n(' ', rest));
    text.push_str("]}");
    text
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Appends one frame (RFC 6455 §5.2). `first` is the opcode with the bits FIN and RSV1 to RSV3.
pub fn frame(wire: &mut Vec<u8>, first: u8, mask: Option<[u8; 4]>, payload: &[u8]) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    wire.push(first);
    match payload.len() {
        len @ ..=125 => wire.push(masked | len as u8),
        len @ 126..=0xFFFF => {
            wire.push(masked | 126);
            wire.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            wire.push(masked | 127);
            wire.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    match mask {
        None => wire.extend_from_slice(payload),
        Some(key) => {
            wire.extend_from_slice(&key);
            wire.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_as_long_as_asked_for_and_texts_are_text() {
        for content in Content::ALL {
            for len in [0, 1, 3, 4, 5, 16, 32, 63, 125, 512, 4096] {
                let payload = content.payload(len, &mut Rng::with_seed(1));
                assert_eq!(payload.len(), len);
                let text = std::str::from_utf8(&payload);
                assert!(!content.is_text() || text.is_ok());
                assert_eq!(
                    content == Content::MultiByte && len > 4,
                    content.is_text() && !payload.is_ascii(),
                );
            }
        }
    }

    #[test]
    fn documents_are_as_long_as_asked_for() {
        for len in [200, 1024, 1 << 16] {
            assert_eq!(words(len, &mut Rng::with_seed(1)).len(), len);
            assert_eq!(json(len, &mut Rng::with_seed(1)).len(), len);
        }
    }

    /// The examples of RFC 6455 §5.7.
    #[test]
    fn frames_of_the_rfc() {
        let mut wire = Vec::new();
        frame(&mut wire, 0x81, None, b"Hello");
        assert_eq!(wire, b"\x81\x05Hello");
        wire.clear();
        frame(&mut wire, 0x81, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
        assert_eq!(wire, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        wire.clear();
        frame(&mut wire, 0x82, None, &[0; 256]);
        assert_eq!(wire[..4], [0x82, 0x7E, 0x01, 0x00]);
        wire.clear();
        frame(&mut wire, 0x82, None, &[0; 65_536]);
        assert_eq!(wire[..10], [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
