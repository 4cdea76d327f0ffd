//! An adapter for a transport that the crate has never heard of: a pair of non-blocking Unix
//! sockets, both ends turned in one thread with a clock that the test sets. A turn takes events,
//! does what is due, flushes and reads, as far as it goes without waiting; when neither end moves
//! any more, nothing will. So every run is the same, without sleeping, ports or a wall clock.
#![cfg(unix)]

use bytes::{Buf, BytesMut};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use websocket_proto::frame::CloseCode;
use websocket_proto::handshake::{client, server};
use websocket_proto::{Config, Connection, Event, MessageKind, RecvBuf, Seed, SendError};

enum Stage {
    Asked(server::Handshake),
    Asking(client::Handshake),
    Open(Connection),
}

/// One end of the pair: the transport, the two buffers, the protocol, and what happened, in words.
struct End {
    socket: UnixStream,
    input: RecvBuf,
    out: BytesMut,
    stage: Stage,
    log: Vec<String>,
    high_water: usize, // where reading stops, for one end alone: else both wait for ever
    over: bool,        // nothing more will come of it: flush, shut down writing, read and drop
    gone: bool,        // the peer has ended its stream
}

impl End {
    /// A server, and a client that asks it for `url`.
    fn pair(url: &str) -> (Self, Self) {
        let end = |socket: UnixStream, stage, out, high_water| {
            socket.set_nonblocking(true).unwrap();
            let (input, log) = (RecvBuf::new(), Vec::new());
            Self {
                socket,
                input,
                out,
                stage,
                log,
                high_water,
                over: false,
                gone: false,
            }
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let asked = server::Handshake::new(Config::new(), server::Origins::SameOrigin);
        let asks = client::Request::new(url)
            .unwrap()
            .subprotocol("chat")
            .header("X-User", "ann");
        let (mut out, seed) = (BytesMut::new(), Seed::from([7; 32])); // outside of a test: from_os
        let asking = client::Handshake::start(&asks, seed, Config::new(), &mut out).unwrap();
        let server = end(ours, Stage::Asked(asked), BytesMut::new(), 32 * 1024);
        (server, end(theirs, Stage::Asking(asking), out, usize::MAX))
    }

    fn send(&mut self, what: impl Fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>) {
        let Stage::Open(ws) = &mut self.stage else {
            panic!("not open: {:?}", self.log)
        };
        what(ws, &mut self.out).unwrap();
    }

    /// All that can be done at `now` without waiting; says whether that was anything.
    fn turn(&mut self, now: u64) -> bool {
        let mut moved = false;
        if !self.over {
            moved = self.step(Duration::from_secs(now)).unwrap_or_else(|error| {
                self.log.push(format!("error: {error}"));
                self.over = true;
                true
            });
        }
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(n) => self.out.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.out.clear(), // nobody reads it any more; the read tells the rest
            }
            moved = true;
        }
        if self.over && self.out.is_empty() {
            _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        if self.gone || self.out.len() > self.high_water {
            return moved;
        }
        match self.socket.read(self.input.spare(4096)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return moved,
            Ok(n) if n > 0 && self.over => {}
            Ok(n) if n > 0 => self.input.filled(n),
            end => {
                self.log.extend(end.err().map(|reset| reset.to_string()));
                self.gone = true;
                match &mut self.stage {
                    Stage::Asked(opening) => opening.end_of_stream(),
                    Stage::Asking(opening) => opening.end_of_stream(),
                    Stage::Open(ws) => ws.end_of_stream(),
                }
            }
        }
        true
    }

    /// Takes the events whose replies there is room for, then does what is due.
    fn step(&mut self, now: Duration) -> Result<bool, Box<dyn Error>> {
        let (mut moved, mut all) = (false, false);
        while !all && self.out.len() <= self.high_water {
            all = !self.next()?;
            moved |= !all;
        }
        let deadline = match &mut self.stage {
            Stage::Asked(opening) => opening.deadline(now),
            Stage::Asking(opening) => opening.deadline(now),
            Stage::Open(ws) => ws.deadline(now),
        };
        let due = deadline.is_some_and(|deadline| deadline <= now);
        match &mut self.stage {
            Stage::Asked(opening) if due => opening.handle_timeout(now, &mut self.out)?,
            Stage::Asking(opening) if due => opening.handle_timeout(now)?,
            Stage::Open(ws) if due => ws.handle_timeout(now, &mut self.out)?,
            _ => {}
        }
        self.over |= matches!(&self.stage, Stage::Open(ws) if ws.is_done());
        Ok(moved | self.over)
    }

