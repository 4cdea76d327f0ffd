//! What an outcome means.
use std::fmt;

use super::attack::{Attack, Want};
use super::exchange::End;
use super::hear::Seen;
use super::tables::LATE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Pass,
    /// Not as the rule says, but harmless: another status or code, TCP closed without a word, or
    /// the rule is no MUST.
    NonStrict,
    Fail,
    /// It could not be played.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::NonStrict => "NON-STRICT",
            Self::Fail => "FAIL",
            Self::Skipped => "-",
        })
    }
}

/// A text to a server, or a ping to a client, behind the attack. A peer that answers it goes on.
pub const PROBE: &str = "is anybody there?";

/// Judges what was seen, and says it in words.
pub fn judge(attack: &Attack, seen: &Seen) -> (Verdict, String) {
    if seen.not_agreed {
        return (Verdict::Skipped, "compression is not agreed on".into());
    }
    let verdict = match strict(attack, seen) {
        Verdict::Fail if attack.lenient && seen.illegal.is_none() => Verdict::NonStrict,
        verdict => verdict,
    };
    let accepted = seen.answered && matches!(attack.want, Want::Failed(_));
    let accepted = if accepted { "accepted: " } else { "" };
    (verdict, format!("{accepted}{}", outcome(seen)))
}

fn strict(attack: &Attack, seen: &Seen) -> Verdict {
    use Verdict::{Fail, NonStrict, Pass};
    // A Close frame, no response or a closed stream are no success, but the peer is safe.
    let is_refused = seen.status.is_some_and(|status| status >= 400);
    let is_dropped = seen.end == Some(End::Tcp) && seen.close.is_none();
    let has_failed = is_dropped || seen.close.is_some_and(|code| !matches!(code, 1000 | 1005));
    let has_refused = is_refused || seen.status.is_none() && is_dropped;
    if seen.illegal.is_some() {
        return Fail;
    }
    let is_served =
        |answers: &[String]| (seen.answered || attack.incomplete) && has_answers(answers, seen);
    match &attack.want {
        Want::Refused(statuses) | Want::RefusedWithoutBody(statuses) => match seen.status {
            Some(_) if matches!(attack.want, Want::RefusedWithoutBody(_)) && seen.body > 0 => Fail,
            Some(status) if statuses.contains(&status) => Pass,
            _ if has_refused => NonStrict,
            _ => Fail,
        },
        Want::Declined => match seen.status {
            Some(101) if seen.extensions.is_none() => Pass,
            Some(101) => Fail,
            _ if has_refused => NonStrict,
            _ => Fail,
        },
        Want::NotOpened => match seen.end {
            _ if seen.count + seen.pongs > 0 => Fail,
            Some(End::Tcp) if seen.received == 0 => Pass,
            Some(End::Quiet) if seen.received == 0 => NonStrict, // it waits for something
            _ if has_failed => NonStrict,
            _ => Fail,
        },
        Want::Failed(codes) => match seen.close {
            _ if seen.answered => Fail,
            Some(code) if codes.contains(&code) => Pass,
            _ if has_failed => NonStrict,
            _ => Fail,
        },
        Want::Served(answers) => match () {
            () if is_served(answers) && has_ended(seen) => Pass,
            () if matches!(seen.close, Some(1008 | 1009 | 1013)) => NonStrict,
            () => Fail,
        },
        Want::Either(answers, codes) => match seen.close {
            Some(_) if is_served(answers) => Pass,
            Some(code) if codes.contains(&code) => Pass,
            _ if has_failed => NonStrict,
            _ => Fail,
        },
        Want::Silent if seen.pongs > 0 || has_answers(&[LATE.into()], seen) => Fail,
        Want::Silent if seen.close.is_some() || is_dropped => Pass,
        Want::Silent => NonStrict,
        // The witnesses, the time and the memory decide.
        Want::Survived if attack.incomplete || seen.answered || has_failed || is_refused => Pass,
        Want::Survived => NonStrict,
        Want::Ended if seen.end == Some(End::Tcp) => Pass,
        Want::Ended => NonStrict,
    }
}

/// Whether the connection was closed without an accusation.
fn has_ended(seen: &Seen) -> bool {
    (seen.close).is_some_and(|code| !matches!(code, 1002 | 1007..=1009))
}

