//! Channels with history, over an engine.

/// Channels with history. See the module.
pub struct MessageBroker {}
