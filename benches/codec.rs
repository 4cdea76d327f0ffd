//! Benchmarks of frames: mask, header, receive and send, for payloads from a chat line to a file.
//! Each checks its result before it is timed. `cargo bench -p benches -- --test` runs each once.
//!
//! The receive benchmarks work like a server under load: a read copies up to 16 KiB of a stream of
//! frames into the buffer. The stream itself stays masked.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::{
    Config, Connection, Event, Lent, RecvBuf, Role, Seed,
    frame::{FrameHeader, Opcode, apply_mask},
};

const SIZES: [usize; 6] = [16, 125, 512, 4 << 10, 64 << 10, 1 << 20];
const READ: usize = 16 << 10;

fn config() -> Config {
    let mut config = Config::new();
    config.max_message_size = 64 << 20;
    config
}

fn server() -> Connection {
    Connection::assume_opened(Role::Server, config())
}

fn client() -> Connection {
    Connection::assume_opened(Role::Client(Seed::from([7; 32])), config())
}

/// A text: ASCII only, or with two bytes in every eighth character.
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

fn mask(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for size in SIZES {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..size).map(|i| i as u8).collect();
        let mut payload = plain.clone();
        apply_mask(&mut payload, key, 3);
        assert!(
            payload
                .iter()
                .zip(&plain)
                .enumerate()
                .all(|(i, (a, b))| a ^ b == key[(i + 3) % 4])
        );

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| apply_mask(black_box(&mut payload), black_box(key), 0));
        });
    }
}

fn header(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    for size in [16, 512, 1 << 20] {
        let header = FrameHeader {
            mask: Some([1, 2, 3, 4]),
            ..FrameHeader::new(Opcode::Binary, size)
        };
        let wire = header.encode().expect("legal");
        let wire = wire.as_bytes();
        assert_eq!(FrameHeader::decode(wire), Ok(Some((header, wire.len()))));

        group.bench_function(BenchmarkId::new("decode", size), |b| {
            b.iter(|| FrameHeader::decode(black_box(wire)));
        });
        group.bench_function(BenchmarkId::new("encode", size), |b| {
            b.iter(|| black_box(&header).encode());
        });
    }
}

/// Frames of one size, at least 1 MiB together.
fn stream(from: &mut Connection, size: usize, text: Option<&str>) -> (Vec<u8>, u64) {
    let binary = vec![0xA5; size];
    let count = ((1 << 20) / size).max(1);
    let mut out = BytesMut::new();
    for _ in 0..count {
        match text {
            Some(text) => from.send_text(text, &mut out),
            None => from.send_binary(&binary, &mut out),
        }
        .expect("open");
    }
    (out.to_vec(), count as u64)
}

/// Feeds a whole stream. Returns the number of messages and of payload bytes.
#[inline(never)]
fn receive_all(
    ws: &mut Connection,
    input: &mut RecvBuf,
    out: &mut BytesMut,
    stream: &[u8],
) -> (u64, u64) {
    let (mut messages, mut bytes) = (0, 0);
    for read in stream.chunks(READ) {
        input.spare(READ)[..read.len()].copy_from_slice(read);
        input.filled(read.len());
        while let Some(event) = ws.next_event(input, out).expect("a valid stream") {
            let payload = match event {
                Event::Text(text) => text.as_bytes(),
                Event::Binary(bytes) => bytes,
                _ => unreachable!("only messages were sent"),
            };
            messages += 1;
            bytes += payload.len() as u64;
            black_box((payload.first(), payload.last()));
        }
    }
    (messages, bytes)
}

fn receive(c: &mut Criterion) {
    for (name, from_client, ascii) in [
        ("receive/server/binary", true, None),
        ("receive/client/binary", false, None),
        ("receive/server/ascii", true, Some(true)),
        ("receive/server/multibyte", true, Some(false)),
    ] {
        let mut group = c.benchmark_group(name);
        for size in SIZES {
            let (mut from, mut to) = match from_client {
                true => (client(), server()),
                false => (server(), client()),
            };
            let text = ascii.map(|ascii| text(size, ascii));
            let (stream, count) = stream(&mut from, size, text.as_deref());
            let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
            let received = receive_all(&mut to, &mut input, &mut out, &stream);
            assert_eq!(received, (count, count * size as u64));

            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| receive_all(&mut to, &mut input, &mut out, black_box(&stream)));
            });
        }
    }
}

/// Sends a message of each size with `send`, which ends with a write: it appends all unsent bytes to
/// the socket.
fn send_rows(
    c: &mut Criterion,
    name: &str,
    new: fn() -> Connection,
    is_client: bool,
    send: impl Fn(&mut Connection, &mut [u8], &mut BytesMut, &mut Vec<u8>),
) {
    let mut group = c.benchmark_group(name);
    for size in SIZES {
        let (mut from, mut to) = (new(), if is_client { server() } else { client() });
        let (mut out, mut socket) = (BytesMut::new(), Vec::new());
        let (mut input, mut answer) = (RecvBuf::new(), BytesMut::new());
        let mut payload = vec![0x5A; size];
        send(&mut from, &mut payload, &mut out, &mut socket);
        assert!(out.is_empty());
        let received = receive_all(&mut to, &mut input, &mut answer, &socket);
        assert_eq!(received, (1, size as u64));

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                socket.clear();
                send(&mut from, black_box(&mut payload), &mut out, &mut socket);
            });
        });
    }
}

#[cfg(feature = "deflate")]
fn server_with_compressor() -> Connection {
    let mut config = websocket_proto::deflate::DeflateConfig::new();
    config.compression = websocket_proto::deflate::Compression::Never;
    server().with_deflate(Default::default(), config)
}

fn copied(ws: &mut Connection, payload: &mut [u8], out: &mut BytesMut, socket: &mut Vec<u8>) {
    ws.send_binary(payload, out).expect("open");
    socket.extend_from_slice(out);
    out.clear();
}

fn write(mut lent: Lent<'_>, socket: &mut Vec<u8>) {
    for slice in lent.slices() {
        socket.extend_from_slice(slice);
    }
    lent.written(lent.unsent());
}

fn send(c: &mut Criterion) {
    send_rows(c, "send/server", server, false, copied);
    send_rows(c, "send/client", client, true, copied);
    #[cfg(feature = "deflate")]
    {
        let name = "send/server, compressor not used";
        send_rows(c, name, server_with_compressor, false, copied);
    }
    send_rows(
        c,
        "lend/server",
        server,
        false,
        |ws, payload, out, socket| {
            write(ws.lend_binary(payload, out).expect("open"), socket);
        },
    );
    // The client masks the payload where it is.
    send_rows(
        c,
        "lend/client",
        client,
        true,
        |ws, payload, out, socket| {
            write(ws.lend_binary_mut(payload, out).expect("open"), socket);
        },
    );
    // The least that a write of two slices costs.
    send_rows(c, "lend/floor", server, false, |_, payload, _, socket| {
        let header = FrameHeader::new(Opcode::Binary, payload.len() as u64);
        let header = header.encode().expect("legal");
        socket.extend_from_slice(header.as_bytes());
        socket.extend_from_slice(payload);
    });
}

criterion_group!(benches, mask, header, receive, send);
criterion_main!(benches);
