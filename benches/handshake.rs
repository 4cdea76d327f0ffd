//! The cost of a handshake, and that its work is linear in its bytes: within one group the
//! throughput must not fall as the size grows.

use std::hint::black_box;

use benches::BROWSER_REQUEST;
use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use websocket_proto::handshake::{
    client,
    server::{Accept, Handshake, Origins, RequestError},
};
use websocket_proto::{Config, RecvBuf, Seed};

/// The request with a further line.
fn request_with(line: &str) -> Vec<u8> {
    let head = BROWSER_REQUEST.trim_end();
    format!("{head}\r\n{line}\r\n\r\n").into_bytes()
}

/// Reads a request in pieces of `size` bytes and accepts it.
fn open(request: &[u8], size: usize, config: Config) -> Result<BytesMut, RequestError> {
    let mut handshake = Handshake::new(config, Origins::SameOrigin);
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    for piece in request.chunks(size) {
        input.extend_from_slice(piece);
        if let Some((_, pending)) = handshake.next(&mut input, &mut out)? {
            black_box(pending.accept(Accept::new(), &mut out)).expect("a plain 101");
        }
    }
    Ok(out)
}

fn generous() -> Config {
    let mut config = Config::new();
    config.max_head_size = 1 << 20;
    config
}

fn server(criterion: &mut Criterion) {
    let config = Config::new();
    assert!(open(BROWSER_REQUEST.as_bytes(), 4096, config).is_ok());
    criterion.bench_function("server/browser", |bencher| {
        bencher.iter(|| open(BROWSER_REQUEST.as_bytes(), 4096, config));
    });
}

/// `start` makes the request. `open` also checks the response.
fn client(criterion: &mut Criterion) {
    let request = client::Request::new("wss://chat.example.com/chat").expect("a URL");
    let start = |out: &mut BytesMut| {
        let seed = Seed::from([7; 32]);
        client::Handshake::start(black_box(&request), seed, Config::new(), out).expect("fits")
    };
    criterion.bench_function("client/start", |bencher| {
        bencher.iter(|| {
            let mut out = BytesMut::new();
            (start(&mut out), out)
        });
    });

    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    start(&mut out);
    // The same seed makes the same key, so this response is the right one each time.
    let response = open(&out, 4096, Config::new()).expect("a valid request");
    criterion.bench_function("client/open", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mut handshake = start(&mut out);
            input.extend_from_slice(black_box(&response));
            let outcome = handshake.next(&mut input).expect("a valid response");
            assert!(matches!(outcome, Some(client::Outcome::Accepted(..))));
        });
    });
}

/// A head that arrives byte by byte.
fn byte_by_byte(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("byte_by_byte");
    for size in [8_000, 16_000, 32_000] {
        let request = request_with(&format!("X: {}", "x".repeat(size)));
        assert!(open(&request, 1, generous()).is_ok());
        group.throughput(Throughput::Bytes(request.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(size),
            &request,
            |bencher, request| {
                bencher.iter(|| open(request, 1, generous()));
            },
        );
    }
    group.finish();
}

/// Lists that some implementations read in quadratic time.
fn lists(criterion: &mut Criterion) {
    type Case = (&'static str, fn(usize) -> String, bool);
    let cases: [Case; 3] = [
        (
            "spaces",
            |n| format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(n)),
            false,
        ),
        (
            "quotes",
            |n| format!("Sec-WebSocket-Extensions: a; b=\"{}", "\\\"".repeat(n / 2)),
            false,
        ),
        (
            "names",
            |n| format!("Sec-WebSocket-Protocol: {}", "a,".repeat(n / 2)),
            true,
        ),
    ];
    for (name, line, opens) in cases {
        let mut group = criterion.benchmark_group(format!("lists/{name}"));
        for size in [50_000, 100_000] {
            let request = request_with(&line(size));
            assert_eq!(open(&request, 4096, generous()).is_ok(), opens);
            group.throughput(Throughput::Bytes(request.len() as u64));
            group.bench_with_input(
                BenchmarkId::from_parameter(size),
                &request,
                |bencher, request| {
                    bencher.iter(|| open(request, 4096, generous()));
                },
            );
        }
        group.finish();
    }
}

criterion_group!(benches, server, client, byte_by_byte, lists);
criterion_main!(benches);
