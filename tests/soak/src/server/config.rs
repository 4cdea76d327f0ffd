//! The settings of the server: one for each address that it listens on.

use websocket_proto::{Config, deflate::DeflateConfig};

use crate::scenario::Door;

/// Above this many unsent bytes the server takes no more events of a connection.
pub const HIGH_WATER: usize = 64 << 10;
/// A peer with more unsent bytes misses a broadcast.
pub const BROADCAST_LIMIT: usize = 16 << 10;
/// After so many bytes of one connection the others get their turn.
pub const TURN: usize = 64 << 10;
/// The size of a read.
pub const READ: usize = 16 << 10;
/// The same during the handshake.
pub const HEAD: usize = 2 << 10;
/// How long the server drops input after the end of a connection, in milliseconds.
pub const LINGER: u64 = 20_000;

/// Small enough that peers reach it.
pub const MAX_MESSAGE: usize = 128 << 10;
pub const MAX_FRAGMENTS: u32 = 1024;

pub fn config(door: Door) -> Config {
    let mut config = Config::new();
    config.max_message_size = MAX_MESSAGE;
    config.max_fragments = MAX_FRAGMENTS;
    if door == Door::Parts {
        config.parts_above = 1 << 10;
    }
    config.deflate = door.compresses().then(|| {
        let mut deflate = DeflateConfig::new();
        // Faster, and smaller.
        (deflate.level, deflate.mem_level) = (1, 4);
        let alone = door == Door::Alone;
        deflate.server_no_context_takeover = alone;
        deflate.client_no_context_takeover = alone;
        if door == Door::HalvesTakeover {
            (
                deflate.server_max_window_bits,
                deflate.client_max_window_bits,
            ) = (12, 12);
        }
        deflate
    });
    config
}
