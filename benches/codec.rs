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
    RecvBuf,
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

/// With a client, a message of 1 byte costs little but a mask key.
fn send(c: &mut Criterion) {
    for (name, is_client) in [("send/server", false), ("send/client", true)] {
        let mut group = c.benchmark_group(name);
        for size in [1].into_iter().chain(SIZES) {
            let (mut from, mut to) = match is_client {
                true => (client(), server()),
                false => (server(), client()),
            };
            let payload = vec![0x5A; size];
            let mut out = BytesMut::new();
            from.send_binary(&payload, &mut out).expect("open");
            let received = receive_all(&mut to, &mut RecvBuf::new(), &out, READ);
            assert_eq!(received, (1, size));

            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    out.clear();
                    from.send_binary(black_box(&payload), &mut out)
                });
            });
        }
    }
}

criterion_group!(benches, mask, header, receive, send);
criterion_main!(benches);
