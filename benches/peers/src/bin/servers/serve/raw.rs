//! The limit: epoll, one buffer for all connections, no WebSocket.
use std::{io::Result, net::TcpListener};

use super::epoll_loop::{self, Echo, READ};

struct Raw(Vec<u8>);

impl Echo for Raw {
    type Peer = ();

    fn peer(&mut self) {}

    fn room(&mut self, (): &mut ()) -> &mut [u8] {
        &mut self.0
    }

    fn answer(&mut self, (): &mut (), n: usize) -> Result<&[u8]> {
        Ok(&self.0[..n])
    }
}

pub(super) fn run(listener: TcpListener) -> super::Outcome {
    epoll_loop::run(listener, Raw(vec![0; READ]))
}
