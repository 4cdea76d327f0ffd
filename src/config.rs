use core::time::Duration;

/// The limits and timers of a connection and of its handshake. The defaults suit a server on the
/// open internet.
///
/// Sizes are in bytes. If a peer exceeds a limit of the connection, the connection is closed with
/// the close code that the limit names. If it exceeds a limit of the handshake, a server refuses
/// the request with an HTTP status, and a client fails with a [`ResponseError`].
///
/// The timers of a connection are rounded up to whole milliseconds. They are at least 1 ms and at
/// most 49 days.
///
/// ```
/// use std::time::Duration;
/// use websocket_proto::Config;
///
/// let mut config = Config::new();
/// config.max_message_size = 64 << 20;
/// config.ping_interval = Some(Duration::from_secs(60));
/// ```
///
/// [`ResponseError`]: crate::handshake::client::ResponseError
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Maximum size of a received message, all fragments together. For a compressed message it is
    /// the size after inflating. Default: 1 MiB. Exceeding it closes the connection with 1009.
    ///
    /// A frame that would exceed the limit is refused when its header arrives, before any of its
    /// payload is stored. A compressed payload may be a quarter longer, because DEFLATE makes
    /// incompressible data longer.
    ///
    /// The limit bounds the receive memory of a connection:
    ///
    /// - A plain message under way holds at most `max_message_size`, one read (the length given to
    ///   [`RecvBuf::spare`](crate::RecvBuf::spare)), and an incomplete header or control frame (130
    ///   bytes). If reads become longer while the message is that long, an eighth of
    ///   `max_message_size` more. While the memory grows, the old and the new memory exist for a
    ///   moment: up to twice as much.
    /// - A compressed message under way holds its inflated size, one read and 64 KiB. If it is longer
    ///   than 64 KiB, its chunks are joined at the end, and it holds twice its size for a moment.
    /// - The memory of an earlier plain message is given back when a compressed message begins, and
    ///   the other way round, if it exceeds 64 KiB.
    pub max_message_size: usize,
    /// Size up to which a received message is delivered whole, after inflating. Longer messages are
    /// delivered in parts as they arrive, and are never assembled. Default: `usize::MAX`, so every
    /// message is delivered whole.
    ///
    /// The parts are [`Event::TextPart`](crate::Event::TextPart) and
    /// [`BinaryPart`](crate::Event::BinaryPart). The last one is
    /// [`TextEnd`](crate::Event::TextEnd) or [`BinaryEnd`](crate::Event::BinaryEnd). A program that
    /// sets this field must handle them. A part is what one read brings. A program that forwards
    /// parts should join small ones: receivers limit the number of fragments.
    ///
    /// A message then holds at most this much memory, one read, and for a compressed message
    /// 128 KiB, however long it is. So [`max_message_size`](Self::max_message_size) can be
    /// large. It still limits the sum of all parts. For messages that take long, also set
    /// [`message_timeout`](Self::message_timeout), and for messages in many fragments
    /// [`max_fragments`](Self::max_fragments).
    pub parts_above: usize,
    /// Maximum payload size of one received frame, as sent on the wire, compressed or not.
    /// Default: `usize::MAX`, so that only [`max_message_size`](Self::max_message_size) applies.
    /// Exceeding it closes the connection with 1009. It does not limit control frames, which have at
    /// most 125 bytes.
    ///
    /// Set it if you know that your peers send small frames. A longer frame is then refused when
    /// its header arrives.
    pub max_frame_size: usize,
    /// Maximum number of frames in one received message. Default: 131,072; 0 counts as 1.
    /// Exceeding it closes the connection with 1009.
    ///
    /// Empty fragments cost no memory, but without this limit a message of empty fragments could
    /// go on for ever. The default allows 64 MiB in fragments of 512 bytes.
    pub max_fragments: u32,
    /// Maximum payload size of a frame that is sent. Longer messages are split into fragments.
    /// Default: `usize::MAX`, so messages below 4 GiB - 1 are not split. 0 counts as 1, and a value of
    /// 4 GiB or more as 4 GiB - 2.
    ///
    /// Set it for peers that limit the size of a frame.
    pub fragment_size: usize,
    /// Maximum number of unsent bytes in the output buffer up to which every ping is answered. Above
    /// it, a new pong replaces the pong at the end of the buffer; if the end is something else, the
    /// pong is appended. Default: 16 KiB.
    ///
    /// This keeps a flood of pings from filling the memory while the peer does not read. RFC 6455
    /// §5.5.3 allows an endpoint to answer only the most recent ping.
    pub pong_backlog: usize,
    /// The interval of keepalive pings. Default: 20 s; `None` sends no pings. Pings are sent also
    /// while messages arrive.
    ///
    /// A ping checks that the peer is alive and measures the round trip. No ping is sent while the
    /// connection waits for an answer to an earlier one.
    pub ping_interval: Option<Duration>,
    /// Maximum time from a keepalive ping until any byte is received, a pong or not. Default:
    /// 20 s. Exceeding it closes the connection with 1011.
    ///
    /// Time in which you do not read counts as well: a pong that waits in the socket is not seen.
    ///
    /// If the ping is still in the output buffer at that time, and the peer has taken bytes in
    /// front of it, the time starts again. (A ping that was removed with `split` counts as sent.)
    ///
    /// Some peers answer a ping only when their application makes its next call (libcurl, if the
    /// application pulls messages). For such peers, set a longer time.
    pub pong_timeout: Duration,
    /// Maximum duration of the closing handshake. Default: 10 s. If the peer has not answered the
    /// Close frame by then, the connection ends with
    /// [`ProtocolError::CloseTimeout`](crate::ProtocolError::CloseTimeout). A client also waits no
    /// longer for the server to close TCP.
    ///
    /// The time starts at the first [`deadline`] or [`handle_timeout`] after the Close frame was
    /// written to the output buffer. It does not wait until the Close frame is flushed, so a peer
    /// that does not read cannot delay the end.
    ///
    /// [`deadline`]: crate::Connection::deadline
    /// [`handle_timeout`]: crate::Connection::handle_timeout
    pub close_timeout: Duration,
    /// Maximum time in which a received message must be complete. Each
    /// [`min_message_rate`](Self::min_message_rate) bytes of its payload that arrive extend it by
    /// one second. Default: 20 s; `None` sets no limit. Exceeding it closes the connection with
    /// 1008.
    ///
    /// The time starts at the first [`deadline`] or [`handle_timeout`] that sees the message under
    /// way. Time in which you do not read counts as well: if you stop reading because the peer does
    /// not take your output, its own unfinished message can exceed the limit.
    ///
    /// At most 4 GiB of a message extend its time.
    ///
    /// Without this limit, a peer could make a connection hold an unfinished message for as long as
    /// the peer answers pings. Set `None` if your peers stream endless messages piece by piece.
    ///
    /// [`deadline`]: crate::Connection::deadline
    /// [`handle_timeout`]: crate::Connection::handle_timeout
    pub message_timeout: Option<Duration>,
    /// Minimum rate of a received message once [`message_timeout`](Self::message_timeout) has
    /// passed, in bytes per second of payload as sent on the wire. Default: 500; 0 counts as 1.
    ///
    /// The two defaults are those of Apache's `mod_reqtimeout` for the body of a request.
    pub min_message_rate: u32,
    /// Maximum size of the head of the handshake request or response. Default: 16 KiB. A server
    /// refuses a longer request with status 431, and a client fails.
    pub max_head_size: usize,
    /// Maximum number of header fields in the handshake. Default: 64. Values above 128 count as
    /// 128. A server refuses more fields with status 431, and a client fails.
    pub max_headers: usize,
    /// Maximum duration of the handshake. Default: 10 s. A server refuses a slower client with
    /// status 408, and a client fails. Bytes that arrive do not extend it.
    pub handshake_timeout: Duration,
    /// Compression of messages by permessage-deflate (RFC 7692). Default: `None`, which neither
    /// offers nor accepts compression. If it is set, the handshake negotiates compression.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            max_message_size: 1 << 20,
            parts_above: usize::MAX,
            max_frame_size: usize::MAX,
            max_fragments: 1 << 17,
            fragment_size: usize::MAX,
            pong_backlog: 16 << 10,
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(10),
            message_timeout: Some(Duration::from_secs(20)),
            min_message_rate: 500,
            max_head_size: 16 << 10,
            max_headers: 64,
            handshake_timeout: Duration::from_secs(10),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// [`Config::deflate`], or `None` without the feature `deflate`.
    pub(crate) const fn deflate(&self) -> Option<DeflateConfig> {
        #[cfg(feature = "deflate")]
        return self.deflate;
        #[cfg(not(feature = "deflate"))]
        return None;
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// How an endpoint negotiates compression (RFC 7692) and compresses.
///
/// Set it as [`Config::deflate`](field@Config::deflate). The
/// [module documentation](crate::deflate) explains what compression costs.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use websocket_proto::{Config, deflate::{Compression, DeflateConfig}};
///
/// // A server with many connections. Without context takeover, an idle
/// // connection keeps 80 bytes if a `deflate::Pool` takes its codecs back.
/// let mut deflate = DeflateConfig::new();
/// deflate.compression = Compression::Above(200);
/// deflate.server_no_context_takeover = true;
/// deflate.client_no_context_takeover = true;
///
/// let mut config = Config::new();
/// config.deflate = Some(deflate);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// Which messages this side compresses. Default: those above 64 bytes.
    ///
    /// Compression can reveal secrets: see [Secrets](crate::deflate#secrets).
    pub compression: Compression,
    /// Compression level, from 1 (fast) to 9 (small). Default: 4. Other values count as the
    /// nearest.
    ///
    /// With context takeover, level 1 is about eight times as fast for short messages, and its
    /// output is about 25 % longer. Without context takeover, level 1 does not shrink short
    /// messages.
    pub level: u8,
    /// Memory level of the compressor, from 1 (little memory) to 9. Default: 5. Other values count
    /// as the nearest.
    ///
    /// [Compressor](crate::deflate#compressor) lists the bytes. More than 5 gains nothing for
    /// messages below a few KiB, and less than 4 is slow.
    pub mem_level: u8,
    /// Whether the server compresses without context takeover (RFC 7692 §7.1.1.1). Default: false.
    ///
    /// In a client's configuration, it asks the server for it. In a server's configuration, the
    /// server always does it. [Context takeover](crate::deflate#what-is-negotiated) lets a message
    /// refer to earlier ones.
    pub server_no_context_takeover: bool,
    /// Whether the client compresses without context takeover (§7.1.1.2). Default: false.
    ///
    /// In a server's configuration, it asks the client for it. In a client's configuration, the
    /// client always does it.
    pub client_no_context_takeover: bool,
    /// Maximum window of the server's compressor: N stands for 2^N bytes (§7.1.2.1). Default: 15. A
    /// server allows 9 to 15, a client 8 to 15. Other values count as the nearest.
    ///
    /// A client asks the server for it. A server of this crate does not accept an offer with 8,
    /// because zlib cannot compress with so small a window.
    pub server_max_window_bits: u8,
    /// Maximum window of the client's compressor: N stands for 2^N bytes (§7.1.2.2). Default: 15. A
    /// client allows 9 to 15, a server 8 to 15. Other values count as the nearest.
    ///
    /// A server asks the client for it. If it is below 15, the server does not accept offers
    /// without `client_max_window_bits`, because such a client cannot be asked. If a server asks
    /// for 8, a client of this crate sends all its messages uncompressed, because zlib cannot
    /// compress with so small a window.
    pub client_max_window_bits: u8,
    /// Maximum number of DEFLATE blocks marked as final (RFC 7692 §7.2.3.4) in a received message.
    /// Default: 8. Exceeding it closes the connection with 1009.
    ///
    /// A final block is legal everywhere. But after each one the inflater loads its window again:
    /// two bytes on the wire cost about 0.7 µs. Compressors that write final blocks write one per
    /// message.
    pub max_final_blocks: u32,
}

