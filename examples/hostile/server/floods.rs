//! Much of what is legal. A server may serve or refuse it; memory and the other connections decide.
use super::{Server, served};
use crate::attack::{Attack, Part, Want};
use crate::frames::{BINARY, CLOSE, CONTINUATION, PING, TEXT, close, masked};

const BIG: &[u16] = &[1008, 1009];
const MIB: usize = 1 << 20;

pub fn attacks(server: &Server) -> Vec<Attack> {
    let count = server.count;
    let row = |name: &str, rule, want| Attack::new(format!("flood/{name}"), rule, want);
    let start = || masked(BINARY, "").more();
    let fragments = || Want::Either(served_texts(&[]), BIG);
    let end = || masked(CONTINUATION, "");
    let echoes = Want::Survived;
    let half = masked(TEXT, vec![b'a'; MIB / 2]).claims(MIB as u64);
    vec![
        row("empty-fragments", "ws CVE-2026-48779", fragments())
            .sends(start())
            .repeats(masked(CONTINUATION, "").more(), count)
            .sends(end()),
        row("1-byte-fragments", "ws CVE-2026-48779", fragments())
            .sends(start())
            .repeats(masked(CONTINUATION, "a").more(), count)
            .sends(end()),
        row("1-byte-text-fragments", "ws CVE-2026-48779", fragments())
            .sends(masked(TEXT, "").more())
            .repeats(masked(CONTINUATION, "a").more(), count)
            .sends(end()),
        row(
            "endless-message",
            "Bandit CVE-2026-42786",
            Want::Failed(BIG),
        )
        .sends(start())
        .repeats(masked(CONTINUATION, vec![0; 64 << 10]).more(), 4096)
        .lenient()
        .incomplete(),
        row("endless-frame", "RFC 6455 §10.4", Want::Failed(BIG))
            .sends(masked(BINARY, "").claims(1 << 28))
            .repeats(vec![0; 64 << 10], 4096)
            .lenient()
            .incomplete(),
        row("pings", "curl CVE-2026-11586", served(&[])).repeats(masked(PING, ""), count),
        row("pings-of-125", "curl CVE-2026-11586", served(&[]))
            .repeats(masked(PING, [b'a'; 125]), count / 10),
        row("pings-not-read", "curl CVE-2026-11586", echoes.clone())
            .repeats(masked(PING, [b'a'; 125]), count)
            .deaf(),
        row("empty-messages", "RUSTSEC-2020-0043", served(&[]))
            .repeats(masked(BINARY, ""), count / 4),
        row("messages-not-read", "RFC 6455 §10.4", echoes.clone())
            .repeats(masked(BINARY, vec![0; MIB - 14]), (count / 4000).max(24))
            .deaf(),
        row("tiny-messages-not-read", "RFC 6455 §10.4", echoes.clone())
            .repeats(masked(TEXT, "0123456789abcdef"), 4 * count)
            .deaf(),
        row("closes", "RFC 6455 §5.5.1", Want::Silent)
            .repeats(masked(CLOSE, close(1000, "")), count / 10)
            .incomplete(),
        row(
            "text-bytewise",
            "RFC 6455 §5.2",
            served(&[&"a".repeat(4096)]),
        )
        .part(Part::Bytewise(masked(TEXT, "a".repeat(4096)).bytes())),
        row("half-messages", "RUSTSEC-2022-0035", echoes.clone())
            .sends(half)
            .incomplete()
            .connections(32),
        row(
            "claims-without-payload",
            "RUSTSEC-2022-0035",
            echoes.clone(),
        )
        .sends(masked(BINARY, "").claims(MIB as u64))
        .incomplete()
        .connections(64),
        row("connections", "RFC 6455 §10.4", echoes)
            .sends(masked(TEXT, "hi"))
            .connections(128),
    ]
}

fn served_texts(texts: &[&str]) -> Vec<String> {
    match served(texts) {
        Want::Served(texts) => texts,
        _ => Vec::new(),
    }
}
