//! Clients that read too slowly, or send too much.
use std::time::Duration;

use examples::adapters::tokio::Socket;
use live::broker::{EngineUrl, HistoryLimits, MessageBroker};
use live::chat::protocol::{Code, Input, Output};
use live::server::Server;
use tokio::time::timeout;
use websocket_proto::Event;

use crate::client::{Client, DEADLINE, Message, options, start, token};

/// Far more than anybody sends in these tests.
const FAST: [&str; 4] = ["--rate", "100000", "--burst", "100000"];

/// A client whose socket takes only little that it does not read.
async fn reader(server: &Server, user: &str) -> Client {
    let token = token(server.addr(), user).await;
    Client::with_token(server.addr(), &token, Some(4096))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_slow_reader_does_not_slow_others_and_can_resume() {
    // Long texts fill the buffers of the sockets soon. The history has room for all of them.
    let limits = HistoryLimits {
        count: 10_000,
        bytes: 64 << 20,
        ..HistoryLimits::default()
    };
    let broker = MessageBroker::start(&EngineUrl::Memory, "n1", limits).await;
    let options = options(&[&FAST[..], &["--max-lag", "100", "--no-deflate"]].concat());
    let server = Server::start_with(options, broker.unwrap()).await.unwrap();
    let mut ann = Client::new(&server, "Ann").await;
    let mut bob = Client::new(&server, "Bob").await;
    let mut slow = reader(&server, "Eve").await;
    for client in [&mut ann, &mut bob, &mut slow] {
        client.join("lobby").await;
    }
    // Eve does not read. Bob gets everything at once, until he hears that she is gone.
    let text = "\u{1f600}".repeat(2000);
    let (mut sent, mut gone) = (0, false);
    while !gone {
        sent += 1;
        assert!(sent < 5000, "the reader is not closed");
        ann.say("lobby", &format!("c{sent}"), &text).await;
        let heard = |output| match output {
            Output::Presence { left, .. } => {
                gone |= left.contains(&"Eve".into());
                None
            }
            output => Message::of(output),
        };
        assert_eq!(bob.find(heard).await.offset, sent);
    }
    // What Eve reads now has no hole, and ends with the reason.
    let mut received = Vec::new();
    let end = loop {
        match slow.next().await {
            Ok(text) => {
                let output = serde_json::from_str(&text).unwrap();
                received.extend(Message::of(output));
            }
            Err(end) => break end,
        }
    };
    assert_eq!(end, (1013, "too slow: resume".into()));
    assert!(received.len() < sent as usize);
    let since = received.last().map(|message| message.since());
    let mut again = Client::new(&server, "Eve").await;
    let joined = again.join_since("lobby", since).await;
    assert!(joined.recovered);
    while received.len() < sent as usize {
        received.push(again.message().await);
    }
    let offsets: Vec<u64> = received.iter().map(|message| message.offset).collect();
    assert_eq!(offsets, Vec::from_iter(1..=sent));
}

#[tokio::test]
async fn who_was_away_for_long_is_not_too_slow() {
    let server = start(&[&FAST[..], &["--max-lag", "10"]].concat()).await;
    let mut ann = Client::new(&server, "Ann").await;
    let start = ann.join("lobby").await.since;
    for i in 1..=500 {
        ann.say("lobby", &format!("c{i}"), "x").await;
    }
    let mut bob = Client::new(&server, "Bob").await;
    assert!(bob.join_since("lobby", Some(start)).await.recovered);
    for offset in 1..=500 {
        assert_eq!(bob.message().await.offset, offset);
    }
}

#[tokio::test]
async fn typing_is_dropped_first() {
    let server = start(&[&FAST[..], &["--no-deflate"]].concat()).await;
    let mut ann = Client::new(&server, "Ann").await;
    let mut slow = reader(&server, "Eve").await;
    ann.join("lobby").await;
    slow.join("lobby").await;
    let dropped = &server.app().metrics.dropped;
    let mut typed = 0;
    while dropped.get() == 0 {
        typed += 1;
        assert!(typed < 500_000, "nothing is dropped");
        let room = "lobby".to_owned();
        let typing = Input::Typing {
            room,
            on: typed % 2 == 0,
        };
        ann.send(&typing).await;
    }
    // Stored messages are not.
    ann.say("lobby", "c1", "x").await;
    assert_eq!(slow.message().await.offset, 1);
}

#[tokio::test]
async fn too_many_messages_are_warned_of_and_then_closed() {
    let server = start(&["--rate", "1", "--burst", "5"]).await;
    let (mut ann, mut bob) = (
        Client::new(&server, "Ann").await,
        Client::new(&server, "Bob").await,
    );
    bob.join("lobby").await;
    ann.join("lobby").await;
    let say = |i: u32| Input::Say {
        room: "lobby".into(),
        id: format!("c{i}"),
        text: "x".into(),
    };
    // One more than the burst leaves, and the warnings.
    for i in 0..26 {
        let text = serde_json::to_string(&say(i)).unwrap();
        let _ = ann.socket.ws.send_text(&text, &mut ann.socket.out);
    }
    let (mut acks, mut warnings) = (0, Vec::new());
    let end = loop {
        let text = match ann.next().await {
            Ok(text) => text,
            Err(end) => break end,
        };
        match serde_json::from_str::<Output>(&text).unwrap() {
            Output::Ack { .. } => acks += 1,
            Output::Error {
                code,
                reason,
                id,
                room,
            } => {
                assert_eq!(code, Code::RateLimited);
                assert!(reason.contains("more than 1 messages a second"), "{reason}");
                assert_eq!(room.as_deref(), Some("lobby"));
                warnings.push(id.unwrap().into_owned());
            }
            _ => {}
        }
    };
    assert_eq!(end, (1008, "too many messages".into()));
    assert_eq!((acks, warnings.len()), (4, 20));
    assert_eq!((warnings[0].as_str(), warnings[19].as_str()), ("c4", "c23"));
    // What was refused was not done.
    for i in 0..4 {
        assert_eq!(bob.message().await.id, format!("c{i}"));
    }
    bob.say("lobby", "last", "x").await;
    let mut eve = Client::new(&server, "Eve").await;
    eve.join("lobby").await;
    for id in ["c0", "c1", "c2", "c3", "last"] {
        assert_eq!(eve.message().await.id, id);
    }
}

#[tokio::test]
async fn a_client_that_sends_and_never_reads_fills_no_memory() {
    let server = start(&FAST).await;
    let mut ann = reader(&server, "Ann").await;
    ann.join("lobby").await;
    let received = &server.app().metrics.received;
    // Every answer is longer than its input. When the server takes no more, its output is full.
    let text = r#"{"type":"leave","room":"elsewhere"}"#;
    let (mut sent, mut calm) = (0, 0);
    while calm < 10 {
        let before = received.get();
        while ann.socket.out.len() < 1 << 20 {
            ann.socket.ws.send_text(text, &mut ann.socket.out).unwrap();
            sent += 1;
        }
        // It stops reading at the first event that is not taken.
        let wait = async {
            loop {
                ann.socket.wait().await;
            }
        };
        let _ = timeout(Duration::from_millis(20), wait).await;
        calm = if received.get() == before {
            calm + 1
        } else {
            0
        };
        assert!(sent < 5_000_000, "the server takes everything");
    }
    assert!(received.get() < sent);
    // When the client reads, the server goes on, and every input has its answer.
    let mut answers = 0;
    let read = async {
        while answers < sent {
            let Socket { ws, input, out, .. } = &mut ann.socket;
            match ws.next_event(input, out).unwrap() {
                Some(Event::Text(text)) => answers += u64::from(text.contains("not_joined")),
                Some(_) => {}
                None => ann.socket.wait().await,
            }
        }
    };
    timeout(4 * DEADLINE, read).await.expect("no answers");
}
