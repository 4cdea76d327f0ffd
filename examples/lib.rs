//! What several examples use.
pub mod adapters;
pub mod backoff;
pub mod echo;
pub mod options;
pub mod stdin;

/// Any error, for programs that only print it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
