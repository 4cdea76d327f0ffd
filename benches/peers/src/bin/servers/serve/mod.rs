//! The echo servers that are written in Rust: the limit, ours, and three others. Each runs in a
//! process of its own: `servers serve NAME`.
use std::{error::Error, net::TcpListener};

mod axum_server;
mod bare;
mod epoll_loop;
mod fastwebsockets_server;
mod raw;
mod tokio_adapter;
mod tungstenite_server;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs a server until the process is killed.
pub(crate) fn run(name: &str) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on ws://{}", listener.local_addr()?);
    match name {
        "raw" => raw::run(listener),
        "bare" => bare::run(listener),
        "tokio_adapter" => tokio_adapter::run(listener),
        "tokio-tungstenite" => tungstenite_server::run(listener),
        "fastwebsockets" => fastwebsockets_server::run(listener),
        "axum" => axum_server::run(listener),
        _ => Err(format!("there is no server {name}").into()),
    }
}

/// The listener for a runtime of tokio.
fn tokio_listener(listener: TcpListener) -> Outcome<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}
