//! Joining, history, resuming, saying.
use live::chat::protocol::{Code, Input, Output, Since};

use crate::client::{Client, start, two_nodes};

#[tokio::test]
async fn hello_tells_the_limits() {
    let server = start(&[
        "--node",
        "n1",
        "--max-rooms",
        "3",
        "--rate",
        "7",
        "--burst",
        "9",
    ])
    .await;
    let token = crate::client::token(server.addr(), "Ann").await;
    let mut client = Client::with_token(server.addr(), &token, None)
        .await
        .unwrap();
    let expected = r#"{"type":"hello","user":"Ann","node":"n1","engine":"up","limits":{"text":2000,"rooms":3,"rate":7,"burst":9}}"#;
    assert_eq!(client.recv_text().await, expected);
}

#[tokio::test]
async fn what_one_says_all_in_the_room_hear() {
    let server = start(&[]).await;
    let (mut ann, mut bob) = (
        Client::new(&server, "Ann").await,
        Client::new(&server, "Bob").await,
    );
    let mut eve = Client::new(&server, "Eve").await;
    let joined = ann.join("lobby").await;
    assert_eq!(
        (joined.since.offset, joined.recovered, joined.count),
        (0, false, 1)
    );
    assert_eq!(joined.members, ["Ann"]);
    bob.join("lobby").await;
    eve.join("other").await;

    let text = "<script>alert(1)</script>\n& \"quotes\" \u{1f600}";
    let (position, duplicate) = ann.say("lobby", "c1", text).await;
    assert_eq!((position.offset, duplicate), (1, false));
    let heard = bob.message().await;
    assert_eq!(heard.since(), position);
    assert_eq!(
        (heard.id.as_str(), heard.from.as_str(), heard.text.as_str()),
        ("c1", "Ann", text)
    );
    // The sender gets it as well, and another room does not.
    let (second, _) = bob.say("lobby", "c1", "the id is Bob's own").await;
    assert_eq!(second.offset, 2);
    while ann.message().await.offset != 2 {}
    let (other, _) = eve.say("other", "x", "hello").await;
    assert_eq!(eve.message().await.since(), other);
}

#[tokio::test]
async fn the_same_id_is_stored_once() {
    let server = start(&[]).await;
    let mut ann = Client::new(&server, "Ann").await;
    ann.join("lobby").await;
    let (first, duplicate) = ann.say("lobby", "c1", "hello").await;
    assert!(!duplicate);
    // After a reconnect she does not know whether it was stored.
    let mut ann = Client::new(&server, "Ann").await;
    ann.join("lobby").await;
    assert_eq!(ann.say("lobby", "c1", "hello").await, (first, true));
    assert_eq!(ann.say("lobby", "c2", "again").await.0.offset, 2);
    let mut bob = Client::new(&server, "Bob").await;
    bob.join("lobby").await;
    let ids = [bob.message().await.id, bob.message().await.id];
    assert_eq!(ids, ["c1", "c2"]);
}

#[tokio::test]
async fn who_enters_gets_the_last_messages() {
    let server = start(&["--rate", "1000", "--burst", "1000"]).await;
    let mut ann = Client::new(&server, "Ann").await;
    ann.join("lobby").await;
    for i in 1..=70 {
        ann.say("lobby", &format!("c{i}"), &format!("text {i}"))
            .await;
    }
    let mut bob = Client::new(&server, "Bob").await;
    let joined = bob.join("lobby").await;
    assert_eq!((joined.since.offset, joined.recovered), (20, false));
    for offset in 21..=70 {
        let message = bob.message().await;
        assert_eq!(
            (message.offset, message.text),
            (offset, format!("text {offset}"))
        );
    }
}

#[tokio::test]
async fn a_client_resumes_with_nothing_lost_or_doubled() {
    let server = start(&["--rate", "1000", "--burst", "1000"]).await;
    let (mut ann, mut bob) = (
        Client::new(&server, "Ann").await,
        Client::new(&server, "Bob").await,
    );
    ann.join("lobby").await;
    bob.join("lobby").await;
    let (mut sent, mut received) = (0, Vec::new());
    for round in 0..4 {
        for _ in 0..30 {
            sent += 1;
            ann.say("lobby", &format!("c{sent}"), "x").await;
        }
        // Bob reads some of it, and loses the connection in the middle.
        for _ in 0..10 + round {
            received.push(bob.message().await);
        }
        bob = Client::new(&server, "Bob").await;
        let since = received.last().unwrap().since();
        let joined = bob.join_since("lobby", Some(since)).await;
        assert_eq!((joined.since, joined.recovered), (since, true));
    }
    while received.len() < sent {
        received.push(bob.message().await);
    }
    let offsets: Vec<u64> = received.iter().map(|message| message.offset).collect();
    assert_eq!(offsets, Vec::from_iter(1..=sent as u64));
}

#[tokio::test]
async fn a_client_resumes_at_another_node() {
    let [one, two] = two_nodes().await;
    let (mut ann, mut bob) = (
        Client::new(&one, "Ann").await,
        Client::new(&one, "Bob").await,
    );
    ann.join("lobby").await;
    bob.join("lobby").await;
    ann.say("lobby", "c1", "x").await;
    let since = bob.message().await.since();
    ann.say("lobby", "c2", "x").await;
    let mut bob = Client::new(&two, "Bob").await;
    assert!(bob.join_since("lobby", Some(since)).await.recovered);
    assert_eq!(bob.message().await.offset, 2);
    ann.say("lobby", "c3", "x").await;
    assert_eq!(bob.message().await.offset, 3);
}

