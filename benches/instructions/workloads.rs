//! The workloads: what is repeated, how many messages that are, what is counted, and what the count
//! guards.

use std::hint::black_box;

use benches::{BROWSER_REQUEST, Content, READ, chat, client, receive_all, server};
use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Event, Prepared, RecvBuf, Seed,
    frame::apply_mask,
    handshake::{
        client::{self as opening, Outcome},
        server::{Accept, Handshake, Origins},
    },
};

use Content::{Ascii, Binary, Multibyte};

const KIB: usize = 1 << 10;

/// The least length of a stream of frames, in bytes.
const STREAM: usize = 256 * KIB;

/// Messages that are sent in a round. Mask keys are made in batches, so this is a multiple of their
/// size.
const SENT: usize = 7 << 8;

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) counted: Counted,
    /// What the count guards, in a few words.
    pub(crate) guards: &'static str,
    pub(crate) start: Box<dyn Fn() -> Job>,
}

/// What is counted of a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted {
    Instructions,
    /// Instructions that write into memory. A loop that copies or masks takes half as many if its
    /// vectors are twice as long. The number of all instructions does not tell: scalar code can mask
    /// 8 bytes with a single instruction, and vectors need three for 16.
    Writes,
}

/// A workload with its connections and buffers.
pub(crate) struct Job {
    /// Messages in a round.
    pub(crate) messages: u64,
    round: Box<dyn FnMut()>,
}

impl Job {
    fn new(messages: usize, round: impl FnMut() + 'static) -> Self {
        let (messages, round) = (messages as u64, Box::new(round));
        Self { messages, round }
    }

    pub(crate) fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            (self.round)();
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Server,
    Client,
}

impl Side {
    /// The connection that does the work, and its peer.
    fn pair(self) -> (Connection, Connection) {
        match self {
            Self::Server => (server(), client()),
            Self::Client => (client(), server()),
        }
    }
}

pub(crate) fn all() -> Vec<Workload> {
    use Side::{Client, Server};
    macro_rules! workloads {
        ($($counted:ident $name:literal, $job:expr, $guards:literal;)*) => {
            vec![$(Workload {
                name: $name,
                counted: Counted::$counted,
                guards: $guards,
                start: Box::new(|| $job),
            }),*]
        };
    }
    workloads! {
        Instructions "receive server binary 16 B", receive(Server, Binary, 16, READ), "a small message: one load for the header";
        Instructions "receive server binary 125 B", receive(Server, Binary, 125, READ), "a small message: one load for the header";
        Instructions "receive server binary 512 B", receive(Server, Binary, 512, READ), "16-bit length";
        Instructions "receive server binary 4 KiB", receive(Server, Binary, 4 * KIB, READ), "16-bit length";
        Instructions "receive server binary 64 KiB", receive(Server, Binary, 64 * KIB, READ), "a message in several reads";
        Instructions "receive client binary 16 B", receive(Client, Binary, 16, READ), "a small message without a mask";
        Instructions "receive server ASCII 16 B", receive(Server, Ascii, 16, READ), "short text";
        Instructions "receive server ASCII 125 B", receive(Server, Ascii, 125, READ), "text too short for SIMD";
        Instructions "receive server ASCII 4 KiB", receive(Server, Ascii, 4 * KIB, READ), "validation by SIMD";
        Instructions "receive server multi-byte 16 B", receive(Server, Multibyte, 16, READ), "short text that is not ASCII";
        Instructions "receive server multi-byte 4 KiB", receive(Server, Multibyte, 4 * KIB, READ), "validation by SIMD";
        Instructions "receive ASCII 64 KiB, 4 KiB reads", receive(Server, Ascii, 64 * KIB, 4 * KIB), "text in several reads";
        Instructions "receive multi-byte 64 KiB, 4 KiB reads", receive(Server, Multibyte, 64 * KIB, 4 * KIB), "text in several reads";
        Instructions "receive ASCII 16 B, 1 B reads", receive(Server, Ascii, 16, 1), "worst case: a call for each byte";
        Instructions "poll and next_event 16 B", poll(16), "the second call repeats little";
        Instructions "ping 4 B answered", ping(), "control frame, and its pong";
        Instructions "send server 16 B", send(Server, 16), "a small message";
        Instructions "send server 512 B", send(Server, 512), "16-bit length, one copy";
        Instructions "send client 16 B", send(Client, 16), "mask keys are made in batches";
        Instructions "send client 4 KiB", send(Client, 4 * KIB), "copy and mask";
        Instructions "lend server 64 KiB", lend(64 * KIB), "the payload is not touched";
        Instructions "send_prepared server 512 B", send_prepared(512), "one copy of the frame";
        Instructions "opening server", opening_server(), "a browser's request of 517 bytes";
        Instructions "opening client", opening_client(), "request, and check of the response";
        Instructions "deflate chat receive", inflate_chat(), "what is done besides zlib-rs";
        Instructions "deflate chat send", deflate_chat(), "what is done besides zlib-rs";
        Writes "apply_mask 64 KiB, writes", mask(64 * KIB), "vectorised";
        Writes "receive server binary 4 KiB, writes", receive(Server, Binary, 4 * KIB, READ), "mask is vectorised";
        Writes "send client 4 KiB, writes", send(Client, 4 * KIB), "copy and mask are vectorised";
    }
}

