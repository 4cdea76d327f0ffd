//! Proves that all ways of sending are the same: copied, prepared, shared and lent messages, to a
//! `BytesMut` or an `OutQueue`. Two connections do the same at random, one of them by `send_text`
//! and `send_binary`. After every step they have written the same bytes, returned the same events
//! and errors, and wait for the same instant.

use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use websocket_proto::{
    Config, Connection, Delivery, Lent, MessageKind, OutQueue, Output, Prepared, ProtocolError,
    RecvBuf, SendError,
};

mod support;

use support::{OwnedEvent, Random, SIDES, Side, code, config, frame, wire};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Copied,
    Shared,
    Prepared,
    Within,
    Lent,
    LentMut,
    LentPrepared,
}

const WAYS: [Way; 7] = [
    Way::Copied,
    Way::Shared,
    Way::Prepared,
    Way::Within,
    Way::Lent,
    Way::LentMut,
    Way::LentPrepared,
];

enum Out {
    Bytes(BytesMut),
    Queue(OutQueue),
}

impl Out {
    fn get(&mut self) -> &mut dyn Output {
        match self {
            Self::Bytes(out) => out,
            Self::Queue(out) => out,
        }
    }

    /// Removes bytes from the front, by different methods of the queue.
    fn take(&mut self, count: usize, random: &mut Random) -> Vec<u8> {
        let count = count.min(self.get().unsent());
        match self {
            Self::Bytes(out) => out.split_to(count).to_vec(),
            Self::Queue(out) if random.below(2) == 0 => out.copy_to_bytes(count).to_vec(),
            #[cfg(not(feature = "std"))]
            Self::Queue(out) => {
                let first = out.chunk().len().min(count);
                let first = out.copy_to_bytes(first);
                let rest = out.copy_to_bytes(count - first.len());
                [&first[..], &rest].concat()
            }
            #[cfg(feature = "std")]
            Self::Queue(out) => {
                let mut slices = [std::io::IoSlice::new(&[]); 3];
                let used = out.chunks_vectored(&mut slices);
                assert!(slices[..used].iter().all(|slice| !slice.is_empty()));
                let mut taken = slices[..used]
                    .iter()
                    .flat_map(|it| it.to_vec())
                    .collect::<Vec<_>>();
                taken.truncate(count);
                out.advance(taken.len());
                let rest = out.copy_to_bytes(count - taken.len());
                [&taken[..], &rest].concat()
            }
        }
    }
}

struct One {
    ws: Connection,
    input: RecvBuf,
    out: Out,
    /// What the transport has taken.
    taken: Vec<u8>,
}

impl One {
    /// Sends a message. The transport then takes `count` bytes.
    fn send(
        &mut self,
        way: Way,
        kind: MessageKind,
        payload: &[u8],
        count: usize,
        random: &mut Random,
    ) -> Result<(), SendError> {
        let text = || core::str::from_utf8(payload).expect("text");
        let prepared = || match kind {
            MessageKind::Text => Prepared::text(text()),
            MessageKind::Binary => Prepared::binary(payload),
        };
        let ws = &mut self.ws;
        if let Out::Bytes(out) = &mut self.out {
            let (mut copy, message) = (payload.to_vec(), prepared());
            let lent = match (way, kind) {
                (Way::Lent, MessageKind::Text) => Some(ws.lend_text(text(), out)),
                (Way::Lent, MessageKind::Binary) => Some(ws.lend_binary(payload, out)),
                (Way::LentMut, MessageKind::Binary) => Some(ws.lend_binary_mut(&mut copy, out)),
                (Way::LentPrepared, _) => Some(ws.lend_prepared(&message, out)),
                _ => None,
            };
            if let Some(lent) = lent {
                write(lent?, count, &mut self.taken, random);
                return Ok(());
            }
        }
        let out = self.out.get();
        match (way, kind) {
            (Way::Shared, _) => ws.send_bytes(kind, &Bytes::copy_from_slice(payload), out)?,
            (Way::Prepared, _) => ws.send_prepared(&prepared(), out)?,
            (Way::Within, _) => {
                let expected = match out.unsent() {
                    0 => Delivery::Sent,
                    _ => Delivery::Queued,
                };
                let limit = out.unsent();
                let delivery = ws.send_prepared_within(&prepared(), limit, out)?;
                assert_eq!(delivery, expected);
            }
            (_, MessageKind::Text) => ws.send_text(text(), out)?,
            (_, MessageKind::Binary) => ws.send_binary(payload, out)?,
        }
        self.take(count, random);
        Ok(())
    }

