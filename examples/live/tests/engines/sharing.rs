//! Several nodes over one engine.
use std::sync::Arc;
use std::time::Duration;

use live::broker::{BrokerError, Callback, EngineUrl, HistoryLimits, Position};
use tokio::time::Instant;

use crate::support::{DEADLINE, Heard, Recorder, Server, node, say, start, until};

pub async fn nodes_share_a_channel_in_order(server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    let publish = |broker, name: &'static str| async move {
        for n in 0..100 {
            let published = say(broker, &format!("{name}{n}")).await;
            assert!(published.notified == 1 || published.duplicate);
        }
    };
    tokio::join!(publish(&a, "a"), publish(&b, "b"));
    until("200 messages", || {
        at_a.messages().len() == 200 && at_b.messages().len() == 200
    })
    .await;
    assert_eq!(at_a.heard(), at_b.heard());
    let offsets = at_a.messages().into_iter().map(|(p, _)| p.offset);
    assert_eq!(offsets.collect::<Vec<_>>(), Vec::from_iter(1..=200));
    for name in ["a", "b"] {
        let from = at_a.messages().into_iter().map(|(_, text)| text);
        let from = from.filter(|text| text.starts_with(name));
        let sent = (0..100).map(|n| format!("{name}{n}"));
        assert!(from.eq(sent), "in the order of {name}");
    }
    assert!(a.unsubscribe("c", &at_a.callback));
    assert_eq!(say(&a, "last").await.notified, 0);
    until("the last one", || at_b.messages().len() == 201).await;
    assert_eq!(at_a.messages().len(), 200);
}

pub async fn history_and_resume_on_a_node_that_starts_later(server: Server) {
    let a = node(&server, "a").await;
    for n in 1..=300 {
        say(&a, &n.to_string()).await;
    }
    let b = node(&server, "b").await;
    assert_eq!(b.history("c", None, 9).position.offset, 0, "not followed");
    let at_b = Recorder::new();
    let subscribed = b.subscribe("c", at_b.callback.clone()).await.unwrap();
    assert_eq!(subscribed.position.offset, 300);
    let again = b.subscribe("c", at_b.callback.clone()).await.unwrap();
    assert!(again.already);
    let history = b.history("c", None, 1000);
    let texts = history.messages.iter().map(|m| m.payload.clone());
    assert!(texts.eq((1..=300).map(|n| n.to_string())));
    let after = Position {
        offset: 290,
        ..subscribed.position
    };
    let resumed = b.history("c", Some(after), 1000);
    assert!(!resumed.lost);
    assert_eq!(resumed.messages.len(), 10);
    assert_eq!(say(&a, "new").await.position.offset, 301);
    until("the new one", || at_b.messages().len() == 1).await;
}

pub async fn an_id_is_stored_once_over_all_nodes(server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let at_b = Recorder::subscribe(&b).await;
    let first = say(&a, "x").await;
    assert!(!first.duplicate);
    for broker in [&a, &b] {
        let again = broker.publish("c", "x", "other text".into()).await.unwrap();
        assert!(again.duplicate);
        assert_eq!(again.position, first.position);
        assert_eq!(again.notified, 0);
    }
    // An id belongs to its channel.
    let other = a.publish("other", "x", "x".into()).await.unwrap();
    assert!(!other.duplicate);
    say(&b, "y").await;
    until("two", || at_b.messages().len() == 2).await;
    let texts = at_b.messages().into_iter().map(|(_, text)| text);
    assert_eq!(texts.collect::<Vec<_>>(), ["x", "y"]);
}

