//! Every way to send.

use bytes::Bytes;
use websocket_proto::{
    CloseCode, Delivery, Lent, MessageKind, Prepared, SendError,
    deflate::{DeflateConfig, Preparer},
};

use crate::{
    node::{Ends, Node, Out},
    script::Script,
    support::OwnedEvent,
};

/// What one side has sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) messages: Vec<OwnedEvent>,
    /// The message that is sent in pieces.
    started: Option<(MessageKind, Vec<u8>)>,
    /// The length of the longest message that was sent at once, or piece.
    pub(crate) longest_piece: usize,
    /// The lengths of the longest message and the longest text.
    longest: (usize, usize),
}

impl Outbox {
    /// The lengths of the longest message and the longest text, also of one that is not complete.
    pub(crate) fn longest(&self) -> (usize, usize) {
        self.with(self.started.as_ref())
    }

    fn with(&self, message: Option<&(MessageKind, Vec<u8>)>) -> (usize, usize) {
        let (longest, text) = self.longest;
        match message {
            None => self.longest,
            Some((MessageKind::Text, bytes)) => (longest.max(bytes.len()), text.max(bytes.len())),
            Some((MessageKind::Binary, bytes)) => (longest.max(bytes.len()), text),
        }
    }

    fn push(&mut self, kind: MessageKind, payload: Vec<u8>) {
        let message = (kind, payload);
        self.longest = self.with(Some(&message));
        let (kind, payload) = message;
        self.messages.push(match kind {
            MessageKind::Text => OwnedEvent::Text(String::from_utf8(payload).expect("it was sent")),
            MessageKind::Binary => OwnedEvent::Binary(payload),
        });
    }
}

/// Calls the same method of a connection or of its sending half.
macro_rules! call {
    ($node:expr, $method:ident($($argument:expr),*)) => {{
        let Node { ends, out, budget, .. } = $node;
        budget.own(|| match ends {
            Ends::Whole(ws) => ws.$method($($argument,)* out.get()),
            Ends::Halves(_, ws) => ws.$method($($argument,)* out.get()),
            Ends::Nothing => unreachable!("it is there"),
        })
    }};
}

/// Sends something. Returns what was written directly, from memory that was lent.
///
/// A call that fails writes nothing.
pub(crate) fn send(script: &mut Script<'_>, node: &mut Node, sent: &mut Outbox) -> Vec<u8> {
    let before = node.out.len();
    let state = node.state();
    let mut lent = Vec::new();
    let result = match script.number(16) {
        0 => {
            let payload = script.some();
            call!(node, send_ping(payload))
        }
        1 => {
            let payload = script.some();
            call!(node, send_pong(payload))
        }
        2 => {
            let code = script.pick(&[CloseCode::NORMAL, CloseCode::GOING_AWAY]);
            let reason = script.text();
            // Closing twice is no error.
            return match call!(node, close(code, reason)) {
                Ok(()) => lent,
                Err(error) => {
                    assert_eq!(
                        (error, reason.len() > 123),
                        (SendError::ReasonTooLong, true)
                    );
                    lent
                }
            };
        }
        3 => {
            let compression = script.compression();
            match &mut node.ends {
                Ends::Whole(ws) => ws.set_compression(compression),
                Ends::Halves(_, send) => send.set_compression(compression),
                Ends::Nothing => {}
            }
            return lent;
        }
        4 => start(script, node, sent),
        5..=7 => piece(script, node, sent, &mut lent),
        how => message(how, script, node, sent, &mut lent),
    };
    match result {
        Ok(()) => assert_eq!(state, websocket_proto::ReadyState::Open),
        Err(_) => assert_eq!((node.out.len(), lent.len()), (before, 0)),
    }
    lent
}

fn start(script: &mut Script<'_>, node: &mut Node, sent: &mut Outbox) -> Result<(), SendError> {
    let kind = kind(script);
    let result = node.budget.own(|| match &mut node.ends {
        Ends::Whole(ws) => ws.start_message(kind),
        Ends::Halves(_, ws) => ws.start_message(kind),
        Ends::Nothing => unreachable!("it is there"),
    });
    if result.is_ok() {
        assert!(sent.started.is_none());
        sent.started = Some((kind, Vec::new()));
    }
    result
}

/// Sends a piece of the message that was started. It can end inside a character.
fn piece(
    script: &mut Script<'_>,
    node: &mut Node,
    sent: &mut Outbox,
    lent: &mut Vec<u8>,
) -> Result<(), SendError> {
    let mut piece = payload(script).into_bytes();
    piece.truncate(piece.len() - script.number(3).min(piece.len()));
    sent.longest_piece = sent.longest_piece.max(piece.len());
    let fin = script.flag();
    let lends = script.flag() && matches!(node.out, Out::Plain(_));
    match (lends, fin) {
        (true, _) => {
            *lent = lend(
                node,
                script,
                &piece,
                if fin { Lend::Finish } else { Lend::Fragment },
            )?
        }
        (false, false) => call!(node, send_fragment(&piece))?,
        (false, true) => call!(node, finish_message(&piece))?,
    }
    let (kind, mut whole) = sent.started.take().expect("it was started");
    whole.extend(piece);
    match fin {
        false => sent.started = Some((kind, whole)),
        true => sent.push(kind, whole),
    }
    Ok(())
}

