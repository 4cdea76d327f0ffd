//! The broker with the engine in process.
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;

use super::channel::lock;
use super::*;

async fn start(limits: HistoryLimits) -> Arc<MessageBroker> {
    let started = MessageBroker::start(&EngineUrl::Memory, "n1", limits);
    started.await.unwrap()
}

/// A subscriber that notes what it is told.
fn recorder() -> (Callback, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let notes = heard.clone();
    let callback: Callback = Arc::new(move |_, event| {
        lock(&notes).push(match event {
            Event::Message(m) => format!("{} {}", m.position.offset, text(&m.payload)),
            Event::Signal(payload) => format!("~{}", text(payload)),
            Event::Reset(position) => format!("reset {}", position.offset),
        });
    });
    (callback, heard)
}

fn text(payload: &Bytes) -> &str {
    std::str::from_utf8(payload).unwrap()
}

async fn say(broker: &MessageBroker, id: &str) -> Published {
    let payload = Bytes::copy_from_slice(id.as_bytes());
    broker.publish("c", id, payload).await.unwrap()
}

fn offsets(history: &History) -> Vec<u64> {
    let messages = history.messages.iter();
    messages.map(|m| m.position.offset).collect()
}

#[tokio::test]
async fn messages_and_signals_arrive_in_order() {
    let broker = start(HistoryLimits::default()).await;
    assert_eq!(*broker.state().borrow(), EngineState::Up);
    assert_eq!(say(&broker, "before").await.notified, 0);
    let (callback, heard) = recorder();
    let subscribed = broker.subscribe("c", callback.clone()).await.unwrap();
    assert_eq!(subscribed.position.offset, 1);
    assert!(!subscribed.already);
    let again = broker.subscribe("c", callback.clone()).await.unwrap();
    assert!(again.already);

    let published = say(&broker, "a").await;
    assert_eq!(
        published,
        Published {
            notified: 1,
            position: Position {
                offset: 2,
                ..subscribed.position
            },
            duplicate: false
        }
    );
    assert_eq!(broker.signal("c", "s".into()).await, Ok(1));
    assert_eq!(broker.signal("nobody", "s".into()).await, Ok(0));
    assert_eq!(say(&broker, "b").await.notified, 1);
    assert_eq!(*lock(&heard), ["2 a", "~s", "3 b"]);

    assert!(broker.unsubscribe("c", &callback));
    assert!(!broker.unsubscribe("c", &callback));
    assert_eq!(say(&broker, "c").await.notified, 0);
    assert_eq!(lock(&heard).len(), 3);
}

#[tokio::test]
async fn history_and_resume() {
    let limits = HistoryLimits {
        count: 4,
        ..HistoryLimits::default()
    };
    let broker = start(limits).await;
    let at = |offset, position: Position| Some(Position { offset, ..position });
    let nothing = broker.history("c", None, 9);
    assert!(!nothing.lost && nothing.messages.is_empty());
    for id in ["1", "2", "3", "4", "5", "6"] {
        say(&broker, id).await;
    }
    let all = broker.history("c", None, 99);
    assert_eq!(offsets(&all), [3, 4, 5, 6]);
    assert_eq!(all.position.offset, 6);
    let last = broker.history("c", None, 2);
    assert_eq!(offsets(&last), [5, 6]);
    for (after, limit, expected, lost) in [
        (6, 9, &[][..], false),
        (4, 9, &[5, 6], false),
        (2, 9, &[3, 4, 5, 6], false),
        (2, 3, &[3, 4, 5], false), // the reader comes again
        (1, 3, &[4, 5, 6], true),
        (7, 2, &[5, 6], true), // from the future: another history
    ] {
        let history = broker.history("c", at(after, all.position), limit);
        assert_eq!(offsets(&history), expected, "after {after}");
        assert_eq!(history.lost, lost, "after {after}");
    }
    let other = Position {
        epoch: Epoch(1),
        offset: 5,
    };
    assert!(broker.history("c", Some(other), 9).lost);
    assert!(broker.history("unknown", Some(other), 9).lost);
}

