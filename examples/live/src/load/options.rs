//! The options of `live load`.
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Loads chat servers with many clients, and checks that every message arrives once and in order.
///
/// Exit status: 0 if nothing is wrong, 1 if a message was lost, doubled, out of order or changed, or a
/// connection failed, 2 if the load could not start.
#[derive(Parser, Debug, Clone)]
pub struct Load {
    /// URL of a server: ws://HOST:PORT, no TLS and no path. A running server is needed. Can be
    /// repeated: connections are spread over the nodes, and one that is lost resumes at the next node.
    #[arg(
        long = "url",
        default_value = "ws://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub urls: Vec<String>,

    /// Number of connections. Each is another user.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Number of rooms. Each connection is in one of them.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub rooms: u32,

    /// Messages a second, of all senders together.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub rate: u32,

    /// How long to send, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub seconds: u32,

    /// Number of connections that send. Default: all. A sender waits for the acknowledgement before
    /// its next message. Messages that become due while it waits are not sent.
    #[arg(long)]
    pub senders: Option<u32>,

    /// Length of the texts in bytes. Texts have at least about 60 bytes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=2000))]
    pub size: u32,

    /// Connections to cut a second, without a Close frame. They resume. Every second one has just sent
    /// a message, which is not acknowledged yet; the others are chosen at random.
    #[arg(long, default_value_t = 0)]
    pub kill: u32,

    /// Offer compression (permessage-deflate, without context takeover).
    #[arg(long)]
    pub compress: bool,

    /// The framing of the messages.
    #[arg(long, value_enum, default_value_t = Protocol::Live)]
    pub protocol: Protocol,

    /// Connections to open a second, at most.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connect_rate: u32,

    /// Seconds that messages under way, and connections that resume, may take after the last message.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub drain: u32,

    /// Chooses which connections are cut. The same seed chooses the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Process of the server, on this machine: memory and CPU time are read from /proc instead of
    /// /metrics. Can be repeated.
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,

    /// Adds a line with the results to this file. A new file begins with a line of names.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// No progress bar.
    #[arg(long)]
    pub quiet: bool,
}

impl Load {
    /// Messages that are due in all.
    pub fn due(&self) -> u64 {
        match self.senders {
            Some(0) => 0,
            _ => u64::from(self.rate) * u64::from(self.seconds),
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// JSON texts: `live`, and `peers/ws.mjs`.
    Live,
    /// Engine.IO 4 and Socket.IO 5 over WebSocket: `peers/socketio.mjs`.
    #[value(name = "socket.io")]
    SocketIo,
}
