//! Reads and writes of a socket that does not block.
use std::io::ErrorKind::{Interrupted, WouldBlock, WriteZero};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use bytes::{Buf, BytesMut};
use rustix::fd::{AsFd, OwnedFd};
use websocket_proto::RecvBuf;

/// A socket that does not block: a `TcpStream`, or that of a test, whose calls fail.
pub trait Socket: AsFd + From<OwnedFd> {
    fn read(&self, room: &mut [u8]) -> io::Result<usize>;
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn shutdown_write(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, room)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, bytes)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Reads once. Returns how many bytes, or `None` if the peer has ended the stream, or is gone.
pub(super) fn read(socket: &impl Socket, input: &mut RecvBuf, len: usize) -> Option<usize> {
    match socket.read(input.spare(len)) {
        Ok(0) => None,
        Ok(n) => {
            input.filled(n);
            Some(n)
        }
        // Epoll tells again if there is something to read.
        Err(error) => matches!(error.kind(), WouldBlock | Interrupted).then_some(0),
    }
}

/// Writes until the socket takes no more. After an error, nothing may follow what it has taken.
pub(super) fn write(socket: &impl Socket, out: &mut BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        match socket.write(out) {
            Ok(0) => return Err(WriteZero.into()),
            Ok(n) => out.advance(n),
            Err(error) if error.kind() == Interrupted => {}
            Err(error) if error.kind() == WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
