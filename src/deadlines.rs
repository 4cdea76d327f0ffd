//! The deadlines of many connections, as a binary heap that knows where each key is.

use alloc::vec::Vec;
use core::time::Duration;

/// The deadlines of many connections, for a program that waits for all of them at once.
///
/// With 10,000 connections a program cannot ask each one for its
/// [`deadline`](crate::Connection::deadline) before every wait. It is enough to ask those that it
/// has just used, because the deadline of an unused connection does not change:
///
/// 1. After you have used a connection, [`set`](Self::set) its deadline.
/// 2. Wait for the transport, until [`earliest`](Self::earliest) at most.
/// 3. Call `handle_timeout` of each connection that [`pop_expired`](Self::pop_expired) returns, and
///    then `set` its next deadline.
///
/// A key is the index of a connection, for example in a `Vec` or a slab, or its file descriptor.
/// Keys must be small: the memory is 4 bytes for each key up to the largest one, and 16 bytes for
/// each key that has a deadline, whatever the number of calls. Growth reserves a quarter more. The
/// memory is kept until the value is dropped.
///
/// `set` and `pop_expired` take O(log n) time. `set` takes O(1) if the deadline is the same as
/// before, as it usually is: received bytes do not move the next ping.
///
/// ```
/// use bytes::BytesMut;
/// use std::time::Duration;
/// use websocket_proto::{Config, Connection, Deadlines, RecvBuf, Role};
///
/// struct Client {
///     ws: Connection,
///     input: RecvBuf,
///     out: BytesMut,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seconds = Duration::from_secs;
/// let mut deadlines = Deadlines::new();
/// let mut clients: Vec<_> = (0..3).map(|_| Client {
///     ws: Connection::assume_opened(Role::Server, Config::new()),
///     input: RecvBuf::new(),
///     out: BytesMut::new(),
/// }).collect();
/// for (key, client) in clients.iter_mut().enumerate() {
///     // One arrives each second. A new connection must be set as well.
///     let now = seconds(key as u64);
///     deadlines.set(key, client.ws.deadline(now));
/// }
///
/// // What the transport would report: an instant, a connection, and bytes.
/// let mut reads = vec![(seconds(5), 1, b"\x89\x80\0\0\0\0")].into_iter().peekable();
/// let mut log = Vec::new();
/// loop {
///     // Wait for bytes, until the earliest deadline at most.
///     let wake = deadlines.earliest().unwrap_or(Duration::MAX);
///     let read = reads.next_if(|&(at, ..)| at <= wake);
///     let now = read.map_or(wake, |(at, ..)| at);
/// #   if now > seconds(21) { break }
///     if let Some((_, key, bytes)) = read {
///         let client = &mut clients[key];
///         client.input.extend_from_slice(bytes);
///         while client.ws.next_event(&mut client.input, &mut client.out)?.is_some() {}
///         deadlines.set(key, client.ws.deadline(now));
///     }
///     while let Some(key) = deadlines.pop_expired(now) {
///         let client = &mut clients[key];
///         client.ws.handle_timeout(now, &mut client.out)?;
///         // It is `None` if the connection is done.
///         deadlines.set(key, client.ws.deadline(now));
///         log.push((now.as_secs(), key));
///     }
///     // Flush each `out`, and remove the connections that are done.
/// }
/// // Each connection has sent its keepalive ping, 20 s after it was set.
/// assert_eq!(log, [(20, 0), (21, 1)]);
/// assert_eq!(deadlines.earliest(), Some(seconds(22)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Deadlines {
    /// A binary heap: no entry is due before that at `(index - 1) / 2`.
    heap: Vec<Entry>,
    /// For each key, the index of its entry in `heap`, or `NONE`.
    places: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// In nanoseconds, which is half the size of a `Duration`.
    at: u64,
    key: u32,
}

const NONE: u32 = u32::MAX;

