//! Two nodes on one Redis behind nginx and HAProxy, with the configuration files of `proxy/`. If a program
//! is not installed, its test is skipped; with LIVE_REQUIRE_ENGINES=1 it fails.
#![cfg(unix)]
use person::Person;
use programs::{Kind, Node, Proxy};
use support::DEADLINE;
use tokio::time::Instant;

mod http;
mod person;
mod programs;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod support;

#[tokio::test]
async fn nginx() {
    nodes_behind(Kind::Nginx).await;
}

#[tokio::test]
async fn haproxy() {
    nodes_behind(Kind::Haproxy).await;
}

async fn nodes_behind(kind: Kind) {
    let Some(redis) = support::redis::start().await else {
        return;
    };
    let n1 = Node::start("n1", &redis, "127.0.0.1:0").await;
    let n2 = Node::start("n2", &redis, "127.0.0.1:0").await;
    let Some(proxy) = Proxy::start(kind, [n1.addr, n2.addr]).await else {
        return;
    };
    only_what_is_public(&proxy, &n1).await;
    limits_of_one_client_concern_no_other(&proxy, [&n1, &n2]).await;
    an_address_has_a_limited_number_of_connections(&proxy).await;

    // Both nodes are up once both give connections to clients.
    let mut people: Vec<Person> = Vec::new();
    while ["n1", "n2"]
        .iter()
        .any(|node| !people.iter().any(|person| person.node == *node))
    {
        assert!(people.len() < 100, "all connections go to the same node");
        people.push(Person::enter(proxy.addr, &format!("P{}", people.len())).await);
    }

    // All hear all, in order, over both nodes.
    let mut said = 0;
    for person in &mut people {
        said += 1;
        person.say(said).await;
    }
    for person in &mut people {
        person.hear_until(said).await;
    }

    // SIGTERM: its clients are told, find the other node, and miss nothing.
    let addr = n1.addr;
    n1.terminate();
    let (mut left, mut stayed): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|person| person.node == "n1");
    for person in &mut left {
        assert_eq!(person.closed().await, Some(1001));
    }
    assert_eq!(n1.ended().await, Some(0));
    for _ in 0..3 {
        said += 1;
        stayed[0].say(said).await; // while they are away
    }
    for person in &mut left {
        person.resume(proxy.addr).await;
        assert_eq!(person.node, "n2");
    }
    said += 1;
    left[0].say(said).await;
    for person in left.iter_mut().chain(&mut stayed) {
        person.hear_until(said).await;
    }

    // A node that comes back gets connections.
    let n1 = Node::start("n1", &redis, &addr.to_string()).await;
    let mut back = Person::enter(proxy.addr, "Back").await;
    for i in 0.. {
        assert!(i < 1000, "nobody gets to the node that is back");
        if back.node == "n1" {
            break;
        }
        back = Person::enter(proxy.addr, "Back").await;
    }
    back.hear_until(said).await;

    // Nobody is there: the proxy says so, and even then its log has no token.
    n1.kill().await;
    n2.kill().await;
    let (status, _) = http::get(proxy.addr, "/chat?token=S3cretT0ken").await;
    assert!((500..600).contains(&status), "{status}");
    let log = proxy.stop().await;
    for path in ["/chat ", "/token "] {
        assert!(log.contains(path), "{path}: {log}");
    }
    for secret in ["token=", "S3cretT0ken"] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// The metrics are not for the public, a session of the comparison stays at its node, and its events
/// arrive while the response goes on.
async fn only_what_is_public(proxy: &Proxy, node: &Node) {
    assert_eq!(http::get(proxy.addr, "/metrics").await.0, 404);
    assert_eq!(http::get(node.addr, "/metrics").await.0, 200);
    for _ in 0..4 {
        let (_, opened) = http::request(proxy.addr, "POST", "/compare/session?rate=10", "").await;
        let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
        let session = opened["session"].as_str().unwrap();
        http::first_event(proxy.addr, &format!("/compare/events?session={session}")).await;
    }
}

/// A user who has all connections that a user may have, and a comparison that is full, are refused. The
/// proxy takes no node for broken because of that.
async fn limits_of_one_client_concern_no_other(proxy: &Proxy, nodes: [&Node; 2]) {
    let mut greedy = Vec::new();
    for node in nodes {
        for _ in 0..10 {
            greedy.push(Person::enter(node.addr, "Greedy").await);
        }
    }
    for _ in 0..4 {
        let (_, token) = http::request(proxy.addr, "POST", "/token", r#"{"name":"Greedy"}"#).await;
        let token: serde_json::Value = serde_json::from_str(&token).unwrap();
        let chat = format!("/chat?token={}", token["token"].as_str().unwrap());
        assert_eq!(http::get(proxy.addr, &chat).await.0, 429);
        assert_eq!(http::get(proxy.addr, "/healthz").await.0, 200);
    }
    let mut refused = 200;
    for _ in 0..=100 {
        let session = http::request(proxy.addr, "POST", "/compare/session?rate=1", "");
        refused = session.await.0;
    }
    assert_eq!(refused, 429);
    let page = http::get(proxy.addr, "/compare/stats?session=none").await;
    assert_eq!(page.0, 404); // of a node
}

async fn an_address_has_a_limited_number_of_connections(proxy: &Proxy) {
    let mut open = Vec::new();
    while http::get(proxy.addr, "/healthz").await.0 == 200 {
        assert!(open.len() <= 110, "there is no limit");
        open.push(http::websocket(proxy.addr, "/dashboard/stream").await);
    }
    assert!(open.len() >= 90, "{}", open.len());
    open.clear();
    // The proxy forgets them when it sees their end.
    let end = Instant::now() + DEADLINE;
    while http::get(proxy.addr, "/healthz").await.0 != 200 {
        assert!(Instant::now() < end, "the connections still count");
    }
}
