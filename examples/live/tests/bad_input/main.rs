//! Clients that send what they should not: every input gets its documented answer, the others in the
//! room notice nothing, and the memory of the server is bounded.
mod cases;
#[path = "../chat/client.rs"]
mod client;
mod frames;
#[cfg(target_os = "linux")]
mod memory;
mod messages;
mod witness;
