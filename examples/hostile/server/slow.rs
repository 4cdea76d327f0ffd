//! What takes longer than a server should wait. Only with `--patience`.
use std::time::Duration;

use super::Server;
use crate::attack::{Attack, Part, Want};
use crate::blocks::bomb;
use crate::frames::{BINARY, CONTINUATION, Side, TEXT};
use crate::http::Lines;
use crate::tables::offer;

const SECOND: Duration = Duration::from_secs(1);

pub fn attacks(server: &Server) -> Vec<Attack> {
    let row = |name: &str, rule| Attack::new(format!("slow/{name}"), rule, Want::Ended);
    let head: Vec<u8> = Lines::request(&server.host, &server.path).into();
    let start = head[..head.len() - 2].to_vec();
    let drip = |first: Vec<u8>, again: Vec<u8>| Part::Drip(first, again, SECOND);
    let fragment = Side::Client.frame(CONTINUATION, "a").more().bytes();
    vec![
        row("head", "half-open peers").head_parts(vec![drip(b"GET".into(), b"a".into())]),
        row("fields", "half-open peers").head_parts(vec![
            Part::Bytes(start),
            drip(b"X-Name: ".into(), b"a\r\nX-Name: ".into()),
        ]),
        row("no-head", "half-open peers").head_parts(Vec::new()),
        row("payload", "time of a message").part(drip(
            Side::Client.frame(BINARY, "").claims(100_000).bytes(),
            b"a".into(),
        )),
        row("fragments", "time of a message")
            .part(drip(Side::Client.frame(TEXT, "a").more().bytes(), fragment)),
        row("unfinished-bomb", "memory of unfinished messages")
            .deflate(offer())
            .sends(
                Side::Client
                    .frame(BINARY, &bomb("\0", 1)[..1000])
                    .rsv(4)
                    .more(),
            ),
        row("no-pong", "half-open peers"),
        row("never-ends-tcp", "RFC 6455 §7.1.1").sends(Side::Server.frame(TEXT, "hi")),
    ]
}
