//! Ours, with the adapter for tokio of `examples/`: each connection has its own buffers while it is busy.
use std::net::TcpListener;

use examples::adapters::tokio::Socket;
use tokio::net::TcpStream;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Error};

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
    let handshake = Handshake::new(Config::new(), Origins::Any);
    let opened = Socket::accept(stream, handshake, async |_| Ok(Accept::new())).await?;
    let Some(mut socket) = opened else {
        return Ok(());
    };
    let result = examples::echo::echo(&mut socket).await;
    socket.finish().await;
    result
}
