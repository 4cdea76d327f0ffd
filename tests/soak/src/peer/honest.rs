//! A peer that obeys the protocol: a client of the crate, with its own clock and limits.

use std::{mem, time::Duration};

use bytes::{Buf, BytesMut};
use websocket_proto::{
    CloseCode, Config, Connection, Event, MessageKind, ProtocolError, ReadyState, RecvBuf, Seed,
    deflate::DeflateConfig,
    handshake::client::{Handshake, Outcome, Request},
};

use super::{Io, PeerEnd};
use crate::{
    network::Read,
    random::{Random, hash},
    scenario::{Door, End, Honest, Plan},
};

/// It stops sending above so many unsent bytes.
const HIGH_WATER: usize = 64 << 10;

pub struct Client {
    plan: Honest,
    phase: Phase,
    input: RecvBuf,
    out: BytesMut,
    random: Random,
    /// When it sends the next messages.
    next: u64,
    /// When it may read again.
    read_at: u64,
    /// Pings that it has sent, and the last one that was answered.
    pings: u64,
    ponged: u64,
    /// It has done what ends the connection.
    ending: bool,
}

/// Why it stops.
enum Stop {
    Handshake,
    Error(ProtocolError),
    /// The server has done something wrong.
    Wrong(String),
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Error(error)
    }
}

enum Phase {
    Connecting(Box<Handshake>),
    Open(Connection),
}

impl Client {
    pub(super) fn new(plan: &Plan, honest: &Honest, seed: u64) -> Self {
        let mut config = Config::new();
        if !honest.keepalive {
            config.ping_interval = None;
        }
        config.deflate = plan.door.compresses().then(|| {
            let mut deflate = DeflateConfig::new();
            (deflate.level, deflate.mem_level) = (1, 4);
            deflate.client_no_context_takeover = plan.door == Door::Alone;
            deflate
        });
        let mut random = Random(hash(seed, plan.id, u32::MAX));
        let quit_after = match honest.end {
            End::ServerCloses => (honest.messages * 3 / 4).max(1),
            _ => u32::MAX,
        };
        let room = if honest.in_room { "room" } else { "echo" };
        let url = format!("ws://example.com/{room}/{quit_after}");
        let request = Request::new(&url).expect("a valid URL");
        let mut words = [0; 32];
        words.fill_with(|| random.word() as u8);
        let mut out = BytesMut::new();
        let handshake = Handshake::start(&request, Seed::from(words), config, &mut out);
        Self {
            plan: honest.clone(),
            phase: Phase::Connecting(Box::new(handshake.expect("a valid request"))),
            input: RecvBuf::new(),
            out,
            random,
            next: 0,
            read_at: 0,
            pings: 0,
            ponged: 0,
            ending: false,
        }
    }

    pub(super) fn wake(&mut self, io: &mut Io<'_>) -> Result<Option<u64>, String> {
        if let Phase::Open(ws) = &mut self.phase {
            io.shared.pool.lend(ws);
        }
        let result = self.turn(io);
        if let Phase::Open(ws) = &mut self.phase {
            io.shared.pool.hibernate(ws);
        }
        self.input.release();
        if self.out.is_empty() {
            self.out = BytesMut::new();
        }
        let error = match result {
            Ok(()) if io.link.is_silent && !self.plan.keepalive => None,
            Ok(()) => return Ok(self.wakes_at(io)),
            Err(Stop::Wrong(wrong)) => return Err(wrong),
            Err(Stop::Error(error)) => Some(error),
            Err(Stop::Handshake) => None,
        };
        // Only what the plan does may end the connection.
        let planned = match self.plan.end {
            End::Fin => error == Some(ProtocolError::EndOfStream) && self.ending,
            End::Cut { .. } | End::Reset | End::Silent => io.link.is_reset || io.link.is_silent,
            End::Close | End::ServerCloses => false,
        };
        if !planned {
            return Err(format!("the honest peer met an error: {error:?}"));
        }
        io.finish(PeerEnd::Gone);
        Ok(None)
    }

