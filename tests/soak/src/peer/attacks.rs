//! What hostile peers do, and how their connections must end: one row for each attack.

use websocket_proto::{
    ProtocolError::{self, *},
    handshake::server::RequestError,
};

use super::script::{
    Script,
    Step::{End, Repeat, Reset, Send, Wait},
    again, bytes, head, hello, script, send, sends,
};
use crate::{
    random::Random,
    scenario::Door::{self, Alone, Halves, HalvesTakeover, Parts, Plain, Takeover},
    server::{
        Ended,
        config::{MAX_FRAGMENTS, MAX_MESSAGE},
    },
    support::{
        Side,
        deflate::{Blocks, Peer, compressed, rsv1},
        frame,
        wire::{self, BINARY, CLOSE, CONTINUATION, Form, PING, TEXT},
    },
};

/// A row of the table.
pub struct Attack {
    pub name: &'static str,
    pub doors: &'static [Door],
    pub script: fn(&mut Random, Door) -> Script,
    /// Whether the connection may end so.
    pub ends: fn(&Ended) -> bool,
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attack({})", self.name)
    }
}

const ALL: &[Door] = &Door::ALL;
const WITHOUT: &[Door] = &[Plain, Parts, Halves];
const DEFLATE: &[Door] = &[Takeover, Alone, HalvesTakeover];

macro_rules! failed {
    ($($error:pat_param)|+) => {
        |ended| matches!(ended, Ended::Failed($($error)|+))
    };
}

macro_rules! refused {
    ($error:pat) => {
        |ended| matches!(ended, Ended::Refused($error))
    };
}

fn closed(ended: &Ended) -> bool {
    *ended == Ended::Closed([Some(1000), Some(1000)])
}

fn any(ended: &Ended) -> bool {
    // A noise cannot make the server close by itself.
    !matches!(ended, Ended::Failed(PongTimeout | CloseTimeout))
}

macro_rules! table {
    ($($name:literal, $doors:expr, $script:expr, $ends:expr;)*) => {
        pub const ATTACKS: &[Attack] = &[$(Attack {
            name: $name,
            doors: $doors,
            script: $script,
            ends: $ends,
        }),*];
    };
}

