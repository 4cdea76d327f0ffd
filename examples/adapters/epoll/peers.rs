//! The connections of a thread.
use std::mem;

use bytes::BytesMut;
use websocket_proto::{Connection, RecvBuf, deflate::Pool, handshake::server::Handshake};

use super::{OUT_SIZE, OUTS, socket, socket::Socket};

pub(super) struct Peer {
    pub(super) phase: Phase,
    pub(super) out: Option<Box<BytesMut>>, // `None` if it is empty
    pub(super) waits_for: u8,
    pub(super) touched: bool, // it is in `Peers::touched`
    pub(super) more: bool,    // there may be more events without a read
    pub(super) eof: bool,
}

pub(super) enum Phase {
    Connecting(Box<(Handshake, RecvBuf)>), // a handshake cannot share its buffer
    Open(Connection),
    Ending,
}

/// All connections.
#[derive(Default)]
pub struct Peers {
    pub(super) slots: Vec<Option<Peer>>,
    pub(super) free: Vec<usize>,
    /// To be flushed in this turn, or served in the next one.
    pub(super) touched: Vec<usize>,
    /// The connection whose turn it is. It has its codecs and its output buffer.
    pub(super) current: usize,
    pub(super) pool: Pool,
    #[expect(clippy::vec_box, reason = "what moves is the box")]
    pub(super) outs: Vec<Box<BytesMut>>,
}

impl Peers {
    /// Uses an open connection: `peers.with(key, |ws, out| ws.send_text("hi", out))`. Returns
    /// `None` if it is not open. If `out.len()` exceeds [`HIGH_WATER`], send only replies.
    pub fn with<T, F>(&mut self, key: usize, f: F) -> Option<T>
    where
        F: FnOnce(&mut Connection, &mut BytesMut) -> T,
    {
        let peer = self.slots.get_mut(key)?.as_mut()?;
        let Phase::Open(ws) = &mut peer.phase else {
            return None;
        };
        let is_current = key == self.current;
        if !is_current {
            self.pool.lend(ws);
        }
        let spare = || self.outs.pop().unwrap_or_default();
        let result = f(ws, peer.out.get_or_insert_with(spare));
        if !is_current {
            self.pool.reclaim(ws);
            self.touch(key);
        }
        Some(result)
    }

    /// The keys of all open connections.
    pub fn keys(&self) -> Vec<usize> {
        let peer = |&key: &usize| self.slots[key].as_ref();
        let is_open = |key: &usize| matches!(peer(key).map(|it| &it.phase), Some(Phase::Open(_)));
        (0..self.slots.len()).filter(is_open).collect()
    }

    /// Writes until the socket takes no more. Returns what is unsent, in bytes.
    pub(super) fn write(&mut self, key: usize, socket: &impl Socket) -> Option<usize> {
        let peer = self.slots[key].as_mut()?;
        let Some(mut out) = peer.out.take() else {
            return Some(0);
        };
        if socket::write(socket, &mut out).is_err() {
            // What is written later could follow a part of a frame. The next read will tell the end.
            let _ = socket.shutdown_write();
            out.clear();
        }
        let unsent = out.len();
        match unsent {
            0 if out.try_reclaim(OUT_SIZE) || self.outs.len() >= OUTS => {} // frees it
            0 => self.outs.push(out),
            _ => peer.out = Some(out),
        }
        Some(unsent)
    }

    pub(super) fn touch(&mut self, key: usize) {
        if let Some(Some(peer)) = self.slots.get_mut(key)
            && !mem::replace(&mut peer.touched, true)
        {
            self.touched.push(key);
        }
    }

    pub(super) fn take_touched(&mut self) -> Vec<usize> {
        for &key in &self.touched {
            if let Some(peer) = &mut self.slots[key] {
                peer.touched = false;
            }
        }
        mem::take(&mut self.touched)
    }
}
