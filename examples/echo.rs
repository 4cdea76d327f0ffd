//! Sends every message back: what all echo servers do.
use tokio::task::yield_now;
use websocket_proto::{Error, Event, ReadyState};

use crate::adapters::tokio::{HIGH_WATER, Socket, Stream};

/// Runs an open connection until it is done. It can be dropped and called again.
pub async fn echo(socket: &mut Socket<impl Stream>) -> Result<(), Error> {
    loop {
        let Socket { ws, input, out, .. } = &mut *socket;
        while out.len() <= HIGH_WATER
            && let Ok(Some(event)) = ws.next_event(input, out)
        {
            match event {
                Event::Progress => yield_now().await, // it costs much to inflate: others first
                _ if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
                Event::Text(text) => ws.send_text(text, out)?,
                Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                _ => {} // pings and the Close frame are answered already
            }
        }
        if let Some(error) = ws.error() {
            return Err(socket.cause(error));
        }
        if ws.is_done() {
            return Ok(());
        }
        socket.wait().await;
    }
}
