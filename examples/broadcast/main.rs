//! A chat server: sends each message of a client to all clients of a room, the path of the URL.
use std::{env, pin::pin, process::ExitCode, sync::Arc, time::Duration};

use examples::{Failure, adapters::tokio::Socket, options};
use room::{Rooms, talk};
use tokio::net::{TcpListener, TcpStream};
use tokio::{select, signal, sync::watch, task::JoinSet, time::sleep};
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Error};

mod room;
#[cfg(test)]
mod tests;

const USAGE: &str = "usage: broadcast [OPTIONS] [ADDRESS:PORT]

Sends each message of a client to all clients with the same path; default: 127.0.0.1:9001.
Messages have at most 16 KiB, unless an option allows more.";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("broadcast: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let limit = ["--max-message-size", "16384"].map(String::from);
    let (mut config, args) = options::parse(limit.into_iter().chain(env::args().skip(1)))?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    if addr.starts_with('-') {
        println!("{USAGE}\n\n{}", options::HELP);
        return Ok(());
    }
    if let Some(deflate) = &mut config.deflate {
        // Otherwise each connection keeps a copy of what was sent, for its own compressor.
        deflate.server_no_context_takeover = true;
    }
    let bound = TcpListener::bind(addr).await;
    let listener = bound.map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let (stop, stopping) = watch::channel(());
    let (mut connections, rooms) = (JoinSet::new(), Arc::new(Rooms::default()));
    let mut interrupt = pin!(signal::ctrl_c());
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (rooms, stopping) = (rooms.clone(), stopping.clone());
                    connections.spawn(async move {
                        if let Err(error) = serve(stream, config, &rooms, stopping).await {
                            eprintln!("{peer}: {error}");
                        }
                    });
                }
                Err(e) => { eprintln!("accept: {e}"); sleep(Duration::from_millis(100)).await }
            },
            Some(_) = connections.join_next() => {}
            _ = &mut interrupt => break,
        }
    }
    println!("closing {} connections", connections.len());
    stop.send_replace(());
    connections.join_all().await;
    Ok(())
}

async fn serve(
    stream: TcpStream,
    config: Config,
    rooms: &Rooms,
    stopping: watch::Receiver<()>,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let handshake = Handshake::new(config, Origins::SameOrigin);
    let mut path = String::new();
    let accepted = Socket::accept(stream, handshake, async |request| {
        path = request.path().into();
        Ok(Accept::new())
    });
    let Some(mut socket) = accepted.await? else {
        return Ok(());
    };
    let (room, messages) = rooms.join(&path);
    let result = talk(&mut socket, config, &room, messages, stopping).await;
    rooms.leave(&path);
    result
}
