//! Reads and writes of a socket that does not block.
use std::io::ErrorKind::{Interrupted, WouldBlock, WriteZero};
use std::io::{self, Read, Write};

use bytes::{Buf, BytesMut};
use websocket_proto::RecvBuf;

/// Reads once. Returns how many bytes, or `None` if the peer has ended the stream, or is gone.
pub(super) fn read(mut socket: impl Read, input: &mut RecvBuf, len: usize) -> Option<usize> {
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
pub(super) fn write(mut socket: impl Write, out: &mut BytesMut) -> io::Result<()> {
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
