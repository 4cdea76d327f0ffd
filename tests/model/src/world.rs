//! Two endpoints, the network between them, and the clock: which actions are possible, and what each
//! one does.

use std::{
    collections::VecDeque,
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    action::{Action, Side, What},
    endpoint::{Endpoint, START, Written},
    faults::Fault,
    ledger::{Ledger, Violation},
    system::{Ask, Form},
};

/// How often each thing can happen, both sides together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages.
    pub sends: u8,
    /// Pings of the applications. Those of the timers are not limited.
    pub pings: u8,
    pub closes: u8,
    /// Actions of foreign implementations: a Close frame without a code, a text that is not UTF-8.
    pub foreign: u8,
    /// Cuts of one direction, and programs that are gone.
    pub cuts: u8,
    /// How often an application stops taking events.
    pub pauses: u8,
    /// Moves of the clock.
    pub clocks: u8,
    /// How often halves are joined, and split again.
    pub joins: u8,
    /// Each read takes all bytes under way. Otherwise it ends after any byte.
    pub whole_reads: bool,
    /// Bytes on their way in one direction.
    pub in_flight: usize,
    /// Maximum payload of a frame, in bytes.
    pub fragment: usize,
    /// In seconds. The keepalive pings every 20 seconds.
    pub pong_timeout: u64,
    /// In seconds. 0 sets no limit.
    pub message_timeout: u64,
}

impl Bounds {
    pub const NONE: Self = Self {
        sends: 0,
        pings: 0,
        closes: 0,
        foreign: 0,
        cuts: 0,
        pauses: 0,
        clocks: 0,
        joins: 0,
        whole_reads: false,
        in_flight: 100,
        fragment: 125,
        pong_timeout: 10,
        message_timeout: 0,
    };

    /// Whether everything that can happen within `other` can happen here as well.
    pub fn cover(&self, other: &Self) -> bool {
        let counts = |it: &Self| {
            [
                it.sends, it.pings, it.closes, it.foreign, it.cuts, it.pauses, it.clocks, it.joins,
            ]
        };
        let rest = |it: &Self| {
            (
                it.in_flight,
                it.fragment,
                it.pong_timeout,
                it.message_timeout,
            )
        };
        let mut both = counts(self).into_iter().zip(counts(other));
        both.all(|(ours, theirs)| ours >= theirs)
            && self.whole_reads <= other.whole_reads
            && rest(self) == rest(other)
    }
}

/// What is explored: two forms, a bug that is put in, and bounds.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub client: Form,
    pub server: Form,
    pub fault: Option<Fault>,
    pub bounds: Bounds,
}

/// The bytes on their way to one side.
#[derive(Debug, Default, Hash)]
struct Wire {
    /// With and without their masks.
    bytes: VecDeque<(u8, u8)>,
    /// The sender has shut down writing.
    shut: bool,
    /// Nothing arrives any more.
    cut: bool,
    /// The receiver has read the end of the stream.
    told: bool,
}

#[derive(Debug, Default, Hash)]
struct Used {
    sends: u8,
    pings: u8,
    closes: u8,
    foreign: u8,
    cuts: u8,
    pauses: u8,
    clocks: u8,
    joins: u8,
}

#[derive(Debug)]
pub struct World {
    bounds: Bounds,
    ends: [Endpoint; 2],
    /// The bytes to the client, and to the server.
    wires: [Wire; 2],
    pub now: Duration,
    used: Used,
    /// The network takes no byte.
    pub stuck: bool,
}

impl World {
    pub fn new(setup: &Setup) -> Self {
        let end = |side, form| Endpoint::new(side, form, setup.fault, &setup.bounds);
        let mut world = Self {
            bounds: setup.bounds,
            ends: [
                end(Side::Client, setup.client),
                end(Side::Server, setup.server),
            ],
            wires: Default::default(),
            now: START,
            used: Used::default(),
            stuck: false,
        };
        for end in &mut world.ends {
            // What is wrong here is wrong later as well.
            let _ = end.wake(world.now, &mut Ledger::default());
        }
        world
    }

    pub fn end(&self, side: Side) -> &Endpoint {
        &self.ends[side as usize]
    }

