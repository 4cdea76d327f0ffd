//! Every close code, received, sent and parsed, in both roles; every length of the payload of a Close
//! frame; and every reason that is cut, by its end or by a read (RFC 6455 §5.5.1, §7.4).

use bytes::BytesMut;
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, ProtocolError, ReadyState, RecvBuf,
    SendError, frame::InvalidCloseCode,
};

mod support;

use support::{
    Frame, SIDES, Side, frame, frames,
    wire::{self, CLOSE},
};

/// The codes of §7.4.1 that an endpoint may send, the ones that IANA has added (1012 to 1014), and
/// the ranges for libraries and applications (§7.4.2).
fn may_be_sent(code: u16) -> bool {
    match code {
        1000..=1003 | 1007..=1011 => true,
        1012..=1014 => true,
        3000..=4999 => true,
        // 0 to 999 "are not used"; 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status
        // code in a Close control frame"; 1016 to 2999 are "for future revisions"; there are no others.
        _ => false,
    }
}

/// What an endpoint makes of a Close frame with this payload: the code and reason, or the error.
fn expected(payload: &[u8]) -> Result<(Option<u16>, &str), ProtocolError> {
    match payload.len() {
        0 => Ok((None, "")),
        1 => Err(ProtocolError::TruncatedCloseCode),
        126.. => Err(websocket_proto::frame::FrameError::ControlTooLong.into()),
        _ => {
            let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
            let reason = core::str::from_utf8(&payload[2..]);
            match (may_be_sent(code), reason) {
                (false, _) => Err(ProtocolError::InvalidCloseCode(code)),
                (true, Err(_)) => Err(ProtocolError::InvalidUtf8),
                (true, Ok(reason)) => Ok((Some(code), reason)),
            }
        }
    }
}

fn said(close: CloseFrame<'_>) -> (Option<u16>, &str) {
    (close.code.map(u16::from), close.reason)
}

/// A new connection in the memory of the last one.
struct Peer {
    side: Side,
    ws: Connection,
    input: RecvBuf,
    out: BytesMut,
}

impl Peer {
    fn new(side: Side) -> Self {
        Self {
            side,
            ws: Connection::assume_opened(side.role(), Config::new()),
            input: RecvBuf::new(),
            out: BytesMut::new(),
        }
    }

    fn restart(&mut self) {
        self.ws = Connection::assume_opened(self.side.role(), Config::new());
        self.input.clear();
        self.out.clear();
    }

    /// Receives a Close frame that is cut here, and expects what the RFC says.
    fn receives(&mut self, payload: &[u8], cut: Option<usize>) {
        let what = format!("{:?} {payload:02x?} {cut:?}", self.side);
        self.restart();
        let wire = frame(true, CLOSE, payload).to(self.side).bytes();
        if let Some(cut) = cut {
            self.input.extend_from_slice(&wire[..cut]);
            // A control frame is looked at when it is complete, its header before.
            let result = self.ws.next_event(&mut self.input, &mut self.out);
            assert_eq!(result, Ok(None), "{what}");
        }
        self.input.extend_from_slice(&wire[cut.unwrap_or(0)..]);
        let expected = expected(payload);
        let event = self.ws.next_event(&mut self.input, &mut self.out);
        match (event, expected) {
            (Ok(Some(Event::Close(close))), Ok(right)) => assert_eq!(said(close), right, "{what}"),
            (Err(error), Err(right)) => assert_eq!(error, right, "{what}"),
            (event, expected) => panic!("{what}: {event:?} instead of {expected:?}"),
        }
        // The answer repeats the code, and names an error.
        let sent = match expected {
            Ok((code, _)) => (code, String::new()),
            Err(error) => (error.close_code().map(u16::from), error.to_string()),
        };
        let received = self.ws.close_received().map(said);
        assert_eq!(received, expected.ok(), "{what}");
        let recorded = self.ws.close_sent().map(said).expect("an answer");
        assert_eq!(recorded, (sent.0, &*sent.1), "{what}");
        let [answer] = &frames(&self.out)[..] else {
            panic!("{what}: {:02x?}", self.out)
        };
        assert_eq!(content(answer), sent, "{what}");
        let done = self.side == Side::Server || expected.is_err();
        assert_eq!(self.ws.state() == ReadyState::Closed, done, "{what}");
    }
}

/// The code and the reason in a Close frame that was sent.
fn content(sent: &Frame) -> (Option<u16>, String) {
    assert_eq!(sent.opcode, CLOSE);
    let Some((code, reason)) = sent.payload.split_first_chunk() else {
        return (None, String::new());
    };
    let reason = String::from_utf8(reason.to_vec()).expect("text");
    (Some(u16::from_be_bytes(*code)), reason)
}

