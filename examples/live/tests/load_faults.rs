//! The load tool finds the faults of a server that makes them on purpose, and no others.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, routing};
use clap::Parser;
use live::load::{self, Load, Progress, Report};
use live::server::upgrade::{WebSocket, upgrade};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use websocket_proto::handshake::server::Origins;
use websocket_proto::{CloseCode, Config, Error, Event};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The first reader does not get message 2.
    Lose,
    /// The first reader gets message 2 twice.
    Double,
    /// The first reader gets message 3 before message 2.
    Swap,
    /// The first reader gets message 2 with another text.
    Change,
    /// Message 2 is acknowledged and not stored.
    Forget,
    /// Message 2 is not acknowledged.
    Silence,
    /// With message 2 all connections of the room are closed with 1001. It is stored.
    Close,
    /// The same, and after that the history is said to be lost.
    CloseAndForget,
    /// Message 2 is refused once.
    Refuse,
}

/// The message of each room that it happens to. There are at least three, as each sender sends.
const FAULTY: u64 = 2;

type Reader = mpsc::UnboundedSender<Option<Value>>;

#[derive(Default)]
struct Room {
    readers: Vec<Reader>,
    log: Vec<Value>,
    refused: bool,
    held: Option<Value>,
}

/// A server without history over rooms, limits and checks: enough for the load tool.
#[derive(Clone)]
struct Server {
    fault: Fault,
    rooms: Arc<Mutex<HashMap<String, Room>>>,
}

