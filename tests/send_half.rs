//! Proves that each method of the halves does what the method of a whole connection does: the same
//! bytes, the same state, the same errors.

use bytes::{Bytes, BytesMut};
use websocket_proto::{
    Config, Connection, Lent, MessageKind, Notes, Prepared, RecvBuf, RecvHalf, SendError, SendHalf,
};

mod support;

use support::{
    OwnedEvent, SIDES, Side, code, frame, said, secs,
    wire::{self, BINARY},
};

fn open(side: Side) -> Connection {
    let ws = Connection::assume_opened(side.role(), Config::new());
    #[cfg(feature = "deflate")]
    let ws = ws.with_deflate(support::deflate::params(true, 15), Default::default());
    ws
}

/// A connection and the sending half of another one, in the same state.
fn both(side: Side) -> (Connection, RecvHalf, SendHalf) {
    let (recv, send) = open(side).split();
    (open(side), recv, send)
}

/// Calls the same method of both, and compares what they return and write.
macro_rules! same {
    ($whole:expr, $half:expr, $method:ident($($arg:expr),*)) => {{
        let (mut out, mut half_out) = (BytesMut::new(), BytesMut::new());
        assert_eq!(
            $whole.$method($($arg,)* &mut out),
            $half.$method($($arg,)* &mut half_out)
        );
        assert_eq!(out, half_out, stringify!($method));
        assert_eq!($whole.state(), $half.state());
        out
    }};
}

/// The bytes of a frame that was lent, all of which are written.
fn written(lent: Result<Lent<'_>, SendError>) -> Vec<u8> {
    let mut lent = lent.expect("open");
    let bytes = lent.slices().concat();
    lent.written(bytes.len());
    bytes
}

/// The same for methods that return a `Lent`.
macro_rules! same_lent {
    ($whole:expr, $half:expr, $method:ident($($arg:expr),*)) => {{
        let (mut out, mut half_out) = (BytesMut::new(), BytesMut::new());
        let bytes = written($whole.$method($($arg,)* &mut out));
        let half_bytes = written($half.$method($($arg,)* &mut half_out));
        assert!(!bytes.is_empty() && out.is_empty() && half_out.is_empty());
        assert_eq!(bytes, half_bytes, stringify!($method));
    }};
}

#[test]
fn sending_is_that_of_a_connection() {
    for side in SIDES {
        let (mut whole, _, mut half) = both(side);
        let payload = Bytes::from(vec![7; 3000]);
        let prepared = Prepared::text("to many");
        same!(whole, half, send_text("text"));
        same!(whole, half, send_binary(&payload));
        same!(whole, half, send_bytes(MessageKind::Binary, &payload));
        same!(whole, half, send_prepared(&prepared));
        same!(whole, half, send_prepared_within(&prepared, 1000));
        same!(whole, half, send_ping(b"ping"));
        same!(whole, half, send_pong(b"pong"));
        let kind = MessageKind::Text;
        assert_eq!(whole.start_message(kind), half.start_message(kind));
        assert_eq!(
            half.start_message(kind),
            Err(SendError::MessageInProgress),
            "one at a time"
        );
        same!(whole, half, send_fragment(b"a piece, "));
        let out = same!(whole, half, finish_message(b"and the end"));
        assert!(!out.is_empty());
        same!(whole, half, close(code(1000), "bye"));
        assert_eq!(said(whole.close_sent()), said(half.close_sent()));
        assert_eq!(said(half.close_sent()), Some((Some(1000), "bye".into())));
        let late = same!(whole, half, send_text("late"));
        assert!(late.is_empty());
    }
}

#[test]
fn lending_is_that_of_a_connection() {
    for side in SIDES {
        let (mut whole, _, mut half) = both(side);
        let prepared = Prepared::binary(&[7; 3000]);
        same_lent!(whole, half, lend_text("a text"));
        same_lent!(whole, half, lend_binary(&[7; 3000]));
        same_lent!(whole, half, lend_binary_mut(&mut [7; 3000]));
        same_lent!(whole, half, lend_prepared(&prepared));
        whole.start_message(MessageKind::Binary).expect("open");
        half.start_message(MessageKind::Binary).expect("open");
        same_lent!(whole, half, lend_fragment(b"a piece, "));
        same_lent!(whole, half, lend_finish(b"and the end"));
    }
}

