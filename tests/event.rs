//! Proves that an event can be logged: `{:?}` shows the kind and the length of a message, but not
//! its payload. Proves that `payload` has the bytes of every event that carries some.

use bytes::BytesMut;
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, MessageKind, OutQueue, Prepared, RecvBuf,
    Role, Seed, frame::FrameHeader,
};

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

/// What `{:?}` shows of everything that has a `Debug` of its own. `fixed_45` and `fixed_51` prove that
/// it shows no secrets.
#[test]
fn debug_says_what_it_is() {
    let client = || {
        let mut out = BytesMut::new();
        let mut ws = Connection::assume_opened(Role::Client(Seed::from([7; 32])), Config::new());
        ws.start_message(MessageKind::Text).unwrap();
        ws.send_fragment(b"a\xc3", &mut out).unwrap();
        ws
    };
    let shown = format!("{:?}", client());
    assert!(
        shown.starts_with("Connection {") && shown.contains("MaskKeys(..)"),
        "{shown}"
    );
    assert!(
        shown.contains("1 bytes"),
        "an incomplete character: {shown}"
    );

    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    let (mut reader, _) = client().split();
    input.extend_from_slice(&[0x89, 0]);
    assert_eq!(reader.next_event(&mut input), Ok(Some(Event::Ping(b""))));
    let notes = reader.take_notes().unwrap();
    let wrong = client().split().1;
    let mut queue = OutQueue::new();
    let mut ws = Connection::assume_opened(Role::Server, Config::new());
    ws.send_prepared(&Prepared::text("abc"), &mut queue)
        .unwrap();
    let header = FrameHeader::decode(&[0x81, 3]).unwrap().unwrap().0;
    for (shown, expected) in [
        (
            format!("{input:?}"),
            "RecvBuf { unread: 0, message: 0, capacity: 2",
        ),
        (format!("{notes:?}"), "Notes { heard: "),
        (
            format!("{:?}", Connection::join(reader, wrong)),
            "Err(JoinError(NotAPair",
        ),
        (format!("{queue:?}"), "OutQueue { unsent: 5, shared: "),
        (
            format!("{:?}", Prepared::text("abc")),
            "Prepared { kind: Text, len: 3, compressed: None }",
        ),
        (
            format!("{:?}", ws.lend_binary(b"abc", &mut out).unwrap()),
            "Lent { unsent: 5, ",
        ),
        (format!("{:?}", header.encode().unwrap()), "[129, 3]"),
        (format!("{:?}", Seed::from([7; 32])), "Seed(..)"),
    ] {
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[test]
#[cfg(feature = "deflate")]
fn debug_shows_the_parameters_of_codecs() {
    use websocket_proto::deflate::{DeflateConfig, Params, Preparer};

    let open = |role| {
        let ws = Connection::assume_opened(role, Config::new());
        ws.with_deflate(Params::default(), DeflateConfig::new())
    };
    let (mut client, mut server) = (open(Role::Client(Seed::from([7; 32]))), open(Role::Server));
    let (mut input, mut out) = (RecvBuf::new(), BytesMut::new());
    client.send_text(&"abc ".repeat(100), &mut out).unwrap();
    input.extend_from_slice(&out);
    assert!(matches!(
        server.next_event(&mut input, &mut out),
        Ok(Some(Event::Text(_)))
    ));
    let (sent, received) = (format!("{client:?}"), format!("{server:?}"));
    assert!(sent.contains("Deflate { setup: "), "{sent}");
    assert!(received.contains("Inflate(.."), "{received}");
    let history = "History { len: 400, window: 32768";
    assert!(
        sent.contains(history) && received.contains(history),
        "{sent} {received}"
    );
    let shown = format!("{:?}", Preparer::new(DeflateConfig::new()));
    assert!(shown.starts_with("Preparer { window_bits: 15"), "{shown}");
}
