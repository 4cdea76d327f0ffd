//! An echo server on blocking sockets: std only, a thread a connection.
use bytes::BytesMut;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, error::Error, thread, time::Duration, time::Instant};
use websocket_proto::{Config, Event, RecvBuf, deflate::DeflateConfig, handshake::server};

mod options;
use options::HELP;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut config = Config::new();
    config.max_message_size = 64 << 20;
    config.deflate = Some(DeflateConfig::new());
    let args = options::parse(env::args().skip(1), &mut config.deflate)?;
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
            thread::sleep(Duration::from_millis(100)); // until there are files and threads again
        }
    }
    Ok(())
}

fn serve(mut socket: TcpStream, config: Config) {
    let mut out = BytesMut::new();
    echo(&mut socket, &mut out, config).unwrap_or_else(|error| eprintln!("connection: {error}"));
    // The last word is in `out`. Closing with unread input would reset the socket, and lose it.
    let _ = socket.write_all(&out).and(socket.shutdown(Shutdown::Write));
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end && socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
}

fn echo(socket: &mut TcpStream, out: &mut BytesMut, config: Config) -> Outcome {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?; // to look at the deadlines
    socket.set_write_timeout(Some(Duration::from_secs(20)))?; // a peer that never reads
    let (start, mut input) = (Instant::now(), RecvBuf::new());
    let mut opening = server::Handshake::new(config, server::Origins::Any); // guards nothing
    let mut ws = loop {
        if let Some((_request, pending)) = opening.next(&mut input, out)? {
            break pending.accept(server::Accept::new(), out)?;
        }
        opening.handle_timeout(start.elapsed(), out)?;
        wait(socket, &mut input, out)?.then(|| opening.end_of_stream());
    };
    while !ws.is_done() {
        match ws.next_event(&mut input, out)? {
            Some(Event::Text(text)) => ws.send_text(text, out)?,
            Some(Event::Binary(bytes)) => ws.send_binary(bytes, out)?,
            Some(_) => {} // pings and the Close frame have been answered
            None => {
                ws.handle_timeout(start.elapsed(), out)?;
                wait(socket, &mut input, out)?.then(|| ws.end_of_stream());
            }
        }
    }
    Ok(())
}

/// Flushes, then reads what comes within a second. Returns whether the peer has ended the stream.
fn wait(socket: &mut TcpStream, input: &mut RecvBuf, out: &mut BytesMut) -> io::Result<bool> {
    socket.write_all(&out.split())?; // while this blocks, nothing is read
    match socket.read(input.spare(16 << 10)) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
        read => Ok(read.inspect(|&n| input.filled(n))? == 0),
    }
}
