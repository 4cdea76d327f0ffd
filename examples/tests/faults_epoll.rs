//! Proves that the adapter for epoll survives faults. Its reads and writes meet every fault at every
//! operation, see `support/line.rs`. The rest runs on sockets, with all that a peer and the kernel
//! can do there: short reads and writes, and an end or a reset behind every byte.
#![cfg(target_os = "linux")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{fs, time::Duration};

use bytes::{Buf, BytesMut};
use examples::adapters::epoll::{App, Epoll, Peers};
use rustix::net::sockopt;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Connection, Error, Event, ProtocolError, RecvBuf, Role};

#[path = "../adapters/epoll/socket.rs"]
mod socket;
mod support;

use support::line::{End, Fault, Line, Log, Run, each_fault, each_pair};
use support::peer::{Peer, TALKS, Talk, note, send};

/// What `Epoll` does with one connection, over `socket.rs`.
fn serve(mut end: End, talk: Talk, log: &mut Log) -> Result<(), Error> {
    let mut handshake = Handshake::new(talk.config(), Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut ws = loop {
        if let Some((_, pending)) = handshake.next(&mut input, &mut out)? {
            break pending.accept(Accept::new(), &mut out)?;
        }
        if socket::read(&mut end, &mut input, 4000).is_none() {
            handshake.end_of_stream();
        }
    };
    let mut failed = false;
    while !ws.is_done() {
        let result = loop {
            match ws.next_event(&mut input, &mut out) {
                Ok(None) => break Ok(()),
                Ok(Some(event)) => {
                    log.got.extend(note(event));
                    log.sent.extend(note(event));
                    if matches!(event, Event::Text(_) | Event::Binary(_)) {
                        send(&mut ws, event.payload(), &mut out);
                    }
                }
                Err(error) => {
                    let error = error.into();
                    log.failed(&error);
                    break Err(error);
                }
            }
        };
        while !failed && !out.is_empty() {
            failed = socket::write(&mut end, &mut out).is_err();
        }
        out.clear();
        result?;
        if !ws.is_done() && socket::read(&mut end, &mut input, 4000).is_none() {
            ws.end_of_stream();
        }
    }
    ws.next_event(&mut input, &mut out)?;
    Ok(())
}

#[test]
fn each_fault_at_each_read_and_write() {
    let run = |talk, plan: &[(usize, Fault)]| -> Run {
        let mut line = Line::new("epoll", talk, Peer::client(talk), plan);
        (line.has_buffer, line.hides_errors) = (false, true);
        let (end, mut log) = (End::new(line), Log::default());
        let result = serve(end.clone(), talk, &mut log);
        end.into_run(log, result)
    };
    for talk in TALKS {
        let runs = each_fault(|plan| run(talk, plan));
        assert!(runs > 40, "{runs}");
    }
    let runs = each_pair(|plan| run(Talk::Tiny, plan));
    assert!(runs > 500, "{runs}");
}

/// Echoes, and counts.
struct Echo {
    talk: Talk,
    log: Log,
    closed: Vec<Option<ProtocolError>>,
}

impl App for Echo {
    fn handshake(&mut self) -> Handshake {
        Handshake::new(self.talk.config(), Origins::SameOrigin)
    }

    fn on_open(&mut self, key: usize, _: &mut Peers) {
        assert_eq!(key, 1, "the connection before still has its slot");
        self.log.opened = true;
    }

    fn on_event(&mut self, key: usize, event: Event<'_>, peers: &mut Peers) {
        self.log.got.extend(note(event));
        if matches!(event, Event::Text(_) | Event::Binary(_)) {
            let sent = peers.with(key, |ws, out| send(ws, event.payload(), out));
            assert!(sent.is_some());
        }
    }

    fn on_close(&mut self, _: usize, ws: &Connection, _: &mut Peers) {
        self.closed.push(ws.error());
    }
}

/// What happens behind a number of bytes from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The client ends the stream, and reads on.
    End,
    Reset,
    /// The server cannot write any more.
    Broken,
}

/// A server, and a client in the same thread.
struct World {
    server: Epoll<Echo>,
    listener: TcpListener,
    /// Open files without a connection.
    files: usize,
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

impl World {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        // The connections inherit it, so that many writes are short.
        sockopt::set_socket_send_buffer_size(&listener, 4096).unwrap();
        let app = Echo {
            talk: Talk::Tiny,
            log: Log::default(),
            closed: Vec::new(),
        };
        let server = Epoll::new(app, listener.try_clone().unwrap()).unwrap();
        Self {
            server,
            listener,
            files: files(),
        }
    }

