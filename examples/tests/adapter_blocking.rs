//! Proves what the page of the adapter for blocking streams promises: time limits, errors of reads
//! and writes, and an orderly end in every case.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{thread, time::Duration};

use examples::adapters::blocking::{HIGH_WATER, Socket, Transport, accept, connect};
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins, Reject};
use websocket_proto::{
    CloseCode, Config, Error, Event, ProtocolError, ReadyState, RecvBuf, Seed, SendError,
};

mod support;

use support::wire::{self, Frame};
use support::{Side, client, server, text, timeless};

/// Sends messages back, until the end.
fn echo<S: Transport>(socket: &mut Socket<S>) -> Result<usize, Error> {
    let mut count = 0;
    while let Some((event, ws, out)) = socket.recv_reply()? {
        match event {
            _ if ws.state() != ReadyState::Open => continue,
            Event::Text(text) => ws.send_text(text, out)?,
            Event::Binary(bytes) => ws.send_binary(bytes, out)?,
            _ => continue,
        }
        count += 1;
    }
    Ok(count)
}

/// What a stream does. At the end of the script it has ended.
enum Step {
    Read(Vec<u8>),
    ReadError(ErrorKind),
    /// Nothing arrives for this many reads, or until writing was shut down.
    Silence(usize),
}

use Step::{ReadError, Silence};

fn read(frame: Frame) -> Step {
    Step::Read(frame.to(Side::Server).bytes())
}

/// A stream that follows a script. It never waits: a wait has ended when the time limit has passed.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    /// What the writes do; then each write takes 1000 bytes.
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<u8>,
    /// The time limits of the reads.
    limits: Vec<Option<Duration>>,
    shut: bool,
    /// Bytes that were read after the shutdown.
    dropped: usize,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self {
            steps,
            ..Self::default()
        }
    }

    fn frames(&self) -> Vec<Frame> {
        wire::frames(&self.written)
    }
}

impl Read for &mut Script {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.steps.pop_front() {
            None => Ok(0),
            Some(Step::Read(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(room.len()));
                if !rest.is_empty() {
                    self.steps.push_front(Step::Read(rest));
                }
                room[..bytes.len()].copy_from_slice(&bytes);
                self.dropped += bytes.len() * usize::from(self.shut);
                Ok(bytes.len())
            }
            Some(ReadError(error)) => Err(error.into()),
            Some(Silence(reads)) => {
                if reads > 1 && !self.shut {
                    self.steps.push_front(Silence(reads - 1));
                }
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }
}

impl Write for &mut Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.shut, "a write after the shutdown");
        let n = self.writes.pop_front().unwrap_or(Ok(1000))?;
        let n = bytes.len().min(n);
        self.written.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for &mut Script {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.limits.push(timeout);
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert!(timeout.is_some_and(|timeout| !timeout.is_zero()));
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shut = true;
        Ok(())
    }
}

fn serve(script: &mut Script, config: Config) -> Result<usize, Error> {
    echo(&mut Socket::new(script, server(config), RecvBuf::new()).unwrap())
}

#[test]
fn messages_are_echoed_in_any_pieces() {
    let sent = [
        wire::text("hello"),
        wire::ping("x"),
        wire::text("world"),
        wire::close(1000, ""),
    ];
    let sent: Vec<u8> = sent
        .into_iter()
        .flat_map(|it| it.to(Side::Server).bytes())
        .collect();
    for piece in 1..sent.len() {
        let pieces = sent.chunks(piece).flat_map(|bytes| {
            let error = ReadError(ErrorKind::Interrupted);
            [Silence(1), Step::Read(bytes.to_vec()), error]
        });
        let mut script = Script::new(pieces);
        script
            .writes
            .extend([Ok(1), Err(ErrorKind::Interrupted), Ok(2)]);
        assert_eq!(serve(&mut script, Config::new()).unwrap(), 2);
        let opcodes: Vec<_> = script.frames().iter().map(|frame| frame.opcode).collect();
        assert_eq!(opcodes, [wire::TEXT, wire::PONG, wire::TEXT, wire::CLOSE]);
        assert!(script.shut);
    }
}

