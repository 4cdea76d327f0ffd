//! A connection in two halves: notes, their order and their loss, joining, and two threads.
//! `again_halves.rs` runs the tests of other files with halves.

use std::{sync::mpsc, thread};

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, JoinErrorKind, Notes, ProtocolError, ReadyState, RecvBuf, RecvHalf,
    SendHalf, frame::CloseCode,
};

mod support;

use support::{
    OwnedEvent, Random, SIDES, Side, code, config, frame, frames, said, secs,
    wire::{self, BINARY, CONTINUATION, PONG, TEXT},
};

fn split(side: Side) -> (RecvHalf, SendHalf) {
    Connection::assume_opened(side.role(), Config::new()).split()
}

/// A reader with its buffer and the notes that were not delivered.
struct Reader {
    half: RecvHalf,
    input: RecvBuf,
    notes: Vec<Notes>,
    events: Vec<OwnedEvent>,
}

impl Reader {
    fn new(half: RecvHalf) -> Self {
        Self {
            half,
            input: RecvBuf::new(),
            notes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes all events, with notes after each of them.
    fn read(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        loop {
            let event = self.half.next_event(&mut self.input);
            self.notes.extend(self.half.take_notes());
            match event? {
                Some(event) => self.events.push(event.into()),
                None => return Ok(()),
            }
        }
    }
}

/// All notes in one.
fn merged(notes: &mut Vec<Notes>) -> Notes {
    let mut notes = notes.drain(..);
    let mut first = notes.next().expect("notes");
    notes.for_each(|newer| first.merge(newer));
    first
}

#[test]
fn merged_notes_answer_the_latest_ping() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        for n in 0..10_u8 {
            reader
                .read(&wire::ping([n; 3]).to(side).bytes())
                .expect("legal");
        }
        assert_eq!(reader.notes.len(), 10);
        let mut out = BytesMut::new();
        send.hear(merged(&mut reader.notes), &mut out);
        let replies = frames(&out);
        assert_eq!(wire::contents(&replies), [(true, PONG, vec![9; 3])]);
        Connection::join(reader.half, send).expect("all was heard");
    }
}

#[test]
fn notes_that_are_not_taken_are_merged() {
    for side in SIDES {
        let (mut recv, mut send) = split(side);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        for payload in ["one", "two"] {
            input.extend_from_slice(&wire::ping(payload).to(side).bytes());
        }
        input.extend_from_slice(&wire::close(1000, "bye").to(side).bytes());
        while recv.next_event(&mut input).expect("legal").is_some() {}
        recv.end_of_stream();
        let notes = recv.take_notes().expect("notes");
        assert!(recv.take_notes().is_none());
        send.hear(notes, &mut out);
        // No ping needs a pong any more, as a Close frame has arrived (§5.5.2).
        assert_eq!(frames(&out).len(), 1);
        assert_eq!(frames(&out)[0].close_code(), 1000);
        assert_eq!(
            said(send.close_received()),
            Some((Some(1000), "bye".into()))
        );
        assert!(send.is_done() && recv.is_over());
        assert!(recv.next_event(&mut input).expect("no error").is_none());
    }
}

#[test]
fn a_failure_crosses_by_the_notes() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        let error = reader.read(&frame(true, TEXT, [0xFF]).to(side).bytes());
        assert_eq!(error, Err(ProtocolError::InvalidUtf8));
        assert_eq!(reader.half.error(), Some(ProtocolError::InvalidUtf8));
        assert_eq!(send.state(), ReadyState::Open);
        send.hear(merged(&mut reader.notes), &mut out);
        assert_eq!(send.error(), Some(ProtocolError::InvalidUtf8));
        assert_eq!(frames(&out)[0].close_code(), 1007);
        assert!(send.is_done());
        // It is repeated, and nothing is noted twice.
        assert_eq!(reader.read(b""), Err(ProtocolError::InvalidUtf8));
        assert_eq!(reader.notes.len(), 0);
        let mut ws = Connection::join(reader.half, send).expect("all was heard");
        let error = ws.next_event(&mut reader.input, &mut out);
        assert_eq!(error, Err(ProtocolError::InvalidUtf8));
    }
}

#[test]
fn an_error_of_the_sending_half_ends_the_joined_connection() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut out = BytesMut::new();
        let ping_at = send.deadline(secs(0)).expect("keepalive");
        send.handle_timeout(ping_at, &mut out).expect("alive");
        let due = send.deadline(ping_at).expect("a pong is due");
        let error = send.handle_timeout(due, &mut out);
        assert_eq!(error, Err(ProtocolError::PongTimeout));
        assert!(send.is_done() && recv.error().is_none());
        let mut ws = Connection::join(recv, send).expect("all was heard");
        let mut input = RecvBuf::new();
        input.extend_from_slice(&wire::text("late").to(side).bytes());
        let error = ws.next_event(&mut input, &mut out);
        assert_eq!(error, Err(ProtocolError::PongTimeout));
    }
}

