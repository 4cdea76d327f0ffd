//! The rooms, and what a connection does in one.
//!
//! Each connection has a task, each room a `tokio::sync::broadcast` channel. The task that receives a
//! message frames and compresses it once; the channel shares it. The sender never waits, so no client
//! can slow down another. Each task decides for its own peer, who can be too slow: `deliver`.
//!
//! A channel for each connection would be a second queue with a second limit. A list of all outputs
//! would need a lock for each connection, and still has to wake its task.
use std::{cell::RefCell, collections::HashMap, future::ready, sync::Mutex};

use examples::adapters::tokio::{Socket, Stream};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio::time::{Duration, Instant};
use tokio::{select, sync::watch};
use websocket_proto::{CloseCode, Config, Delivery, Error, Event, Prepared, deflate::Preparer};

/// Bytes of unsent output above which a peer misses messages. With one more message it is less than
/// the limit of the adapter, which would stop reading.
const LIMIT: usize = 32 << 10;
/// A peer is too slow, and is closed, if its output stays above `LIMIT` for this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that a client may send in `WINDOW`. A faster one could make all others miss messages.
const RATE: u32 = 1000;
const WINDOW: Duration = Duration::from_secs(10);
/// Messages that a room keeps for tasks that had no turn yet.
const QUEUE: usize = 64;

thread_local! {
    static PREPARER: RefCell<Option<Preparer>> = const { RefCell::new(None) };
}

/// The rooms that have clients.
#[derive(Default)]
pub struct Rooms(Mutex<HashMap<String, Sender<Prepared>>>);

impl Rooms {
    pub fn join(&self, path: &str) -> (Sender<Prepared>, Receiver<Prepared>) {
        let mut rooms = self.0.lock().unwrap();
        let room = rooms.entry(path.into());
        let room = room.or_insert_with(|| broadcast::channel(QUEUE).0);
        (room.clone(), room.subscribe())
    }

    /// Call it after the receiver was dropped.
    pub fn leave(&self, path: &str) {
        let mut rooms = self.0.lock().unwrap();
        if (rooms.get(path)).is_some_and(|room| room.receiver_count() == 0) {
            rooms.remove(path);
        }
    }
}

pub async fn talk(
    socket: &mut Socket<impl Stream>,
    config: Config,
    room: &Sender<Prepared>,
    mut messages: Receiver<Prepared>,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Error> {
    let (mut missed, mut full_since) = (0, None);
    let (mut sent, mut since) = (0, Instant::now());
    loop {
        select! {
            event = socket.recv() => {
                let message = match event? {
                    Some(Event::Text(text)) => Prepared::text(text),
                    Some(Event::Binary(bytes)) => Prepared::binary(bytes),
                    Some(_) => continue, // pings are answered already
                    None => return Ok(()),
                };
                if since.elapsed() >= WINDOW {
                    (sent, since) = (0, Instant::now());
                }
                sent += 1;
                if sent > RATE {
                    return expel(socket, "too many messages").await;
                }
                let _ = room.send(prepare(message, config)); // `messages` receives it, too
            }
            message = messages.recv() => {
                if socket.out.len() > LIMIT {
                    // The peer is slow only if it does not take what there is.
                    select! { biased; () = socket.wait() => {} () = ready(()) => {} }
                }
                let full = socket.out.len() > LIMIT;
                full_since = full.then(|| full_since.unwrap_or_else(Instant::now));
                if full_since.is_some_and(|since| since.elapsed() >= PATIENCE) {
                    return expel(socket, "too slow").await;
                }
                match message {
                    Ok(message) => deliver(&message, socket, &mut missed),
                    // This task had no turn for a while. The peer can be as fast as others.
                    Err(RecvError::Lagged(count)) => missed += count,
                    Err(RecvError::Closed) => {} // not while `room` exists
                }
            }
            Ok(()) = stopping.changed() => return socket.close(CloseCode::GOING_AWAY, "").await,
        }
    }
}

async fn expel(socket: &mut Socket<impl Stream>, reason: &str) -> Result<(), Error> {
    eprintln!("a client is closed: {reason}");
    socket.close(CloseCode::POLICY_VIOLATION, reason).await
}

fn prepare(message: Prepared, config: Config) -> Prepared {
    let Some(config) = config.deflate else {
        return message;
    };
    PREPARER.with_borrow_mut(|preparer| {
        message.compressed(preparer.get_or_insert_with(|| Preparer::new(config)))
    })
}

/// Sends a message, unless too much is unsent. The peer is told how many it has missed.
fn deliver(message: &Prepared, socket: &mut Socket<impl Stream>, missed: &mut u64) {
    let Socket { ws, out, .. } = socket;
    if *missed > 0 && out.len() <= LIMIT {
        let _ = ws.send_text(&format!("missed messages: {missed}"), out);
        *missed = 0;
    }
    match ws.send_prepared_within(message, LIMIT, out) {
        Ok(Delivery::Sent | Delivery::Queued) => {}
        Ok(Delivery::Dropped) => *missed += 1,
        Err(_) => {} // the connection is closing
    }
}
