//! The phases of a run: connect, send, wait for the rest, close.
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use examples::Failure;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use websocket_proto::deflate::Pool;

use super::client::{self, Control, Shared};
use super::http::Node;
use super::ledger::Ledger;
use super::open::{Opener, check_files};
use super::probe::Sample;
use super::report::{Report, Stats};
use super::{Load, probe};

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub phase: Phase,
    /// Clients that are in their room.
    pub joined: u64,
    /// Messages that were sent, acknowledged, and delivered to readers.
    pub sent: u64,
    pub acked: u64,
    pub delivered: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Connecting,
    Sending,
    Draining,
    Closing,
}

/// How often progress is told and the end of a phase is looked for.
const TICK: Duration = Duration::from_millis(50);
/// Presence is told up to so long after the last client has joined.
const QUIET: Duration = Duration::from_secs(1);
/// How much longer connecting may take than the options ask for.
const CONNECT: Duration = Duration::from_secs(60);
/// How long after everything is there the same message may come again.
const TWICE: Duration = Duration::from_millis(200);
const CLOSE: Duration = Duration::from_secs(10);

/// Loads the servers. An error means that it could not start. The future is for a runtime with one
/// thread, or for a task of its own thread: it is not `Send`.
pub async fn run(options: &Load, progress: watch::Sender<Progress>) -> Result<Report, Failure> {
    check_files(options.connections)?;
    let local = LocalSet::new();
    local.run_until(all_phases(options, &progress)).await
}

async fn all_phases(options: &Load, progress: &watch::Sender<Progress>) -> Result<Report, Failure> {
    let shared = Rc::new(shared(options).await?);
    let phase = |phase| progress.send_modify(|now| now.phase = phase);
    let before = probe::servers(&shared.nodes, &options.pids).await;
    let own_before = probe::own();

    let clients = options.connections as usize;
    let mut tasks: JoinSet<()> = JoinSet::new();
    for index in 0..clients {
        tasks.spawn_local(client::run(Rc::clone(&shared), index));
    }
    let limit = CONNECT + Duration::from_secs((options.connections / options.connect_rate).into());
    wait(&shared, progress, limit, || shared.joined.get() == clients).await;
    if shared.joined.get() == 0 {
        let stats = shared.stats.borrow();
        let error = stats.first_error();
        return Err(format!("no connection was opened: {error}").into());
    }
    let failed = clients - shared.joined.get();
    sleep(QUIET).await;
    let idle = probe::servers(&shared.nodes, &options.pids).await;

    phase(Phase::Sending);
    let (own_idle, start) = (probe::own(), Instant::now());
    tokio::select! {
        () = pace(&shared) => {}
        () = kill(&shared) => {}
        () = wait(&shared, progress, Duration::MAX, || false) => {}
    }
    let sent_for = start.elapsed();

    phase(Phase::Draining);
    let settled = || shared.joined.get() == clients && shared.ledger.borrow().settled();
    let limit = Duration::from_secs(options.drain.into());
    wait(&shared, progress, limit, settled).await;
    sleep(TWICE).await;
    let loaded = probe::servers(&shared.nodes, &options.pids).await;
    let own = Sample {
        memory: own_idle.memory - own_before.memory,
        cpu: probe::own().cpu - own_idle.cpu,
        used: false,
    };
    let (cpu_for, joined) = (start.elapsed(), shared.joined.get());

    phase(Phase::Closing);
    shared.stopping.set(true);
    (shared.controls.iter()).for_each(|control| control.wake.notify_one());
    _ = timeout(CLOSE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;

    let ledger = shared.ledger.replace(Ledger::new(0, 1));
    let (sent, acked) = ledger.sent();
    Ok(Report {
        connections: options.connections,
        rooms: shared.rooms.len() as u32,
        rooms_asked: options.rooms,
        failed: failed as u32,
        away: (clients - joined) as u32,
        wanted: options.due(),
        sent,
        acked,
        delivered: ledger.delivered(),
        sent_for,
        cpu_for,
        own,
        before,
        idle,
        loaded,
        faults: ledger.finish(),
        stats: shared.stats.take(),
    })
}

async fn shared(options: &Load) -> Result<Shared, Failure> {
    let run = format!("load{:08x}", getrandom::u32()?);
    let mut nodes = Vec::new();
    for url in &options.urls {
        let node = Node::new(url).await?;
        // Not needed, but it shows at once whether there is such a server.
        let token = node.token(&run).await;
        token.map_err(|error| format!("{url}: {error}"))?;
        nodes.push(node);
    }
    let (clients, rooms) = (options.connections, options.rooms.min(options.connections));
    Ok(Shared {
        nodes,
        rooms: (0..rooms).map(|room| format!("{run}-{room}")).collect(),
        run,
        opener: Opener::new(options),
        controls: (0..clients).map(|_| Control::default()).collect(),
        ledger: RefCell::new(Ledger::new(clients as usize, rooms as usize)),
        stats: RefCell::new(Stats::new()),
        pool: RefCell::new(Pool::new()),
        start: Instant::now(),
        joined: Cell::new(0),
        stopping: Cell::new(false),
        cut_sender: Cell::new(false),
        options: options.clone(),
    })
}

/// Waits for a condition, but not longer than `limit`, and tells the progress.
async fn wait(
    shared: &Shared,
    progress: &watch::Sender<Progress>,
    limit: Duration,
    condition: impl Fn() -> bool,
) {
    let mut ticks = interval(TICK);
    let until = async {
        loop {
            ticks.tick().await;
            let ledger = shared.ledger.borrow();
            let (sent, acked) = ledger.sent();
            progress.send_modify(|now| {
                *now = Progress {
                    phase: now.phase,
                    joined: shared.joined.get() as u64,
                    sent,
                    acked,
                    delivered: ledger.delivered(),
                }
            });
            drop(ledger);
            if condition() {
                return;
            }
        }
    };
    _ = timeout(limit, until).await;
}

/// Lets the senders send, one after the other, at the rate of all. It ends when all messages were due.
async fn pace(shared: &Shared) {
    let options = &shared.options;
    let senders = options.senders.unwrap_or(options.connections);
    let senders = u64::from(senders.min(options.connections));
    let (start, rate) = (Instant::now(), f64::from(options.rate));
    for n in 0..options.due() {
        sleep_until(start + Duration::from_secs_f64(n as f64 / rate)).await;
        let control = &shared.controls[(n % senders) as usize];
        control.due.set(true);
        control
            .cut
            .set(shared.cut_sender.take() && control.joined.get());
        control.wake.notify_one();
    }
    sleep_until(start + Duration::from_secs(options.seconds.into())).await;
}

/// Cuts connections: in turn any one, and one that has just sent. It does not end.
async fn kill(shared: &Shared) {
    let options = &shared.options;
    if options.kill == 0 {
        return std::future::pending().await;
    }
    let mut random = options.seed;
    let start = Instant::now();
    for n in 1_u64.. {
        sleep_until(start + Duration::from_secs_f64(n as f64 / f64::from(options.kill))).await;
        if n % 2 == 0 {
            shared.cut_sender.set(true);
            continue;
        }
        let chosen = split_mix(&mut random) % u64::from(options.connections);
        let control = &shared.controls[chosen as usize];
        // One that is not there now cannot be cut.
        if control.joined.get() {
            control.cut.set(true);
            control.wake.notify_one();
        }
    }
}

/// SplitMix64: random enough to choose by, and the same for the same seed.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