fn receive(side: Side, content: Content, len: usize, read: usize) -> Job {
    let (mut ws, mut peer) = side.pair();
    let messages = (STREAM / len).max(1);
    let stream = content.stream(len, messages, &mut peer);
    let mut input = RecvBuf::new();
    Job::new(messages, move || {
        let received = receive_all(&mut ws, &mut input, &stream, read);
        assert_eq!(received, (messages, messages * len));
    })
}

fn poll(len: usize) -> Job {
    let (mut ws, mut peer) = Side::Server.pair();
    let messages = STREAM / len;
    let stream = Binary.stream(len, messages, &mut peer);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    Job::new(messages, move || {
        let mut bytes = 0;
        for read in stream.chunks(READ) {
            input.spare(READ)[..read.len()].copy_from_slice(read);
            input.filled(read.len());
            while ws.poll(&mut input, &mut out) {
                let Ok(Some(Event::Binary(payload))) = ws.next_event(&mut input, &mut out) else {
                    unreachable!("only binary messages were sent");
                };
                bytes += payload.len();
                black_box((payload.first(), payload.last()));
            }
        }
        assert_eq!(bytes, messages * len);
    })
}

fn ping() -> Job {
    const PINGS: usize = 256;
    let (mut ws, mut peer) = Side::Server.pair();
    let mut stream = BytesMut::new();
    for _ in 0..PINGS {
        peer.send_ping(b"ping", &mut stream).expect("open");
    }
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    Job::new(PINGS, move || {
        input.extend_from_slice(&stream);
        while let Some(event) = ws.next_event(&mut input, &mut out).expect("valid") {
            assert!(matches!(event, Event::Ping(b"ping")));
        }
        assert_eq!(out.len(), PINGS * 6);
        out.clear();
    })
}

fn send(side: Side, len: usize) -> Job {
    let (mut ws, _) = side.pair();
    let (payload, mut out) = (vec![0x5A; len], BytesMut::new());
    Job::new(SENT, move || {
        for _ in 0..SENT {
            out.clear();
            ws.send_binary(black_box(&payload), &mut out).expect("open");
            assert!(black_box(&out).len() > len);
        }
    })
}

fn lend(len: usize) -> Job {
    let (mut ws, _) = Side::Server.pair();
    let (payload, mut out) = (vec![0x5A; len], BytesMut::new());
    Job::new(SENT, move || {
        for _ in 0..SENT {
            let mut lent = ws.lend_binary(black_box(&payload), &mut out).expect("open");
            assert_eq!(black_box(lent.slices())[1].len(), len);
            lent.written(lent.unsent());
        }
    })
}

fn send_prepared(len: usize) -> Job {
    let (mut ws, _) = Side::Server.pair();
    let (message, mut out) = (Prepared::binary(&vec![0x5A; len]), BytesMut::new());
    Job::new(SENT, move || {
        for _ in 0..SENT {
            out.clear();
            ws.send_prepared(black_box(&message), &mut out)
                .expect("open");
            assert!(black_box(&out).len() > len);
        }
    })
}

/// Answers a request with 101.
fn accept(request: &[u8], input: &mut RecvBuf, out: &mut BytesMut) -> Connection {
    input.extend_from_slice(request);
    let mut handshake = Handshake::new(Config::new(), Origins::SameOrigin);
    let next = handshake.next(input, out).expect("a valid request");
    let (_, pending) = next.expect("a whole request");
    pending.accept(Accept::new(), out).expect("a plain 101")
}

fn opening_server() -> Job {
    assert_eq!(BROWSER_REQUEST.len(), 517);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    Job::new(1, move || {
        out.clear();
        black_box(accept(
            black_box(BROWSER_REQUEST.as_bytes()),
            &mut input,
            &mut out,
        ));
        assert!(out.starts_with(b"HTTP/1.1 101 "));
    })
}

fn opening_client() -> Job {
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let start = move |out: &mut BytesMut| {
        let request = opening::Request::new("wss://chat.example.com/chat").expect("a URL");
        out.clear();
        let seed = Seed::from([7; 32]);
        opening::Handshake::start(black_box(&request), seed, Config::new(), out).expect("fits")
    };
    // The same seed gives the same key, so this response is the right one each time.
    start(&mut out);
    let mut response = BytesMut::new();
    accept(&out, &mut input, &mut response);
    Job::new(1, move || {
        let mut handshake = start(&mut out);
        input.extend_from_slice(black_box(&response));
        let outcome = handshake.next(&mut input).expect("a valid response");
        assert!(matches!(black_box(outcome), Some(Outcome::Accepted(..))));
    })
}

/// Chat lines that are together longer than a window. So a round cannot refer to the one before.
fn chat_lines() -> Vec<String> {
    chat::corpus(0, 500)
}

fn inflate_chat() -> Job {
    let messages = chat_lines();
    let len: usize = messages.iter().map(String::len).sum();
    let stream = chat::stream(&mut chat::client(true), &messages);
    let (mut ws, mut input) = (chat::server(true), RecvBuf::new());
    Job::new(messages.len(), move || {
        let received = receive_all(&mut ws, &mut input, &stream, READ);
        assert_eq!(received, (messages.len(), len));
    })
}

fn deflate_chat() -> Job {
    let messages = chat_lines();
    let len: usize = messages.iter().map(String::len).sum();
    let (mut ws, mut out) = (chat::server(true), BytesMut::new());
    Job::new(messages.len(), move || {
        assert!(chat::send_all(&mut ws, &messages, &mut out) < len / 2);
    })
}

fn mask(len: usize) -> Job {
    let mut payload = vec![0; len];
    Job::new(1, move || {
        apply_mask(black_box(&mut payload), black_box([1, 2, 3, 4]), 0);
    })
}