    fn turn(&mut self, io: &mut Io<'_>) -> Result<(), Stop> {
        let now = Duration::from_millis(io.now);
        self.read(io)?;
        match &mut self.phase {
            Phase::Connecting(handshake) => {
                handshake.handle_timeout(now).map_err(|_| Stop::Handshake)?
            }
            Phase::Open(ws) => ws.handle_timeout(now, &mut self.out)?,
        }
        self.send(io);
        while !self.out.is_empty() {
            let n = io.write(&self.out);
            self.out.advance(n);
            if n == 0 {
                break;
            }
        }
        self.end(io)
    }

    fn read(&mut self, io: &mut Io<'_>) -> Result<(), Stop> {
        let rate = io.plan.weather.rate;
        if io.now < self.read_at {
            return Ok(());
        }
        loop {
            self.take_events(io)?;
            match io.read(self.input.spare(rate.min(16 << 10))) {
                Read::Bytes(n) => {
                    self.input.filled(n);
                    if rate < usize::MAX {
                        self.read_at = io.now + 100 * (n as u64).div_ceil(rate as u64);
                        return self.take_events(io);
                    }
                }
                Read::Nothing => return Ok(()),
                Read::End => {
                    match &mut self.phase {
                        Phase::Connecting(handshake) => handshake.end_of_stream(),
                        Phase::Open(ws) => ws.end_of_stream(),
                    }
                    return self.take_events(io);
                }
            }
        }
    }

    fn take_events(&mut self, io: &mut Io<'_>) -> Result<(), Stop> {
        if let Phase::Connecting(handshake) = &mut self.phase {
            let (ws, accepted) = match handshake.next(&mut self.input) {
                Ok(Some(Outcome::Accepted(ws, _))) => (ws, io.now),
                Ok(None) => return Ok(()),
                Ok(Some(Outcome::Refused(_))) | Err(_) => return Err(Stop::Handshake),
            };
            if ws.deflate().is_some() != io.plan.door.compresses() {
                return Err(Stop::Handshake);
            }
            io.trace(|| "the peer is connected".into());
            self.phase = Phase::Open(ws);
            self.next = accepted + self.random.upto(500);
        }
        let Phase::Open(ws) = &mut self.phase else {
            return Ok(());
        };
        while let Some(event) = ws.next_event(&mut self.input, &mut self.out)? {
            io.trace(|| format!("the peer receives {event:?}"));
            if let Event::Pong(payload) = event
                && let Ok(number) = payload.try_into().map(u64::from_be_bytes)
            {
                if number <= self.ponged || number > self.pings {
                    let wrong = format!("pong {number} arrived after {}", self.ponged);
                    return Err(Stop::Wrong(wrong));
                }
                self.ponged = number;
            }
            let checked = io.ledger.peer_received(&io.shared.content, &event);
            checked.map_err(Stop::Wrong)?;
        }
        Ok(())
    }

    /// Sends some messages if it is time.
    fn send(&mut self, io: &mut Io<'_>) {
        let Phase::Open(ws) = &mut self.phase else {
            return;
        };
        if io.now < self.next || self.ending || ws.state() != ReadyState::Open {
            return;
        }
        if self.out.len() >= HIGH_WATER {
            self.next = io.now + 50;
            return;
        }
        let left = self.plan.messages - io.ledger.sent;
        if left == 0 && self.plan.idle.is_none() {
            return;
        }
        let count = (1 + self.random.upto(8) as u32).min(left);
        let mut bytes = mem::take(&mut io.shared.scratch);
        for _ in 0..count {
            let message = io.shared.content.message(io.plan.id, io.ledger.sent);
            io.shared.content.write(&message, &mut bytes);
            io.trace(|| format!("the peer sends {:?} of {} bytes", message.kind, message.len));
            let sent = match (message.kind, self.random.upto(8)) {
                (kind, 0) => fragments(ws, kind, &bytes, &mut self.random, &mut self.out),
                (MessageKind::Binary, _) => ws.send_binary(&bytes, &mut self.out),
                (MessageKind::Text, _) => {
                    let text = core::str::from_utf8(&bytes).expect("a text");
                    ws.send_text(text, &mut self.out)
                }
            };
            sent.expect("the connection is open");
            io.ledger.sent += 1;
        }
        io.shared.scratch = bytes;
        if self.random.chance(10) {
            self.pings += 1;
            let number = self.pings.to_be_bytes();
            ws.send_ping(&number, &mut self.out)
                .expect("the connection is open");
        }
        let half = self.plan.messages / 2;
        self.next = io.now
            + match (self.plan.idle, self.random.upto(20)) {
                (Some(idle), _) if io.ledger.sent >= half => {
                    self.plan.idle = None;
                    idle
                }
                (_, 0) => 10_000 + self.random.upto(15_000),
                _ => 100 + self.random.upto(2_000),
            };
    }

