//! WebSockets on Linux `epoll`: one thread, no runtime. Copy this file and the folder
//! `epoll` unchanged. They need `bytes`, `rustix` (features `event`, `net`) and `websocket-proto`
//! (feature `deflate`).
//!
//! Implement [`App`], and call [`Epoll::turn`] for ever. To use more cores, start more threads or
//! processes, each with its own `Epoll` and [`listen(address, true)`](listen).
//!
//! - All connections share one receive buffer, one pool of codecs and a few output buffers. An idle
//!   one takes 250 to 290 bytes of heap memory, its timers included. Keepalive checks that it is alive.
//! - Each turn writes once to a connection: after its events if the output is large, otherwise
//!   after the events of all connections.
//! - After [`TURN`] bytes, read or delivered, the other connections get their turn.
//! - A connection with more than [`HIGH_WATER`] bytes of unsent output is not read.
//! - At its end a connection flushes, shuts down writing, and drops input for up to [`LINGER`].
//! - If the process runs out of files, it stops accepting for [`PAUSE`].
//!
//! It does not speak TLS, resolve names, limit the connections of one address, or take messages
//! from other threads (for that, add an `eventfd`).
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{mem::MaybeUninit, time::Duration};

use bytes::BytesMut;
use rustix::event::epoll::{self, EventData, EventFlags as Flags};
use rustix::net::{self, SocketFlags, SocketType, sockopt};
use rustix::{event::Timespec, fd::OwnedFd, io::Errno};
use websocket_proto::handshake::server::{Accept, Handshake, Pending, Request};
use websocket_proto::{Clock, Connection, Deadlines, Event, RecvBuf};

mod peers;
mod serve;
mod socket;

pub use peers::Peers;
use peers::{Peer, Phase};
pub use socket::Socket;

pub const HIGH_WATER: usize = 256 << 10;
pub const TURN: usize = 256 << 10;
pub const LINGER: Duration = Duration::from_secs(5);
pub const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of one read. All connections share the memory, so it may be large: fewer reads end in the
/// middle of a message, and fewer writes answer them.
const READ: usize = 128 << 10;
/// The same during the handshake, which has a buffer of its own.
const HEAD: usize = 4 << 10;
/// Outputs of this size leave at once, smaller ones at the end of the turn.
const LARGE: usize = 16 << 10;
/// How many output buffers are kept, and how large they may be.
const OUTS: usize = 16;
const OUT_SIZE: usize = 256 << 10;
/// The key of the listener.
const LISTENER: usize = 0;
const SOCKET: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// The application. A key names a connection from `on_open` to `on_close`.
pub trait App {
    /// Makes the handshake of a new client, with its `Config` and `Origins`.
    fn handshake(&mut self) -> Handshake;
    /// Accepts the request, or calls `pending.reject` and returns `None`.
    fn accept(&mut self, _: &Request<'_>, it: Pending, out: &mut BytesMut) -> Option<Connection> {
        it.accept(Accept::new(), out).ok()
    }
    fn on_open(&mut self, _key: usize, _peers: &mut Peers) {}
    /// A message, or a part of one. Pings and Close frames are answered already.
    fn on_event(&mut self, key: usize, event: Event<'_>, peers: &mut Peers);
    /// `ws` tells why: `error`, `close_received`.
    fn on_close(&mut self, _key: usize, _ws: &Connection, _peers: &mut Peers) {}
}

/// Listens. If `shared`, several threads and processes can listen on the same address.
pub fn listen(addr: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let family = net::SocketAddrAny::from(addr).address_family();
    let socket = net::socket_with(family, SocketType::STREAM, SOCKET, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    net::bind(&socket, &addr)?;
    net::listen(&socket, 4096)?;
    Ok(socket.into())
}

pub struct Epoll<A, S = TcpStream> {
    pub app: A,
    pub peers: Peers,
    /// By the keys of the connections.
    sockets: Vec<Option<S>>,
    listener: TcpListener,
    epoll: OwnedFd,
    input: RecvBuf,
    clock: Clock,
    deadlines: Deadlines,
}

impl<A: App> Epoll<A> {
    pub fn new(app: A, listener: TcpListener) -> io::Result<Self> {
        Self::with_sockets(app, listener)
    }
}

impl<A: App, S: Socket> Epoll<A, S> {
    /// `new` for another type of sockets.
    pub fn with_sockets(app: A, listener: TcpListener) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, data(LISTENER), Flags::IN)?;
        let mut peers = Peers::default();
        peers.slots.push(None); // the key of the listener
        let (input, clock, deadlines) = (RecvBuf::new(), Clock::start(), Deadlines::new());
        Ok(Self {
            app,
            peers,
            sockets: Vec::from([None]),
            listener,
            epoll,
            input,
            clock,
            deadlines,
        })
    }