    /// Talks until nothing is left of the connection. The client reads and writes `piece` bytes at a
    /// time. Returns what it has heard, and how many bytes it has sent.
    fn talk(
        &mut self,
        talk: Talk,
        piece: usize,
        cut: Option<(usize, Cut)>,
    ) -> (Vec<String>, usize) {
        let Self {
            server,
            listener,
            files: base,
        } = self;
        let app = &mut server.app;
        (app.talk, app.log) = (talk, Log::default());
        app.closed.clear();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_nonblocking(true).unwrap();
        // To break its writes, the test needs the server's socket.
        let (mut peer, mut near) = (Peer::client(talk), None);
        if let Some((_, Cut::Broken)) = cut {
            let socket = listener.accept().unwrap().0;
            near = Some(socket.try_clone().unwrap());
            let ws = Connection::assume_opened(Role::Server, Config::new());
            server.add(socket, ws, b"").unwrap();
            peer = Peer::opened_client(talk);
        }
        let (mut client, mut sent, mut turns, mut room) = (Some(client), 0, 0, vec![0; piece]);
        while client.is_some() || files() > *base {
            turns += 1;
            assert!(
                turns < 100_000,
                "{talk:?} {piece} {cut:?}: it goes on for ever"
            );
            server.turn(Duration::ZERO).unwrap();
            let Some(socket) = &mut client else { continue };
            match socket.read(&mut room) {
                Ok(n @ 1..) => peer.receive(&room[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => {
                    peer.end_of_stream();
                    (client, near) = (None, None);
                    continue;
                }
            }
            match cut {
                // It fails if the connection is over.
                Some((at, Cut::End)) if at == sent => _ = socket.shutdown(Shutdown::Write),
                Some((at, Cut::Reset)) if at == sent => {
                    sockopt::set_socket_linger(&*socket, Some(Duration::ZERO)).unwrap();
                    client = None;
                }
                Some((at, Cut::Broken)) if at == sent => {
                    let _ = near.as_ref().unwrap().shutdown(Shutdown::Write);
                }
                _ => {
                    let most = cut.map_or(piece, |(at, _)| piece.min(at - sent));
                    let most = most.min(peer.out.len());
                    // It fails if the server has already ended the connection.
                    let n = socket.write(&peer.out[..most]).unwrap_or_default();
                    peer.out.advance(n);
                    sent += n;
                }
            }
        }
        let Echo { log, closed, .. } = &server.app;
        assert_eq!(
            closed.len(),
            usize::from(log.opened),
            "{talk:?} {piece} {cut:?}"
        );
        (peer.heard, sent)
    }
}

#[test]
fn an_end_or_a_reset_behind_every_byte() {
    let mut world = World::new();
    for talk in TALKS {
        let (usual, _) = world.talk(talk, 100_000, None);
        assert_eq!(usual.len(), talk.messages().len() + 1);
        for piece in [1, 7, 5000] {
            if piece == 1 && talk == Talk::Long {
                continue;
            }
            let (heard, _) = world.talk(talk, piece, None);
            assert_eq!(heard, usual, "{piece}");
            let error = world.server.app.closed[0];
            let wrong = Some(ProtocolError::UnmaskedFrame);
            assert_eq!(error, wrong.filter(|_| talk == Talk::Wrong));
        }
    }
    let (usual, len) = world.talk(Talk::Tiny, 100_000, None);
    assert!(len > 200, "{len}");
    for cut in [Cut::End, Cut::Reset, Cut::Broken] {
        for at in 0..len {
            let (heard, _) = world.talk(Talk::Tiny, 50, Some((at, cut)));
            let got = &world.server.app.log.got;
            assert!(usual.starts_with(got), "{cut:?} {at}: {got:?}");
            assert!(usual.starts_with(&heard), "{cut:?} {at}: {heard:?}");
            if cut == Cut::End {
                assert_eq!(heard, *got, "{at}: not flushed");
            }
            let over = *got == usual;
            for error in &world.server.app.closed {
                let end = Some(ProtocolError::EndOfStream).filter(|_| !over);
                assert_eq!(*error, end, "{cut:?} {at}");
            }
        }
    }
}
