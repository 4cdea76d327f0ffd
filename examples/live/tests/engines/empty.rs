//! Channels without messages do not fill an engine.
use async_nats::jetstream::{self, stream};
use live::broker::EngineUrl;

use crate::support::{Recorder, nats, node, redis, say};

#[tokio::test]
async fn redis_forgets_a_channel_without_messages_soon() {
    let Some(server) = redis::start().await else {
        return;
    };
    let EngineUrl::Redis(url) = &server.url else {
        panic!("a Redis");
    };
    let broker = node(&server, "a").await;
    let _recorder = Recorder::subscribe(&broker).await;
    let client = ::redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut seconds_left = async || -> i64 {
        let mut command = ::redis::cmd("TTL");
        let left = command.arg("live:{c}:at").query_async(&mut connection);
        left.await.unwrap()
    };
    assert!((1..=120).contains(&seconds_left().await));
    say(&broker, "x").await;
    assert!(seconds_left().await > 3600);
}

#[tokio::test]
async fn nats_is_tidied_up_behind_a_stream_that_cannot_be_removed() {
    let Some(server) = nats::start().await else {
        return;
    };
    let EngineUrl::Nats(url) = &server.url else {
        panic!("a NATS");
    };
    let broker = node(&server, "a").await;
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    for name in ["live_a", "live_b", "live_c"] {
        let empty = stream::Config {
            name: name.into(),
            description: Some("live 0123456789abcdef".into()),
            // A mirror cannot be closed, as it has no subjects.
            mirror: (name == "live_b").then(|| stream::Source {
                name: "live-claims".into(),
                ..stream::Source::default()
            }),
            ..stream::Config::default()
        };
        let subjects = match empty.mirror {
            None => vec![format!("live.in.0123456789abcdef.{}", &name[5..])],
            Some(_) => Vec::new(),
        };
        let empty = stream::Config { subjects, ..empty };
        context.create_stream(empty).await.unwrap();
    }
    broker.tidy().await.unwrap();
    assert!(context.get_stream("live_b").await.is_ok());
    for name in ["live_a", "live_c"] {
        assert!(context.get_stream(name).await.is_err(), "{name}");
    }
}
