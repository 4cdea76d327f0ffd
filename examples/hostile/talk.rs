//! What is sent behind the handshake: the attack, a question, and the end.
use std::net::TcpStream;
use std::time::Duration;

use crate::attack::{Attack, Part, Want};
use crate::exchange::{End, Plan, exchange};
use crate::frames::{CLOSE, PING, Side, TEXT, close};
use crate::hear::Ear;
use crate::verdict::PROBE;

/// The time that half a message stays under way.
const SOON: Duration = Duration::from_millis(200);

pub fn talk(side: Side, stream: &TcpStream, attack: &Attack, ear: &mut Ear, plan: &Plan<'_>) {
    // A server echoes; a client need not answer anything but pings.
    let opcode = match side {
        Side::Client => TEXT,
        Side::Server => PING,
    };
    let probe = side.frame(opcode, PROBE).bytes();
    let mut parts = attack.parts.clone();
    let mut plan = Plan {
        deaf: attack.deaf,
        ..*plan
    };
    match attack.want {
        _ if attack.incomplete || attack.is_slow() => {}
        // First there is time for the refusal. A probe that is sent at once could reset it.
        Want::Failed(_) => plan.probe = &probe,
        _ => parts.push(Part::Bytes(probe.clone())),
    }
    if attack.want == Want::Survived && attack.incomplete {
        plan.wait = plan.wait.min(SOON); // no answer is due
    }
    plan.parts = &parts;
    let is_late = attack.want == Want::Silent;
    let (sent, end) = exchange(stream, &plan, &mut |bytes| {
        let is_over = ear.hear(bytes) && (!is_late || ear.seen.illegal.is_some());
        (is_over || ear.seen.answered) && !attack.is_slow()
    });
    ear.seen.sent += sent;
    ear.seen.end = Some(end);
    let is_open = end == End::Heard && ear.seen.close.is_none() && ear.seen.illegal.is_none();
    if is_open && !matches!(attack.want, Want::Failed(_)) {
        let close = [Part::Bytes(side.frame(CLOSE, close(1000, "")).bytes())];
        let plan = Plan {
            parts: &close,
            wait: plan.wait,
            ..Plan::default()
        };
        let (_, end) = exchange(stream, &plan, &mut |bytes| ear.hear(bytes));
        ear.seen.end = Some(end);
    }
}
