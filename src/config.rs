use core::time::Duration;

/// Every limit and timer of a connection and of its opening, with defaults for a server on the
/// open internet.
///
/// Sizes are in bytes; the timers of a connection are kept to the millisecond, up to 49 days. A
/// limit that a peer passes ends the connection with the close code named beside it; the limits
/// on the opening with a status, or a [`ResponseError`].
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
    /// The longest received message, over all of its fragments. 1 MiB; 1009.
    ///
    /// This bounds the memory that a peer can make a connection hold. A frame that would pass it
    /// is refused when its header arrives, before a byte of the payload is stored.
    pub max_message_size: usize,
    /// The longest payload of one received frame, as it is on the wire, compressed or not. No limit
    /// beside [`max_message_size`](Self::max_message_size); 1009.
    ///
    /// For a peer that is known to fragment: a frame longer than it should send is then an error
    /// at its header.
    pub max_frame_size: usize,
    /// The most frames that one received message may consist of, at least 1. 131,072; 1009.
    ///
    /// Empty fragments cost no memory, but without a limit a message of them never ends. The
    /// default allows 64 MiB in fragments of 512 bytes.
    pub max_fragments: u32,
    /// Messages sent are split into frames of at most this many bytes of payload. Never split by
    /// default; 0 counts as 1.
    ///
    /// For peers that limit the size of a frame.
    pub fragment_size: usize,
    /// Above this many bytes in the output buffer, pongs that follow each other directly are
    /// replaced by the latest. 16 KiB.
    ///
    /// RFC 6455 §5.5.3 allows to answer only the most recent ping. It keeps a flood of pings from
    /// filling the memory while the peer does not read.
    pub pong_backlog: usize,
    /// A ping is sent this often, to learn whether the peer is alive and how far away it is; not
    /// while the last one waits for a sign of life. 20 s; `None` sends none.
    pub ping_interval: Option<Duration>,
    /// How long after such a ping *anything* must have been received. 20 s; 1011.
    ///
    /// A ping that waits in the output buffer is given another period for as long as the peer
    /// takes bytes in front of it.
    pub pong_timeout: Duration,
    /// How long the closing handshake may take, from the Close frame sent to the end of the
    /// stream. 10 s.
    ///
    /// It counts from the call that sends the Close frame, also behind a long output buffer, so
    /// that no peer can put off the end.
    pub close_timeout: Duration,
    /// How long a received message may take, from its first byte. It earns one second more for
    /// each [`min_message_rate`](Self::min_message_rate) bytes of payload that arrive. Default:
    /// 20 s; `None` sets no limit. Exceeding it closes the connection with 1008.
    ///
    /// Without it a peer could make a connection hold an unfinished message for as long as it
    /// answers pings. Set `None` if peers stream endless messages piece by piece.
    pub message_timeout: Option<Duration>,
    /// How many payload bytes per second a message must bring once
    /// [`message_timeout`](Self::message_timeout) is over, as they are on the wire. Default: 500;
    /// 0 counts as 1.
    ///
    /// The defaults are those of Apache's `mod_reqtimeout` for the body of a request.
    pub min_message_rate: u32,
    /// Maximum size of the head of the request or response of the handshake, in bytes. Default:
    /// 16 KiB. A server refuses a longer one with status 431, and a client fails.
    pub max_head_size: usize,
    /// Maximum number of header fields in the handshake. Default: 64. Values above 128 count as
    /// 128. A server refuses more fields with status 431, and a client fails.
    pub max_headers: usize,
    /// Maximum duration of the handshake. Default: 10 s. A server refuses a slower client with
    /// status 408, and a client fails. Bytes that arrive do not extend it.
    pub handshake_timeout: Duration,
    /// Compression of messages, where the peer agrees to it: permessage-deflate (RFC 7692). `None`
    /// neither offers nor accepts it.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            max_message_size: 1 << 20,
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

    /// [`Config::deflate`], where there is such a thing.
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
/// // connection keeps 112 bytes if a `deflate::Pool` takes its codecs back.
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
    /// A client asks the server for it. A server does it, even if the client does not ask.
    pub server_no_context_takeover: bool,
    /// Whether the client compresses without context takeover (§7.1.1.2). Default: false.
    ///
    /// A server asks the client for it. A client does it, even if the server does not ask.
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

/// Which messages are compressed. An empty message is compressed only if it is sent in pieces.
///
/// The decision is made before the first byte of a message is sent. Later messages cannot refer to
/// a message that was sent uncompressed.
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
    /// compressed, because their size is not known.
    Above(usize),
}
