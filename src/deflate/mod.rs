//! Compression of messages: permessage-deflate (RFC 7692).
//!
//! Compression saves bandwidth, and costs CPU time and memory. It is off by default, also with the
//! feature `deflate`. To switch it on, set [`Config::deflate`] before the handshake. If the peer
//! agrees, sent messages are compressed and received messages are inflated. You call the same
//! methods as without compression, and events contain inflated messages.
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! # use bytes::BytesMut;
//! # use websocket_proto::handshake::{client, server};
//! # use websocket_proto::{RecvBuf, Seed};
//! use websocket_proto::{Config, deflate::DeflateConfig};
//!
//! let mut config = Config::new();
//! config.deflate = Some(DeflateConfig::new());
//! // Pass `config` to `handshake::client` or `handshake::server`.
//! # let request = client::Request::new("ws://example.com/")?;
//! # let (mut client_in, mut client_out) = (RecvBuf::new(), BytesMut::new());
//! # let seed = Seed::from([7; 32]);
//! # let mut client = client::Handshake::start(&request, seed, config, &mut client_out)?;
//! # let mut server = server::Handshake::new(config, server::Origins::SameOrigin);
//! # let (mut server_in, mut out) = (RecvBuf::new(), BytesMut::new());
//! # server_in.extend_from_slice(&client_out.split());
//! # let (_, pending) = server.next(&mut server_in, &mut out)?.expect("it is whole");
//! # let mut ws = pending.accept(server::Accept::new(), &mut out)?;
//! # client_in.extend_from_slice(&out.split());
//! # let accepted = client.next(&mut client_in)?;
//! # let Some(client::Outcome::Accepted(mut client, _)) = accepted else { panic!() };
//! # assert!(client.deflate().is_some());
//!
//! // `ws` is the connection that the handshake returned.
//! assert!(ws.deflate().is_some(), "the peer agreed");
//! let text = "the same words ".repeat(20);
//! ws.send_text(&text, &mut out)?;
//!
//! let sent = ws.deflate_stats().sent;
//! assert!(sent.plain == 300 && sent.compressed < 30);
//! # client_in.extend_from_slice(&out.split());
//! # let event = client.next_event(&mut client_in, &mut client_out)?;
//! # assert_eq!(event, Some(websocket_proto::Event::Text(&text)));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Before you switch it on, read two sections: [Secrets](#secrets), because compression can reveal
//! them, and [Memory](#memory), because by default each connection keeps up to 393 kB.
//!
//! # What is negotiated
//!
//! The client makes offers in the handshake, and the server accepts one of them or none.
//!
//! - **A client** offers `permessage-deflate; client_max_window_bits` by default, as browsers
//!   do. [`DeflateConfig`] changes the offer, and [`deflate_offer`] replaces
//!   it by one or more offers of your own. If the server's response fits no offer, the handshake
//!   fails, as RFC 7692 §5.1 requires.
//! - **A server** accepts the first offer that its [`DeflateConfig`] can accept.
//!   [`Accept::deflate`] sets another configuration for a single request. If no offer is
//!   acceptable, the connection works without compression.
//!
//! [`Connection::deflate`] returns the negotiated parameters, or `None`. Each direction has two:
//!
//! - **Context takeover** (on by default): a message can refer to earlier messages of the same
//!   direction. Small chat messages shrink to about 25 % instead of 80 %. In return, each
//!   connection keeps the end of the earlier messages in memory.
//! - **The window**: how many bytes back a message can refer. A window of N bits has 2^N bytes:
//!   from 256 bytes (N = 8) to 32 KiB (N = 15, the default).
//!
//! If the handshake happens elsewhere, negotiate with [`DeflateConfig::accept`] or
//! [`Params::agree`], and call [`Connection::with_deflate`].
//!
//! # What is compressed
//!
//! [`DeflateConfig::compression`] selects the messages that this side compresses: those above a size
//! (by default 64 bytes), all, or none. [`Connection::set_compression`] changes it during the
//! connection. The content of a message does not matter: if it cannot shrink, such as a picture, it
//! becomes a few bytes longer. The peer decides what it compresses itself.
//!
//! If you send a message in pieces ([`Connection::send_fragment`]), each piece is compressed and
//! flushed at once, so that the peer can read it. Small pieces shrink less than a whole message.
//!
//! | one message of JSON | compressed size | time to compress | time to inflate |
//! |---|---|---|---|
//! | chat, 150 bytes, with context takeover | 27 % | 4.3 µs | 0.40 µs |
//! | chat, 150 bytes, without context takeover | 79 % | 7.5 µs | 1.7 µs |
//! | 64 KiB, without context takeover | 20 % | 470 µs | 44 µs |
//!
//! Without context takeover, messages of less than 60 bytes hardly shrink and can become longer.
//!
//! # Secrets
//!
//! Do not compress a secret together with text that an attacker chooses, for example an access
//! token and a search term. Compressed data is shorter if the text repeats a part of the secret.
//! TLS hides the content but not the length, so an attacker who sees the length can guess the
//! secret byte by byte. These attacks are known as CRIME and BREACH.
//!
//! "Together" means in one message. With context takeover it means in one direction of one
//! connection. What is sent on other connections never matters, also not if they share a [`Pool`].
//!
//! Send messages with secrets uncompressed: [`Connection::set_compression`] switches between two
//! messages, and later messages cannot refer to an uncompressed one. Or leave compression off.
//!
//! # Limits
//!
//! - [`Config::max_message_size`] limits the inflated size of a received message. Default: 1 MiB.
//!   Exceeding it closes the connection with 1009. It is checked while the message is inflated.
//! - The compressed payload of a message may be longer than that limit by 25 % and by 64 bytes per
//!   frame, because some data grows when it is compressed. Exceeding this closes the connection
//!   with 1009 when the frame header arrives.
//! - [`DeflateConfig::max_final_blocks`] limits the DEFLATE blocks that are marked as final (RFC
//!   7692 §7.2.3.4) in a received message. Default: 8. Exceeding it closes the connection with
//!   1009. Final blocks are legal at every place of a message, and the data after them can refer to
//!   the data before.
//! - [`Config::max_frame_size`] and [`Config::min_message_rate`] count compressed bytes.
//!
//! If a payload is not valid DEFLATE, is incomplete, or refers to data before the window, the
//! connection closes with 1007 ([`ProtocolError::InvalidDeflate`]). The inflater always keeps the
//! last 32 KiB. If a smaller window was negotiated, a reference beyond it is accepted until the
//! inflater starts again: after a final block, or after a [`Pool`] has taken it. If a message has
//! such a reference and another error, the connection always fails, but the error that is reported
//! can depend on how the message was split into reads.
//!
//! One call of [`Connection::next_event`] inflates about 1 MiB. A window that the inflater loads after a
//! final block counts as well. If more of the message is in the
//! buffer, the call then returns [`Event::Progress`].
//!
//! # Worst-case CPU
//!
//! The CPU time that a peer can cause, in milliseconds per MiB that the peer sends. Frame headers
//! count as sent bytes. A value of 1000 means that 1 MiB per second keeps one core busy. All limits
//! have their defaults.
//!
//! | the peer sends | no compression | with context takeover | without context takeover |
//! |---|---|---|---|
//! | one binary message of 1 MiB | 0.06 | | |
//! | empty messages | 1 | 8 | 8 |
//! | pings | 5 | | |
//! | empty fragments | 5 | | |
//! | fragments of 1 byte | 7 | 11 | 11 |
//! | messages of one letter | | 17 | 20 |
//! | messages of one empty block | | 19 | 24 |
//! | empty blocks with fixed Huffman codes | | 13 | 13 |
//! | empty blocks with dynamic Huffman codes | | 120 | 120 |
//! | messages of 8 final blocks | | 280 | 35 |
//! | messages of 32 KiB of zeros and 8 final blocks | | 130 | 110 |
//! | messages of 1 MiB of zeros and 8 final blocks | | 80 | 75 |
//! | texts of 1 MiB that repeat a character of 1 byte | | 80 | 80 |
//! | texts of 1 MiB that repeat a character of 2 bytes | | 1000 | 1000 |
//! | texts of 1 MiB that repeat a character of 3 bytes | | 700 | 700 |
//! | texts of 1 MiB that repeat a character of 4 bytes | | 600 | 600 |
//!
//! The times are approximate and were measured on one core of one machine: use them as ratios.
//! `benches/worst_case.rs` measures them for a server that reads 16 KiB at a time and sends nothing
//! but pongs. Three inputs cost much more than the others:
//!
//! - **Long repetitions.** They shrink to about 0.1 %, so 1 MiB on the wire becomes 1 GiB of text.
//!   Inflating and validating takes up to 1 ns per inflated byte, because zlib-rs copies short
//!   repetitions byte by byte. [`Config::max_message_size`] limits each message, but not their sum.
//!   To limit the sum, check `received.plain` of [`Connection::deflate_stats`], and close
//!   connections that exceed what you allow.
//! - **Final blocks.** After a final block the inflater loads its window of 32 KiB again, which
//!   takes about 0.7 µs. [`DeflateConfig::max_final_blocks`] limits how often a message can cause
//!   this. If you set it to 1, the 280 in the table becomes about 120.
//! - **Dynamic Huffman codes** (RFC 1951 §3.2.7). An empty block takes 24 bytes on the wire, and
//!   the inflater builds tables of 1024 entries for it, which takes about 3 µs.
//!
//! # Memory
//!
//! A connection that has negotiated compression owns no heap memory before its first compressed
//! message. Then it owns (in bytes, on a 64-bit machine):
//!
//! | what | bytes | from | until |
//! |---|---|---|---|
//! | state, for each direction | 40 | the first compressed message | the end of the connection |
//! | inflater | 47,680 | the first compressed message received | the end, or a [`Pool`] takes it |
//! | compressor | 279,816, see below | the first compressed message sent | the end, or a [`Pool`] takes it |
//! | history, for each direction with context takeover | up to its window (by default 32 KiB), plus 32 | the first compressed message | the end of the connection |
//!
//! A history is a copy of the last bytes of the direction. It grows with the messages, up to the
//! window. A codec that was taken away is later restarted from it.
//!
//! ## 10,000 connections
//!
//! Without a pool each connection keeps its codecs, also without context takeover. With a [`Pool`],
//! the connections of a thread share codecs: lend before you work on a connection, and take back
//! before you wait. [`Pool`] shows the code.
//!
//! Idle connections of a server keep at most this, besides the buffers of the application:
//!
//! | context takeover | codecs | per connection | 10,000 connections |
//! |---|---|---|---|
//! | yes (default) | no pool | 393 kB | 3.9 GB |
//! | yes | [`Pool::hibernate`] | 66 kB | 660 MB |
//! | yes, windows of 12 bits | [`Pool::hibernate`] | 8.4 kB | 84 MB |
//! | no | no pool | 328 kB | 3.3 GB |
//! | no | [`Pool::reclaim`] | 80 bytes | 800 kB |
//!
//! The pool of each thread adds an inflater and, for each window that was negotiated, a compressor.
//!
//! - **Last row:** the example of [`DeflateConfig`] shows the configuration. Small messages shrink
//!   much less.
//! - **Hibernate:** the next message takes longer, about 1 µs to inflate and 30 µs to compress.
//! - **Windows of 12 bits:** set [`DeflateConfig::server_max_window_bits`] and
//!   [`DeflateConfig::client_max_window_bits`]. A server then declines compression if a client does
//!   not let it choose the client's window.
//!
//! A connection in the middle of a message keeps the codec of that direction, whatever you call. So
//! a peer can begin a message and hold an inflater until [`Config::message_timeout`].
//!
//! ## Compressor
//!
//! [`DeflateConfig::mem_level`] and the negotiated window determine the bytes of a compressor:
//!
//! | window bits | memory level 1 | memory level 5 | memory level 8 | memory level 9 |
//! |---|---|---|---|---|
//! | 9 | 137,352 | 150,792 | 251,144 | 365,832 |
//! | 12 | 151,688 | 165,128 | 265,480 | 380,168 |
//! | 15 | 266,376 | 279,816 | 380,168 | 494,856 |
//!
//! The inflater has the same size for every window.
//!
//! ## Received messages
//!
//! Messages are inflated into memory of the [`RecvBuf`](crate::RecvBuf), which
//! [`RecvBuf::release`](crate::RecvBuf::release) frees. An unfinished message takes its inflated
//! length and 64 KiB, so at most [`Config::max_message_size`] and 64 KiB, besides one read. A finished
//! message that is longer than 64 KiB takes twice its length for a moment, while its chunks are
//! joined.
//!
//! # The library
//!
//! The codec is [zlib-rs], called directly. It was compared with other libraries. The first table
//! shows the time for one message in microseconds, and the compressed size in per cent. The times
//! are from one machine: use them as ratios. A chat message has about 150 bytes of JSON. The
//! compression level is 6 if the column does not name another.
//!
//! | task | zlib-rs, level 4 | zlib-rs | flate2 with zlib-rs | miniz_oxide | libdeflate |
//! |---|---|---|---|---|---|
//! | compress chat, with context takeover | 4.3, 27 % | 5.9, 25 % | as zlib-rs | 23, 33 % | |
//! | compress chat, without context takeover | 7.5, 79 % | 7.5, 79 % | as zlib-rs | 19, 79 % | 6.7, 79 % |
//! | compress 64 KiB, without context takeover | 470, 20 % | 1000, 19 % | as zlib-rs | 1800, 19 % | 620, 19 % |
//! | inflate chat, with context takeover | | 0.40 | 0.41 | 2.1 | |
//! | inflate chat, without context takeover | | 1.7 | 1.7 | 2.8 | 2.7 |
//! | inflate 64 KiB, without context takeover | | 44 | 44 | 93 | 36 |
//!
//! | property | zlib-rs | flate2 with zlib-rs | miniz_oxide | libdeflate |
//! |---|---|---|---|---|
//! | window bits of the compressor | 9 to 15 | 9 to 15 | 15 | 15 |
//! | memory level | 1 to 9 | cannot be set | | |
//! | context takeover, and a limit while inflating | yes | yes | yes | no |
//! | safe API, no C | yes | yes | yes | no |
//! | `no_std` | with C's `malloc` | | yes | |
//!
//! Only zlib-rs itself supports everything that is negotiated here, and it is as fast as the best
//! of the others. Level 4 is the default of [`DeflateConfig::level`], because level 6 takes up to
//! twice as long and its output is only about 5 % shorter.
//!
//! The feature `deflate` enables `std`, because zlib-rs needs `std` to use Rust's allocator.
//!
//! [zlib-rs]: https://docs.rs/zlib-rs
//! [`Accept::deflate`]: crate::handshake::server::Accept::deflate
//! [`Config::deflate`]: field@crate::Config::deflate
//! [`Config::max_frame_size`]: crate::Config::max_frame_size
//! [`Config::max_message_size`]: crate::Config::max_message_size
//! [`Config::message_timeout`]: crate::Config::message_timeout
//! [`Config::min_message_rate`]: crate::Config::min_message_rate
//! [`Connection::deflate`]: crate::Connection::deflate
//! [`Connection::deflate_stats`]: crate::Connection::deflate_stats
//! [`Connection::next_event`]: crate::Connection::next_event
//! [`Connection::send_fragment`]: crate::Connection::send_fragment
//! [`Connection::set_compression`]: crate::Connection::set_compression
//! [`Connection::with_deflate`]: crate::Connection::with_deflate
//! [`Event::Progress`]: crate::Event::Progress
//! [`ProtocolError::InvalidDeflate`]: crate::ProtocolError::InvalidDeflate
//! [`deflate_offer`]: crate::handshake::client::Request::deflate_offer

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
mod preparer;
#[cfg(feature = "deflate")]
mod stage;

