//! What the server sees of the world.

use allocation_counter::opt_out;
use websocket_proto::{Event, meter};

use crate::{
    network::{Read, Way},
    server::{Ended, Host, Sent, Stage},
    state::{Conn, Core},
};

/// The operating system and the application, for the server. Its memory is not the server's.
pub(crate) struct Kernel<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) conns: &'a mut [Option<Box<Conn>>],
}

impl Kernel<'_> {
    fn with<T>(&mut self, id: u32, f: impl FnOnce(&mut Core, &mut Conn) -> T) -> Option<T> {
        self.core.at_work = Some(id);
        let conn = self.conns[id as usize].as_mut()?;
        let mut result = None;
        opt_out(|| {
            self.core.stir(conn);
            result = Some(f(self.core, conn));
        });
        result
    }
}

impl Host for Kernel<'_> {
    fn read(&mut self, id: u32, into: &mut [u8]) -> Read {
        let read = self.with(id, |core, conn| {
            let read = conn.link.read(Way::ToServer, core.now, into);
            if let Read::Bytes(n) = read {
                conn.ledger.read(core.now, n);
                core.report.received += n as u64;
            }
            if read != Read::Nothing {
                core.trace(id, || format!("    the server reads {read:?}"));
            }
            read
        });
        read.unwrap_or(Read::End)
    }

    fn write(&mut self, id: u32, bytes: &[u8]) -> usize {
        let written = self.with(id, |core, conn| {
            let n = conn.link.write(Way::ToPeer, core.now, bytes);
            if n > 0 {
                conn.ledger.taken(core.now);
                core.report.sent += n as u64;
                core.trace(id, || {
                    format!("    the server writes {n} of {} bytes", bytes.len())
                });
            }
            n
        });
        written.unwrap_or(bytes.len())
    }

    fn shutdown(&mut self, id: u32) {
        self.with(id, |core, conn| conn.link.end(Way::ToPeer, core.now));
    }

    fn close(&mut self, id: u32) {
        self.with(id, |core, conn| {
            core.trace(id, || "    the server drops the connection".into());
            conn.link.end(Way::ToPeer, core.now);
            conn.ledger.closed = Some(core.now);
            conn.key = None;
        });
    }

    fn idle(&mut self, id: u32) {
        self.with(id, |_, conn| conn.ledger.idle());
    }

    fn received(&mut self, id: u32, event: &Event<'_>) {
        self.with(id, |core, conn| {
            core.trace(id, || format!("    the server receives {event:?}"));
            let messages = conn.ledger.messages;
            let checked = conn
                .ledger
                .received(&conn.plan, &core.shared.content, event);
            core.report.messages += conn.ledger.messages - messages;
            if let Err(what) = checked {
                core.note(id, what);
            }
        });
    }

    fn sent(&mut self, id: u32, what: Sent) {
        self.with(id, |_, conn| conn.ledger.sent(&conn.plan, what));
    }

    fn closing(&mut self, id: u32) {
        self.with(id, |core, conn| conn.ledger.closing(core.now));
    }

    fn ended(&mut self, id: u32, how: Ended) {
        self.with(id, |core, conn| {
            core.trace(id, || format!("    the server ends: {how:?}"));
            if let Err(what) = conn.ledger.ended(core.now, how) {
                core.note(id, what);
            }
        });
    }

    fn answered(&mut self, id: u32, bytes: usize) {
        if bytes > 0 {
            self.with(id, |core, conn| {
                conn.ledger.answered += bytes as u64;
                core.report.answered += bytes as u64;
            });
        }
    }

    fn working(&mut self, id: u32) {
        self.core.at_work = Some(id);
        self.core.before = meter::work();
    }

    fn worked(&mut self, id: u32, stage: Stage, room: u64) {
        let work = meter::work() - self.core.before;
        if let Some(conn) = &mut self.conns[id as usize] {
            match stage {
                Stage::Handshake => conn.ledger.handshake.add(work, room),
                Stage::Open => conn.ledger.open.add(work, room),
            }
        }
    }
}
