//! The stream of claims in NATS.
use std::time::Duration;

use async_nats::jetstream::{self, Context, stream};
use live::broker::{BrokerError, EngineState, EngineUrl};

use crate::support::{Server, nats, node, say};

const CLAIMS: &str = "live-claims";
const TTL: Duration = Duration::from_secs(60);

async fn jetstream(server: &Server) -> Context {
    let EngineUrl::Nats(url) = &server.url else {
        panic!("a NATS");
    };
    jetstream::new(async_nats::connect(url).await.unwrap())
}

async fn config(context: &Context) -> stream::Config {
    let stream = context.get_stream(CLAIMS).await.unwrap();
    stream.cached_info().config.clone()
}

#[tokio::test]
async fn claims_do_not_stay_longer_than_tokens_need() {
    let Some(server) = nats::start().await else {
        return;
    };
    let context = jetstream(&server).await;
    // As an older version has made it.
    let older = stream::Config {
        name: CLAIMS.into(),
        subjects: vec!["live.claim.*".into()],
        max_messages_per_subject: 1,
        max_age: Duration::from_secs(3600),
        max_bytes: 16 << 20,
        discard: stream::DiscardPolicy::New,
        ..stream::Config::default()
    };
    context.create_stream(older).await.unwrap();
    for name in ["a", "b"] {
        let broker = node(&server, name).await;
        assert_eq!(broker.claim(name, TTL).await, Ok(true));
        assert_eq!(config(&context).await.max_age, 2 * TTL);
    }
}

#[tokio::test]
async fn too_many_claims_are_refused_and_the_engine_is_not_away() {
    let Some(server) = nats::start().await else {
        return;
    };
    let broker = node(&server, "a").await;
    let context = jetstream(&server).await;
    let small = stream::Config {
        max_bytes: 1024,
        ..config(&context).await
    };
    context.update_stream(small).await.unwrap();
    let mut claimed = Ok(true);
    let mut keys = 0..100;
    while claimed == Ok(true) {
        let key = keys.next().expect("there is no limit").to_string();
        claimed = broker.claim(&key, TTL).await;
    }
    assert_eq!(claimed, Err(BrokerError::TooManyClaims));
    assert_eq!(*broker.state().borrow(), EngineState::Up);
    // A key that was claimed stays so.
    assert_ne!(broker.claim("0", TTL).await, Ok(true));
    say(&broker, "x").await;
}