pub async fn a_claim_works_once_over_all_nodes(server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let ttl = Duration::from_secs(60);
    for n in 0..20 {
        let key = format!("key-{n}");
        let (at_a, at_b) = tokio::join!(a.claim(&key, ttl), b.claim(&key, ttl));
        assert!(at_a.unwrap() != at_b.unwrap(), "one of them");
        assert_eq!(a.claim(&key, ttl).await, Ok(false));
    }
    let short = Duration::from_millis(200);
    let odd = "any key: é*>./";
    assert_eq!(a.claim(odd, short).await, Ok(true));
    let end = Instant::now() + DEADLINE;
    while b.claim(odd, short).await == Ok(false) {
        assert!(Instant::now() < end, "the claim never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn signals_reach_the_other_node(server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    assert_eq!(a.signal("c", "s".into()).await, Ok(1));
    assert_eq!(at_a.heard(), [Heard::Signal("s".into())]);
    until("the signal", || !at_b.heard().is_empty()).await;
    say(&b, "end").await;
    until("the end", || at_a.messages().len() == 1).await;
    assert_eq!(at_a.heard().len(), 2, "its own signal once");
    assert_eq!(at_b.heard()[0], Heard::Signal("s".into()));
}

pub async fn the_log_has_limits(server: Server) {
    let limits = HistoryLimits {
        count: 20,
        bytes: 1000,
        ..HistoryLimits::default()
    };
    let a = start(&server, "a", limits).await;
    let _at_a = Recorder::subscribe(&a).await;
    for n in 0..30 {
        say(&a, &n.to_string()).await;
    }
    assert_eq!(a.history("c", None, 99).messages.len(), 20);
    for n in 0..15 {
        let text = vec![b'x'; 100];
        let published = a.publish("c", &format!("long{n}"), text.into()).await;
        assert_eq!(published.unwrap().position.offset, 31 + n);
    }
    assert_eq!(a.history("c", None, 99).messages.len(), 10);
    let all = a.publish("c", "all", vec![b'x'; 1000].into()).await;
    assert_eq!(all.unwrap().position.offset, 46);
    let too_long = a.publish("c", "more", vec![b'x'; 1001].into()).await;
    assert_eq!(too_long, Err(BrokerError::TooLong { limit: 1000 }));
    // Another node, which would keep more, reads the log. NATS keeps a little more than the limit.
    let b = node(&server, "b").await;
    let _at_b = Recorder::subscribe(&b).await;
    let history = b.history("c", None, 99);
    assert_eq!(history.position, a.history("c", None, 1).position);
    let kept = if let EngineUrl::Redis(_) = server.url {
        1
    } else {
        limits.count
    };
    assert!(history.messages.len() <= kept, "{}", history.messages.len());
    let last = history.messages.last().unwrap();
    assert_eq!(last.payload.len(), 1000);
}

pub async fn channels_are_limited(server: Server) {
    let limits = HistoryLimits {
        channels: 2,
        ..HistoryLimits::default()
    };
    let a = start(&server, "a", limits).await;
    let callback: Callback = Arc::new(|_, _| {});
    for name in ["x", "y"] {
        a.subscribe(name, callback.clone()).await.unwrap();
    }
    let full = a.subscribe("z", callback.clone()).await;
    assert_eq!(full, Err(BrokerError::TooManyChannels));
    // Publishing needs no channel of this node.
    let published = a.publish("z", "1", "m".into()).await.unwrap();
    assert_eq!(published.notified, 0);
    a.unsubscribe("x", &callback);
    let subscribed = a.subscribe("z", callback.clone()).await.unwrap();
    assert_eq!(subscribed.position, published.position);
    assert_eq!(a.history("z", None, 9).messages.len(), 1);
}

pub async fn unused_channels_are_forgotten(server: Server) {
    let limits = HistoryLimits {
        age: Duration::from_millis(300),
        ..HistoryLimits::default()
    };
    let (a, b) = (
        start(&server, "a", limits).await,
        start(&server, "b", limits).await,
    );
    let at_a = Recorder::subscribe(&a).await;
    let first = say(&b, "1").await.position;
    let unused = b.publish("unused", "1", "m".into()).await.unwrap().position;
    until("the message is old", || {
        a.history("c", None, 9).messages.is_empty()
    })
    .await;
    // Redis lets the keys of an unused channel expire. In NATS the broker removes the stream.
    if let EngineUrl::Nats(_) = server.url {
        let end = Instant::now() + DEADLINE;
        loop {
            b.tidy().await.unwrap();
            let late = start(&server, "late", limits).await;
            let position = late
                .subscribe("unused", Recorder::new().callback)
                .await
                .unwrap()
                .position;
            if position.epoch != unused.epoch {
                break assert_eq!(position.offset, 0);
            }
            assert!(Instant::now() < end, "the stream is never removed");
        }
    }
    // A channel that somebody listens to goes on.
    let second = say(&b, "2").await.position;
    assert_eq!(second, Position { offset: 2, ..first });
    until("both", || at_a.messages().len() == 2).await;
    assert!(at_a.resets().is_empty());
}