#[tokio::test(start_paused = true)]
async fn old_messages_ids_and_channels_are_forgotten() {
    let broker = start(HistoryLimits::default()).await;
    let first = say(&broker, "a").await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    let again = say(&broker, "a").await;
    assert!(again.duplicate && again.position == first.position && again.notified == 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(say(&broker, "a").await.position.offset, 2);

    tokio::time::sleep(Duration::from_secs(3599 - 301)).await;
    assert_eq!(offsets(&broker.history("c", None, 9)), [1, 2]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(offsets(&broker.history("c", None, 9)), [2]);
    assert!(
        broker
            .history(
                "c",
                Some(Position {
                    offset: 0,
                    ..first.position
                }),
                9
            )
            .lost
    );
    assert!(!broker.history("c", Some(first.position), 9).lost);

    let (callback, _) = recorder();
    broker.subscribe("used", callback.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3610)).await;
    assert_eq!(broker.counts().channels, 1, "c is forgotten, used is not");
    let epoch = say(&broker, "a").await.position.epoch;
    assert_ne!(epoch, first.position.epoch);

    broker.unsubscribe("used", &callback);
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert_eq!(broker.counts().channels, 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(broker.counts().channels, 0);
}

#[tokio::test]
async fn channels_are_limited_and_unused_ones_give_way() {
    let limits = HistoryLimits {
        channels: 3,
        ..HistoryLimits::default()
    };
    let broker = start(limits).await;
    let (callback, _) = recorder();
    for name in ["a", "b"] {
        broker.subscribe(name, callback.clone()).await.unwrap();
    }
    for name in ["x", "y", "z"] {
        broker.publish(name, "1", "m".into()).await.unwrap();
        assert_eq!(broker.history(name, None, 9).messages.len(), 1);
    }
    assert_eq!(broker.history("x", None, 9).position, Position::UNKNOWN);
    assert_eq!(broker.counts().channels, 3);
    broker.subscribe("d", callback.clone()).await.unwrap();
    let full = broker.subscribe("e", callback.clone()).await;
    assert_eq!(full, Err(BrokerError::TooManyChannels));
    let full = broker.publish("e", "1", "m".into()).await;
    assert_eq!(full, Err(BrokerError::TooManyChannels));
    // Again and again, in any order: an unsubscribed channel gives way, and only that one.
    for (gone, new) in [("b", "e"), ("a", "b"), ("d", "a"), ("e", "d")] {
        assert!(broker.unsubscribe(gone, &callback));
        broker.subscribe(new, callback.clone()).await.unwrap();
        assert_eq!(broker.history(gone, None, 9).position, Position::UNKNOWN);
    }
    assert_eq!(broker.counts().channels, 3);
}

#[tokio::test]
async fn input_is_checked() {
    let limits = HistoryLimits {
        bytes: 10,
        ..HistoryLimits::default()
    };
    let broker = start(limits).await;
    let (callback, _) = recorder();
    let long = "x".repeat(65);
    for name in ["", "a b", "a.b", "é", "*", &long] {
        let subscribed = broker.subscribe(name, callback.clone()).await;
        assert_eq!(subscribed, Err(BrokerError::BadChannel), "{name}");
        let published = broker.publish(name, "1", "m".into()).await;
        assert_eq!(published, Err(BrokerError::BadChannel), "{name}");
        let signalled = broker.signal(name, "m".into()).await;
        assert_eq!(signalled, Err(BrokerError::BadChannel), "{name}");
    }
    for id in ["", "a\nb", &"x".repeat(257)] {
        let published = broker.publish("c", id, "m".into()).await;
        assert_eq!(published, Err(BrokerError::BadId), "{id}");
        let claimed = broker.claim(id, Duration::from_secs(1)).await;
        assert_eq!(claimed, Err(BrokerError::BadId), "{id}");
    }
    let long = broker.publish("c", "1", "12345678901".into()).await;
    assert_eq!(long, Err(BrokerError::TooLong { limit: 10 }));
    for id in ["1", "2", "3"] {
        broker.publish("c", id, "12345".into()).await.unwrap();
    }
    assert_eq!(offsets(&broker.history("c", None, 9)), [2, 3]);
    let long = broker.signal("c", vec![0; MAX_SIGNAL + 1].into()).await;
    assert_eq!(long, Err(BrokerError::TooLong { limit: MAX_SIGNAL }));
}

#[tokio::test(start_paused = true)]
async fn a_claim_works_once_until_it_ends() {
    let broker = start(HistoryLimits::default()).await;
    let ttl = Duration::from_secs(30);
    assert_eq!(broker.claim("k", ttl).await, Ok(true));
    assert_eq!(broker.claim("other", ttl).await, Ok(true));
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(broker.claim("k", ttl).await, Ok(false));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(broker.claim("k", ttl).await, Ok(true));
    assert_eq!(broker.claim("forever", Duration::MAX).await, Ok(true));
    assert_eq!(broker.claim("forever", Duration::MAX).await, Ok(false));
}

#[tokio::test]
async fn a_callback_that_panics_is_removed_and_harms_nobody() {
    let broker = start(HistoryLimits::default()).await;
    let (first, heard_first) = recorder();
    let (last, heard_last) = recorder();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let bad: Callback = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("a test");
    });
    for callback in [&first, &bad, &last] {
        broker.subscribe("c", callback.clone()).await.unwrap();
    }
    assert_eq!(say(&broker, "a").await.notified, 2);
    assert_eq!(say(&broker, "b").await.notified, 2);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert!(!broker.unsubscribe("c", &bad));
    assert_eq!(*lock(&heard_first), ["1 a", "2 b"]);
    assert_eq!(*lock(&heard_last), ["1 a", "2 b"]);
    assert_eq!(broker.counts().panicked, 1);
}

