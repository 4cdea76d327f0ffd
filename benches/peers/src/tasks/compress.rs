//! Compression (RFC 7692): texts that are sent, and streams of compressed texts that are received.

use std::sync::Arc;

use fastrand::Rng;
use miniz_oxide::{
    DataFormat, MZError, MZFlush,
    inflate::stream::{InflateState, inflate},
};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::Job;
use crate::{generate, reader, wire::Drain};

/// The level of everyone but our default: what libraries that use zlib begin with.
pub const LEVEL: u8 = 6;
/// The memory level of everyone but our default.
pub const MEM_LEVEL: u8 = 8;

/// Texts to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corpus {
    /// Chat lines of about 200 bytes as JSON.
    Chat,
    /// Documents of 1 KiB.
    Json,
    /// Documents of 64 KiB.
    Long,
}

impl Corpus {
    pub const ALL: [Self; 3] = [Self::Chat, Self::Json, Self::Long];

    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Json => "1024",
            Self::Long => "65536",
        }
    }

    /// Different texts, about so many bytes together, but two at least.
    pub fn texts(self, about: usize) -> Vec<String> {
        let mut rng = Rng::with_seed(7);
        let len = match self {
            Self::Chat => 200,
            Self::Json => 1 << 10,
            Self::Long => 64 << 10,
        };
        (0..(about / len).max(2))
            .map(|_| match self {
                Self::Chat => {
                    let said = rng.usize(60..180);
                    format!(
                        r#"{{"type":"message","id":{},"channel":"general","user":"u{}","text":"{}"}}"#,
                        rng.u32(..10_000_000),
                        rng.u32(..50),
                        generate::words(said, &mut rng)
                    )
                }
                _ => generate::json(len, &mut rng),
            })
            .collect()
    }
}

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether a message can refer to earlier ones.
    pub takeover: bool,
    pub level: u8,
    pub mem_level: u8,
}

/// zlib-rs alone.
pub struct Bare {
    deflate: Deflate,
    takeover: bool,
}

impl Bare {
    pub fn new(settings: Settings) -> Self {
        let config = DeflateConfig {
            level: settings.level.into(),
            window_bits: -15,
            mem_level: settings.mem_level.into(),
            ..DeflateConfig::default()
        };
        Self {
            deflate: Deflate::new_with_config(config),
            takeover: settings.takeover,
        }
    }

    /// Compresses a message into `out`, which is long enough. Returns the length without the four
    /// bytes that RFC 7692 §7.2.1 takes away.
    pub fn compress(&mut self, text: &[u8], out: &mut [u8]) -> usize {
        if !self.takeover {
            self.deflate.reset();
        }
        let before = self.deflate.total_out();
        let status = self.deflate.compress(text, out, DeflateFlush::SyncFlush);
        status.expect("the room is enough");
        (self.deflate.total_out() - before) as usize - 4
    }
}

/// Sending compressed texts, one after the other.
#[derive(Debug, Clone)]
pub struct Compress {
    pub texts: Arc<Vec<String>>,
    pub settings: Settings,
}

impl Compress {
    pub fn new(about: usize, corpus: Corpus, takeover: bool) -> Self {
        Self {
            texts: Arc::new(corpus.texts(about)),
            settings: Settings {
                takeover,
                level: LEVEL,
                mem_level: MEM_LEVEL,
            },
        }
    }

    /// `make` returns a function that sends one text and flushes. The name of the variant tells how
    /// much is left of the texts.
    pub fn job<F: FnMut(&str) + 'static>(
        &self,
        make: impl Fn(&Self, Drain) -> F + Clone + 'static,
    ) -> Job {
        let drain = Drain::default();
        let mut send = make(self, drain.clone());
        self.texts.iter().for_each(|it| send(it));
        let before: usize = self.texts.iter().map(String::len).sum();
        let left = 100.0 * drain.count() as f64 / before as f64;

        let (task, make_checked) = (self.clone(), make.clone());
        let check = move || task.check(&make_checked);
        let task = self.clone();
        let start = move || -> Box<dyn FnMut(usize)> {
            let mut send = make(&task, Drain::default());
            let texts = task.texts.clone();
            Box::new(move |cycles| {
                for _ in 0..cycles {
                    texts.iter().for_each(|it| send(it));
                }
            })
        };
        Job::new(self.texts.len(), check, start).variant(format!("{left:.1} % left"))
    }

    fn check<F: FnMut(&str)>(&self, make: &impl Fn(&Self, Drain) -> F) -> Result<(), String> {
        let drain = Drain::recording();
        let mut send = make(self, drain.clone());
        let texts = &self.texts[..self.texts.len().min(50)];
        texts.iter().for_each(|it| send(it));
        let messages = reader::messages(&drain.take(), false)?;
        if messages.len() != texts.len() {
            return Err("messages are missing".into());
        }
        let mut state = InflateState::new_boxed(DataFormat::Raw);
        let mut out = vec![0; 1 << 17];
        for (at, (message, text)) in messages.iter().zip(texts).enumerate() {
            if !message.is_compressed {
                return Err(format!("message {at} is not compressed"));
            }
            if !self.settings.takeover {
                state = InflateState::new_boxed(DataFormat::Raw);
            }
            let (mut input, mut len) =
                (&[&message.payload[..], &[0, 0, 0xFF, 0xFF]].concat()[..], 0);
            while !input.is_empty() {
                let result = inflate(&mut state, input, &mut out[len..], MZFlush::None);
                match result.status {
                    Ok(_) | Err(MZError::Buf) => {}
                    Err(error) => return Err(format!("message {at}: {error:?}")),
                }
                if result.bytes_consumed + result.bytes_written == 0 {
                    return Err(format!("message {at} does not end"));
                }
                input = &input[result.bytes_consumed..];
                len += result.bytes_written;
            }
            if out[..len] != *text.as_bytes() {
                return Err(format!("message {at} is not the one that was to be sent"));
            }
        }
        Ok(())
    }
}
