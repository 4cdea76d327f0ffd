//! What an attack is: bytes, and the verdicts that are right.
use std::time::Duration;

use websocket_proto::deflate::Params;

/// One row of the tables.
#[derive(Clone)]
pub struct Attack {
    /// `group/what-is-sent`.
    pub name: String,
    /// The rule that decides, or the known fault that the attack repeats.
    pub rule: &'static str,
    /// What is sent first: the head of a request to a server, or of a response to a client.
    pub head: Head,
    /// What is sent behind the handshake.
    pub parts: Vec<Part>,
    pub want: Want,
    /// The rule is no MUST of an RFC: a peer that breaks it is not strict, but does not fail.
    pub lenient: bool,
    /// The last message is not complete: a question behind it would be a part of it.
    pub incomplete: bool,
    /// What arrives is read only after all was sent.
    pub deaf: bool,
    /// How many connections do it at the same time.
    pub connections: usize,
}

#[derive(Clone)]
pub enum Head {
    /// A correct handshake.
    Plain,
    /// A correct handshake with compression. If it is not agreed on, the attack is left out.
    Deflate(Params),
    /// The head is the attack. Without a status 101, nothing else is sent.
    Raw(Vec<Part>),
}

#[derive(Clone)]
pub enum Part {
    Bytes(Vec<u8>),
    /// The bytes, this many times.
    Repeat(Vec<u8>, usize),
    /// Each byte in a segment of its own.
    Bytewise(Vec<u8>),
    /// One byte in each of these times, for ever: the first bytes, then the others again and again.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// The end of the stream; reading goes on.
    Shutdown,
}

/// What a correct peer does.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// Refuses the handshake with one of these statuses.
    Refused(&'static [u16]),
    /// The same, and the response has no body.
    RefusedWithoutBody(&'static [u16]),
    /// Accepts the handshake without the extension.
    Declined,
    /// A client does not accept the response: it sends no frames.
    NotOpened,
    /// Fails the connection with one of these close codes.
    Failed(&'static [u16]),
    /// Answers with these messages, in this order.
    Served(Vec<String>),
    /// Answers with these messages, or fails with one of these codes.
    Either(Vec<String>, &'static [u16]),
    /// Sends no message, however the connection ends.
    Silent,
    /// It is free to serve or to refuse, as long as it goes on to serve others.
    Survived,
    /// Ends the connection in time. Only with `--patience`.
    Ended,
}

impl Attack {
    pub fn new(name: impl Into<String>, rule: &'static str, want: Want) -> Self {
        Self {
            name: name.into(),
            rule,
            head: Head::Plain,
            parts: Vec::new(),
            want,
            lenient: false,
            incomplete: false,
            deaf: false,
            connections: 1,
        }
    }

    /// Sends these bytes behind the handshake.
    pub fn sends(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.parts.push(Part::Bytes(bytes.into()));
        self
    }

    pub fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub fn repeats(self, bytes: impl Into<Vec<u8>>, times: usize) -> Self {
        self.part(Part::Repeat(bytes.into(), times))
    }

    pub fn head(mut self, head: impl Into<Vec<u8>>) -> Self {
        self.head = Head::Raw(vec![Part::Bytes(head.into())]);
        self
    }

    pub fn head_parts(mut self, parts: Vec<Part>) -> Self {
        self.head = Head::Raw(parts);
        self
    }

    pub fn deflate(mut self, offer: Params) -> Self {
        self.head = Head::Deflate(offer);
        self
    }

    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    pub fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    pub fn deaf(mut self) -> Self {
        self.deaf = true;
        self
    }

    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count;
        self
    }

    /// Whether it needs `--patience`.
    pub fn is_slow(&self) -> bool {
        self.want == Want::Ended
    }
}
