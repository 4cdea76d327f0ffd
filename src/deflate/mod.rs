//! Compression of messages: permessage-deflate (RFC 7692).
//!
//! Off until both ends ask for it. An end asks with [`Config::deflate`]; the opening negotiates,
//! and from there on messages are compressed and inflated on their way, without any other call.
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use bytes::BytesMut;
//! use websocket_proto::handshake::{client, server};
//! use websocket_proto::{Config, Event, RecvBuf, Seed, deflate::DeflateConfig};
//!
//! let mut config = Config::new();
//! config.deflate = Some(DeflateConfig::new());
//!
//! let request = client::Request::new("ws://example.com/")?;
//! let (mut client_in, mut client_out) = (RecvBuf::new(), BytesMut::new());
//! let seed = Seed::from([7; 32]);                      // Seed::from_os() outside of a test
//! let mut asking = client::Handshake::start(&request, seed, config, &mut client_out)?;
//! # let mut listening = server::Handshake::new(config, server::Origins::SameOrigin);
//! # let (mut server_in, mut server_out) = (RecvBuf::new(), BytesMut::new());
//! # server_in.extend_from_slice(&client_out.split());
//! # let (_, pending) = listening.next(&mut server_in, &mut server_out)?.expect("it is whole");
//! # let mut server = pending.accept(server::Accept::new(), &mut server_out)?;
//! # client_in.extend_from_slice(&server_out.split());
//! // ... the opening, as ever ...
//! # let Some(client::Outcome::Accepted(mut client, _)) = asking.next(&mut client_in)? else { panic!() };
//! assert!(client.deflate().is_some() && server.deflate().is_some());
//!
//! let text = "the same words ".repeat(20);
//! client.send_text(&text, &mut client_out)?;
//! server_in.extend_from_slice(&client_out.split());
//! assert_eq!(server.next_event(&mut server_in, &mut server_out)?, Some(Event::Text(&text)));
//!
//! let received = server.deflate_stats().received;
//! assert!(received.plain == 300 && received.compressed < 30);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is negotiated
//!
//! A client offers `permessage-deflate; client_max_window_bits`, which every server and gateway
//! understands, or what its configuration and [`deflate_offer`] say. A server accepts the first
//! offer that it can keep, within its own configuration ([`DeflateConfig::accept`]); for a single
//! request, [`Accept::deflate`] says otherwise. What came of it is [`Connection::deflate`]. An offer
//! that cannot be accepted is declined, and the connection works without compression; an answer that
//! fits no offer fails the opening, as §5.1 asks for.
//!
//! With *context takeover* (the default) a message may refer to those before it, within the window:
//! the small messages of a chat shrink to a quarter instead of to four fifths, but each connection
//! keeps memory: 330 KB of codecs and 64 KiB of history by default, or only the latter if it
//! [hibernates](Pool::hibernate). Without it every message stands alone, and connections at rest keep
//! nothing.
//!
//! # What is compressed
//!
//! Messages above a size, all of them, or none ([`Compression`]), whatever they consist of: what does
//! not shrink, such as pictures, gets some bytes longer. A message that is sent in pieces is
//! compressed piece by piece, and each is flushed so that the peer can read it at once: small pieces
//! shrink less.
//!
//! # Secrets
//!
//! Compression tells the length of what is encrypted later. Where one message, or with context
//! takeover one connection, has both a secret and text that an attacker chooses, the length says
//! how much of the secret was guessed right, byte by byte: the attacks known as CRIME and BREACH.
//! TLS does not help. Do not compress such messages ([`Connection::set_compression`] changes it from
//! one message to the next; those that are sent plain leave no trace in the window), or turn
//! compression off.
//!
//! # Limits
//!
//! [`Config::max_message_size`] holds for inflated bytes, and while they come out: what would pass
//! it costs the limit and one chunk of 16 KiB, besides the inflater; a message that becomes whole costs twice its length
//! for a moment, while its chunks are joined. The compressed payload of a message may be a quarter
//! longer than the limit and 64 bytes for each of its frames, as not everything gets shorter. What
//! is no valid DEFLATE, ends early, or refers back too far is [`ProtocolError::InvalidDeflate`]. A
//! reference beyond the window that was agreed on is found out only where a codec starts anew.
//!
//! Blocks that call themselves final (§7.2.3.4) are legal in every place, and what follows them may
//! refer to what was before.
//!
//! # Worst-case CPU
//!
//! The most CPU time that a peer can cause per MiB that it sends, in milliseconds. Headers of frames
//! count as bytes sent. All limits have their defaults.
//!
//! | the peer sends | not compressed | with takeover | without takeover |
//! |---|---|---|---|
//! | one binary message of 1 MiB | 0.06 | | |
//! | empty messages | 1 | 8 | 8 |
//! | pings | 5 | | |
//! | empty fragments | 5 | | |
//! | fragments of 1 byte | 7 | 11 | 11 |
//! | messages of one letter | | 17 | 20 |
//! | messages of one empty block | | 19 | 24 |
//! | empty blocks with the fixed codes | | 13 | 13 |
//! | empty blocks, each with codes of its own | | 120 | 120 |
//! | messages of 8 final blocks | | 280 | 35 |
//! | the same, each behind 32 KiB of zeros | | 130 | 110 |
//! | the same, each behind 1 MiB of zeros | | 80 | 75 |
//! | texts of 1 MiB that repeat a character of 1 byte | | 80 | 80 |
//! | the same with a character of 2 bytes | | 1000 | 1000 |
//! | the same with a character of 3 bytes | | 700 | 700 |
//! | the same with a character of 4 bytes | | 600 | 600 |
//!
//! The times are approximate, from one core of one machine: use them as ratios. `benches/worst_case.rs`
//! measures them, in the role of a server that reads 16 KiB at a time and does not reply, except with
//! pongs. Three inputs cost much more than the others:
//!
//! - Long repetitions shrink to a thousandth, so 1 MiB on the wire becomes 1 GiB of text. An inflated
//!   byte takes about 1 ns at most: zlib-rs copies short repetitions byte by byte.
//!   [`Config::max_message_size`] limits one message, but not the sum of many. To limit the sum,
//!   look at `received.plain` of [`Connection::deflate_stats`], and close connections that exceed
//!   what you allow.
//! - After a final block the inflater loads its window anew, 32 KiB, which takes about 0.7 µs.
//!   [`DeflateConfig::max_final_blocks`] limits how often a message can cause this. With 1 the time
//!   is about 120 instead of 280.
//! - A block can bring codes of its own. It then takes 24 bytes on the wire, and about 3 µs for
//!   tables with 1024 entries.
//!
//! # Memory
//!
//! Codecs are made at first use. A compressor takes, in bytes of heap memory on a 64-bit machine:
//!
//! | window bits | memory level 1 | 5 | 8 | 9 |
//! |---|---|---|---|---|
//! | 9 | 137,352 | 150,792 | 251,144 | 365,832 |
//! | 12 | 151,688 | 165,128 | 265,480 | 380,168 |
//! | 15 | 266,376 | 279,816 | 380,168 | 494,856 |
//!
//! An inflater takes 47,680, whatever the window. With context takeover each direction also has a
//! history, of the bytes that were compressed so far but no more than its window, and 40 bytes.
//!
//! Codecs need not stay with a connection at rest: a [`Pool`] lends them to many connections in
//! turn. Without context takeover a connection then holds no heap memory while it rests. With it,
//! the histories stay, 64 KiB at most; and the codecs too, unless the connection
//! [hibernates](Pool::hibernate). In the middle of a message a connection keeps its codec whatever is
//! done: a peer that begins a message and never ends it holds an inflater, besides what
//! [`Config::max_message_size`] allows. What messages are inflated into is the receive buffer's, which
//! [`RecvBuf::release`](crate::RecvBuf::release) gives back.
//!
//! # The library
//!
//! The codec is [zlib-rs], called directly. Below is what it was held against: microseconds a
//! message, on one machine, so to be read as ratios; and how much is left of the message. A chat
//! line has about 150 bytes of JSON; *alone* is without context takeover, at level 6 where nothing
//! else is said.
//!
//! | | zlib-rs, level 4 | zlib-rs | flate2 with zlib-rs | miniz_oxide | libdeflate |
//! |---|---|---|---|---|---|
//! | compress chat | 4.3, 27 % | 5.9, 25 % | as zlib-rs | 23, 33 % | |
//! | chat, alone | 7.5, 79 % | 7.5, 79 % | as zlib-rs | 19, 79 % | 6.7, 79 % |
//! | 64 KiB, alone | 470, 20 % | 1000, 19 % | as zlib-rs | 1800, 19 % | 620, 19 % |
//! | inflate chat | | 0.40 | 0.41 | 2.1 | |
//! | chat, alone | | 1.7 | 1.7 | 2.8 | 2.7 |
//! | 64 KiB, alone | | 44 | 44 | 93 | 36 |
//! | window bits of the compressor | | 9 to 15 | 9 to 15 | 15 | 15 |
//! | memory level | | 1 to 9 | hidden | | |
//! | context takeover, and a limit while inflating | | yes | yes | yes | no |
//! | safe API, no C | | yes | yes | yes | no |
//! | `no_std` | | with C's `malloc` | | yes | |
//!
//! So only zlib-rs itself has all that is negotiated here, at the speed of the best. Level 4 is the
//! default as level 6 takes up to twice as long for a twentieth less. A message of fewer than 60
//! bytes gets longer when it stands alone; with context takeover even shorter ones shrink.
//!
//! The feature includes `std`, as zlib-rs's use of Rust's allocator does.
//!
//! [zlib-rs]: https://docs.rs/zlib-rs
//! [`Config::deflate`]: field@crate::Config::deflate
//! [`Config::max_message_size`]: crate::Config::max_message_size
//! [`Connection::deflate`]: crate::Connection::deflate
//! [`Connection::deflate_stats`]: crate::Connection::deflate_stats
//! [`Connection::set_compression`]: crate::Connection::set_compression
//! [`ProtocolError::InvalidDeflate`]: crate::ProtocolError::InvalidDeflate
//! [`deflate_offer`]: crate::handshake::client::Request::deflate_offer
//! [`Accept::deflate`]: crate::handshake::server::Accept::deflate