    /// Waits for `at_most` this long, and serves each connection that is ready once.
    pub fn turn(&mut self, at_most: Duration) -> io::Result<()> {
        let again = self.peers.take_touched();
        let at_most = at_most * u32::from(again.is_empty());
        let left = self.clock.timeout(self.deadlines.earliest());
        let wait = Timespec::try_from(left.map_or(at_most, |left| left.min(at_most))).ok();
        let mut events = [const { MaybeUninit::uninit() }; 512];
        let events = match epoll::wait(&self.epoll, &mut events, wait.as_ref()) {
            Err(Errno::INTR) => &mut [],
            result => result?.0,
        };
        for key in again {
            self.serve(key, false);
        }
        for event in events {
            match event.data.u64() as usize {
                LISTENER => self.accept()?,
                key => _ = self.serve(key, true),
            }
        }
        while let Some(key) = self.deadlines.pop_expired(self.clock.now()) {
            match key {
                LISTENER => self.accept_on(Flags::IN)?,
                key => _ = self.expire(key),
            }
        }
        for key in self.peers.take_touched() {
            self.flush(key);
        }
        Ok(())
    }

    /// Adds a connection whose handshake is complete, such as a client's. `early` are the bytes
    /// that arrived behind the handshake.
    pub fn add(&mut self, socket: S, ws: Connection, early: &[u8]) -> io::Result<usize> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let key = self.insert(socket, Phase::Open(ws))?;
        self.input.extend_from_slice(early);
        self.app.on_open(key, &mut self.peers);
        self.serve(key, false);
        Ok(key)
    }

    /// Adds a connection whose handshake is to be done. The socket must not block.
    pub fn open(&mut self, socket: S) -> io::Result<usize> {
        let start = Box::new((self.app.handshake(), RecvBuf::new()));
        self.insert(socket, Phase::Connecting(start))
    }

    fn insert(&mut self, socket: S, phase: Phase) -> io::Result<usize> {
        sockopt::set_tcp_nodelay(&socket, true)?; // each turn writes once
        let slots = &mut self.peers.slots;
        let key = self.peers.free.last().copied().unwrap_or(slots.len());
        epoll::add(&self.epoll, &socket, data(key), Flags::IN)?;
        self.peers.free.pop();
        if key == slots.len() {
            if key == slots.capacity() {
                slots.reserve_exact(key / 4 + 4); // a `Vec` would take twice as much
                self.sockets.reserve_exact(key / 4 + 4);
            }
            slots.push(None);
            self.sockets.push(None);
        }
        let waits_for = Flags::IN.bits() as u8;
        let peer = Peer {
            phase,
            out: None,
            waits_for,
            touched: false,
            more: false,
            eof: false,
        };
        self.peers.slots[key] = Some(peer);
        self.sockets[key] = Some(socket);
        self.peers.touch(key);
        Ok(key)
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..64 {
            match net::accept_with(&self.listener, SOCKET) {
                Ok(socket) => drop(self.open(socket.into())),
                Err(Errno::AGAIN) => break,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.deadlines.set(LISTENER, Some(self.clock.now() + PAUSE));
                    return self.accept_on(Flags::empty());
                }
                Err(_) => {} // this client is gone
            }
        }
        Ok(())
    }

    fn accept_on(&self, flags: Flags) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            &self.listener,
            data(LISTENER),
            flags,
        )?)
    }
}

fn data(key: usize) -> EventData {
    EventData::new_u64(key as u64)
}
