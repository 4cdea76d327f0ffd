//! Sends every message back: what all echo servers do.
use tokio::task::yield_now;
use websocket_proto::{Event, ReadyState};

use crate::adapters::tokio::{Failure, HIGH_WATER, Socket};
use crate::adapters::transport::Stream;

/// Runs an open connection until it is done. It can be dropped and called again.
pub async fn echo(socket: &mut Socket<impl Stream>) -> Result<(), Failure> {
    loop {
        let Socket { ws, input, out, .. } = &mut *socket;
        while out.len() < HIGH_WATER
            && let Some(event) = ws.next_event(input, out)?
        {
            match event {
                Event::Progress => yield_now().await, // it costs much to inflate: others first
                _ if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
                Event::Text(text) => ws.send_text(text, out)?,
                Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                _ => {} // pings and the Close frame are answered already
            }
        }
        if ws.is_done() {
            return Ok(());
        }
        let receive = out.len() < HIGH_WATER;
        socket.wait(receive).await?;
    }
}
