//! The soak: a seeded simulation of one server program with thousands of connections, some of them
//! hostile. There are no sockets and there is no clock, so a run is a function of its seed.
//!
//! ```text
//!            scenario: what each connection does, from the seed and its number
//!               │
//!   peer ──▶ network ──▶ server ──▶ network ──▶ peer      world: clock and scheduler
//!     │                    │ ▲                   │
//!     └─────── checks ◀────┘ └ memory, work ─────┘        report · shrink
//! ```
//!
//! - `scenario`: the plans of all connections
//! - `content`: what is in each message
//! - `network`: delay, splitting, loss, windows
//! - `peer`: honest clients, and a table of attacks
//! - `server`: the program under test
//! - `checks`, `budget`: what must hold for a connection, and the limits of memory and work of
//!   the whole server
//! - `world`, `state`, `kernel`: clock, scheduler, and the operating system of the server
//! - `run`, `report`, `shrink`: runs, what is printed of them, and failures made small

mod budget;
mod checks;
mod content;
mod kernel;
mod network;
mod peer;
mod random;
pub mod report;
pub mod run;
pub mod scenario;
mod server;
pub mod shrink;
mod state;
mod world;

#[path = "../../support/mod.rs"]
mod support;
