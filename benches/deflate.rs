//! Benchmarks of compressed messages: JSON from a chat line to a page of chat lines, with and without
//! context takeover; the gain of the pool; and the cost of hibernation. Each checks its result before
//! it is timed. `cargo bench -p benches -- --test` runs each once.
//!
//! `zlib-rs` is the library alone with the same messages, into memory that exists already: without
//! frames, masks, UTF-8 and history. The difference to `connection` is the cost of this crate.

use std::hint::black_box;

use benches::{
    READ,
    chat::{client, config, corpus, send_all, server, stream},
    receive_all,
};
use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::{RecvBuf, deflate::Pool};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

/// The name, the message size and the number of messages. Each corpus is several times as long as
/// the largest window. So with context takeover, the second round cannot refer to the first.
const CORPORA: [(&str, usize, usize); 3] = [
    ("chat", 0, 2000),
    ("1KiB", 1 << 10, 256),
    ("64KiB", 64 << 10, 8),
];

/// zlib-rs alone, with the settings of a connection.
fn bare_deflate() -> Deflate {
    Deflate::new_with_config(zlib_rs::DeflateConfig {
        level: config().level.into(),
        window_bits: -15,
        mem_level: config().mem_level.into(),
        ..zlib_rs::DeflateConfig::default()
    })
}

/// Compresses a message and flushes it into memory that is long enough. Returns the compressed
/// length.
fn bare_compress(deflate: &mut Deflate, takeover: bool, message: &[u8], out: &mut [u8]) -> usize {
    if !takeover {
        deflate.reset();
    }
    let before = deflate.total_out();
    let status = deflate.compress(message, out, DeflateFlush::SyncFlush);
    status.expect("room for all of it");
    (deflate.total_out() - before) as usize
}

fn bare_inflate(inflate: &mut Inflate, takeover: bool, piece: &[u8], out: &mut [u8]) -> usize {
    if !takeover {
        inflate.reset(false);
    }
    let before = inflate.total_out();
    let status = inflate.decompress(piece, out, InflateFlush::SyncFlush);
    status.expect("valid");
    (inflate.total_out() - before) as usize
}

fn send(c: &mut Criterion) {
    for (takeover, name) in [(true, "deflate/takeover"), (false, "deflate/alone")] {
        let mut group = c.benchmark_group(name);
        for (size_name, size, count) in CORPORA {
            let messages = corpus(size, count);
            let len: usize = messages.iter().map(String::len).sum();
            group.throughput(Throughput::Elements(count as u64));

            let (mut from, mut to) = (server(takeover), client(takeover));
            let stream = stream(&mut from, &messages);
            let received = receive_all(&mut to, &mut RecvBuf::new(), &stream, READ);
            assert_eq!(received, (count, len));
            assert!(stream.len() < len);
            let mut out = BytesMut::new();
            group.bench_function(BenchmarkId::new("connection", size_name), |b| {
                b.iter(|| send_all(&mut from, black_box(&messages), &mut out));
            });

            let (mut deflate, mut memory) = (bare_deflate(), vec![0; 128 << 10]);
            let mut compress_all = || {
                let lens = (black_box(&messages).iter()).map(|message| {
                    bare_compress(&mut deflate, takeover, message.as_bytes(), &mut memory)
                });
                lens.sum::<usize>()
            };
            // A frame has a header of 2 to 4 bytes. Its payload lacks the 4 bytes of the flush.
            let frames = compress_all() - 4 * count + 2 * count;
            assert!((frames..=frames + 2 * count).contains(&stream.len()));
            group.bench_function(BenchmarkId::new("zlib-rs", size_name), |b| {
                b.iter(&mut compress_all);
            });
        }
    }
}

