//! Counts bytes at the socket, below TLS, and who caused them.
//!
//! A browser sends requests of several kinds over one connection, so a handler says for whom a request
//! is, by [`Wire::label`]. Requests and responses of HTTP/1.1 take turns: the bytes from the end of a
//! response to the end of the next one belong to one request. They are counted for its [`Traffic`], and
//! for nobody if its handler sets no label.
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that counts its bytes.
pub struct Meter<S> {
    stream: S,
    wire: Wire,
}

/// The counts of one connection: clone it into the extensions of each of its requests.
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

struct Shared {
    bytes_in: Counter,
    bytes_out: Counter,
    turn: Mutex<Turn>,
}

/// Whose turn it is: one request and its response.
#[derive(Default)]
struct Turn {
    label: Option<Arc<Traffic>>,
    /// Read before the label was set.
    unlabelled: u64,
    /// The response has begun, so the next read begins a request.
    answered: bool,
    /// The label stays until the connection ends.
    kept: bool,
}

/// Bytes and requests with the same label.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    requests: AtomicU64,
}

impl Traffic {
    /// Bytes that were read from sockets.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Bytes that were written to sockets.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Relaxed)
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
}

impl<S> Meter<S> {
    /// Counts the bytes of `stream` also in the sums of all connections, `bytes_in` and `bytes_out`.
    pub fn new(stream: S, bytes_in: Counter, bytes_out: Counter) -> Self {
        let wire = Wire(Arc::new(Shared {
            bytes_in,
            bytes_out,
            turn: Mutex::default(),
        }));
        Self { stream, wire }
    }

    pub fn wire(&self) -> Wire {
        self.wire.clone()
    }
}

impl Wire {
    /// The present request and its response belong to `label`, with all bytes. Call it once, in the
    /// handler, before the response begins.
    pub fn label(&self, label: &Arc<Traffic>) {
        self.turn(|turn| {
            label.requests.fetch_add(1, Relaxed);
            label.bytes_in.fetch_add(turn.unlabelled, Relaxed);
            turn.unlabelled = 0;
            turn.label = Some(Arc::clone(label));
            turn.answered = false; // what was written before was not the response: TLS writes by itself
        });
    }

    /// The label stays until the connection ends: for the response 101, after which both sides send
    /// without taking turns.
    pub fn keep(&self) {
        self.turn(|turn| turn.kept = true);
    }

    fn turn<T>(&self, look: impl FnOnce(&mut Turn) -> T) -> T {
        // Counts stay usable if a thread panicked.
        look(&mut self.0.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read(&self, n: u64) {
        if n == 0 {
            return; // the end of the stream begins no request
        }
        self.0.bytes_in.inc_by(n);
        self.turn(|turn| {
            if turn.answered && !turn.kept {
                *turn = Turn::default();
            }
            match &turn.label {
                Some(label) => _ = label.bytes_in.fetch_add(n, Relaxed),
                None => turn.unlabelled += n,
            }
        });
    }

    fn written(&self, n: u64) {
        self.0.bytes_out.inc_by(n);
        self.turn(|turn| {
            turn.answered = true;
            if let Some(label) = &turn.label {
                label.bytes_out.fetch_add(n, Relaxed);
            }
        });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        self.wire.read((buf.filled().len() - before) as u64);
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(result.inspect(|n| self.wire.written(*n as u64)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(result.inspect(|n| self.wire.written(*n as u64)))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    struct Pair {
        server: Meter<DuplexStream>,
        client: DuplexStream,
        sums: (Counter, Counter),
    }

    impl Pair {
        fn new() -> Self {
            let (server, client) = duplex(1 << 16);
            let sums = (Counter::default(), Counter::default());
            let server = Meter::new(server, sums.0.clone(), sums.1.clone());
            Self {
                server,
                client,
                sums,
            }
        }

        /// The client sends `n` bytes, and the server reads them.
        async fn read(&mut self, n: usize) {
            self.client.write_all(&vec![1; n]).await.unwrap();
            self.server.read_exact(&mut vec![0; n]).await.unwrap();
        }

        async fn write(&mut self, n: usize) {
            self.server.write_all(&vec![2; n]).await.unwrap();
        }
    }

    fn counts(traffic: &Traffic) -> (u64, u64, u64) {
        (traffic.bytes_in(), traffic.bytes_out(), traffic.requests())
    }

    #[tokio::test]
    async fn requests_on_one_connection_are_counted_apart() {
        let mut pair = Pair::new();
        let wire = pair.server.wire();
        let (poll, events) = (Arc::new(Traffic::default()), Arc::new(Traffic::default()));
        pair.read(10).await;
        pair.read(3).await; // a head in two parts
        wire.label(&poll);
        pair.read(4).await; // a body
        pair.write(100).await;
        pair.write(50).await;
        assert_eq!(counts(&poll), (17, 150, 1));
        pair.read(1000).await; // a page, without a label
        pair.write(1000).await;
        pair.read(20).await;
        assert_eq!(counts(&events), (0, 0, 0));
        wire.label(&events);
        pair.write(200).await;
        pair.read(30).await;
        wire.label(&poll);
        pair.write(300).await;
        assert_eq!(counts(&events), (20, 200, 1));
        assert_eq!(counts(&poll), (47, 450, 2));
        assert_eq!((pair.sums.0.get(), pair.sums.1.get()), (1067, 1650));
    }

    #[tokio::test]
    async fn what_tls_writes_before_the_handler_runs_is_no_response() {
        let mut pair = Pair::new();
        let wire = pair.server.wire();
        let traffic = Arc::new(Traffic::default());
        pair.read(10).await; // the end of the handshake, and a head
        pair.write(5).await; // tickets
        wire.label(&traffic);
        pair.read(3).await; // the body
        pair.write(7).await;
        assert_eq!(counts(&traffic), (13, 7, 1));
    }

    #[tokio::test]
    async fn an_upgraded_connection_keeps_its_label() {
        let mut pair = Pair::new();
        let wire = pair.server.wire();
        let ws = Arc::new(Traffic::default());
        pair.read(10).await;
        wire.label(&ws);
        wire.keep();
        for _ in 0..3 {
            pair.write(7).await;
            pair.read(5).await;
        }
        assert_eq!(counts(&ws), (25, 21, 1));
    }

    #[tokio::test]
    async fn the_end_of_the_stream_begins_no_request() {
        let mut pair = Pair::new();
        let wire = pair.server.wire();
        let traffic = Arc::new(Traffic::default());
        pair.read(10).await;
        wire.label(&traffic);
        pair.write(1).await;
        pair.client.shutdown().await.unwrap();
        assert_eq!(pair.server.read(&mut [0; 1]).await.unwrap(), 0);
        pair.write(2).await;
        assert_eq!(counts(&traffic), (10, 3, 1));
    }
}
