//! A WebSocket over any blocking stream, in one thread. Copy this file and the folder `blocking`
//! unchanged. They need the crates `websocket-proto` and `bytes`.
//!
//! [`accept`] and [`connect`] do the handshake and return a [`Socket`]:
//!
//! ```text
//! let mut socket = accept(stream, Handshake::new(config, origins), |_| Ok(Accept::new()))?;
//! while let Some((event, ws, out)) = socket.recv_reply()? {
//!     match event {
//!         Event::Text(text) if ws.state() == ReadyState::Open => ws.send_text(text, out)?,
//!         _ => {} // Pings and the Close frame are answered already.
//!     }
//! }
//! ```
//!
//! While it waits for an event, the socket answers pings and keeps the time limits of [`Config`], by
//! read timeouts. It writes what is unsent before each wait, after errors, and above [`HIGH_WATER`].
//! The end is orderly: writing is shut down, and what still arrives is dropped, for [`END`] at most.
//!
//! What it does not do: open TCP or TLS streams; read while it writes (two peers that both write
//! much and read nothing end with a write timeout: use `Connection::split` and two threads then);
//! send while another call waits; share codecs (`deflate::Pool`).
#![allow(dead_code, unreachable_pub, reason = "a program uses only a part")]

use std::time::Duration;

use websocket_proto::handshake::{client, server};
use websocket_proto::{Config, Connection, Error, RecvBuf, Seed};

mod io;
mod socket;

pub use io::Transport;
pub use socket::Socket;

use io::Io;

/// Bytes of unsent output above which it is written before the next event is taken.
pub const HIGH_WATER: usize = 64 << 10;
/// How long the peer may take to end the stream after the end of the connection.
pub const END: Duration = Duration::from_secs(5);

/// The decision of a server.
pub type Decision<'r> = Result<server::Accept<'r>, server::Reject<'r>>;

/// Does the handshake of a server. `decide` looks at the request. `None`: the request was rejected, or
/// the stream ended before its first byte, as with health checks.
pub fn accept<S: Transport>(
    stream: S,
    handshake: server::Handshake,
    decide: impl for<'r> FnOnce(&server::Request<'r>) -> Decision<'r>,
) -> Result<Option<Socket<S>>, Error> {
    let (mut io, mut input) = (Io::new(stream)?, RecvBuf::new());
    match serve(&mut io, &mut input, handshake, decide) {
        Ok(Some(ws)) => {
            io.flush()?; // the response
            Ok(Some(Socket { io, ws, input }))
        }
        Ok(None) => {
            io.end();
            Ok(None)
        }
        Err(error) => {
            io.end();
            Err(io.cause(error))
        }
    }
}

/// Does the handshake of a client. `look` sees the response, with the part of its body that has
/// arrived. If the server refuses, returns [`Error::Refused`].
pub fn connect<S: Transport>(
    stream: S,
    request: &client::Request<'_>,
    seed: Seed,
    config: Config,
    look: impl FnOnce(&client::Response<'_>),
) -> Result<Socket<S>, Error> {
    let (mut io, mut input) = (Io::new(stream)?, RecvBuf::new());
    let handshake = client::Handshake::start(request, seed, config, &mut io.out)?;
    match open(&mut io, &mut input, handshake, look) {
        Ok(ws) => Ok(Socket { io, ws, input }),
        Err(error) => {
            io.end();
            Err(io.cause(error))
        }
    }
}

fn serve<S: Transport>(
    io: &mut Io<S>,
    input: &mut RecvBuf,
    mut handshake: server::Handshake,
    decide: impl for<'r> FnOnce(&server::Request<'r>) -> Decision<'r>,
) -> Result<Option<Connection>, Error> {
    loop {
        if let Some((request, pending)) = handshake.next(input, &mut io.out)? {
            return match decide(&request) {
                Ok(accept) => Ok(Some(pending.accept(accept, &mut io.out)?)),
                Err(reject) => Ok(pending.reject(reject, &mut io.out).map(|()| None)?),
            };
        }
        handshake.handle_timeout(io.clock.now(), &mut io.out)?;
        if io.read(input, handshake.deadline(io.clock.now())) {
            if input.unread().is_empty() {
                return Ok(None);
            }
            handshake.end_of_stream();
        }
    }
}

fn open<S: Transport>(
    io: &mut Io<S>,
    input: &mut RecvBuf,
    mut handshake: client::Handshake,
    look: impl FnOnce(&client::Response<'_>),
) -> Result<Connection, Error> {
    io.flush()?;
    loop {
        match handshake.next(input)? {
            None => {}
            Some(client::Outcome::Accepted(ws, response)) => {
                look(&response);
                return Ok(ws);
            }
            Some(client::Outcome::Refused(response)) => {
                look(&response);
                return Err(Error::Refused(response.status()));
            }
        }
        handshake.handle_timeout(io.clock.now())?;
        if io.read(input, handshake.deadline(io.clock.now())) {
            handshake.end_of_stream();
        }
    }
}
