//! Decisions made of bytes.

use core::time::Duration;

use websocket_proto::{
    Config,
    deflate::{Compression, DeflateConfig, Params},
};

/// Takes decisions from the front of the bytes. If no byte is left, each decision is the first
/// option.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn number(&mut self, below: usize) -> usize {
        usize::from(self.byte()) % below
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.number(2) == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.number(options.len())]
    }

    /// The next bytes, at most so many.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let len = most.min(self.0.len());
        self.0.split_off(..len).unwrap_or_default()
    }

    /// The next bytes, as many as the next byte says.
    pub(crate) fn some(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.bytes(len)
    }

    /// The same as text, up to the first byte that is not UTF-8.
    pub(crate) fn text(&mut self) -> &'a str {
        let bytes = self.some();
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// A configuration: each field is usual, 0, 1, small or maximal. The first byte tells how many
    /// fields are not usual.
    pub(crate) fn config(&mut self) -> Config {
        let mut config = Config::new();
        let sizes = [0, 1, 7, 100, 1000, 5000, usize::MAX];
        let times = [0, 1, 1_000_000_000, 20_000_000_000].map(Duration::from_nanos);
        for _ in 0..self.number(8) {
            let (field, value) = (self.number(15), self.number(256));
            let size = sizes[value % sizes.len()];
            let number = [0, 1, 10, u32::MAX][value % 4];
            let time = [times[0], times[1], times[2], times[3], Duration::MAX][value % 5];
            let timer = (value >= 128).then_some(time);
            match field {
                0 => config.max_message_size = size,
                1 => config.parts_above = size,
                2 => config.max_frame_size = size,
                3 => config.max_fragments = number,
                4 => config.fragment_size = size,
                5 => config.pong_backlog = size,
                6 => config.ping_interval = timer,
                7 => config.pong_timeout = time,
                8 => config.close_timeout = time,
                9 => config.message_timeout = timer,
                10 => config.min_message_rate = number,
                11 => config.max_head_size = size,
                12 => config.max_headers = size,
                13 => config.handshake_timeout = time,
                _ => config.deflate = (value >= 128).then(|| self.deflate_config()),
            }
        }
        config
    }

    /// The same for a connection whose handshake happened elsewhere.
    pub(crate) fn limits(&mut self) -> Config {
        let mut config = self.config();
        config.deflate = None;
        config
    }

    pub(crate) fn deflate_config(&mut self) -> DeflateConfig {
        let mut config = DeflateConfig::new();
        config.compression = self.compression();
        config.level = self.pick(&[4, 0, 1, 6, 9, 255]);
        config.mem_level = self.pick(&[5, 0, 1, 9, 255]);
        config.server_no_context_takeover = self.flag();
        config.client_no_context_takeover = self.flag();
        config.server_max_window_bits = self.pick(&[15, 0, 8, 9, 12, 255]);
        config.client_max_window_bits = self.pick(&[15, 0, 8, 9, 12, 255]);
        config.max_final_blocks = self.pick(&[8, 0, 1, u32::MAX]);
        config
    }

    pub(crate) fn params(&mut self) -> Params {
        Params {
            server_no_context_takeover: self.flag(),
            client_no_context_takeover: self.flag(),
            server_max_window_bits: self.pick(&[None, Some(8), Some(9), Some(12), Some(15)]),
            client_max_window_bits: self.pick(&[None, Some(8), Some(9), Some(12), Some(15)]),
        }
    }

    pub(crate) fn compression(&mut self) -> Compression {
        match self.number(4) {
            0 => Compression::Always,
            1 => Compression::Above(self.number(100)),
            2 => Compression::Never,
            _ => Compression::Above(64),
        }
    }
}
