//! The bodies of the fuzz targets: functions that panic if the crate breaks a promise for these
//! bytes.
//!
//! Each body has three budgets, and a run that exceeds one fails: the number of calls, the memory, as
//! documented in SECURITY.md, and the work ([`websocket_proto::meter`]). `cargo test --manifest-path fuzz/Cargo.toml` runs the bodies
//! over the seeds and the corpus on a stable compiler, and `fuzz/run.sh` runs the fuzzer.

mod budget;
pub mod corpus;
mod deflate;
mod frame;
mod handshakes;
mod heads;
mod interrupted;
mod node;
mod pair;
mod receive;
mod script;
mod seeds;
mod sending;
#[path = "../../tests/support/mod.rs"]
pub(crate) mod support;
#[cfg(test)]
mod tests;
mod values;

pub use deflate::deflate;
pub use frame::frame;
pub use handshakes::{client_handshake, server_handshake};
pub use pair::pair;
pub use receive::{inflate, receive};
pub use seeds::seeds;
pub use values::values;

/// The body of a target.
pub type Body = fn(&[u8]);

/// Every target of this crate, with its body. (`differential` is another one, with its own judges.)
pub const TARGETS: [(&str, Body); 8] = [
    ("frame", frame),
    ("receive", receive),
    ("pair", pair),
    ("server_handshake", server_handshake),
    ("client_handshake", client_handshake),
    ("inflate", inflate),
    ("deflate", deflate),
    ("values", values),
];
