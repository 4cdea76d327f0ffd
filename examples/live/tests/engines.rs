//! The broker over real servers of Redis and NATS, which the tests start, kill and restart. If a program
//! is not installed its tests are skipped; with LIVE_REQUIRE_ENGINES=1 they fail instead.
use std::time::Duration;

use live::broker::{BrokerError, EngineState, EngineUrl, HistoryLimits, MessageBroker, Position};
use support::{DEADLINE, Heard, Recorder, Server, insist, node, say, start, until, wait_for};
use tokio::time::{Instant, timeout};

mod support;

/// Makes a test of each function for each engine.
macro_rules! over_both_engines {
    ($($name:ident)*) => { over_both_engines! { redis: $($name)* } over_both_engines! { nats: $($name)* } };
    ($engine:ident: $($name:ident)*) => {
        mod $engine {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(server) = super::support::$engine::start().await {
                    super::$name(server).await;
                }
            })*
        }
    };
}

over_both_engines! {
    nodes_share_a_channel_in_order
    history_and_resume_on_a_node_that_starts_later
    an_id_is_stored_once_over_all_nodes
    a_claim_works_once_over_all_nodes
    signals_reach_the_other_node
    nothing_is_lost_or_doubled_when_the_engine_is_killed_under_load
    away_and_up_again
    lost_data_is_a_new_epoch
    an_older_state_is_a_new_epoch
    a_node_starts_while_the_engine_is_away
    a_hung_engine_is_away
    the_log_has_limits
    channels_are_limited
}

