//! manual
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod buffer;
mod config;
mod connection;
mod error;
pub mod frame;
pub mod handshake;
mod seed;
mod utf8;

pub use buffer::RecvBuf;
pub use config::Config;
pub use connection::{CloseFrame, Connection, Event, MessageKind, ReadyState, Role};
pub use error::{ProtocolError, SendError};
pub use seed::Seed;
