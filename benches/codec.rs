//! Benchmarks of frames: mask, header, receive and send, for payloads from a chat line to a file.
//! Each checks its result before it is timed. `cargo bench -p benches -- --test` runs each once.
//!
//! The receive benchmarks work like a server under load: a read copies up to 16 KiB of a stream of
//! frames into the buffer. The stream itself stays masked.

use std::hint::black_box;

use benches::{Content, READ, client, receive_all, server};
use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::{
    Connection, Lent, RecvBuf,
    frame::{FrameHeader, Opcode, apply_mask},
};

const SIZES: [usize; 6] = [16, 125, 512, 4 << 10, 64 << 10, 1 << 20];

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

fn receive(c: &mut Criterion) {
    for (name, from_client, content) in [
        ("receive/server/binary", true, Content::Binary),
        ("receive/client/binary", false, Content::Binary),
        ("receive/server/ascii", true, Content::Ascii),
        ("receive/server/multibyte", true, Content::Multibyte),
    ] {
        let mut group = c.benchmark_group(name);
        for size in SIZES {
            let (mut from, mut to) = match from_client {
                true => (client(), server()),
                false => (server(), client()),
            };
            let count = (1 << 20) / size;
            let (stream, mut input) = (content.stream(size, count, &mut from), RecvBuf::new());
            let received = receive_all(&mut to, &mut input, &stream, READ);
            assert_eq!(received, (count, count * size));

            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| receive_all(&mut to, &mut input, black_box(&stream), READ));
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
    // With a client, a message of 1 byte costs little but a mask key.
    for size in [1].into_iter().chain(SIZES) {
        let (mut from, mut to) = (new(), if is_client { server() } else { client() });
        let (mut out, mut socket) = (BytesMut::new(), Vec::new());
        let mut payload = vec![0x5A; size];
        send(&mut from, &mut payload, &mut out, &mut socket);
        assert!(out.is_empty());
        let received = receive_all(&mut to, &mut RecvBuf::new(), &socket, READ);
        assert_eq!(received, (1, size));

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
