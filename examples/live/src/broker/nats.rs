//! NATS with JetStream, version 2.9 or later: a stream for each channel, delivery by `republish`.
//!
//! | name | |
//! |---|---|
//! | stream `live_CHANNEL` | the log. Its sequence is the offset; the epoch is in its description |
//! | subject `live.in.EPOCH.CHANNEL` | what the stream stores. After a change of the epoch nothing is stored by mistake |
//! | subject `live.out.CHANNEL.EPOCH` | what the stream has stored: NATS republishes it |
//! | subject `live.out.CHANNEL.signal` | signals |
//! | stream `live-claims` | claims, for 2 minutes: the last message of subject `live.claim.KEY` has its end |
//!
//! Streams that are empty and have no listeners are removed: `tidy`. NATS reserves the maximum size of each
//! stream: with many channels it needs a `max_file_store` that allows it.
use std::collections::HashMap;
use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event, ServerAddr, Subscriber};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use super::channel::lock;
use super::log::{Failure, Log, Push, Pushed, Pushes, Tail};
use super::memory::MAX_CLAIM;
use super::types::{BrokerError, Epoch, HistoryLimits, Position};

use streams::subject;

mod streams;

/// Messages that are read at the same time.
const READS: usize = 64;
/// The stream of claims. No channel has this name.
const CLAIMS: &str = "live-claims";
/// Size of all claims, about 150 bytes each: 3,700 a second. At this limit claims fail: forgetting one
/// would let a token work twice.
const CLAIM_BYTES: i64 = 64 << 20;

pub(super) struct NatsLog {
    client: Client,
    context: Context,
    limits: HistoryLimits,
    pushes: Pushes,
    /// Of channels that were used, so that publishing needs no look at the stream.
    epochs: Mutex<HashMap<String, Epoch>>,
    /// Tasks that pass on what is pushed, by channel.
    listeners: Mutex<HashMap<String, JoinSet<()>>>,
}

impl Log for NatsLog {
    const NAME: &str = "NATS";

    fn check_url(url: &str) -> Result<(), String> {
        addresses(url).map(drop).map_err(|error| error.to_string())
    }

    async fn connect(url: &str, limits: HistoryLimits, pushes: Pushes) -> Result<Self, Failure> {
        let events = pushes.clone();
        let options = ConnectOptions::new()
            .name("live")
            .subscription_capacity(1024)
            .event_callback(move |event| {
                match event {
                    // The client would go on by itself, but what was pushed since is missing.
                    Event::Disconnected | Event::Closed => events.lost(),
                    Event::SlowConsumer(_) => events.missed(),
                    _ => {}
                }
                std::future::ready(())
            });
        let client = options.connect(addresses(url)?).await?;
        let context = jetstream::new(client.clone());
        // The same for all nodes, so it does not matter which one makes it.
        let claims = Config {
            name: CLAIMS.into(),
            subjects: vec!["live.claim.*".into()],
            max_messages_per_subject: 1,
            max_age: MAX_CLAIM,
            max_bytes: CLAIM_BYTES,
            discard: DiscardPolicy::New,
            ..Config::default()
        };
        let claims = context.create_or_update_stream(claims);
        claims.await.map_err(failure)?;
        Ok(Self {
            client,
            context,
            limits,
            pushes,
            epochs: Mutex::default(),
            listeners: Mutex::default(),
        })
    }

    async fn check(&self) -> Result<(), Failure> {
        self.context.get_stream(CLAIMS).await?;
        Ok(())
    }

    async fn listen(&self, channel: &str) -> Result<(), Failure> {
        let subscriber = self
            .client
            .subscribe(format!("live.out.{channel}.*"))
            .await?;
        let mut task = JoinSet::new();
        task.spawn(pass_on(channel.into(), subscriber, self.pushes.clone()));
        lock(&self.listeners).insert(channel.into(), task);
        Ok(())
    }

    async fn unlisten(&self, channel: &str) -> Result<(), Failure> {
        lock(&self.listeners).remove(channel);
        Ok(())
    }

    async fn read(&self, channel: &str, known: Option<Position>) -> Result<Tail, Failure> {
        let (info, mut life) = self.stream(channel).await?;
        let last = info.state.last_sequence;
        let mut from = 1;
        if let Some(known) = known
            && known.epoch == life.epoch
        {
            if last < known.offset {
                let at = Position {
                    offset: last,
                    ..known
                };
                life = self.fork(channel, at).await?;
            } else {
                from = known.offset + 1;
            }
        }
        let kept = u64::try_from(self.limits.count).unwrap_or(u64::MAX);
        let from = from
            .max(info.state.first_sequence)
            .max((last + 1).saturating_sub(kept));
        let entries = stream::iter(from..=last).map(|offset| self.entry(channel, offset));
        let entries = entries
            .buffered(READS)
            .try_filter_map(async |entry| Ok(entry));
        Ok(Tail {
            position: Position {
                epoch: life.epoch,
                offset: last,
            },
            forked: life.forked,
            entries: entries.try_collect().await?,
        })
    }

