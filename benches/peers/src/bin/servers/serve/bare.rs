//! Ours in the loop of the raw echo, with one pair of buffers for all connections. Beside raw TCP it
//! shows what the engine costs, and beside `epoll_echo` what the adapter adds: time limits, turns of
//! the connections, an orderly end.
use std::io::{Error, Result};
use std::net::TcpListener;

use websocket_proto::bytes::BytesMut;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Connection, Event, RecvBuf};

use super::epoll_loop::{self, Echo, READ};

#[derive(Default)]
struct Bare {
    input: RecvBuf,
    out: BytesMut,
}

enum Peer {
    Opening(Box<Handshake>),
    Open(Connection),
}

impl Echo for Bare {
    type Peer = Peer;

    fn peer(&mut self) -> Peer {
        Peer::Opening(Box::new(Handshake::new(Config::new(), Origins::Any)))
    }

    fn room(&mut self, peer: &mut Peer) -> &mut [u8] {
        match peer {
            Peer::Opening(_) => self.input.clear(),
            Peer::Open(ws) => ws.resume(&mut self.input),
        }
        self.input.spare(READ)
    }

    fn answer(&mut self, peer: &mut Peer, n: usize) -> Result<&[u8]> {
        let Self { input, out } = self;
        input.filled(n);
        out.clear();
        match peer {
            Peer::Opening(handshake) => {
                // The load generator sends a request in one piece.
                let opened = handshake.next(input, out).map_err(Error::other)?;
                let (_, pending) = opened.ok_or_else(|| Error::other("half a request"))?;
                let ws = pending.accept(Accept::new(), out).map_err(Error::other)?;
                *peer = Peer::Open(ws);
            }
            Peer::Open(ws) => {
                while let Some(event) = ws.next_event(input, out).map_err(Error::other)? {
                    let sent = match event {
                        Event::Text(text) => ws.send_text(text, out),
                        Event::Binary(bytes) => ws.send_binary(bytes, out),
                        _ => Ok(()),
                    };
                    sent.map_err(Error::other)?;
                }
                ws.park(input);
            }
        }
        Ok(out)
    }
}

pub(super) fn run(listener: TcpListener) -> super::Outcome {
    epoll_loop::run(listener, Bare::default())
}
