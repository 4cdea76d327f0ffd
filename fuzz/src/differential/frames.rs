//! Frames and messages: the judge is tungstenite, which gets the same stream and the same limits.

use websocket_proto::{
    CloseCode, MessageKind, ProtocolError,
    frame::{FrameError, RawHeader},
};

use super::{
    Choices, Right, Row, Subject, Used, pieces,
    sockets::{End, Limits, Seen, endpoint, judge, ours},
    streams::{control_payload, headers, missing, missing_of_control, shorten, stream},
};
use crate::support::{Endpoint, OwnedEvent, Side, Way, config, wire};

pub const SUBJECT: Subject = Subject {
    name: "frames",
    body,
    rows: &[
        &NON_MINIMAL_LENGTH,
        &TOP_BIT,
        &LATE_VERDICT,
        &TWO_FAULTS,
        &CLOSE_CODE,
        &CODE_1014,
        &AFTER_CLOSE,
        &CONTROL_FRAME_LIMIT,
        &CLOSE_REASON,
    ],
};

pub const NON_MINIMAL_LENGTH: Row = Row {
    name: "a length not in its shortest form",
    difference: "tungstenite accepts it, the crate refuses it with 1002",
    rfc: "RFC 6455 §5.2: the minimal number of bytes MUST be used to encode the length",
    right: Right::Crate,
};
pub const TOP_BIT: Row = Row {
    name: "the top bit of a 64-bit length",
    difference: "tungstenite takes the length for too large (1009), the crate refuses it with 1002",
    rfc: "RFC 6455 §5.2: the most significant bit MUST be 0",
    right: Right::Crate,
};
pub const LATE_VERDICT: Row = Row {
    name: "a frame that is refused before it is complete",
    difference: "tungstenite judges whole frames, the crate refuses at the first wrong byte",
    rfc: "RFC 6455 §5.1, §8.1: an endpoint fails the connection upon receiving such a frame, or \
        such a byte stream; neither says how much of it",
    right: Right::Both,
};
pub const TWO_FAULTS: Row = Row {
    name: "a frame that breaks two rules",
    difference: "tungstenite reports the other one of the two",
    rfc: "RFC 6455 §7.1.7, §7.4.1: an endpoint MAY use a code; no order of the rules is given",
    right: Right::Both,
};
pub const CLOSE_CODE: Row = Row {
    name: "a close code that must not be sent",
    difference: "tungstenite returns a Close frame with 1002 in its place, the crate an error; both \
        send 1002",
    rfc: "RFC 6455 §7.4.1: 1005, 1006 and 1015 MUST NOT be set in a Close frame; §7.4.2: 0-999 are not \
        used, and others not defined",
    right: Right::Both,
};
pub const CODE_1014: Row = Row {
    name: "close code 1014",
    difference: "tungstenite takes it for a code that must not be sent",
    rfc: "RFC 6455 §7.4.2, §11.7: 1000-2999 are defined in the registry of IANA, and 1014 (Bad Gateway) is",
    right: Right::Crate,
};
pub const AFTER_CLOSE: Row = Row {
    name: "bytes after a Close frame",
    difference: "a client of tungstenite reports them as an error, the crate drops them",
    rfc: "RFC 6455 §1.4: after receiving a Close frame, a peer discards any further data received",
    right: Right::Crate,
};
pub const CONTROL_FRAME_LIMIT: Row = Row {
    name: "a control frame that is longer than max_frame_size",
    difference: "tungstenite applies the limit to it, the crate does not",
    rfc: "RFC 6455 §5.5, §10.4: a control frame has up to 125 bytes; limits are those of the \
        implementation",
    right: Right::Both,
};
pub const CLOSE_REASON: Row = Row {
    name: "the answer to a Close frame with a reason",
    difference: "tungstenite echoes code and reason, the crate the code",
    rfc: "RFC 6455 §5.5.1: when sending a Close frame in response, the endpoint typically echos \
        the status code it received",
    right: Right::Both,
};

