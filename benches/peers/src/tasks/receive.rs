//! Receiving: bytes arrive in reads, messages come out.

use std::{fmt, sync::Arc};

use fastrand::Rng;
use xxhash_rust::xxh3::Xxh3;

pub use super::sink::{Receiver, Sink};
use super::{
    Job, Role,
    compress::{self, Bare, Corpus, Settings},
    sink::{Digest, Hashing, Touch},
};
use crate::{
    generate::{self, Content},
    wire::{Cycle, Drain, MOST, Transport, Wire},
};

/// A stream of frames for one side of a connection.
#[derive(Clone)]
pub struct Receive {
    pub role: Role,
    /// If all messages are texts of one size: that size.
    text: Option<usize>,
    /// The longest message, in bytes.
    pub longest: usize,
    /// The size of a read, where a contestant can choose it.
    pub buffer: usize,
    /// The most that a read brings.
    most: usize,
    pub cycle: Arc<Cycle>,
    expected: Arc<Vec<Digest>>,
    /// If all messages are compressed texts.
    pub compressed: Option<Compressed>,
}

/// The payloads of compressed texts, as they are sent (without masks).
#[derive(Clone)]
pub struct Compressed {
    pub takeover: bool,
    pub payloads: Arc<Vec<Vec<u8>>>,
}

impl fmt::Debug for Receive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages", self.expected.len())
    }
}

/// Where reads end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// Where the buffer ends.
    None,
    /// After so many bytes.
    Every(usize),
    /// Somewhere inside of each frame.
    EachFrame,
}

/// The size of a read, where nothing else is said.
pub const BUFFER: usize = 16 << 10;

impl Receive {
    /// Messages of one size, about so many bytes together, but one message at least.
    pub fn equal(about: usize, role: Role, content: Content, size: usize, cuts: Cuts) -> Self {
        let mut rng = Rng::with_seed(size as u64);
        let mut stream = Builder::new(role);
        let count = (about / (size + 8)).clamp(1, 4096);
        for _ in 0..count {
            let payload = content.payload(size, &mut rng);
            stream.message(content.is_text(), &payload, 1, &mut rng);
        }
        Self {
            text: content.is_text().then_some(size),
            ..stream.finish(cuts, &mut rng)
        }
    }

    /// Compressed texts, which a server receives.
    pub fn compressed(about: usize, corpus: Corpus, takeover: bool) -> Self {
        let mut rng = Rng::with_seed(3);
        let mut stream = Builder::new(Role::Server);
        let mut bare = Bare::new(Settings {
            takeover,
            level: compress::LEVEL,
            mem_level: compress::MEM_LEVEL,
        });
        let mut payloads = Vec::new();
        let mut out = vec![0; 1 << 17];
        for text in corpus.texts(about) {
            let n = bare.compress(text.as_bytes(), &mut out);
            payloads.push(out[..n].to_vec());
            stream.frame(0xC0 | generate::TEXT, &out[..n], &mut rng);
            stream.expect(true, text.as_bytes());
        }
        let payloads = Arc::new(payloads);
        Self {
            compressed: Some(Compressed { takeover, payloads }),
            ..stream.finish(Cuts::None, &mut rng)
        }
    }

    /// Messages as a server with many kinds of clients gets them: most are short texts, a few are
    /// long, one in twelve comes in fragments, of which some have a ping in between.
    pub fn mixed(about: usize, role: Role, cuts: Cuts) -> Self {
        let mut rng = Rng::with_seed(12);
        let mut stream = Builder::new(role);
        for at in 0..(about / 192).max(50) {
            let size = match rng.u8(..100) {
                0..60 => rng.usize(8..=125),
                60..88 => rng.usize(126..=1024),
                88..98 => rng.usize(1025..=8192),
                _ => rng.usize(8193..=32_768),
            };
            let content = match rng.u8(..10) {
                0..3 => Content::Binary,
                3..8 => Content::Ascii,
                _ => Content::MultiByte,
            };
            let fragments = match at % 12 {
                11 => rng.usize(2..=5),
                _ => 1,
            };
            if at % 50 == 49 {
                let ping = generate::PING;
                stream.frame(0x80 | ping, b"are you there?", &mut rng);
            }
            let payload = content.payload(size, &mut rng);
            stream.message(content.is_text(), &payload, fragments, &mut rng);
        }
        stream.finish(cuts, &mut rng)
    }

    /// The same with other reads. They bring no more, also if a contestant's buffer is larger.
    pub fn with_buffer(&self, buffer: usize) -> Self {
        Self {
            buffer,
            most: self.most.min(buffer),
            ..self.clone()
        }
    }

    pub fn messages(&self) -> usize {
        self.expected.len()
    }

