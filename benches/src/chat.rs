//! Messages that compress as those of real programs do, and connections that compress.

use bytes::BytesMut;
use websocket_proto::{
    Config, Connection, Role, Seed,
    deflate::{Compression, DeflateConfig, Params},
};

/// Pseudo-random numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn pick(&mut self, from: &'static str) -> &'static str {
        let words: Vec<_> = from.split(' ').collect();
        words[self.below(words.len() as u64) as usize]
    }
}

/// A chat message as JSON, about 150 bytes.
fn chat_line(numbers: &mut Numbers) -> String {
    const WORDS: &str = "hello there the meeting at noon tomorrow lunch deploy build is green we \
        should ship it now why not great thanks see you later project review please";
    let words = 4 + numbers.below(14);
    let text: Vec<_> = (0..words).map(|_| numbers.pick(WORDS)).collect();
    format!(
        r#"{{"type":"message","id":{},"channel":"general","user":"{}","ts":{},"text":"{}"}}"#,
        numbers.below(10_000_000),
        numbers.pick("alice bob carol dave erin"),
        1_700_000_000_000 + numbers.below(1_000_000_000),
        text.join(" ")
    )
}

/// Different messages: chat lines, or pages of chat lines with at least `size` bytes.
pub fn corpus(size: usize, count: usize) -> Vec<String> {
    let mut numbers = Numbers(7);
    let mut message = || {
        let mut page = chat_line(&mut numbers);
        while page.len() < size {
            page += ",";
            page += &chat_line(&mut numbers);
        }
        page
    };
    (0..count).map(|_| message()).collect()
}

/// Compresses each message, however short.
pub fn config() -> DeflateConfig {
    let mut config = DeflateConfig::new();
    config.compression = Compression::Always;
    config
}

pub fn server(takeover: bool) -> Connection {
    connection(Role::Server, takeover)
}

pub fn client(takeover: bool) -> Connection {
    connection(Role::Client(Seed::from([7; 32])), takeover)
}

fn connection(role: Role, takeover: bool) -> Connection {
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        ..Params::default()
    };
    Connection::assume_opened(role, Config::new()).with_deflate(params, config())
}

/// The frames of all messages, one after the other.
pub fn stream(from: &mut Connection, messages: &[String]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for message in messages {
        from.send_text(message, &mut out).expect("open");
    }
    out.to_vec()
}

/// Sends all messages. Returns the length of the frames.
#[inline(never)]
pub fn send_all(ws: &mut Connection, messages: &[String], out: &mut BytesMut) -> usize {
    let mut len = 0;
    for message in messages {
        out.clear();
        ws.send_text(message, out).expect("open");
        len += out.len();
    }
    len
}
