//! An echo server on blocking sockets: std only, a thread a connection.
use bytes::BytesMut;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use websocket_proto::{Config, Event, RecvBuf, handshake::server};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into());
    if addr.starts_with('-') {
        println!("usage: echo_blocking [ADDR]    default: 127.0.0.1:9001");
        return Ok(());
    }
    let listener = TcpListener::bind(&addr).map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    for socket in listener.incoming() {
        std::thread::spawn(|| serve(socket?).inspect_err(|error| eprintln!("connection: {error}")));
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> Outcome {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to look at the deadlines
    socket.set_write_timeout(Some(Duration::from_secs(20)))?; // a peer that never reads
    let (start, mut out) = (Instant::now(), BytesMut::new());
    let result = echo(&mut socket, start, &mut out);
    socket.write_all(&out)?; // the Close frame, or the status of a refused opening
    socket.shutdown(Shutdown::Write)?; // closing with unread input would reset, and lose that
    let _ = (0..64).all(|_| socket.read(&mut [0; 1 << 16]).is_ok_and(|n| n > 0));
    result
}

fn echo(socket: &mut TcpStream, start: Instant, out: &mut BytesMut) -> Outcome {
    let (mut config, mut input) = (Config::new(), RecvBuf::new());
    config.max_message_size = 64 << 20;
    // Any page may connect: an echo server guards nothing.
    let mut opening = server::Handshake::new(config, server::Origins::Any);
    let mut ws = loop {
        if let Some((_request, pending)) = opening.next(&mut input, out)? {
            break pending.accept(server::Accept::new(), out)?;
        }
        match wait(socket, &mut input, out)? {
            true => opening.handle_timeout(start.elapsed(), out)?,
            false => opening.end_of_stream(),
        }
    };
    while !ws.is_done() {
        match ws.next_event(&mut input, out)? {
            Some(Event::Text(text)) => ws.send_text(text, out)?,
            Some(Event::Binary(bytes)) => ws.send_binary(bytes, out)?,
            Some(_) => {} // pings and the Close frame have been answered
            None => match wait(socket, &mut input, out)? {
                true => ws.handle_timeout(start.elapsed(), out)?,
                false => ws.end_of_stream(),
            },
        }
    }
    Ok(())
}

/// Flushes, then reads what comes within a second. Returns whether the stream goes on.
fn wait(socket: &mut TcpStream, input: &mut RecvBuf, out: &mut BytesMut) -> io::Result<bool> {
    socket.write_all(&out.split())?; // while this blocks, nothing is read
    match socket.read(input.spare(16 << 10)) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
        read => Ok(read.inspect(|&n| input.filled(n))? > 0),
    }
}
