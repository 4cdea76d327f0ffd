//! Inputs from which the fuzzer starts: one for each thing that a target should meet.

use crate::support::{
    Random, SIDES,
    deflate::{Blocks, Match, Peer, literals},
    frame,
    wire::{self, BINARY, CLOSE, CONTINUATION, TEXT},
};

/// Returns the seeds of a target.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "frame" => headers(),
        "receive" => conversations(),
        "inflate" => compressed(),
        "pair" => scripts(60, 400),
        "deflate" => scripts(30, 300),
        "server_handshake" => heads(&REQUESTS),
        "client_handshake" => heads(&RESPONSES),
        "values" => values(),
        "differential" => subjects(),
        _ => Vec::new(),
    }
}

/// Reads: how many there are, and each one as a byte.
const READS: [&[u8]; 6] = [
    &[0],
    &[1, 0],
    &[2, 0x41, 0x86],
    &[3, 0x20, 0xB3, 0x08],
    &[4, 0x60, 0x18, 0x05, 0xC4],
    &[2, 0x1D, 0x07],
];

fn headers() -> Vec<Vec<u8>> {
    let mut headers: Vec<Vec<u8>> = (0..=255)
        .map(|first| vec![first, 0x80, 1, 2, 3, 4])
        .collect();
    for len in [0, 125, 126, 127, 65_535, 65_536, u64::MAX >> 1, u64::MAX] {
        for side in SIDES {
            let frame = frame(true, BINARY, "payload").claiming(len);
            headers.push(frame.to(side).bytes());
        }
    }
    headers.push(vec![0x81, 126, 0, 5]);
    headers
}

fn conversations() -> Vec<Vec<u8>> {
    let conversations = [
        vec![wire::text("hello"), wire::close(1000, "bye")],
        vec![
            frame(false, TEXT, "h\u{e9}"),
            wire::ping("?"),
            frame(true, CONTINUATION, "\u{20ac}"),
            wire::pong("!"),
        ],
        vec![
            frame(true, BINARY, [7; 300]),
            frame(true, BINARY, [7; 1001]),
        ],
        vec![frame(false, BINARY, [7; 900]); 2],
        vec![wire::ping("0123456789"); 20],
        vec![
            frame(false, TEXT, "\u{e9}".as_bytes().split_at(1).0),
            frame(true, CONTINUATION, "a"),
        ],
        vec![frame(true, TEXT, "aé€😀".repeat(300))],
        vec![frame(true, CLOSE, [0])],
        vec![frame(true, TEXT, "").claiming(u64::MAX)],
        vec![frame(false, BINARY, "abc").claiming(1 << 20)],
        (0..16).map(|opcode| frame(true, opcode, "x")).collect(),
        [
            vec![frame(false, TEXT, "a")],
            vec![frame(false, CONTINUATION, ""); 12],
        ]
        .concat(),
    ];
    let mut seeds = Vec::new();
    for (at, conversation) in conversations.iter().enumerate() {
        for (flags, side) in SIDES.iter().enumerate() {
            let frames = conversation.iter().cloned();
            let stream = frames.flat_map(|frame| frame.to(*side).bytes());
            let stream: Vec<u8> = stream.collect();
            for (number, reads) in READS.iter().enumerate() {
                // Halves and queues; and every field of the configuration at several values.
                let flags = flags as u8 | (number as u8 % 4) << 1;
                let field = [1, (at + number) as u8 % 6, (at * 7 + number) as u8];
                for config in [&[0][..], &field] {
                    seeds.push([&[flags], config, reads, &stream].concat());
                }
            }
        }
    }
    // Short reads of a message at its limit, of 1000 bytes, whole or in parts: the buffer must not double
    // beyond it.
    for (flags, side) in SIDES.iter().enumerate() {
        for (opcode, field) in [(BINARY, 0), (BINARY, 1), (TEXT, 0), (TEXT, 1)] {
            let frames = [
                frame(false, opcode, [b'x'; 950]),
                frame(false, CONTINUATION, [b'x'; 50]),
                frame(false, CONTINUATION, [b'x'; 950]),
            ];
            let stream = frames.map(|frame| frame.to(*side).bytes()).concat();
            for read in [0x05, 0x0D, 0x15, 0x1D, 0x45] {
                seeds.push([&[flags as u8, 1, field, 4, 1, read], &stream[..]].concat());
            }
        }
    }
    seeds
}

