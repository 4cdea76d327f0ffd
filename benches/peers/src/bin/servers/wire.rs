//! What the load generator sends, and the plain reader that checks the answers.
use std::io::{Error, ErrorKind::InvalidData, Result};

/// Different batches of one cell: no connection sends the same bytes twice in a row.
const VARIANTS: usize = 16;
/// Bytes that are under way at most, over all connections. The others wait for their turn.
const UNDER_WAY: usize = 32 << 20;

/// The messages of one cell: `depth` binary messages of `size` bytes leave in one write.
pub(crate) struct Batches {
    pub(crate) size: usize,
    pub(crate) depth: usize,
    variants: Vec<Batch>,
}

pub(crate) struct Batch {
    /// Masked frames, each with a random key.
    pub(crate) wire: Vec<u8>,
    /// What must come back: the same bytes from a raw TCP echo, else the payloads.
    answer: Vec<u8>,
}

impl Batches {
    pub(crate) fn new(size: usize, depth: usize, raw: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(6455);
        let variants = (0..VARIANTS).map(|_| Batch::new(size, depth, raw, &mut random));
        Self {
            size,
            depth,
            variants: variants.collect(),
        }
    }

    pub(crate) fn get(&self, turn: usize) -> &Batch {
        &self.variants[turn % VARIANTS]
    }

    /// How many connections may have a batch under way at the same time.
    pub(crate) fn window(&self) -> usize {
        (UNDER_WAY / (self.size * self.depth)).max(1)
    }
}

impl Batch {
    fn new(size: usize, depth: usize, raw: bool, random: &mut fastrand::Rng) -> Self {
        let (mut wire, mut payloads) = (Vec::new(), Vec::new());
        for _ in 0..depth {
            let (mut payload, mut key) = (vec![0; size], [0; 4]);
            random.fill(&mut payload);
            random.fill(&mut key);
            wire.push(0x82);
            match size {
                0..=125 => wire.push(0x80 | size as u8),
                126..=0xFFFF => {
                    wire.push(0x80 | 126);
                    wire.extend_from_slice(&(size as u16).to_be_bytes());
                }
                _ => {
                    wire.push(0x80 | 127);
                    wire.extend_from_slice(&(size as u64).to_be_bytes());
                }
            }
            wire.extend_from_slice(&key);
            wire.extend(mask(&payload, key));
            payloads.append(&mut payload);
        }
        let answer = if raw { wire.clone() } else { payloads };
        Self { wire, answer }
    }
}

fn mask(payload: &[u8], key: [u8; 4]) -> impl Iterator<Item = u8> {
    payload
        .iter()
        .zip(key.into_iter().cycle())
        .map(|(byte, key)| byte ^ key)
}

/// A pong with the payload of a ping. The key is constant: nobody but the server reads it.
fn pong(payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut frame = vec![0x8A, 0x80 | payload.len() as u8];
    frame.extend_from_slice(&key);
    frame.extend(mask(payload, key));
    frame
}

/// Reads the answers of one connection.
#[derive(Default)]
pub(crate) struct Reader {
    raw: bool,
    /// The header of the next frame, as far as it has arrived.
    head: Vec<u8>,
    /// Bytes of the current frame that have not arrived.
    left: usize,
    /// Position in the answer.
    at: usize,
    /// The payload of a ping.
    ping: Vec<u8>,
    /// Pongs to be sent.
    pub(crate) pongs: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(raw: bool) -> Self {
        Self {
            raw,
            ..Self::default()
        }
    }

    /// Begins the next batch.
    pub(crate) fn expect_next(&mut self) {
        self.at = 0;
    }

