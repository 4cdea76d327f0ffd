//! One side: the connection, its buffers, and an observer that knows what it must do. The observer is
//! written from the RFC and the manual, and sees only bytes, events and results.

use std::{
    collections::VecDeque,
    hash::{Hash, Hasher},
    mem,
    time::Duration,
};

use bytes::BytesMut;
use websocket_proto::{Config, ProtocolError, ReadyState, RecvBuf};

use crate::{
    action::Side,
    faults::Fault,
    frames::{Frame, Said, Stream},
    ledger::{Event, Ledger, Property, Violation},
    system::{self, Form, System},
    world::Bounds,
};

mod output;
mod receiving;
mod sending;

/// The instant at which each connection is opened.
pub const START: Duration = Duration::from_secs(100);
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// In bytes per second. Each byte of a message gives it one second more.
const MESSAGE_RATE: u32 = 1;

type Checked<T = ()> = Result<T, Violation>;

/// What a side has written: the truth with which events of the peer are compared.
#[derive(Debug, Default, Hash)]
pub struct Written {
    /// Whole messages, and whether each is text.
    pub messages: Vec<(bool, Vec<u8>)>,
    /// The message under way.
    pub open: Option<(bool, Vec<u8>)>,
    pub pings: Vec<Vec<u8>>,
    pub close: Option<Said>,
    /// A text that is not UTF-8.
    pub bad: bool,
}

/// What has arrived at a side as a whole: no event about it may be withheld.
#[derive(Debug, Hash)]
struct Arrived {
    stream: Stream,
    messages: usize,
    pings: usize,
    close: bool,
    /// The frames that were not looked at.
    frames: VecDeque<Frame>,
    /// The payload bytes of the message under way in the frames that were.
    looked_at: Option<usize>,
}

impl Arrived {
    /// Looks at the frames up to the next event. Returns the payload bytes that were seen of the
    /// message under way.
    fn look(&mut self) -> Option<usize> {
        while let Some(frame) = self.frames.pop_front() {
            match frame {
                Frame { opcode: 8.., .. } => return self.looked_at,
                Frame { fin: true, .. } => {
                    self.looked_at = None;
                    return None;
                }
                Frame { payload, .. } => {
                    *self.looked_at.get_or_insert(0) += payload.len();
                }
            }
        }
        match (self.looked_at, self.stream.unfinished()) {
            (None, None) => None,
            (before, now) => Some(before.unwrap_or(0) + now.unwrap_or(0)),
        }
    }
}

/// What a side has read.
#[derive(Debug, Default, Hash)]
pub struct Read {
    pub messages: usize,
    /// The parts of the message under way.
    parts: Vec<u8>,
    pings: usize,
    /// All earlier pings are answered, or never will be.
    pub pongs: usize,
    /// Bytes have arrived since the last event was taken.
    arrived: bool,
    told_end: bool,
    /// No event may follow.
    pub over: bool,
    error: Option<Failure>,
}

/// What a call or a note tells the sending half.
#[derive(Debug, Default, Hash)]
struct Heard {
    bytes: bool,
    control: Option<Control>,
    end: bool,
    failure: Option<Failure>,
    unfinished: Option<Unfinished>,
}

/// The message under way: the number of those before it, and its payload bytes.
#[derive(Debug, Clone, Copy, Hash)]
struct Unfinished {
    number: usize,
    bytes: usize,
}

#[derive(Debug, Hash)]
enum Control {
    Ping(Vec<u8>),
    Close(Said),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure(pub ProtocolError);

impl Hash for Failure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(&self.0).hash(state);
    }
}

#[derive(Debug)]
pub struct Endpoint {
    pub side: Side,
    form: Form,
    pub system: Box<dyn System>,
    input: RecvBuf,
    /// The reads and the calls since the buffer was idle, the bytes without masks.
    since_idle: Vec<u8>,
    pub out: BytesMut,
    /// What the transport has taken.
    stream: Stream,
    /// The frames of which at least the end is in `out`.
    queued: Vec<Frame>,
    pub due: Option<Duration>,
    pub written: Written,
    pub read: Read,
    arrived: Arrived,
    /// The Close frame that the system has written, before a foreign peer changes it.
    claimed: Option<Said>,
    /// The notes on their way, and what the next one will tell.
    notes: VecDeque<Heard>,
    next_note: Heard,
    /// What the sending half has heard.
    received: Option<Said>,
    ended: bool,
    pub error: Option<Failure>,
    pong_timeout: Duration,
    /// When a keepalive ping was written, if no byte was heard since.
    unanswered: Option<Duration>,
    /// The instant of the last keepalive ping, and the unsent bytes in front of it.
    pinged: Duration,
    ahead: usize,
    pub closing_since: Option<Duration>,
    message_timeout: Option<Duration>,
    /// The message under way of which the sending half has heard, and when it was first seen.
    unfinished: Option<Unfinished>,
    unfinished_since: Option<Duration>,
    /// A client does not wait any longer for the server to end the stream.
    gave_up: bool,
    pub paused: bool,
    pub gone: bool,
    /// The row of the closing table before the call that is under way.
    before: usize,
}

