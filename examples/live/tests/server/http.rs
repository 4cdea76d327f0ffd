//! Routes and headers.
use crate::client::{Reply, exchange, get, get_with, request, start, tcp};

const PAGES: &[(&str, &str)] = &[
    ("/", "text/html; charset=utf-8"),
    ("/chat.js", "text/javascript; charset=utf-8"),
    ("/dashboard", "text/html; charset=utf-8"),
    ("/dashboard.js", "text/javascript; charset=utf-8"),
    ("/style.css", "text/css; charset=utf-8"),
];

fn assert_guarded(reply: &Reply) {
    let policy = reply.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
}

#[tokio::test]
async fn pages_have_their_type_and_strict_headers() {
    let server = start(&[]).await;
    for (path, kind) in PAGES {
        let reply = get(server.addr(), path).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(*kind)),
            "{path}"
        );
        assert!(!reply.body.is_empty(), "{path}");
        assert_guarded(&reply);
    }
    let missing = get(server.addr(), "/../Cargo.toml").await;
    assert_eq!(missing.status, 404);
    assert_guarded(&missing);
}

#[tokio::test]
async fn a_page_that_the_browser_has_is_not_sent_again() {
    let server = start(&[]).await;
    let first = get(server.addr(), "/dashboard").await;
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let etag = first.header("etag").unwrap();
    let same = get_with(
        server.addr(),
        "/dashboard",
        &format!("If-None-Match: {etag}\r\n"),
    )
    .await;
    assert_eq!((same.status, &*same.body), (304, ""));
    assert_eq!(same.header("etag"), Some(etag));
    let other = get_with(server.addr(), "/dashboard", "If-None-Match: \"x\"\r\n").await;
    assert_eq!((other.status, other.body), (200, first.body));
}

#[tokio::test]
async fn metrics_are_those_of_this_server() {
    let server = start(&[]).await;
    server.app().metrics.received.inc_by(7);
    for _ in 0..2 {
        let published = server.app().broker.publish("c", "id", "text".into());
        published.await.unwrap();
    }
    let reply = get(server.addr(), "/metrics").await;
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let value = |name: &str| -> f64 {
        let line = reply
            .body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name}: {}", reply.body))
            .parse()
            .unwrap()
    };
    assert_eq!(value("live_messages_received_total"), 7.0);
    assert_eq!(value("live_sockets"), 1.0);
    assert_eq!(
        value("live_bytes_received_total"),
        request("/metrics", "").len() as f64
    );
    if cfg!(target_os = "linux") {
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
    assert_eq!(value("live_engine_up"), 1.0);
    assert_eq!(value("live_duplicates_total"), 1.0);
    assert!(reply.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_healthy_server_says_ok() {
    let server = start(&[]).await;
    let reply = get(server.addr(), "/healthz").await;
    assert_eq!((reply.status, &*reply.body), (200, "ok\n"));
}

#[tokio::test]
async fn without_its_engine_it_is_not_healthy() {
    // Nothing listens there: the system does not give this port away.
    let server = start(&["--engine", "redis://127.0.0.1:1"]).await;
    let reply = get(server.addr(), "/healthz").await;
    assert_eq!((reply.status, &*reply.body), (503, "the engine is away\n"));
    let metrics = get(server.addr(), "/metrics").await.body;
    assert!(metrics.contains("\nlive_engine_up 0\n"), "{metrics}");
    assert_eq!(get(server.addr(), "/").await.status, 200);
}

#[tokio::test]
async fn a_stream_needs_a_websocket_of_the_same_host() {
    let server = start(&[]).await;
    let plain = get(server.addr(), "/dashboard/stream").await;
    assert_eq!(plain.status, 426);
    let upgrade = "Host: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let open = async |origin: &str| {
        let text = format!("GET /dashboard/stream HTTP/1.1\r\n{upgrade}Origin: {origin}\r\n\r\n");
        let reply = Reply::parse(&exchange(tcp(&server).await, &text).await);
        (reply.status, reply.body)
    };
    for origin in ["http://evil.example", "http://127.0.0.1"] {
        // The second one is allowed, but it is another name than that of the request.
        let reason =
            format!("a page of {origin} may not connect to the host localhost: see --origin\n");
        assert_eq!(open(origin).await, (403, reason));
    }
}
