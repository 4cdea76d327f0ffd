//! Compression, as far as the application of a connection sees it.

use super::Connection;
use crate::deflate::{
    Agreed, Compression, DeflateConfig, Deflater, Inflater, Params, Pooled, Stats, sealed,
};

/// # Compression
///
/// Where both ends have agreed on it: see [`deflate`](crate::deflate).
impl Connection {
    /// The same connection with compression: for one that was
    /// [assumed to be opened](Self::assume_opened), over a stream on which both ends have agreed
    /// to these parameters. Nothing must have been sent or received yet.
    ///
    /// Of the configuration, what is about compressing counts; and what it says about this end's
    /// window and takeover, where less was agreed on. Windows that do not exist count as the nearest.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Role, deflate::DeflateConfig};
    ///
    /// # let fields = ["permessage-deflate; client_max_window_bits"];
    /// let config = DeflateConfig::new();
    /// let mut ws = Connection::assume_opened(Role::Server, Config::new());
    /// // `fields` are the values of Sec-WebSocket-Extensions in the request.
    /// if let Some(params) = config.accept(fields) {
    ///     let answer = format!("Sec-WebSocket-Extensions: {params}\r\n");
    /// #   assert_eq!(answer, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
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

    /// What both ends have agreed on; `None` where they have not.
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.recv.receiver.inflater.as_ref().map(|it| it.agreed())
    }

    /// Which messages are compressed: none, where nothing was agreed on.
    #[must_use]
    pub fn compression(&self) -> Compression {
        let deflater = self.send.sender.deflater.as_ref();
        deflater.map_or(Compression::Never, |it| it.compression())
    }

    /// Sets which messages are compressed, from the next one that is started on: in place of
    /// [`DeflateConfig::compression`]. Does nothing where nothing was agreed on.
    pub fn set_compression(&mut self, compression: Compression) {
        if let Some(deflater) = &mut self.send.sender.deflater {
            deflater.set_compression(compression);
        }
    }

    /// What compression did so far, also for messages that are not whole yet.
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