    /// Takes one event, or one step of the opening; says whether there was one.
    fn next(&mut self) -> Result<bool, Box<dyn Error>> {
        let Self {
            input,
            out,
            stage,
            log,
            high_water,
            over,
            gone,
            ..
        } = self;
        match stage {
            Stage::Asked(opening) => {
                let Some((request, pending)) = opening.next(input, out)? else {
                    return Ok(false);
                };
                log.push(
                    request
                        .header("x-user")
                        .unwrap_or_default()
                        .escape_ascii()
                        .to_string(),
                );
                if request.path() == "/chat" && request.subprotocols().any(|name| name == "chat") {
                    let answer = server::Accept::new().subprotocol("chat");
                    *stage = Stage::Open(pending.accept(answer, out)?);
                } else {
                    pending.reject(server::Reject::new(404).body(b"no such room"), out)?;
                    *over = true;
                }
            }
            Stage::Asking(opening) => match opening.next(input)? {
                Some(client::Outcome::Accepted(ws, response)) => {
                    log.push(format!(
                        "speaks {}",
                        response.subprotocol().unwrap_or("freely")
                    ));
                    *stage = Stage::Open(ws);
                }
                Some(client::Outcome::Refused(answer)) if *gone => {
                    log.push(format!(
                        "{} {}",
                        answer.status(),
                        answer.body().escape_ascii()
                    ));
                    *over = true;
                }
                _ => return Ok(false), // a refusal is looked at when all of it is here
            },
            Stage::Open(ws) => {
                let Some(event) = ws.next_event(input, out)? else {
                    return Ok(false);
                };
                log.push(match event {
                    Event::Text(text) => text.into(),
                    Event::Binary(bytes) => format!("{} bytes", bytes.len()),
                    Event::Close(end) => format!("{} {}", end.code.unwrap(), end.reason),
                    _ => format!("{event:?}"),
                });
                // The server echoes; once it has said goodbye, nothing can be sent.
                match event {
                    _ if *high_water == usize::MAX || ws.close_sent().is_some() => {}
                    Event::Text(text) => ws.send_text(text, out)?,
                    Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                    _ => {}
                }
            }
        }
        Ok(!self.over)
    }
}

/// Turns both ends until neither moves.
fn settle(server: &mut End, client: &mut End, now: u64) {
    while server.turn(now) | client.turn(now) {}
}

fn opened() -> (End, End) {
    let (mut server, mut client) = End::pair("ws://localhost/chat");
    settle(&mut server, &mut client, 0);
    assert_eq!(
        [server.log.remove(0), client.log.remove(0)],
        ["ann", "speaks chat"]
    );
    (server, client)
}

#[test]
fn a_conversation_and_its_end() {
    let (mut server, mut client) = opened();
    client.send(|ws, out| ws.send_binary(&vec![7; 70_000], out));
    client.send(|ws, _| ws.start_message(MessageKind::Text));
    for piece in ["one", ", two"] {
        client.send(|ws, out| ws.send_fragment(piece.as_bytes(), out));
        client.send(|ws, out| ws.send_ping(b"", out));
        settle(&mut server, &mut client, 1); // a piece is there before the next is known
    }
    client.send(|ws, out| ws.finish_message(", drei ü".as_bytes(), out));
    settle(&mut server, &mut client, 1);
    assert_eq!(
        server.log,
        [
            "70000 bytes",
            "Ping(0 bytes)",
            "Ping(0 bytes)",
            "one, two, drei ü"
        ]
    );
    assert_eq!(
        client.log,
        [
            "70000 bytes",
            "Pong(0 bytes)",
            "Pong(0 bytes)",
            "one, two, drei ü"
        ]
    );

    client.send(|ws, out| ws.send_text("late", out));
    client.send(|ws, out| ws.close(CloseCode::NORMAL, "done", out));
    server.send(|ws, out| ws.close(CloseCode::GOING_AWAY, "so long", out)); // meanwhile
    settle(&mut server, &mut client, 1);
    assert_eq!(server.log[4..], ["late", "1000 done"]);
    assert_eq!(client.log[4..], ["1001 so long"]);
    assert!(server.over && server.gone && client.over && client.gone);
}

#[test]
fn another_path_is_refused() {
    let (mut server, mut client) = End::pair("ws://localhost/attic");
    settle(&mut server, &mut client, 0);
    assert_eq!(client.log, ["404 no such room"]);
}

#[test]
fn silence_has_its_deadlines() {
    let (mut server, mut client) = opened();
    settle(&mut server, &mut client, 20); // both ask, both answer
    assert_eq!((server.log.len(), client.log.len()), (2, 2));
    server.turn(40); // asks, and the client has fallen silent
    server.turn(60);
    assert!(server.log[2].starts_with("error: nothing was received in time"));
    settle(&mut server, &mut client, 60);
    assert!(client.log[3].starts_with("1011 nothing was received in time"));

    let (_server, mut client) = opened();
    client.send(|ws, out| ws.close(CloseCode::NORMAL, "", out));
    client.turn(5); // nobody answers
    client.turn(15);
    assert!(client.over && client.log[0].starts_with("error: the Close frame was not answered"));
}

#[test]
fn a_violation_is_answered_before_the_end() {
    let (mut server, mut client) = opened();
    client.socket.write_all(&[0x81, 2, b'h', b'i']).unwrap(); // a client must mask
    client.socket.write_all(&vec![0; 50_000]).unwrap(); // left unread, this would reset the stream
    settle(&mut server, &mut client, 1);
    assert_eq!(
        server.log,
        ["error: a frame from a client is not masked (RFC 6455 §5.1)"]
    );
    assert_eq!(
        client.log,
        ["1002 a frame from a client is not masked (RFC 6455 §5.1)"]
    );
}

#[test]
fn a_peer_that_does_not_read_has_to_wait() {
    let (mut server, mut client) = opened();
    (0..200).for_each(|_| client.send(|ws, out| ws.send_binary(&[7; 10_000], out)));
    while let Ok(n @ 1..) = client.socket.write(&client.out) {
        client.out.advance(n);
        while server.turn(1) {}
        assert!(server.out.len() <= server.high_water + 10_004);
    }
    assert!(server.out.len() > server.high_water && !client.out.is_empty());
    settle(&mut server, &mut client, 1); // now it reads
    assert_eq!(client.log, vec!["10000 bytes"; 200]);
}
