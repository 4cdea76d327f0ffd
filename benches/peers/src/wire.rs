//! The two ends of every contestant: bytes that arrive, and bytes that leave.
//!
//! A read copies into the contestant's buffer as `read(2)` would, and a write takes everything. Both
//! are calls that are not inlined, so that they cost everyone the same.

use std::{
    hint::black_box,
    io::{self, IoSlice, Read, Write},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one read brings, as from a socket whose receive buffer is that full.
pub const MOST: usize = 64 << 10;

/// Bytes that repeat, and how reads cut them.
#[derive(Debug)]
pub struct Cycle {
    /// Once around, and then [`MOST`] bytes of the beginning, so that a read need not stop there.
    bytes: Vec<u8>,
    len: usize,
    /// Where reads end, ascending, the last at `len`. If it is empty, only the buffer cuts.
    cuts: Vec<usize>,
}

impl Cycle {
    /// # Panics
    ///
    /// If `bytes` is empty, or if there are cuts and the last is not at its end.
    pub fn new(mut bytes: Vec<u8>, cuts: Vec<usize>) -> Self {
        let len = bytes.len();
        assert!(len > 0 && cuts.last().is_none_or(|&last| last == len));
        while bytes.len() < len + MOST {
            let more = (len + MOST - bytes.len()).min(len);
            bytes.extend_from_within(..more);
        }
        Self { bytes, len, cuts }
    }

    /// No bytes at all.
    fn silent() -> Self {
        Self {
            bytes: Vec::new(),
            len: 1,
            cuts: Vec::new(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn cuts(&self) -> &[usize] {
        &self.cuts
    }
}

/// Bytes that arrive. Clones share them.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Arriving>);

// Atomics, because some peers want a transport that could go to another thread. Relaxed loads and
// stores are plain ones.
#[derive(Debug)]
struct Arriving {
    cycle: Arc<Cycle>,
    most: usize,
    at: AtomicUsize,
    left: AtomicUsize,
    next_cut: AtomicUsize,
}

impl Wire {
    /// A wire without bytes. A read brings at most `most` of them, and at most [`MOST`].
    pub fn new(cycle: Arc<Cycle>, most: usize) -> Self {
        Self(Arc::new(Arriving {
            cycle,
            most: most.min(MOST),
            at: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            next_cut: AtomicUsize::new(0),
        }))
    }

    /// Lets the bytes arrive so many times again.
    pub fn refill(&self, cycles: usize) {
        let left = self.0.left.load(Relaxed);
        self.0.left.store(left + cycles * self.0.cycle.len, Relaxed);
    }

    pub fn is_empty(&self) -> bool {
        self.0.left.load(Relaxed) == 0
    }

    /// Drops what has not been read.
    pub fn clear(&self) {
        self.0.left.store(0, Relaxed);
    }

    /// What the next read into a buffer of `room` bytes brings. Empty if nothing is there.
    #[inline(never)]
    pub fn take(&self, room: usize) -> &[u8] {
        let Arriving { cycle, most, .. } = &*self.0;
        let (at, left) = (self.0.at.load(Relaxed), self.0.left.load(Relaxed));
        let mut n = room.min(*most).min(left);
        if !cycle.cuts.is_empty() {
            n = n.min(self.until_cut(at, n));
        }
        let end = at + n;
        self.0.at.store(
            if end < cycle.len {
                end
            } else {
                end % cycle.len
            },
            Relaxed,
        );
        self.0.left.store(left - n, Relaxed);
        &cycle.bytes[at..end]
    }

    fn until_cut(&self, at: usize, room: usize) -> usize {
        let cuts = &self.0.cycle.cuts;
        let next = self.0.next_cut.load(Relaxed);
        let n = (cuts[next] - at).min(room);
        if at + n == cuts[next] {
            self.0.next_cut.store((next + 1) % cuts.len(), Relaxed);
        }
        n
    }

    /// Reads into `buffer`. Returns 0 if nothing is there.
    #[inline(never)]
    pub fn read(&self, buffer: &mut [u8]) -> usize {
        let bytes = self.take(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }
}

/// Where written bytes go: away, or into memory for the check. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Drain(Arc<Leaving>);

#[derive(Debug, Default)]
struct Leaving {
    is_recording: AtomicBool,
    record: Mutex<Vec<u8>>,
    count: AtomicUsize,
}

impl Drain {
    /// A drain that keeps what is written.
    pub fn recording() -> Self {
        let drain = Self::default();
        drain.0.is_recording.store(true, Relaxed);
        drain
    }

    /// Whether this is the correctness pass. A sender that destroys its payload makes it anew then.
    pub fn is_recording(&self) -> bool {
        self.0.is_recording.load(Relaxed)
    }

    /// Returns what was written, and forgets it.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.record.lock().expect("one thread"))
    }

    /// How many bytes were written.
    pub fn count(&self) -> usize {
        self.0.count.load(Relaxed)
    }

    #[inline(never)]
    pub fn write(&self, bytes: &[u8]) {
        black_box(bytes);
        self.count_up(bytes.len());
        if self.is_recording() {
            self.record(bytes);
        }
    }

    /// One write of many slices, as `writev(2)`. Returns their length.
    #[inline(never)]
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> usize {
        black_box(slices);
        let len = slices.iter().map(|it| it.len()).sum();
        self.count_up(len);
        if self.is_recording() {
            slices.iter().for_each(|it| self.record(it));
        }
        len
    }

    fn count_up(&self, n: usize) {
        let count = self.0.count.load(Relaxed);
        self.0.count.store(count + n, Relaxed);
    }

    #[cold]
    fn record(&self, bytes: &[u8]) {
        let mut record = self.0.record.lock().expect("one thread");
        record.extend_from_slice(bytes);
    }
}

/// Both ends as one stream: blocking (it would block if nothing is there), for tokio, and for
/// `futures`.
#[derive(Debug, Clone)]
pub struct Transport {
    pub wire: Wire,
    pub drain: Drain,
}

impl Transport {
    /// A stream on which nothing arrives.
    pub fn silent(drain: Drain) -> Self {
        let wire = Wire::new(Arc::new(Cycle::silent()), MOST);
        Self { wire, drain }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.wire.read(buffer) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.drain.write(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.drain.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.wire.take(buffer.remaining()) {
            [] => Poll::Pending,
            bytes => {
                buffer.put_slice(bytes);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.drain.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.drain.write_vectored(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_io::AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.wire.read(buffer) {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        }
    }
}

impl futures_io::AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.drain.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.drain.write_vectored(slices)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future once, without a runtime. `None` if it waits for bytes.
#[inline]
pub fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads with a buffer of `room` bytes until nothing is left.
    fn reads(wire: &Wire, room: usize) -> Vec<Vec<u8>> {
        let read = || Some(wire.take(room).to_vec()).filter(|it| !it.is_empty());
        std::iter::from_fn(read).collect()
    }

    #[test]
    fn reads_go_on_over_the_end_of_a_cycle() {
        let wire = Wire::new(Arc::new(Cycle::new(b"abcde".to_vec(), vec![])), MOST);
        assert!(reads(&wire, 3).is_empty());
        wire.refill(2);
        assert_eq!(reads(&wire, 3), [&b"abc"[..], b"dea", b"bcd", b"e"]);
        wire.refill(2);
        assert_eq!(reads(&wire, 100), [b"abcdeabcde"]);
    }

    #[test]
    fn cuts_end_reads() {
        let wire = Wire::new(Arc::new(Cycle::new(b"abcde".to_vec(), vec![1, 4, 5])), MOST);
        wire.refill(2);
        let expected = [&b"a"[..], b"bc", b"d", b"e", b"a", b"bc", b"d", b"e"];
        assert_eq!(reads(&wire, 2), expected);
    }
}
