//! Bad messages in good frames.
use live::chat::protocol::{Code, Output};
use live::server::Server;

use crate::cases::{Case, Cases, ROOM};
use crate::client::{Client, start};
use crate::witness::Witness;

const CASES: usize = 3000;
const SENDERS: usize = 8;

pub async fn server(more: &[&str]) -> Server {
    let fast = [
        "--rate",
        "1000000",
        "--burst",
        "1000000",
        "--max-rooms",
        "1",
    ];
    start(&[&fast[..], more].concat()).await
}

/// Sends cases, and expects one answer for each of them.
async fn send(mut client: Client, cases: impl Iterator<Item = Case>) {
    client.join(ROOM).await;
    for case in cases {
        client.send_text(&case.text).await;
        let answer = client.error().await;
        let expected = (case.code, case.id.clone(), case.room.clone());
        let (code, reason, id, room) = answer;
        assert_eq!((code, id, room), expected, "{reason}: {case:?}");
        assert!(
            (1..=200).contains(&reason.chars().count()),
            "{reason}: {case:?}"
        );
    }
    // One answer each, and not one more.
    client
        .send_text(&format!(r#"{{"type":"leave","room":"{ROOM}"}}"#))
        .await;
    let left = client.find(|output| match output {
        Output::Left { .. } => Some(()),
        Output::Error { .. } => panic!("{output:?}"),
        _ => None,
    });
    left.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_message_gets_its_documented_answer() {
    let server = server(&[]).await;
    let witness = Witness::new(&server).await;
    let mut cases = Cases::new();
    let mut senders = Vec::new();
    for i in 0..SENDERS {
        let client = Client::new(&server, &format!("sender-{i}")).await;
        let some: Vec<Case> = cases.by_ref().take(CASES / SENDERS).collect();
        senders.push(tokio::spawn(send(client, some.into_iter())));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    witness.end().await;
}

#[test]
fn the_generator_makes_every_kind() {
    let codes = [
        Code::BadJson,
        Code::UnknownType,
        Code::BadField,
        Code::BadRoom,
        Code::BadId,
        Code::BadText,
        Code::NotJoined,
        Code::AlreadyJoined,
        Code::TooManyRooms,
    ];
    let made: Vec<Case> = Cases::new().take(CASES).collect();
    for code in codes {
        let count = made.iter().filter(|case| case.code == code).count();
        assert!(count > CASES / 100, "{code:?}: {count}");
    }
}

#[tokio::test]
async fn binary_messages_are_refused() {
    let server = server(&[]).await;
    let witness = Witness::new(&server).await;
    let mut client = Client::new(&server, "Eve").await;
    client.join(ROOM).await;
    for length in [0, 1, 1000, 32 << 10] {
        client.send_binary(&vec![b'{'; length]).await;
        assert_eq!(client.error().await.0, Code::Binary);
    }
    witness.end().await;
}

#[tokio::test]
async fn malformed_messages_cost_the_same_as_others() {
    let server = start(&["--rate", "1", "--burst", "3"]).await;
    let witness = {
        // The two talk faster than this rate, so they are on another node.
        let options = crate::client::options(&["--rate", "1000000", "--burst", "1000000"]);
        let broker = server.app().broker.clone();
        Server::start_with(options, broker).await.unwrap()
    };
    let talk = Witness::new(&witness).await;
    for bad in [
        "{",
        r#"{"type":"dance"}"#,
        r#"{"type":"say","room":"a","id":"x","text":""}"#,
    ] {
        let mut client = Client::new(&server, "Eve").await;
        for _ in 0..40 {
            let _ = client.socket.ws.send_text(bad, &mut client.socket.out);
        }
        let mut warned = 0;
        let end = loop {
            match client.next().await {
                Ok(text) => warned += usize::from(text.contains("rate_limited")),
                Err(end) => break end,
            }
        };
        assert_eq!(
            (warned, end),
            (20, (1008, "too many messages".into())),
            "{bad}"
        );
    }
    talk.end().await;
}
