//! The load generator: one thread, epoll, prebuilt frames.
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags as Flags};
use rustix::fd::OwnedFd;
use rustix::net::{self, AddressFamily, SocketType, sockopt};

use super::wire::{Batch, Batches, Reader};

/// Connections that open at the same time: less than the backlog of every server.
const OPENING: usize = 64;
/// Connections from one loopback address: less than there are ports.
const PER_ADDRESS: usize = 20_000;
/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// In a timed run, the payload of one batch in so many is compared.
const SAMPLED: usize = 16;

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Open connections to one server.
pub(crate) struct Load {
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// The clients without messages under way, in the order of their turns.
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    reader: Reader,
    /// Batches so far.
    turns: usize,
    /// How much of the batch was written.
    written: usize,
    /// Messages of the batch that have not come back.
    missing: usize,
    start: Instant,
    waits_to_write: bool,
}

/// What one run has seen.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) messages: usize,
    pub(crate) time: Duration,
    /// Nanoseconds from the write of its batch to the arrival of each message.
    pub(crate) latencies: Vec<u32>,
}

impl Load {
    /// Opens connections. `raw` is without handshake and frames.
    pub(crate) fn open(server: SocketAddr, count: usize, raw: bool) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut load = Self {
            epoll,
            clients: Vec::with_capacity(count),
            idle: VecDeque::with_capacity(count),
            buffer: vec![0; 256 << 10],
        };
        load.add(server, count, raw)?;
        Ok(load)
    }

    /// Opens more connections.
    pub(crate) fn add(&mut self, server: SocketAddr, count: usize, raw: bool) -> Result<()> {
        let end = self.clients.len() + count;
        while self.clients.len() < end {
            let first = self.clients.len();
            for key in first..end.min(first + OPENING) {
                let mut stream = connect(server, key / PER_ADDRESS)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                // Closing resets the connection: no port waits in TIME_WAIT.
                sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                if !raw {
                    stream.write_all(REQUEST)?;
                }
                self.clients.push(Client {
                    stream,
                    reader: Reader::new(raw),
                    turns: key,
                    written: 0,
                    missing: 0,
                    start: Instant::now(),
                    waits_to_write: false,
                });
                self.idle.push_back(key);
            }
            for (key, client) in self.clients.iter_mut().enumerate().skip(first) {
                if !raw {
                    read_response(&mut client.stream)?;
                }
                client.stream.set_nonblocking(true)?;
                epoll::add(&self.epoll, &client.stream, data(key), Flags::IN)?;
            }
        }
        Ok(())
    }

    /// Sends batches for at least `time`, then waits for all answers. Every connection gets its
    /// turn. If `check`, every byte is compared.
    pub(crate) fn run(&mut self, cell: &Batches, time: Duration, check: bool) -> Result<Run> {
        let mut run = Run::default();
        let start = Instant::now();
        let mut under_way = self.idle.len().min(cell.window());
        for _ in 0..under_way {
            self.start_next(cell)?;
        }
        let mut events = Vec::with_capacity(512);
        while under_way > 0 {
            events.clear();
            let patience = Timespec::try_from(PATIENCE).ok();
            let room = rustix::buffer::spare_capacity(&mut events);
            if epoll::wait(&self.epoll, room, patience.as_ref())? == 0 {
                return Err(Error::new(ErrorKind::TimedOut, "no answer"));
            }
            let more = start.elapsed() < time;
            for event in &events {
                let key = event.data.u64() as usize;
                let client = &mut self.clients[key];
                let flags = event.flags; // the fields of the event are not aligned
                if flags.contains(Flags::OUT) {
                    client.write(cell, &self.epoll, key)?;
                }
                let waited = client.missing > 0;
                client.read(cell, &mut self.buffer, check, &mut run)?;
                if !client.reader.pongs.is_empty() {
                    client.answer_ping()?;
                }
                if waited && client.missing == 0 {
                    self.idle.push_back(key);
                    match more {
                        true => self.start_next(cell)?,
                        false => under_way -= 1,
                    }
                }
            }
        }
        run.time = start.elapsed();
        Ok(run)
    }

    fn start_next(&mut self, cell: &Batches) -> Result<()> {
        let Some(key) = self.idle.pop_front() else {
            return Ok(());
        };
        let client = &mut self.clients[key];
        client.turns += 1;
        client.written = 0;
        client.missing = cell.depth;
        client.reader.expect_next();
        client.start = Instant::now();
        client.write(cell, &self.epoll, key)
    }
}

impl Client {
    fn batch<'a>(&self, cell: &'a Batches) -> &'a Batch {
        cell.get(self.turns)
    }

    fn write(&mut self, cell: &Batches, epoll: &OwnedFd, key: usize) -> Result<()> {
        let wire = &self.batch(cell).wire;
        while self.written < wire.len() {
            match self.stream.write(&wire[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let waits = self.written < wire.len();
        if std::mem::replace(&mut self.waits_to_write, waits) != waits {
            let mut flags = Flags::IN;
            flags.set(Flags::OUT, waits);
            epoll::modify(epoll, &self.stream, data(key), flags)?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        cell: &Batches,
        buffer: &mut [u8],
        check: bool,
        run: &mut Run,
    ) -> Result<()> {
        let n = match self.stream.read(buffer) {
            Ok(0) => return Err(Error::other("the server ended the connection")),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let compare = check || self.turns.is_multiple_of(SAMPLED);
        let batch = self.batch(cell);
        let messages = self.reader.take(&buffer[..n], cell, batch, compare)?;
        let left = self.missing.checked_sub(messages);
        self.missing = left.ok_or_else(|| Error::other("too many messages came back"))?;
        run.messages += messages;
        let latency = u32::try_from(self.start.elapsed().as_nanos()).unwrap_or(u32::MAX);
        run.latencies
            .resize(run.latencies.len() + messages, latency);
        Ok(())
    }

    fn answer_ping(&mut self) -> Result<()> {
        if self.waits_to_write {
            return Ok(()); // in the middle of a frame: the next read tries again
        }
        self.stream
            .write_all(&std::mem::take(&mut self.reader.pongs))
    }
}

/// Connects, from another loopback address for each 20,000 connections.
fn connect(server: SocketAddr, address: usize) -> Result<TcpStream> {
    if address == 0 {
        return TcpStream::connect(server);
    }
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    net::bind(
        &socket,
        &SocketAddr::from(([127, 0, 0, 1 + address as u8], 0)),
    )?;
    net::connect(&socket, &server)?;
    Ok(socket.into())
}

fn read_response(stream: &mut TcpStream) -> Result<()> {
    let (mut head, mut len) = ([0; 1024], 0);
    while !head[..len].ends_with(b"\r\n\r\n") {
        match stream.read(&mut head[len..])? {
            0 => return Err(Error::other("the handshake was not answered")),
            n => len += n,
        }
    }
    let head = &head[..len];
    let accepted = head.windows(ACCEPT.len()).any(|it| it == ACCEPT);
    match head.starts_with(b"HTTP/1.1 101") && accepted {
        true => Ok(()),
        false => Err(Error::other(String::from_utf8_lossy(head).into_owned())),
    }
}

fn data(key: usize) -> EventData {
    EventData::new_u64(key as u64)
}