#[test]
fn fixed_22_a_failure_of_the_reader_does_not_replace_an_earlier_error() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        send.close(code(4000), "", &mut out).expect("open");
        let due = send.deadline(secs(0)).expect("it is closing");
        let timeout = Err(ProtocolError::CloseTimeout);
        assert_eq!(send.handle_timeout(due, &mut out), timeout);
        // The reader notices that the transport was shut down.
        reader.half.end_of_stream();
        assert_eq!(reader.read(b""), Err(ProtocolError::EndOfStream));
        send.hear(merged(&mut reader.notes), &mut out);
        assert_eq!(send.error(), timeout.err());
        assert_eq!(send.handle_timeout(due, &mut out), timeout);
        // The reader still has its own error. That of the writer is the error of the connection.
        assert_eq!(reader.half.error(), Some(ProtocolError::EndOfStream));
        let mut ws = Connection::join(reader.half, send).expect("all was heard");
        assert_eq!(ws.error(), timeout.err());
        let error = ws.next_event(&mut reader.input, &mut out);
        assert_eq!(
            error.map(|event| event.is_none()),
            Err(ProtocolError::CloseTimeout)
        );
    }
}

#[test]
fn signs_of_life_and_round_trips_cross_by_the_notes() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        let ping_at = send.deadline(secs(0)).expect("keepalive");
        send.handle_timeout(ping_at, &mut out).expect("alive");
        let ping = frames(&out).remove(0);
        let pong = wire::pong(ping.payload).to(side).bytes();
        reader.read(&pong).expect("legal");
        reader
            .read(&wire::pong("another").to(side).bytes())
            .expect("legal");
        send.hear(merged(&mut reader.notes), &mut out);
        send.deadline(ping_at + secs(3));
        assert_eq!(send.round_trip_time(), Some(secs(3)));
        send.handle_timeout(ping_at + secs(20), &mut out)
            .expect("it was heard");
    }
}

#[test]
fn a_later_sign_of_life_is_not_lost_in_a_merged_note() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        let pings = [1, 2].map(|n| wire::ping([n]).to(side).bytes());
        reader.read(&pings.concat()).expect("legal");
        send.hear(reader.notes.remove(0), &mut out);
        let ping_at = send.deadline(secs(0)).expect("keepalive");
        send.handle_timeout(ping_at, &mut out).expect("alive");
        // The first of these two tells of a ping, the other one of bytes that have arrived.
        reader.read(&[pings[0][0]]).expect("legal");
        assert_eq!(reader.notes.len(), 2);
        send.hear(merged(&mut reader.notes), &mut out);
        send.handle_timeout(ping_at + secs(20), &mut out)
            .expect("it was heard");
    }
}

#[test]
fn an_end_and_a_failure_are_not_lost_in_merged_notes() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        reader.half.end_of_stream();
        reader.notes.extend(reader.half.take_notes());
        reader.half.end_of_stream();
        assert!(reader.half.take_notes().is_none(), "it was noted");
        // Events that arrived before the end.
        reader
            .input
            .extend_from_slice(&wire::close(1000, "").to(side).bytes());
        assert_eq!(reader.read(b""), Ok(()));
        send.hear(merged(&mut reader.notes), &mut out);
        assert!(send.is_done() && send.error().is_none());

        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let error = reader.read(&frame(true, TEXT, [0xFF]).to(side).bytes());
        assert_eq!(error, Err(ProtocolError::InvalidUtf8));
        reader.half.end_of_stream();
        reader.notes.extend(reader.half.take_notes());
        assert_eq!(reader.notes.len(), 2);
        send.hear(merged(&mut reader.notes), &mut out);
        assert_eq!(send.error(), Some(ProtocolError::InvalidUtf8));
    }
}

#[test]
fn the_time_of_a_message_is_not_that_of_an_earlier_one() {
    for side in SIDES {
        let alone = config(|c| c.ping_interval = None);
        let (recv, mut send) = Connection::assume_opened(side.role(), alone).split();
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        let begin = frame(false, BINARY, "x").to(side).bytes();
        let end = frame(true, CONTINUATION, "x").to(side).bytes();
        reader.read(&begin).expect("legal");
        send.hear(merged(&mut reader.notes), &mut out);
        assert!(send.deadline(secs(0)).is_some());
        // The message ends and another one begins, in one note.
        reader.read(&end).expect("legal");
        reader.read(&begin).expect("legal");
        send.hear(merged(&mut reader.notes), &mut out);
        assert!(send.deadline(secs(19)) > Some(secs(38)));
        // It ends as well.
        reader.read(&end).expect("legal");
        send.hear(merged(&mut reader.notes), &mut out);
        assert_eq!(send.deadline(secs(20)), None);
    }
}