#[tokio::test]
async fn a_callback_may_use_the_broker() {
    let broker = start(HistoryLimits::default()).await;
    let (other, heard_other) = recorder();
    let (late, heard_late) = recorder();
    let own = Arc::new(Mutex::new(None::<Callback>));
    let heard = Arc::<Mutex<Vec<u64>>>::default();
    let callback: Callback = {
        let (broker, own, heard) = (broker.clone(), own.clone(), heard.clone());
        let (other, late) = (other.clone(), late.clone());
        Arc::new(move |channel, event| {
            let Event::Message(message) = event else {
                return;
            };
            lock(&heard).push(message.position.offset);
            assert_eq!(broker.history(channel, None, 1).messages.len(), 1);
            // Polled once, here: it must not need to wait for anything.
            let published = broker.publish(channel, "inside", "inside".into());
            let published = published.now_or_never().expect("at once").unwrap();
            assert_eq!(published.notified, 2);
            let signalled = broker.signal(channel, "s".into()).now_or_never();
            assert_eq!(signalled.expect("at once"), Ok(2));
            let subscribed = broker.subscribe(channel, late.clone()).now_or_never();
            assert!(!subscribed.expect("at once").unwrap().already);
            assert!(broker.unsubscribe(channel, &other));
            let own = lock(&own).take().unwrap();
            assert!(broker.unsubscribe(channel, &own));
        })
    };
    *lock(&own) = Some(callback.clone());
    broker.subscribe("c", callback.clone()).await.unwrap();
    broker.subscribe("c", other.clone()).await.unwrap();
    assert_eq!(say(&broker, "a").await.notified, 1);
    assert_eq!(*lock(&heard), [1], "itself, once");
    assert!(lock(&heard_other).is_empty(), "not even the same message");
    assert!(
        lock(&heard_late).is_empty(),
        "what came after it subscribed"
    );
    assert_eq!(say(&broker, "b").await.notified, 1);
    assert_eq!(*lock(&heard_late), ["3 b"]);
}

