//! The glue between the engine and a transport: copy the files that you need.
pub mod blocking;
pub mod dial;
#[cfg(target_os = "linux")]
pub mod epoll;
#[cfg(feature = "tls")]
pub mod tls;
pub mod tokio;
