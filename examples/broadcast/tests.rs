use examples::adapters::tokio::Socket;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use tokio::{join, select, spawn};
use websocket_proto::{CloseCode, Config, Connection, Event, Prepared, RecvBuf, Role, Seed};

use super::room::{Rooms, talk};

/// The sockets of a server and of a client, and how much of either is on the way at most.
fn pair(room: usize) -> (Socket<DuplexStream>, Socket<DuplexStream>) {
    let socket = |stream, role| {
        let ws = Connection::assume_opened(role, Config::new());
        Socket::new(stream, ws, RecvBuf::new())
    };
    let (ours, theirs) = duplex(room);
    let client = Role::Client(Seed::from([7; 32]));
    (socket(ours, Role::Server), socket(theirs, client))
}

/// The texts until the end, and the code of the Close frame.
async fn read(socket: &mut Socket<DuplexStream>) -> (Vec<String>, Option<CloseCode>) {
    let (mut texts, mut code) = (Vec::new(), None);
    while let Some(event) = socket.recv().await.unwrap() {
        match event {
            Event::Text(text) => texts.push(text.into()),
            Event::Close(close) => code = close.code,
            _ => {}
        }
    }
    (texts, code)
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_others_closes_nobody() {
    let (mut server, mut client) = pair(1000);
    let (room, messages) = Rooms::default().join("/");
    let (stop, stopping) = watch::channel(());
    for number in 0..5000 {
        assert!(room.send(Prepared::text(&number.to_string())).is_ok());
    }
    let talking = talk(&mut server, Config::new(), &room, messages, stopping);
    let reading = async {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != "4999") {
            match client.recv().await.unwrap() {
                Some(Event::Text(text)) => texts.push(text.to_owned()),
                other => panic!("{other:?}"),
            }
        }
        stop.send_replace(());
        assert_eq!(
            read(&mut client).await,
            (vec![], Some(CloseCode::GOING_AWAY))
        );
        texts
    };
    let (result, texts) = join!(talking, reading);
    result.unwrap();
    assert_eq!(texts[..2], ["missed messages: 4936", "4936"]);
    assert_eq!(texts.len(), 1 + 64);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_all_misses_nothing() {
    let (mut server, mut client) = pair(2 << 20);
    let (room, messages) = Rooms::default().join("/");
    let (_stop, stopping) = watch::channel(());
    for number in 0..20 {
        let text = format!("{number} ").repeat(20_000);
        assert!(room.send(Prepared::text(&text)).is_ok());
    }
    let reading = async {
        for number in 0..20 {
            match client.recv().await.unwrap() {
                Some(Event::Text(text)) => assert!(text.starts_with(&format!("{number} "))),
                other => panic!("{other:?}"),
            }
        }
    };
    select! {
        result = talk(&mut server, Config::new(), &room, messages, stopping) => result.unwrap(),
        () = reading => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed() {
    for (pause, expected) in [
        (5, CloseCode::GOING_AWAY),
        (15, CloseCode::POLICY_VIOLATION),
    ] {
        let (mut server, mut client) = pair(1000);
        let (room, messages) = Rooms::default().join("/");
        let (stop, stopping) = watch::channel(());
        let sender = room.clone();
        let talking =
            spawn(async move { talk(&mut server, Config::new(), &room, messages, stopping).await });
        for _ in 0..pause * 100 {
            sender.send(Prepared::text(&"x".repeat(1000))).unwrap_or(0);
            sleep(Duration::from_millis(10)).await;
        }
        stop.send_replace(());
        let (texts, code) = read(&mut client).await;
        assert_eq!(code, Some(expected));
        assert!(texts.len() < 40, "{}", texts.len());
        talking.await.unwrap().unwrap();
    }
}
