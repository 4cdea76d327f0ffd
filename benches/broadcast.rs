//! Benchmarks of sending the same message to 1,000 connections, and of messages that are not copied.
//! Each checks its result before it is timed. `cargo bench --features deflate -- --test` runs each
//! once.
//!
//! The transport takes everything: what a connection has written is removed after each message. So
//! the times are those of the engine alone. `thrpt` is the number of connections, or messages, per
//! second.

use std::{hint::black_box, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::{
    Config, Connection, Delivery, MessageKind, OutQueue, Output, Prepared, Role,
    deflate::{DeflateConfig, Params, Preparer},
};

const PEERS: usize = 1000;

fn server() -> Connection {
    Connection::assume_opened(Role::Server, Config::new())
}

fn compressing(takeover: bool) -> Connection {
    let params = Params {
        server_no_context_takeover: !takeover,
        ..Params::default()
    };
    server().with_deflate(params, DeflateConfig::new())
}

struct Peer<O> {
    ws: Connection,
    out: O,
}

fn peers<O: Default>(server: impl Fn() -> Connection) -> Vec<Peer<O>> {
    let peer = || Peer {
        ws: server(),
        out: O::default(),
    };
    std::iter::repeat_with(peer).take(PEERS).collect()
}

/// Words, which compress like a chat message.
fn text(len: usize) -> String {
    let words = "the meeting is at noon tomorrow and lunch is later than we thought ";
    words.chars().cycle().take(len).collect()
}

/// A message of 512 bytes, which is prepared again for each round.
fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast/512");
    group.throughput(Throughput::Elements(PEERS as u64));
    let text = text(512);

    let mut copied = peers::<BytesMut>(server);
    group.bench_function("send_text each", |b| {
        b.iter(|| {
            for Peer { ws, out } in &mut copied {
                ws.send_text(black_box(&text), out).expect("open");
                assert_eq!(black_box(&*out).len(), 516);
                out.clear();
            }
        });
    });
    group.bench_function("send_prepared", |b| {
        b.iter(|| {
            let message = Prepared::text(black_box(&text));
            for Peer { ws, out } in &mut copied {
                ws.send_prepared(&message, out).expect("open");
                assert_eq!(black_box(&*out).len(), 516);
                out.clear();
            }
        });
    });
    group.bench_function("send_prepared_within", |b| {
        b.iter(|| {
            let message = Prepared::text(black_box(&text));
            for Peer { ws, out } in &mut copied {
                let delivery = ws.send_prepared_within(&message, 64 << 10, out);
                assert_eq!(delivery, Ok(Delivery::Sent));
                black_box(&*out);
                out.clear();
            }
        });
    });
    let mut lent = peers::<BytesMut>(server);
    group.bench_function("lend_prepared", |b| {
        b.iter(|| {
            let message = Prepared::text(black_box(&text));
            for Peer { ws, out } in &mut lent {
                let mut lent = ws.lend_prepared(&message, out).expect("open");
                let [_, frame] = lent.slices();
                let taken = black_box(frame).len();
                assert_eq!(taken, 516);
                lent.written(taken);
            }
        });
    });
    group.finish();
}

/// A message of 512 bytes to connections that compress.
fn deflate(c: &mut Criterion) {
    for (name, takeover) in [
        ("broadcast/deflate/takeover", true),
        ("broadcast/deflate/alone", false),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(PEERS as u64));
        let text = text(512);
        let mut preparer = Preparer::new(DeflateConfig::new());
        let mut prepared = peers::<BytesMut>(|| compressing(takeover));
        group.bench_function("send_prepared", |b| {
            b.iter(|| {
                let message = Prepared::text(black_box(&text)).compressed(&mut preparer);
                for Peer { ws, out } in &mut prepared {
                    ws.send_prepared(&message, out).expect("open");
                    assert!(black_box(&*out).len() < 150);
                    out.clear();
                }
            });
        });
        group.finish();
    }

    // One connection, because 1,000 compressors take 280 MB.
    let mut group = c.benchmark_group("own message of 100 bytes");
    let (text, own) = (text(512), text(100));
    let mut preparer = Preparer::new(DeflateConfig::new());
    let message = Prepared::text(&text).compressed(&mut preparer);
    for (name, between) in [("alone", 0), ("behind a prepared one", 1)] {
        let mut peer = Peer {
            ws: compressing(true),
            out: BytesMut::new(),
        };
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..between {
                    peer.ws
                        .send_prepared(&message, &mut peer.out)
                        .expect("open");
                }
                peer.ws
                    .send_text(black_box(&own), &mut peer.out)
                    .expect("open");
                assert!(black_box(&peer.out).len() < 150);
                peer.out.clear();
            });
        });
    }
    group.finish();
}

/// Messages to one connection after the other, by copying, sharing and lending.
fn long(c: &mut Criterion) {
    for size in [512, 1 << 10, 1500, 2 << 10, 4 << 10, 64 << 10] {
        let mut group = c.benchmark_group(format!("uncopied/{size}"));
        group.throughput(Throughput::Elements(PEERS as u64));
        let payload = Bytes::from(vec![0x5A; size]);
        let mut copied = peers::<BytesMut>(server);
        group.bench_function(BenchmarkId::from_parameter("BytesMut"), |b| {
            b.iter(|| {
                for Peer { ws, out } in &mut copied {
                    ws.send_binary(black_box(&payload), out).expect("open");
                    black_box(&*out);
                    out.clear();
                }
            });
        });
        drop(copied);
        let mut queued = peers::<OutQueue>(server);
        group.bench_function(BenchmarkId::from_parameter("OutQueue"), |b| {
            b.iter(|| {
                for Peer { ws, out } in &mut queued {
                    let kind = MessageKind::Binary;
                    ws.send_bytes(kind, black_box(&payload), out).expect("open");
                    let mut slices = [IoSlice::new(&[]); 4];
                    let count = out.chunks_vectored(&mut slices);
                    black_box(&slices[..count]);
                    out.advance(out.unsent());
                }
            });
        });
        let mut lent = peers::<BytesMut>(server);
        group.bench_function(BenchmarkId::from_parameter("Lent"), |b| {
            b.iter(|| {
                for Peer { ws, out } in &mut lent {
                    let mut lent = ws.lend_binary(black_box(&payload), out).expect("open");
                    black_box(lent.slices());
                    lent.written(lent.unsent());
                    drop(lent);
                    out.clear();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, plain, deflate, long);
criterion_main!(benches);
