//! The ring against a model: all messages that ever were, of which some are still there.
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use crate::broker::held::Held;
use crate::broker::ring::Ring;
use crate::broker::types::{Epoch, HistoryLimits, Message, Position};

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// Publishes after offsets were skipped.
    Skip(u64),
    Wait(u64),
    Reset,
    /// The last messages.
    Last(usize),
    /// After a position: how far behind the last one (negative: ahead), in which epoch, how many.
    Resume(i64, bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40_usize).prop_map(Step::Publish),
        1 => (1..4_u64).prop_map(Step::Skip),
        3 => (0..30_u64).prop_map(Step::Wait),
        1 => Just(Step::Reset),
        3 => (0..12_usize).prop_map(Step::Last),
        6 => (-2..12_i64, prop::bool::weighted(0.9), 0..12_usize)
            .prop_map(|(behind, same, limit)| Step::Resume(behind, same, limit)),
    ]
}

/// A message: offset, time in seconds, length.
type Stored = (u64, u64, usize);

/// What the model says is there: the longest run of messages without a gap, up to the last one, within
/// all limits.
fn kept(all: &[Stored], now: u64, limits: HistoryLimits) -> &[Stored] {
    let mut start = all.len();
    let mut bytes = 0;
    while start > 0 {
        let (offset, at, len) = all[start - 1];
        bytes += len;
        let dense = start == all.len() || all[start].0 == offset + 1;
        let young = now - at <= limits.age.as_secs();
        let fits = all.len() - start < limits.count && bytes <= limits.bytes;
        if !(dense && young && fits) {
            break;
        }
        start -= 1;
    }
    &all[start..]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_ring_is_what_the_model_says(
        steps in prop::collection::vec(step(), 1..60),
        count in 1..8_usize,
        bytes in 40..120_usize,
        age in 0..60_u64,
    ) {
        let limits = HistoryLimits { count, bytes, age: Duration::from_secs(age), ..HistoryLimits::default() };
        let held = Arc::<Held>::default();
        let begin = Instant::now();
        let mut position = Position { epoch: Epoch(1), offset: 0 };
        let mut ring = Ring::new(limits, position, held.clone());
        let (mut all, mut now) = (Vec::<Stored>::new(), 0);
        for step in steps {
            let (after, limit) = match step {
                Step::Publish(len) => {
                    position.offset += 1;
                    publish(&mut ring, &mut all, position, begin, now, len);
                    continue;
                }
                Step::Skip(skipped) => {
                    position.offset += 1 + skipped;
                    publish(&mut ring, &mut all, position, begin, now, 1);
                    continue;
                }
                Step::Wait(seconds) => {
                    now += seconds;
                    continue;
                }
                Step::Reset => {
                    position = Position { epoch: Epoch(position.epoch.0 + 1), offset: 7 };
                    ring.reset(position);
                    all.clear();
                    continue;
                }
                Step::Last(limit) => (None, limit),
                Step::Resume(behind, same, limit) => {
                    let after = Position {
                        epoch: Epoch(position.epoch.0 - u64::from(!same)),
                        offset: position.offset.saturating_add_signed(-behind),
                    };
                    (Some(after), limit)
                }
            };
            ring.expire(begin + Duration::from_secs(now));
            let kept = kept(&all, now, limits);
            let history = ring.read(after, limit);
            // Lost: not every message after `after` is there, or it is no position of this epoch.
            let lost = after.is_some_and(|after| {
                after.epoch != position.epoch
                    || after.offset > position.offset
                    || position.offset - after.offset > kept.len() as u64
            });
            let offsets: Vec<u64> = match after {
                Some(after) if !lost => {
                    let new = kept.iter().filter(|m| m.0 > after.offset);
                    new.take(limit).map(|m| m.0).collect()
                }
                _ => kept[kept.len().saturating_sub(limit)..].iter().map(|m| m.0).collect(),
            };
            let read: Vec<u64> = history.messages.iter().map(|m| m.position.offset).collect();
            prop_assert_eq!(read, offsets);
            prop_assert_eq!(history.lost, lost);
            prop_assert_eq!(history.position, position);
            let memory: usize = kept.iter().map(|m| 2 * m.2 + 256).sum();
            prop_assert_eq!(held.bytes(), memory);
            for offset in 0..position.offset + 2 {
                let there = kept.iter().any(|m| m.0 == offset);
                prop_assert_eq!(ring.get(offset).is_some(), there);
            }
        }
        drop(ring);
        prop_assert_eq!(held.bytes(), 0);
    }
}

fn publish(
    ring: &mut Ring,
    all: &mut Vec<Stored>,
    position: Position,
    begin: Instant,
    now: u64,
    len: usize,
) {
    let message = Message::new("c".into(), position, vec![0; len].into());
    ring.push(begin + Duration::from_secs(now), Arc::new(message));
    all.push((position.offset, now, len));
}
