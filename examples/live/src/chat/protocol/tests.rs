use super::read::REASON;
use super::*;

fn refused(text: &str) -> (Code, String) {
    let refusal = Input::parse(text).unwrap_err();
    (refusal.code, refusal.reason)
}

#[test]
fn reads_what_a_client_sends() {
    let room = || "lobby".to_owned();
    let join = Input::parse(r#"{"type":"join","room":"lobby"}"#);
    let since = None;
    assert_eq!(
        join,
        Ok(Input::Join {
            room: room(),
            since
        })
    );
    // The type can be anywhere, and null is the same as a field that is left out.
    let join = Input::parse(r#"{"room":"lobby","since":null,"type":"join"}"#);
    assert_eq!(
        join,
        Ok(Input::Join {
            room: room(),
            since
        })
    );
    let join = r#"{"type":"join","room":"lobby","since":{"epoch":"00000000000000ff","offset":12}}"#;
    let (epoch, offset) = (Epoch(255), 12);
    let since = Some(Since { epoch, offset });
    assert_eq!(
        Input::parse(join),
        Ok(Input::Join {
            room: room(),
            since
        })
    );
    assert_eq!(
        serde_json::to_string(&Input::parse(join).unwrap()).unwrap(),
        join
    );
    let typing = Input::parse(r#"{"type":"typing","room":"lobby","on":true}"#);
    assert_eq!(
        typing,
        Ok(Input::Typing {
            room: room(),
            on: true
        })
    );
}

#[test]
fn a_refusal_names_the_field_and_the_reason() {
    for (text, code, reason) in [
        ("", Code::BadJson, "EOF while parsing"),
        ("{", Code::BadJson, "EOF while parsing"),
        ("hello", Code::BadJson, "expected value"),
        ("5", Code::BadJson, "expected an object"),
        (r#"{"type":5}}"#, Code::BadJson, "trailing characters"),
        (r#"["join","lobby"]"#, Code::BadJson, "expected an object"),
        (
            r#"{"type":"leave","room":"a"}{}"#,
            Code::BadJson,
            "trailing characters",
        ),
        (r#"{"room":"a"}"#, Code::BadField, "missing field `type`"),
        (
            r#"{"type":5}"#,
            Code::BadField,
            "type: invalid type: integer `5`",
        ),
        (
            r#"{"type":"leave","type":"say"}"#,
            Code::BadField,
            "duplicate field `type`",
        ),
        (
            r#"{"type":"dance","x":1}"#,
            Code::UnknownType,
            "`dance` is not join",
        ),
        (
            r#"{"type":"leave"}"#,
            Code::BadField,
            "missing field `room`",
        ),
        (
            r#"{"type":"leave","room":7}"#,
            Code::BadField,
            "room: invalid type: integer `7`",
        ),
        (
            r#"{"type":"leave","room":"a","x":1}"#,
            Code::BadField,
            "x: unknown field",
        ),
        (
            r#"{"type":"leave","room":"a","room":"b"}"#,
            Code::BadField,
            "duplicate field `room`",
        ),
        (
            r#"{"type":"leave","room":""}"#,
            Code::BadRoom,
            "room: not 1 to 32",
        ),
        (
            r#"{"type":"leave","room":"a b"}"#,
            Code::BadRoom,
            "room: not 1 to 32",
        ),
        (
            r#"{"type":"join","room":"a","since":5}"#,
            Code::BadField,
            "since: invalid type",
        ),
        (
            r#"{"type":"join","room":"a","since":["00000000000000ff",1]}"#,
            Code::BadField,
            "since: invalid type",
        ),
        (
            r#"{"type":"join","room":"a","since":{"epoch":"00000000000000ff"}}"#,
            Code::BadField,
            "since: missing field `offset`",
        ),
        (
            r#"{"type":"join","room":"a","since":{"epoch":"ff","offset":1}}"#,
            Code::BadField,
            "since.epoch: ",
        ),
        (
            r#"{"type":"join","room":"a","since":{"epoch":"00000000000000ff","offset":-1}}"#,
            Code::BadField,
            "since.offset: invalid value: integer `-1`, expected a whole number of 0 or more",
        ),
        (
            r#"{"type":"typing","room":"a","on":1}"#,
            Code::BadField,
            "on: invalid type",
        ),
        (
            r#"{"type":"say","room":"a","id":"","text":"x"}"#,
            Code::BadId,
            "id: not 1 to 64",
        ),
        (
            r#"{"type":"say","room":"a","id":"x","text":" \n "}"#,
            Code::BadText,
            "text: empty",
        ),
        (
            r#"{"type":"say","room":"a","id":"x","text":"\u0000"}"#,
            Code::BadText,
            "text: a control character",
        ),
        (
            r#"{"type":"say","room":"a","id":"x","text":"\ud83D"}"#,
            Code::BadText,
            "text: half of a surrogate pair",
        ),
        (
            r#"{"type":"say","room":"a","id":"\uDe00","text":"x"}"#,
            Code::BadId,
            "id: not 1 to 64",
        ),
        (r#"{"type":"say\ud83d"}"#, Code::UnknownType, "is not join"),
        (
            r#"{"type":"say","room":"a","id":"x","text":"\ud83d""#,
            Code::BadJson,
            "EOF while parsing",
        ),
        (
            r#"{"type":"say","room":"a","id":"x","text":"\ud8xx"}"#,
            Code::BadJson,
            "escape",
        ),
    ] {
        let (is, why) = refused(text);
        assert_eq!(is, code, "{text}: {why}");
        assert!(why.contains(reason), "{text}: {why}");
    }
}

#[test]
fn a_refusal_has_the_room_and_the_id_that_can_be_read() {
    let of = |text| {
        let refusal = Input::parse(text).unwrap_err();
        (refusal.room, refusal.id)
    };
    let (room, id) = (Some("a".to_owned()), Some("c1".to_owned()));
    let text = r#"{"type":"say","room":"a","id":"c1","text":5}"#;
    assert_eq!(of(text), (room.clone(), id.clone()));
    let text = r#"{"type":"say","room":"<b>","id":"c1","text":"x"}"#;
    assert_eq!(of(text), (None, id));
    let text = r#"{"type":"say","room":"a","id":{},"text":"x"}"#;
    assert_eq!(of(text), (room, None));
    assert_eq!(of("{"), (None, None));
    // An emoji that was cut in two, also where the error is another one.
    for text in [
        r#"{"type":"say","room":"a","id":"c1","text":"\ud83d"}"#,
        r#"{"type":"say","room":"a","id":"c1","text":"\\\ude00\ud83d\ude00"}"#,
        r#"{"type":"say","room":"a","id":"c1","x":"\ud83d"}"#,
    ] {
        assert_eq!(of(text), (Some("a".to_owned()), Some("c1".to_owned())));
    }
}

#[test]
fn a_reason_is_short_however_long_the_input_is() {
    let long = "\u{fc}".repeat(7000);
    for text in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":"leave","{long}":1}}"#),
        format!(r#"{{"type":"typing","room":"a","on":"{long}"}}"#),
    ] {
        assert!(refused(&text).1.chars().count() <= REASON);
    }
    // Deep nesting is an error of the message, and does not end the stack.
    let (open, close) = ("[".repeat(15_000), "]".repeat(15_000));
    assert_eq!(refused(&open).0, Code::BadJson);
    assert_eq!(refused(&format!(r#"{{"type":{open}"#)).0, Code::BadJson);
    let closed = format!(r#"{{"type":{open}{close}}}"#);
    assert_eq!(refused(&closed).0, Code::BadField);
}

#[test]
fn lengths_are_counted_in_characters() {
    let say = |text: &str| {
        let say = Input::Say {
            room: "a".into(),
            id: "x".into(),
            text: text.into(),
        };
        Input::parse(&serde_json::to_string(&say).unwrap())
    };
    assert!(say(&"\u{1f600}".repeat(TEXT)).is_ok());
    let emoji = Input::parse(r#"{"type":"say","room":"a","id":"x","text":"\ud83d\ude00"}"#);
    assert_eq!(emoji, say("\u{1f600}"));
    assert!(say("a\tb\nc <script>alert(1)</script>").is_ok());
    assert_eq!(say(&"x".repeat(TEXT + 1)).unwrap_err().code, Code::BadText);
    assert!(check_name(&"\u{1f600}".repeat(NAME)).is_ok());
    assert!(check_name("<img src=x onerror=alert(1)>").is_ok());
    for name in ["", " Ann", "Ann ", "A\nnn", "A\u{202e}nn", "A\u{200b}nn"] {
        assert!(check_name(name).is_err(), "{name:?}");
    }
    assert!(check_name(&"x".repeat(NAME + 1)).is_err());
}

#[test]
fn output_is_as_documented() {
    let error = Input::parse(r#"{"type":"leave","room":"a","x":1}"#).unwrap_err();
    assert!(
        error
            .output()
            .json()
            .starts_with(r#"{"type":"error","code":"bad_field","reason":"#)
    );
    assert!(error.output().json().ends_with(r#","room":"a"}"#));
    let state = Engine::Away;
    assert_eq!(
        Output::Engine { state }.json(),
        r#"{"type":"engine","state":"away"}"#
    );
}
