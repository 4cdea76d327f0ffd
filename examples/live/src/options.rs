//! The options of `live serve`.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, value_parser};

/// Serves the chat, the dashboard and the comparison.
#[derive(Parser, Debug, Clone)]
pub struct Serve {
    /// IP address and port to listen on, for example `0.0.0.0:8080` or `[::]:8080`. Port 0: the system
    /// chooses. The first line of output has the address.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "IP:PORT", value_parser = address)]
    pub listen: SocketAddr,

    /// Where channels and their history are: `memory` (this process), `redis://HOST:PORT`,
    /// `redis+unix:///PATH` or `nats://HOST:PORT`. Nodes with the same Redis or NATS share channels.
    #[arg(
        long,
        default_value = "memory",
        value_name = "URL",
        env = "LIVE_ENGINE",
        hide_env_values = true // it can have a password
    )]
    pub engine: String,

    /// Name of this node, which clients see. Default: random.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,

    /// Secret that signs tokens: at least 16 random characters. All nodes need the same one. Default:
    /// random, for a single node.
    #[arg(
        long,
        value_name = "SECRET",
        env = "LIVE_SECRET",
        hide_env_values = true
    )]
    pub secret: Option<String>,

    /// Host of the server as browsers know it, for example `chat.example.com` or
    /// `chat.example.com:8443`, if a proxy is in front of it. Can be repeated. Without a port, all ports
    /// are meant. A web page may connect if its host and port are those of the Host header, and its host
    /// is one of these: so a proxy must pass on Host with its port. If the server listens on a loopback
    /// address, localhost, 127.0.0.1 and `[::1]` are allowed too. If it does not, and the option is not
    /// given, every Host is allowed.
    #[arg(long = "origin", value_name = "HOST[:PORT]")]
    pub origins: Vec<String>,

    /// Serve HTTPS and WSS, with this certificate chain and key (PEM files).
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"], conflicts_with = "tls_self_signed")]
    pub tls: Option<Vec<PathBuf>>,

    /// Serve HTTPS and WSS, with a certificate that is made now. Browsers warn of it.
    #[arg(long)]
    pub tls_self_signed: bool,

    /// Maximum number of connections in all, HTTP and WebSocket. More are refused with 503. With TLS, the
    /// connection is closed. Each needs a file descriptor: see `ulimit -Hn`.
    #[arg(long, default_value_t = 20_000, value_parser = at_least_one())]
    pub max_connections: usize,

    /// Maximum number of chat connections of one user. More are refused with 429.
    #[arg(long, default_value_t = 10, value_parser = at_least_one())]
    pub max_connections_per_user: usize,

    /// Maximum number of rooms that a connection is in.
    #[arg(long, default_value_t = 10, value_parser = at_least_one())]
    pub max_rooms: usize,

    /// Messages that a connection may send per second. Others are refused, and after 20 of these without
    /// a calm second the connection is closed with 1008.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    pub rate: u32,

    /// Messages that a connection may send at once after a pause.
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..))]
    pub burst: u32,

    /// Maximum number of stored messages of a room.
    #[arg(long, default_value_t = 1000, value_parser = at_least_one())]
    pub history: usize,

    /// Maximum age of stored messages, in seconds.
    #[arg(long, default_value = "3600", value_name = "SECONDS", value_parser = some_seconds)]
    pub history_age: Duration,

    /// Memory of the stored messages of all rooms, in MiB: twice their size, and 256 bytes for each. If it
    /// is full, the oldest messages of all rooms are forgotten.
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = mebibytes())]
    pub history_memory: usize,

    /// If a client has more unread messages than this in one room, it is closed with 1013, and can resume.
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u64).range(1..))]
    pub max_lag: u64,

    /// Time that connections have to end at SIGTERM and Ctrl-C, in seconds.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub drain: Duration,

    /// Do not compress messages (permessage-deflate).
    #[arg(long)]
    pub no_deflate: bool,

    /// Write logs as JSON, one object a line. LIVE_LOG sets the level, for example `info` or `live=debug`.
    #[arg(long)]
    pub log_json: bool,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn mebibytes() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1 << 20)
}

fn address(value: &str) -> Result<SocketAddr, &'static str> {
    let expected = "expected IP:PORT, for example 127.0.0.1:8080 or [::1]:8080";
    value.parse().map_err(|_| expected)
}

fn some_seconds(value: &str) -> Result<Duration, String> {
    match seconds(value)? {
        Duration::ZERO => Err("must be more than 0".into()),
        time => Ok(time),
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: f64 = value.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
