//! Proves that an event can be logged: `{:?}` shows the kind and the length of a message, but not
//! its payload. Proves that `payload` has the bytes of every event that carries some.

use websocket_proto::{CloseCode, CloseFrame, Event};

#[test]
fn fixed_13_debug_shows_kind_and_length() {
    let long = "secret ".repeat(150_000);
    let close = CloseFrame {
        code: Some(CloseCode::NORMAL),
        reason: "bye",
    };
    for (event, shown) in [
        (Event::Text(&long), "Text(1050000 bytes)"),
        (Event::Binary(long.as_bytes()), "Binary(1050000 bytes)"),
        (Event::Ping(b"secret"), "Ping(6 bytes)"),
        (Event::Pong(b""), "Pong(0 bytes)"),
        (Event::TextPart("secret"), "TextPart(6 bytes)"),
        (Event::TextEnd("secret"), "TextEnd(6 bytes)"),
        (Event::BinaryPart(b"secret"), "BinaryPart(6 bytes)"),
        (Event::BinaryEnd(b"secret"), "BinaryEnd(6 bytes)"),
        (Event::Progress, "Progress"),
    ] {
        assert_eq!(format!("{event:?}"), shown);
    }
    let shown = format!("{:?}", Event::Close(close));
    assert!(shown.contains("1000") && shown.contains("bye"), "{shown}");
}

#[test]
fn payload_has_the_bytes() {
    let close = CloseFrame {
        code: Some(CloseCode::NORMAL),
        reason: "bye",
    };
    for event in [
        Event::Text("abc"),
        Event::TextPart("abc"),
        Event::TextEnd("abc"),
        Event::Binary(b"abc"),
        Event::BinaryPart(b"abc"),
        Event::BinaryEnd(b"abc"),
        Event::Ping(b"abc"),
        Event::Pong(b"abc"),
    ] {
        assert_eq!(event.payload(), b"abc", "{event:?}");
    }
    for event in [Event::Close(close), Event::Progress] {
        assert_eq!(event.payload(), b"", "{event:?}");
    }
}