    fn piece(
        &mut self,
        way: Way,
        piece: &[u8],
        fin: bool,
        count: usize,
        random: &mut Random,
    ) -> Result<(), SendError> {
        let ws = &mut self.ws;
        match &mut self.out {
            Out::Bytes(out) if way == Way::Lent => {
                let lent = match fin {
                    true => ws.lend_finish(piece, out)?,
                    false => ws.lend_fragment(piece, out)?,
                };
                write(lent, count, &mut self.taken, random);
                return Ok(());
            }
            out if fin => ws.finish_message(piece, out.get())?,
            out => ws.send_fragment(piece, out.get())?,
        }
        self.take(count, random);
        Ok(())
    }

    fn take(&mut self, count: usize, random: &mut Random) {
        self.taken.extend(self.out.take(count, random));
    }

    fn receive(&mut self, bytes: &[u8]) -> (Vec<OwnedEvent>, Option<ProtocolError>) {
        let mut events = Vec::new();
        self.input.extend_from_slice(bytes);
        loop {
            match self.ws.next_event(&mut self.input, self.out.get()) {
                Ok(Some(event)) => events.push(event.into()),
                Ok(None) => return (events, None),
                Err(error) => return (events, Some(error)),
            }
        }
    }
}

/// Writes `count` bytes of a lent message in several calls, and drops it.
fn write(mut lent: Lent<'_>, count: usize, to: &mut Vec<u8>, random: &mut Random) {
    let mut left = count.min(lent.unsent());
    loop {
        let [out, payload] = lent.slices();
        let unsent = [out, payload].concat();
        assert_eq!(unsent.len(), lent.unsent());
        let part = random.below(left + 1).max(left.min(1));
        to.extend_from_slice(&unsent[..part]);
        lent.written(part);
        left -= part;
        if left == 0 {
            return;
        }
    }
}

fn same(side: Side, way: Way, queue: bool, new: &dyn Fn() -> Connection, seed: u64) {
    let random = &mut Random(seed);
    let out = |queue| match queue {
        true => Out::Queue(OutQueue::new()),
        false => Out::Bytes(BytesMut::new()),
    };
    let one = |queue| One {
        ws: new(),
        input: RecvBuf::new(),
        out: out(queue),
        taken: Vec::new(),
    };
    let [mut left, mut right] = [one(false), one(queue)];
    let mut now = Duration::from_secs(1);
    for step in 0..80 {
        let len = match random.below(8) {
            0 => 0,
            1 => random.below(5000),
            _ => random.below(200),
        };
        let payload = match random.below(2) {
            0 => random.bytes(len),
            _ => vec![b'x'; len],
        };
        let text: String = payload.iter().map(|byte| char::from(*byte)).collect();
        let count = match random.below(4) {
            0 => usize::MAX,
            1 => 0,
            _ => random.below(200),
        };
        let of_step = Random(random.next());
        let mut both = [
            (&mut left, Way::Copied, of_step.clone()),
            (&mut right, way, of_step),
        ];
        let action = random.below(12);
        let ping = random.below(200);
        match action {
            0..=2 => {
                let [l, r] = both.each_mut().map(|(one, way, random)| {
                    one.send(*way, MessageKind::Text, text.as_bytes(), count, random)
                });
                assert_eq!(l, r);
            }
            3..=5 => {
                let [l, r] = both.each_mut().map(|(one, way, random)| {
                    one.send(*way, MessageKind::Binary, &payload, count, random)
                });
                assert_eq!(l, r);
            }
            6 => {
                let kind = match random.below(2) {
                    0 => MessageKind::Text,
                    _ => MessageKind::Binary,
                };
                let [l, r] = both.each_mut().map(|(one, ..)| one.ws.start_message(kind));
                assert_eq!(l, r);
            }
            7 | 8 => {
                let fin = action == 8;
                let [l, r] = both
                    .each_mut()
                    .map(|(one, way, random)| one.piece(*way, &payload, fin, count, random));
                assert_eq!(l, r);
            }
            9 => {
                let ping = wire::ping(&payload[..len.min(125)]).to(side).bytes();
                let [l, r] = both
                    .each_mut()
                    .map(|(one, ..)| one.receive(&ping.repeat(3)));
                assert_eq!(l, r);
            }
            10 => {
                now += Duration::from_millis(random.below(1500) as u64);
                let [l, r] = both.each_mut().map(|(one, ..)| {
                    let deadline = one.ws.deadline(now);
                    (deadline, one.ws.handle_timeout(now, one.out.get()))
                });
                assert_eq!(l, r);
            }
            _ if step > 60 && ping == 0 => {
                for (one, ..) in &mut both {
                    let closed = one.ws.close(code(1000), "bye", one.out.get());
                    assert_eq!(closed, Ok(()));
                }
            }
            _ => {
                // Often, so that the pong timeout does not end every run.
                let message = frame(true, wire::BINARY, &payload).to(side).bytes();
                let [l, r] = both.each_mut().map(|(one, ..)| {
                    let ping = one.ws.send_ping(&payload[..ping.min(len)], one.out.get());
                    (one.receive(&message), ping)
                });
                assert_eq!(l, r);
            }
        }
        for (one, _, random) in &mut both {
            one.take(count / 2, random);
        }
        assert_eq!(left.out.get().unsent(), right.out.get().unsent());
        assert_eq!(left.ws.state(), right.ws.state());
    }
    left.take(usize::MAX, random);
    right.take(usize::MAX, random);
    assert_eq!(right.out.get().unsent(), 0);
    assert!(left.taken == right.taken, "{side:?} {way:?} {queue} {seed}");
    #[cfg(feature = "deflate")]
    assert_eq!(left.ws.deflate_stats(), right.ws.deflate_stats());
}

