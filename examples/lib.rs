//! What several examples use.
pub mod adapters;
pub mod backoff;
pub mod echo;
pub mod options;
pub mod stdin;