    /// Takes bytes, and compares them with the answer if `compare`. Returns how many messages are
    /// complete.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        cell: &Batches,
        batch: &Batch,
        compare: bool,
    ) -> Result<usize> {
        if self.raw {
            let size = batch.answer.len() / cell.depth;
            let before = self.at / size;
            self.payload(bytes, batch, compare)?;
            return Ok(self.at / size - before);
        }
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.left == 0 {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                let Some(len) = payload_len(&self.head)? else {
                    continue;
                };
                self.left = len;
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            (bytes, self.left) = (rest, self.left - part.len());
            let (opcode, complete) = (self.head[0] & 0x0F, self.left == 0);
            match opcode {
                0..=2 => self.payload(part, batch, compare)?,
                9 => self.ping.extend_from_slice(part),
                8 => return Err(wrong("the server closed the connection".into())),
                _ => return Err(wrong(format!("a frame with opcode {opcode} came back"))),
            }
            if !complete {
                continue;
            }
            if opcode == 9 {
                self.pongs.append(&mut pong(&self.ping));
                self.ping.clear();
            } else if self.head[0] & 0x80 != 0 {
                messages += 1;
                if !self.at.is_multiple_of(cell.size) {
                    return Err(wrong(format!("a message ended at byte {}", self.at)));
                }
            }
            self.head.clear();
        }
        Ok(messages)
    }

    fn payload(&mut self, part: &[u8], batch: &Batch, compare: bool) -> Result<()> {
        let range = self.at..self.at + part.len();
        let expected = batch.answer.get(range);
        let expected = expected.ok_or_else(|| wrong("more came back than was sent".into()))?;
        if compare && part != expected {
            return Err(wrong("other bytes came back than were sent".into()));
        }
        self.at += part.len();
        Ok(())
    }
}

/// `None` if the header is not complete.
fn payload_len(head: &[u8]) -> Result<Option<usize>> {
    let Some(&len) = head.get(1) else {
        return Ok(None);
    };
    if len & 0x80 != 0 || head[0] & 0x70 != 0 {
        return Err(wrong(format!("wrong frame header: {head:02x?}")));
    }
    let long = match len {
        126 => 2,
        127 => 8,
        len => return Ok(Some(len.into())),
    };
    if head.len() < 2 + long {
        return Ok(None);
    }
    Ok(Some(
        head[2..]
            .iter()
            .fold(0, |len, &it| len << 8 | usize::from(it)),
    ))
}

fn wrong(what: String) -> Error {
    Error::new(InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(parts: &[(u8, &[u8])]) -> Vec<u8> {
        let mut wire = Vec::new();
        for (first, payload) in parts {
            wire.extend_from_slice(&[*first, payload.len() as u8]);
            wire.extend_from_slice(payload);
        }
        wire
    }

    /// Feeds the bytes in pieces of every size.
    fn read(cell: &Batches, wire: &[u8]) -> Result<(usize, Vec<u8>)> {
        let mut results = Vec::new();
        for size in 1..=wire.len() {
            let (mut reader, mut messages) = (Reader::new(false), Ok(0));
            for piece in wire.chunks(size) {
                messages =
                    messages.and_then(|sum| Ok(sum + reader.take(piece, cell, cell.get(0), true)?));
            }
            results.push(messages.map(|it| (it, reader.pongs)));
        }
        let ok = results.iter().filter(|it| it.is_ok()).count();
        assert!(ok == 0 || ok == results.len(), "it depends on the pieces");
        results.remove(0)
    }

    #[test]
    fn answers_are_compared() {
        let cell = Batches::new(3, 2, false);
        let answer = cell.get(0).answer.clone();
        let (one, two) = answer.split_at(3);
        let right = frames(&[
            (0x82, one),
            (0x02, &two[..1]),
            (0x89, b"ping"),
            (0x80, &two[1..]),
        ]);
        let (messages, pongs) = read(&cell, &right).unwrap();
        assert_eq!(messages, 2);
        assert_eq!(pongs, pong(b"ping"));

        let other = [one[0] ^ 1, one[1], one[2]];
        let wrong = [
            frames(&[(0x82, &other)]),
            frames(&[(0x82, &answer[..4])]),
            frames(&[(0x82, one), (0x82, two), (0x82, one)]),
            frames(&[(0x88, b"")]),
            frames(&[(0xC2, one)]),
        ];
        for wire in wrong {
            assert!(read(&cell, &wire).is_err(), "{wire:02x?}");
        }
        assert!(read(&cell, &frames(&[(0x82, &one[..1])])).is_err());
    }

    #[test]
    fn a_raw_echo_brings_the_same_bytes() {
        let cell = Batches::new(200, 3, true);
        let wire = cell.get(5).wire.clone();
        let mut reader = Reader::new(true);
        let mut messages = 0;
        for piece in wire.chunks(7) {
            messages += reader.take(piece, &cell, cell.get(5), true).unwrap();
        }
        assert_eq!(messages, 3);
        assert!(reader.take(&[0], &cell, cell.get(5), true).is_err());
    }
}
