//! The glue between the engine and a transport: copy the files that you need.
pub mod blocking;
pub mod dial;
#[cfg(feature = "tls")]
pub mod tls;
pub mod tokio;