fn message(
    how: usize,
    script: &mut Script<'_>,
    node: &mut Node,
    sent: &mut Outbox,
    lent: &mut Vec<u8>,
) -> Result<(), SendError> {
    let (kind, text) = (kind(script), payload(script));
    let bytes = text.as_bytes();
    sent.longest_piece = sent.longest_piece.max(bytes.len());
    let prepared = || {
        let prepared = match kind {
            MessageKind::Text => Prepared::text(&text),
            MessageKind::Binary => Prepared::binary(bytes),
        };
        match how % 2 {
            0 => prepared,
            _ => prepared.compressed(&mut Preparer::new(DeflateConfig::new())),
        }
    };
    match how {
        8 => {
            let bytes = Bytes::copy_from_slice(bytes);
            call!(node, send_bytes(kind, &bytes))?;
        }
        9 | 10 => {
            let prepared = prepared();
            call!(node, send_prepared(&prepared))?;
        }
        11 => {
            let limit = script.pick(&[0, 1, 1000, usize::MAX]);
            let prepared = prepared();
            let delivery = call!(node, send_prepared_within(&prepared, limit))?;
            if delivery == Delivery::Dropped {
                return Ok(());
            }
        }
        12 | 13 if matches!(node.out, Out::Plain(_)) => {
            let what = match (kind, script.number(3)) {
                (_, 0) => Lend::Prepared(prepared()),
                (MessageKind::Text, _) => Lend::Text,
                (MessageKind::Binary, 1) => Lend::Binary,
                (MessageKind::Binary, _) => Lend::BinaryMut,
            };
            *lent = lend(node, script, bytes, what)?;
        }
        _ => match kind {
            MessageKind::Text => call!(node, send_text(&text))?,
            MessageKind::Binary => call!(node, send_binary(bytes))?,
        },
    }
    sent.push(kind, text.into_bytes());
    Ok(())
}

enum Lend {
    Text,
    Binary,
    BinaryMut,
    Prepared(Prepared),
    Fragment,
    Finish,
}

/// Lends a payload, and writes a part of what is unsent. The rest is copied to the output.
fn lend(
    node: &mut Node,
    script: &mut Script<'_>,
    payload: &[u8],
    what: Lend,
) -> Result<Vec<u8>, SendError> {
    let Node {
        ends,
        out: Out::Plain(out),
        budget,
        ..
    } = node
    else {
        unreachable!("it was asked before")
    };
    let mut own = payload.to_vec();
    let text = core::str::from_utf8(payload).unwrap_or_default();
    let write = |mut lent: Lent<'_>| {
        let unsent = lent.slices().concat();
        assert_eq!(unsent.len(), lent.unsent());
        let count = usize::from(script.byte()) * unsent.len() / 255;
        lent.written(count);
        unsent[..count].to_vec()
    };
    macro_rules! lend {
        ($ws:expr) => {
            match what {
                Lend::Text => $ws.lend_text(text, out).map(write),
                Lend::Binary => $ws.lend_binary(payload, out).map(write),
                Lend::BinaryMut => $ws.lend_binary_mut(&mut own, out).map(write),
                Lend::Prepared(prepared) => $ws.lend_prepared(&prepared, out).map(write),
                Lend::Fragment => $ws.lend_fragment(payload, out).map(write),
                Lend::Finish => $ws.lend_finish(payload, out).map(write),
            }
        };
    }
    budget.unsent(out.len() + payload.len());
    match ends {
        Ends::Whole(ws) => lend!(ws),
        Ends::Halves(_, ws) => lend!(ws),
        Ends::Nothing => unreachable!("it is there"),
    }
}

fn kind(script: &mut Script<'_>) -> MessageKind {
    script.pick(&[MessageKind::Text, MessageKind::Binary])
}

/// A payload, which is also a text.
fn payload(script: &mut Script<'_>) -> String {
    let len = script.pick(&[0, 1, 5, 30, 64, 65, 125, 126, 200, 1000, 4000, 70_000]);
    let pattern = match script.number(4) {
        0 => "a",
        1 => "héllo €😀 ",
        _ => script.text(),
    };
    let pattern = if pattern.is_empty() { "x" } else { pattern };
    let mut text = pattern.repeat(len / pattern.len() + 1);
    let end = (0..=len).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    text
}