impl Deadlines {
    /// Makes an empty value. It does not allocate.
    pub const fn new() -> Self {
        Self {
            heap: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Sets the deadline of a connection, in place of its earlier one. `None` removes it.
    ///
    /// Call it with the result of [`Connection::deadline`](crate::Connection::deadline), or with
    /// that of a handshake, for each new connection and after each use of one. Call it with `None`
    /// before you drop a connection, so that its key can be used for another one. Instants above 584
    /// years count as 584 years.
    ///
    /// # Panics
    ///
    /// If `key` is 2^32 - 1 or more.
    pub fn set(&mut self, key: usize, deadline: Option<Duration>) {
        let Some(deadline) = deadline else {
            return self.remove(key);
        };
        let place = self.places.get(key).copied().unwrap_or(NONE);
        let at = nanos(deadline);
        if let Some(entry) = self.heap.get_mut(place as usize) {
            let before = core::mem::replace(&mut entry.at, at);
            if before != at {
                self.settle(place as usize);
            }
            return;
        }
        let entry = match u32::try_from(key) {
            Ok(key) if key < NONE => Entry { at, key },
            _ => panic!("the key {key} is too large: keys are indices of connections"),
        };
        if key >= self.places.len() {
            let more = key + 1 - self.places.len();
            reserve(&mut self.places, more);
            self.places.resize(key + 1, NONE);
        }
        reserve(&mut self.heap, 1);
        self.heap.push(entry);
        self.settle(self.heap.len() - 1);
    }

    /// Returns the earliest of all deadlines, or `None` if there is none. Wait no longer than until
    /// this instant: `Clock` (feature `std`) converts it for your wait.
    pub fn earliest(&self) -> Option<Duration> {
        let first = self.heap.first()?;
        Some(Duration::from_nanos(first.at))
    }

    /// Returns the connection with the earliest deadline if it is due at `now`, and removes its
    /// deadline.
    ///
    /// Call it until it returns `None`. For each key call `handle_timeout` of the connection, and
    /// then [`set`](Self::set) its next deadline.
    pub fn pop_expired(&mut self, now: Duration) -> Option<usize> {
        let first = self.heap.first()?;
        if first.at > nanos(now) {
            return None;
        }
        let key = first.key as usize;
        self.remove(key);
        Some(key)
    }

    /// The number of connections that have a deadline.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no connection has a deadline.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn remove(&mut self, key: usize) {
        let Some(place) = self.places.get_mut(key) else {
            return;
        };
        let place = core::mem::replace(place, NONE) as usize;
        if place < self.heap.len() {
            self.heap.swap_remove(place);
            if place < self.heap.len() {
                self.settle(place);
            }
        }
    }

    /// Moves the entry at `index` up or down to where it belongs. All others are in order.
    fn settle(&mut self, mut index: usize) {
        let entry = self.heap[index];
        while index > 0 && entry.at < self.heap[(index - 1) / 2].at {
            index = self.fill(index, (index - 1) / 2);
        }
        while let Some(next) = self.earlier_child(index)
            && self.heap[next].at < entry.at
        {
            index = self.fill(index, next);
        }
        self.put(index, entry);
    }

    fn earlier_child(&self, index: usize) -> Option<usize> {
        let (left, right) = (2 * index + 1, 2 * index + 2);
        let at = |child: usize| self.heap.get(child).map(|entry| entry.at);
        match (at(left)?, at(right)) {
            (first, Some(second)) if second < first => Some(right),
            _ => Some(left),
        }
    }

    /// Moves the entry at `from` to `to`. Returns `from`, which is free now.
    fn fill(&mut self, to: usize, from: usize) -> usize {
        self.put(to, self.heap[from]);
        from
    }

    fn put(&mut self, index: usize, entry: Entry) {
        self.heap[index] = entry;
        self.places[entry.key as usize] = index as u32;
    }
}

/// Reserves a quarter more than is needed, where a `Vec` would reserve twice as much: with many
/// connections this memory counts.
fn reserve<T>(vec: &mut Vec<T>, additional: usize) {
    let needed = vec.len() + additional;
    if needed > vec.capacity() {
        vec.reserve_exact(additional + needed / 4 + 4);
    }
}

fn nanos(instant: Duration) -> u64 {
    u64::try_from(instant.as_nanos()).unwrap_or(u64::MAX)
}