/// Whether the answers came in this order. Others may come between them: a chat sends what others
/// say, and a name in front of each line.
fn has_answers(answers: &[String], seen: &Seen) -> bool {
    let mut messages = seen.messages.iter();
    let mut has = |answer: &String| messages.any(|message| message.ends_with(&**answer));
    answers.iter().all(&mut has)
}

fn outcome(seen: &Seen) -> String {
    if let Some(illegal) = &seen.illegal {
        return format!("sent something illegal: {illegal}");
    }
    let answers = match (seen.count, seen.pongs) {
        (0, 0) => String::new(),
        (0, pongs) => format!("{pongs} pongs, "),
        (count, 0) => format!("{count} messages, "),
        (count, pongs) => format!("{count} messages, {pongs} pongs, "),
    };
    let stuck = " while it took no more bytes";
    match (seen.status, seen.close, seen.end) {
        (Some(status), _, _) if status != 101 => format!("refused with {status}"),
        (_, None, Some(End::Heard)) => format!("{answers}open"),
        (_, Some(1005), _) => format!("{answers}closed without a code"),
        (_, Some(code), _) => format!("{answers}closed with {code}"),
        (None, None, Some(End::Tcp)) => "closed TCP without a response".into(),
        (_, _, Some(End::Tcp)) => format!("{answers}closed TCP"),
        (None, _, Some(End::Stuck)) => format!("no response{stuck}"),
        (None, ..) => "no response".into(),
        (_, _, Some(End::Stuck)) => format!("{answers}open{stuck}"),
        _ => format!("{answers}open and silent"),
    }
}

#[test]
fn verdicts() {
    use Verdict::{Fail, NonStrict, Pass};
    let seen = || Seen {
        status: Some(101),
        ..Seen::default()
    };
    let closed = |code| Seen {
        close: Some(code),
        end: Some(End::Heard),
        ..seen()
    };
    let refused = |status| Seen {
        status: Some(status),
        end: Some(End::Heard),
        ..seen()
    };
    let ended = |end| Seen {
        end: Some(end),
        ..seen()
    };
    let answered = |answer: &str, close| Seen {
        messages: vec![answer.into(), PROBE.into()],
        count: 2,
        answered: true,
        ..closed(close)
    };
    let rows = [
        (Want::Failed(&[1002]), closed(1002), Pass),
        (Want::Failed(&[1002]), closed(1007), NonStrict),
        (Want::Failed(&[1002]), ended(End::Tcp), NonStrict),
        (Want::Failed(&[1002]), closed(1000), Fail),
        (Want::Failed(&[1002]), ended(End::Quiet), Fail),
        (Want::Failed(&[1002]), answered("hi", 1002), Fail),
        (Want::Refused(&[400]), refused(400), Pass),
        (Want::Refused(&[400]), refused(500), NonStrict),
        (Want::Refused(&[400]), answered("hi", 1000), Fail),
        (
            Want::Served(vec!["hi".into()]),
            answered("Ann: hi", 1000),
            Pass,
        ),
        (Want::Served(vec!["hi".into()]), answered("ho", 1000), Fail),
        (Want::Served(vec!["hi".into()]), closed(1000), Fail),
        (Want::Served(vec!["hi".into()]), closed(1009), NonStrict),
        (Want::Either(vec!["hi".into()], &[1009]), closed(1009), Pass),
        (Want::NotOpened, ended(End::Tcp), Pass),
        (Want::NotOpened, answered("hi", 1000), Fail),
        (Want::Declined, seen(), Pass),
        (Want::Silent, closed(1000), Pass),
        (Want::Silent, answered(LATE, 1000), Fail),
        (Want::Survived, ended(End::Quiet), NonStrict),
        (Want::Ended, ended(End::Quiet), NonStrict),
        (Want::Ended, ended(End::Tcp), Pass),
    ];
    for (want, seen, verdict) in rows {
        let attack = Attack::new("test/row", "", want);
        assert_eq!(
            judge(&attack, &seen).0,
            verdict,
            "{:?} {seen:?}",
            attack.want
        );
        let lenient = judge(&attack.lenient(), &seen).0;
        assert_eq!(lenient, verdict.min(NonStrict), "{seen:?}");
    }
}
