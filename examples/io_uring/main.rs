//! An echo server on io_uring, by compio. The kernel owns a buffer while it reads or writes, so each
//! idle connection holds 16 KiB. With compression it also keeps its codecs: see `deflate::Pool`.
use std::{env, future::poll_fn, io, io::ErrorKind, task::Poll, time::Duration};

use bytes::BytesMut;
use compio::buf::BufResult;
use compio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use compio::net::TcpListener;
use compio::{runtime::spawn, time::sleep, time::timeout, time::timeout_at};
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Clock, Config, Connection, Error, Event, ReadyState, RecvBuf};

#[cfg(test)]
mod faults;

#[path = "../options.rs"]
#[expect(dead_code, reason = "offers are for clients")]
mod options;

const READ: usize = 16 << 10;
/// Bytes of output above which no events are taken until the output is written.
const HIGH_WATER: usize = 256 << 10;
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
const LINGER: Duration = Duration::from_secs(5);
type Outcome<T = ()> = Result<T, Error>;

#[compio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    let listener = TcpListener::bind(addr).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let serving = async move {
                    if let Err(error) = serve(socket, config).await {
                        eprintln!("connection: {error}");
                    }
                };
                spawn(serving).detach();
            }
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await; // out of files: wait for some
            }
        }
    }
}

async fn serve<S>(socket: S, config: Config) -> Outcome
where
    for<'s> &'s S: AsyncRead + AsyncWrite,
{
    let mut out = BytesMut::new();
    let result = echo(&socket, &mut out, config).await;
    // Flush also after an error: `out` holds the Close frame. Then read until the peer ends the
    // stream: closing a socket with unread input resets it, and the peer may lose the Close frame.
    let finish = async {
        flush(&socket, &mut out).await?;
        (&socket).shutdown().await?;
        while !read(&socket, Vec::with_capacity(READ)).await?.is_empty() {}
        Ok::<(), io::Error>(())
    };
    let _ = timeout(LINGER, finish).await;
    result
}

async fn echo<S>(socket: &S, out: &mut BytesMut, config: Config) -> Outcome
where
    for<'s> &'s S: AsyncRead + AsyncWrite,
{
    let (clock, mut input) = (Clock::start(), RecvBuf::new());
    // A read goes on while a deadline passes: if it were dropped, bytes could get lost.
    let mut reading = Box::pin(read(socket, Vec::with_capacity(READ)));
    let mut handshake = Handshake::new(config, Origins::Any); // an echo protects no user data
    let mut ws = loop {
        if let Some((_request, pending)) = handshake.next(&mut input, out)? {
            break pending.accept(Accept::new(), out)?;
        }
        let deadline = clock.instant(handshake.deadline(clock.now()));
        match timeout_at(deadline, reading.as_mut()).await {
            Ok(Ok(it)) if !it.is_empty() => reading.set(read(socket, input.swap(it, READ))),
            Ok(_) if input.unread().is_empty() => return Ok(()), // a TCP health check sends nothing
            Ok(it) => {
                it?;
                handshake.end_of_stream();
            }
            Err(_elapsed) => handshake.handle_timeout(clock.now(), out)?,
        }
    };
    loop {
        let all = take_events(&mut ws, &mut input, out)?;
        ws.handle_timeout(clock.now(), out)?;
        flush(socket, out).await?;
        match all {
            _ if ws.is_done() => return Ok(()),
            false => {
                yield_now().await;
                continue;
            }
            true => {}
        }
        let deadline = clock.instant(ws.deadline(clock.now()));
        match timeout_at(deadline, reading.as_mut()).await {
            Ok(Ok(it)) if !it.is_empty() => reading.set(read(socket, input.swap(it, READ))),
            Ok(it) => {
                it?;
                ws.end_of_stream();
            }
            Err(_elapsed) => {}
        }
    }
}

/// Takes events, until there are none, too much is unsent, or it is the turn of other connections.
/// Returns whether all were taken.
fn take_events(ws: &mut Connection, input: &mut RecvBuf, out: &mut BytesMut) -> Outcome<bool> {
    while out.len() < HIGH_WATER {
        match ws.next_event(input, out)? {
            None => return Ok(true),
            Some(Event::Progress) => break, // it costs much to inflate
            Some(_) if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
            Some(Event::Text(text)) => ws.send_text(text, out)?,
            Some(Event::Binary(bytes)) => ws.send_binary(bytes, out)?,
            Some(_) => {} // pings and the Close frame are answered already
        }
    }
    Ok(false)
}

/// Lets the other connections of the thread run.
async fn yield_now() {
    let mut is_woken = false;
    poll_fn(|cx| {
        if is_woken {
            return Poll::Ready(());
        }
        is_woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Reads once into an empty buffer.
async fn read(mut socket: impl AsyncRead, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        let BufResult(result, filled) = socket.read(buffer).await;
        match result {
            Err(error) if error.kind() == ErrorKind::Interrupted => buffer = filled,
            result => return result.map(|_| filled),
        }
    }
}

async fn flush(mut socket: impl AsyncWrite, out: &mut BytesMut) -> io::Result<()> {
    match timeout(WRITE_TIMEOUT, socket.write_all(out.split())).await {
        Ok(BufResult(result, _)) => result,
        Err(_elapsed) => Err(ErrorKind::TimedOut.into()), // the peer does not read
    }
}
