//! An echo server on blocking sockets, one thread per connection.
use std::net::{TcpListener, TcpStream};
use std::{env, thread, time::Duration};

use examples::adapters::blocking::accept;
use examples::options::{self, HELP};
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Error, Event, ReadyState};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    if addr.starts_with('-') {
        println!("usage: echo_blocking [OPTIONS] [127.0.0.1:9001]\n\n{HELP}");
        return Ok(());
    }
    let listener = TcpListener::bind(addr).map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let serve = move |stream| {
            if let Err(error) = echo(stream, config) {
                eprintln!("connection: {error}");
            }
        };
        if let Err(error) = stream.and_then(|it| thread::Builder::new().spawn(move || serve(it))) {
            eprintln!("accept: {error}");
            thread::sleep(Duration::from_millis(100)); // out of files or threads: wait for some
        }
    }
    Ok(())
}

fn echo(stream: TcpStream, config: Config) -> Result<(), Error> {
    stream.set_nodelay(true)?; // what one read has brought is answered in one write
    let handshake = Handshake::new(config, Origins::Any); // an echo protects no user data
    let Some(mut socket) = accept(stream, handshake, |_request| Ok(Accept::new()))? else {
        return Ok(());
    };
    while let Some((event, ws, out)) = socket.recv_reply()? {
        match event {
            _ if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
            Event::Text(text) => ws.send_text(text, out)?,
            Event::Binary(bytes) => ws.send_binary(bytes, out)?,
            _ => {} // pings and the Close frame are answered already
        }
    }
    Ok(())
}
