//! The closing handshake (RFC 6455 §5.5.1, §7.1) as a table: what every event does in every state, in
//! both roles, and in every way to receive. Every sequence of four events is played, so every state is
//! entered in every order, and the connection is compared with the table after each event.

use core::time::Duration;

use websocket_proto::{Config, MessageKind, ProtocolError, ReadyState, SendError};

mod support;

use support::{
    Endpoint, OwnedEvent, SIDES, Side, Way, code, config, frame, said, secs,
    wire::{self, CLOSE, PONG, TEXT},
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Open,
    /// The same, and our application has begun a message.
    Begun,
    /// Our Close frame was sent.
    Sent,
    /// Both Close frames were sent, the peer's one first or last.
    Both,
    /// The same, and the stream has ended, or a client waits no longer.
    Ended,
    /// The connection has failed.
    Failed(ProtocolError),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    /// The application closes with 1000 "ours".
    Close,
    /// The application sends a text.
    Send,
    /// The application begins a text, and sends its first fragment.
    Begin,
    /// The peer's Close frame, with 3000 "theirs".
    Theirs,
    /// One without a code.
    Empty,
    /// One with a code that must not be sent.
    Invalid,
    /// A text from the peer.
    Text,
    /// A ping from the peer.
    Ping,
    /// A pong that nobody has asked for.
    Pong,
    /// Frames that break a rule: a wrong mask.
    Wrong,
    /// The end of the stream.
    End,
    /// The close timeout passes.
    Timeout,
}

use Event::{Begin, Close, Empty, End, Invalid, Ping, Pong, Send, Text, Theirs, Timeout, Wrong};
use State::{Begun, Both, Ended, Failed, Open, Sent};

const EVENTS: [Event; 12] = [
    Close, Send, Begin, Theirs, Empty, Invalid, Text, Ping, Pong, Wrong, End, Timeout,
];