/// The first bytes choose the role, the limits, the sizes of reads and the kind of stream.
fn body(data: &[u8]) -> Used {
    let mut choices = Choices(data);
    let side = choices.side();
    let limits = Limits {
        frame: choices.pick(&[1000, 125, 100_000, 50]),
        message: choices.pick(&[1500, 125, 100_000]),
    };
    let sizes = choices.sizes();
    let stream = match choices.below(8) {
        0 => choices.0.to_vec(),
        1 => return sent(&mut choices, side, &sizes),
        kind => stream(&mut choices, side, kind > 4),
    };
    compare(side, limits, stream, &sizes)
}

/// Compares the results, and returns the rows that were needed. If what a row is about can be mended in
/// the stream, this is done, and the rest is compared as well.
pub fn compare(side: Side, limits: Limits, mut stream: Vec<u8>, sizes: &[usize]) -> Used {
    let mut used = Used::new();
    loop {
        let (ours, error) = ours(side, limits, &pieces(&stream, sizes));
        let judge = judge(side, limits, &stream, sizes);
        match explain(side, limits, &mut stream, (&ours, error), &judge) {
            Verdict::Same => return used,
            Verdict::Explained(row) => {
                used.push(row);
                return used;
            }
            Verdict::Mended(row) => used.push(row),
            Verdict::Unexplained => {
                panic!(
                    "{side:?} {limits:?}\n{stream:02x?}\nthe crate: {ours:?} {error:?}\ntungstenite: {judge:?}"
                )
            }
        }
    }
}

