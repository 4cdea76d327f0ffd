//! Compression, as far as the application of a connection sees it.

use super::Connection;
use crate::deflate::{Agreed, Compression, DeflateConfig, Deflater, Inflater, Params, Stats};

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
        let agreed = Agreed { params, config };
        (self.receiver.inflater, self.sender.deflater) = agreed.codecs(self.sender.is_client());
        self
    }

    /// What both ends have agreed on; `None` where they have not.
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.receiver.inflater.as_ref().map(Inflater::agreed)
    }

    /// Which messages are compressed: none, where nothing was agreed on.
    #[must_use]
    pub fn compression(&self) -> Compression {
        let deflater = self.sender.deflater.as_ref();
        deflater.map_or(Compression::Never, Deflater::compression)
    }

    /// Sets which messages are compressed, from the next one that is started on: in place of
    /// [`DeflateConfig::compression`]. Does nothing where nothing was agreed on.
    pub fn set_compression(&mut self, compression: Compression) {
        if let Some(deflater) = &mut self.sender.deflater {
            deflater.set_compression(compression);
        }
    }

    /// What compression did so far, also for messages that are not whole yet.
    #[must_use]
    pub fn deflate_stats(&self) -> Stats {
        let (inflater, deflater) = (&self.receiver.inflater, &self.sender.deflater);
        Stats {
            sent: deflater.as_ref().map(Deflater::bytes).unwrap_or_default(),
            received: inflater.as_ref().map(Inflater::bytes).unwrap_or_default(),
        }
    }

    pub(crate) fn codecs(&mut self) -> (Option<&mut Inflater>, Option<&mut Deflater>) {
        let (inflater, deflater) = (&mut self.receiver.inflater, &mut self.sender.deflater);
        (inflater.as_mut(), deflater.as_mut())
    }
}
