//! Benchmarks of messages that do not arrive whole, and of the ways to receive other than
//! `next_event` with a buffer of one's own: reads of different sizes, parts, `poll`, and a buffer
//! that connections share. Each checks its result before it is timed.

use std::hint::black_box;

use benches::{Content, READ, client, receive_all, server};
use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::{Config, Connection, Event, RecvBuf, Role};

const READS: [usize; 5] = [1, 1460, 4 << 10, 16 << 10, 64 << 10];

/// Messages that are cut by reads. Text is validated although characters are cut.
fn cut(c: &mut Criterion) {
    for (content, name, len) in [
        (Content::Binary, "binary", 64 << 10),
        (Content::Ascii, "ascii", 64 << 10),
        (Content::Multibyte, "multibyte", 64 << 10),
        (Content::Binary, "binary", 4 << 10),
        (Content::Multibyte, "multibyte", 4 << 10),
    ] {
        let mut group = c.benchmark_group(format!("cut/{name}/{len}"));
        let count = (256 << 10) / len;
        let stream = content.stream(len, count, &mut client());
        group.throughput(Throughput::Bytes(stream.len() as u64));
        for read in READS {
            let (mut ws, mut input) = (server(), RecvBuf::new());
            let mut receive = || receive_all(&mut ws, &mut input, black_box(&stream), read);
            assert_eq!(receive(), (count, count * len));
            group.bench_function(BenchmarkId::from_parameter(read), |b| b.iter(&mut receive));
        }
    }
}

/// A message that is delivered in parts as it arrives.
fn parts(c: &mut Criterion) {
    let mut group = c.benchmark_group("parts");
    for (content, name) in [
        (Content::Binary, "binary"),
        (Content::Multibyte, "multibyte"),
    ] {
        let mut config = Config::new();
        config.parts_above = 4 << 10;
        let mut ws = Connection::assume_opened(Role::Server, config);
        let len = 1 << 20;
        let stream = content.stream(len, 1, &mut client());
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut receive = || {
            let (mut bytes, mut ends) = (0, 0);
            for piece in black_box(&stream).chunks(READ) {
                input.spare(READ)[..piece.len()].copy_from_slice(piece);
                input.filled(piece.len());
                while let Some(event) = ws.next_event(&mut input, &mut out).expect("valid") {
                    bytes += black_box(event.payload()).len();
                    ends += usize::from(matches!(event, Event::TextEnd(_) | Event::BinaryEnd(_)));
                }
            }
            (bytes, ends)
        };
        assert_eq!(receive(), (len, 1));
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| b.iter(&mut receive));
    }
}

/// `poll` before each `next_event`, for the time of one message.
fn poll(c: &mut Criterion) {
    let mut group = c.benchmark_group("poll");
    for len in [16, 512] {
        let count = READ / len;
        let stream = Content::Binary.stream(len, count, &mut client());
        let (mut ws, mut input, mut out) = (server(), RecvBuf::new(), BytesMut::new());
        let mut receive = || {
            input.extend_from_slice(black_box(&stream));
            let mut messages = 0;
            while ws.poll(&mut input, &mut out) {
                let event = ws.next_event(&mut input, &mut out);
                messages += usize::from(matches!(black_box(event), Ok(Some(Event::Binary(_)))));
            }
            messages
        };
        assert_eq!(receive(), count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |b| b.iter(&mut receive));
    }
}

/// 64 connections that use one buffer in turn. Each read has the second half of a message and the
/// first half of the next one, or whole messages only.
fn shared(c: &mut Criterion) {
    let mut group = c.benchmark_group("shared");
    let (len, count) = (125, 64);
    let message = Content::Binary.stream(len, 1, &mut client());
    for (name, cut) in [("whole", 0), ("cut", message.len() / 2)] {
        let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
        let mut read = |ws: &mut Connection, pieces: [&[u8]; 2]| {
            ws.resume(&mut input);
            for piece in pieces {
                input.extend_from_slice(piece);
            }
            let mut messages = 0;
            while let Some(event) = ws.next_event(&mut input, &mut out).expect("valid") {
                messages += usize::from(black_box(event).payload().len() == len);
            }
            ws.park(&mut input);
            messages
        };
        let mut connections: Vec<_> = (0..count).map(|_| server()).collect();
        let (first, rest) = message.split_at(cut);
        for ws in &mut connections {
            assert_eq!(read(ws, [first, &[]]), 0);
        }
        let mut turn = || -> usize {
            let each = connections.iter_mut();
            each.map(|ws| read(ws, [black_box(rest), first])).sum()
        };
        assert_eq!((turn(), turn()), (count, count));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| b.iter(&mut turn));
    }
}

criterion_group!(benches, cut, parts, poll, shared);
criterion_main!(benches);