    pub fn end_mut(&mut self, side: Side) -> &mut Endpoint {
        &mut self.ends[side as usize]
    }

    fn end_and_peer(&mut self, side: Side) -> (&mut Endpoint, &Written) {
        let [client, server] = &mut self.ends;
        match side {
            Side::Client => (client, &server.written),
            Side::Server => (server, &client.written),
        }
    }

    /// Whether all bytes arrive, and both programs run.
    pub fn is_sound(&self) -> bool {
        !self.ends.iter().any(|end| end.gone) && !self.wires.iter().any(|wire| wire.cut)
    }

    /// Whether the side has closed its transport, or is gone.
    pub fn has_ended(&self, side: Side) -> bool {
        self.end(side).gone || self.end(side).is_done() && self.wires[side.peer() as usize].shut
    }

    /// A number that is different if anything differs that decides what can happen.
    pub fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint(SipHasher13::new());
        for end in &self.ends {
            end.fingerprint(&mut hash);
        }
        (&self.wires, self.now, &self.used).hash(&mut hash);
        hash.0.finish128().as_u128()
    }

    /// The earliest deadline that lies ahead.
    pub fn next_deadline(&self) -> Option<Duration> {
        let ends = self.ends.iter().filter(|end| !end.gone);
        let due = ends.filter_map(|end| end.due);
        due.filter(|due| *due > self.now).min()
    }

    /// Whether this can happen now, within the bounds.
    pub fn allows(&self, Action { side, what }: Action) -> bool {
        use What::*;
        let (used, bounds) = (&self.used, &self.bounds);
        let within = match what {
            Text | Begin => used.sends < bounds.sends,
            Ping => used.pings < bounds.pings,
            Close | CloseReason => used.closes < bounds.closes,
            CloseEmpty | Bad => used.foreign < bounds.foreign,
            Gone | Cut => used.cuts < bounds.cuts,
            Pause => used.pauses < bounds.pauses,
            Clock | Half => used.clocks < bounds.clocks,
            Join => used.joins < bounds.joins,
            One => !bounds.whole_reads,
            Finish | Take | Hear | Merge | Wake | All | End => true,
        };
        within && self.can(Action { side, what })
    }

    /// Whether this can happen now.
    pub fn can(&self, Action { side, what }: Action) -> bool {
        use What::*;
        let (end, wire) = (self.end(side), &self.wires[side as usize]);
        if matches!(what, Clock | Half) {
            return self.next_deadline().is_some();
        }
        let under_way = end.written.open.is_some();
        !end.gone
            && match what {
                Text | Begin | Bad => end.is_open() && !under_way,
                Finish => end.is_open() && under_way,
                Ping | Close | CloseReason | CloseEmpty => end.is_open(),
                Pause => !end.paused && !end.read.over,
                Take => end.paused,
                Gone => !end.is_done(),
                Hear => end.notes() > 0,
                Merge => end.notes() > 1,
                Join => end.halves(),
                Wake => end.due.is_some_and(|due| due <= self.now),
                One => wire.bytes.len() > 1,
                All => !wire.bytes.is_empty(),
                Cut => !wire.cut && !wire.told,
                End => {
                    let ended = wire.bytes.is_empty() && (wire.cut || wire.shut);
                    ended && !wire.told && end.system.hears_end()
                }
                Clock | Half => true,
            }
    }

    /// Does it, and checks everything on the way.
    pub fn step(&mut self, action: Action, ledger: &mut Ledger) -> Result<(), Violation> {
        use What::*;
        let Action { side, what } = action;
        self.count(what);
        let number = self.used.sends + self.used.pings;
        let end = &mut self.ends[side as usize];
        match what {
            Text => {
                let text = char::from(0xE0 + number).to_string();
                end.ask(Ask::Text(&text), ledger)?;
            }
            Begin => end.ask(Ask::Begin(&[number]), ledger)?,
            Finish => end.ask(Ask::Finish(b"."), ledger)?,
            Ping => end.ask(Ask::Ping(&[number]), ledger)?,
            Close => end.ask(Ask::Close(1000, ""), ledger)?,
            CloseReason => end.ask(Ask::Close(3000, "r"), ledger)?,
            CloseEmpty => {
                end.ask(Ask::Close(1000, ""), ledger)?;
                end.empty_close();
            }
            Bad => {
                end.ask(Ask::Text("?"), ledger)?;
                end.bad_text();
            }
            Pause => end.paused = true,
            Take => self.ends[side as usize].paused = self.receive(side, ledger)?,
            Hear => end.hear(ledger)?,
            Merge => end.merge(),
            Join => end.join(ledger)?,
            Wake => {}
            One => self.arrive(side, 1, ledger)?,
            All => self.arrive(side, usize::MAX, ledger)?,
            End => {
                self.wires[side as usize].told = true;
                end.end_of_stream(ledger);
                self.drain(side, ledger)?;
            }
            Cut => {
                self.cut(side);
                return Ok(());
            }
            Gone => {
                end.gone = true;
                end.drop_output();
                self.wires[side.peer() as usize].shut = true;
                self.cut(side);
                return Ok(());
            }
            Clock => self.now = self.next_deadline().unwrap_or(self.now),
            Half => {
                let next = self.next_deadline().unwrap_or(self.now);
                self.now += (next - self.now) / 2;
            }
        }
        // The reader of halves knows no time and no output.
        let reads = matches!(what, Pause | Take | One | All | End);
        let sleeps = matches!(what, Pause | Merge | Clock | Half);
        let end = &mut self.ends[side as usize];
        if !(sleeps || reads && end.halves()) {
            end.wake(self.now, ledger)?;
        }
        if !matches!(what, Clock | Half) {
            end.look(ledger)?;
        }
        // What arrived has made room for more.
        self.flush(side.peer());
        self.flush(side);
        Ok(())
    }

    fn count(&mut self, what: What) {
        use What::*;
        let used = &mut self.used;
        let count = match what {
            Text | Begin => &mut used.sends,
            Ping => &mut used.pings,
            Close | CloseReason => &mut used.closes,
            CloseEmpty | Bad => &mut used.foreign,
            Gone | Cut => &mut used.cuts,
            Pause => &mut used.pauses,
            Clock | Half => &mut used.clocks,
            Join => &mut used.joins,
            Finish | Take | Hear | Merge | Wake | One | All | End => return,
        };
        *count += 1;
    }

    fn arrive(&mut self, side: Side, most: usize, ledger: &mut Ledger) -> Result<(), Violation> {
        let bytes = &mut self.wires[side as usize].bytes;
        let n = bytes.len().min(most);
        let bytes: Vec<_> = bytes.drain(..n).collect();
        self.ends[side as usize].arrive(&bytes);
        ledger.tell(|| format!("{n} bytes arrive at the {}", side.name()));
        self.drain(side, ledger)
    }

    /// Takes all events, unless the application has paused.
    fn drain(&mut self, side: Side, ledger: &mut Ledger) -> Result<(), Violation> {
        let (end, peer) = self.end_and_peer(side);
        while !end.paused && end.receive(peer, ledger)? {}
        Ok(())
    }

    /// Takes one event.
    pub fn receive(&mut self, side: Side, ledger: &mut Ledger) -> Result<bool, Violation> {
        let (end, peer) = self.end_and_peer(side);
        end.receive(peer, ledger)
    }

    fn cut(&mut self, side: Side) {
        let wire = &mut self.wires[side as usize];
        wire.cut = true;
        wire.bytes.clear();
        self.flush(side.peer());
    }

    /// Writes as much as the transport takes. At the end of the connection, shuts down writing.
    fn flush(&mut self, side: Side) {
        let wire = &mut self.wires[side.peer() as usize];
        let end = &mut self.ends[side as usize];
        if wire.cut {
            end.drop_output();
        } else if !self.stuck {
            let room = self.bounds.in_flight.saturating_sub(wire.bytes.len());
            wire.bytes.extend(end.flush(room));
        }
        wire.shut |= end.is_done() && end.out.is_empty() && end.system.shuts_down();
    }
}

struct Fingerprint(SipHasher13);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl fmt::Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
