//! How connections are opened: at a bounded speed, a bounded number at once, and from several source
//! addresses if the server is on this machine.
use std::cell::Cell;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use examples::Failure;
use examples::adapters::tokio::Socket;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};
use websocket_proto::Config;
use websocket_proto::deflate::DeflateConfig;
use websocket_proto::handshake::client::Request;

use super::http::Node;
use super::{Load, Protocol};

/// Connections that are opened at once.
const AT_ONCE: usize = 64;
/// Connections of one source address. An address has about 28,000 ports, and ports of closed
/// connections are not free for a minute.
const PER_SOURCE: u32 = 8000;
/// Files besides the connections: those that are opened, HTTP, and the runtime.
const OTHER_FILES: u64 = 200;
/// How long connecting may take, and then joining.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Opens connections.
pub struct Opener {
    config: Config,
    protocol: Protocol,
    sources: usize,
    permits: Semaphore,
    interval: Duration,
    next: Cell<Instant>,
}

/// A connection after the handshake.
pub struct Opened<'a> {
    pub socket: Socket<TcpStream>,
    pub opening: Opening<'a>,
}

/// What a connection needs until its client has joined. Then drop it: another one can be opened.
pub struct Opening<'a> {
    /// Socket.IO sends it in a message.
    pub token: String,
    /// When TCP was started.
    pub start: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Opener {
    pub fn new(options: &Load) -> Self {
        let mut config = Config::new();
        config.ping_interval = None; // the server asks
        config.deflate = options.compress.then(|| {
            let mut deflate = DeflateConfig::new();
            deflate.server_no_context_takeover = true;
            deflate.client_no_context_takeover = true;
            deflate
        });
        Self {
            config,
            protocol: options.protocol,
            sources: options.connections.div_ceil(PER_SOURCE) as usize,
            permits: Semaphore::new(AT_ONCE),
            interval: Duration::from_secs(1) / options.connect_rate,
            next: Cell::new(Instant::now()),
        }
    }

    /// Waits for its turn, and opens a connection. `n` chooses the source address.
    pub async fn open(&self, node: &Node, user: &str, n: usize) -> Result<Opened<'_>, Failure> {
        let permit = self.permits.acquire().await?;
        let at = self.next.get().max(Instant::now());
        self.next.set(at + self.interval);
        sleep_until(at).await;
        let token = node.token(user).await?;
        let url = format!("{}{}", node.url, self.protocol.path(&token));
        let request = Request::new(&url)?;
        let start = Instant::now();
        let opened = timeout(LIMIT, async {
            let stream = self.connect(node.addr, n).await?;
            stream.set_nodelay(true)?;
            Ok::<_, Failure>(Socket::connect(stream, &request, self.config, |_| {}).await?)
        });
        let socket = opened.await.map_err(|_| "connecting took too long")??;
        let opening = Opening {
            token,
            start,
            _permit: permit,
        };
        Ok(Opened { socket, opening })
    }

    async fn connect(&self, addr: SocketAddr, n: usize) -> std::io::Result<TcpStream> {
        if self.sources == 1 || !addr.ip().is_loopback() || addr.is_ipv6() {
            return TcpStream::connect(addr).await;
        }
        let socket = TcpSocket::new_v4()?;
        // 127.0.0.2, 127.0.0.3 …: on Linux all of 127.0.0.0/8 is this machine.
        let source =
            Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + 1 + (n % self.sources) as u32);
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        socket.connect(addr).await
    }
}

/// Fails if the process may not open that many files.
pub fn check_files(connections: u32) -> Result<(), Failure> {
    let needed = u64::from(connections) + OTHER_FILES;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| {
        let numbers = line.strip_prefix("Max open files")?;
        numbers.split_whitespace().next()?.parse::<u64>().ok()
    });
    match limit {
        Some(limit) if limit < needed => Err(format!(
            "{connections} connections need {needed} open files, and {limit} are allowed: \
             run `ulimit -n {needed}` first, for the server as well"
        )
        .into()),
        _ => Ok(()),
    }
}
