//! Bad frames: what is no WebSocket, too big, or in the wrong place.
use live::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use websocket_proto::Config;
use websocket_proto::deflate::DeflateConfig;

use crate::cases::ROOM;
use crate::client::{Client, DEADLINE, handshake, token, until};
use crate::messages::server;
use crate::witness::Witness;

/// A frame of a client. Its masking key is 0, so the payload stays as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..126 => frame.push(0x80 | n as u8),
        n @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

async fn close_code(server: &Server, bytes: &[u8]) -> u16 {
    let mut client = Client::new(server, "Eve").await;
    client.join(ROOM).await;
    client.socket.out.extend_from_slice(bytes);
    client.closed().await.0
}

const TEXT: u8 = 0x81;
const MORE_TEXT: u8 = 0x01;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

#[tokio::test]
async fn every_bad_frame_gets_its_close_code() {
    let server = server(&[]).await;
    let witness = Witness::new(&server).await;
    let mut unmasked = frame(TEXT, b"");
    unmasked.truncate(2);
    unmasked[1] = 0;
    let head = |n: u64| [&[TEXT, 0xff][..], &n.to_be_bytes(), &[0; 4]].concat();
    let parts = |count: usize, size: usize| {
        let first = frame(MORE_TEXT, &vec![b'x'; size]);
        let next = frame(0, &vec![b'x'; size]);
        [first, next.repeat(count - 1)].concat()
    };
    for (what, bytes, code) in [
        ("not masked", unmasked, 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("RSV2", frame(0xa1, b""), 1002),
        (
            "compressed, which was not agreed on",
            frame(0xc1, b""),
            1002,
        ),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a long ping", frame(PING, &[0; 126]), 1002),
        ("the rest of no message", frame(0x80, b""), 1002),
        (
            "a text in a text",
            [frame(MORE_TEXT, b""), frame(TEXT, b"")].concat(),
            1002,
        ),
        ("a length of more than 63 bits", head(1 << 63), 1002),
        ("a length in the longer form", head(1), 1002),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
        ("no UTF-8", frame(TEXT, b"\xff"), 1007),
        ("half of UTF-8", frame(TEXT, b"\xe2\x82"), 1007),
        ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007),
        ("a Close frame of one byte", frame(CLOSE, b"\x03"), 1002),
        (
            "a close code that is not for frames",
            frame(CLOSE, &1005_u16.to_be_bytes()),
            1002,
        ),
        (
            "a close reason that is no UTF-8",
            frame(CLOSE, b"\x03\xe8\xff"),
            1007,
        ),
        (
            "one byte too long",
            frame(TEXT, &[b'x'; (32 << 10) + 1]),
            1009,
        ),
        (
            "the head of a long message",
            vec![TEXT, 0xfe, 0x84, 0, 0, 0, 0, 0],
            1009,
        ),
        ("the head of a huge message", head(1 << 62), 1009),
        ("parts that are too long together", parts(34, 1 << 10), 1009),
        ("parts that are empty", parts(200_000, 0), 1009),
    ] {
        assert_eq!(close_code(&server, &bytes).await, code, "{what}");
    }
    witness.end().await;
}

#[tokio::test]
async fn a_message_that_is_long_when_it_is_inflated_is_refused() {
    let server = server(&[]).await;
    let witness = Witness::new(&server).await;
    let mut config = Config::new();
    config.deflate = Some(DeflateConfig::new());
    let token = token(server.addr(), "Eve").await;
    let mut client = Client::with_config(server.addr(), &token, config, None)
        .await
        .unwrap();
    assert!(client.socket.ws.deflate().is_some());
    // 30 MB, in 30 kB on the wire.
    let bomb = "x".repeat(30 << 20);
    client
        .socket
        .ws
        .send_text(&bomb, &mut client.socket.out)
        .unwrap();
    assert!(client.socket.out.len() < 40_000);
    assert_eq!(client.closed().await.0, 1009);
    witness.end().await;
}

/// Random bytes behind a plausible head of a frame.
#[tokio::test]
async fn noise_ends_its_connection_and_nothing_else() {
    let server = server(&[]).await;
    let witness = Witness::new(&server).await;
    let mut random = 1_u64;
    let mut byte = move || {
        // A linear congruential generator (Knuth's MMIX).
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 56) as u8
    };
    for round in 0..300 {
        let first = [TEXT, 0x82, PING, byte()][round % 4];
        let mut noise = vec![first, 0x80 | (byte() % 64)];
        noise.extend((0..usize::from(byte()) * 8).map(|_| byte()));
        let token = token(server.addr(), "Eve").await;
        let query = format!("?token={token}");
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        stream
            .write_all(handshake(&query, "").as_bytes())
            .await
            .unwrap();
        // If the noise is the beginning of something, the server waits for the rest: there is none.
        let _ = stream.write_all(&noise).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer))
            .await
            .expect("no end");
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 101 "),
            "round {round}"
        );
    }
    until("all have left", || {
        server.app().metrics.connections.get() == 2
    })
    .await;
    witness.end().await;
}
