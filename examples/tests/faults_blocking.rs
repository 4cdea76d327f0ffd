//! Proves that the adapter for blocking streams survives every fault at every operation: see
//! `support/run.rs`. Nothing is lost before the fault, and nothing is written after a failed write.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use examples::adapters::blocking::{Socket, Transport, accept, connect};
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{CloseCode, Config, Error, Event, ReadyState, RecvBuf, Seed};

mod support;

use support::line::{End, Fault, Line};
use support::peer::{Peer, TALKS, Talk, may_send, note, note_of, send};
use support::run::{Log, Run, each_fault, each_pair};
use support::server;

impl Transport for End {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        self.line().has_time_limits = true;
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.line().shutdown()
    }
}

/// Echoes until the connection is over.
fn serve(end: End, talk: Talk, log: &mut Log) -> Result<(), Error> {
    let handshake = Handshake::new(talk.config(), Origins::SameOrigin);
    let Some(mut socket) = accept(end, handshake, |_| Ok(Accept::new()))? else {
        return Ok(());
    };
    log.opened = true;
    loop {
        match socket.recv_reply() {
            Ok(Some((event, ws, out))) => {
                log.got.extend(note(event));
                log.sent.extend(note(event));
                if matches!(event, Event::Text(_) | Event::Binary(_)) {
                    assert_eq!(ws.state(), ReadyState::Open);
                    send(ws, event.payload(), out);
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                log.failed(&error);
                assert!(matches!(socket.recv(), Ok(None)), "the error comes once");
                return Err(error);
            }
        }
    }
}

/// Sends the messages and waits for the echoes.
fn talk_to(end: End, talk: Talk, log: &mut Log) -> Result<(), Error> {
    let request = Request::new("ws://localhost/")?;
    let mut socket = connect(end, &request, Seed::from([4; 32]), talk.config(), |_| ())?;
    log.opened = true;
    let messages = talk.messages();
    while log.got.len() < messages.len() {
        let may_send = may_send(&messages, log.got.len());
        for message in &messages[log.sent.len()..may_send] {
            log.sent.push(note_of(message));
            socket.send(|ws, out| {
                send(ws, message, out);
                Ok(())
            })?;
        }
        match socket.recv()? {
            Some(event) => log.got.extend(note(event)),
            None => return Ok(()),
        }
    }
    log.sent.push("close 1000".into());
    socket.close(CloseCode::NORMAL, "bye")
}

fn run(talk: Talk, is_server: bool, plan: &[(usize, Fault)]) -> Run {
    let peer = if is_server {
        Peer::client(talk)
    } else {
        Peer::server(talk)
    };
    let name = if is_server { "server" } else { "client" };
    let end = End::new(Line::new(name, talk, peer, plan));
    let mut log = Log::default();
    let result = if is_server {
        serve(end.clone(), talk, &mut log)
    } else {
        talk_to(end.clone(), talk, &mut log)
    };
    end.into_run(log, result)
}

#[test]
fn each_fault_at_each_operation() {
    for is_server in [true, false] {
        let huge = run(Talk::Huge, is_server, &[]);
        huge.check(&huge);
    }
    for talk in TALKS {
        let runs = each_fault(|plan| run(talk, true, plan));
        assert!(runs > 100, "{runs}");
        if talk != Talk::Wrong {
            each_fault(|plan| run(talk, false, plan));
        }
    }
}

#[test]
fn each_pair_of_faults() {
    for is_server in [true, false] {
        let runs = each_pair(|plan| run(Talk::Tiny, is_server, plan));
        assert!(runs > 1000, "{runs}");
    }
}

/// Nothing arrives, and writes fail.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("no route"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Broken {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        panic!("nothing was written");
    }
}

/// The peer is silent, so only keepalive ends the connection. The write that failed is the reason.
#[test]
fn a_time_limit_names_the_write_that_failed() {
    let mut config = Config::new();
    config.ping_interval = Some(Duration::from_millis(1));
    config.pong_timeout = Duration::from_millis(1);
    let mut socket = Socket::new(Broken, server(config), RecvBuf::new()).unwrap();
    let error = socket.recv().unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.to_string() == "no route"));
    assert!(matches!(socket.recv(), Ok(None)));
}