fn receive(c: &mut Criterion) {
    for (takeover, name) in [(true, "inflate/takeover"), (false, "inflate/alone")] {
        let mut group = c.benchmark_group(name);
        for (size_name, size, count) in CORPORA {
            let messages = corpus(size, count);
            let len: usize = messages.iter().map(String::len).sum();
            group.throughput(Throughput::Elements(count as u64));

            let stream = stream(&mut client(takeover), &messages);
            let (mut to, mut input) = (server(takeover), RecvBuf::new());
            assert_eq!(
                receive_all(&mut to, &mut input, &stream, READ),
                (count, len)
            );
            group.bench_function(BenchmarkId::new("connection", size_name), |b| {
                b.iter(|| receive_all(&mut to, &mut input, black_box(&stream), READ));
            });

            let (mut deflate, mut memory) = (bare_deflate(), vec![0; 128 << 10]);
            let mut compressed = |message: &String| {
                let len = bare_compress(&mut deflate, takeover, message.as_bytes(), &mut memory);
                memory[..len].to_vec()
            };
            let pieces: Vec<_> = messages.iter().map(&mut compressed).collect();
            let mut inflate = Inflate::new(false, 15);
            let mut inflate_all = || {
                let lens = (black_box(&pieces).iter())
                    .map(|piece| bare_inflate(&mut inflate, takeover, piece, &mut memory));
                lens.sum::<usize>()
            };
            assert_eq!(inflate_all(), len);
            group.bench_function(BenchmarkId::new("zlib-rs", size_name), |b| {
                b.iter(&mut inflate_all);
            });
        }
    }
}

/// A burst: each of 64 connections receives a chat line and sends another, without takeover.
fn pool(c: &mut Criterion) {
    let mut group = c.benchmark_group("pool");
    let messages = corpus(0, 64);
    let stream = stream(&mut client(false), &messages[..1]);
    group.throughput(Throughput::Elements(messages.len() as u64));
    for (name, shared) in [("own", false), ("shared", true)] {
        let mut connections: Vec<_> = messages.iter().map(|_| server(false)).collect();
        let (mut pool, mut input, mut out) = (Pool::new(), RecvBuf::new(), BytesMut::new());
        let mut burst = || {
            let mut received = (0, 0);
            for (ws, message) in connections.iter_mut().zip(black_box(&messages)) {
                if shared {
                    pool.lend(ws);
                }
                let (count, len) = receive_all(ws, &mut input, &stream, READ);
                received = (received.0 + count, received.1 + len);
                out.clear();
                ws.send_text(message, &mut out).expect("open");
                if shared {
                    pool.reclaim(ws);
                }
            }
            received
        };
        assert_eq!(burst(), (64, 64 * messages[0].len()));
        group.bench_function(name, |b| b.iter(&mut burst));
    }
}

/// A chat line over a connection that keeps its codecs, and over one whose codecs hibernate and must
/// load the full history again.
fn hibernate(c: &mut Criterion) {
    let mut group = c.benchmark_group("hibernate");
    let messages = corpus(0, 1000);
    for (name, hibernates) in [("awake", false), ("woken", true)] {
        let (mut ws, mut pool) = (server(true), Pool::new());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut from = client(true);
        let first = stream(&mut from, &messages[..1]);
        let rest = stream(&mut from, &messages[1..]);
        assert_eq!(receive_all(&mut ws, &mut input, &first, READ).0, 1);
        assert_eq!(receive_all(&mut ws, &mut input, &rest, READ).0, 999);
        send_all(&mut ws, &messages, &mut out);
        let long = ws.deflate_stats();
        assert!(long.received.plain > 64 << 10 && long.sent.plain > 64 << 10);

        group.bench_function(BenchmarkId::new("send", name), |b| {
            let mut messages = messages.chunks(1).cycle();
            b.iter(|| {
                if hibernates {
                    pool.hibernate(&mut ws);
                    pool.lend(&mut ws);
                }
                send_all(&mut ws, messages.next().unwrap_or_default(), &mut out)
            });
        });
        // The first message refers to no other, so it can be received again and again.
        group.bench_function(BenchmarkId::new("receive", name), |b| {
            b.iter(|| {
                if hibernates {
                    pool.hibernate(&mut ws);
                    pool.lend(&mut ws);
                }
                let received = receive_all(&mut ws, &mut input, &first, READ);
                assert_eq!(received, (1, messages[0].len()));
            });
        });
    }
}

criterion_group!(benches, send, receive, pool, hibernate);
criterion_main!(benches);
