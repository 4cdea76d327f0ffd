//! The streams of the channels.
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info, RawMessageErrorKind, Republish};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{NatsLog, since_1970};
use crate::broker::channel::lock;
use crate::broker::log::{Entry, Failure};
use crate::broker::memory::REPEAT;
use crate::broker::types::{Epoch, Position};

/// Streams of channels begin with it.
const PREFIX: &str = "live_";
/// The description of a stream that is about to be removed.
const CLOSED: &str = "live closed";
/// Bytes that NATS adds to a message at most: record, subject, id.
const OVERHEAD: usize = 512;

/// The epoch of a stream, and where it began if an older state was restored.
#[derive(Clone, Copy)]
pub(super) struct Life {
    pub epoch: Epoch,
    pub forked: Option<Position>,
}

impl Life {
    fn new() -> Self {
        Self {
            epoch: Epoch::random(),
            forked: None,
        }
    }

    fn describe(&self) -> String {
        match self.forked {
            None => format!("live {}", self.epoch),
            Some(at) => format!("live {} after {} {}", self.epoch, at.epoch, at.offset),
        }
    }

    fn of(config: &Config) -> Result<Self, Failure> {
        let description = config.description.as_deref().unwrap_or_default();
        let words: Vec<&str> = description.split(' ').collect();
        match words[..] {
            ["live", epoch] => Ok(Self {
                epoch: epoch.parse()?,
                forked: None,
            }),
            ["live", epoch, "after", before, offset] => Ok(Self {
                epoch: epoch.parse()?,
                forked: Some(Position {
                    epoch: before.parse()?,
                    offset: offset.parse()?,
                }),
            }),
            _ => Err(format!(
                "the stream {} is closed, or not of this program",
                config.name
            )
            .into()),
        }
    }
}

impl NatsLog {
    fn config(&self, channel: &str, life: Life) -> Config {
        let age = self.limits.age.max(Duration::from_millis(100)); // the least that NATS takes
        let bytes = self
            .limits
            .bytes
            .saturating_add(self.limits.count.saturating_mul(OVERHEAD));
        Config {
            name: stream_name(channel),
            description: Some(life.describe()),
            subjects: vec![subject(channel, life.epoch)],
            max_messages: i64::try_from(self.limits.count).unwrap_or(i64::MAX),
            max_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            max_age: age,
            duplicate_window: REPEAT.min(age),
            republish: Some(Republish {
                // With a wildcard for the epoch, because it cannot be changed later.
                source: format!("live.in.*.{channel}"),
                destination: format!("live.out.{channel}.{{{{wildcard(1)}}}}"),
                headers_only: false,
            }),
            num_replicas: 1,
            ..Config::default()
        }
    }

    /// The stream of a channel. Makes it if it is missing.
    pub(super) async fn stream(&self, channel: &str) -> Result<(Info, Life), Failure> {
        let info = loop {
            match self.context.get_stream(stream_name(channel)).await {
                Ok(stream) => break stream.cached_info().clone(),
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(e)
                        if e.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
                    _ => return Err(error.into()),
                },
            }
            let config = self.config(channel, Life::new());
            match self.context.create_stream(config).await {
                Ok(stream) => break stream.cached_info().clone(),
                Err(error) => match error.kind() {
                    // Another node was faster.
                    CreateStreamErrorKind::JetStream(e)
                        if e.error_code() == ErrorCode::STREAM_NAME_EXIST => {}
                    _ => return Err(error.into()),
                },
            }
        };
        let life = Life::of(&info.config)?;
        self.remember(channel, life.epoch);
        Ok((info, life))
    }

    fn remember(&self, channel: &str, epoch: Epoch) {
        let mut epochs = lock(&self.epochs);
        if epochs.len() >= self.limits.channels {
            epochs.clear();
        }
        epochs.insert(channel.into(), epoch);
    }

    /// Ends the epoch of `at` after it and begins a new one. Several nodes may do it at the same time: those
    /// at the same server choose the same epoch. Otherwise the last one wins, and the others see it at
    /// their next publish or read. Sequences go on, so no position is used twice.
    pub(super) async fn fork(&self, channel: &str, at: Position) -> Result<Life, Failure> {
        let (info, life) = self.stream(channel).await?;
        if life.epoch != at.epoch {
            return Ok(life); // Another node was faster.
        }
        // The id of a server is another one after each start.
        let server = self.client.server_info().server_id;
        let seed = Sha256::digest(format!("{server} {} {}", at.epoch, at.offset));
        let mut epoch = [0; 8];
        epoch.copy_from_slice(&seed[..8]);
        let life = Life {
            epoch: Epoch(u64::from_be_bytes(epoch)),
            forked: Some(at),
        };
        let forked = Config {
            description: Some(life.describe()),
            subjects: vec![subject(channel, life.epoch)],
            ..info.config
        };
        self.context.update_stream(forked).await?;
        Ok(self.stream(channel).await?.1)
    }

    /// Removes a stream if it is empty, of a channel, and no node listens to it.
    pub(super) async fn tidy_stream(&self, info: Info) -> Result<(), Failure> {
        let Some(channel) = info.config.name.strip_prefix(PREFIX) else {
            return Ok(());
        };
        let closed = info.config.description.as_deref() == Some(CLOSED);
        let open = match Life::of(&info.config) {
            Ok(_) if info.state.messages == 0 => info.config.clone(),
            // A node has ended before it removed the stream or opened it again.
            Err(_) if closed => self.config(channel, Life::new()),
            _ => return Ok(()),
        };
        let anybody = format!("live.out.{channel}.anybody");
        let asked = self.client.request(anybody, Bytes::new());
        match timeout(Duration::from_secs(1), asked).await {
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {}
            _ => return Ok(()), // Listeners do not answer.
        }
        // First it takes no messages any more, so that none is lost that comes in this moment.
        let closed = Config {
            description: Some(CLOSED.into()),
            subjects: vec![format!("live.in.closed.{channel}")],
            ..open.clone()
        };
        if self.context.update_stream(closed).await?.state.messages == 0 {
            self.context.delete_stream(stream_name(channel)).await?;
        } else {
            self.context.update_stream(open).await?;
        }
        Ok(())
    }

    pub(super) async fn entry(&self, channel: &str, offset: u64) -> Result<Option<Entry>, Failure> {
        let stream = self
            .context
            .get_stream_no_info(stream_name(channel))
            .await?;
        // The leader answers it: replicas may not have the last messages yet.
        match stream.get_raw_message(offset).await {
            Ok(message) => {
                let nanos = message.time.unix_timestamp_nanos();
                let stored = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
                Ok(Some(Entry {
                    offset,
                    age: since_1970().saturating_sub(stored),
                    payload: message.payload,
                }))
            }
            // Too old since the stream was looked at.
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

fn stream_name(channel: &str) -> String {
    format!("{PREFIX}{channel}")
}

pub(super) fn subject(channel: &str, epoch: Epoch) -> String {
    format!("live.in.{epoch}.{channel}")
}
