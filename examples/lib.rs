//! What several examples use.
pub mod options;
