//! PROTOCOL.md says what the server does.
use live::chat::protocol::{Code, Input, Output, read_name};
use serde_json::Value;

use crate::client::start;

const TEXT: &str = include_str!("../../PROTOCOL.md");

/// The lines of all JSON examples.
fn examples() -> Vec<&'static str> {
    let blocks = TEXT.split("```json\n").skip(1);
    blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect()
}

#[test]
fn every_example_is_what_the_server_takes_or_makes() {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for example in examples() {
        let value: Value =
            serde_json::from_str(example).unwrap_or_else(|error| panic!("{error}: {example}"));
        let Some(kind) = value["type"].as_str() else {
            // What is sent over HTTP.
            assert!(
                value["name"] == "Ann" && read_name(example).is_ok()
                    || value["user"] == "Ann"
                    || value["error"].is_string()
            );
            continue;
        };
        // `typing` has a user if the server sends it.
        let from_client =
            matches!(kind, "join" | "leave" | "say") || kind == "typing" && value["user"].is_null();
        if from_client {
            let input =
                Input::parse(example).unwrap_or_else(|error| panic!("{error:?}: {example}"));
            assert_eq!(serde_json::to_string(&input).unwrap(), example);
            inputs.push(kind.to_owned());
        } else {
            let output: Output =
                serde_json::from_str(example).unwrap_or_else(|error| panic!("{error}: {example}"));
            assert_eq!(output.json(), example);
            outputs.push(kind.to_owned());
        }
    }
    inputs.dedup();
    outputs.dedup();
    assert_eq!(inputs, ["join", "leave", "say", "typing"]);
    let all = [
        "hello", "joined", "message", "ack", "left", "presence", "typing", "reset", "engine",
        "error",
    ];
    assert_eq!(outputs, all);
}

#[test]
fn the_reasons_of_the_examples_are_those_of_the_server() {
    let long = "x".repeat(2001);
    for (input, code) in [
        (
            format!(r#"{{"type":"say","room":"lobby","id":"c1-7","text":"{long}"}}"#),
            "bad_text",
        ),
        ("hello".into(), "bad_json"),
    ] {
        let answer = Input::parse(&input).unwrap_err().output().json();
        assert!(
            answer.contains(code) && examples().contains(&answer.as_str()),
            "{answer}"
        );
    }
    let error = read_name(r#"{"name":"Ann "}"#).unwrap_err().reason;
    assert!(
        examples().contains(&format!(r#"{{"error":"{error}"}}"#).as_str()),
        "{error}"
    );
}

#[test]
fn every_error_is_documented() {
    let codes = [
        Code::BadJson,
        Code::UnknownType,
        Code::BadField,
        Code::BadRoom,
        Code::BadId,
        Code::BadText,
        Code::Binary,
        Code::NotJoined,
        Code::AlreadyJoined,
        Code::TooManyRooms,
        Code::RateLimited,
        Code::EngineAway,
        Code::Busy,
    ];
    for code in codes {
        // A code that is missing in the list above does not compile here.
        match code {
            Code::BadJson | Code::UnknownType | Code::BadField | Code::BadRoom | Code::BadId => {}
            Code::BadText | Code::Binary | Code::NotJoined | Code::AlreadyJoined => {}
            Code::TooManyRooms | Code::RateLimited | Code::EngineAway | Code::Busy => {}
        }
        let name = serde_json::to_value(code).unwrap();
        let row = format!("| `{}` |", name.as_str().unwrap());
        assert!(TEXT.contains(&row), "{row}");
    }
    assert_eq!(
        TEXT.split("## Errors")
            .nth(1)
            .unwrap()
            .split("## ")
            .next()
            .unwrap()
            .matches("\n| `")
            .count(),
        codes.len()
    );
}

#[tokio::test]
async fn the_limits_are_documented() {
    let server = start(&[]).await;
    let (config, options) = (server.app().config, &server.app().options);
    use live::chat::{protocol, token};
    for text in [
        format!("1 to {} of `A-Z", protocol::ROOM),
        format!("1 to {} of `A-Z", protocol::ID),
        format!("1 to {} characters (Unicode", protocol::TEXT),
        format!("1 to {} characters, no control", protocol::NAME),
        format!("at most {} names", protocol::NAMES),
        format!("valid for {} seconds", token::VALID.as_secs()),
        format!(
            "a message of more than {} KiB",
            config.max_message_size >> 10
        ),
        format!(
            "did not answer a ping for {} seconds",
            config.pong_timeout.as_secs()
        ),
        format!("more than {} messages (`--max-lag`)", options.max_lag),
        format!(
            "more than {} seconds, and one second for each {} bytes",
            config.message_timeout.unwrap().as_secs(),
            config.min_message_rate
        ),
        format!(
            "{} connections (`--max-connections-per-user`)",
            options.max_connections_per_user
        ),
    ] {
        assert!(TEXT.contains(&text), "{text}");
    }
}
