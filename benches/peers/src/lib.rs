//! Measures websocket-proto beside other libraries: see README.md.
//!
//! The first modules serve both programs of this package, the one that measures codecs in memory and
//! the one that measures servers.

pub mod clock;
pub mod generate;
pub mod memcpy;
pub mod pattern;
pub mod plot;
pub mod progress;
pub mod quiet;
pub mod stats;

pub mod contestants;
pub mod reader;
pub mod report;
pub mod run;
pub mod tasks;
pub mod wire;
pub mod workloads;
