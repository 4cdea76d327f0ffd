//! The comparison from the side of the client: four readers of one session.
//!
//! | file | what it does |
//! |---|---|
//! | `http.rs` | a connection that sends what a browser sends |
//! | `sse.rs` | reads `text/event-stream` |
//! | `read.rs` | the four transports |
//! | `tally.rs` | what a transport has cost and delivered |
//! | `packets.rs` | how many packets the kernel has sent and received |
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use examples::Failure;
use hyper::Method;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Transport;
use super::answers::{Notification, Opened, Stats};
use super::feed::now;
use crate::server::meter::Meter;

mod http;
mod packets;
mod read;
mod sse;
mod tally;

use http::Http;
pub use read::read;
pub use tally::Tally;

/// A session at a server.
#[derive(Clone)]
pub struct Session {
    /// Host and port.
    address: String,
    id: String,
    /// The readers begin behind this number.
    start: u64,
    /// How far the server's clock is ahead, in µs.
    ahead: i64,
}

impl Session {
    pub async fn open(address: &str, rate: f64) -> Result<Self, Failure> {
        let path = format!("/compare/session?rate={rate}");
        let mut http = Http::connect(address, tcp(address).await?).await?;
        let opened = http.fetch(Method::POST, &path).await?;
        let Opened { session, seq } = serde_json::from_slice(&opened)?;
        Ok(Self {
            address: address.into(),
            id: session,
            start: seq,
            ahead: 0,
        })
    }

    pub fn start(&self) -> u64 {
        self.start
    }

    /// The path of a request that reads behind `after`.
    pub fn path(&self, transport: Transport, after: u64) -> String {
        let (path, id) = (transport.path(), &self.id);
        format!("/compare/{path}?session={id}&after={after}")
    }

    pub async fn stats(&self) -> Result<Stats, Failure> {
        self.ask(&mut self.connect().await?).await
    }

    /// Estimates how far the clock of the server is away: of some requests, the fastest one is the most
    /// exact. The error is at most half of its time.
    pub async fn compare_clocks(mut self) -> Result<Self, Failure> {
        let mut http = self.connect().await?;
        let mut fastest = u64::MAX;
        for _ in 0..10 {
            let begin = now();
            let there = self.ask(&mut http).await?.now;
            let took = now().saturating_sub(begin);
            if took < fastest {
                fastest = took;
                self.ahead = there.cast_signed() - (begin + took / 2).cast_signed();
            }
        }
        Ok(self)
    }

    async fn connect(&self) -> Result<Http, Failure> {
        Http::connect(&self.address, tcp(&self.address).await?).await
    }

    async fn ask(&self, http: &mut Http) -> Result<Stats, Failure> {
        let path = format!("/compare/stats?session={}", self.id);
        let stats = http.fetch(Method::GET, &path).await?;
        Ok(serde_json::from_slice(&stats)?)
    }
}

async fn tcp(address: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("{address}: {error}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The view that one transport has of a session.
pub struct View {
    session: Session,
    /// Between two short polls.
    interval: Duration,
    /// The last notification that is waited for; `None` as long as it is not known.
    last: watch::Receiver<Option<u64>>,
    tally: Mutex<Tally>,
    /// The client's side of the last connection.
    local: Mutex<Option<SocketAddr>>,
}

impl View {
    pub fn new(session: Session, interval: Duration, last: watch::Receiver<Option<u64>>) -> Self {
        Self {
            tally: Mutex::new(Tally::new(session.start)),
            session,
            interval,
            last,
            local: Mutex::new(None),
        }
    }

    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts, for the report.
    pub fn into_tally(self) -> Tally {
        self.tally
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self) -> u64 {
        self.tally().position
    }

    fn take(&self, notification: &Notification) {
        let now = now().saturating_add_signed(self.session.ahead);
        if self
            .last
            .borrow()
            .is_none_or(|last| notification.seq <= last)
        {
            self.tally().take(notification, now);
        }
    }

    /// Opens a connection whose bytes are counted.
    async fn dial(&self) -> Result<Meter<TcpStream>, Failure> {
        let stream = tcp(&self.session.address).await?;
        let local = stream.local_addr()?;
        *self.local.lock().unwrap_or_else(PoisonError::into_inner) = Some(local);
        let mut tally = self.tally();
        tally.connections += 1;
        Ok(Meter::new(stream, tally.down.clone(), tally.up.clone()))
    }

    /// Waits until the last notification is known and has arrived.
    async fn complete(&self) {
        let position = self.position();
        let complete = |last: &Option<u64>| last.is_some_and(|last| position >= last);
        // An error: nobody waits for the result.
        let _ = self.last.clone().wait_for(complete).await;
    }

    /// Keeps the counts of this moment, before the end of the connection.
    async fn finish(&self) {
        let connections = {
            let mut tally = self.tally();
            tally.finish();
            tally.connections
        };
        let local = *self.local.lock().unwrap_or_else(PoisonError::into_inner);
        // The packets of earlier connections are not known any more.
        if connections == 1
            && let Some(local) = local
        {
            let packets = packets::of(local).await;
            self.tally().packets = packets;
        }
    }
}