async fn nodes_share_a_channel_in_order(server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    let publish = |broker, name: &'static str| async move {
        for n in 0..100 {
            let published = say(broker, &format!("{name}{n}")).await;
            assert_eq!(published.notified, 1);
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

async fn history_and_resume_on_a_node_that_starts_later(server: Server) {
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

async fn an_id_is_stored_once_over_all_nodes(server: Server) {
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

async fn a_claim_works_once_over_all_nodes(server: Server) {
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

async fn signals_reach_the_other_node(server: Server) {
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

async fn nothing_is_lost_or_doubled_when_the_engine_is_killed_under_load(mut server: Server) {
    const PUBLISHERS: usize = 6;
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let broker = if publisher % 2 == 0 {
            a.clone()
        } else {
            b.clone()
        };
        let stopped = stopped.clone();
        publishers.spawn(async move {
            let mut accepted = Vec::new();
            while !*stopped.borrow() {
                let text = format!("{publisher}-{}", accepted.len());
                accepted.push((insist(&broker, &text).await.position, text));
            }
            accepted
        });
    }
    for round in 1..=3 {
        let enough = round * 150;
        until("some messages", || at_a.messages().len() >= enough).await;
        server.kill();
        wait_for(&a, EngineState::Away).await;
        wait_for(&b, EngineState::Away).await;
        server.restart();
        wait_for(&a, EngineState::Up).await;
        wait_for(&b, EngineState::Up).await;
    }
    stop.send_replace(true);
    let accepted = publishers.join_all().await;
    let last = insist(&a, "last").await.position;
    for recorder in [&at_a, &at_b] {
        until("the last one", || {
            recorder.messages().last().is_some_and(|m| m.1 == "last")
        })
        .await;
        assert!(recorder.resets().is_empty());
        let heard = recorder.messages();
        for (n, (position, _)) in heard.iter().enumerate() {
            let expected = Position {
                offset: n as u64 + 1,
                ..last
            };
            assert_eq!(*position, expected, "in order, and once");
        }
        let mut texts: Vec<_> = heard.iter().map(|(_, text)| text).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), heard.len(), "no text twice");
        let accepted = accepted.iter().flatten();
        assert_eq!(accepted.clone().count() + 1, heard.len());
        for (position, text) in accepted {
            assert_eq!(heard[position.offset as usize - 1].1, *text);
        }
    }
}

async fn away_and_up_again(mut server: Server) {
    let a = node(&server, "a").await;
    let at_a = Recorder::subscribe(&a).await;
    say(&a, "1").await;
    server.kill();
    wait_for(&a, EngineState::Away).await;
    let asked = Instant::now();
    assert_eq!(
        a.publish("c", "2", "2".into()).await,
        Err(BrokerError::Away)
    );
    assert_eq!(
        a.claim("k", Duration::from_secs(1)).await,
        Err(BrokerError::Away)
    );
    let at_new = Recorder::new();
    let new = a.subscribe("new", at_new.callback.clone()).await;
    assert_eq!(new, Err(BrokerError::Away));
    assert!(asked.elapsed() < Duration::from_secs(2));
    // What this node has goes on.
    assert_eq!(a.history("c", None, 9).messages.len(), 1);
    let late = Recorder::new();
    let subscribed = a.subscribe("c", late.callback.clone()).await.unwrap();
    assert_eq!(subscribed.position.offset, 1);
    assert_eq!(a.signal("c", "s".into()).await, Ok(2));
    server.restart();
    wait_for(&a, EngineState::Up).await;
    let published = say(&a, "2").await;
    assert_eq!((published.notified, published.position.offset), (2, 2));
    assert!(at_a.resets().is_empty());
    assert_eq!(a.counts().away, 1);
}

async fn lost_data_is_a_new_epoch(mut server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    for id in ["1", "2", "3"] {
        say(&a, id).await;
    }
    let before = a.history("c", None, 1).position;
    server.kill();
    server.wipe();
    server.restart();
    let published = insist(&a, "4").await;
    assert_ne!(published.position.epoch, before.epoch);
    assert_eq!(published.position.offset, 1);
    for (node, recorder) in [(&a, &at_a), (&b, &at_b)] {
        until("the message", || recorder.messages().len() == 4).await;
        let start = Position {
            offset: 0,
            ..published.position
        };
        let new = [
            Heard::Reset(start),
            Heard::Message(published.position, "4".into()),
        ];
        assert_eq!(recorder.heard()[3..], new);
        assert!(node.history("c", Some(before), 9).lost);
    }
}

async fn an_older_state_is_a_new_epoch(mut server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    say(&a, "1").await;
    say(&a, "2").await;
    server.kill();
    server.save();
    server.restart();
    insist(&a, "3 is lost").await;
    let before = insist(&b, "4 is lost").await.position;
    until("four", || {
        at_a.messages().len() == 4 && at_b.messages().len() == 4
    })
    .await;
    server.kill();
    server.restore();
    server.restart();
    let new = insist(&b, "new").await.position;
    assert_ne!(
        new.epoch, before.epoch,
        "never two messages at one position"
    );
    assert_eq!(new.offset, 3);
    for (node, recorder) in [(&a, &at_a), (&b, &at_b)] {
        until("the new one", || recorder.messages().len() == 5).await;
        // 1 and 2 are the same in both epochs. They are not told again.
        let start = Position { offset: 2, ..new };
        let heard = [Heard::Reset(start), Heard::Message(new, "new".into())];
        assert_eq!(recorder.heard()[4..], heard);
        assert!(node.history("c", Some(before), 9).lost);
        let history = node.history("c", None, 9);
        let texts = history.messages.iter().map(|m| m.payload.clone());
        assert!(texts.eq(["1", "2", "new"]));
    }
}

async fn a_node_starts_while_the_engine_is_away(mut server: Server) {
    server.kill();
    let limits = HistoryLimits::default();
    let starting = MessageBroker::start(&server.url, "a", limits);
    let a = timeout(Duration::from_secs(5), starting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*a.state().borrow(), EngineState::Away);
    assert_eq!(
        a.publish("c", "1", "1".into()).await,
        Err(BrokerError::Away)
    );
    server.restart();
    wait_for(&a, EngineState::Up).await;
    let at_a = Recorder::subscribe(&a).await;
    say(&a, "1").await;
    assert_eq!(at_a.messages().len(), 1);
    for (url, bad) in [
        (EngineUrl::Redis("redis://".into()), true),
        (server.url.clone(), false),
    ] {
        let started = MessageBroker::start(&url, "x", limits).await;
        assert_eq!(matches!(started, Err(BrokerError::BadUrl(_))), bad);
    }
}

async fn a_hung_engine_is_away(server: Server) {
    let a = node(&server, "a").await;
    let at_a = Recorder::subscribe(&a).await;
    server.signal("STOP");
    let asked = Instant::now();
    let (published, claimed) = tokio::join!(
        a.publish("c", "1", "1".into()),
        a.claim("k", Duration::from_secs(9))
    );
    assert_eq!(published, Err(BrokerError::Away));
    assert_eq!(claimed, Err(BrokerError::Away));
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    wait_for(&a, EngineState::Away).await;
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    let asked = Instant::now();
    assert_eq!(
        a.publish("c", "2", "2".into()).await,
        Err(BrokerError::Away)
    );
    assert!(asked.elapsed() < Duration::from_secs(1), "at once");
    server.signal("CONT");
    wait_for(&a, EngineState::Up).await;
    // The first attempt may have been stored: with its id it is stored once.
    insist(&a, "1").await;
    insist(&a, "2").await;
    until("both", || at_a.messages().len() == 2).await;
    assert_eq!(a.history("c", None, 9).messages.len(), 2);
}

async fn the_log_has_limits(server: Server) {
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
    // Another node reads the log, not the ring of the first.
    let b = start(&server, "b", limits).await;
    let _at_b = Recorder::subscribe(&b).await;
    let history = b.history("c", None, 99);
    assert_eq!(history.position, a.history("c", None, 1).position);
    assert_eq!(history.messages.len(), 1);
    assert_eq!(history.messages[0].payload.len(), 1000);
}

async fn channels_are_limited(server: Server) {
    let limits = HistoryLimits {
        channels: 2,
        ..HistoryLimits::default()
    };
    let a = start(&server, "a", limits).await;
    let callback: live::broker::Callback = std::sync::Arc::new(|_, _| {});
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