#[test]
fn a_message_under_way_at_the_split_can_end() {
    for side in SIDES {
        let alone = config(|c| c.ping_interval = None);
        let mut ws = Connection::assume_opened(side.role(), alone);
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        input.extend_from_slice(&frame(false, BINARY, "x").to(side).bytes());
        assert_eq!(ws.next_event(&mut input, &mut out), Ok(None));
        assert!(ws.deadline(secs(0)).is_some());
        let (mut recv, mut send) = ws.split();
        input.extend_from_slice(&frame(true, CONTINUATION, "y").to(side).bytes());
        assert_eq!(recv.next_event(&mut input), Ok(Some(Event::Binary(b"xy"))));
        send.hear(recv.take_notes().expect("notes"), &mut out);
        assert_eq!(send.deadline(secs(100)), None);
    }
}

#[test]
fn both_sides_close_at_once() {
    for side in SIDES {
        let (recv, mut send) = split(side);
        let mut reader = Reader::new(recv);
        let mut out = BytesMut::new();
        send.close(CloseCode::NORMAL, "", &mut out).expect("open");
        reader
            .read(&wire::close(4000, "").to(side).bytes())
            .expect("legal");
        send.hear(merged(&mut reader.notes), &mut out);
        assert_eq!(frames(&out).len(), 1, "one Close frame from each side");
        assert_eq!(send.is_done(), side == Side::Server);
        reader.half.end_of_stream();
        send.hear(reader.half.take_notes().expect("the end"), &mut out);
        assert!(send.is_done() && send.error().is_none());
    }
}

#[test]
fn the_writer_alone_ends_a_closing_handshake_that_takes_too_long() {
    for side in SIDES {
        let (_recv, mut send) = split(side);
        let mut out = BytesMut::new();
        send.close(code(4000), "", &mut out).expect("open");
        let due = send.deadline(secs(5)).expect("it is closing");
        let error = send.handle_timeout(due, &mut out);
        assert_eq!(error, Err(ProtocolError::CloseTimeout));
    }
}

#[test]
fn halves_join_only_if_nothing_is_missing() {
    let ping = wire::ping("x").to(Side::Server).bytes();
    let kind = |result: Result<Connection, websocket_proto::JoinError>| {
        result.map(drop).map_err(|error| error.kind())
    };
    let read = |pings: usize| {
        let (recv, send) = split(Side::Server);
        let mut reader = Reader::new(recv);
        (0..pings).for_each(|_| reader.read(&ping).expect("legal"));
        (reader, send)
    };
    let mut out = BytesMut::new();

    let ((one, _), (_, other)) = (split(Side::Server), split(Side::Server));
    assert_eq!(
        kind(Connection::join(one, other)),
        Err(JoinErrorKind::NotAPair)
    );

    // A note that was not taken.
    let (mut recv, send) = split(Side::Server);
    let mut input = RecvBuf::new();
    input.extend_from_slice(&ping);
    assert!(recv.next_event(&mut input).expect("legal").is_some());
    let missing = Err(JoinErrorKind::MissingNotes);
    let error = Connection::join(recv, send).expect_err("a note");
    assert_eq!(error.kind(), JoinErrorKind::MissingNotes);
    // It can be delivered now.
    let (mut recv, mut send) = error.into_halves();
    send.hear(recv.take_notes().expect("the note"), &mut out);
    assert_eq!(kind(Connection::join(recv, send)), Ok(()));

    // The last note is missing, the first one, one in between, and two are in the wrong order.
    for heard in [&[0, 1][..], &[1, 2], &[0, 2], &[1, 0, 2]] {
        let (mut reader, mut send) = read(3);
        let mut notes: Vec<_> = reader.notes.drain(..).map(Some).collect();
        for note in heard {
            send.hear(notes[*note].take().expect("a note"), &mut out);
        }
        assert_eq!(
            kind(Connection::join(reader.half, send)),
            missing,
            "{heard:?}"
        );
    }
    // One in between is missing in a merged note.
    let (mut reader, mut send) = read(3);
    drop(reader.notes.remove(1));
    send.hear(merged(&mut reader.notes), &mut out);
    assert_eq!(kind(Connection::join(reader.half, send)), missing);

    // Everything was heard, some of it merged.
    let (mut reader, mut send) = read(5);
    send.hear(reader.notes.remove(0), &mut out);
    send.hear(merged(&mut reader.notes), &mut out);
    assert_eq!(kind(Connection::join(reader.half, send)), Ok(()));
}

