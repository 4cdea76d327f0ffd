//! The load tool: a client of the chat that checks every message.
