//! The loop of the raw echo and of our bare one: a read, an answer, a write.
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::epoll::{self, EventData, EventFlags as Flags};

/// Room for one read: 16 messages of 4 KiB arrive in one. With 32 KiB, raw TCP costs 1.5 times as much.
pub(super) const READ: usize = 128 << 10;
const LISTENER: u64 = u64::MAX;

/// What a server does with the bytes, and what all of its connections share.
pub(super) trait Echo {
    type Peer;
    fn peer(&mut self) -> Self::Peer;
    /// Room for a read.
    fn room(&mut self, peer: &mut Self::Peer) -> &mut [u8];
    /// The answer to `n` bytes, which were read into that room.
    fn answer(&mut self, peer: &mut Self::Peer, n: usize) -> Result<&[u8]>;
}

struct Socket<P> {
    stream: TcpStream,
    peer: P,
    unsent: Vec<u8>,
}

pub(super) fn run<E: Echo>(listener: TcpListener, mut echo: E) -> super::Outcome {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), Flags::IN)?;
    let (mut sockets, mut free) = (Vec::<Option<Box<Socket<_>>>>::new(), Vec::new());
    let mut events = Vec::with_capacity(512);
    loop {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let key = free.pop().unwrap_or(sockets.len());
                    sockets.resize_with(sockets.len().max(key + 1), || None);
                    epoll::add(&epoll, &stream, EventData::new_u64(key as u64), Flags::IN)?;
                    sockets[key] = Some(Box::new(Socket {
                        stream,
                        peer: echo.peer(),
                        unsent: Vec::new(),
                    }));
                }
                continue;
            }
            let key = event.data.u64() as usize;
            let Some(socket) = &mut sockets[key] else {
                continue;
            };
            let before = socket.unsent.is_empty();
            if socket.turn(&mut echo).is_err() {
                sockets[key] = None;
                free.push(key);
            } else if before != socket.unsent.is_empty() {
                let flags = if before { Flags::OUT } else { Flags::IN };
                epoll::modify(&epoll, &socket.stream, event.data, flags)?;
            }
        }
    }
}

impl<P> Socket<P> {
    /// Reads once and writes the answer, or writes what the socket did not take before.
    fn turn(&mut self, echo: &mut impl Echo<Peer = P>) -> Result<()> {
        if !self.unsent.is_empty() {
            let n = self.stream.write(&self.unsent)?;
            self.unsent.drain(..n);
            return Ok(());
        }
        let n = match self.stream.read(echo.room(&mut self.peer)) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let answer = echo.answer(&mut self.peer, n)?;
        if answer.is_empty() {
            return Ok(());
        }
        let written = match self.stream.write(answer) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&answer[written..]);
        Ok(())
    }
}
