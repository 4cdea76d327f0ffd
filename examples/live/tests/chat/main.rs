//! The chat as its clients see it, over sockets to a server in this process.
mod client;
mod engine;
mod entry;
mod presence;
mod protocol;
mod rooms;
mod slow;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