    /// The work of one contestant. `make` makes it for a transport; it gets this task as well.
    pub fn job<R: Receiver + 'static>(
        &self,
        make: impl Fn(&Self, Transport) -> R + Clone + 'static,
    ) -> Job {
        let (task, make_checked) = (self.clone(), make.clone());
        let check = move || task.check(&make_checked);
        let task = self.clone();
        let start = move || task.start(&make);
        Job::new(self.messages(), check, start)
    }

    /// Whether many reads end inside a text: because texts are `long`, or because the workload wants it.
    pub fn cuts_texts(&self, long: usize) -> bool {
        let on_purpose = self.most < MOST || !self.cycle.cuts().is_empty();
        self.text.is_some_and(|size| size >= long || on_purpose)
    }

    fn transport(&self, drain: Drain) -> Transport {
        let wire = Wire::new(self.cycle.clone(), self.most);
        Transport { wire, drain }
    }

    /// The stream with a byte in the middle of its first text that is not UTF-8.
    fn spoilt(&self, size: usize) -> Self {
        let mut bytes = self.cycle.bytes().to_vec();
        let header = match bytes[1] & 0x7F {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let key = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
        bytes[header + key + size / 2] ^= 0x80;
        Self {
            cycle: Arc::new(Cycle::new(bytes, self.cycle.cuts().to_vec())),
            ..self.clone()
        }
    }

    /// Receives texts that are no texts.
    fn check_refusal<R: Receiver>(
        &self,
        size: usize,
        make: &impl Fn(&Self, Transport) -> R,
    ) -> Result<(), String> {
        let task = self.spoilt(size);
        let refused = super::quietly(|| {
            let transport = task.transport(Drain::default());
            transport.wire.refill(1);
            let left = self.messages() as isize;
            make(&task, transport).receive(&mut Touch { left, sum: 0 });
        });
        match refused {
            Err(_) => Ok(()),
            Ok(()) => Err("it took a text that is not UTF-8".into()),
        }
    }

    /// Receives the stream three times, which shows whether anything is left over in between.
    fn check<R: Receiver>(&self, make: &impl Fn(&Self, Transport) -> R) -> Result<(), String> {
        let transport = self.transport(Drain::recording());
        let wire = transport.wire.clone();
        let mut receiver = make(self, transport);
        for _ in 0..3 {
            wire.refill(1);
            let mut sink = Hashing {
                expected: self.messages(),
                digests: Vec::new(),
                part: None,
            };
            receiver.receive(&mut sink);
            if !wire.is_empty() {
                return Err("it stopped before everything was read".into());
            }
            for (at, expected) in self.expected.iter().enumerate() {
                let got = sink.digests.get(at);
                if got != Some(expected) {
                    return Err(format!("message {at} is {got:?} instead of {expected:?}"));
                }
            }
            if sink.digests.len() > self.messages() {
                return Err("there are more messages than were sent".into());
            }
        }
        match self.text {
            Some(size) => self.check_refusal(size, make),
            None => Ok(()),
        }
    }

    fn start<R: Receiver + 'static>(
        &self,
        make: &impl Fn(&Self, Transport) -> R,
    ) -> Box<dyn FnMut(usize)> {
        let transport = self.transport(Drain::default());
        let wire = transport.wire.clone();
        let mut receiver = make(self, transport);
        let messages = self.messages();
        Box::new(move |cycles| {
            wire.refill(cycles);
            let left = (cycles * messages) as isize;
            let mut sink = Touch { left, sum: 0 };
            receiver.receive(&mut sink);
            std::hint::black_box(sink.sum);
            assert!(sink.is_full(), "messages are missing");
        })
    }
}

/// Frames that are put behind each other.
struct Builder {
    role: Role,
    wire: Vec<u8>,
    /// Where frames begin.
    starts: Vec<usize>,
    expected: Vec<Digest>,
}

impl Builder {
    fn new(role: Role) -> Self {
        Self {
            role,
            wire: Vec::new(),
            starts: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// One frame, masked if a server receives it.
    fn frame(&mut self, first: u8, payload: &[u8], rng: &mut Rng) {
        let key = (self.role == Role::Server).then(|| rng.u32(..).to_ne_bytes());
        self.starts.push(self.wire.len());
        generate::frame(&mut self.wire, first, key, payload);
    }

    fn message(&mut self, is_text: bool, payload: &[u8], fragments: usize, rng: &mut Rng) {
        let opcode = if is_text {
            generate::TEXT
        } else {
            generate::BINARY
        };
        let pieces = payload.chunks(payload.len().div_ceil(fragments).max(1));
        let last = pieces.len().saturating_sub(1);
        for (at, piece) in pieces.enumerate() {
            let first = if at == 0 { opcode } else { 0 };
            let fin = if at == last { 0x80 } else { 0 };
            if at == 2 {
                self.frame(0x80 | generate::PING, b"in between", rng);
            }
            self.frame(first | fin, piece, rng);
        }
        self.expect(is_text, payload);
    }

    fn expect(&mut self, is_text: bool, payload: &[u8]) {
        let mut hash = Xxh3::new();
        hash.update(payload);
        self.expected.push(Digest {
            is_text,
            len: payload.len(),
            hash: hash.digest(),
        });
    }

    fn finish(self, cuts: Cuts, rng: &mut Rng) -> Receive {
        let len = self.wire.len();
        let ends: Vec<usize> = match cuts {
            Cuts::None | Cuts::Every(_) => Vec::new(),
            Cuts::EachFrame => {
                let ends = self.starts.iter().skip(1).copied().chain([len]);
                let mut cuts: Vec<usize> = (self.starts.iter().zip(ends))
                    .map(|(&start, end)| rng.usize(start + 1..end))
                    .collect();
                cuts.push(len);
                cuts
            }
        };
        let most = match cuts {
            Cuts::Every(n) => n,
            _ => MOST,
        };
        let lens = self.expected.iter().map(|it| it.len);
        Receive {
            role: self.role,
            text: None,
            longest: lens.max().unwrap_or(0),
            buffer: BUFFER,
            most,
            cycle: Arc::new(Cycle::new(self.wire, ends)),
            expected: Arc::new(self.expected),
            compressed: None,
        }
    }
}
