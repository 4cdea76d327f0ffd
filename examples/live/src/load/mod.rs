//! The load tool: many clients of the chat at once, which check that every message arrives once and in
//! order, also if connections, nodes or the engine die.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | the options of `live load` |
//! | `ledger.rs` | finds what was lost, doubled, out of order or changed: no input or output |
//! | `line.rs` | the text of a message: sender, sequence, time, checksum |
//! | `wire.rs` | the JSON of the chat, plain and in the framing of Socket.IO |
//! | `client.rs` | one client: opens a connection, and another one when that has ended |
//! | `session.rs` | the chat on one connection |
//! | `open.rs` | source addresses, TCP, the handshake, and their limits |
//! | `http.rs` | tokens and metrics of a node |
//! | `probe.rs` | memory and CPU time of the servers |
//! | `run.rs` | the phases of a run |
//! | `report.rs` | what is measured and printed |
//! | `bar.rs` | the command: progress bar, output, exit status |
//!
//! All clients share one thread: no locks, and the rest of the machine is left to the server.
mod bar;
mod client;
mod http;
pub mod ledger;
pub mod line;
mod open;
mod options;
mod probe;
mod report;
mod run;
mod session;
pub mod wire;

pub use bar::main;
pub use options::{Load, Protocol};
pub use report::{Report, Stats};
pub use run::{Phase, Progress, run};
