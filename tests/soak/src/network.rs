//! The network: two pipes for each connection, with delay, splitting, loss and a limited window.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use crate::{
    random::{Random, hash},
    scenario::{Plan, Weather},
};

/// What a read finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Bytes(usize),
    Nothing,
    /// The other side has ended the stream, or the connection was reset.
    End,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    /// What was written and not read. The first `arrived` bytes can be read.
    bytes: BytesMut,
    arrived: usize,
    /// When more bytes arrive, and how many.
    flight: VecDeque<(u64, usize)>,
    /// When the last bytes arrive. Nothing overtakes them.
    last: u64,
    /// When the end of the stream arrives.
    end: Option<u64>,
    /// A write did not take all bytes.
    blocked: bool,
}

/// The two directions of a connection.
#[derive(Debug)]
pub struct Link {
    up: Pipe,
    down: Pipe,
    weather: Weather,
    random: Random,
    /// Bytes that the peer has written, and after how many of them the network fails.
    written: u64,
    cut: Option<(u64, bool)>,
    pub is_silent: bool,
    pub is_reset: bool,
    /// For each way: its writer can go on, and whether its reader knows of the reset.
    unblocked: [bool; 2],
    told: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToPeer,
}

impl Link {
    pub fn new(plan: &Plan, cut: Option<(u64, bool)>, seed: u64) -> Self {
        Self {
            up: Pipe::default(),
            down: Pipe::default(),
            weather: plan.weather,
            random: Random(hash(!seed, plan.id, 0)),
            written: 0,
            cut,
            is_silent: false,
            is_reset: false,
            unblocked: [false; 2],
            told: [false; 2],
        }
    }

    /// Writes as much as there is room for. Returns how much.
    pub fn write(&mut self, way: Way, now: u64, mut bytes: &[u8]) -> usize {
        let mut room = self
            .weather
            .window
            .saturating_sub(self.pipe(way).bytes.len());
        if bytes.len() > room {
            self.pipe(way).blocked = true;
        }
        if let (Way::ToServer, Some((after, silent))) = (way, self.cut) {
            let left = (after - self.written) as usize;
            if left < bytes.len().min(room) {
                room = left;
                (self.is_silent, self.is_reset) = (silent, !silent);
            }
        }
        bytes = &bytes[..bytes.len().min(room)];
        let taken = bytes.len();
        if way == Way::ToServer {
            self.written += taken as u64;
        }
        let delay = self.delay();
        while !bytes.is_empty() {
            let most = self.weather.piece.min(bytes.len());
            let len = match self.weather.piece {
                usize::MAX => most,
                _ => 1 + self.random.below(most),
            };
            let (piece, rest) = bytes.split_at(len);
            bytes = rest;
            let at = self.arrival(way, now + delay);
            let pipe = self.pipe(way);
            pipe.bytes.extend_from_slice(piece);
            // Pieces that arrive together are one.
            match pipe.flight.back_mut() {
                Some((last, n)) if *last == at => *n += len,
                _ => pipe.flight.push_back((at, len)),
            }
        }
        taken
    }

    /// A second more if what is written is lost and sent again.
    fn delay(&mut self) -> u64 {
        let lost = self.random.upto(1000) < self.weather.lost;
        1000 * u64::from(lost)
    }

    /// When something arrives that is sent now: not before what was sent earlier.
    fn arrival(&mut self, way: Way, now: u64) -> u64 {
        let Weather {
            min_delay,
            max_delay,
            ..
        } = self.weather;
        let delay = min_delay + self.random.upto(max_delay - min_delay + 1);
        let pipe = self.pipe(way);
        pipe.last = pipe.last.max(now + delay);
        pipe.last
    }

    /// Ends the stream in one direction.
    pub fn end(&mut self, way: Way, now: u64) {
        if self.pipe(way).end.is_none() {
            let at = self.arrival(way, now);
            self.pipe(way).end = Some(at);
        }
    }

    /// When the reader must look, after `now`.
    pub fn next(&mut self, way: Way, now: u64) -> Option<u64> {
        if self.is_reset {
            let told = std::mem::replace(&mut self.told[way as usize], true);
            return (!told).then_some(now + 1);
        }
        if self.is_silent {
            return None;
        }
        let pipe = self.pipe(way);
        let bytes = pipe.flight.front().map(|(at, _)| *at);
        bytes.or(pipe.end.filter(|&at| at > now))
    }

    /// Whether the writer was stopped, and can go on.
    pub fn take_unblocked(&mut self, way: Way) -> bool {
        std::mem::take(&mut self.unblocked[way as usize])
    }

    /// Moves what has arrived to where it can be read.
    pub fn arrive(&mut self, way: Way, now: u64) {
        if self.is_silent {
            return;
        }
        let pipe = self.pipe(way);
        while let Some((at, n)) = pipe.flight.front().copied()
            && at <= now
        {
            pipe.flight.pop_front();
            pipe.arrived += n;
        }
    }

    pub fn read(&mut self, way: Way, now: u64, into: &mut [u8]) -> Read {
        if self.is_reset {
            return Read::End;
        }
        let is_silent = self.is_silent;
        let half = self.weather.window / 2;
        let pipe = self.pipe(way);
        let n = pipe.arrived.min(into.len());
        if n == 0 {
            let at_end = pipe.arrived == 0 && pipe.flight.is_empty();
            let is_end = at_end && !is_silent && pipe.end.is_some_and(|at| at <= now);
            return if is_end { Read::End } else { Read::Nothing };
        }
        pipe.bytes.copy_to_slice(&mut into[..n]);
        pipe.arrived -= n;
        if pipe.blocked && pipe.bytes.len() <= half {
            pipe.blocked = false;
            self.unblocked[way as usize] = true;
        }
        if self.pipe(way).bytes.is_empty() {
            self.pipe(way).bytes = BytesMut::new();
        }
        Read::Bytes(n)
    }

    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::ToServer => &mut self.up,
            Way::ToPeer => &mut self.down,
        }
    }
}
