use tokio::io::{DuplexStream, duplex};
use tokio::{join, spawn};
use websocket_proto::{Connection, Event, Role, Seed};

use super::*;

/// The sockets of a server and of a client.
fn pair() -> (Messages<DuplexStream>, Socket<DuplexStream>) {
    let socket = |stream, role| {
        let ws = Connection::assume_opened(role, Config::new());
        Socket::new(stream, ws, RecvBuf::new())
    };
    let (ours, theirs) = duplex(1000);
    let client = Role::Client(Seed::from([7; 32]));
    (
        Messages::new(socket(ours, Role::Server)),
        socket(theirs, client),
    )
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_others_closes_nobody() {
    let (server, mut client) = pair();
    let lines = Sender::new(100);
    let others = lines.subscribe();
    for number in 0..5000 {
        assert!(lines.send(Prepared::text(&number.to_string())).is_ok());
    }
    let reading = async {
        let mut texts = Vec::new();
        while texts.last().is_none_or(|text| text != "4999") {
            match client.recv().await.unwrap() {
                Some(Event::Text(text)) => texts.push(text.to_owned()),
                other => panic!("{other:?}"),
            }
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
        texts
    };
    let (result, texts) = join!(talk("ann".into(), lines, others, server), reading);
    result.unwrap();
    let missed = 5000 - (texts.len() - 1);
    assert_eq!(
        texts[..2],
        [format!("missed lines: {missed}"), missed.to_string()]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed() {
    let (server, mut client) = pair();
    let lines = Sender::new(100);
    let others = lines.subscribe();
    let talking = spawn(talk("ann".into(), lines.clone(), others, server));
    assert!(lines.send(Prepared::text(&"x".repeat(2000))).is_ok());
    sleep_until(Instant::now() + PATIENCE + Duration::from_secs(1)).await;
    let mut code = None;
    while let Some(event) = client.recv().await.unwrap() {
        if let Event::Close(close) = event {
            code = close.code;
        }
    }
    assert_eq!(code, Some(CloseCode::POLICY_VIOLATION));
    talking.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn fixed_29_a_client_says_100_lines_a_second() {
    let (server, mut client) = pair();
    let lines = Sender::new(1000);
    let (others, mut heard) = (lines.subscribe(), lines.subscribe());
    let talking = spawn(talk("ann".into(), lines, others, server));
    let begun = Instant::now();
    for _ in 0..200 {
        let Socket { ws, out, .. } = &mut client;
        ws.send_text("x", out).unwrap();
        // It hears itself.
        assert!(matches!(client.recv().await, Ok(Some(Event::Text(_)))));
        heard.recv().await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(1990));
    client.close(CloseCode::NORMAL, "").await.unwrap();
    talking.await.unwrap().unwrap();
}
