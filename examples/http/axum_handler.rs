//! A chat on axum: a handler with shared state and a parameter of its path, for HTTP/1.1 and HTTP/2.
use std::{env, time::Duration};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::{Router, http::StatusCode, response::Response, routing::any};
use examples::adapters::tokio::{Message, Messages, Socket, Stream};
use examples::{Failure, options};
use futures_util::{SinkExt, StreamExt, TryFutureExt};
use hyper::{ext::Protocol, upgrade};
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};
use tokio::time::{Instant, sleep_until, timeout};
use tokio::{net::TcpListener, select};
use websocket_proto::handshake::http::check;
use websocket_proto::handshake::server::{Accept, Origins};
use websocket_proto::{CloseCode, Config, Error, Prepared, RecvBuf};

#[cfg(test)]
mod axum_tests;

/// Time between two lines of a client. One that sends faster waits, because its lines could make all
/// others too slow.
const PACE: Duration = Duration::from_millis(10);
/// A peer is too slow, and is closed, if it does not take a line within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a name. Each line has it.
const LONGEST_NAME: usize = 64;

/// What all requests share.
#[derive(Clone)]
struct Chat {
    config: Config,
    origins: Origins,
    lines: Sender<Prepared>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // With compression a few bytes can be a long message, and lines wait in memory for slow peers.
    let limit = ["--max-message-size", "16384"].map(String::from);
    let (config, args) = options::parse(limit.into_iter().chain(env::args().skip(1)))?;
    let addr = args.first().map_or("127.0.0.1:3000", String::as_str);
    if addr.starts_with('-') {
        println!(
            "usage: axum_handler [OPTIONS] [127.0.0.1:3000]\n\n\
             Messages have at most 16 KiB, unless an option allows more.\n\n{}",
            options::HELP
        );
        return Ok(());
    }
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    println!("listening on ws://{addr}/chat/NAME");
    println!("  Ann joins: cargo run --release -p examples --bin client -- ws://{addr}/chat/Ann");
    let chat = Chat {
        config,
        // Web pages on other hosts may not connect.
        origins: Origins::hosts(["localhost", "127.0.0.1"])?,
        lines: Sender::new(100),
    };
    // `any`: a handshake is a GET in HTTP/1.1, and a CONNECT in HTTP/2. `check` refuses the others.
    let app = Router::new().route("/chat/{name}", any(join));
    Ok(axum::serve(listener, app.with_state(chat)).await?)
}

async fn join(
    State(chat): State<Chat>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, StatusCode> {
    if name.len() > LONGEST_NAME {
        return Err(StatusCode::BAD_REQUEST);
    }
    respond(chat, name, request).map_err(|error| {
        eprintln!("handshake: {error}");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

fn respond(chat: Chat, name: String, request: Request) -> Result<Response, Failure> {
    let protocol = request.extensions().get().map(Protocol::as_str);
    let response = match check(&request, protocol, &chat.origins, chat.config) {
        Err(refusal) => refusal.response(),
        Ok(pending) => {
            let (ws, response) = pending.accept(Accept::new())?;
            let others = chat.lines.subscribe(); // before the peer knows that it has joined
            let talking = async move {
                // It waits for the stream, which is there after the response.
                let stream = TokioIo::new(upgrade::on(request).await?);
                let socket = Messages::new(Socket::new(stream, ws, RecvBuf::new()));
                Ok(talk(name, chat.lines, others, socket).await?)
            };
            tokio::spawn(talking.inspect_err(|error: &Failure| eprintln!("WebSocket: {error}")));
            response
        }
    };
    Ok(Response::<Bytes>::try_from(response)?.map(Body::from))
}

async fn talk(
    name: String,
    lines: Sender<Prepared>,
    mut others: Receiver<Prepared>,
    mut socket: Messages<impl Stream>,
) -> Result<(), Error> {
    let mut next_line = Instant::now();
    let (code, reason) = loop {
        let received = async {
            sleep_until(next_line).await;
            socket.next().await
        };
        select! {
            message = received => match message.transpose()? {
                Some(Message::Text(text)) => {
                    next_line = Instant::now() + PACE;
                    let _ = lines.send(Prepared::text(&format!("{name}: {text}")));
                }
                Some(Message::Close(..)) | None => break (CloseCode::NORMAL, ""),
                Some(_) => {}
            },
            line = others.recv() => {
                let line = match line {
                    Ok(line) => line,
                    // Perhaps this task had no turn for a while. `PATIENCE` tells who is slow.
                    Err(RecvError::Lagged(count)) => {
                        Prepared::text(&format!("missed lines: {count}"))
                    }
                    Err(RecvError::Closed) => continue, // not while `lines` exists
                };
                let Socket { ws, out, .. } = &mut socket.socket;
                if ws.send_prepared(&line, out).is_err() {
                    break (CloseCode::NORMAL, ""); // the peer has just closed
                }
                match timeout(PATIENCE, socket.flush()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break (CloseCode::NORMAL, ""), // the peer is gone
                    Err(_) => break (CloseCode::POLICY_VIOLATION, "too slow"),
                }
            }
        }
    };
    socket.socket.close(code, reason).await
}