impl DeflateConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            compression: Compression::Above(64),
            level: 4,
            mem_level: 5,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            max_final_blocks: 8,
        }
    }
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Which messages an endpoint compresses. Default: `Above(64)`.
///
/// The decision is made before the first byte of a message is sent. Later messages cannot refer to
/// a message that was sent uncompressed. An empty message is compressed only if it is sent in
/// pieces.
///
/// ```
/// # #[cfg(feature = "deflate")] {
/// use bytes::BytesMut;
/// use websocket_proto::{Config, Connection, Role};
/// use websocket_proto::deflate::{Compression, DeflateConfig, Params};
///
/// let mut ws = Connection::assume_opened(Role::Server, Config::new())
///     .with_deflate(Params::default(), DeflateConfig::new());
/// let mut out = BytesMut::new();
/// ws.set_compression(Compression::Never);
/// ws.send_text("a secret, and text from a stranger", &mut out)?;
/// ws.set_compression(Compression::Above(64));
/// // The bit RSV1 is not set: the message is not compressed.
/// assert_eq!(out[0], 0x81);
/// # }
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
// Exhaustive: before a message is compressed, only its size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// No message.
    Never,
    /// Every message that is not empty.
    Always,
    /// Messages of more than this many bytes. Messages that are sent in pieces are always
    /// compressed, because their size is not known. `Above(0)` is the same as `Always`. Sizes of
    /// 4 GiB and more count as 4 GiB.
    Above(usize),
}
