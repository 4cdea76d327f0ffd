//! tokio-tungstenite. `forward` writes what one read has brought at once; `send` would write each
//! message.
use std::net::TcpListener;

use futures_util::{StreamExt, TryStreamExt, future::ready};
use tokio::net::TcpStream;
use tokio_tungstenite::{accept_async, tungstenite::Error};

#[tokio::main]
pub(super) async fn run(listener: TcpListener) -> super::Outcome {
    let listener = super::tokio_listener(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (sink, messages) = accept_async(stream).await?.split();
    let messages = messages.try_filter(|it| ready(it.is_text() || it.is_binary()));
    messages.forward(sink).await
}
