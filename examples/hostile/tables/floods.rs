//! Much of what is legal. A server may serve or refuse it; memory and the other connections decide.
use super::{served, texts};
use crate::attack::{Attack, Part, Want};
use crate::frames::{BINARY, CLOSE, CONTINUATION, PING, Side, TEXT, close};

const BIG: &[u16] = &[1008, 1009];
const MIB: usize = 1 << 20;

pub fn attacks(side: Side, count: usize) -> Vec<Attack> {
    let row = |name: &str, rule, want| Attack::new(format!("flood/{name}"), rule, want);
    let start = || side.frame(BINARY, "").more();
    let fragments = || Want::Either(texts(&[]), BIG);
    let end = || side.frame(CONTINUATION, "");
    let echoes = Want::Survived;
    let half = side.frame(TEXT, vec![b'a'; MIB / 2]).claims(MIB as u64);
    vec![
        row("empty-fragments", "ws CVE-2026-48779", fragments())
            .sends(start())
            .repeats(side.frame(CONTINUATION, "").more(), count)
            .sends(end()),
        row("1-byte-fragments", "ws CVE-2026-48779", fragments())
            .sends(start())
            .repeats(side.frame(CONTINUATION, "a").more(), count)
            .sends(end()),
        row("1-byte-text-fragments", "ws CVE-2026-48779", fragments())
            .sends(side.frame(TEXT, "").more())
            .repeats(side.frame(CONTINUATION, "a").more(), count)
            .sends(end()),
        row(
            "endless-message",
            "Bandit CVE-2026-42786",
            Want::Failed(BIG),
        )
        .sends(start())
        .repeats(side.frame(CONTINUATION, vec![0; 64 << 10]).more(), 4096)
        .lenient()
        .incomplete(),
        row("endless-frame", "RFC 6455 §10.4", Want::Failed(BIG))
            .sends(side.frame(BINARY, "").claims(1 << 28))
            .repeats(vec![0; 64 << 10], 4096)
            .lenient()
            .incomplete(),
        row("pings", "curl CVE-2026-11586", served(&[]))
            .repeats(side.frame(PING, ""), count)
            .lenient(),
        row("pings-of-125", "curl CVE-2026-11586", served(&[]))
            .repeats(side.frame(PING, [b'a'; 125]), count / 10)
            .lenient(),
        row("pings-not-read", "curl CVE-2026-11586", echoes.clone())
            .repeats(side.frame(PING, [b'a'; 125]), count)
            .deaf(),
        row("empty-messages", "RUSTSEC-2020-0043", served(&[]))
            .repeats(side.frame(BINARY, ""), count / 4),
        row("messages-not-read", "RFC 6455 §10.4", echoes.clone())
            .repeats(side.frame(BINARY, vec![0; MIB - 14]), (count / 4000).max(8))
            .deaf(),
        row("tiny-messages-not-read", "RFC 6455 §10.4", echoes.clone())
            .repeats(side.frame(TEXT, "0123456789abcdef"), 4 * count)
            .deaf(),
        row("closes", "RFC 6455 §5.5.1", Want::Silent)
            .repeats(side.frame(CLOSE, close(1000, "")), count / 10)
            .incomplete(),
        row(
            "text-bytewise",
            "RFC 6455 §5.2",
            served(&[&"a".repeat(4096)]),
        )
        .part(Part::Bytewise(side.frame(TEXT, "a".repeat(4096)).bytes())),
        row("half-messages", "RUSTSEC-2022-0035", echoes.clone())
            .sends(half)
            .incomplete()
            .connections(32),
        row(
            "claims-without-payload",
            "RUSTSEC-2022-0035",
            echoes.clone(),
        )
        .sends(side.frame(BINARY, "").claims(MIB as u64))
        .incomplete()
        .connections(64),
        row("connections", "RFC 6455 §10.4", echoes)
            .sends(side.frame(TEXT, "hi"))
            .connections(128),
    ]
}