#[test]
fn each_wait_has_the_limit_of_its_deadline() {
    let mut script = Script::new([Silence(2), read(wire::close(1000, ""))]);
    serve(&mut script, Config::new()).unwrap();
    let limit = script.limits[0].unwrap();
    assert!(limit <= Duration::from_secs(20) && limit > Duration::from_secs(10));
    let mut script = Script::new([Silence(2), read(wire::close(1000, ""))]);
    serve(&mut script, timeless()).unwrap();
    assert_eq!(script.limits[..3], [None; 3]);
    // The end has a limit of its own.
    assert!(script.limits.last().unwrap().is_some());
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut config = Config::new();
    config.ping_interval = Some(Duration::from_millis(2));
    config.pong_timeout = Duration::from_millis(2);
    let mut script = Script::new([Silence(usize::MAX)]);
    // The script never waits, so this turns until the instants have passed.
    let result = serve(&mut script, config);
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::PongTimeout))
    ));
    let frames = script.frames();
    assert_eq!(frames[0].opcode, wire::PING);
    assert_eq!(frames.last().unwrap().close_code(), 1011);
    assert!(script.shut);
}

#[test]
fn a_violation_is_answered_and_the_rest_is_dropped() {
    let wrong = [wire::text("x").bytes(), vec![0; 50_000]].concat();
    let mut script = Script::new([read(wire::text("hi")), Step::Read(wrong)]);
    let result = serve(&mut script, Config::new());
    assert!(matches!(
        result,
        Err(Error::Protocol(ProtocolError::UnmaskedFrame))
    ));
    let frames = script.frames();
    assert_eq!(frames[0].payload, b"hi");
    assert_eq!(frames[1].close_code(), 1002);
    assert!(script.shut && script.dropped > 30_000);
}

#[test]
fn a_peer_that_is_gone_is_an_error() {
    for bytes in [0, 4, 8, 10] {
        let hello = wire::text("hi").to(Side::Server).bytes();
        let sent = [&hello[..], &hello].concat();
        let mut script = Script::new([Step::Read(sent[..bytes].to_vec())]);
        if bytes == 0 {
            script.steps.clear();
        }
        let result = serve(&mut script, Config::new());
        assert!(matches!(
            result,
            Err(Error::Protocol(ProtocolError::EndOfStream))
        ));
        assert_eq!(script.frames().len(), usize::from(bytes >= 8));

        // A reset is an error of the stream.
        let reset = ReadError(ErrorKind::ConnectionReset);
        let mut script = Script::new([read(wire::text("hi")), reset]);
        let result = serve(&mut script, Config::new());
        assert!(matches!(result, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionReset));
    }
}

#[test]
fn after_a_failed_write_the_rest_is_still_read() {
    let mut script = Script::new([read(wire::text("hi")), read(wire::close(1000, ""))]);
    script
        .writes
        .extend([Err(ErrorKind::BrokenPipe), Err(ErrorKind::BrokenPipe)]);
    let mut socket = Socket::new(&mut script, server(Config::new()), RecvBuf::new()).unwrap();
    let (_, ws, out) = socket.recv_reply().unwrap().unwrap();
    ws.send_text("reply", out).unwrap();
    assert_eq!(
        socket.recv().unwrap().map(text).unwrap(),
        "close Some(1000) "
    );
    assert!(socket.recv().unwrap().is_none());
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut script = Script::new([read(wire::text("hi")), read(wire::text("hi"))]);
    script.writes.extend([Ok(1), Err(ErrorKind::WouldBlock)]);
    let result = serve(&mut script, Config::new());
    assert!(matches!(result, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut));

    // Replies are written before the next event is taken.
    let message = wire::frame(true, wire::BINARY, vec![1; 50_000]);
    let messages = (0..10)
        .flat_map(|_| message.clone().to(Side::Server).bytes())
        .collect();
    let mut script = Script::new([Step::Read(messages)]);
    let mut socket = Socket::new(&mut script, server(Config::new()), RecvBuf::new()).unwrap();
    for _ in 0..10 {
        let (event, ws, out) = socket.recv_reply().unwrap().unwrap();
        let Event::Binary(bytes) = event else {
            panic!("{event:?}")
        };
        ws.send_binary(bytes, out).unwrap();
        assert!(out.len() <= HIGH_WATER + 50_004);
    }
}