#[tokio::test]
async fn callbacks_of_two_channels_may_publish_to_each_other() {
    let broker = start(HistoryLimits::default()).await;
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let callback: Callback = {
        let (broker, heard) = (broker.clone(), heard.clone());
        Arc::new(move |channel, event| {
            let Event::Message(message) = event else {
                return;
            };
            lock(&heard).push(format!("{channel}{}", message.position.offset));
            let n = lock(&heard).len();
            if n < 200 {
                let other = if channel == "c" { "d" } else { "c" };
                let id = n.to_string();
                let published = broker.publish(other, &id, "m".into());
                published.now_or_never().expect("at once").unwrap();
            }
        })
    };
    broker.subscribe("c", callback.clone()).await.unwrap();
    broker.subscribe("d", callback).await.unwrap();
    say(&broker, "start").await;
    // The first caller delivers a part, a task of the broker the rest.
    while lock(&heard).len() < 200 {
        tokio::task::yield_now().await;
    }
    let expected = (0..200).map(|n| format!("{}{}", ["c", "d"][n % 2], n / 2 + 1));
    assert_eq!(*lock(&heard), expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_publishers_are_heard_in_order_of_offsets() {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 500;
    let broker = start(HistoryLimits::default()).await;
    let busy = Arc::new(AtomicUsize::new(0));
    let mut recorders = Vec::new();
    for _ in 0..3 {
        let (heard, busy) = (Arc::<Mutex<Vec<u64>>>::default(), busy.clone());
        let notes = heard.clone();
        let callback: Callback = Arc::new(move |_, event| {
            assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            if let Event::Message(message) = event {
                lock(&notes).push(message.position.offset);
            }
            std::thread::yield_now();
            busy.fetch_sub(1, Ordering::SeqCst);
        });
        broker.subscribe("c", callback).await.unwrap();
        recorders.push(heard);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let broker = broker.clone();
        tasks.spawn(async move {
            for n in 0..EACH {
                let published = say(&broker, &format!("{publisher}-{n}")).await;
                assert_eq!(published.notified, 3);
            }
        });
    }
    tasks.join_all().await;
    let expected: Vec<u64> = (1..=(PUBLISHERS * EACH) as u64).collect();
    for heard in recorders {
        assert_eq!(*lock(&heard), expected);
    }
    assert_eq!(broker.counts().panicked, 0);
}

#[tokio::test]
async fn a_message_is_framed_once() {
    let broker = start(HistoryLimits::default()).await;
    say(&broker, "a").await;
    let made = AtomicUsize::new(0);
    for _ in 0..3 {
        let history = broker.history("c", None, 1);
        history.messages[0].frame(|message| {
            made.fetch_add(1, Ordering::Relaxed);
            websocket_proto::Prepared::text(text(&message.payload))
        });
    }
    assert_eq!(made.into_inner(), 1);
}

#[tokio::test]
async fn the_broker_ends_with_its_last_user() {
    let broker = start(HistoryLimits::default()).await;
    let weak = Arc::downgrade(&broker);
    drop(broker);
    assert!(weak.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_all_channels_has_a_limit() {
    const MEMORY: usize = 200_000;
    let limits = HistoryLimits {
        memory: MEMORY,
        ..HistoryLimits::default()
    };
    let broker = start(limits).await;
    let (callback, _) = recorder();
    broker.subscribe("old", callback.clone()).await.unwrap();
    let first = broker.publish("old", "1", "m".into()).await.unwrap();
    let payload = Bytes::from(vec![b'x'; 1000]);
    let cost = 2 * payload.len() + 256 + 48;
    let stored = |broker: &MessageBroker| -> usize {
        let channels = (0..50).map(|i| broker.history(&i.to_string(), None, 99));
        channels.map(|history| history.messages.len()).sum()
    };
    let mut least = usize::MAX;
    for i in 0..1000 {
        tokio::time::advance(Duration::from_millis(100)).await;
        let name = (i % 50).to_string();
        let id = i.to_string();
        broker.publish(&name, &id, payload.clone()).await.unwrap();
        let memory = usize::try_from(broker.counts().memory).unwrap();
        assert!(memory <= MEMORY, "{memory}");
        let newest = broker.history(&name, None, 1);
        assert_eq!(newest.messages.len(), 1, "the newest message is there");
        if i >= 100 {
            least = least.min(stored(&broker));
        }
    }
    // Not much more is forgotten than must be.
    assert!(least * cost > MEMORY / 2, "{least} messages");
    assert!(
        broker
            .history("old", Some(first.position), 9)
            .messages
            .is_empty()
    );
    let before = Position {
        offset: 0,
        ..first.position
    };
    assert!(broker.history("old", Some(before), 9).lost);
    // Repetitions of what is still remembered are found.
    let again = broker.publish("49", "999", payload.clone()).await.unwrap();
    assert!(again.duplicate);
    // A burst within one instant leaves nothing behind that could be kept.
    for i in 0..200 {
        let id = format!("burst {i}");
        broker.publish("burst", &id, payload.clone()).await.unwrap();
        assert!(broker.counts().memory <= MEMORY as u64);
    }
}
