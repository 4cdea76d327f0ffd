//! The methods of a connection that concern compression.

use super::Connection;
use crate::deflate::{
    Agreed, Compression, DeflateConfig, Deflater, Inflater, Params, Pooled, Stats, sealed,
};

/// # Compression
///
/// The module [`deflate`](crate::deflate) explains how compression is negotiated and what it costs.
impl Connection {
    /// Switches compression on with parameters that were negotiated elsewhere. Call it directly
    /// after [`assume_opened`](Self::assume_opened), whose configuration must not set `deflate`.
    ///
    /// `params` are the parameters on which both peers have agreed. Window bits outside 8 to 15
    /// count as the nearest. `config` tells how this side compresses, and limits final blocks. It
    /// can also restrict this side's compressor to a smaller window, or to no context takeover.
    ///
    /// # Panics
    ///
    /// If something was already sent, or if [`next_event`](Self::next_event) has already seen
    /// received bytes.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Role, deflate::DeflateConfig};
    ///
    /// # let fields = ["permessage-deflate; client_max_window_bits"];
    /// let config = DeflateConfig::new();
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// // `fields` are the values of Sec-WebSocket-Extensions in the request.
    /// if let Some(params) = config.accept(fields) {
    ///     let field = format!("Sec-WebSocket-Extensions: {params}\r\n");
    ///     // Add `field` to the server's response.
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

    /// The negotiated parameters, or `None` if compression was not negotiated.
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.recv.receiver.inflater.as_ref().map(|it| it.agreed())
    }

    /// Which messages this side compresses. [`Compression::Never`] if compression was not
    /// negotiated, or if this side cannot compress because a window of 8 bits was negotiated.
    #[must_use]
    pub fn compression(&self) -> Compression {
        let deflater = self.send.sender.deflater.as_ref();
        deflater.map_or(Compression::Never, |it| it.compression())
    }

    /// Sets which messages this side compresses, in place of [`DeflateConfig::compression`]. Call
    /// it at any time; it applies to messages that are started afterwards.
    ///
    /// It has no effect if compression was not negotiated, or if a window of 8 bits was negotiated
    /// for this side.
    pub fn set_compression(&mut self, compression: Compression) {
        if let Some(deflater) = &mut self.send.sender.deflater {
            deflater.set_compression(compression);
        }
    }

    /// The effect of compression so far, in bytes. Unfinished messages count as far as they were
    /// compressed or inflated. All zero if compression was not negotiated.
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