fn compressed() -> Vec<Vec<u8>> {
    let text = "a text, and the same text, h\u{e9} \u{20ac}, and the same text".as_bytes();
    let noise: Vec<u8> = (0..250_u32).map(|n| (n * n / 7 % 61) as u8).collect();
    let mut peer = Peer::new(6);
    let mut payloads = vec![
        peer.message(text),
        peer.message(text),
        peer.message(&noise),
        peer.message(&[7; 1500]),
        peer.message(&[7; 1501]),
        peer.message(&[b'a'; 200_000]),
        vec![],
        vec![0],
        vec![1],
        [[3, 0].repeat(7), vec![1]].concat(),
    ];
    payloads.push(Peer::new(6).finished(text));
    // Loads so many windows that `next_event` returns in between.
    let window = Peer::new(9).flushed(&[0; 32 << 10]);
    payloads.push([window, [3, 0].repeat(60), vec![1]].concat());
    let blocks = Blocks::new().fixed(true, &literals(b"abc")).aligned();
    let blocks = blocks.fixed(true, &[Match(3, 3)]).aligned();
    let blocks = blocks.stored(false, b"def").fixed(false, &[Match(9, 9)]);
    payloads.push(blocks.clone().message());
    payloads.push(blocks.fixed(true, &[Match(10, 300)]).end());
    // Flags, configuration, parameters, the limit of final blocks, reads.
    let starts: [&[u8]; 6] = [
        &[0x08, 0, 0, 0, 0, 0, 0, 0],
        &[0x09, 0, 0, 0, 0, 0, 1, 2, 0x41, 0x07],
        &[0x18, 0, 0, 0, 1, 1, 0, 1, 0x20],
        &[0x0a, 1, 1, 2, 0, 0, 0, 0, 0, 2, 0xA4, 0x1F],
        &[0x0d, 1, 0, 4, 1, 1, 2, 3, 2, 1, 0x46],
        &[0x1b, 0, 1, 0, 2, 2, 3, 0],
    ];
    let frame = |kind: u8, payload: &[u8]| {
        let head = [kind, payload.len() as u8];
        [&head[..], payload].concat()
    };
    let mut seeds = Vec::new();
    for start in starts {
        for kind in [7, 11] {
            let mut all = start.to_vec();
            for payload in &payloads {
                let payload = &payload[..payload.len().min(255)];
                seeds.push([start, &frame(kind, payload)].concat());
                let (first, second) = payload.split_at(payload.len() / 2);
                all.extend(frame(kind - 1, first));
                all.extend(frame(0, b"ping"));
                all.extend(frame(kind, second));
            }
            seeds.push(all);
        }
    }
    seeds
}

/// Random decisions.
fn scripts(count: u64, len: usize) -> Vec<Vec<u8>> {
    let script = |seed| Random(seed).bytes(len);
    (1..=count).map(script).collect()
}

const REQUESTS: [&str; 12] = [
    "\r\n",
    "Origin: http://example.com\r\n\r\nleft",
    "Origin: https://evil.example\r\n\r\n",
    "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"9\", x; y=\"\\z\"\r\n\r\n",
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Host: other\r\n\r\n",
    " folded\r\n\r\n",
    "Bad Name: x\r\n\r\n",
    "X: \u{1}\r\n\r\n",
];

