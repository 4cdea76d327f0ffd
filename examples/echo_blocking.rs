//! An echo server on blocking sockets: std only, one thread per connection.
use bytes::BytesMut;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, error::Error, thread, time::Duration, time::Instant};
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Config, Event, RecvBuf};

use examples::options::{self, HELP};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    if addr.starts_with('-') {
        println!("usage: echo_blocking [OPTIONS] [127.0.0.1:9001]\n\n{HELP}");
        return Ok(());
    }
    let listener = TcpListener::bind(addr).map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    for socket in listener.incoming() {
        if let Err(error) =
            socket.and_then(|it| thread::Builder::new().spawn(move || serve(it, config)))
        {
            eprintln!("accept: {error}");
            thread::sleep(Duration::from_millis(100)); // out of files or threads: wait for some
        }
    }
    Ok(())
}

fn serve(mut socket: TcpStream, config: Config) {
    let mut out = BytesMut::new();
    echo(&mut socket, &mut out, config).unwrap_or_else(|error| eprintln!("connection: {error}"));
    // Flush `out` also after an error: the Close frame is in it. Then read until the peer ends the
    // stream: closing a socket with unread input resets it, and the peer may lose the Close frame.
    let _ = socket.write_all(&out).and(socket.shutdown(Shutdown::Write));
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end && socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
}

fn echo(socket: &mut TcpStream, out: &mut BytesMut, config: Config) -> Outcome {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to check the deadlines
    socket.set_write_timeout(Some(Duration::from_secs(20)))?; // for a peer that does not read
    let (start, mut input) = (Instant::now(), RecvBuf::new());
    let mut handshake = Handshake::new(config, Origins::Any); // an echo protects no user data
    let mut ws = loop {
        if let Some((_request, pending)) = handshake.next(&mut input, out)? {
            break pending.accept(Accept::new(), out)?;
        }
        handshake.handle_timeout(start.elapsed(), out)?;
        match wait(socket, &mut input, out) {
            Ok(false) => {}
            _ if input.unread().is_empty() => return Ok(()), // a TCP health check sends nothing
            Ok(true) => handshake.end_of_stream(),
            Err(error) => return Err(error.into()),
        }
    };
    while !ws.is_done() {
        match ws.next_event(&mut input, out)? {
            Some(Event::Text(text)) => ws.send_text(text, out)?,
            Some(Event::Binary(bytes)) => ws.send_binary(bytes, out)?,
            Some(_) => {} // pings and the Close frame are answered already
            None => {
                ws.handle_timeout(start.elapsed(), out)?;
                wait(socket, &mut input, out)?.then(|| ws.end_of_stream());
            }
        }
    }
    Ok(())
}

/// Flushes, then reads for at most a second. Returns whether the peer has ended the stream.
fn wait(socket: &mut TcpStream, input: &mut RecvBuf, out: &mut BytesMut) -> io::Result<bool> {
    socket.write_all(&out.split())?; // while this blocks, nothing is read
    match socket.read(input.spare(16 << 10)) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
        read => Ok(read.inspect(|&n| input.filled(n))? == 0),
    }
}
