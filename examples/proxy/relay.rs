//! Forwards the messages of two sides to each other. This is the part to copy.
//!
//! A message is never assembled: its parts are sent on as they arrive. A side that takes nothing makes
//! the other side wait, and ends both when its ping is not answered.
use bytes::BytesMut;
use examples::adapters::tokio::{Socket, Stream};
use tokio::{select, task::coop};
use websocket_proto::MessageKind::{Binary, Text};
use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Event, ReadyState, SendError};

/// Longer messages are forwarded in parts. A part has what one read has brought. Parts are joined to
/// fragments of at least this size, because many receivers limit the number of fragments.
pub const FRAGMENT: usize = 16 << 10;
/// Bytes of unsent output above which a side gets no more, so that the other side is not read.
///
/// With one more fragment `out` is below the limit of the adapter: a side that takes nothing is still
/// read, because it may send everything before it reads.
const FULL: usize = 8 << 10;

/// The limits of both sides: messages of any size, in parts.
pub fn limits(mut config: Config) -> Config {
    config.parts_above = FRAGMENT;
    config.max_fragments = u32::MAX;
    config.message_timeout = None; // an unfinished message costs little memory
    config
}

/// Runs until one side is over. Its error is in `ws`. Afterwards close the other side.
pub async fn run(client: &mut Socket<impl Stream>, upstream: &mut Socket<impl Stream>) {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    loop {
        let more = forward(client, upstream, &mut up) | forward(upstream, client, &mut down);
        if client.ws.is_done() || upstream.ws.is_done() {
            return;
        }
        if more {
            coop::consume_budget().await; // lets other connections run in between
            continue;
        }
        select! {
            () = client.wait() => {}
            () = upstream.wait() => {}
        }
    }
}

/// Forwards an event, unless `to` is full. Returns whether there may be more. `parts` were not sent.
fn forward(
    from: &mut Socket<impl Stream>,
    to: &mut Socket<impl Stream>,
    parts: &mut Vec<u8>,
) -> bool {
    let is_open = to.ws.state() == ReadyState::Open;
    if is_open && to.out.len() > FULL {
        return false;
    }
    let Ok(Some(event)) = from.ws.next_event(&mut from.input, &mut from.out) else {
        return false;
    };
    // Nothing can be sent behind a Close frame. Other errors cannot happen: the text is valid, and
    // one side sends one message at a time.
    let sent = send(event, &mut to.ws, &mut to.out, parts);
    debug_assert!(sent.is_ok() || !is_open);
    true
}

fn send(
    event: Event<'_>,
    ws: &mut Connection,
    out: &mut BytesMut,
    parts: &mut Vec<u8>,
) -> Result<(), SendError> {
    let (kind, part, is_last) = match event {
        Event::Text(text) => return ws.send_text(text, out),
        Event::Binary(bytes) => return ws.send_binary(bytes, out),
        Event::Close(CloseFrame { code, reason }) => {
            return ws.close(code.unwrap_or(CloseCode::NORMAL), reason, out);
        }
        Event::TextPart(text) => (Text, text.as_bytes(), false),
        Event::TextEnd(text) => (Text, text.as_bytes(), true),
        Event::BinaryPart(bytes) => (Binary, bytes, false),
        Event::BinaryEnd(bytes) => (Binary, bytes, true),
        _ => return Ok(()), // each side answers its own pings
    };
    match ws.start_message(kind) {
        Ok(()) | Err(SendError::MessageInProgress) => {} // only the first part starts a message
        Err(error) => return Err(error),
    }
    parts.extend_from_slice(part);
    if is_last {
        ws.finish_message(&std::mem::take(parts), out)?; // an idle connection needs no memory
    } else if parts.len() >= FRAGMENT {
        ws.send_fragment(parts, out)?;
        parts.clear();
    }
    Ok(())
}

/// Completes the closing handshake, then ends the stream. What still arrives is dropped.
pub async fn end(side: &mut Socket<impl Stream>) {
    loop {
        while let Ok(Some(_)) = side.ws.next_event(&mut side.input, &mut side.out) {}
        if side.ws.is_done() {
            return side.finish().await;
        }
        side.wait().await;
    }
}