#[cfg(feature = "deflate")]
pub use crate::config::Compression;
pub use crate::config::DeflateConfig;
#[cfg(not(feature = "deflate"))]
pub(crate) use off::{Deflater, END, Inflated, Inflater, Whole};
pub use params::Params;
#[cfg(feature = "deflate")]
use params::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, OWN_MIN_WINDOW_BITS};
pub(crate) use params::{Offers, is_deflate};
#[cfg(feature = "deflate")]
pub(crate) use pool::sealed;
#[cfg(feature = "deflate")]
pub(crate) use {
    deflater::Deflater,
    history::History,
    inflated::Inflated,
    inflater::{END, Inflater, Whole},
};
#[cfg(feature = "deflate")]
pub use {
    params::NegotiationError,
    pool::{Pool, Pooled},
    preparer::Preparer,
};

/// The largest window, in bytes (RFC 7692 §7.1.2).
#[cfg(feature = "deflate")]
const WINDOW: usize = 1 << MAX_WINDOW_BITS;

/// The negotiated parameters, and the configuration of this side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreed {
    pub(crate) params: Params,
    pub(crate) config: DeflateConfig,
}

#[cfg(feature = "deflate")]
impl Agreed {
    /// Makes the codecs of this side. Its compressor obeys the negotiated parameters and its own
    /// configuration: the smaller window counts, and either of them can forbid context takeover.
    pub(crate) fn codecs(&self, is_client: bool) -> (Option<Inflater>, Option<Deflater>) {
        let Self { params, config } = self;
        // Parameters that were not negotiated by this crate can have invalid window sizes.
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
            Some(Inflater::new(
                peer.0,
                peer.1,
                *params,
                config.max_final_blocks,
            )),
            Deflater::new(own.0.min(limit.0), own.1 && limit.1, config),
        )
    }
}

/// The total payload of all compressed messages of one direction, in bytes. Frame headers and
/// uncompressed messages do not count.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use websocket_proto::deflate::ByteCount;
///
/// let bytes = ByteCount { plain: 1000, compressed: 250 };
/// let per_cent = 100 * bytes.compressed / bytes.plain;
/// assert_eq!(per_cent, 25);
/// # }
/// ```
// Exhaustive: a payload has a size before and a size after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteCount {
    /// The size of the uncompressed payloads.
    pub plain: u64,
    /// The size of the compressed payloads, as they are on the wire.
    pub compressed: u64,
}

/// The effect of compression on a connection so far. [`Connection::deflate_stats`] returns it.
///
/// Uncompressed messages do not count.
///
/// [`Connection::deflate_stats`]: crate::Connection::deflate_stats
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
    /// Messages that this side sent.
    pub sent: ByteCount,
    /// Messages that this side received.
    pub received: ByteCount,
}
