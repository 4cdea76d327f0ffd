//! axum, which uses tokio-tungstenite. `forward` writes what one read has brought at once.
use std::net::TcpListener;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::{Router, routing::any, serve::ListenerExt};
use futures_util::{StreamExt, TryStreamExt, future::ready};

#[tokio::main]
pub(super) async fn run(listener: TcpListener) -> super::Outcome {
    let listener = super::tokio_listener(listener)?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let accept = async |request: WebSocketUpgrade| request.on_upgrade(echo);
    Ok(axum::serve(listener, Router::new().route("/", any(accept))).await?)
}

async fn echo(socket: WebSocket) {
    let (sink, messages) = socket.split();
    let is_data = |it: &Message| ready(matches!(it, Message::Text(_) | Message::Binary(_)));
    let _ = messages.try_filter(is_data).forward(sink).await;
}