const RESPONSES: [&str; 8] = [
    "\r\n",
    "Sec-WebSocket-Protocol: chat\r\n\r\nleft",
    "Sec-WebSocket-Protocol: other\r\n\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n",
    "Sec-WebSocket-Accept: x\r\n\r\n",
    "Connection: close\r\n\r\n",
    "Upgrade: h2c\r\n\r\n",
    "X: \n\r\n",
];

const WHOLE: [&str; 9] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nHEAD / HTTP/1.1\n",
    "\r\n\r\n\rHEAD / HTTP/1.1\n",
    "GET http://example.com/x?y HTTP/1.1\r\nHost: b\r\n\r\n",
    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 302 Found\r\nLocation: ws://other/\r\n\r\n",
    "HTTP/1.0 101 \r\n\r\n",
    "HTTP/1.1 200\r\n\r\n",
];

/// What follows a valid head, and whole heads.
fn heads(rest: &[&str]) -> Vec<Vec<u8>> {
    // Sizes of reads, configuration; deflate is allowed.
    let starts: [&[u8]; 7] = [
        &[0, 0],
        &[2, 0, 0, 9],
        &[1, 1, 14, 200, 30],
        &[0, 2, 11, 5, 12, 2],
        // The end of the stream behind no read, a timeout behind one, and one just before it.
        &[0x08, 0],
        &[0x39, 1, 13, 2, 20],
        &[0x52, 0, 40, 80],
    ];
    let mut seeds = Vec::new();
    for start in starts {
        seeds.extend(rest.iter().map(|rest| [start, rest.as_bytes()].concat()));
        for whole in WHOLE {
            let mut seed = [start, whole.as_bytes()].concat();
            seed[0] |= 0x80;
            seeds.push(seed);
        }
    }
    seeds
}

fn values() -> Vec<Vec<u8>> {
    let some = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let mut seeds = scripts(20, 200);
    for url in [
        "ws://example.com/",
        "wss://[::1]:9001/chat?room=1",
        "WSS://EXAMPLE.com:443",
        "ws://user@example.com/",
        "http://example.com/#fragment",
        "ws://ex%41mple.com/\u{e9}",
    ] {
        let fields = [some("X-Name"), some("a value"), some(""), some("")].concat();
        for (origin, protocol) in [("", ""), ("https://example.com", "chat")] {
            seeds.push(
                [
                    &[0],
                    &fields[..],
                    &some(origin),
                    &some(protocol),
                    url.as_bytes(),
                ]
                .concat(),
            );
        }
    }
    for host in ["example.com", "[::1]:80", "EXAMPLE.com:8080"] {
        let origin = format!("https://{host}");
        seeds.push([&[1], &some(host)[..], &some(&origin), &some(&origin)].concat());
    }
    for field in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
        "x, permessage-deflate; server_no_context_takeover\npermessage-deflate",
        "permessage-deflate; client_max_window_bits=\"9\"",
    ] {
        seeds.push([&[2], &[0; 18][..], field.as_bytes()].concat());
    }
    let answer = [some("Server"), some("a"), some("chat"), vec![1, 0x94, 0]].concat();
    seeds.push([&[3, 0], &answer[..], b"body"].concat());
    for close in ["\u{3}", "a reason"] {
        seeds.push([&[5], &some(close)[..], &[3, 0xE8, 1, 2, 0, 1, 3, 2]].concat());
    }
    seeds
}

/// Scripts for each subject of `differential`, which the first byte selects.
fn subjects() -> Vec<Vec<u8>> {
    let scripts = [scripts(30, 60), scripts(30, 400)].concat();
    let seeds = (0..4).flat_map(|subject| {
        scripts
            .iter()
            .map(move |rest| [&[subject], &rest[..]].concat())
    });
    seeds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_seeds() {
        let targets = crate::TARGETS.map(|(target, _)| target);
        for target in [&targets[..], &["differential"]].concat() {
            assert!(seeds(target).len() >= 20, "{target}");
        }
    }
}