#[test]
fn the_notes_are_small_and_can_be_sent() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Notes>();
    is_send::<RecvHalf>();
    is_send::<SendHalf>();
    assert!(size_of::<Notes>() <= 176, "{}", size_of::<Notes>());
}

/// Two threads for each side. Notes wait in the channel for as long as the scheduler likes, and are
/// merged at random. Each side echoes what it gets, until enough has arrived.
#[test]
fn two_threads_on_each_side_under_load() {
    const MESSAGES: usize = 2000;

    enum Task {
        Hear(Notes),
        Echo(Vec<u8>),
    }

    /// Reads, and leaves the answers to the writer. Returns the number of messages.
    fn read(
        mut half: RecvHalf,
        seed: u64,
        bytes: &mpsc::Receiver<Vec<u8>>,
        tasks: &mpsc::SyncSender<Task>,
    ) -> (RecvHalf, usize) {
        let (mut random, mut input, mut count) = (Random(seed), RecvBuf::new(), 0);
        let mut kept: Option<Notes> = None;
        let deliver = |kept: &mut Option<Notes>| {
            if let Some(notes) = kept.take() {
                tasks.send(Task::Hear(notes)).expect("the writer");
            }
        };
        loop {
            match bytes.recv() {
                Ok(bytes) => input.extend_from_slice(&bytes),
                Err(_) => half.end_of_stream(),
            }
            let ended = loop {
                let event = half.next_event(&mut input);
                if let Some(notes) = half.take_notes() {
                    match &mut kept {
                        Some(kept) => kept.merge(notes),
                        None => kept = Some(notes),
                    }
                }
                if random.below(3) == 0 {
                    deliver(&mut kept);
                }
                match event.expect("legal") {
                    Some(Event::Binary(payload)) => {
                        count += 1;
                        tasks
                            .send(Task::Echo(payload.to_vec()))
                            .expect("the writer");
                    }
                    Some(_) => {}
                    None => break half.is_over(),
                }
            };
            deliver(&mut kept);
            if ended && bytes.recv().is_err() {
                half.end_of_stream();
                kept = half.take_notes();
                deliver(&mut kept);
                return (half, count);
            }
        }
    }

    /// Writes until the connection is done.
    fn write(
        mut half: SendHalf,
        starts: bool,
        tasks: &mpsc::Receiver<Task>,
        bytes: mpsc::SyncSender<Vec<u8>>,
    ) -> SendHalf {
        let (mut out, mut sent, mut bytes) = (BytesMut::new(), 0, Some(bytes));
        if starts {
            for n in 0..10 {
                half.send_binary(&[n; 100], &mut out).expect("open");
            }
        }
        let mut flush = |out: &mut BytesMut, done: bool| {
            if let Some(bytes) = &bytes
                && !out.is_empty()
            {
                bytes.send(out.split().to_vec()).expect("the reader");
            }
            if done {
                bytes = None;
            }
        };
        flush(&mut out, false);
        for task in tasks {
            match task {
                Task::Hear(notes) => half.hear(notes, &mut out),
                Task::Echo(_) if half.state() != ReadyState::Open => {}
                Task::Echo(payload) => {
                    sent += 1;
                    half.send_binary(&payload, &mut out).expect("open");
                    if sent % 7 == 0 {
                        half.send_ping(b"alive", &mut out).expect("open");
                    }
                    if starts && sent == MESSAGES {
                        half.close(CloseCode::NORMAL, "enough", &mut out)
                            .expect("open");
                    }
                }
            }
            flush(&mut out, half.is_done());
        }
        half
    }

    for seed in 0..3 {
        let (to_server, server_bytes) = mpsc::sync_channel(1000);
        let (to_client, client_bytes) = mpsc::sync_channel(1000);
        let sides = [
            (Side::Client, client_bytes, to_server),
            (Side::Server, server_bytes, to_client),
        ];
        let threads = sides.map(|(side, from, to)| {
            thread::spawn(move || {
                let (recv, send) = split(side);
                let (tasks, to_do) = mpsc::sync_channel(1000);
                let writer = thread::spawn(move || write(send, side == Side::Client, &to_do, to));
                let (recv, count) = read(recv, seed, &from, &tasks);
                drop(tasks);
                let send = writer.join().expect("the writer");
                let ws = Connection::join(recv, send).expect("all was heard");
                assert!(ws.is_done() && ws.error().is_none(), "{ws:?}");
                assert_eq!(said(ws.close_received()).expect("closed").0, Some(1000));
                count
            })
        });
        for thread in threads {
            let count = thread.join().expect("it ends");
            assert!((MESSAGES - 10..=MESSAGES + 10).contains(&count), "{count}");
        }
    }
}
