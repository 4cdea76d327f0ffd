//! Proves that the adapter for epoll survives faults: `Epoll` with all of its loop, over streams that
//! fail at every operation, see `support/run.rs`, and over sockets, with all that a peer and the kernel
//! can do there: short reads and writes, and an end or a reset behind every byte.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, time::Duration};

use bytes::Buf;
use examples::adapters::epoll::{App, Epoll, Peers, Socket};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::sockopt;
use websocket_proto::handshake::server::{Handshake, Origins, RequestError};
use websocket_proto::{Config, Connection, Event, ProtocolError, Role};

mod support;

use support::line::{End, Fault, Line};
use support::peer::{Peer, TALKS, Talk, note, send};
use support::run::{Log, Run, each_fault, each_pair};

/// Echoes, and keeps what it has seen. Connections have the keys 1 and 2.
struct Echo {
    talk: Talk,
    logs: [Log; 2],
    closed: Vec<Option<ProtocolError>>,
}

impl Echo {
    fn new(talk: Talk) -> Self {
        Self {
            talk,
            logs: Default::default(),
            closed: Vec::new(),
        }
    }
}

impl App for Echo {
    fn handshake(&mut self) -> Handshake {
        Handshake::new(self.talk.config(), Origins::SameOrigin)
    }

    fn on_open(&mut self, key: usize, _: &mut Peers) {
        self.logs[key - 1].opened = true;
    }

    fn on_event(&mut self, key: usize, event: Event<'_>, peers: &mut Peers) {
        let log = &mut self.logs[key - 1];
        log.got.extend(note(event));
        log.sent.extend(note(event));
        if matches!(event, Event::Text(_) | Event::Binary(_)) {
            let sent = peers.with(key, |ws, out| send(ws, event.payload(), out));
            assert!(sent.is_some());
        }
    }

    fn on_close(&mut self, key: usize, ws: &Connection, _: &mut Peers) {
        self.closed.push(ws.error());
        if let Some(error) = ws.error() {
            self.logs[key - 1].failed(&error.into());
        }
    }
}

/// The stream of a test, and a socket that is always ready: so each turn tries what it waits for.
struct Faulty {
    end: End,
    ready: TcpStream,
    /// The kernel takes nothing more.
    shut: Cell<bool>,
}

impl Socket for Faulty {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.end.line().read(room)?;
        read.ok_or(ErrorKind::WouldBlock.into())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.shut.get() {
            true => Err(ErrorKind::BrokenPipe.into()),
            false => self.end.line().write(bytes),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shut.set(true);
        match self.end.line().shutdown() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {} // shutdown(2) never is
            result => return result,
        }
        self.shutdown_write()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Ok(mut line) = self.end.0.lock() {
            line.close();
        }
    }
}

impl AsFd for Faulty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl From<OwnedFd> for Faulty {
    fn from(_: OwnedFd) -> Self {
        unreachable!("nobody connects to the listener")
    }
}

/// The tests count open files, so only one of them may run.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the streams of tests need.
struct Ready {
    listener: TcpListener,
    socket: TcpStream,
    _other: TcpStream,
    _alone: MutexGuard<'static, ()>,
}

impl Ready {
    fn new() -> Self {
        let alone = alone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = listener.accept().unwrap().0;
        other.write_all(b"x").unwrap(); // nobody reads it
        socket.peek(&mut [0]).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            socket,
            _other: other,
            _alone: alone,
        }
    }

    /// Serves clients until all of their streams are dropped.
    fn serve(&self, app: Echo, lines: Vec<Line>) -> (Echo, Vec<End>) {
        let mut server = Epoll::with_sockets(app, self.listener.try_clone().unwrap()).unwrap();
        let ends: Vec<_> = lines.into_iter().map(End::new).collect();
        for end in &ends {
            let socket = Faulty {
                end: end.clone(),
                ready: self.socket.try_clone().unwrap(),
                shut: Cell::new(false),
            };
            server.open(socket).unwrap();
        }
        let is_served = |end: &End| Arc::strong_count(&end.0) > 1;
        let mut turns = 0;
        while ends.iter().any(is_served) {
            turns += 1;
            assert!(turns < 10_000, "{}: it goes on for ever", ends[0].line());
            server.turn(Duration::ZERO).unwrap();
        }
        (server.app, ends)
    }

    fn run(&self, talk: Talk, plan: &[(usize, Fault)]) -> Run {
        let (app, mut ends) = self.serve(Echo::new(talk), vec![line(talk, plan)]);
        let Echo { logs, closed, .. } = app;
        let (end, [log, _]) = (ends.remove(0), logs);
        assert_eq!(closed.len(), usize::from(log.opened), "{}", end.line());
        let result = match closed.first() {
            Some(error) => error.map_or(Ok(()), |error| Err(error.into())),
            // It says nothing of handshakes that fail.
            None if end.line().was_read => Err(RequestError::EndOfStream.into()),
            None => Ok(()),
        };
        end.into_run(log, result)
    }
}

fn line(talk: Talk, plan: &[(usize, Fault)]) -> Line {
    let mut line = Line::new("epoll", talk, Peer::client(talk), plan);
    (line.has_buffer, line.hides_errors) = (false, true);
    line
}

#[test]
fn each_fault_at_each_operation() {
    let ready = Ready::new();
    for talk in TALKS {
        let runs = each_fault(|plan| ready.run(talk, plan));
        assert!(runs > 50, "{runs}");
    }
}

#[test]
fn each_pair_of_faults() {
    let ready = Ready::new();
    let runs = each_pair(|plan| ready.run(Talk::Tiny, plan));
    assert!(runs > 1000, "{runs}");
}

/// Its calls share the receive buffer with those of another connection.
#[test]
fn a_huge_message_and_another_connection() {
    let ready = Ready::new();
    let usual = ready.run(Talk::Huge, &[]);
    usual.check(&usual);
    assert_eq!(usual.line.peer.heard, usual.line.peer.told());
    let talks = [Talk::Huge, Talk::Short];
    let (app, ends) = ready.serve(Echo::new(Talk::Huge), talks.map(|it| line(it, &[])).into());
    assert_eq!(app.closed, [None, None]);
    for (talk, (end, log)) in talks.into_iter().zip(ends.iter().zip(&app.logs)) {
        let line = end.line();
        assert_eq!(log.got.len(), talk.messages().len() + 1);
        assert_eq!(log.got, line.peer.told());
        assert_eq!(log.got, line.peer.heard);
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
    _alone: MutexGuard<'static, ()>,
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

impl World {
    fn new() -> Self {
        let alone = alone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        // The connections inherit it, so that many writes are short.
        sockopt::set_socket_send_buffer_size(&listener, 4096).unwrap();
        let app = Echo::new(Talk::Tiny);
        let server = Epoll::new(app, listener.try_clone().unwrap()).unwrap();
        Self {
            server,
            listener,
            files: files(),
            _alone: alone,
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
            ..
        } = self;
        server.app = Echo::new(talk);
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
        let Echo { logs, closed, .. } = &server.app;
        assert!(!logs[1].opened, "the connection before still has its slot");
        assert_eq!(
            closed.len(),
            usize::from(logs[0].opened),
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
            let got = &world.server.app.logs[0].got;
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
