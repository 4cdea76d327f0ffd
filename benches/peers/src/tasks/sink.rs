//! What receives, and where messages go: in the timed pass they are touched, in the correctness pass
//! hashed.

use xxhash_rust::xxh3::Xxh3;

/// A contestant that receives.
pub trait Receiver {
    /// Reads until nothing is left, and hands all messages over.
    fn receive<S: Sink>(&mut self, sink: &mut S);
}

/// Where messages go. Texts are `str`: a contestant that has only bytes checks them first.
pub trait Sink {
    fn text(&mut self, text: &str);

    /// A text that the contestant has checked and hands out as bytes nevertheless.
    fn valid_text(&mut self, text: &[u8]);

    fn binary(&mut self, bytes: &[u8]);

    /// Whether all messages of the stream are here. Most contestants need not know.
    fn is_full(&self) -> bool;

    /// A part of a message that is not assembled.
    fn part(&mut self, is_text: bool, bytes: &[u8], is_last: bool);
}

/// The sink of the timed pass: it counts, and reads the length, the first and the last byte.
pub(super) struct Touch {
    pub(super) left: isize,
    pub(super) sum: u64,
}

impl Touch {
    #[inline(always)]
    fn touch(&mut self, bytes: &[u8]) {
        self.sum += bytes.len() as u64;
        if let [first, ..] = bytes {
            self.sum += u64::from(*first);
        }
        if let [.., last] = bytes {
            self.sum += u64::from(*last);
        }
    }
}

impl Sink for Touch {
    #[inline(always)]
    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    #[inline(always)]
    fn valid_text(&mut self, text: &[u8]) {
        self.binary(text);
    }

    #[inline(always)]
    fn binary(&mut self, bytes: &[u8]) {
        self.left -= 1;
        self.touch(bytes);
    }

    #[inline(always)]
    fn part(&mut self, _: bool, bytes: &[u8], is_last: bool) {
        self.left -= isize::from(is_last);
        self.touch(bytes);
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.left == 0
    }
}

/// The sink of the correctness pass.
pub(super) struct Hashing {
    pub(super) expected: usize,
    pub(super) digests: Vec<Digest>,
    pub(super) part: Option<(usize, Xxh3)>,
}

impl Sink for Hashing {
    fn text(&mut self, text: &str) {
        self.part(true, text.as_bytes(), true);
    }

    fn valid_text(&mut self, text: &[u8]) {
        self.part(true, text, true);
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.part(false, bytes, true);
    }

    fn is_full(&self) -> bool {
        self.digests.len() >= self.expected
    }

    fn part(&mut self, is_text: bool, bytes: &[u8], is_last: bool) {
        let (len, hash) = self.part.get_or_insert_with(|| (0, Xxh3::new()));
        *len += bytes.len();
        hash.update(bytes);
        if is_last {
            self.digests.push(Digest {
                is_text,
                len: *len,
                hash: hash.digest(),
            });
            self.part = None;
        }
    }
}

/// What a message must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) is_text: bool,
    pub(super) len: usize,
    pub(super) hash: u64,
}