#[tokio::test]
async fn a_position_that_is_gone_is_not_recovered() {
    let server = start(&["--history", "10", "--rate", "1000", "--burst", "1000"]).await;
    let mut ann = Client::new(&server, "Ann").await;
    let Since { epoch, .. } = ann.join("lobby").await.since;
    for i in 1..=30 {
        ann.say("lobby", &format!("c{i}"), "x").await;
    }
    let mut other = epoch;
    other.0 ^= 1;
    for (epoch, offset, recovered) in [
        (epoch, 30, true),
        (epoch, 20, true),
        (epoch, 19, false),
        (epoch, 31, false),
        (epoch, u64::MAX, false),
        (other, 25, false),
    ] {
        let mut bob = Client::new(&server, "Bob").await;
        let joined = bob.join_since("lobby", Some(Since { epoch, offset })).await;
        assert_eq!(joined.recovered, recovered, "{offset}");
        // What follows begins after the position that the answer names.
        let first = if recovered { offset + 1 } else { 21 };
        assert_eq!(joined.since.offset + 1, first, "{offset}");
        if first <= 30 {
            assert_eq!(bob.message().await.offset, first);
        }
    }
}

#[tokio::test]
async fn a_room_that_one_has_left_is_silent() {
    let server = start(&[]).await;
    let (mut ann, mut bob) = (
        Client::new(&server, "Ann").await,
        Client::new(&server, "Bob").await,
    );
    ann.join("lobby").await;
    bob.join("lobby").await;
    bob.join("other").await;
    let room = || "lobby".to_owned();
    bob.send(&Input::Leave { room: room() }).await;
    bob.find(|output| matches!(output, Output::Left { room } if room == "lobby").then_some(()))
        .await;
    ann.say("lobby", "c1", "x").await;
    bob.say("other", "c1", "x").await;
    let text = bob.recv_text().await;
    assert!(text.contains(r#""room":"other""#), "{text}");
    bob.send(&Input::Leave { room: room() }).await;
    assert_eq!(bob.error().await.0, Code::NotJoined);
}

#[tokio::test]
async fn what_is_not_allowed_gets_its_error() {
    let server = start(&["--max-rooms", "2"]).await;
    let mut ann = Client::new(&server, "Ann").await;
    let room = |room: &str| room.to_owned();
    let say = |to: &str| Input::Say {
        room: room(to),
        id: "c1".into(),
        text: "x".into(),
    };
    ann.send(&say("lobby")).await;
    let (code, reason, id, of) = ann.error().await;
    assert_eq!(
        (code, reason.as_str()),
        (Code::NotJoined, "join the room first")
    );
    assert_eq!((id.as_deref(), of.as_deref()), (Some("c1"), Some("lobby")));
    ann.send(&Input::Typing {
        room: room("lobby"),
        on: true,
    })
    .await;
    assert_eq!(ann.error().await.0, Code::NotJoined);

    ann.join("one").await;
    ann.join("two").await;
    ann.send(&Input::Join {
        room: room("two"),
        since: None,
    })
    .await;
    let (code, _, id, of) = ann.error().await;
    assert_eq!(
        (code, id, of.as_deref()),
        (Code::AlreadyJoined, None, Some("two"))
    );
    ann.send(&Input::Join {
        room: room("three"),
        since: None,
    })
    .await;
    assert_eq!(ann.error().await.0, Code::TooManyRooms);
    ann.send_binary(b"{}").await;
    assert_eq!(ann.error().await.0, Code::Binary);
    // The connection goes on, and a place in a room can be used again.
    ann.send(&Input::Leave { room: room("two") }).await;
    ann.join("three").await;
    assert_eq!(ann.say("three", "c1", "x").await.0.offset, 1);
}

#[tokio::test]
async fn the_server_says_that_it_stops() {
    let server = start(&[]).await;
    let mut clients = Vec::new();
    for i in 0..10 {
        let mut client = Client::new(&server, &format!("user-{i}")).await;
        client.join("lobby").await;
        clients.push(client);
    }
    let stopped = tokio::spawn(server.stop());
    for client in &mut clients {
        assert_eq!(client.closed().await, (1001, "the server stops".into()));
        // Up to the end of the stream.
        assert_eq!(client.closed().await.0, 0);
    }
    assert_eq!(stopped.await.unwrap(), 0);
}

#[tokio::test]
async fn a_user_opens_a_hundred_rooms_at_once() {
    let server = start(&["--rate", "10000", "--burst", "10000"]).await;
    let mut bob = Client::new(&server, "Bob").await;
    bob.join("room-of-bob").await;
    let mut ann = Client::new(&server, "Ann").await;
    let room = |room: usize| format!("room-{room}");
    let mut refused = None;
    for i in 0..1000 {
        let join = Input::Join {
            room: room(i),
            since: None,
        };
        ann.send(&join).await;
        if !ann.recv_text().await.contains(r#""type":"joined""#) {
            refused = Some(i);
            break;
        }
        ann.send(&Input::Leave { room: room(i) }).await;
        assert!(ann.recv_text().await.contains(r#""type":"left""#));
    }
    // Some more if the machine is slow: two for each second.
    assert!(refused.is_some_and(|i| i >= 100), "{refused:?}");
    // A room that is open already, and the rooms of others.
    ann.join("room-of-bob").await;
    bob.join("room-of-bob-2").await;
}
