//! The follower with a log that loses pushes, which real engines seldom do.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::broker::channel::lock;
use crate::broker::channels::Channels;
use crate::broker::counts::Counters;
use crate::broker::log::{Entry, Failure, Log, Push, Pushed, Pushes, Tail};
use crate::broker::remote::Remote;
use crate::broker::types::{
    Callback, EngineState, Epoch, Event, HistoryLimits, Position, Published,
};

/// The servers by URL.
static SERVERS: Mutex<Option<HashMap<String, Arc<Mutex<Server>>>>> = Mutex::new(None);

struct Server {
    epoch: Epoch,
    logs: HashMap<String, Vec<Bytes>>,
    listeners: HashMap<String, Pushes>,
}

struct FakeLog {
    server: Arc<Mutex<Server>>,
    pushes: Pushes,
}

impl Log for FakeLog {
    const NAME: &str = "fake";

    fn check_url(_: &str) -> Result<(), String> {
        Ok(())
    }

    async fn connect(url: &str, _: HistoryLimits, pushes: Pushes) -> Result<Self, Failure> {
        let server = lock(&SERVERS).as_ref().unwrap()[url].clone();
        Ok(Self { server, pushes })
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn listen(&self, channel: &str) -> Result<(), Failure> {
        let mut server = lock(&self.server);
        server.listeners.insert(channel.into(), self.pushes.clone());
        Ok(())
    }

    async fn unlisten(&self, channel: &str) -> Result<(), Failure> {
        lock(&self.server).listeners.remove(channel);
        Ok(())
    }

    async fn read(&self, channel: &str, known: Option<Position>) -> Result<Tail, Failure> {
        sleep(Duration::from_millis(10)).await;
        let mut server = lock(&self.server);
        let epoch = server.epoch;
        let log = server.logs.entry(channel.into()).or_default();
        let known = known.filter(|known| known.epoch == epoch);
        let known = known.map_or(0, |known| known.offset);
        let entries = (1..).zip(log.iter()).skip(known as usize);
        Ok(Tail {
            position: Position {
                epoch,
                offset: log.len() as u64,
            },
            forked: None,
            entries: entries
                .map(|(offset, payload)| Entry {
                    offset,
                    age: Duration::ZERO,
                    payload: payload.clone(),
                })
                .collect(),
        })
    }

    async fn append(
        &self,
        channel: &str,
        _: &str,
        payload: &Bytes,
        _: Option<Position>,
    ) -> Result<(Position, bool), Failure> {
        let mut server = lock(&self.server);
        let epoch = server.epoch;
        let log = server.logs.entry(channel.into()).or_default();
        log.push(payload.clone());
        let offset = log.len() as u64;
        let position = Position { epoch, offset };
        if let Some(pushes) = server.listeners.get(channel) {
            pushes.push(Push {
                channel: channel.into(),
                what: Pushed::Message(position, payload.clone()),
            });
        }
        Ok((position, false))
    }

    async fn send(&self, _: &str, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    async fn claim(&self, _: &str, _: Duration) -> Result<bool, Failure> {
        Ok(true)
    }
}

struct Node {
    remote: Remote<FakeLog>,
    server: Arc<Mutex<Server>>,
    channels: Arc<Channels>,
    state: watch::Receiver<EngineState>,
    callback: Callback,
    heard: Arc<Mutex<Vec<u64>>>,
}

impl Node {
    /// A node with a subscriber of the channel `c`.
    async fn start(url: &str) -> Self {
        let server = Arc::new(Mutex::new(Server {
            epoch: Epoch(1),
            logs: HashMap::new(),
            listeners: HashMap::new(),
        }));
        lock(&SERVERS)
            .get_or_insert_default()
            .insert(url.into(), server.clone());
        let counters = Arc::<Counters>::default();
        let limits = HistoryLimits::default();
        let channels = Arc::new(Channels::new(limits, counters.clone()));
        let sender = watch::Sender::new(EngineState::Away);
        let state = sender.subscribe();
        let remote = Remote::start(url, limits, channels.clone(), counters, sender);
        let remote = remote.await.unwrap();
        let heard = Arc::<Mutex<Vec<u64>>>::default();
        let notes = heard.clone();
        let callback: Callback = Arc::new(move |_, event| {
            if let Event::Message(message) = event {
                lock(&notes).push(message.position.offset);
            }
        });
        let channel = remote.open("c").await.unwrap();
        assert!(channel.subscribe(&callback).is_ok());
        Self {
            remote,
            server,
            channels,
            state,
            callback,
            heard,
        }
    }

    async fn say(&self) -> Published {
        let published = self.remote.publish("c", "id", &"m".into()).await;
        published.unwrap()
    }

    /// Stores a message that is not pushed.
    fn lose(&self) {
        let mut server = lock(&self.server);
        server.logs.get_mut("c").unwrap().push("m".into());
    }

    /// Waits until it has heard all messages, in order.
    async fn heard(&self, count: u64, within: Duration) {
        let all = async {
            while lock(&self.heard).len() < count as usize {
                sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(timeout(within, all).await.is_ok(), "it did not hear all");
        assert_eq!(*lock(&self.heard), Vec::from_iter(1..=count));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_filled_from_the_log() {
    let node = Node::start("gap").await;
    assert_eq!(node.say().await.notified, 1);
    node.lose();
    node.lose();
    assert_eq!(node.say().await.notified, 1);
    node.heard(4, Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_told_before_the_engine_is_up_again() {
    let mut node = Node::start("reconnect").await;
    let pushes = lock(&node.server).listeners["c"].clone();
    node.lose();
    node.lose();
    pushes.lost();
    let away = node.state.wait_for(|state| *state == EngineState::Away);
    assert!(away.await.is_ok());
    let up = node.state.wait_for(|state| *state == EngineState::Up);
    assert!(up.await.is_ok());
    assert_eq!(*lock(&node.heard), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_is_lost_is_noticed_without_another_one() {
    let node = Node::start("lost").await;
    node.lose();
    node.heard(1, Duration::from_secs(31)).await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_does_not_wait_for_ever_for_its_push() {
    let node = Node::start("silent").await;
    let callback: Callback = Arc::new(|_, _| {});
    for n in 0..1000 {
        let channel = node.remote.open(&format!("c{n}")).await.unwrap();
        assert!(channel.subscribe(&callback).is_ok());
    }
    lock(&node.server).listeners.clear();
    let asked = Instant::now();
    let published = node.remote.publish("c7", "id", &"m".into()).await;
    assert_eq!(published.unwrap().position.offset, 1, "it is stored");
    assert!(asked.elapsed() <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn more_pushes_than_the_queue_takes_are_read_from_the_log() {
    let node = Node::start("overflow").await;
    let pushes = lock(&node.server).listeners["c"].clone();
    {
        // At once, so that the follower cannot take them in time.
        let mut server = lock(&node.server);
        let log = server.logs.get_mut("c").unwrap();
        for offset in 1..=5000 {
            log.push("m".into());
            let position = Position {
                epoch: Epoch(1),
                offset,
            };
            pushes.push(Push {
                channel: "c".into(),
                what: Pushed::Message(position, "m".into()),
            });
        }
    }
    node.heard(5000, Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_subscribers_is_followed_for_a_while() {
    let node = Node::start("linger").await;
    let channel = node.channels.get("c").unwrap();
    channel.unsubscribe(&node.callback);
    node.channels.idle(&channel);
    let linger = Duration::from_secs(10);
    node.channels.expire(linger);
    assert!(node.channels.get("c").is_some());
    sleep(linger).await;
    node.channels.expire(linger);
    assert!(node.channels.get("c").is_none());
    sleep(Duration::from_secs(2)).await;
    assert!(lock(&node.server).listeners.is_empty());
}
