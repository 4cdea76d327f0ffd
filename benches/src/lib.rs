//! What the benchmarks share: connections, messages, streams of frames, and the loop that receives
//! them.

use std::hint::black_box;

use bytes::BytesMut;
use websocket_proto::{Config, Connection, Event, RecvBuf, Role, Seed};

#[cfg(feature = "deflate")]
pub mod chat;
pub mod counts;

/// Length of a read, in bytes.
pub const READ: usize = 16 << 10;

/// A browser's request for a handshake, 517 bytes.
pub const BROWSER_REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: chat.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nSec-WebSocket-Version: 13\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: keep-alive, Upgrade\r\nCookie: session=012345678\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n";

fn config() -> Config {
    let mut config = Config::new();
    config.max_message_size = 64 << 20;
    config
}

pub fn server() -> Connection {
    Connection::assume_opened(Role::Server, config())
}

pub fn client() -> Connection {
    Connection::assume_opened(Role::Client(Seed::from([7; 32])), config())
}

/// What messages consist of.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    Binary,
    Ascii,
    /// Two bytes in every eighth character.
    Multibyte,
}

impl Content {
    /// Sends a message of `len` bytes.
    pub fn send(self, len: usize, ws: &mut Connection, out: &mut BytesMut) {
        let sent = match self {
            Self::Binary => ws.send_binary(&vec![0xA5; len], out),
            Self::Ascii => ws.send_text(&text(len, true), out),
            Self::Multibyte => ws.send_text(&text(len, false), out),
        };
        sent.expect("open");
    }

    /// The frames of `count` messages of `len` bytes.
    pub fn stream(self, len: usize, count: usize, from: &mut Connection) -> Vec<u8> {
        let mut out = BytesMut::new();
        for _ in 0..count {
            self.send(len, from, &mut out);
        }
        out.to_vec()
    }
}

fn text(len: usize, ascii: bool) -> String {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        match text.len() % 8 {
            0 if !ascii && text.len() + 2 <= len => text.push('ü'),
            n => text.push(char::from(b'a' + n as u8)),
        }
    }
    text
}

/// Feeds a stream in reads of `read` bytes, as a server under load does: a read copies bytes into
/// the buffer, and the stream itself stays masked. Returns the number of messages and the sum of
/// their lengths. Looks at the first and the last byte of each message.
#[inline(never)]
pub fn receive_all(
    ws: &mut Connection,
    input: &mut RecvBuf,
    stream: &[u8],
    read: usize,
) -> (usize, usize) {
    let (mut messages, mut bytes, mut out) = (0, 0, BytesMut::new());
    for piece in stream.chunks(read) {
        input.spare(read)[..piece.len()].copy_from_slice(piece);
        input.filled(piece.len());
        while let Some(event) = ws.next_event(input, &mut out).expect("a valid stream") {
            let payload = match event {
                Event::Text(text) => text.as_bytes(),
                Event::Binary(bytes) => bytes,
                _ => unreachable!("only messages were sent"),
            };
            messages += 1;
            bytes += payload.len();
            black_box((payload.first(), payload.last()));
        }
    }
    (messages, bytes)
}