#[test]
fn what_is_sent_leaves_at_once() {
    let mut script = Script::new([read(wire::close(1000, ""))]);
    let mut socket = Socket::new(&mut script, server(Config::new()), RecvBuf::new()).unwrap();
    socket.send(|ws, out| ws.send_text("hi", out)).unwrap();
    let long = socket.send(|ws, out| ws.send_ping(&[0; 126], out));
    assert!(matches!(long, Err(Error::Send(SendError::ControlTooLong))));
    socket.close(CloseCode::GOING_AWAY, "bye").unwrap();
    let late = socket.send(|ws, out| ws.send_text("late", out));
    assert!(matches!(late, Err(Error::Send(SendError::NotOpen))));
    drop(socket);
    let frames = script.frames();
    assert_eq!(
        (&frames[0].payload[..], frames[1].close_code()),
        (&b"hi"[..], 1001)
    );
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_handshake_ends_in_order() {
    let mut script = Script::new([Step::Read(b"GET / HTTP/1.1\r\n\r\n".to_vec())]);
    let handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let result = accept(&mut script, handshake, |_| Ok(Accept::new()));
    assert!(matches!(result, Err(Error::Request(_))));
    assert!(script.written.starts_with(b"HTTP/1.1 400 ") && script.shut);
}

// With the operating system: closing a socket with unread input would reset the connection.

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn a_client_and_a_server_over_tcp() {
    for path in ["chat", "attic"] {
        let (near, far) = pair();
        let serving = thread::spawn(move || {
            let handshake = Handshake::new(Config::new(), Origins::SameOrigin);
            let opened = accept(far, handshake, |request| {
                match request.subprotocols().next() {
                    Some(name) if request.path() == "/chat" => Ok(Accept::new().subprotocol(name)),
                    _ => Err(Reject::new(404)),
                }
            });
            opened.unwrap().map(|mut socket| echo(&mut socket).unwrap())
        });
        let url = format!("ws://localhost/{path}");
        let request = Request::new(&url).unwrap().subprotocol("talk");
        let (mut seen, seed) = (None, Seed::from([1; 32]));
        let opened = connect(near, &request, seed, Config::new(), |response| {
            seen = response.subprotocol().map(str::to_owned);
        });
        match opened {
            Ok(mut client) => {
                assert_eq!((path, seen.as_deref()), ("chat", Some("talk")));
                for text in ["hello", "again"] {
                    client.send(|ws, out| ws.send_text(text, out)).unwrap();
                    assert_eq!(client.recv().unwrap(), Some(Event::Text(text)));
                }
                client.close(CloseCode::NORMAL, "").unwrap();
                assert_eq!(serving.join().unwrap(), Some(2));
            }
            Err(error) => {
                assert!(matches!((path, error), ("attic", Error::Refused(404))));
                assert_eq!(serving.join().unwrap(), None);
            }
        }
    }
}

#[test]
fn both_sides_close_at_once() {
    let (near, far) = pair();
    let closing = thread::spawn(move || {
        let mut socket = Socket::new(far, server(Config::new()), RecvBuf::new()).unwrap();
        socket.close(CloseCode::GOING_AWAY, "server")
    });
    let mut socket = Socket::new(near, client(Config::new()), RecvBuf::new()).unwrap();
    socket.close(CloseCode::NORMAL, "client").unwrap();
    closing.join().unwrap().unwrap();
}

#[test]
fn a_close_frame_survives_unread_input() {
    let (mut near, far) = pair();
    let serving = thread::spawn(move || {
        echo(&mut Socket::new(far, server(Config::new()), RecvBuf::new()).unwrap())
    });
    let wrong = [wire::text("x").bytes(), vec![0; 100_000]].concat();
    near.write_all(&wrong).unwrap();
    let mut received = Vec::new();
    near.read_to_end(&mut received).unwrap();
    drop(near);
    assert_eq!(wire::frames(&received)[0].close_code(), 1002);
    assert!(serving.join().unwrap().is_err());
}
