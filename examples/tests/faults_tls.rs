//! Proves that the adapter for tokio survives every fault at every operation of the stream below TLS, in
//! both roles: see `support/run.rs`.
#![cfg(feature = "tls")]

use std::cell::RefCell;
use std::future::pending;
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use examples::adapters::dial::{Trust, dial};
use examples::adapters::tls;
use examples::adapters::tokio::Socket;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::select;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection,
};
use websocket_proto::handshake::client::Request;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{CloseCode, Error, Event, ReadyState};

mod support;

use support::alive;
use support::line::{Cover, End, Fault, Line};
use support::peer::{Peer, Talk, may_send, note, note_of, send};
use support::run::{Log, Run, each_fault};

/// The TLS of the peer. It does not send `close_notify`, as many programs.
struct Tls(Connection);

impl Cover for Tls {
    fn receive(&mut self, mut bytes: &[u8], peer: &mut Peer) {
        while !bytes.is_empty() {
            self.0.read_tls(&mut bytes).expect("room");
            let state = self.0.process_new_packets().expect("TLS");
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            self.0.reader().read_exact(&mut plain).expect("it is there");
            peer.receive(&plain);
        }
    }

    fn take(&mut self, room: &mut [u8], peer: &mut Peer) -> usize {
        if !self.0.is_handshaking() {
            let mut plain = vec![0; peer.out.len()];
            peer.take(&mut plain);
            self.0.writer().write_all(&plain).expect("no limit");
        }
        let (len, mut rest) = (room.len(), room);
        while self.0.wants_write() && !rest.is_empty() {
            self.0.write_tls(&mut rest).expect("a slice");
        }
        len - rest.len()
    }
}

/// A server with a certificate, and a client that trusts it.
struct World {
    acceptor: TlsAcceptor,
    client: Arc<ClientConfig>,
}

impl World {
    fn new() -> Self {
        let names = vec!["localhost".to_string()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots);
        let mut client = client.with_no_client_auth();
        client.resumption = Resumption::disabled();
        Self {
            acceptor: tls::acceptor(cert.der().clone(), signing_key.into()).unwrap(),
            client: Arc::new(client),
        }
    }

    fn line(&self, talk: Talk, is_server: bool, plan: &[(usize, Fault)]) -> Line {
        let (name, peer, mut tls): (_, _, Connection) = if is_server {
            let name = "localhost".try_into().unwrap();
            let tls = ClientConnection::new(self.client.clone(), name).unwrap();
            ("TLS server", Peer::client(talk), tls.into())
        } else {
            let tls = ServerConnection::new(self.acceptor.config().clone()).unwrap();
            ("TLS client", Peer::server(talk), tls.into())
        };
        tls.set_buffer_limit(None);
        let mut line = Line::new(name, talk, peer, plan);
        line.cover = Some(Box::new(Tls(tls)));
        line
    }

    fn run(&self, talk: Talk, is_server: bool, plan: &[(usize, Fault)]) -> Run {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let end = End::new(self.line(talk, is_server, plan));
        let log = RefCell::default();
        let result = runtime.block_on(alive(async {
            let start = Instant::now();
            let result = match is_server {
                true => self.serve(end.clone(), talk, &log).await,
                false => talk_to(end.clone(), talk, &log).await,
            };
            assert!(start.elapsed().is_zero(), "{}: a timer woke it", end.line());
            result
        }));
        end.into_run(log.into_inner(), result)
    }

    /// As `tls.rs`.
    async fn serve(&self, end: End, talk: Talk, log: &RefCell<Log>) -> Result<(), Error> {
        let stream = self.acceptor.accept(end).await?;
        let handshake = Handshake::new(talk.config(), Origins::SameOrigin);
        let accepted = Socket::accept(stream, handshake, async |_| Ok(Accept::new())).await?;
        let Some(mut socket) = accepted else {
            return Ok(());
        };
        log.borrow_mut().opened = true;
        loop {
            let next = socket.recv_reply().await;
            let next = next.inspect_err(|error| log.borrow_mut().failed(error))?;
            let Some((event, ws, out)) = next else {
                return Ok(());
            };
            log.borrow_mut().got.extend(note(event));
            log.borrow_mut().sent.extend(note(event));
            if matches!(event, Event::Text(_) | Event::Binary(_)) {
                assert_eq!(ws.state(), ReadyState::Open);
                send(ws, event.payload(), out);
            }
        }
    }
}

/// Waits for the echo of each message.
async fn talk_to(end: End, talk: Talk, log: &RefCell<Log>) -> Result<(), Error> {
    let trust = Trust {
        cacert: None,
        insecure: true,
    };
    let stream = tls::connect(end, "localhost", &trust).await?;
    let request = Request::new("wss://localhost/")?;
    let mut socket = Socket::connect(stream, &request, talk.config(), |_| ()).await?;
    log.borrow_mut().opened = true;
    let messages = talk.messages();
    loop {
        let (got, sent) = (log.borrow().got.len(), log.borrow().sent.len());
        if got == messages.len() {
            log.borrow_mut().sent.push("close 1000".into());
            return socket.close(CloseCode::NORMAL, "bye").await;
        }
        for message in &messages[sent..may_send(&messages, got)] {
            send(&mut socket.ws, message, &mut socket.out);
            log.borrow_mut().sent.push(note_of(message));
        }
        match socket.recv().await? {
            Some(event) => log.borrow_mut().got.extend(note(event)),
            None => return Ok(()),
        }
    }
}

fn survives(is_server: bool, talks: &[Talk]) {
    let world = World::new();
    for talk in talks {
        let runs = each_fault(|plan| world.run(*talk, is_server, plan));
        assert!(runs > 50, "{runs}");
    }
    for talk in [Talk::Long, Talk::Huge] {
        let run = world.run(talk, is_server, &[]);
        run.check(&run);
    }
}

/// What `dial` says when no TLS comes about: the stream ends, is no TLS, or is silent.
#[tokio::test]
async fn a_client_that_meets_no_tls() {
    for (answer, kind) in [
        (Some(""), ErrorKind::UnexpectedEof),
        (
            Some("HTTP/1.1 400 Bad Request\r\n\r\n"),
            ErrorKind::InvalidData,
        ),
        (None, ErrorKind::TimedOut),
    ] {
        if answer.is_none() {
            tokio::time::pause(); // nobody waits for the limit
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let url = format!("wss://{addr}");
        let request = Request::new(&url).unwrap();
        let server = async {
            let mut stream = listener.accept().await.unwrap().0;
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => pending().await,
            }
            let _ = stream.read(&mut [0; 4096]).await.unwrap(); // otherwise the end is a reset
            drop(stream);
            pending().await
        };
        let trust = Trust::default();
        let (start, limit) = (Instant::now(), Duration::from_secs(60));
        let client = dial(&request, &trust, limit);
        let error = select! {
            result = client => result.err().unwrap(),
            () = server => unreachable!(),
        };
        assert_eq!(error.kind(), kind);
        assert!(answer.is_some() || start.elapsed() - limit < Duration::from_secs(1));
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot connect to {addr}: ")),
            "{text}"
        );
        assert_eq!(
            text.ends_with("does the server speak TLS?"),
            answer.is_some(),
            "{text}"
        );
    }
}

#[test]
fn a_server() {
    survives(true, &[Talk::Tiny, Talk::Wrong]);
}

#[test]
fn a_client() {
    survives(false, &[Talk::Tiny]);
}
