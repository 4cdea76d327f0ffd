//! What is rare over a real engine.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::{Channel, lock};
use crate::broker::channels::Channels;
use crate::broker::log::{Entry, Tail};
use crate::broker::types::{Callback, Epoch, Event, HistoryLimits, Position};

fn at(epoch: u64, offset: u64) -> Position {
    Position {
        epoch: Epoch(epoch),
        offset,
    }
}

/// The payload of a message is its offset.
fn tail(position: Position, forked: Option<Position>, offsets: &[u64]) -> Tail {
    let entry = |offset: &u64| Entry {
        offset: *offset,
        age: Duration::ZERO,
        payload: offset.to_string().into(),
    };
    Tail {
        position,
        forked,
        entries: offsets.iter().map(entry).collect(),
    }
}

/// What a subscriber is told: epoch and offset, negative for a reset.
type Heard = Arc<Mutex<Vec<(u64, i64)>>>;

/// A channel after message 5 of epoch 1, with a subscriber.
fn channel() -> (Arc<Channel>, Heard) {
    let limits = HistoryLimits::default();
    let channel = Channel::new(
        "c".into(),
        limits,
        at(1, 0),
        Arc::default(),
        &Arc::default(),
    );
    let channel = Arc::new(channel);
    channel.catch_up(tail(at(1, 5), None, &[1, 2, 3, 4, 5]));
    channel.deliver();
    let heard = Heard::default();
    let notes = heard.clone();
    let callback: Callback = Arc::new(move |_, event| {
        let (position, sign) = match event {
            Event::Message(message) => (message.position, 1),
            Event::Reset(position) => (position, -1),
            Event::Signal(_) => return,
        };
        lock(&notes).push((position.epoch.0, sign * position.offset as i64));
    });
    assert!(channel.subscribe(&callback).is_ok());
    (channel, heard)
}

#[test]
fn what_is_read_again_is_told_once() {
    let (channel, heard) = channel();
    channel.catch_up(tail(at(1, 5), None, &[]));
    channel.catch_up(tail(at(1, 7), None, &[4, 5, 6, 7]));
    assert!(channel.take_in(at(1, 7), Bytes::new()), "known");
    assert!(channel.take_in(at(1, 8), Bytes::new()), "the next one");
    assert!(!channel.take_in(at(1, 10), Bytes::new()), "a gap");
    assert!(!channel.take_in(at(2, 9), Bytes::new()), "another epoch");
    channel.deliver();
    assert_eq!(*lock(&heard), [(1, 6), (1, 7), (1, 8)]);
}

#[test]
fn a_new_epoch_is_told_from_where_it_differs() {
    for (what, tail, expected) in [
        ("all lost", tail(at(2, 0), None, &[]), &[(2, 0)][..]),
        (
            "all lost, two are new",
            tail(at(2, 2), None, &[1, 2]),
            &[(2, 0), (2, 1), (2, 2)],
        ),
        (
            "an older state, one is new",
            tail(at(2, 4), Some(at(1, 3)), &[1, 2, 3, 4]),
            &[(2, -3), (2, 4)],
        ),
        (
            "an older state",
            tail(at(2, 3), Some(at(1, 3)), &[1, 2, 3]),
            &[(2, -3)],
        ),
        (
            "an older state, with a gap there",
            tail(at(2, 6), Some(at(1, 3)), &[1, 2, 5, 6]),
            &[(2, -2), (2, 5), (2, 6)],
        ),
        (
            "an older state, of which nothing is left",
            tail(at(2, 9), Some(at(1, 3)), &[]),
            &[(2, -9)],
        ),
        (
            "forked from an epoch that this node does not know",
            tail(at(3, 2), Some(at(2, 1)), &[1, 2]),
            &[(3, 0), (3, 1), (3, 2)],
        ),
    ] {
        let (channel, heard) = channel();
        let position = tail.position;
        let kept = tail.entries.len();
        channel.catch_up(tail);
        channel.deliver();
        assert_eq!(*lock(&heard), expected, "{what}");
        let history = channel.history(None, 99);
        assert_eq!(history.position, position, "{what}");
        let gap = if what.contains("gap") { 2 } else { 0 };
        assert_eq!(history.messages.len(), kept - gap, "{what}");
        assert!(channel.history(Some(at(1, 5)), 99).lost, "{what}");
    }
}

#[test]
fn a_message_at_a_known_position_may_be_another_one() {
    let (channel, heard) = channel();
    let mut tail = tail(at(2, 4), Some(at(1, 4)), &[1, 2, 3, 4]);
    tail.entries[2].payload = "other".into();
    channel.catch_up(tail);
    channel.deliver();
    assert_eq!(*lock(&heard), [(2, -2), (2, 3), (2, 4)]);
}

#[test]
fn who_waits_for_a_skipped_message_is_not_kept() {
    let (channel, _heard) = channel();
    let mut skipped = Box::pin(channel.published(at(1, 6), false));
    assert!((&mut skipped).now_or_never().is_none());
    channel.catch_up(tail(at(1, 7), None, &[7]));
    channel.deliver();
    let published = skipped.now_or_never().expect("it does not wait any more");
    assert_eq!(published.notified, 0);
    let published = channel.published(at(1, 7), false).now_or_never();
    assert_eq!(published.expect("delivered").notified, 1);
    assert!(channel.state().waiting.is_empty());
}

#[test]
fn a_channel_whose_last_subscriber_panicked_is_forgotten() {
    let channels = Channels::new(HistoryLimits::default(), Arc::default());
    let Ok(channel) = channels.open("c", || at(1, 0)) else {
        panic!("there is room");
    };
    let bad: Callback = Arc::new(|_, _| panic!("a test"));
    assert!(channel.subscribe(&bad).is_ok());
    channels.expire(Duration::ZERO);
    assert_eq!(channels.len(), 1);
    assert!(channel.take_in(at(1, 1), Bytes::new()));
    channel.deliver();
    channels.expire(Duration::ZERO);
    assert_eq!(channels.len(), 0);
}
