//! What is done for one connection in its turn.
use std::mem;

use rustix::event::epoll::{self, EventFlags as Flags};
use websocket_proto::Event;

use super::{App, Epoll, HEAD, HIGH_WATER, LARGE, LINGER, LISTENER, READ, Socket, TURN, data};
use super::{peers::Phase, socket::read};

impl<A: App, S: Socket> Epoll<A, S> {
    /// Reads if the socket is `readable`, and takes events.
    pub(super) fn serve(&mut self, key: usize, mut readable: bool) -> Option<()> {
        let (input, mut work) = (&mut self.input, 0);
        self.peers.touch(key);
        let (peer, socket) = (self.peers.slots[key].as_mut()?, self.sockets[key].as_ref()?);
        if peer.more && readable {
            return None; // it is not its turn
        }
        if let Phase::Ending = peer.phase {
            peer.eof |= readable && read(socket, input, READ).is_none();
            input.clear();
            return None;
        }
        if let Phase::Connecting(start) = &mut peer.phase {
            let (handshake, head) = &mut **start;
            readable = readable && read(socket, head, HEAD).is_none();
            if readable {
                handshake.end_of_stream();
            }
            let out = peer.out.get_or_insert_default();
            let ws = match handshake.next(head, &mut **out) {
                Ok(None) => return None,
                Ok(Some((request, pending))) => self.app.accept(&request, pending, out),
                Err(_) => None,
            };
            let Some(ws) = ws else { return self.end(key) };
            input.extend_from_slice(head.unread());
            peer.phase = Phase::Open(ws);
            self.app.on_open(key, &mut self.peers);
        }
        let peer = self.peers.slots[key].as_mut()?;
        let Phase::Open(ws) = &mut peer.phase else {
            return None;
        };
        self.peers.pool.lend(ws);
        ws.resume(input);
        self.peers.current = key;
        let more = loop {
            // `on_event` uses all connections, this one too: so it is looked up for each event.
            let peer = self.peers.slots[key].as_mut()?;
            let Phase::Open(ws) = &mut peer.phase else {
                return None;
            };
            let spare = || self.peers.outs.pop().unwrap_or_default();
            let out = &mut **peer.out.get_or_insert_with(spare);
            if work >= TURN || out.len() >= HIGH_WATER {
                break true;
            }
            match ws.next_event(input, out) {
                Ok(Some(Event::Progress)) => work = TURN,
                Ok(Some(event)) => {
                    work += 128 + event.payload().len(); // each event counts
                    self.app.on_event(key, event, &mut self.peers);
                }
                Ok(None) if readable => {
                    let n = read(socket, input, READ);
                    if n.is_none() {
                        peer.eof = true;
                        ws.end_of_stream();
                    }
                    // After a full read there is more. To read on is cheaper than to park half a
                    // message.
                    readable = n == Some(READ);
                    work += n.unwrap_or(0);
                }
                _ => break false, // all are taken, or the peer broke a rule
            }
        };
        self.peers.current = LISTENER;
        let peer = self.peers.slots[key].as_mut()?;
        peer.more = more;
        if let Phase::Open(ws) = &mut peer.phase {
            ws.park(input);
            self.peers.pool.reclaim(ws);
        }
        // The buffer of a large output serves the next connection while it is in the cache.
        if peer.out.as_ref().is_some_and(|out| out.len() >= LARGE) {
            self.peers.write(key, socket);
        }
        None
    }

    pub(super) fn expire(&mut self, key: usize) -> Option<()> {
        let (now, peer) = (self.clock.now(), self.peers.slots[key].as_mut()?);
        match &mut peer.phase {
            Phase::Ending => return self.remove(key),
            Phase::Connecting(start) => {
                let out = peer.out.get_or_insert_default();
                let _ = start.0.handle_timeout(now, &mut **out); // `serve` sees the error
            }
            Phase::Open(ws) => self.peers.pool.hibernate(ws),
        }
        self.serve(key, true); // what has arrived counts
        let _ = self.peers.with(key, |ws, out| ws.handle_timeout(now, out));
        None
    }

    /// Flushes, and decides what to wait for.
    pub(super) fn flush(&mut self, key: usize) -> Option<()> {
        let (now, socket) = (self.clock.now(), self.sockets[key].as_ref()?);
        let unsent = self.peers.write(key, socket)?;
        let peers = &mut self.peers;
        let peer = peers.slots[key].as_mut()?;
        let mut flags = Flags::empty();
        flags.set(Flags::IN, !peer.eof && unsent < HIGH_WATER);
        flags.set(Flags::OUT, unsent > 0);
        if mem::replace(&mut peer.waits_for, flags.bits() as u8) != flags.bits() as u8 {
            epoll::modify(&self.epoll, socket, data(key), flags).ok()?;
        }
        if peer.more && unsent < HIGH_WATER && !mem::replace(&mut peer.touched, true) {
            peers.touched.push(key); // for the next turn
        }
        match &mut peer.phase {
            Phase::Connecting(start) => self.deadlines.set(key, start.0.deadline(now)),
            Phase::Open(ws) if ws.is_done() => return self.end(key),
            Phase::Open(ws) => self.deadlines.set(key, ws.deadline(now)),
            Phase::Ending if unsent > 0 => {}
            Phase::Ending if peer.eof => return self.remove(key),
            Phase::Ending => _ = socket.shutdown_write(),
        }
        None
    }

    fn end(&mut self, key: usize) -> Option<()> {
        let peer = self.peers.slots[key].as_mut()?;
        if let Phase::Open(ws) = mem::replace(&mut peer.phase, Phase::Ending) {
            peer.more = false;
            self.app.on_close(key, &ws, &mut self.peers);
        }
        self.deadlines.set(key, Some(self.clock.now() + LINGER));
        self.peers.touch(key);
        None
    }

    fn remove(&mut self, key: usize) -> Option<()> {
        self.deadlines.set(key, None);
        (self.peers.slots[key], self.sockets[key]) = (None, None);
        self.peers.free.push(key);
        None
    }
}