#[cfg(feature = "deflate")]
mod deflater;
#[cfg(feature = "deflate")]
mod history;
#[cfg(feature = "deflate")]
mod inflated;
#[cfg(feature = "deflate")]
mod inflater;
#[cfg(not(feature = "deflate"))]
mod off;
mod params;
#[cfg(feature = "deflate")]
mod pool;
#[cfg(feature = "deflate")]
mod stage;

#[cfg(feature = "deflate")]
use alloc::boxed::Box;

#[cfg(feature = "deflate")]
pub use crate::config::Compression;
pub use crate::config::DeflateConfig;
#[cfg(not(feature = "deflate"))]
pub(crate) use off::{Deflater, Inflated, Inflater};
pub use params::Params;
pub(crate) use params::is_deflate;
#[cfg(feature = "deflate")]
use params::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, OWN_MIN_WINDOW_BITS};
#[cfg(feature = "deflate")]
pub(crate) use pool::sealed;
#[cfg(feature = "deflate")]
pub(crate) use {deflater::Deflater, history::History, inflated::Inflated, inflater::Inflater};
#[cfg(feature = "deflate")]
pub use {
    params::NegotiationError,
    pool::{Pool, Pooled},
};

/// The largest window, in bytes (RFC 7692 §7.1.2).
#[cfg(feature = "deflate")]
const WINDOW: usize = 1 << MAX_WINDOW_BITS;

