//! An adapter for a transport that the crate does not know: a pair of non-blocking Unix sockets.
//!
//! Client and server run in one thread, with a clock that the test sets. `Endpoint::poll` takes
//! events, handles timeouts, flushes and reads, until it would have to wait. The tests call it for
//! both endpoints until neither makes progress. So every run gives the same result, without
//! sleeping, ports or a real clock.
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
    ServerHandshake(server::Handshake),
    ClientHandshake(client::Handshake),
    Open(Connection),
}

/// One endpoint: the socket, the two buffers, and the handshake or the connection.
struct Endpoint {
    socket: UnixStream,
    input: RecvBuf,
    out: BytesMut,
    stage: Stage,
    /// The events and errors, as text.
    log: Vec<String>,
    /// If more bytes than this are unsent, the endpoint takes no events and does not read. The
    /// client has no such limit: if both endpoints stopped reading, they would deadlock.
    high_water: usize,
    /// The connection or the handshake has ended. Flush, shut down writing, and drop what arrives.
    done: bool,
    /// The peer has ended its stream.
    peer_ended: bool,
}

impl Endpoint {
    /// Makes a server, and a client that requests `url`.
    fn pair(url: &str) -> (Self, Self) {
        let endpoint = |socket: UnixStream, stage, out, high_water| {
            socket.set_nonblocking(true).unwrap();
            let (input, log) = (RecvBuf::new(), Vec::new());
            Self {
                socket,
                input,
                out,
                stage,
                log,
                high_water,
                done: false,
                peer_ended: false,
            }
        };
        let (server_socket, client_socket) = UnixStream::pair().unwrap();
        let handshake = server::Handshake::new(Config::new(), server::Origins::SameOrigin);
        let server = endpoint(
            server_socket,
            Stage::ServerHandshake(handshake),
            BytesMut::new(),
            32 * 1024,
        );
        let request = client::Request::new(url)
            .unwrap()
            .subprotocol("chat")
            .header("X-User", "ann");
        // A constant seed is for tests. An application calls `Seed::from_os`.
        let (mut out, seed) = (BytesMut::new(), Seed::from([7; 32]));
        let handshake = client::Handshake::start(&request, seed, Config::new(), &mut out).unwrap();
        let stage = Stage::ClientHandshake(handshake);
        (server, endpoint(client_socket, stage, out, usize::MAX))
    }

    /// Calls a method that sends. The connection must be open.
    fn send(&mut self, call: impl Fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>) {
        let Stage::Open(ws) = &mut self.stage else {
            panic!("not open: {:?}", self.log)
        };
        call(ws, &mut self.out).unwrap();
    }

    /// Does everything that is possible without waiting. `now` is in seconds. Returns whether there
    /// was progress.
    fn poll(&mut self, now: u64) -> bool {
        let mut progress = false;
        if !self.done {
            progress = self
                .process(Duration::from_secs(now))
                .unwrap_or_else(|error| {
                    self.log.push(format!("error: {error}"));
                    self.done = true;
                    true
                });
        }
        // Flush, also after an error: `out` contains the Close frame or the HTTP refusal.
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(n) => self.out.advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The peer does not read any more. The next read tells why.
                Err(_) => self.out.clear(),
            }
            progress = true;
        }
        if self.done && self.out.is_empty() {
            _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        if self.peer_ended || self.out.len() > self.high_water {
            return progress;
        }
        match self.socket.read(self.input.spare(4096)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return progress,
            // Read and drop: closing a socket with unread input could destroy the Close frame.
            Ok(n) if n > 0 && self.done => {}
            Ok(n) if n > 0 => self.input.filled(n),
            // The end of the stream, or an error such as a connection reset.
            end => {
                self.log.extend(end.err().map(|error| error.to_string()));
                self.peer_ended = true;
                match &mut self.stage {
                    Stage::ServerHandshake(handshake) => handshake.end_of_stream(),
                    Stage::ClientHandshake(handshake) => handshake.end_of_stream(),
                    Stage::Open(ws) => ws.end_of_stream(),
                }
            }
        }
        true
    }

    /// Takes events while `out` has room for the replies. Then handles a timeout that is due.
    fn process(&mut self, now: Duration) -> Result<bool, Box<dyn Error>> {
        let (mut progress, mut all) = (false, false);
        while !all && self.out.len() <= self.high_water {
            all = !self.next()?;
            progress |= !all;
        }
        let deadline = match &mut self.stage {
            Stage::ServerHandshake(handshake) => handshake.deadline(now),
            Stage::ClientHandshake(handshake) => handshake.deadline(now),
            Stage::Open(ws) => ws.deadline(now),
        };
        let due = deadline.is_some_and(|deadline| deadline <= now);
        match &mut self.stage {
            Stage::ServerHandshake(handshake) if due => {
                handshake.handle_timeout(now, &mut self.out)?
            }
            Stage::ClientHandshake(handshake) if due => handshake.handle_timeout(now)?,
            Stage::Open(ws) if due => ws.handle_timeout(now, &mut self.out)?,
            _ => {}
        }
        self.done |= matches!(&self.stage, Stage::Open(ws) if ws.is_done());
        Ok(progress | self.done)
    }

    /// Takes one event, or does one step of the handshake. Returns whether there was one.
    fn next(&mut self) -> Result<bool, Box<dyn Error>> {
        let Self {
            input,
            out,
            stage,
            log,
            high_water,
            done,
            peer_ended,
            ..
        } = self;
        match stage {
            Stage::ServerHandshake(handshake) => {
                let Some((request, pending)) = handshake.next(input, out)? else {
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
                    let accept = server::Accept::new().subprotocol("chat");
                    *stage = Stage::Open(pending.accept(accept, out)?);
                } else {
                    pending.reject(server::Reject::new(404).body(b"no such room"), out)?;
                    *done = true;
                }
            }
            Stage::ClientHandshake(handshake) => match handshake.next(input)? {
                Some(client::Outcome::Accepted(ws, response)) => {
                    log.push(format!(
                        "subprotocol: {}",
                        response.subprotocol().unwrap_or("none")
                    ));
                    *stage = Stage::Open(ws);
                }
                Some(client::Outcome::Refused(response)) if *peer_ended => {
                    log.push(format!(
                        "{} {}",
                        response.status(),
                        response.body().escape_ascii()
                    ));
                    *done = true;
                }
                // More bytes are needed. The body of a refusal is complete when the stream ends.
                _ => return Ok(false),
            },
            Stage::Open(ws) => {
                let Some(event) = ws.next_event(input, out)? else {
                    return Ok(false);
                };
                log.push(match event {
                    Event::Text(text) => text.into(),
                    Event::Binary(bytes) => format!("{} bytes", bytes.len()),
                    Event::Close(close) => format!("{} {}", close.code.unwrap(), close.reason),
                    _ => format!("{event:?}"),
                });
                // The server echoes messages. After a Close frame nothing can be sent.
                let is_client = *high_water == usize::MAX;
                match event {
                    _ if is_client || ws.close_sent().is_some() => {}
                    Event::Text(text) => ws.send_text(text, out)?,
                    Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                    _ => {}
                }
            }
        }
        Ok(!self.done)
    }
}