    /// Ends the connection after the last message.
    fn end(&mut self, io: &mut Io<'_>) -> Result<(), Stop> {
        let Phase::Open(ws) = &mut self.phase else {
            return Ok(());
        };
        let sent_all = io.ledger.sent == self.plan.messages && self.plan.idle.is_none();
        // Some end at once.
        let due = io.now >= self.next || self.plan.messages.is_multiple_of(2);
        if sent_all && !self.ending && due {
            let waits = self.plan.end == End::ServerCloses && self.plan.messages > 0;
            self.ending = match self.plan.end {
                _ if waits || ws.state() != ReadyState::Open => false,
                End::Close | End::ServerCloses | End::Cut { .. } => {
                    let code = CloseCode::NORMAL;
                    ws.close(code, "", &mut self.out)
                        .expect("the reason is short");
                    io.trace(|| "the peer sends Close".into());
                    let n = io.write(&self.out);
                    self.out.advance(n);
                    true
                }
                // The last bytes leave first.
                End::Fin if !self.out.is_empty() => false,
                End::Fin => {
                    io.end();
                    io.trace(|| "the peer ends the stream".into());
                    true
                }
                End::Reset => {
                    io.reset();
                    io.finish(PeerEnd::Gone);
                    true
                }
                End::Silent => {
                    io.trace(|| "the network falls silent".into());
                    io.link.is_silent = true;
                    true
                }
            };
        }
        if ws.is_done() && self.out.is_empty() {
            io.end();
            // Of several pings at least the last one is answered (RFC 6455 §5.5.3), but not after a
            // Close frame. The server's halves may hear of both at once.
            let may_miss = io.plan.door.has_halves() || self.plan.end == End::ServerCloses;
            if self.ponged < self.pings && !may_miss {
                let (ponged, pings) = (self.ponged, self.pings);
                let wrong = format!("ping {pings} was not answered, the last pong was {ponged}");
                return Err(Stop::Wrong(wrong));
            }
            io.finish(PeerEnd::Closed);
        }
        Ok(())
    }

    fn wakes_at(&mut self, io: &Io<'_>) -> Option<u64> {
        let now = Duration::from_millis(io.now);
        let deadline = match &mut self.phase {
            Phase::Connecting(handshake) => handshake.deadline(now),
            Phase::Open(ws) => ws.deadline(now),
        };
        let deadline = deadline.map(|at| at.as_millis() as u64);
        let sends = matches!(self.phase, Phase::Open(_)) && !self.ending;
        let sends = sends.then_some(self.next).filter(|&at| at > io.now);
        let reads = Some(self.read_at).filter(|&at| at > io.now);
        [deadline, sends, reads].into_iter().flatten().min()
    }
}

fn fragments(
    ws: &mut Connection,
    kind: MessageKind,
    bytes: &[u8],
    random: &mut Random,
    out: &mut BytesMut,
) -> Result<(), websocket_proto::SendError> {
    ws.start_message(kind)?;
    let size = 1 + bytes.len() / (1 + random.below(8));
    let mut pieces = bytes.chunks(size);
    let last = pieces.next_back().unwrap_or_default();
    for piece in pieces {
        ws.send_fragment(piece, out)?;
        if random.chance(10) {
            ws.send_pong(b"unasked", out)?;
        }
    }
    ws.finish_message(last, out)
}