impl Endpoint {
    pub fn new(side: Side, form: Form, fault: Option<Fault>, bounds: &Bounds) -> Self {
        let pong_timeout = Duration::from_secs(bounds.pong_timeout);
        let mut config = Config::new();
        config.ping_interval = Some(PING_INTERVAL);
        config.pong_timeout = pong_timeout;
        config.close_timeout = CLOSE_TIMEOUT;
        let limited = bounds.message_timeout > 0;
        let message_timeout = limited.then(|| Duration::from_secs(bounds.message_timeout));
        config.message_timeout = message_timeout;
        config.min_message_rate = MESSAGE_RATE;
        config.fragment_size = bounds.fragment;
        // A pong replaces another one that is not sent.
        config.pong_backlog = 0;
        if let Some(fault) = fault {
            fault.misconfigure(&mut config);
        }
        let system = system::open(form, side, config);
        Self {
            side,
            form,
            system: match fault {
                Some(fault) => fault.put_into(system, side),
                None => system,
            },
            input: RecvBuf::new(),
            since_idle: Vec::new(),
            out: BytesMut::new(),
            stream: Stream::new(side == Side::Client),
            queued: Vec::new(),
            due: None,
            written: Written::default(),
            read: Read::default(),
            arrived: Arrived {
                stream: Stream::new(side == Side::Server),
                messages: 0,
                pings: 0,
                close: false,
                frames: VecDeque::new(),
                looked_at: None,
            },
            claimed: None,
            notes: VecDeque::new(),
            next_note: Heard::default(),
            received: None,
            ended: false,
            error: None,
            pong_timeout,
            unanswered: None,
            pinged: START,
            ahead: 0,
            closing_since: None,
            message_timeout,
            unfinished: None,
            unfinished_since: None,
            gave_up: false,
            paused: false,
            gone: false,
            before: 0,
        }
    }

    pub fn fingerprint<H: Hasher + std::fmt::Write>(&self, to: &mut H) {
        let written = self.system.fingerprint(to);
        written.expect("a hash takes everything");
        // `input` is what `since_idle` has made of an empty one.
        (&self.since_idle, &self.stream, &self.queued, self.out.len()).hash(to);
        (self.due, &self.written, &self.read, &self.arrived).hash(to);
        self.claimed.hash(to);
        (&self.notes, &self.next_note, &self.received, self.ended).hash(to);
        (
            self.error,
            self.unanswered,
            self.pinged,
            self.ahead,
            self.closing_since,
        )
            .hash(to);
        (self.unfinished, self.unfinished_since).hash(to);
        (self.gave_up, self.paused, self.gone).hash(to);
    }

    pub fn halves(&self) -> bool {
        self.form == Form::Halves
    }

    pub fn state(&self) -> ReadyState {
        self.system.view().state
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.error.is_none() && self.claimed.is_none()
    }

    pub fn is_done(&self) -> bool {
        self.expected_state() == ReadyState::Closed
    }

    pub fn is_closing(&self) -> bool {
        self.expected_state() == ReadyState::Closing
    }

    pub fn is_clean(&self) -> bool {
        self.claimed.is_some() && self.received.is_some() && self.error.is_none()
    }

    /// How long the side may take to notice that the peer is silent.
    pub fn patience(&self) -> Duration {
        if self.is_closing() {
            return CLOSE_TIMEOUT;
        }
        // A peer that has read something in front of the ping gets more time.
        let more = self.unanswered.is_some() && self.ahead > 0;
        PING_INTERVAL + self.pong_timeout * if more { 2 } else { 1 }
    }

    /// When the message under way must be complete.
    fn message_due(&self) -> Option<Duration> {
        let (Unfinished { bytes, .. }, since) = (self.unfinished?, self.unfinished_since?);
        let earned = Duration::from_secs(bytes as u64) / MESSAGE_RATE;
        Some(since + self.message_timeout? + earned)
    }

    pub fn notes(&self) -> usize {
        self.notes.len()
    }

    /// Joins the halves, and splits them again. It fails if the sending half has not heard all. An
    /// error of the sending half then is also one of the receiving half.
    pub fn join(&mut self, ledger: &mut Ledger) -> Checked {
        let joined = self.system.join();
        let expected = self.notes.is_empty() && !self.next_note.end;
        ledger.check(Property::Joins, joined.is_ok() == expected, || {
            format!("{}: joining the halves: {joined:?}", self.side.name())
        })?;
        if self.halves() && expected && self.error.is_some() {
            (self.read.error, self.read.over) = (self.error, true);
        }
        Ok(())
    }

    /// The state that RFC 6455 §7.1 and the manual ask for.
    fn expected_state(&self) -> ReadyState {
        if self.error.is_some() {
            return ReadyState::Closed;
        }
        let is_server = self.side == Side::Server;
        match (self.claimed.is_some(), self.received.is_some()) {
            (false, false) => ReadyState::Open,
            (true, true) if is_server || self.ended || self.gave_up => ReadyState::Closed,
            _ => ReadyState::Closing,
        }
    }

    fn row(&self) -> usize {
        let [sent, received, ended] =
            [self.claimed.is_some(), self.received.is_some(), self.ended].map(usize::from);
        match self.error {
            Some(_) => 8,
            None => sent + 2 * received + 4 * ended,
        }
    }

    fn visit(&self, event: Event, ledger: &mut Ledger) {
        ledger.visit(self.side, self.before, event);
    }
}