enum Verdict {
    Same,
    Explained(&'static Row),
    /// The stream was changed: compare again.
    Mended(&'static Row),
    Unexplained,
}

fn explain(
    side: Side,
    limits: Limits,
    stream: &mut Vec<u8>,
    (ours, error): (&Seen, Option<ProtocolError>),
    judge: &Seen,
) -> Verdict {
    use OwnedEvent::Close;
    let same_events = ours.events == judge.events;
    if same_events && ours.end == judge.end {
        return explain_replies(ours, judge);
    }
    let at = ours.events.len();
    match (error, ours.end, judge.end) {
        (Some(ProtocolError::Frame(FrameError::LengthTopBit)), _, End::Refused(1009))
            if same_events =>
        {
            Verdict::Explained(&TOP_BIT)
        }
        // What is missing is appended. Then tungstenite must refuse it too.
        (_, End::Refused(_), End::CutOff)
            if same_events && let Some(missing) = missing(stream, limits.frame) =>
        {
            stream.resize(stream.len() + missing, 0);
            Verdict::Mended(&LATE_VERDICT)
        }
        // With the shortest form both must go on in the same way.
        (
            Some(ProtocolError::Frame(FrameError::NonMinimalLength | FrameError::ControlTooLong)),
            ..,
        ) if judge.events.starts_with(&ours.events)
            && shorten(refused(side, limits, stream), stream) =>
        {
            Verdict::Mended(&NON_MINIMAL_LENGTH)
        }
        (Some(ProtocolError::InvalidCloseCode(code)), _, End::Refused(1007))
            if same_events && !is_code(code) =>
        {
            Verdict::Explained(&TWO_FAULTS)
        }
        (Some(_), End::Refused(_), End::Refused(1009))
            if same_events
                && let Some((_, header, _)) = refused(side, limits, stream)
                && header.len > limits.frame as u64 =>
        {
            Verdict::Explained(&TWO_FAULTS)
        }
        (Some(ProtocolError::InvalidCloseCode(code)), ..)
            if !is_code(code)
                && judge.events.starts_with(&ours.events)
                && judge.events[at..] == [violation()] =>
        {
            Verdict::Explained(&CLOSE_CODE)
        }
        (None, End::Closed, _)
            if let [before @ .., Close(Some(1014), _)] = &ours.events[..]
                && judge.events.strip_prefix(before) == Some(&[violation()]) =>
        {
            Verdict::Explained(&CODE_1014)
        }
        (None, End::Closed, End::Refused(_)) if same_events && side == Side::Client => {
            Verdict::Explained(&AFTER_CLOSE)
        }
        (_, _, End::Refused(1009))
            if let Some([next, ..]) = ours.events.strip_prefix(&judge.events[..])
                && control_len(next) > limits.frame =>
        {
            Verdict::Explained(&CONTROL_FRAME_LIMIT)
        }
        // It has not arrived as a whole.
        (None, End::CutOff, End::Refused(1009))
            if same_events && let Some(missing) = missing_of_control(stream) =>
        {
            stream.resize(stream.len() + missing, 0);
            Verdict::Mended(&CONTROL_FRAME_LIMIT)
        }
        _ => Verdict::Unexplained,
    }
}

fn explain_replies(ours: &Seen, judge: &Seen) -> Verdict {
    match (&ours.replies[..], &judge.replies[..]) {
        (ours, judge) if ours == judge => Verdict::Same,
        ([ours @ .., (wire::CLOSE, code)], [judge @ .., (wire::CLOSE, payload)])
            if ours == judge && payload.len() > 2 && payload.starts_with(code) =>
        {
            Verdict::Explained(&CLOSE_REASON)
        }
        _ => Verdict::Unexplained,
    }
}

/// What tungstenite returns in place of a Close frame with a code that it does not allow.
fn violation() -> OwnedEvent {
    OwnedEvent::Close(Some(1002), "Protocol violation".into())
}

/// RFC 6455 §7.4, and the registry of §11.7.
fn is_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn control_len(event: &OwnedEvent) -> usize {
    match event {
        OwnedEvent::Ping(payload) | OwnedEvent::Pong(payload) => payload.len(),
        OwnedEvent::Close(code, reason) => reason.len() + 2 * usize::from(code.is_some()),
        OwnedEvent::Text(_) | OwnedEvent::Binary(_) => 0,
    }
}

/// The frame that the crate refuses: its position, its header and the length of that.
fn refused(side: Side, limits: Limits, stream: &[u8]) -> Option<(usize, RawHeader, usize)> {
    let mut end = endpoint(side, limits);
    let read = stream.chunks(1).take_while(|byte| {
        end.feed(byte);
        end.error.is_none()
    });
    let read = read.count();
    let (at, header) = headers(stream).into_iter().rfind(|(at, _)| *at <= read)?;
    let (header, len) = header?;
    Some((at, header, len))
}

// --- the other direction -------------------------------------------------------------------------

/// What the crate sends arrives at tungstenite, in the other role, as it was sent.
fn sent(choices: &mut Choices<'_>, side: Side, sizes: &[usize]) -> Used {
    let limits = Limits {
        frame: usize::MAX,
        message: usize::MAX,
    };
    let fragment_size = choices.pick(&[usize::MAX, 1, 100]);
    let mut end = Endpoint::in_way(
        Way::Whole,
        side,
        config(|c| c.fragment_size = fragment_size),
    );
    let mut sent = Vec::new();
    let (ws, out) = (&mut end.ws, &mut end.out);
    while !choices.0.is_empty() {
        let text = choices.text();
        match choices.below(5) {
            0 => {
                ws.send_text(&text, out).expect("it is open");
                sent.push(OwnedEvent::Text(text));
            }
            1 => {
                ws.send_binary(text.as_bytes(), out).expect("it is open");
                sent.push(OwnedEvent::Binary(text.into_bytes()));
            }
            2 => {
                let payload = control_payload(choices);
                ws.send_ping(&payload, out).expect("it is short");
                sent.push(OwnedEvent::Ping(payload));
            }
            3 => {
                let payload = control_payload(choices);
                ws.send_pong(&payload, out).expect("it is short");
                sent.push(OwnedEvent::Pong(payload));
            }
            _ => {
                let (first, second) = text.as_bytes().split_at(text.len() / 2);
                ws.start_message(MessageKind::Text).expect("it is open");
                ws.send_fragment(first, out).expect("it was started");
                ws.send_ping(b"between", out).expect("it is short");
                ws.finish_message(second, out).expect("it was started");
                sent.extend([
                    OwnedEvent::Ping(b"between".to_vec()),
                    OwnedEvent::Text(text),
                ]);
            }
        }
    }
    ws.close(CloseCode::NORMAL, "done", out)
        .expect("it is open");
    sent.push(OwnedEvent::Close(Some(1000), "done".into()));
    let seen = judge(side.peer(), limits, &end.out, sizes);
    assert_eq!((seen.events, seen.end), (sent, End::Closed), "{side:?}");
    Used::new()
}
