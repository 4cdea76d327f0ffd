//! The engine is killed, hangs, or loses what it has stored.
use std::time::Duration;

use live::broker::{BrokerError, EngineState, EngineUrl, HistoryLimits, MessageBroker, Position};
use tokio::time::{Instant, timeout};

use crate::support::{DEADLINE, Heard, Recorder, Server, node, say, start, until, wait_for};

pub async fn nothing_is_lost_or_doubled_when_the_engine_is_killed_under_load(mut server: Server) {
    const PUBLISHERS: usize = 6;
    // Longer than a node can be away in this test.
    let limits = HistoryLimits {
        count: 100_000,
        bytes: 100 << 20,
        ..HistoryLimits::default()
    };
    let a = start(&server, "a", limits).await;
    let b = start(&server, "b", limits).await;
    wait_for(&a, EngineState::Up).await;
    wait_for(&b, EngineState::Up).await;
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
                accepted.push((say(&broker, &text).await.position, text));
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
    let last = say(&a, "last").await.position;
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

pub async fn away_and_up_again(mut server: Server) {
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

pub async fn lost_data_is_a_new_epoch(mut server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    for id in ["1", "2", "3"] {
        say(&a, id).await;
    }
    let before = a.history("c", None, 1).position;
    server.kill();
    server.wipe();
    server.restart();
    let published = say(&a, "4").await;
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

pub async fn an_older_state_is_a_new_epoch(mut server: Server) {
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let (at_a, at_b) = (Recorder::subscribe(&a).await, Recorder::subscribe(&b).await);
    say(&a, "1").await;
    say(&a, "2").await;
    server.kill();
    server.save();
    server.restart();
    say(&a, "3 is lost").await;
    let before = say(&b, "4 is lost").await.position;
    until("four", || {
        at_a.messages().len() == 4 && at_b.messages().len() == 4
    })
    .await;
    server.kill();
    server.restore();
    server.restart();
    // Nobody has to publish for it.
    until("resets", || {
        !at_a.resets().is_empty() && !at_b.resets().is_empty()
    })
    .await;
    let new = say(&b, "new").await.position;
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

pub async fn no_position_is_used_twice_after_all_messages_are_old(mut server: Server) {
    let limits = HistoryLimits {
        age: Duration::from_millis(300),
        ..HistoryLimits::default()
    };
    let a = start(&server, "a", limits).await;
    say(&a, "1").await;
    let last = say(&a, "2").await.position;
    drop(a);
    let end = Instant::now() + DEADLINE;
    loop {
        // A node of its own each time, so that none knows the position.
        let late = start(&server, "late", limits).await;
        let recorder = Recorder::subscribe(&late).await;
        assert_eq!(recorder.heard(), []);
        if late.history("c", None, 9).messages.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "the messages never get old");
    }
    server.kill();
    server.restart();
    let b = start(&server, "b", limits).await;
    let next = say(&b, "3").await.position;
    assert!(
        next.epoch != last.epoch || next.offset > last.offset,
        "{next:?}"
    );
}

pub async fn a_node_starts_while_the_engine_is_away(mut server: Server) {
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

pub async fn a_hung_engine_is_away(server: Server) {
    let a = node(&server, "a").await;
    let at_a = Recorder::subscribe(&a).await;
    server.stop();
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
    server.go_on();
    wait_for(&a, EngineState::Up).await;
    // The first attempt may have been stored: with its id it is stored once.
    say(&a, "1").await;
    say(&a, "2").await;
    until("both", || at_a.messages().len() == 2).await;
    assert_eq!(a.history("c", None, 9).messages.len(), 2);
}
