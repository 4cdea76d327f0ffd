//! The methods of a connection that concern compression.

use super::Connection;
use crate::deflate::{
    Agreed, Compression, DeflateConfig, Deflater, Inflater, Params, Pooled, Stats, sealed,
};

/// # Compression
///
/// These methods need the feature `deflate`. [`deflate`](crate::deflate) explains compression.
impl Connection {
    /// Returns the connection with compression.
    ///
    /// Call it on a connection of [`assume_opened`](Self::assume_opened) if compression with these
    /// parameters was negotiated. Call it before anything is sent or received.
    ///
    /// `config` tells which messages to compress and how, and how many final blocks to accept. It
    /// can also reduce the window and the context takeover of this endpoint below the negotiated
    /// ones. Window sizes outside 8 to 15 bits count as the nearest.
    ///
    /// # Panics
    ///
    /// If something was sent or received before.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Role, deflate::DeflateConfig};
    ///
    /// # let fields = ["permessage-deflate; client_max_window_bits"];
    /// let config = DeflateConfig::new();
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// // `fields` are the values of Sec-WebSocket-Extensions in the request.
    /// if let Some(params) = config.accept(fields) {
    ///     // A header field of the response.
    ///     let field = format!("Sec-WebSocket-Extensions: {params}\r\n");
    /// #   assert_eq!(field, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ///     ws = ws.with_deflate(params, config);
    /// }
    /// assert!(ws.deflate().is_some());
    /// ```
    #[must_use]
    pub fn with_deflate(mut self, params: Params, config: DeflateConfig) -> Self {
        assert!(
            !self.recv.used && !self.send.sender.used(),
            "with_deflate must be called before anything is received or sent"
        );
        let agreed = Agreed { params, config };
        let (inflater, deflater) = agreed.codecs(self.send.sender.is_client());
        self.recv.receiver.set_inflater(inflater);
        self.send.sender.deflater = deflater;
        self
    }

    /// Returns the negotiated parameters of compression. `None` if compression was not negotiated.
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.recv.receiver.inflater.as_ref().map(|it| it.agreed())
    }

    /// Returns which messages are compressed. [`Compression::Never`] if compression was not
    /// negotiated, or if the negotiated window of this endpoint has only 8 bits.
    #[must_use]
    pub fn compression(&self) -> Compression {
        let deflater = self.send.sender.deflater.as_ref();
        deflater.map_or(Compression::Never, |it| it.compression())
    }

    /// Sets which messages are compressed, from the next message on. It replaces
    /// [`DeflateConfig::compression`]. If compression was not negotiated, it does nothing.
    pub fn set_compression(&mut self, compression: Compression) {
        if let Some(deflater) = &mut self.send.sender.deflater {
            deflater.set_compression(compression);
        }
    }

    /// Returns how many bytes were compressed and inflated so far. Messages under way are included.
    #[must_use]
    pub fn deflate_stats(&self) -> Stats {
        let deflater = self.send.sender.deflater.as_ref();
        let inflater = self.recv.receiver.inflater.as_ref();
        Stats {
            sent: deflater.map(|it| it.bytes()).unwrap_or_default(),
            received: inflater.map(|it| it.bytes()).unwrap_or_default(),
        }
    }
}

impl Pooled for Connection {}

impl sealed::Codecs for Connection {
    fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        let inflater = self.recv.receiver.inflater.as_deref_mut();
        (inflater, self.send.sender.deflater.as_deref_mut())
    }

    fn is_over(&self) -> bool {
        self.is_done()
    }
}