    async fn append(
        &self,
        channel: &str,
        id: &str,
        payload: &Bytes,
        known: Option<Position>,
    ) -> Result<(Position, bool), Failure> {
        let remembered = lock(&self.epochs).get(channel).copied();
        let mut epoch = match remembered {
            Some(epoch) => epoch,
            None => self.stream(channel).await?.1.epoch,
        };
        let mut looked = remembered.is_none();
        let ack = loop {
            let message = PublishMessage::build()
                .payload(payload.clone())
                .message_id(id);
            let sent = self.context.send_publish(subject(channel, epoch), message);
            match sent.await?.await {
                Ok(ack) => break ack,
                // The stream is of another epoch, or is gone.
                Err(error) if error.kind() == PublishErrorKind::StreamNotFound && !looked => {
                    epoch = self.stream(channel).await?.1.epoch;
                    looked = true;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let offset = ack.sequence;
        if let Some(known) = known
            && (known.epoch, ack.duplicate) == (epoch, false)
            && offset <= known.offset
        {
            // An older state was restored, and this node has not seen it before.
            let at = Position {
                epoch,
                offset: offset - 1,
            };
            epoch = self.fork(channel, at).await?.epoch;
        }
        Ok((Position { epoch, offset }, ack.duplicate))
    }

    async fn send(&self, channel: &str, signal: &[u8]) -> Result<(), Failure> {
        let subject = format!("live.out.{channel}.signal");
        let signal = Bytes::copy_from_slice(signal);
        Ok(self.client.publish(subject, signal).await?)
    }

    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, Failure> {
        // A subject has less characters than a key.
        let subject = format!("live.claim.{}", BASE64_URL_SAFE_NO_PAD.encode(key));
        let now = since_1970();
        let end = Bytes::from((now + ttl).as_millis().to_string());
        // Stored only if it is the next one after `last`.
        let store = async |last| {
            let message = PublishMessage::build().payload(end.clone());
            let message = message.expected_last_subject_sequence(last);
            let sent = self.context.send_publish(subject.clone(), message);
            match sent.await?.await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
                Err(error) if is_full(&error) => Err(BrokerError::TooManyClaims.into()),
                Err(error) => Err(Failure::from(error)),
            }
        };
        if store(0).await? {
            return Ok(true);
        }
        let claims = self.context.get_stream_no_info(CLAIMS).await?;
        let last = match claims.get_last_raw_message_by_subject(&subject).await {
            Ok(last) => last,
            // It ended in this moment.
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let end = Duration::from_millis(str::from_utf8(&last.payload)?.parse()?);
        Ok(end <= now && store(last.sequence).await?)
    }

    async fn tidy(&self) -> Result<(), Failure> {
        let streams = self.context.streams().map_err(Failure::from);
        let tidied = streams.try_for_each_concurrent(READS, async |info| {
            let name = info.config.name.clone();
            if let Err(error) = self.tidy_stream(info).await {
                tracing::debug!(name, %error, "a stream cannot be tidied up");
            }
            Ok(())
        });
        tidied.await
    }
}

/// Names the most frequent mistake: a server without JetStream.
fn failure(error: CreateStreamError) -> Failure {
    let off = match error.kind() {
        CreateStreamErrorKind::JetStreamUnavailable => true,
        CreateStreamErrorKind::JetStream(error) => matches!(
            error.error_code(),
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
        ),
        _ => false,
    };
    match off {
        true => "JetStream is not enabled: start nats-server with -js".into(),
        false => error.into(),
    }
}

/// Whether a stream has refused a message because of its own limit, and not because of the disk.
fn is_full(error: &PublishError) -> bool {
    let error = error.source().and_then(|error| error.downcast_ref());
    error.is_some_and(|error: &jetstream::Error| {
        error.error_code() == ErrorCode::STREAM_STORE_FAILED
            && error.to_string().contains("maximum bytes")
    })
}

async fn pass_on(channel: String, mut subscriber: Subscriber, pushes: Pushes) {
    while let Some(message) = subscriber.next().await {
        let Some(what) = parse(message) else {
            continue;
        };
        pushes.push(Push {
            channel: channel.clone(),
            what,
        });
    }
}

/// `None`: not of this program.
fn parse(message: async_nats::Message) -> Option<Pushed> {
    let last = message.subject.rsplit('.').next()?;
    if last == "signal" {
        return Some(Pushed::Signal(message.payload));
    }
    let sequence = message.headers.as_ref()?.get("Nats-Sequence")?;
    let position = Position {
        epoch: last.parse().ok()?,
        offset: sequence.as_str().parse().ok()?,
    };
    Some(Pushed::Message(position, message.payload))
}

fn addresses(url: &str) -> std::io::Result<Vec<ServerAddr>> {
    url.split(',').map(str::parse).collect()
}

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}
