//! What clients see of an engine that goes away and comes back: a real Redis, if it is installed.
use live::broker::EngineState;
use live::chat::protocol::{Code, Engine, Input, Output, Since, Stored};
use live::server::Server;

use crate::client::{Client, options, refused, token};
use crate::support::{self, redis};

async fn engine(client: &mut Client) -> Engine {
    client
        .find(|output| match output {
            Output::Engine { state } => Some(state),
            _ => None,
        })
        .await
}

async fn reset(client: &mut Client) -> Since {
    client
        .find(|output| match output {
            Output::Reset { epoch, offset, .. } => Some(Since { epoch, offset }),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn clients_stay_connected_while_the_engine_is_away() {
    let Some(mut redis) = redis::start().await else {
        return;
    };
    let broker = support::node(&redis, "n1").await;
    let server = Server::start_with(options(&["--node", "n1"]), broker.clone())
        .await
        .unwrap();
    let mut ann = Client::new(&server, "Ann").await;
    let mut bob = Client::new(&server, "Bob").await;
    ann.join("lobby").await;
    bob.join("lobby").await;
    let (first, _) = ann.say("lobby", "c1", "x").await;
    assert_eq!(bob.message().await.since(), first);
    let unused = token(server.addr(), "Eve").await;

    redis.kill();
    assert_eq!(engine(&mut ann).await, Engine::Away);
    assert_eq!(engine(&mut bob).await, Engine::Away);
    let room = || "lobby".to_owned();
    let say = Input::Say {
        room: room(),
        id: "c2".into(),
        text: "x".into(),
    };
    ann.send(&say).await;
    let (code, _, id, of) = ann.error().await;
    assert_eq!(
        (code, id.as_deref(), of),
        (Code::EngineAway, Some("c2"), Some(room()))
    );
    ann.send(&Input::Join {
        room: "other".into(),
        since: None,
    })
    .await;
    assert_eq!(ann.error().await.0, Code::EngineAway);
    let (status, head, body) = refused(server.addr(), &format!("?token={unused}"), "").await;
    assert_eq!((status, body.as_str()), (503, "the engine is away\n"));
    assert!(head.contains("retry-after: "));
    // What the node has is still there.
    ann.send(&Input::Leave { room: room() }).await;
    ann.find(|output| matches!(output, Output::Left { .. }).then_some(()))
        .await;
    assert!(
        ann.join_since("lobby", Some(Since { offset: 0, ..first }))
            .await
            .recovered
    );
    assert_eq!(ann.message().await.since(), first);

    redis.restart();
    assert_eq!(engine(&mut ann).await, Engine::Up);
    assert_eq!(engine(&mut bob).await, Engine::Up);
    let (second, duplicate) = ann.say("lobby", "c2", "x").await;
    assert_eq!(
        (second.epoch, second.offset, duplicate),
        (first.epoch, 2, false)
    );
    assert_eq!(ann.say("lobby", "c1", "x").await, (first, true));
    assert_eq!(bob.message().await.since(), second);
    assert!(
        Client::with_token(server.addr(), &unused, None)
            .await
            .is_ok()
    );

    // Its data is gone: clients are told, and say again what has no answer.
    redis.kill();
    redis.wipe();
    support::wait_for(&broker, EngineState::Away).await;
    redis.restart();
    let start = reset(&mut ann).await;
    assert_eq!(reset(&mut bob).await, start);
    assert_eq!(start.offset, 0);
    assert_ne!(start.epoch, first.epoch);
    let (third, _) = ann.say("lobby", "c3", "x").await;
    assert_eq!((third.epoch, third.offset), (start.epoch, 1));
    assert_eq!(bob.message().await.since(), third);
}

#[tokio::test]
async fn the_recent_messages_after_a_reset_are_no_lag() {
    let Some(mut redis) = redis::start().await else {
        return;
    };
    // A history that the clients of the node below have never seen.
    let other = support::node(&redis, "n0").await;
    for i in 1..=40 {
        let (id, stored) = (i.to_string(), Stored::default().json());
        let published = other.publish("room-lobby", &id, stored.into()).await;
        assert_eq!(published.unwrap().position.offset, i);
    }
    drop(other);
    redis.kill();
    redis.save();
    redis.wipe();
    redis.restart();

    let broker = support::node(&redis, "n1").await;
    let options = options(&["--max-lag", "10"]);
    let server = Server::start_with(options, broker.clone()).await.unwrap();
    let mut ann = Client::new(&server, "Ann").await;
    ann.join("lobby").await;
    redis.kill();
    redis.restore();
    support::wait_for(&broker, EngineState::Away).await;
    redis.restart();
    assert_eq!(reset(&mut ann).await.offset, 0);
    for offset in 1..=40 {
        assert_eq!(ann.message().await.offset, offset);
    }
}
