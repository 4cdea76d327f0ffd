//! One thread that receives and sends.

use std::io;

use bytes::BytesMut;
use websocket_proto::{CloseCode, Connection, Error, Event, RecvBuf, SendError};

use super::{
    HIGH_WATER,
    io::{Io, Transport},
};

/// An open connection and its stream.
pub struct Socket<S> {
    pub(super) io: Io<S>,
    pub(super) ws: Connection,
    pub(super) input: RecvBuf,
}

impl<S: Transport> Socket<S> {
    /// Makes a socket after a handshake that was done elsewhere. `input` has what arrived with it.
    pub fn new(stream: S, ws: Connection, input: RecvBuf) -> io::Result<Self> {
        let io = Io::new(stream)?;
        Ok(Self { io, ws, input })
    }

    /// Waits for the next event; `None` at the end of the connection. The end, also after an error,
    /// was orderly: the socket can be dropped.
    pub fn recv(&mut self) -> Result<Option<Event<'_>>, Error> {
        Ok(self.recv_reply()?.map(|(event, ..)| event))
    }

    /// The same, with the connection and the output for replies. They leave in the next call. After
    /// [`Event::Close`], call it once more for the orderly end.
    pub fn recv_reply(
        &mut self,
    ) -> Result<Option<(Event<'_>, &mut Connection, &mut BytesMut)>, Error> {
        let Self { io, ws, input } = self;
        loop {
            if io.out.len() > HIGH_WATER {
                io.flush_before_read()?;
            }
            if io.over {
                return Ok(None);
            }
            if ws.poll(input, &mut io.out) {
                break;
            }
            // If it fails, `next_event` returns the error.
            if ws.handle_timeout(io.clock.now(), &mut io.out).is_err() {
                continue;
            }
            if ws.is_done() {
                io.end();
                continue;
            }
            io.flush_before_read()?;
            if io.read(input, ws.deadline(io.clock.now())) {
                ws.end_of_stream();
            }
        }
        match ws.next_event(input, &mut io.out) {
            Ok(event) => Ok(event.map(|event| (event, ws, &mut io.out))),
            Err(error) => {
                io.end();
                Err(io.cause(error))
            }
        }
    }

    /// Sends at once what the function has written: `socket.send(|ws, out| ws.send_text("hi", out))`.
    pub fn send(
        &mut self,
        write: impl FnOnce(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        write(&mut self.ws, &mut self.io.out)?;
        Ok(self.io.flush()?)
    }

    /// Does the closing handshake. Messages that still arrive are dropped.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.ws.close(code, reason, &mut self.io.out)?;
        while self.recv()?.is_some() {}
        Ok(())
    }
}
