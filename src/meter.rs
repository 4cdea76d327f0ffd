//! Counts the work that calls of this crate do, for tests that bound what a peer can cause.
//!
//! Without the feature `__meter` the functions are empty, and the library pays nothing. With it, the
//! count is a function of the bytes and the calls alone: it does not depend on the machine.

#[cfg(feature = "__meter")]
mod on {
    use core::{cell::Cell, ops::Sub};

    /// Work that was done.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Work {
        /// Bytes that were read, written or moved. A byte counts once for each pass over it.
        pub bytes: u64,
        /// Calls, frames, header fields and calls of a codec: what costs time also without bytes.
        pub steps: u64,
    }

    impl Sub for Work {
        type Output = Self;

        fn sub(self, before: Self) -> Self {
            Self {
                bytes: self.bytes - before.bytes,
                steps: self.steps - before.steps,
            }
        }
    }

    /// Bytes of work for each received byte, without compression. Long texts are the worst: they are
    /// unmasked, looked at, moved to their message, checked, and the memory for them grows.
    pub const PLAIN: u64 = 8;

    /// The same with compression. The worst is a final block of two bytes, after which a window of
    /// 32 KiB is loaded again. (A byte can stand for 1,032 inflated ones, which are touched up to
    /// five times.)
    pub const DEFLATE: u64 = (32 << 10) / 2 + PLAIN;

    /// The same in a handshake. The worst are lists of extensions.
    pub const HANDSHAKE: u64 = 16;

    /// The most work that a peer can cause with `received` bytes, of which each can cause `per_byte`:
    /// [`PLAIN`], [`DEFLATE`] or [`HANDSHAKE`].
    ///
    /// The application decides about the rest. `calls` are the calls of the connection and of its
    /// receive buffer: each can read an incomplete header again. `room` is the sum of [`new_room`],
    /// and of [`park`] for each pair of `resume` and `park`.
    #[must_use]
    pub const fn most(per_byte: u64, received: u64, calls: u64, room: u64) -> Work {
        Work {
            bytes: per_byte * received + 20 * calls + 2 * room,
            steps: 3 * received + 4 * calls,
        }
    }

    /// What a pair of `resume` and `park` copies out of a shared buffer and into it again, in bytes of
    /// room, if reads have this length.
    #[must_use]
    pub const fn park(read: usize) -> u64 {
        let part = read as u64 / 8;
        if part > PARK { part } else { PARK }
    }

    /// What [`park`] is at least.
    pub const PARK: u64 = 4 << 10;

    /// The bytes of room that a read, or `resume` with at most [`park`] bytes, needed for itself:
    /// `len`, if the capacity of the buffer has grown, so that new memory was cleared. To clear or to
    /// copy memory without such a need is not allowed for.
    #[must_use]
    pub const fn new_room(before: usize, after: usize, len: usize) -> u64 {
        if after > before { len as u64 } else { 0 }
    }

    impl Work {
        /// Whether it is at most `most`, bytes and steps.
        #[must_use]
        pub const fn is_within(self, most: Self) -> bool {
            self.bytes <= most.bytes && self.steps <= most.steps
        }
    }

    std::thread_local! {
        static WORK: Cell<Work> = const { Cell::new(Work { bytes: 0, steps: 0 }) };
    }

    /// Returns the work of this thread so far.
    #[must_use]
    pub fn work() -> Work {
        WORK.get()
    }

    pub(crate) fn bytes(count: usize) {
        let work = WORK.get();
        WORK.set(Work {
            bytes: work.bytes + count as u64,
            ..work
        });
    }

    pub(crate) fn step() {
        let work = WORK.get();
        WORK.set(Work {
            steps: work.steps + 1,
            ..work
        });
    }
}

#[cfg(feature = "__meter")]
pub use on::{DEFLATE, HANDSHAKE, PARK, PLAIN, Work, most, new_room, park, work};
#[cfg(feature = "__meter")]
pub(crate) use on::{bytes, step};

/// Counts bytes of one pass.
#[cfg(not(feature = "__meter"))]
#[inline(always)]
pub(crate) const fn bytes(_: usize) {}

/// Counts a step.
#[cfg(not(feature = "__meter"))]
#[inline(always)]
pub(crate) const fn step() {}