#[test]
fn every_code_is_parsed_and_converted() {
    let mut legal = 0;
    for number in 0..=u16::MAX {
        for reason in [&b""[..], "é".as_bytes(), b"\xC3"] {
            let payload = [&number.to_be_bytes()[..], reason].concat();
            assert_eq!(CloseFrame::parse(&payload).map(said), expected(&payload));
        }
        let code = CloseCode::try_from(number);
        if may_be_sent(number) {
            legal += 1;
            assert_eq!(code.map(u16::from), Ok(number));
            assert_eq!(code.map(|it| it.to_string()), Ok(number.to_string()));
        } else {
            assert_eq!(code, Err(InvalidCloseCode(number)));
        }
    }
    assert_eq!(legal, 4 + 8 + 2000);
}

#[test]
fn every_code_is_received_in_both_roles() {
    for side in SIDES {
        let mut peer = Peer::new(side);
        for number in 0..=u16::MAX {
            peer.receives(&number.to_be_bytes(), None);
        }
    }
}

#[test]
fn every_code_that_may_be_sent_is_sent_in_both_roles() {
    let mut sent = 0;
    for side in SIDES {
        let mut peer = Peer::new(side);
        let codes = (0..=u16::MAX).filter_map(|number| CloseCode::try_from(number).ok());
        for code in codes {
            sent += 1;
            peer.restart();
            peer.ws.close(code, "why", &mut peer.out).unwrap();
            let [frame] = &frames(&peer.out)[..] else {
                panic!("{code}")
            };
            let expected = (Some(u16::from(code)), "why".to_owned());
            assert_eq!(content(frame), expected);
            assert_eq!(frame.key.is_some(), side == Side::Client);
            assert_eq!(peer.ws.close_sent().map(said), Some((expected.0, "why")));
        }
    }
    assert_eq!(sent, 2 * 2012);
}

/// Text with characters of all lengths, in an order in which each position of a character meets each
/// length of a reason.
fn long_reason(shift: usize) -> Vec<u8> {
    let text = "a\u{7FF}€😀";
    let bytes = text.as_bytes().iter().cycle().skip(shift);
    let mut reason: Vec<u8> = bytes.take(124).copied().collect();
    // It begins with a whole character.
    while matches!(reason.first(), Some(0x80..=0xBF)) {
        reason.rotate_left(1);
    }
    reason
}

/// The payload ends inside a character, the read that brings it anywhere.
#[test]
fn every_length_and_every_cut_of_a_close_frame() {
    let (mut cases, mut valid) = (0, 0);
    for side in SIDES {
        let mut peer = Peer::new(side);
        let header = if side == Side::Server { 6 } else { 2 };
        for shift in 0..10 {
            let payload = [&1000_u16.to_be_bytes()[..], &long_reason(shift)].concat();
            for len in 0..=126 {
                let payload = &payload[..len];
                valid += usize::from(expected(payload).is_ok());
                if len > 125 || shift > 0 {
                    peer.receives(payload, None);
                    cases += 1;
                    continue;
                }
                for cut in 0..header + len {
                    peer.receives(payload, Some(cut));
                    cases += 1;
                }
            }
        }
    }
    // With shift 0: each cut of 126 lengths; the length 126 alone. Without cuts: 9 shifts.
    let cuts = |header: usize| (0..126).map(|len| header + len).sum::<usize>() + 1;
    assert_eq!(cases, cuts(2) + cuts(6) + 2 * 9 * 127);
    // Both verdicts are met often.
    assert!(valid > 2 * 10 * 127 / 4 && valid < 2 * 10 * 127, "{valid}");
}

#[test]
fn every_length_of_a_reason_is_sent_or_refused() {
    for side in SIDES {
        let mut peer = Peer::new(side);
        for len in 0..=300 {
            peer.restart();
            let reason = "x".repeat(len);
            let result = peer.ws.close(CloseCode::NORMAL, &reason, &mut peer.out);
            if len <= 123 {
                assert_eq!(result, Ok(()));
                let expected = wire::close(1000, &reason);
                let sent = frames(&peer.out);
                assert_eq!(wire::contents(&sent), wire::contents(&[expected]));
            } else {
                assert_eq!(result, Err(SendError::ReasonTooLong));
                assert!(peer.out.is_empty() && peer.ws.close_sent().is_none());
                assert_eq!(peer.ws.state(), ReadyState::Open);
            }
        }
    }
}
