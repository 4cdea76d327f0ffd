//! The book of the load tool finds what is wrong, and nothing where nothing is wrong.
use live::load::ledger::{Faults, Ledger, Position};
use live::load::line::Line;

const READERS: usize = 4;
const EPOCH: u64 = 0xa;

fn at(offset: u64) -> Position {
    Position {
        epoch: EPOCH,
        offset,
    }
}

fn later(offset: u64) -> Position {
    Position { epoch: 0xb, offset }
}

/// The message at an offset: the senders 0 and 2 take turns.
fn line(offset: u64) -> Option<Line> {
    Some(Line {
        sender: (offset as u32 + 1) % 2 * 2,
        sequence: (offset as u32).div_ceil(2),
        sent: offset,
    })
}

/// Two rooms with two readers each, who have joined.
fn ledger() -> Ledger {
    let mut ledger = Ledger::new(READERS, 2);
    (0..READERS).for_each(|reader| ledger.joined(reader, at(0), false));
    ledger
}

/// Room 0, with the readers 0 and 2, has the messages 1 to `last`, all acknowledged.
fn say(ledger: &mut Ledger, last: u64) {
    for offset in 1..=last {
        ledger.said();
        let Line {
            sender, sequence, ..
        } = line(offset).unwrap();
        ledger.acked(sender as usize, sequence, at(offset));
    }
}

fn hear(ledger: &mut Ledger, reader: usize, offsets: impl IntoIterator<Item = u64>) {
    for offset in offsets {
        ledger.message(reader, at(offset), line(offset));
    }
}

/// Reader 2 hears something else than reader 0, who hears 1 to 5.
fn heard(offsets: impl IntoIterator<Item = u64>) -> Faults {
    let mut ledger = ledger();
    say(&mut ledger, 5);
    hear(&mut ledger, 0, 1..=5);
    hear(&mut ledger, 2, offsets);
    ledger.finish()
}

/// lost, doubled, disordered, corrupted, unacknowledged
fn counts(faults: &Faults) -> [u64; 5] {
    let Faults {
        lost,
        doubled,
        disordered,
        corrupted,
        unacknowledged,
        ..
    } = *faults;
    let counts = [lost, doubled, disordered, corrupted, unacknowledged];
    assert_eq!(faults.none(), counts == [0; 5]);
    let in_words = counts[..4] != [0; 4]; // what is not acknowledged is only counted
    assert_eq!(!faults.examples.is_empty(), in_words, "{faults:?}");
    counts
}

#[test]
fn all_is_well() {
    let mut ledger = ledger();
    assert!(ledger.settled(), "nothing was said");
    say(&mut ledger, 5);
    hear(&mut ledger, 0, 1..=5);
    hear(&mut ledger, 2, 1..=4);
    assert!(!ledger.settled(), "one reader waits");
    hear(&mut ledger, 2, [5]);
    assert!(ledger.settled());
    assert_eq!((ledger.delivered(), ledger.sent()), (10, (5, 5)));
    assert_eq!(counts(&ledger.finish()), [0; 5]);
}

#[test]
fn the_order_of_messages_and_acknowledgements_does_not_matter() {
    let mut ledger = ledger();
    (0..5).for_each(|_| ledger.said());
    hear(&mut ledger, 0, 1..=5);
    assert!(!ledger.settled(), "no acknowledgement");
    (1..=5).for_each(|n| {
        let line = line(n).unwrap();
        ledger.acked(line.sender as usize, line.sequence, at(n));
    });
    hear(&mut ledger, 2, 1..=5);
    assert_eq!(counts(&ledger.finish()), [0; 5]);
}

#[test]
fn a_lost_message_is_found_at_every_place() {
    for lost in 1..=5 {
        let faults = heard((1..=5).filter(|n| *n != lost));
        assert_eq!(counts(&faults), [1, 0, 0, 0, 0], "{lost}: {faults:?}");
    }
    assert_eq!(counts(&heard([])), [5, 0, 0, 0, 0]);
}

#[test]
fn a_doubled_message_is_found() {
    for doubled in 1..=5 {
        let offsets = (1..=5).flat_map(|n| vec![n; 1 + usize::from(n == doubled)]);
        assert_eq!(counts(&heard(offsets)), [0, 1, 0, 0, 0]);
    }
    assert_eq!(counts(&heard([1, 2, 3, 4, 5, 1, 2])), [0, 2, 0, 0, 0]);
}

#[test]
fn swapped_messages_are_found() {
    assert_eq!(counts(&heard([1, 3, 2, 4, 5])), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&heard([5, 4, 3, 2, 1])), [0, 0, 4, 0, 0]);
    assert_eq!(counts(&heard([2, 1, 3, 4, 5, 1])), [0, 1, 1, 0, 0]);
}

#[test]
fn a_hole_of_any_size_needs_bounded_memory() {
    assert_eq!(
        counts(&heard([1, 1_000_000_000]))[0],
        999_999_998 + 999_999_995
    );
}

#[test]
fn a_changed_message_is_found() {
    let mut book = ledger();
    say(&mut book, 3);
    hear(&mut book, 0, 1..=3);
    hear(&mut book, 2, [1]);
    book.message(2, at(2), None);
    hear(&mut book, 2, [3]);
    assert_eq!(counts(&book.finish()), [0, 0, 0, 1, 0]);

    // Well-formed, but not what the other reader has seen there.
    let mut book = ledger();
    say(&mut book, 3);
    hear(&mut book, 0, 1..=3);
    hear(&mut book, 2, [1]);
    book.message(2, at(2), line(9));
    hear(&mut book, 2, [3]);
    assert_eq!(counts(&book.finish()), [0, 0, 0, 1, 0]);
}