#[test]
#[cfg(feature = "deflate")]
fn compression_is_that_of_a_connection() {
    use websocket_proto::{Event, deflate::Compression};

    for side in SIDES {
        let (mut whole, mut recv, mut half) = both(side);
        assert_eq!(half.compression(), Compression::Above(64));
        assert_eq!(recv.deflate(), whole.deflate());
        assert!(recv.deflate().is_some());
        same!(whole, half, send_binary(&[7; 3000]));
        let sent = half.deflate_stats();
        assert_eq!(sent, whole.deflate_stats().sent);
        assert_eq!(sent.plain, 3000);
        half.set_compression(Compression::Never);
        whole.set_compression(Compression::Never);
        assert_eq!(half.compression(), Compression::Never);
        same!(whole, half, send_binary(&[7; 3000]));
        assert_eq!(half.deflate_stats(), sent, "it is not compressed");

        let message = support::deflate::Peer::new(6).message(&[7; 3000]);
        let mut input = RecvBuf::new();
        input.extend_from_slice(&support::deflate::compressed(message).to(side).bytes());
        let event = recv.next_event(&mut input);
        assert_eq!(event, Ok(Some(Event::Binary(&[7; 3000]))));
        assert_eq!(recv.deflate_stats().plain, 3000);
    }
}

/// Takes all events and notes.
fn drain(recv: &mut RecvHalf, input: &mut RecvBuf) -> (Vec<OwnedEvent>, Vec<Notes>) {
    let (mut events, mut notes) = (Vec::new(), Vec::new());
    while let Some(event) = recv.next_event(input).expect("legal") {
        events.push(event.into());
        notes.extend(recv.take_notes());
    }
    notes.extend(recv.take_notes());
    (events, notes)
}

#[test]
fn receiving_with_a_shared_buffer() {
    for side in SIDES {
        let message = frame(true, BINARY, vec![7; 3000]).to(side).bytes();
        for cut in [1, 3, 10, 1000] {
            let (mut recv, mut send) = open(side).split();
            let (mut shared, mut out) = (RecvBuf::new(), BytesMut::new());
            assert!(send.deadline(secs(0)).is_some());
            shared.extend_from_slice(&message[..cut]);
            let (events, _) = drain(&mut recv, &mut shared);
            assert_eq!(events, []);
            recv.park(&mut shared);
            recv.park(&mut shared);
            assert!(shared.is_idle(), "{cut}");
            recv.resume(&mut shared);
            shared.extend_from_slice(&message[cut..]);
            assert!(recv.poll(&mut shared), "{cut}");
            let (events, notes) = drain(&mut recv, &mut shared);
            assert_eq!(events, [OwnedEvent::Binary(vec![7; 3000])]);
            assert!(!notes.is_empty(), "a sign of life");
            notes
                .into_iter()
                .for_each(|notes| send.hear(notes, &mut out));
            // What was parked before any event was taken is a sign of life as well.
            shared.extend_from_slice(&message[..1]);
            recv.park(&mut shared);
            assert!(recv.take_notes().is_some());
        }
    }
}

#[test]
fn notes_that_are_merged_keep_their_gaps() {
    for side in SIDES {
        let (mut recv, mut send) = open(side).split();
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut notes: Vec<_> = (0..4)
            .flat_map(|_| {
                input.extend_from_slice(&wire::ping("").to(side).bytes());
                drain(&mut recv, &mut input).1
            })
            .collect();
        assert_eq!(notes.len(), 4);
        // The third note is lost: the gap is inside the newer notes.
        let (mut last, _) = (notes.remove(1), notes.remove(1));
        last.merge(notes.remove(1));
        let mut first = notes.remove(0);
        first.merge(last);
        assert!(format!("{first:?}").starts_with("Notes { heard: "));
        send.hear(first, &mut out);
        let error = Connection::join(recv, send).unwrap_err();
        assert_eq!(format!("{error:?}"), "JoinError(MissingNotes)");
    }
}

#[test]
fn after_the_end_no_time_passes() {
    for side in SIDES {
        let (mut whole, mut recv, mut half) = both(side);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let close = wire::close(1000, "").to(side).bytes();
        input.extend_from_slice(&close);
        while let Ok(Some(_)) = whole.next_event(&mut input, &mut out) {}
        whole.end_of_stream();
        input.extend_from_slice(&close);
        recv.end_of_stream();
        let (_, notes) = drain(&mut recv, &mut input);
        notes.into_iter().for_each(|it| half.hear(it, &mut out));
        assert!(whole.is_done() && half.is_done());
        let out = same!(whole, half, handle_timeout(secs(1_000_000)));
        assert!(out.is_empty());
    }
}