async fn start(fault: Fault) -> SocketAddr {
    let rooms = Arc::default();
    let router = Router::new()
        .route(
            "/token",
            routing::post(|| async { Json(json!({"token": "t"})) }),
        )
        .route("/chat", routing::get(chat))
        .with_state(Server { fault, rooms });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

async fn chat(State(server): State<Server>, request: Request) -> Response {
    let talk = |socket| async move { _ = talk(server, socket).await };
    upgrade(request, &Origins::SameOrigin, Config::new(), talk).into_response()
}

async fn talk(server: Server, mut socket: WebSocket) -> Result<(), Error> {
    let (reader, mut messages) = mpsc::unbounded_channel();
    reader.send(Some(json!({"type": "hello"}))).unwrap();
    loop {
        tokio::select! {
            event = socket.recv() => match event? {
                Some(Event::Text(text)) => server.hear(&serde_json::from_str(text).unwrap(), &reader),
                Some(_) => {}
                None => return Ok(()),
            },
            Some(message) = messages.recv() => match message {
                Some(message) => socket.ws.send_text(&message.to_string(), &mut socket.out)?,
                None => return socket.close(CloseCode::GOING_AWAY, "").await,
            },
        }
    }
}

impl Server {
    fn hear(&self, message: &Value, reader: &Reader) {
        let mut rooms = self.rooms.lock().unwrap();
        let name = message["room"].as_str().unwrap();
        let room = rooms.entry(name.into()).or_default();
        match message["type"].as_str() {
            Some("join") => self.join(room, message, reader),
            Some("say") => self.say(room, message, reader),
            _ => panic!("{message}"),
        }
    }

    fn join(&self, room: &mut Room, message: &Value, reader: &Reader) {
        let since = message["since"]["offset"].as_u64();
        let lost = self.fault == Fault::CloseAndForget;
        let offset = match since {
            Some(_) if lost => room.log.len() as u64,
            Some(since) => since,
            None => 0,
        };
        let recovered = since.is_some() && !lost;
        let epoch = "000000000000000e";
        _ = reader.send(Some(
            json!({"type": "joined", "room": message["room"], "epoch": epoch,
            "offset": offset, "recovered": recovered}),
        ));
        for message in &room.log[offset as usize..] {
            _ = reader.send(Some(message.clone()));
        }
        room.readers.push(reader.clone());
    }

    fn say(&self, room: &mut Room, message: &Value, reader: &Reader) {
        let known = room
            .log
            .iter()
            .find(|it| it["id"] == message["id"] && it["text"] == message["text"]);
        let offset = known.map_or(room.log.len() as u64 + 1, |it| {
            it["offset"].as_u64().unwrap()
        });
        let new = known.is_none();
        let mut stored = message.clone();
        stored["type"] = "message".into();
        stored["epoch"] = "000000000000000e".into();
        stored["offset"] = offset.into();
        let mut ack = stored.clone();
        ack["type"] = "ack".into();
        let now = offset == FAULTY && new;
        match self.fault {
            Fault::Silence if now => {}
            Fault::Forget if now => {
                ack["offset"] = 1000.into();
                _ = reader.send(Some(ack));
                return;
            }
            Fault::Refuse if now && !std::mem::replace(&mut room.refused, true) => {
                let error =
                    json!({"type": "error", "code": "busy", "reason": "", "id": message["id"]});
                _ = reader.send(Some(error));
                return;
            }
            Fault::Close | Fault::CloseAndForget if now => {
                room.log.push(stored);
                room.readers
                    .drain(..)
                    .for_each(|reader| _ = reader.send(None));
                return;
            }
            _ => _ = reader.send(Some(ack)),
        }
        if !new {
            return;
        }
        room.log.push(stored.clone());
        let Some((first, others)) = room.readers.split_first() else {
            return;
        };
        others
            .iter()
            .for_each(|reader| _ = reader.send(Some(stored.clone())));
        let to_first = match self.fault {
            Fault::Lose if now => vec![],
            Fault::Double if now => vec![stored.clone(), stored],
            Fault::Swap if now => {
                room.held = Some(stored);
                vec![]
            }
            Fault::Change if now => {
                let mut text = message["text"].as_str().unwrap().to_owned();
                text.pop();
                stored["text"] = text.into();
                vec![stored]
            }
            _ => [stored].into_iter().chain(room.held.take()).collect(),
        };
        to_first
            .into_iter()
            .for_each(|message| _ = first.send(Some(message)));
    }
}

const ARGS: &str = "load --connections 6 --rooms 2 --rate 50 --seconds 1 --drain 2 --url";

async fn run(fault: Fault) -> Report {
    let url = format!("ws://{}", start(fault).await);
    let options = Load::parse_from(ARGS.split(' ').chain([&*url]));
    let (progress, _) = watch::channel(Progress::default());
    load::run(&options, progress).await.unwrap()
}

/// Two rooms make the same fault.
#[track_caller]
fn check(report: &Report, [lost, doubled, disordered, corrupted, unacknowledged]: [u64; 5]) {
    let faults = &report.faults;
    assert_eq!(
        [
            faults.lost,
            faults.doubled,
            faults.disordered,
            faults.corrupted,
            faults.unacknowledged
        ],
        [lost, doubled, disordered, corrupted, unacknowledged],
        "{report}"
    );
    assert_eq!(report.ok(), faults.none());
    assert_eq!((report.failed, report.away), (0, 0));
}

#[tokio::test]
async fn a_server_without_faults() {
    let report = run(Fault::None).await;
    check(&report, [0; 5]);
    assert!(report.sent >= 6 && report.acked == report.sent, "{report}");
    assert_eq!(report.delivered, 3 * report.sent);
    assert!(verdict(&report).starts_with("all is well"), "{report}");
    let not_measured = "server         not measured (/metrics cannot be read; use --pid)";
    assert!(report.to_string().contains(not_measured), "{report}");
}

/// The last line.
fn verdict(report: &Report) -> String {
    report.to_string().lines().last().unwrap().into()
}

#[tokio::test]
async fn a_rate_that_the_server_or_the_senders_do_not_keep_is_told() {
    let mut report = run(Fault::None).await;
    (report.wanted, report.rooms_asked) = (report.sent * 2, 10);
    assert!(verdict(&report).starts_with("fewer messages"), "{report}");
    assert!(report.to_string().contains("too few for 10 rooms"));
    report.stats.error("rate_limited: not done".into());
    assert!(verdict(&report).starts_with("the server allows fewer"));
    assert!(report.ok());
    report.faults.lost = 1;
    assert_eq!(verdict(&report), "WRONG");
}

#[tokio::test]
async fn a_lost_message() {
    check(&run(Fault::Lose).await, [2, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_doubled_message() {
    check(&run(Fault::Double).await, [0, 2, 0, 0, 0]);
}

#[tokio::test]
async fn swapped_messages() {
    check(&run(Fault::Swap).await, [0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn a_changed_message() {
    check(&run(Fault::Change).await, [0, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_message_that_is_acknowledged_and_not_stored() {
    let report = run(Fault::Forget).await;
    assert!(report.faults.lost >= 2 && !report.ok(), "{report}");
}

#[tokio::test]
async fn a_message_without_acknowledgement() {
    check(&run(Fault::Silence).await, [0, 0, 0, 0, 2]);
}

#[tokio::test]
async fn all_resume_after_1001_and_the_message_is_sent_again_once() {
    let report = run(Fault::Close).await;
    check(&report, [0; 5]);
    assert_eq!(report.stats.resume.len(), 6, "{report}");
    assert_eq!(
        report.stats.closes.into_iter().collect::<Vec<_>>(),
        [(1001, 6)]
    );
    assert_eq!((report.stats.unrecovered, report.stats.cut), (0, 0));
}

#[tokio::test]
async fn what_was_not_recovered_is_lost() {
    let report = run(Fault::CloseAndForget).await;
    // Message 2, for all readers, and what came while they were away.
    assert!(report.faults.lost >= 6, "{report}");
    assert_eq!(report.stats.unrecovered, 6);
    assert_eq!((report.faults.doubled, report.faults.disordered), (0, 0));
}

#[tokio::test]
async fn a_message_that_is_refused_for_now_is_sent_again() {
    let report = run(Fault::Refuse).await;
    check(&report, [0; 5]);
    assert_eq!(
        report.stats.errors.into_iter().collect::<Vec<_>>(),
        [("busy: ".into(), 2)]
    );
}

async fn status(arguments: &str) -> ExitStatus {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_live"))
        .args(arguments.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_exit_status() {
    let good = format!("{ARGS} ws://{}", start(Fault::None).await);
    let bad = format!("{ARGS} ws://{}", start(Fault::Double).await);
    let (good, bad) = tokio::join!(status(&good), status(&bad));
    assert_eq!((good.code(), bad.code()), (Some(0), Some(1)));
    for wrong in ["ws://127.0.0.1:1", "wss://127.0.0.1:1", "127.0.0.1:1"] {
        let status = status(&format!("load --url {wrong}")).await;
        assert_eq!(status.code(), Some(2), "{wrong}");
    }
    assert_eq!(status("load --connections 0").await.code(), Some(2));
}
