//! The closing handshake (RFC 6455 §5.5.1, §7.1) as a table: what every event does in every state, in
//! both roles, and in every way to receive. Every sequence of four events is played, so every state is
//! entered in every order, and the connection is compared with the table after each event.

use core::time::Duration;

use websocket_proto::{Config, MessageKind, ProtocolError, ReadyState, SendError};

mod support;

use support::{
    Endpoint, OwnedEvent, SIDES, Side, Way, code, config, said, secs,
    wire::{self, CLOSE, PONG, TEXT},
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Open,
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
    /// The peer's Close frame, with 3000 "theirs".
    Theirs,
    /// A text from the peer.
    Text,
    /// A ping from the peer.
    Ping,
    /// Frames that break a rule: a wrong mask.
    Wrong,
    /// The end of the stream.
    End,
    /// The close timeout passes.
    Timeout,
}

use Event::{Close, End, Ping, Send, Text, Theirs, Timeout, Wrong};
use State::{Both, Ended, Failed, Open, Sent};

const EVENTS: [Event; 8] = [Close, Send, Theirs, Text, Ping, Wrong, End, Timeout];

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
    Pong,
    /// A Close frame with this code and reason.
    Close(u16, &'static str),
}

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
        (Open, Close) => (Sent, Written::Close(1000, "ours"), false),
        (Open, Send) => (Open, Written::Text, false),
        // §5.5.1: the answer "typically echos the status code it received".
        (Open, Theirs) => (Both, Written::Close(3000, ""), true),
        (Open, Text) => (Open, Written::Nothing, true),
        (Open, Ping) => (Open, Written::Pong, true),
        // §7.1.7: "SHOULD send a Close frame with an appropriate status code".
        (Open, Wrong) => (Failed(wrong), Written::Close(1002, why), false),
        // §7.1.5: this is the code 1006 of the browser API.
        (Open, End) => (Failed(ProtocolError::EndOfStream), Written::Nothing, false),
        (Open, Timeout) => (Open, Written::Nothing, false),

        // §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
        (Sent, Close | Send) => (Sent, Written::Nothing, false),
        (Sent, Theirs) => (Both, Written::Nothing, true),
        // The peer may have sent them before it received our Close frame.
        (Sent, Text | Ping) => (Sent, Written::Nothing, true),
        (Sent, Wrong) => (Failed(wrong), Written::Nothing, false),
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
    received: bool,
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
            received: false,
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
                    _ => Err(SendError::NotOpen),
                };
                assert_eq!(peer.ws.send_text("x", &mut peer.out), result, "{what}");
            }
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
            Text => Some(OwnedEvent::text("text")),
            _ => Some(OwnedEvent::Ping(b"ping".to_vec())),
        };
        assert_eq!(events, Vec::from_iter(expected), "{what}");
        self.received |= seen && event == Theirs;

        let frames = wire::contents(&peer.flush());
        let expected = match written {
            Written::Nothing => None,
            Written::Text => Some((true, TEXT, b"x".to_vec())),
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
            Open => ReadyState::Open,
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
        let received = self.received.then(|| (Some(3000), "theirs".into()));
        assert_eq!(said(peer.ws.close_received()), received, "{what}");
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
    assert_eq!(sequences, 5 * 2 * 8_usize.pow(STEPS));
    // Open, Sent, Both, Ended, and three errors, in both roles.
    assert_eq!(met.len(), 2 * 7 * EVENTS.len());
}
