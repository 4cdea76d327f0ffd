//! The text of a message: who sent it, as which number, when, and a checksum of all that.
use std::fmt::Write;

/// What a text says. The checksum is over the whole text, padding included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub sender: u32,
    /// 1, 2, 3 … for each sender.
    pub sequence: u32,
    /// Microseconds since the start of the run.
    pub sent: u64,
}

const PADDING: &str = "the quick brown fox jumps over the lazy dog ";

impl Line {
    /// The longest text without padding.
    pub const MIN: usize = 8 + 1 + 10 + 1 + 10 + 1 + 20 + 1;

    /// Writes a text of at least `size` bytes.
    pub fn write(&self, size: usize) -> String {
        let mut rest = format!("{} {} {} ", self.sender, self.sequence, self.sent);
        let padding = size.saturating_sub(rest.len() + 9);
        rest.extend(PADDING.chars().cycle().take(padding));
        let mut text = String::with_capacity(rest.len() + 9);
        // A String does not fail.
        _ = write!(text, "{:08x} ", checksum(&rest));
        text + &rest
    }

    /// `None`: the text is not one that [`write`](Self::write) has made.
    pub fn parse(text: &str) -> Option<Self> {
        let (sum, rest) = text.split_once(' ')?;
        if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(checksum(rest)) {
            return None;
        }
        let mut parts = rest.splitn(4, ' ');
        Some(Self {
            sender: parts.next()?.parse().ok()?,
            sequence: parts.next()?.parse().ok()?,
            sent: parts.next()?.parse().ok()?,
        })
    }
}

/// FNV-1a.
fn checksum(text: &str) -> u32 {
    (text.bytes()).fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_at_every_size_and_is_not_shorter() {
        let line = Line {
            sender: 9999,
            sequence: u32::MAX,
            sent: u64::MAX,
        };
        for size in 0..300 {
            let text = line.write(size);
            assert!(
                text.len() >= size && (size < Line::MIN || text.len() == size),
                "{text}"
            );
            assert_eq!(Line::parse(&text), Some(line));
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let text = Line {
            sender: 1,
            sequence: 2,
            sent: 3,
        }
        .write(100);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
            assert_eq!(
                Line::parse(&String::from_utf8(changed).unwrap()),
                None,
                "byte {at}"
            );
        }
        assert_eq!(Line::parse(&text[..99]), None);
        assert_eq!(Line::parse(""), None);
    }
}
