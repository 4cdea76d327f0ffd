//! Two connections and a network, driven by random operations.

use core::time::Duration;
use std::collections::VecDeque;

use websocket_proto::{
    CloseFrame, Config, Connection, ProtocolError, ReadyState, deflate::Pool, meter,
};

use crate::{
    budget,
    node::{Ends, How, Node, Out},
    script::Script,
    sending::{Outbox, send},
    support::{OwnedEvent, SIDES, said},
};

/// The most operations of a run.
const OPERATIONS: usize = 400;

struct Side {
    node: Node,
    sent: Outbox,
    /// Bytes on the way to this side.
    arriving: VecDeque<u8>,
    /// The network has lost what comes later.
    cut: bool,
    /// Bytes that left the output.
    flushed: usize,
    state: ReadyState,
    /// The bytes written so far, once a Close frame is among them.
    last: Option<usize>,
}

/// Two connections send each other messages, pings and Close frames in every way that the crate
/// offers, with any configuration and any clock, over a network that splits, delays and ends.
///
/// What was sent arrives, in order, unless a limit, a timeout or the end of the stream explains it. No
/// byte follows a Close frame, and a Close frame that arrives is that which was sent. Errors are
/// repeated, and what is done stays done.
pub fn pair(data: &[u8]) {
    let mut script = Script(data);
    let deflate = script.flag().then(|| {
        (
            script.params(),
            [script.deflate_config(), script.deflate_config()],
        )
    });
    let mut configs = [Config::new(); 2];
    let mut sides = [0, 1].map(|at| {
        configs[at] = script.limits();
        let mut ws = Connection::assume_opened(SIDES[at].role(), configs[at]);
        if let Some((params, own)) = deflate {
            ws = ws.with_deflate(params, own[at]);
        }
        let out = match script.flag() {
            false => Out::Plain(Default::default()),
            true => Out::Queue(Default::default()),
        };
        Side {
            node: Node::new(ws, &configs[at], out),
            sent: Outbox::default(),
            arriving: VecDeque::new(),
            cut: false,
            flushed: 0,
            state: ReadyState::Open,
            last: None,
        }
    });
    let [first, second] = &mut sides;
    second.node.budget.share_memory(&first.node.budget);
    let (mut pool, mut now) = (Pool::new(), Duration::from_secs(1));
    for _ in 0..OPERATIONS {
        if script.0.is_empty() {
            break;
        }
        let at = script.number(2);
        lend(&mut sides, at, &mut pool);
        operation(&mut script, &mut sides, at, &mut pool, &mut now);
        sides.iter_mut().for_each(Side::check);
        for at in [0, 1] {
            let (longest, text) = sides[at].sent.longest();
            let limits = &mut sides[1 - at].node.budget.limits;
            (limits.longest, limits.text) = (longest, text);
        }
    }
    lend(&mut sides, 0, &mut pool);
    settle(&mut sides);
    let [first, second] = &sides;
    first.check_received(second);
    second.check_received(first);
    let mut most = 0;
    for (at, side) in sides.iter().enumerate() {
        let node = &side.node;
        let (per_byte, codecs) = match deflate {
            None => (meter::PLAIN, 0),
            Some((params, own)) => (
                meter::DEFLATE,
                budget::codecs_of(SIDES[at], params, own[at]),
            ),
        };
        node.budget.check_work(per_byte);
        most += node.budget.most_memory(node.inflates()) + codecs + side.sent.longest_piece;
    }
    let peak = first.node.budget.peak();
    assert!(peak <= most as i64, "{peak} of {most} bytes");
}

/// Gives what is in the pool to the side, or to the other one. So there are never more codecs than both
/// sides need.
fn lend(sides: &mut [Side; 2], at: usize, pool: &mut Pool) {
    for at in [at, 1 - at] {
        let Node { ends, budget, .. } = &mut sides[at].node;
        budget.own(|| match ends {
            Ends::Whole(ws) => pool.lend(ws),
            Ends::Halves(recv, send) => {
                pool.lend(recv);
                pool.lend(send);
            }
            Ends::Nothing => {}
        });
    }
}

