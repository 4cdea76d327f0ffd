//! What follows from a state if from now on nothing unexpected happens. Each function is a fair
//! continuation: it shows that the state is no deadlock, and how soon the connection ends.

use crate::{
    action::{Action, SIDES, Side, What},
    endpoint::PING_INTERVAL,
    ledger::{Ledger, Property, Violation},
    system::Ask,
    world::World,
};

/// A continuation that must end well.
pub type Future = fn(&mut World, &mut Ledger) -> Result<(), Violation>;

pub const FUTURES: [(&str, Future); 4] = [
    (
        "the network delivers everything, and both sides end",
        delivers,
    ),
    (
        "the network delivers everything, and both sides are idle",
        idles,
    ),
    ("the network falls silent", falls_silent),
    ("both streams end", ends),
];

/// More steps than any continuation needs.
const MANY: usize = 2000;

/// The rounds of keepalive that two idle sides must survive.
const ROUNDS: usize = 2;

/// Does a step if it is possible.
fn step(world: &mut World, side: Side, what: What, ledger: &mut Ledger) -> Result<bool, Violation> {
    let action = Action::new(side, what);
    let possible = world.can(action);
    if possible {
        ledger.tell(|| format!("> {action}"));
        world.step(action, ledger)?;
    }
    Ok(possible)
}

/// Does steps of these kinds until none is possible.
fn all(world: &mut World, whats: &[What], ledger: &mut Ledger) -> Result<(), Violation> {
    'again: for _ in 0..MANY {
        for what in whats {
            for side in SIDES {
                if step(world, side, *what, ledger)? {
                    continue 'again;
                }
            }
        }
        return Ok(());
    }
    ledger.check(Property::Ends, false, || "it goes on for ever".into())
}

/// What can happen without the clock.
const NOW: &[What] = &[What::Take, What::Hear, What::All, What::End, What::Wake];

fn is_idle(world: &World) -> bool {
    SIDES.iter().all(|side| world.end(*side).is_open())
}

/// Whatever was written arrives, and timers fire in time. Two idle sides stay connected.
fn idles(world: &mut World, ledger: &mut Ledger) -> Result<(), Violation> {
    all(world, &[What::Finish], ledger)?;
    all(world, NOW, ledger)?;
    for _ in 0..ROUNDS {
        if !is_idle(world) {
            break;
        }
        step(world, Side::Client, What::Clock, ledger)?;
        all(world, NOW, ledger)?;
        ledger.check(Property::Lives, is_idle(world), || {
            "a side was given up, and everything had arrived".into()
        })?;
        for end in SIDES.map(|side| world.end(side)) {
            let answered = end.read.pongs == end.written.pings.len();
            ledger.check(Property::Answers, answered, || {
                format!("the last ping of the {} was not answered", end.side.name())
            })?;
        }
    }
    Ok(())
}

/// Whatever was written arrives, and timers fire in time. If nobody has closed, the client does. Both
/// sides end.
fn delivers(world: &mut World, ledger: &mut Ledger) -> Result<(), Violation> {
    all(world, &[What::Finish], ledger)?;
    all(world, NOW, ledger)?;
    if is_idle(world) {
        step(world, Side::Client, What::Close, ledger)?;
        all(world, NOW, ledger)?;
    }
    let errors = |world: &World| SIDES.map(|side| world.end(side).error);
    let (sound, before) = (world.is_sound(), errors(world));
    for round in 0.. {
        let ended = SIDES.map(|side| world.has_ended(side));
        if ended == [true; 2] {
            break;
        }
        let waits = step(world, Side::Client, What::Clock, ledger)?;
        ledger.check(Property::Ends, waits && round < MANY, || {
            format!("a deadlock: ended are {ended:?}, and nothing is due")
        })?;
        all(world, NOW, ledger)?;
        let lives = errors(world) == before;
        ledger.check(Property::Lives, lives || !sound, || {
            "a side was given up, and everything had arrived".into()
        })?;
    }
    for side in SIDES {
        let (end, peer) = (world.end(side), world.end(side.peer()));
        let clean = end.is_clean() && peer.is_clean();
        let failed = end.error.is_some() || peer.error.is_some();
        ledger.check(Property::Ends, clean || failed || !sound, || {
            format!("the {} does not know the Close frame", side.name())
        })?;
        let all = end.read.messages == peer.written.messages.len();
        ledger.check(Property::Ends, all || !clean, || {
            format!("messages to the {} are missing", side.name())
        })?;
    }
    Ok(())
}

/// No byte arrives any more, and none is taken. Each side ends by its deadline.
fn falls_silent(world: &mut World, ledger: &mut Ledger) -> Result<(), Violation> {
    world.stuck = true;
    all(world, &[What::Take, What::Hear], ledger)?;
    for side in SIDES {
        probe(world, side, ledger)?;
    }
    let start = world.now;
    let patience = SIDES.map(|side| world.end(side).patience());
    loop {
        all(world, &[What::Wake], ledger)?;
        let waits = step(world, Side::Client, What::Clock, ledger)?;
        for side in SIDES {
            let (end, patience) = (world.end(side), patience[side as usize]);
            let late = world.now > start + patience || !waits;
            ledger.check(
                Property::Notices,
                !late || end.gone || end.is_done(),
                || format!("the {} has not ended after {patience:?}", side.name()),
            )?;
        }
        if !waits {
            return Ok(());
        }
    }
}

/// Both sides read the end of the stream at once. Everything is over, and stays so.
fn ends(world: &mut World, ledger: &mut Ledger) -> Result<(), Violation> {
    for side in SIDES {
        step(world, side, What::Cut, ledger)?;
    }
    all(world, &[What::End, What::Take, What::Hear], ledger)?;
    for side in SIDES {
        let end = world.end(side);
        if end.gone {
            continue;
        }
        ledger.check(Property::Cuts, end.is_done(), || {
            format!(
                "the {} is {:?} after the end of the stream",
                side.name(),
                end.state()
            )
        })?;
        for _ in 0..2 {
            probe(world, side, ledger)?;
            world.now += PING_INTERVAL;
        }
        let end = world.end_mut(side);
        end.join(ledger)?;
        end.look(ledger)?;
        world.receive(side, ledger)?;
    }
    Ok(())
}

/// Calls everything that a side that is closing or done must refuse or repeat.
fn probe(world: &mut World, side: Side, ledger: &mut Ledger) -> Result<(), Violation> {
    let now = world.now;
    if world.end(side).read.over {
        world.receive(side, ledger)?;
    }
    let end = world.end_mut(side);
    if end.gone || end.is_open() {
        return Ok(());
    }
    for ask in [
        Ask::Text("x"),
        Ask::Begin(b"x"),
        Ask::Finish(b"x"),
        Ask::Ping(b"x"),
        Ask::Close(1001, "again"),
    ] {
        end.ask(ask, ledger)?;
    }
    end.wake(now, ledger)?;
    end.look(ledger)
}
