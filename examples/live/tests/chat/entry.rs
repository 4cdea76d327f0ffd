//! What is checked before 101: tokens, the Origin, limits.
use std::time::{Duration, SystemTime};

use live::chat::token::Tokens;

use crate::client::{Client, http, post_token, refused, start, token, until};

fn query(token: &str) -> String {
    format!("?token={token}")
}

#[tokio::test]
async fn a_name_gets_a_token() {
    let server = start(&[]).await;
    let (status, body) = post_token(server.addr(), r#"{"name":"<b>Ann</b>"}"#).await;
    assert_eq!(
        (status, &body["user"], &body["expires_in"]),
        (200, &"<b>Ann</b>".into(), &30.into())
    );
    for (body, reason) in [
        ("", "EOF"),
        ("{}", "missing field `name`"),
        (r#"{"name":7}"#, "name: invalid type"),
        (r#"{"name":"Ann","admin":true}"#, "admin: unknown field"),
        (r#"{"name":""}"#, "name: empty"),
        (r#"{"name":" Ann"}"#, "name: a space"),
        ("{\"name\":\"A\\u0000nn\"}", "name: a control"),
        (r#"["Ann"]"#, "expected an object"),
    ] {
        let (status, answer) = post_token(server.addr(), body).await;
        assert_eq!(status, 400, "{body}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(reason), "{body}: {error}");
    }
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(2000));
    let (status, answer) = post_token(server.addr(), &long).await;
    let error = &answer["error"];
    assert_eq!(
        (status, error),
        (413, &"the body has more than 1024 bytes".into())
    );
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_or_will_be_too_long_is_refused_at_once() {
    let server = start(&[]).await;
    let head = "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ";
    let latin1 = [head.as_bytes(), b"15\r\n\r\n{\"name\":\"J\xfcrg\"}"].concat();
    let (status, _, body) = http(server.addr(), &latin1).await;
    assert_eq!(
        (status, &*body),
        (400, r#"{"error":"the body is not UTF-8"}"#)
    );
    // None of the body is sent. A slow one is answered with 408, after 10 seconds.
    let (status, _, body) = http(server.addr(), format!("{head}1025\r\n\r\n")).await;
    let error = r#"{"error":"the body has more than 1024 bytes"}"#;
    assert_eq!((status, &*body), (413, error));
}

#[tokio::test]
async fn a_token_works_once() {
    let server = start(&[]).await;
    let token = token(server.addr(), "Ann").await;
    let client = Client::with_token(server.addr(), &token, None).await;
    assert!(client.is_ok());
    let (status, _, body) = refused(server.addr(), &query(&token), "").await;
    assert_eq!((status, body.as_str()), (401, "token: used already\n"));
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_with_the_reason() {
    const SECRET: &str = "of more than one node";
    let server = start(&["--secret", SECRET]).await;
    let issue = |secret: &str, before| {
        let now = SystemTime::now() - Duration::from_secs(before);
        Tokens::new(secret.as_bytes()).issue("Ann", now).unwrap()
    };
    for (query, reason) in [
        (String::new(), "token: missing\n"),
        ("?other=1".into(), "token: missing\n"),
        ("?token=".into(), "token: missing\n"),
        ("?token=a&token=b".into(), "token: malformed\n"),
        ("?token=%00".into(), "token: malformed\n"),
        ("?token=hello".into(), "token: malformed\n"),
        (query(&issue(SECRET, 31)), "token: expired\n"),
        (query(&issue("another", 0)), "token: wrong signature\n"),
    ] {
        let (status, _, body) = refused(server.addr(), &query, "").await;
        assert_eq!((status, body.as_str()), (401, reason), "{query}");
    }
    let refused = &server.app().metrics.refused;
    let reason = live::server::metrics::Reason { reason: "token" };
    assert_eq!(refused.get_or_create(&reason).get(), 8);
    // A node with the same secret could have issued this one.
    assert!(
        Client::with_token(server.addr(), &issue(SECRET, 0), None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_foreign_page_is_refused_and_the_token_is_not_used_up() {
    let server = start(&[]).await;
    let token = token(server.addr(), "Ann").await;
    let origin = "Origin: https://example.org\r\n";
    assert_eq!(refused(server.addr(), &query(&token), origin).await.0, 403);
    // Not a valid handshake, and none at all.
    let version = "Sec-WebSocket-Version: 12\r\n"; // besides the right one
    assert_eq!(refused(server.addr(), &query(&token), version).await.0, 400);
    let path = query(&token);
    let fetch = format!("GET /chat{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (status, head, _) = http(server.addr(), fetch).await;
    assert!(status == 426 && head.contains("sec-websocket-version: 13"));
    assert!(
        Client::with_token(server.addr(), &token, None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_user_has_a_limited_number_of_connections() {
    let server = start(&["--max-connections-per-user", "2"]).await;
    let one = Client::new(&server, "Ann").await;
    let two = Client::new(&server, "Ann").await;
    let third = token(server.addr(), "Ann").await;
    let (status, head, body) = refused(server.addr(), &query(&third), "").await;
    assert_eq!(
        (status, body.as_str()),
        (429, "too many connections of this user\n")
    );
    assert!(head.contains("retry-after: "));
    let _bob = Client::new(&server, "Bob").await;
    // The place of a connection that has ended is free again, and the token was not used up.
    one.close().await;
    let metrics = &server.app().metrics;
    until("Ann has left", || metrics.connections.get() == 2).await;
    assert!(
        Client::with_token(server.addr(), &third, None)
            .await
            .is_ok()
    );
    drop(two);
}