/// Polls both endpoints until neither makes progress.
fn run(server: &mut Endpoint, client: &mut Endpoint, now: u64) {
    while server.poll(now) | client.poll(now) {}
}

/// A server and a client after the handshake.
fn connected() -> (Endpoint, Endpoint) {
    let (mut server, mut client) = Endpoint::pair("ws://localhost/chat");
    run(&mut server, &mut client, 0);
    assert_eq!(
        [server.log.remove(0), client.log.remove(0)],
        ["ann", "subprotocol: chat"]
    );
    (server, client)
}

#[test]
fn a_conversation_and_its_end() {
    let (mut server, mut client) = connected();
    client.send(|ws, out| ws.send_binary(&vec![7; 70_000], out));
    client.send(|ws, _| ws.start_message(MessageKind::Text));
    for piece in ["one", ", two"] {
        client.send(|ws, out| ws.send_fragment(piece.as_bytes(), out));
        client.send(|ws, out| ws.send_ping(b"", out));
        // Each piece arrives before the next one is sent.
        run(&mut server, &mut client, 1);
    }
    client.send(|ws, out| ws.finish_message(", drei ü".as_bytes(), out));
    run(&mut server, &mut client, 1);
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
    // The server closes as well, before the client's Close frame has arrived.
    server.send(|ws, out| ws.close(CloseCode::GOING_AWAY, "so long", out));
    run(&mut server, &mut client, 1);
    assert_eq!(server.log[4..], ["late", "1000 done"]);
    assert_eq!(client.log[4..], ["1001 so long"]);
    assert!(server.done && server.peer_ended && client.done && client.peer_ended);
}

#[test]
fn another_path_is_refused() {
    let (mut server, mut client) = Endpoint::pair("ws://localhost/attic");
    run(&mut server, &mut client, 0);
    assert_eq!(client.log, ["404 no such room"]);
}

#[test]
fn silence_has_its_deadlines() {
    let (mut server, mut client) = connected();
    // Both send a keepalive ping, and both answer.
    run(&mut server, &mut client, 20);
    assert_eq!((server.log.len(), client.log.len()), (2, 2));
    // The server sends another ping. The client does not answer.
    server.poll(40);
    server.poll(60);
    assert!(server.log[2].starts_with("error: nothing was received in time"));
    run(&mut server, &mut client, 60);
    assert!(client.log[3].starts_with("1011 nothing was received in time"));

    let (_server, mut client) = connected();
    client.send(|ws, out| ws.close(CloseCode::NORMAL, "", out));
    // The server does not answer the Close frame.
    client.poll(5);
    client.poll(15);
    assert!(client.done && client.log[0].starts_with("error: the Close frame was not answered"));
}

#[test]
fn a_violation_is_answered_before_the_end() {
    let (mut server, mut client) = connected();
    // A text frame without a mask, from a client.
    client.socket.write_all(&[0x81, 2, b'h', b'i']).unwrap();
    // If the server left these bytes unread, the Close frame could be lost.
    client.socket.write_all(&vec![0; 50_000]).unwrap();
    run(&mut server, &mut client, 1);
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
    let (mut server, mut client) = connected();
    (0..200).for_each(|_| client.send(|ws, out| ws.send_binary(&[7; 10_000], out)));
    while let Ok(n @ 1..) = client.socket.write(&client.out) {
        client.out.advance(n);
        while server.poll(1) {}
        assert!(server.out.len() <= server.high_water + 10_004);
    }
    assert!(server.out.len() > server.high_water && !client.out.is_empty());
    // Now the client reads.
    run(&mut server, &mut client, 1);
    assert_eq!(client.log, vec!["10000 bytes"; 200]);
}
