//! A proxy: forwards connections to an upstream server, messages of any size in constant memory.
use std::{env, process::ExitCode, time::Duration};

use examples::adapters::tokio::{Socket, Stream};
use examples::{Failure, options};
use tokio::net::{TcpListener, TcpStream};
use tokio::{join, time::sleep};
use websocket_proto::{CloseCode, Config};

mod open;
mod relay;
#[cfg(test)]
mod tests;

const USAGE: &str = "usage: proxy [OPTIONS] LISTEN UPSTREAM

Forwards connections, for example: proxy 127.0.0.1:9000 ws://127.0.0.1:9001

The size of messages is not limited, unless an option does so.";

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else {
        return ExitCode::SUCCESS;
    };
    eprintln!("proxy: {error}");
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let no_limit = ["--max-message-size".into(), usize::MAX.to_string()];
    let (config, args) = options::parse(no_limit.into_iter().chain(env::args().skip(1)))?;
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}\n\n{}", options::HELP);
        return Ok(());
    }
    let [listen, upstream] = &args[..] else {
        return Err("LISTEN and UPSTREAM are needed; try --help".into());
    };
    let upstream = upstream.strip_prefix("ws://").unwrap_or(upstream);
    let upstream = upstream.trim_end_matches('/').to_string();
    if upstream.contains('/') {
        return Err(format!("UPSTREAM is HOST:PORT or ws://HOST:PORT, not {upstream}").into());
    }
    let config = relay::limits(config);
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|error| format!("{listen}: {error}"))?;
    println!(
        "forwarding ws://{} to ws://{upstream}",
        listener.local_addr()?
    );
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    match serve(stream, &upstream, config).await {
                        Ok(()) => println!("{peer}: closed"),
                        Err(error) => eprintln!("{peer}: {error}"),
                    }
                });
            }
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await; // out of files: wait for some
            }
        }
    }
}

async fn serve(stream: TcpStream, upstream: &str, config: Config) -> Result<(), Failure> {
    match open::both(stream, upstream, config).await? {
        Some((client, upstream)) => connect(client, upstream).await,
        None => Ok(()),
    }
}

/// Forwards until the end of both sides.
async fn connect(
    mut client: Socket<impl Stream>,
    mut upstream: Socket<impl Stream>,
) -> Result<(), Failure> {
    relay::run(&mut client, &mut upstream).await;
    // If a side has failed, this tells the other. It does nothing if a Close frame was forwarded.
    client
        .ws
        .close(CloseCode::BAD_GATEWAY, "", &mut client.out)?;
    (upstream.ws).close(CloseCode::GOING_AWAY, "", &mut upstream.out)?;
    join!(relay::end(&mut client), relay::end(&mut upstream));
    match (client.ws.error(), upstream.ws.error()) {
        (None, None) => Ok(()),
        (Some(error), _) => Err(format!("client: {error}").into()),
        (None, Some(error)) => Err(format!("upstream: {error}").into()),
    }
}