fn operation(
    script: &mut Script<'_>,
    sides: &mut [Side; 2],
    at: usize,
    pool: &mut Pool,
    now: &mut Duration,
) {
    let kind = script.number(20);
    if kind < 8 {
        return deliver(script, sides, at);
    }
    let side = &mut sides[at];
    match kind {
        8..=13 => {
            let before = side.written();
            let lent = send(script, &mut side.node, &mut side.sent);
            side.flushed += lent.len();
            assert!(side.last.is_none() || before == side.written());
            sides[1 - at].arrives(&lent);
        }
        14 => {
            let steps = [0, 1, 1_000_000, 1_000_000_000, 20_000_000_000, u64::MAX];
            *now = now.saturating_add(Duration::from_nanos(script.pick(&steps)));
            side.node.time(*now);
        }
        15 => match script.number(3) {
            0 => side.node.reclaim(pool),
            1 => side.node.hibernate_into(pool),
            _ => side.node.hibernate(),
        },
        16 => side.node.release(),
        17 => match &side.node.ends {
            Ends::Whole(_) => side.node.split(),
            _ => side.node.join(),
        },
        18 => side.node.deliver(),
        _ => {
            // The stream ends behind what is on the way.
            if script.number(4) == 0 {
                let bytes: Vec<u8> = side.arriving.drain(..).collect();
                side.node.read(&bytes, How(0));
                side.cut = true;
                side.node.end(How(0));
            }
        }
    }
}

/// Flushes some bytes of one side, and delivers some to the other one.
fn deliver(script: &mut Script<'_>, sides: &mut [Side; 2], at: usize) {
    let bytes = sides[at].node.flush(How(script.byte()).size());
    sides[at].flushed += bytes.len();
    let peer = &mut sides[1 - at];
    peer.arrives(&bytes);
    let how = How(script.byte());
    let len = how.size().min(peer.arriving.len());
    let read: Vec<u8> = peer.arriving.drain(..len).collect();
    if !peer.cut {
        peer.node.read(&read, how);
    }
}

/// Delivers everything that is on the way.
fn settle(sides: &mut [Side; 2]) {
    for round in 0.. {
        let mut moved = false;
        for at in [0, 1] {
            sides[at].node.join();
            let bytes = sides[at].node.flush(usize::MAX);
            sides[at].flushed += bytes.len();
            sides[1 - at].arrives(&bytes);
            let read: Vec<u8> = sides[at].arriving.drain(..).collect();
            moved |= !(bytes.is_empty() && read.is_empty());
            // Also without bytes: an error is repeated.
            if !sides[at].cut {
                sides[at].node.read(&read, How(0));
            }
            sides[at].check();
        }
        if !moved {
            return;
        }
        assert!(round < 10, "they answer each other for ever");
    }
}

impl Side {
    fn arrives(&mut self, bytes: &[u8]) {
        if !self.cut {
            self.arriving.extend(bytes);
        }
    }

    fn written(&self) -> usize {
        self.flushed + self.node.out.len()
    }

    /// What must hold after each operation.
    fn check(&mut self) {
        self.node.budget.unsent(self.node.out.len());
        let (before, now) = (self.state as u8, self.node.state() as u8);
        assert!(before <= now, "{before:?}, then {now:?}");
        self.state = self.node.state();
        let written = self.written();
        if self.close_sent().is_some() {
            assert_eq!(
                *self.last.get_or_insert(written),
                written,
                "bytes after a Close frame"
            );
        }
    }

    fn close_sent(&self) -> Option<CloseFrame<'_>> {
        match &self.node.ends {
            Ends::Whole(ws) => ws.close_sent(),
            Ends::Halves(_, send) => send.close_sent(),
            Ends::Nothing => None,
        }
    }

    /// What has arrived is what the peer has sent.
    fn check_received(&self, peer: &Self) {
        let is_message =
            |event: &&OwnedEvent| matches!(event, OwnedEvent::Text(_) | OwnedEvent::Binary(_));
        let received: Vec<_> = self.node.events.iter().filter(is_message).collect();
        let sent: Vec<_> = peer.sent.messages.iter().collect();
        assert!(received.len() <= sent.len());
        assert_eq!(received, sent[..received.len()]);
        use ProtocolError as E;
        let error = self.node.failed();
        assert!(
            matches!(
                error,
                None | Some(
                    E::MessageTooBig
                        | E::FrameTooBig
                        | E::TooManyFragments
                        | E::TooManyFinalBlocks
                        | E::PongTimeout
                        | E::CloseTimeout
                        | E::MessageTimeout
                        | E::EndOfStream
                )
            ),
            "the peer did nothing wrong: {error:?}"
        );
        if self.cut || error.is_some() {
            return;
        }
        assert_eq!(received.len(), sent.len(), "messages are missing");
        let Ends::Whole(ws) = &self.node.ends else {
            unreachable!("joined")
        };
        assert_eq!(said(ws.close_received()), said(peer.close_sent()));
    }
}
