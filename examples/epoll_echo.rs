//! An echo server for many connections, on one thread and epoll.
use std::time::{Duration, Instant};
use std::{env, error::Error, fs};

use peak_alloc::PeakAlloc;
use websocket_proto::handshake::server::{Handshake, Origins};
use websocket_proto::{Config, Connection, Event};

use examples::adapters::epoll::{App, Epoll, Peers, listen};
use examples::options::{self, HELP};

/// Counts the bytes that the program owns, for `--stats`.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

struct Echo {
    config: Config,
    open: usize,
}

impl App for Echo {
    fn handshake(&mut self) -> Handshake {
        Handshake::new(self.config, Origins::Any) // an echo protects no user data
    }

    fn on_open(&mut self, _: usize, _: &mut Peers) {
        self.open += 1;
    }

    fn on_event(&mut self, key: usize, event: Event<'_>, peers: &mut Peers) {
        // It fails if our Close frame was sent: then nothing may follow.
        let _ = peers.with(key, |ws, out| match event {
            Event::Text(text) => ws.send_text(text, out),
            Event::Binary(bytes) => ws.send_binary(bytes, out),
            _ => Ok(()),
        });
    }

    fn on_close(&mut self, _: usize, ws: &Connection, _: &mut Peers) {
        self.open -= 1;
        if let Some(error) = ws.error() {
            eprintln!("connection: {error}");
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (config, args) = options::parse(env::args().skip(1))?;
    let (flags, args): (Vec<_>, Vec<_>) = args.into_iter().partition(|it| it.starts_with('-'));
    let has = |flag| flags.iter().any(|it| it == flag);
    if has("--help") {
        println!("usage: epoll_echo [OPTIONS] [127.0.0.1:9001]\n\n{HELP}");
        println!("  --shared                 share the address with other processes");
        println!("  --stats                  print the memory of the connections each second");
        return Ok(());
    }
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    let listener = addr.parse().map(|addr| listen(addr, has("--shared")));
    let listener = listener.map_err(|error| format!("{addr}: {error}"))?;
    let listener = listener.map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut server = Epoll::new(Echo { config, open: 0 }, listener)?;
    let (base, mut printed) = (Memory::now(), Instant::now());
    loop {
        server.turn(Duration::from_secs(1))?;
        if has("--stats") && printed.elapsed() >= Duration::from_secs(1) {
            base.print(server.app.open);
            printed = Instant::now();
        }
    }
}

struct Memory {
    owned: usize,
    resident: usize,
}

impl Memory {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Self {
            owned: MEMORY.current_usage(),
            resident: number.unwrap_or(0) << 10,
        }
    }

    /// Prints what was added since.
    fn print(&self, connections: usize) {
        let Self { owned, resident } = Self::now();
        let each = |now: usize, base: usize| now.saturating_sub(base) / connections.max(1);
        println!(
            "{connections} connections: {} bytes each on the heap, {} bytes each resident",
            each(owned, self.owned),
            each(resident, self.resident),
        );
    }
}
