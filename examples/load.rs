//! Opens many connections, holds them, and measures the echo on some of them. tests/load/run.sh
//! starts several of these.
use std::io::{Error, Read, Write, stdin};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use bytes::BytesMut;
use websocket_proto::handshake::client::{Handshake, Outcome, Request};
use websocket_proto::handshake::server;
use websocket_proto::{Config, Connection, Event, RecvBuf, Seed};

use examples::adapters::epoll::{App, Epoll, Peers, listen};
use examples::options::{self, HELP};

type Outcomes<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "\
usage: load [OPTIONS] ws://127.0.0.1:9001 CONNECTIONS [ACTIVE]

Opens CONNECTIONS and prints how long it took. After the first line on stdin it sends messages on
ACTIVE of them (default: 0), and prints the time until the echo. It ends with stdin.
";
const RATE: u32 = 1000; // messages per second
const MESSAGES: usize = 10_000;
const MESSAGE: &str = r#"{"type":"quote","symbol":"EURUSD","bid":1.08342,"ask":1.08351,"at":1719}"#;

#[derive(Default)]
struct Client {
    sent: Vec<Option<Instant>>,
    times: Vec<Duration>,
    closed: usize,
}

impl App for Client {
    fn handshake(&mut self) -> server::Handshake {
        unreachable!("no one knows the address")
    }

    fn on_event(&mut self, key: usize, event: Event<'_>, _: &mut Peers) {
        if let Event::Text(MESSAGE) = event
            && let Some(sent) = self.sent.get_mut(key).and_then(Option::take)
        {
            self.times.push(sent.elapsed());
        }
    }

    fn on_close(&mut self, _: usize, _: &Connection, _: &mut Peers) {
        self.closed += 1;
    }
}

fn main() -> Outcomes<()> {
    let (mut config, args) = options::parse(env::args().skip(1))?;
    let [url, connections, active @ ..] = &args[..] else {
        println!("{USAGE}\n{HELP}");
        return Ok(());
    };
    let (connections, active) = (
        connections.parse()?,
        active.first().map_or(Ok(0), |it| it.parse())?,
    );
    config.ping_interval = None; // the server asks
    let mut epoll = Epoll::new(Client::default(), listen("127.0.0.1:0".parse()?, false)?)?;
    let start = Instant::now();
    let mut keys = Vec::<usize>::with_capacity(connections);
    while keys.len() < connections {
        let (socket, ws, input) = connect(url, config)?;
        keys.push(epoll.add(socket, ws, input.unread())?);
        epoll.turn(Duration::ZERO)?;
    }
    println!(
        "{connections} opened in {:.1} s",
        start.elapsed().as_secs_f32()
    );

    let lines: &AtomicUsize = Box::leak(Box::default());
    thread::spawn(|| {
        for _ in stdin().lines() {
            lines.fetch_add(1, Ordering::Relaxed);
        }
        lines.store(usize::MAX, Ordering::Relaxed);
    });
    while lines.load(Ordering::Relaxed) == 0 {
        epoll.turn(Duration::from_millis(100))?;
    }
    let active: Vec<_> = keys
        .iter()
        .step_by((connections / active.max(1)).max(1))
        .take(active)
        .collect();
    if !active.is_empty() {
        measure(&mut epoll, &active)?;
    }
    while lines.load(Ordering::Relaxed) != usize::MAX {
        epoll.turn(Duration::from_millis(100))?;
    }
    match epoll.app.closed {
        0 => Ok(()),
        closed => Err(format!("{closed} connections were closed").into()),
    }
}

/// Sends a message each millisecond, each on the next connection.
fn measure(epoll: &mut Epoll<Client>, active: &[&usize]) -> Outcomes<()> {
    let start = Instant::now();
    epoll
        .app
        .sent
        .resize(epoll.peers.keys().last().map_or(0, |it| it + 1), None);
    for (n, &&key) in (0..).zip(active.iter().cycle().take(MESSAGES)) {
        let at = start + n * Duration::from_secs(1) / RATE;
        while let Some(left) = at.checked_duration_since(Instant::now()) {
            epoll.turn(left)?;
        }
        if epoll.app.sent[key].is_none() {
            epoll.app.sent[key] = Some(Instant::now());
            epoll
                .peers
                .with(key, |ws, out| ws.send_text(MESSAGE, out))
                .transpose()?;
        }
    }
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        epoll.turn(Duration::from_millis(10))?;
    }
    let times = &mut epoll.app.times;
    times.sort();
    let per_mille = |n: usize| {
        times
            .get(times.len() * n / 1000)
            .map_or(0, Duration::as_micros)
    };
    println!(
        "{} of {MESSAGES} echoes on {} connections: p50 {} µs, p99 {} µs, p99.9 {} µs",
        times.len(),
        active.len(),
        per_mille(500),
        per_mille(990),
        per_mille(999)
    );
    Ok(())
}

/// The handshake, on a blocking socket.
fn connect(url: &str, config: Config) -> Outcomes<(TcpStream, Connection, RecvBuf)> {
    let request = Request::new(url)?;
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let mut socket = TcpStream::connect((request.host(), request.port()))?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let request = options::offer(request, config.deflate);
    let mut handshake = Handshake::start(&request, Seed::from_os()?, config, &mut out)?;
    socket.write_all(&out)?;
    loop {
        match handshake.next(&mut input)? {
            Some(Outcome::Accepted(ws, _)) => return Ok((socket, ws, input)),
            Some(Outcome::Refused(response)) => {
                return Err(format!("refused: {}", response.status()).into());
            }
            None => {}
        }
        match socket.read(input.spare(1024))? {
            0 => return Err(Error::other("the server closed the connection").into()),
            n => input.filled(n),
        }
    }
}
