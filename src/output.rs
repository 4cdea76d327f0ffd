//! The output buffer.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// The buffer to which a connection appends its frames: a [`BytesMut`](bytes::BytesMut) or an
/// [`OutQueue`] of the caller.
///
/// Methods that write take `out: &mut dyn Output`. Pass a `&mut BytesMut` or a `&mut OutQueue`. Only
/// this crate implements the trait.
///
/// The caller writes `out` to the transport, and removes from its front what the transport has
/// taken, with [`advance`](bytes::Buf::advance) or, for a `BytesMut`,
/// [`split`](bytes::BytesMut::split).
///
/// - Do not move unsent bytes to a queue of your own. The connection could not see that queue, so
///   [`Config::pong_backlog`](crate::Config::pong_backlog) would not limit it, and a flood of pings
///   could fill it.
/// - Do not add bytes. The connection compares [`unsent`](Self::unsent) between calls. With bytes
///   of yours it could not see that a slow peer has read something, and could end the connection
///   with [`PongTimeout`](crate::ProtocolError::PongTimeout).
/// - Do not let the transport keep a reference while the connection is called, and do not use one that
///   must be called again with the same bytes: the last pong in the buffer can be replaced. For such
///   a transport, take the bytes out with `split`.
///
/// ```
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Output, Role};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = BytesMut::new();
/// ws.send_text("Hello", &mut out)?;
/// assert_eq!(out.unsent(), 7);
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
pub trait Output: sealed::Tail {
    /// Returns the number of bytes that were appended and not removed yet.
    fn unsent(&self) -> usize;
}

impl Output for BytesMut {
    #[inline]
    fn unsent(&self) -> usize {
        self.len()
    }
}

/// An output buffer that keeps long payloads as [`Bytes`](bytes::Bytes), without copying them.
///
/// Use it if many peers get the same long messages, or if long messages wait for slow peers: a
/// message that waits costs 40 bytes for each peer instead of its length. With short messages a
/// [`BytesMut`](bytes::BytesMut) is simpler and as fast.
///
/// [`Connection::send_bytes`] and [`Connection::send_prepared`] of a server share payloads, and
/// prepared frames, of 1 KiB and more. Shorter ones are copied, because copying them is cheaper.
/// Everything else that a connection appends is copied as well.
///
/// To flush the queue, use it as a [`Buf`](bytes::Buf): [`chunks_vectored`] fills the slices for a
/// vectored write (with the feature `std`; without it, it fills only one), and
/// [`advance`](bytes::Buf::advance) removes what was written. tokio's `write_buf` does both. A
/// payload is freed when its last byte is removed from the last queue. If a `Bytes` is a part of
/// a larger buffer, the whole buffer stays in memory until then.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use std::io::{IoSlice, Write};
///
/// use bytes::{Buf, Bytes};
/// use websocket_proto::{Config, Connection, MessageKind, OutQueue, Output, Role};
///
/// let image = Bytes::from(vec![7; 100_000]);
/// let mut socket = Vec::new(); // or a TcpStream
/// let mut ws = Connection::assume_opened(Role::Server, Config::new());
/// let mut out = OutQueue::new();
/// ws.send_text("an image follows", &mut out)?;
/// ws.send_bytes(MessageKind::Binary, &image, &mut out)?;
///
/// while out.unsent() > 0 {
///     let mut slices = [IoSlice::new(&[]); 8];
///     let count = out.chunks_vectored(&mut slices);
///     let written = socket.write_vectored(&slices[..count])?;
///     out.advance(written);
/// }
/// assert!(socket.ends_with(&image));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Connection::send_bytes`]: crate::Connection::send_bytes
/// [`Connection::send_prepared`]: crate::Connection::send_prepared
/// [`chunks_vectored`]: bytes::Buf
#[derive(Default)]
pub struct OutQueue {
    /// All bytes that were copied. Shared payloads are in between.
    copied: BytesMut,
    shared: VecDeque<Shared>,
    /// The length of `copied` up to the last shared payload.
    placed: usize,
    /// The length of all shared payloads.
    shared_len: usize,
}

/// A payload that was not copied.
struct Shared {
    /// The number of copied bytes between the shared payload before and this one.
    gap: usize,
    bytes: Bytes,
}

impl OutQueue {
    /// The length from which payloads are shared, in bytes. Below it a copy is cheaper: see
    /// `benches/broadcast.rs`.
    const SHARED: usize = 1 << 10;

    /// Makes an empty queue, which owns no heap memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes in their order, in slices that are not empty.
    #[cfg(feature = "std")]
    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut copied = &self.copied[..];
        let shared = self.shared.iter().flat_map(move |shared| {
            let (gap, rest) = copied.split_at(shared.gap);
            copied = rest;
            [gap, &shared.bytes]
        });
        let chunks = shared.chain([&self.copied[self.placed..]]);
        chunks.filter(|chunk| !chunk.is_empty())
    }
}

impl Output for OutQueue {
    #[inline]
    fn unsent(&self) -> usize {
        self.copied.len() + self.shared_len
    }
}

/// Reads and removes the unsent bytes from the front.
impl Buf for OutQueue {
    fn remaining(&self) -> usize {
        self.unsent()
    }

    fn chunk(&self) -> &[u8] {
        match self.shared.front() {
            Some(Shared { gap: 0, bytes }) => bytes,
            Some(Shared { gap, .. }) => &self.copied[..*gap],
            None => &self.copied,
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(self.chunks());
        pairs
            .map(|(slice, chunk)| *slice = std::io::IoSlice::new(chunk))
            .count()
    }

    /// Removes bytes from the front.
    ///
    /// # Panics
    ///
    /// If `count` is more than [`unsent`](Output::unsent).
    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.shared.front_mut() {
            let copied = count.min(front.gap);
            self.copied.advance(copied);
            front.gap -= copied;
            self.placed -= copied;
            count -= copied;
            if count < front.bytes.len() {
                front.bytes.advance(count);
                self.shared_len -= count;
                return;
            }
            count -= front.bytes.len();
            self.shared_len -= front.bytes.len();
            self.shared.pop_front();
        }
        self.copied.advance(count);
    }
}

/// Shows sizes only: messages are private and must not appear in logs.
impl fmt::Debug for OutQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutQueue")
            .field("unsent", &self.unsent())
            .field("shared", &self.shared.len())
            .finish_non_exhaustive()
    }
}

pub(crate) mod sealed {
    use bytes::{Bytes, BytesMut};

    use super::{OutQueue, Shared};
    use crate::meter;

    pub trait Tail {
        /// The buffer to append to. If a frame was appended last, and no shared bytes since, it ends
        /// with that frame.
        fn tail(&mut self) -> &mut BytesMut;

        /// Appends `bytes`, without copying them if sharing them is cheaper.
        fn share(&mut self, bytes: &Bytes);
    }

    impl Tail for BytesMut {
        #[inline]
        fn tail(&mut self) -> &mut BytesMut {
            self
        }

        #[inline]
        fn share(&mut self, bytes: &Bytes) {
            meter::bytes(bytes.len());
            self.extend_from_slice(bytes);
        }
    }

    impl Tail for OutQueue {
        #[inline]
        fn tail(&mut self) -> &mut BytesMut {
            &mut self.copied
        }

        fn share(&mut self, bytes: &Bytes) {
            if bytes.len() < Self::SHARED {
                return self.copied.share(bytes);
            }
            self.shared.push_back(Shared {
                gap: self.copied.len() - self.placed,
                bytes: bytes.clone(),
            });
            self.placed = self.copied.len();
            self.shared_len += bytes.len();
        }
    }
}