/// Permessage-deflate as it was agreed on, and how this side goes about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreed {
    pub(crate) params: Params,
    pub(crate) config: DeflateConfig,
}

#[cfg(feature = "deflate")]
impl Agreed {
    /// The two halves of one end. Its own compressor keeps to its configuration also where less was
    /// agreed on.
    pub(crate) fn codecs(&self, is_client: bool) -> (Option<Box<Inflater>>, Option<Box<Deflater>>) {
        let Self { params, config } = self;
        // An application that negotiates elsewhere may name windows that do not exist.
        let window = |bits: Option<u8>| {
            let bits = bits.unwrap_or(MAX_WINDOW_BITS);
            bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS)
        };
        let server = (
            window(params.server_max_window_bits),
            !params.server_no_context_takeover,
        );
        let client = (
            window(params.client_max_window_bits),
            !params.client_no_context_takeover,
        );
        let config_of_server = (
            config.server_max_window_bits.max(OWN_MIN_WINDOW_BITS),
            !config.server_no_context_takeover,
        );
        let config_of_client = (
            config.client_max_window_bits.max(OWN_MIN_WINDOW_BITS),
            !config.client_no_context_takeover,
        );
        let (own, limit, peer) = match is_client {
            true => (client, config_of_client, server),
            false => (server, config_of_server, client),
        };
        (
            Some(Box::new(Inflater::new(
                peer.0,
                peer.1,
                *params,
                config.max_final_blocks,
            ))),
            Deflater::new(own.0.min(limit.0), own.1 && limit.1, config).map(Box::new),
        )
    }
}

/// The payloads of the messages that were compressed, in bytes, without frame headers.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use websocket_proto::deflate::ByteCount;
///
/// let bytes = ByteCount { plain: 1000, compressed: 250 };
/// assert_eq!(100 * bytes.compressed / bytes.plain, 25);       // per cent
/// # }
/// ```
// Exhaustive: before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteCount {
    /// As the application sees them.
    pub plain: u64,
    /// As they are on the wire.
    pub compressed: u64,
}

/// What compression did for a connection so far. Messages that were not compressed do not count.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// # use websocket_proto::{Config, Connection, Role};
/// # let ws = Connection::assume_opened(Role::Server, Config::new());
/// use websocket_proto::deflate::Stats;
///
/// let Stats { sent, received } = ws.deflate_stats();
/// println!("sent {} bytes instead of {}", sent.compressed, sent.plain);
/// # }
/// ```
// Exhaustive: there are two directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stats {
    /// What this side sent.
    pub sent: ByteCount,
    /// What this side received.
    pub received: ByteCount,
}