#[test]
fn all_ways_of_sending_are_the_same() {
    for side in SIDES {
        for (way, queue) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            for seed in 0..40 {
                let config = config(|c| {
                    c.pong_backlog = 300;
                    c.ping_interval = Some(Duration::from_secs(2));
                    c.pong_timeout = Duration::from_secs(2);
                    if seed % 3 == 0 {
                        c.fragment_size = 100;
                    }
                });
                let new = || Connection::assume_opened(side.role(), config);
                same(side, way, queue, &new, seed);
            }
        }
    }
}

/// A prepared message without a compressed form is compressed by each connection.
#[test]
#[cfg(feature = "deflate")]
fn all_ways_of_sending_are_the_same_with_compression() {
    for (side, takeover) in support::deflate::all() {
        for (way, queue) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            for seed in 0..4 {
                let config = config(|c| {
                    c.pong_backlog = 300;
                    if seed % 3 == 0 {
                        c.fragment_size = 100;
                    }
                });
                let params = support::deflate::params(takeover, 15);
                let new = || {
                    Connection::assume_opened(side.role(), config)
                        .with_deflate(params, Default::default())
                };
                same(side, way, queue, &new, 1000 + seed);
            }
        }
    }
}

/// The bytes of `send_binary`, and of `lend_binary` behind the same unsent bytes.
#[test]
fn every_number_of_written_bytes() {
    for side in SIDES {
        for len in [0, 1, 125, 126, 300] {
            let payload = Random(len as u64).bytes(len);
            let opened = || {
                let mut ws = Connection::assume_opened(side.role(), Config::new());
                let mut out = BytesMut::new();
                ws.send_text("unsent", &mut out).unwrap();
                (ws, out)
            };
            let (mut ws, mut expected) = opened();
            ws.send_binary(&payload, &mut expected).unwrap();
            for written in 0..=expected.len() {
                for first in [0, written / 2, written] {
                    for mutable in [false, true] {
                        let ((mut ws, mut out), mut copy) = (opened(), payload.clone());
                        let mut lent = match mutable {
                            true => ws.lend_binary_mut(&mut copy, &mut out).unwrap(),
                            false => ws.lend_binary(&payload, &mut out).unwrap(),
                        };
                        assert_eq!(lent.slices().concat(), expected);
                        if mutable || side == Side::Server {
                            assert_eq!(lent.slices()[1].len(), len, "copied");
                        }
                        lent.written(first);
                        assert_eq!(lent.slices().concat(), expected[first..]);
                        lent.written(written - first);
                        assert_eq!(lent.unsent(), expected.len() - written);
                        drop(lent);
                        assert_eq!(out, expected[written..]);
                        // The next frame follows.
                        ws.send_ping(b"", &mut out).unwrap();
                        assert_eq!(out[expected.len() - written], 0x89);
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic]
fn more_bytes_than_there_are_cannot_be_written() {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let mut out = BytesMut::new();
    ws.lend_binary(b"four", &mut out).unwrap().written(7);
}

#[test]
fn nothing_follows_a_lent_message_that_is_forgotten() {
    let config = config(|c| c.close_timeout = Duration::from_secs(3));
    let mut ws = Connection::assume_opened(Side::Server.role(), config);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let lent = ws.lend_binary(&[7; 1000], &mut out).unwrap();
    core::mem::forget(lent);
    let header = out.clone();

    assert_eq!(ws.send_text("x", &mut out), Err(SendError::NotOpen));
    assert_eq!(ws.send_ping(b"", &mut out), Err(SendError::NotOpen));
    assert!(ws.lend_text("x", &mut out).is_err());
    assert_eq!(ws.close(code(1000), "", &mut out), Ok(()));
    input.extend_from_slice(&wire::ping("?").to(Side::Server).bytes());
    while ws.next_event(&mut input, &mut out).unwrap().is_some() {}
    let mut now = Duration::from_secs(100);
    now = ws.deadline(now).expect("an end");
    let end = ws.handle_timeout(now, &mut out);
    assert_eq!(end, Err(ProtocolError::CloseTimeout));
    assert!(ws.is_done());
    assert_eq!(out, header, "something follows");
}

#[test]
fn a_slow_peer_misses_messages() {
    for side in SIDES {
        let mut ws = Connection::assume_opened(side.role(), Config::new());
        let mut out = OutQueue::new();
        let message = Prepared::binary(&[7; 5000]);
        let mut send = |limit, out: &mut OutQueue| {
            let before = out.unsent();
            let delivery = ws.send_prepared_within(&message, limit, out);
            let grown = out.unsent() > before;
            assert_eq!(grown, delivery != Ok(Delivery::Dropped));
            delivery
        };
        assert_eq!(send(0, &mut out), Ok(Delivery::Sent));
        assert_eq!(send(0, &mut out), Ok(Delivery::Dropped));
        let unsent = out.unsent();
        assert_eq!(send(unsent - 1, &mut out), Ok(Delivery::Dropped));
        assert_eq!(send(unsent, &mut out), Ok(Delivery::Queued));
        out.advance(out.unsent());
        assert_eq!(send(0, &mut out), Ok(Delivery::Sent));

        // An error is told also above the limit.
        let slow =
            |ws: &mut Connection, out: &mut OutQueue| ws.send_prepared_within(&message, 0, out);
        ws.start_message(MessageKind::Text).unwrap();
        assert_eq!(slow(&mut ws, &mut out), Err(SendError::MessageInProgress));
        ws.finish_message(b"", &mut out).unwrap();
        ws.close(code(1000), "", &mut out).unwrap();
        assert_eq!(slow(&mut ws, &mut out), Err(SendError::NotOpen));
    }
}

#[test]
#[cfg(feature = "std")]
fn a_text_is_checked_and_a_queue_keeps_it() {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let mut out = OutQueue::new();
    let wrong = Bytes::from(vec![0xC3; 5000]);
    let refused = ws.send_bytes(MessageKind::Text, &wrong, &mut out);
    assert_eq!((refused, out.unsent()), (Err(SendError::InvalidUtf8), 0));
    let text = Bytes::from("ü".repeat(2500));
    ws.send_bytes(MessageKind::Text, &text, &mut out).unwrap();
    ws.send_ping(b"", &mut out).unwrap();
    let mut slices = [std::io::IoSlice::new(&[]); 4];
    assert_eq!(out.chunks_vectored(&mut slices), 3);
    assert_eq!(slices[1].as_ptr(), text.as_ptr(), "copied");
    assert_eq!(slices[2][..], [0x89, 0]);
}

#[test]
#[should_panic]
fn a_queue_does_not_lose_more_than_it_has() {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let mut out = OutQueue::new();
    let bytes = Bytes::from(vec![7; 5000]);
    ws.send_bytes(MessageKind::Binary, &bytes, &mut out)
        .unwrap();
    out.advance(out.unsent() + 1);
}

#[test]
fn what_is_sent_is_not_for_logs() {
    let mut ws = Connection::assume_opened(Side::Server.role(), Config::new());
    let mut out = OutQueue::new();
    let text = "a secret ".repeat(1000);
    let message = Prepared::text(&text);
    ws.send_prepared(&message, &mut out).unwrap();
    let mut bytes = BytesMut::new();
    let lent = ws.lend_text(&text, &mut bytes).unwrap();
    // "97" is an `a` in a list of bytes.
    let debug = format!("{message:?} {out:?} {lent:?}");
    assert!(
        !debug.contains("secret") && !debug.contains("97"),
        "{debug}"
    );
}