table! {
    // Bad frames, one for each rule.
    "reserved opcode", ALL, |random, door| {
        let opcode = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15][random.below(10)];
        sends(random, door, [frame(true, opcode, "")])
    }, failed!(Frame(_));
    "RSV2 or RSV3", ALL, |random, door| {
        let rsv = 1 + random.below(3) as u8;
        sends(random, door, [frame(true, TEXT, "a").rsv(rsv)])
    }, failed!(ReservedBit);
    "RSV1 without compression", WITHOUT, |random, door| {
        sends(random, door, [frame(true, TEXT, "a").rsv(4)])
    }, failed!(ReservedBit);
    "RSV1 on a continuation", DEFLATE, |random, door| {
        let frames = [frame(false, TEXT, "a"), frame(true, CONTINUATION, "b").rsv(4)];
        sends(random, door, frames)
    }, failed!(ReservedBit);
    "RSV1 on a ping", DEFLATE, |random, door| {
        sends(random, door, [wire::ping("").rsv(4)])
    }, failed!(ReservedBit);
    "no mask", ALL, |random, door| {
        let mut script = hello(random, door);
        script.steps.push(Send(wire::text("a").bytes()));
        script
    }, failed!(UnmaskedFrame);
    "fragmented ping", ALL, |random, door| {
        sends(random, door, [frame(false, PING, "")])
    }, failed!(ProtocolError::Frame(_));
    "ping of 126 bytes", ALL, |random, door| {
        sends(random, door, [frame(true, PING, [0; 126])])
    }, failed!(ProtocolError::Frame(_));
    "length not minimal", ALL, |random, door| {
        let form = [Form::Bits16, Form::Bits64][random.below(2)];
        sends(random, door, [wire::text("a").form(form)])
    }, failed!(ProtocolError::Frame(_));
    "length of 2^63 and more", ALL, |random, door| {
        let len = 1 << 63 | random.word();
        sends(random, door, [wire::text("a").form(Form::Bits64).claiming(len)])
    }, failed!(ProtocolError::Frame(_));
    "continuation of nothing", ALL, |random, door| {
        sends(random, door, [frame(true, CONTINUATION, "a")])
    }, failed!(UnexpectedContinuation);
    "message inside a message", ALL, |random, door| {
        sends(random, door, [frame(false, TEXT, "a"), wire::text("b")])
    }, failed!(InterleavedMessage);
    "Close of one byte", ALL, |random, door| {
        sends(random, door, [frame(true, CLOSE, [3])])
    }, failed!(TruncatedCloseCode);
    "bad close code", ALL, |random, door| {
        let code = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535][random.below(10)];
        sends(random, door, [wire::close(code, "")])
    }, failed!(InvalidCloseCode(_));
    "close reason is not UTF-8", ALL, |random, door| {
        sends(random, door, [wire::close(1000, [0xff])])
    }, failed!(InvalidUtf8);
    "text is not UTF-8", ALL, |random, door| {
        let bad: [&[u8]; 4] = [&[0xff], &[0xc0, 0x80], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80]];
        let text = [&vec![b'a'; random.below(3000)], bad[random.below(4)]].concat();
        sends(random, door, [frame(true, TEXT, text)])
    }, failed!(InvalidUtf8);
    "text in fragments is not UTF-8", ALL, |random, door| {
        let frames = [frame(false, TEXT, "a€😀é\u{e9}"), frame(true, CONTINUATION, [0xe2, 0x82])];
        sends(random, door, frames)
    }, failed!(InvalidUtf8);

    // Too much.
    "announces a terabyte", ALL, |random, door| {
        sends(random, door, [frame(true, BINARY, "").claiming(1 << 40)])
    }, failed!(MessageTooBig);
    "endless fragments", ALL, |random, door| {
        let mut script = sends(random, door, [frame(false, BINARY, "")]);
        script.steps.push(again(&[frame(false, CONTINUATION, [7; 1000])], 1000, random.upto(3)));
        script
    }, failed!(MessageTooBig);
    "empty fragments", ALL, |random, door| {
        let mut script = sends(random, door, [frame(false, TEXT, "")]);
        let empty = vec![frame(false, CONTINUATION, ""); 64];
        script.steps.push(again(&empty, 2 * MAX_FRAGMENTS / 64, random.upto(20)));
        script
    }, failed!(TooManyFragments);
    "fragments of one byte", ALL, |random, door| {
        let mut script = sends(random, door, [frame(false, BINARY, "")]);
        script.steps.push(again(&[frame(false, CONTINUATION, "a")], MAX_FRAGMENTS - 2, 0));
        script.finish(&[frame(true, CONTINUATION, ""), wire::close(1000, "")])
    }, closed;
    "bomb", DEFLATE, |random, door| {
        let zeros = vec![0; 2 * MAX_MESSAGE + random.below(8 * MAX_MESSAGE)];
        sends(random, door, [compressed(Peer::new(9).message(&zeros))])
    }, failed!(MessageTooBig);
    "bomb in fragments", DEFLATE, |random, door| {
        let bomb = Peer::new(9).message(&vec![0; 4 * MAX_MESSAGE]);
        let mut script = sends(random, door, [rsv1(frame(false, BINARY, ""))]);
        for byte in bomb {
            script.steps.push(again(&[frame(false, CONTINUATION, [byte])], 1, 0));
        }
        script
    }, failed!(MessageTooBig);
    "bombs within the limit", DEFLATE, |random, door| {
        let text = ["a", "é", "€", "😀"][random.below(4)];
        let text = text.repeat(MAX_MESSAGE / text.len());
        let bomb = rsv1(frame(true, TEXT, Peer::new(9).message(text.as_bytes())));
        let mut script = hello(random, door);
        script.steps.push(again(&[bomb], 1 + random.upto(8) as u32, random.upto(300)));
        script.finish(&[wire::close(1000, "")])
    }, |ended| closed(ended) || matches!(ended, Ended::Failed(InvalidDeflate));
    "too many final blocks", DEFLATE, |random, door| {
        sends(random, door, [compressed([0x03, 0x00].repeat(9))])
    }, failed!(TooManyFinalBlocks);
    "final blocks", DEFLATE, |random, door| {
        let payload = [&[0x03, 0x00].repeat(7)[..], &[0x01]].concat();
        let mut script = hello(random, door);
        script.steps.push(again(&vec![compressed(payload); 20], 20, 1 + random.upto(50)));
        script.finish(&[wire::close(1000, "")])
    }, closed;
    "not DEFLATE", DEFLATE, |random, door| {
        let bad = [vec![0xff; 20], vec![0x06; 20], Blocks::new().bits(7, 3).end()];
        let bad = &bad[random.below(3)];
        sends(random, door, [compressed(bad)])
    }, failed!(InvalidDeflate);
    "refers back to nothing", DEFLATE, |random, door| {
        use crate::support::deflate::Match;
        sends(random, door, [compressed(Blocks::new().fixed(false, &[Match(5, 100)]).message())])
    }, failed!(InvalidDeflate);
    "pings", ALL, |random, door| {
        let payload = vec![7; random.below(126)];
        let mut script = hello(random, door);
        script.steps.push(again(&vec![wire::ping(payload); 100], 50, random.upto(100)));
        script.finish(&[wire::close(1000, "")])
    }, closed;
    "pings, and never reads", ALL, |random, door| {
        let mut script = hello(random, door);
        script.steps.push(again(&vec![wire::ping([7; 125]); 100], 100, 1 + random.upto(500)));
        Script { reads: false, ..script }
    }, failed!(PongTimeout);
    "messages, and never reads", ALL, |random, door| {
        let mut script = hello(random, door);
        let message = frame(true, BINARY, vec![3; 10 + random.below(20_000)]);
        script.steps.push(again(&[message], 400, 1 + random.upto(50)));
        Script { reads: false, ..script }
    }, failed!(PongTimeout | MessageTimeout);

    // Too slow.
    "silence", ALL, |random, door| Script { ..hello(random, door) }, failed!(PongTimeout);
    "a byte of a message each second", ALL, |random, door| {
        let mut script = sends(random, door, [frame(false, TEXT, "a")]);
        script.steps.push(again(&[frame(false, CONTINUATION, "a")], 200, 1000));
        script
    }, failed!(MessageTimeout);
    "a byte of a frame each second", ALL, |random, door| {
        let long = frame(true, BINARY, vec![0; 1000]).to(Side::Server).bytes();
        let mut script = hello(random, door);
        script.steps.push(Send(long[..20].to_vec()));
        script.steps.push(Repeat { bytes: vec![0], times: 200, every: 1000 });
        script
    }, failed!(MessageTimeout);
    "a long message, at last byte by byte", ALL, |random, door| {
        let kind = [TEXT, BINARY][random.below(2)];
        let long = frame(true, kind, vec![b'a'; MAX_MESSAGE]).to(Side::Server).bytes();
        let at = long.len() - 1000;
        let mut script = hello(random, door);
        script.steps.push(Send(long[..at].to_vec()));
        script.steps.extend(long[at..long.len() - 100].iter().flat_map(|byte| {
            [Send(vec![*byte]), Wait(10)]
        }));
        script.steps.push(End);
        script
    }, failed!(EndOfStream);
    "half a bomb, and pings", DEFLATE, |random, door| {
        let bomb = Peer::new(9).flushed(&vec![0; MAX_MESSAGE - 10]);
        let mut script = sends(random, door, [rsv1(frame(false, BINARY, bomb))]);
        script.steps.push(again(&[wire::ping("")], 40, 2000));
        script
    }, failed!(MessageTimeout);
    "half a message, and the end", ALL, |random, door| {
        let mut script = sends(random, door, [frame(false, TEXT, vec![b'a'; random.clone().below(9000)])]);
        script.steps.push(End);
        script
    }, failed!(EndOfStream);
    "half a frame, and a reset", ALL, |random, door| {
        let mut script = sends(random, door, [frame(true, TEXT, [b'a'; 99]).claiming(100)]);
        script.steps.push(Wait(random.upto(2000)));
        script.steps.push(Reset);
        script
    }, |ended| matches!(ended, Ended::Failed(EndOfStream) | Ended::Refused(RequestError::EndOfStream));
    "never answers Close", ALL, |random, door| {
        let mut script = head(random, door, "/echo/1", "");
        script.steps.push(send(&[wire::text("close me")]));
        script.steps.push(again(&[wire::ping("")], 40, 1000));
        script
    }, failed!(CloseTimeout);
    "noise after Close", ALL, |random, door| {
        let mut script = hello(random, door).finish(&[wire::close(1000, "")]);
        let noise = bytes(random, 3000);
        script.steps.push(Repeat { bytes: noise, times: 5, every: 1000 });
        script
    }, closed;

    // Handshakes.
    "half a handshake", ALL, |_, _| script([Send(b"GET /chat HTTP/1.1\r\nHost: a\r\n".to_vec())]),
    refused!(RequestError::Timeout);
    "a byte of a handshake each second", ALL, |_, _| {
        script([
            Send(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ".to_vec()),
            Repeat { bytes: b"a".to_vec(), times: 60, every: 1000 },
        ])
    }, refused!(RequestError::Timeout);
    "half a handshake, and the end", ALL, |_, _| script([Send(b"GET / HTTP".to_vec()), End]),
    refused!(RequestError::EndOfStream);
    "endless head", ALL, |_, _| {
        let line = format!("X: {}\r\n", "x".repeat(250)).into_bytes();
        let start = Send(b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec());
        script([start, Repeat { bytes: line, times: 100, every: 5 }])
    }, refused!(RequestError::Http(_));
    "too many fields", ALL, |random, door| head(random, door, "/", &"A: b\r\n".repeat(70)),
    refused!(RequestError::Http(_));
    "foreign origin", ALL, |random, door| head(random, door, "/", "Origin: http://evil.example\r\n"),
    refused!(RequestError::OriginNotAllowed);
    "two versions", ALL, |random, door| head(random, door, "/", "Sec-WebSocket-Version: 8\r\n"),
    refused!(_);
    "a body", ALL, |random, door| head(random, door, "/", "Content-Length: 5\r\n"),
    refused!(RequestError::Body);
    "not HTTP", ALL, |random, _| {
        let mut noise = bytes(random, 300);
        noise[0] = 0;
        noise.extend_from_slice(b"\r\n\r\n");
        script([Send(noise), End])
    }, refused!(_);

    // Noise.
    "everything at once", ALL, |random, door| {
        let mut script = sends(random, door, [wire::text("a"), wire::ping("b"), wire::close(1000, "")]);
        let all = script.steps.drain(..).flat_map(|step| match step {
            Send(bytes) => bytes,
            _ => Vec::new(),
        });
        Script { steps: vec![Send(all.collect())], reads: true }
    }, closed;
    "noise", ALL, |random, door| {
        let mut script = hello(random, door);
        let len = 1 + random.below(5000);
        script.steps.extend([Send(bytes(random, len)), End]);
        script
    }, any;
    "one wrong bit", ALL, |random, door| {
        let frames = [
            frame(false, TEXT, "a€"),
            wire::ping("ping"),
            frame(true, CONTINUATION, "b"),
            frame(true, BINARY, [0; 200]),
            wire::close(1000, "bye"),
        ];
        let mut script = hello(random, door);
        let mut wire = frames.map(|frame| frame.to(Side::Server).bytes()).concat();
        let bit = random.below(8 * wire.len());
        wire[bit / 8] ^= 1 << (bit % 8);
        script.steps.extend([Send(wire), End]);
        script
    }, any;
    "one wrong bit in the handshake", ALL, |random, door| {
        let mut script = hello(random, door);
        if let Some(Send(wire)) = script.steps.first_mut() {
            let bit = random.below(8 * wire.len());
            wire[bit / 8] ^= 1 << (bit % 8);
        }
        script.steps.push(End);
        script
    }, |ended| any(ended) || matches!(ended, Ended::Refused(_));
}