/// What an event does: the next state, what is written, and whether the application sees the event.
struct Effect {
    next: State,
    written: Written,
    seen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Written {
    Nothing,
    Text,
    /// The first fragment of a text.
    First,
    Pong,
    /// A Close frame with this code and reason.
    Close(u16, &'static str),
    /// A Close frame without a code.
    Empty,
}

/// 1005 stands for "no code" in the browser API, and "MUST NOT be set" in a frame (§7.4.1).
const INVALID: ProtocolError = ProtocolError::InvalidCloseCode(1005);
const INVALID_REASON: &str = "the close code 1005 must not be sent (RFC 6455 §7.4)";

fn effect(state: State, event: Event, side: Side) -> Effect {
    let wrong = match side {
        Side::Server => ProtocolError::UnmaskedFrame,
        Side::Client => ProtocolError::MaskedFrame,
    };
    let why = match side {
        Side::Server => "a frame from a client is not masked (RFC 6455 §5.1)",
        Side::Client => "a frame from a server is masked (RFC 6455 §5.1)",
    };
    let (next, written, seen) = match (state, event) {
        // §5.4: no other message may come into one that has begun, but a Close frame may.
        (Open | Begun, Close) => (Sent, Written::Close(1000, "ours"), false),
        (Open, Send) => (Open, Written::Text, false),
        (Open, Begin) => (Begun, Written::First, false),
        (Begun, Send | Begin) => (Begun, Written::Nothing, false),
        // §5.5.1: the answer "typically echos the status code it received".
        (Open | Begun, Theirs) => (Both, Written::Close(3000, ""), true),
        (Open | Begun, Empty) => (Both, Written::Empty, true),
        (Open | Begun, Text | Pong) => (state, Written::Nothing, true),
        (Open | Begun, Ping) => (state, Written::Pong, true),
        // §7.1.7: "SHOULD send a Close frame with an appropriate status code".
        (Open | Begun, Wrong) => (Failed(wrong), Written::Close(1002, why), false),
        (Open | Begun, Invalid) => (Failed(INVALID), Written::Close(1002, INVALID_REASON), false),
        // §7.1.5: this is the code 1006 of the browser API.
        (Open | Begun, End) => (Failed(ProtocolError::EndOfStream), Written::Nothing, false),
        (Open | Begun, Timeout) => (state, Written::Nothing, false),

        // §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
        (Sent, Close | Send | Begin) => (Sent, Written::Nothing, false),
        (Sent, Theirs | Empty) => (Both, Written::Nothing, true),
        // The peer may have sent them before it received our Close frame.
        (Sent, Text | Ping | Pong) => (Sent, Written::Nothing, true),
        (Sent, Wrong) => (Failed(wrong), Written::Nothing, false),
        (Sent, Invalid) => (Failed(INVALID), Written::Nothing, false),
        (Sent, End) => (Failed(ProtocolError::EndOfStream), Written::Nothing, false),
        (Sent, Timeout) => (Failed(ProtocolError::CloseTimeout), Written::Nothing, false),

        // §5.5.1: after both "an endpoint considers the WebSocket connection closed". What follows is
        // not looked at. §7.1.1: a server closes TCP at once, a client waits for it.
        (Both, End) => (Ended, Written::Nothing, false),
        (Both, Timeout) if side == Side::Client => (Ended, Written::Nothing, false),
        (Both, _) => (Both, Written::Nothing, false),

        (Ended, _) => (Ended, Written::Nothing, false),
        (Failed(error), _) => (Failed(error), Written::Nothing, false),
    };
    Effect {
        next,
        written,
        seen,
    }
}

/// A connection, and what the table says about it.
struct Played {
    peer: Endpoint,
    side: Side,
    now: Duration,
    state: State,
    sent: Option<(Option<u16>, String)>,
    received: Option<(Option<u16>, String)>,
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

impl Played {
    fn new(way: Way, side: Side) -> Self {
        // The only timer is that of closing.
        let timers = |config: &mut Config| {
            (config.ping_interval, config.message_timeout) = (None, None);
            config.close_timeout = CLOSE_TIMEOUT;
        };
        let mut new = Self {
            peer: Endpoint::in_way(way, side, config(timers)),
            side,
            now: secs(100),
            state: Open,
            sent: None,
            received: None,
        };
        new.check("a new connection");
        new
    }

    fn play(&mut self, event: Event, what: &str) {
        let Effect {
            next,
            written,
            seen,
        } = effect(self.state, event, self.side);
        let (peer, side) = (&mut self.peer, self.side);
        match event {
            Close => assert_eq!(peer.ws.close(code(1000), "ours", &mut peer.out), Ok(())),
            Send => {
                let result = match self.state {
                    Open => Ok(()),
                    Begun => Err(SendError::MessageInProgress),
                    _ => Err(SendError::NotOpen),
                };
                assert_eq!(peer.ws.send_text("x", &mut peer.out), result, "{what}");
            }
            Begin => {
                let result = match self.state {
                    Open => Ok(()),
                    Begun => Err(SendError::MessageInProgress),
                    _ => Err(SendError::NotOpen),
                };
                assert_eq!(peer.ws.start_message(MessageKind::Text), result, "{what}");
                if result.is_ok() {
                    assert_eq!(peer.ws.send_fragment(b"x", &mut peer.out), Ok(()), "{what}");
                }
            }
            Empty => peer.feed(&frame(true, CLOSE, "").to(side).bytes()),
            Invalid => peer.feed(&wire::close(1005, "").to(side).bytes()),
            Pong => peer.feed(&wire::pong("pong").to(side).bytes()),
            Theirs => peer.feed(&wire::close(3000, "theirs").to(side).bytes()),
            Text => peer.feed(&wire::text("text").to(side).bytes()),
            Ping => peer.feed(&wire::ping("ping").to(side).bytes()),
            Wrong => peer.feed(&wire::text("wrong").to(side.peer()).bytes()),
            End => peer.end(),
            Timeout => {
                self.now += CLOSE_TIMEOUT;
                let result = peer.ws.handle_timeout(self.now, &mut peer.out);
                let expected = match next {
                    Failed(error) => Err(error),
                    _ => Ok(()),
                };
                assert_eq!(result, expected, "{what}");
            }
        }
        self.state = next;

        let events = peer.take_events();
        let expected = match event {
            _ if !seen => None,
            Theirs => Some(OwnedEvent::Close(Some(3000), "theirs".into())),
            Empty => Some(OwnedEvent::Close(None, String::new())),
            Text => Some(OwnedEvent::text("text")),
            Pong => Some(OwnedEvent::Pong(b"pong".to_vec())),
            _ => Some(OwnedEvent::Ping(b"ping".to_vec())),
        };
        if let Some(OwnedEvent::Close(code, reason)) = &expected {
            self.received = Some((*code, reason.clone()));
        }
        assert_eq!(events, Vec::from_iter(expected), "{what}");

        let frames = wire::contents(&peer.flush());
        let expected = match written {
            Written::Nothing => None,
            Written::Text => Some((true, TEXT, b"x".to_vec())),
            Written::First => Some((false, TEXT, b"x".to_vec())),
            Written::Empty => {
                assert_eq!(self.sent, None, "a second Close frame");
                self.sent = Some((None, String::new()));
                Some((true, CLOSE, Vec::new()))
            }
            Written::Pong => Some((true, PONG, b"ping".to_vec())),
            Written::Close(code, reason) => {
                assert_eq!(self.sent, None, "a second Close frame");
                self.sent = Some((Some(code), reason.into()));
                let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
                Some((true, CLOSE, payload))
            }
        };
        assert_eq!(frames, Vec::from_iter(expected), "{what}");
        self.check(what);
    }

    /// Everything that the connection tells about its state.
    fn check(&mut self, what: &str) {
        let (peer, side) = (&mut self.peer, self.side);
        let ready = match self.state {
            Open | Begun => ReadyState::Open,
            Sent => ReadyState::Closing,
            Both if side == Side::Client => ReadyState::Closing,
            Both | Ended | Failed(_) => ReadyState::Closed,
        };
        let error = match self.state {
            Failed(error) => Some(error),
            _ => None,
        };
        assert_eq!(peer.ws.state(), ready, "{what}");
        assert_eq!(peer.ws.is_done(), ready == ReadyState::Closed, "{what}");
        assert_eq!(peer.ws.error(), error, "{what}");
        let due = (ready == ReadyState::Closing).then_some(self.now + CLOSE_TIMEOUT);
        // The timeout starts when the Close frame was written, and nothing moves it.
        assert_eq!(peer.ws.deadline(self.now), due, "{what}");
        assert_eq!(said(peer.ws.close_sent()), self.sent, "{what}");
        assert_eq!(said(peer.ws.close_received()), self.received, "{what}");
        // An error is repeated by each call with a result.
        peer.drain();
        assert_eq!(peer.error, error, "{what}");
        let again = peer.ws.handle_timeout(self.now, &mut peer.out);
        assert_eq!(again.err(), error, "{what}");
        if ready != ReadyState::Open {
            nothing_can_be_sent(peer, what);
        }
    }
}

fn nothing_can_be_sent(peer: &mut Endpoint, what: &str) {
    let (ws, not_open) = (&mut peer.ws, Err(SendError::NotOpen));
    assert_eq!(ws.send_text("x", &mut peer.out), not_open, "{what}");
    assert_eq!(ws.send_binary(b"x", &mut peer.out), not_open, "{what}");
    assert_eq!(ws.start_message(MessageKind::Text), not_open, "{what}");
    assert_eq!(ws.send_fragment(b"x", &mut peer.out), not_open, "{what}");
    assert_eq!(ws.finish_message(b"x", &mut peer.out), not_open, "{what}");
    assert_eq!(ws.send_ping(b"x", &mut peer.out), not_open, "{what}");
    assert_eq!(ws.send_pong(b"x", &mut peer.out), not_open, "{what}");
    let lent = ws.lend_binary(b"x", &mut peer.out);
    assert_eq!(lent.map(drop), not_open, "{what}");
    assert_eq!(ws.close(code(1000), "", &mut peer.out), Ok(()), "{what}");
    assert!(peer.out.is_empty(), "{what}");
}

#[test]
fn every_event_in_every_state_entered_in_every_order() {
    const STEPS: u32 = 4;
    let mut met = Vec::new();
    let mut sequences = 0;
    for (way, side) in Way::ALL
        .into_iter()
        .flat_map(|it| SIDES.map(|side| (it, side)))
    {
        for number in 0..EVENTS.len().pow(STEPS) {
            sequences += 1;
            let at = |step: u32| EVENTS[number / EVENTS.len().pow(step) % EVENTS.len()];
            let events: Vec<_> = (0..STEPS).map(at).collect();
            let mut played = Played::new(way, side);
            for event in &events {
                let case = (side == Side::Server, played.state, *event);
                if !met.contains(&case) {
                    met.push(case);
                }
                played.play(*event, &format!("{way:?} {side:?} {events:?} at {event:?}"));
            }
        }
    }
    assert_eq!(sequences, 5 * 2 * 12_usize.pow(STEPS));
    // Open, Begun, Sent, Both, Ended, and four errors, in both roles.
    assert_eq!(met.len(), 2 * 9 * EVENTS.len());
}