#[test]
fn a_message_that_is_stored_twice_is_found() {
    let mut ledger = ledger();
    say(&mut ledger, 1);
    for reader in [0, 2] {
        ledger.message(reader, at(1), line(1));
        ledger.message(reader, at(2), line(1));
    }
    assert_eq!(counts(&ledger.finish()), [0, 1, 0, 0, 0]);
}

#[test]
fn a_sender_whose_messages_are_stored_in_another_order_is_found() {
    let mut ledger = ledger();
    for reader in [0, 2] {
        ledger.message(reader, at(1), line(3));
        ledger.message(reader, at(2), line(1));
    }
    let faults = ledger.finish();
    assert_eq!((faults.disordered, faults.doubled), (1, 1), "{faults:?}");
}

#[test]
fn an_acknowledgement_is_a_promise() {
    // Nobody got it.
    let mut book = ledger();
    say(&mut book, 1);
    assert!(!book.settled());
    assert_eq!(counts(&book.finish()), [2, 0, 0, 0, 0]);
    // It names another place.
    let mut book = ledger();
    say(&mut book, 2);
    book.said();
    book.acked(0, 2, at(2));
    hear(&mut book, 0, 1..=2);
    hear(&mut book, 2, 1..=2);
    assert_eq!(counts(&book.finish()), [0, 0, 0, 1, 0]);
    // There is none.
    let mut book = ledger();
    book.said();
    assert!(!book.settled());
    assert_eq!(counts(&book.finish()), [0, 0, 0, 0, 1]);
}

#[test]
fn resuming_goes_on_where_the_reader_was() {
    let resume = |follows: std::ops::RangeInclusive<u64>| {
        let mut ledger = ledger();
        say(&mut ledger, 5);
        hear(&mut ledger, 0, 1..=5);
        hear(&mut ledger, 2, 1..=2);
        assert_eq!(ledger.position(2), Some(at(2)));
        ledger.joined(2, at(2), true);
        hear(&mut ledger, 2, follows);
        counts(&ledger.finish())
    };
    assert_eq!(resume(3..=5), [0; 5]);
    assert_eq!(resume(2..=5), [0, 1, 0, 0, 0]);
    assert_eq!(resume(4..=5), [1, 0, 0, 0, 0]);
}

#[test]
fn what_was_not_recovered_is_lost() {
    let mut book = ledger();
    say(&mut book, 5);
    hear(&mut book, 0, 1..=5);
    hear(&mut book, 2, 1..=2);
    book.joined(2, at(4), false);
    hear(&mut book, 2, [5]);
    assert_eq!(counts(&book.finish()), [2, 0, 0, 0, 0]);

    // The reader has forgotten its position, and gets again what it had.
    let mut book = ledger();
    say(&mut book, 5);
    hear(&mut book, 0, 1..=5);
    hear(&mut book, 2, 1..=4);
    book.joined(2, at(2), false);
    hear(&mut book, 2, 3..=5);
    assert_eq!(counts(&book.finish()), [0; 5]);
}

#[test]
fn a_reset_loses_what_was_not_read_before() {
    let mut book = ledger();
    say(&mut book, 4);
    hear(&mut book, 0, 1..=4);
    hear(&mut book, 2, 1..=3);
    for reader in [0, 2] {
        assert!(!book.settled());
        book.reset(reader, later(0));
        // Messages 3 and 4 of the sender 0, at new offsets.
        book.message(reader, later(1), line(5));
        book.message(reader, later(2), line(7));
    }
    assert!(book.settled());
    assert_eq!(counts(&book.finish()), [1, 0, 0, 0, 0]);

    // A node that goes on in a new epoch without a word.
    let mut book = ledger();
    hear(&mut book, 0, 1..=1);
    book.message(0, later(2), line(2));
    assert_eq!(book.finish().corrupted, 1);
    // It says that it has recovered an epoch that is another one.
    let mut book = ledger();
    book.joined(0, later(0), true);
    assert_eq!(counts(&book.finish()), [0, 0, 0, 1, 0]);
}

#[test]
fn a_message_can_be_sent_again_in_a_new_epoch() {
    let mut ledger = ledger();
    ledger.said();
    for reader in [0, 2] {
        ledger.message(reader, at(1), line(1));
        ledger.reset(reader, later(0));
        ledger.message(reader, later(1), line(1));
    }
    ledger.acked(0, 1, later(1));
    assert!(ledger.settled());
    assert_eq!(counts(&ledger.finish()), [0; 5]);
}

#[test]
fn a_reader_that_never_came_has_lost_everything() {
    let mut book = Ledger::new(2, 1);
    book.joined(0, at(0), false);
    hear(&mut book, 0, 1..=3);
    assert!(!book.settled());
    assert_eq!(counts(&book.finish()), [3, 0, 0, 0, 0]);
    // A message without joining is wrong, too.
    let mut book = Ledger::new(1, 1);
    book.message(0, at(1), line(1));
    assert_eq!(counts(&book.finish()), [0, 0, 0, 1, 0]);
    // A new room cannot begin with messages.
    let mut book = Ledger::new(1, 1);
    book.joined(0, at(2), false);
    assert_eq!(counts(&book.finish()), [2, 0, 0, 0, 0]);
    let mut book = Ledger::new(1, 1);
    book.joined(0, at(u64::MAX), false);
    assert_eq!(book.finish().lost, u64::MAX);
}
