//! An echo server on tokio: compression, keepalive, timeouts, back-pressure, shutdown by Ctrl-C.
use std::io::{self, ErrorKind};
use std::{cell::RefCell, env, error::Error, pin::pin, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};
use tokio::{select, signal, sync::watch, task::JoinSet, task::yield_now};
use websocket_proto::deflate::Pool;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Clock, CloseCode, Config, Connection, Event, ReadyState, RecvBuf};

use examples::options::{self, HELP};

/// Bytes of unsent output above which no events are taken and nothing is read: a peer that does
/// not read has to wait.
const HIGH_WATER: usize = 1 << 20;

/// The work that a connection may do before the other connections of its thread get a turn, in
/// bytes of messages. Each message and each read count as `STEP` bytes more.
const TURN: usize = 256 << 10;
const STEP: usize = 128;

type Stop = watch::Receiver<()>;
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

thread_local! {
    /// A compressor and an inflater, which the connections of a thread share.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

#[tokio::main]
async fn main() -> Outcome {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    if addr.starts_with('-') {
        println!("usage: echo_tokio [OPTIONS] [127.0.0.1:9001]\n\n{HELP}");
        return Ok(());
    }
    let bound = TcpListener::bind(addr).await;
    let listener = bound.map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let config = &*Box::leak(Box::new(config)); // one for all
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut interrupt = pin!(signal::ctrl_c());
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(serve(socket, config, stopping.clone()))),
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

async fn serve(mut socket: TcpStream, config: &'static Config, stopping: Stop) {
    let mut out = BytesMut::new();
    if let Err(error) = echo(&mut socket, &mut out, config, stopping).await {
        eprintln!("connection: {error}");
    }
    let _ = Box::pin(timeout(Duration::from_secs(5), finish(socket, out))).await;
}

/// Does the handshake. `None`: the peer has sent nothing, or the server stops.
async fn open(
    socket: &mut TcpStream,
    out: &mut BytesMut,
    config: &Config,
    stopping: &mut Stop,
) -> Outcome<Option<(Connection, RecvBuf)>> {
    socket.set_nodelay(true)?; // each write has all replies to one read: nothing else joins them
    let (clock, mut input) = (Clock::start(), RecvBuf::new());
    let mut handshake = Handshake::new(*config, Origins::Any); // an echo protects no user data
    loop {
        if let Some((_request, pending)) = handshake.next(&mut input, out)? {
            return Ok(Some((pending.accept(Accept::new(), out)?, input)));
        }
        let deadline = clock.instant(handshake.deadline(clock.now()));
        select! {
            n = socket.read(input.spare(input.read_size())) => match n {
                Ok(n @ 1..) => input.filled(n),
                _ if input.unread().is_empty() => return Ok(None), // a TCP health check sends nothing
                Ok(_) => handshake.end_of_stream(),
                Err(error) => return Err(error.into()),
            },
            () = sleep_until(deadline.into()) => handshake.handle_timeout(clock.now(), out)?,
            Ok(()) = stopping.changed() => return Ok(None),
        }
    }
}

/// Flushes `out` also after an error: it holds the Close frame, or the response that refuses the
/// handshake. Then reads until the peer ends the stream: closing a socket with unread input resets
/// it, and the peer may lose what was sent last.
async fn finish(mut socket: TcpStream, out: BytesMut) -> io::Result<()> {
    socket.write_all(&out).await?;
    socket.shutdown().await?;
    while socket.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

async fn echo(
    socket: &mut TcpStream,
    out: &mut BytesMut,
    config: &Config,
    mut stopping: Stop,
) -> Outcome {
    // A task has room for all that it ever holds across an `.await`. The handshake and the end have
    // boxes of their own, so that an idle connection does not pay for them. What is moved would have
    // room twice, so it is in a box too.
    let Some(opened) = Box::pin(open(socket, out, config, &mut stopping)).await? else {
        return Ok(());
    };
    let (ws, input) = &mut *Box::new(opened);
    let clock = Clock::start();
    let (reader, mut writer) = socket.split();
    let mut work = 0; // since the last turn of the others
    loop {
        POOL.with_borrow_mut(|pool| pool.lend(ws));
        let result = take_events(ws, input, out, &mut work);
        // Before any `.await`, as the task may go on in another thread, and also after an error. A
        // codec with a message under way stays with its connection.
        POOL.with_borrow_mut(|pool| pool.reclaim(ws));
        result?;
        if ws.is_done() {
            return Ok(());
        }
        if work >= TURN {
            work = 0;
            yield_now().await;
            continue; // more events may be in `input`
        }
        work += STEP;
        input.release(); // an idle connection holds no heap memory
        if out.is_empty() {
            *out = BytesMut::new();
        }
        let deadline = clock.instant(ws.deadline(clock.now()));
        select! {
            n = writer.write(out), if !out.is_empty() => out.advance(n?),
            ready = reader.readable(), if out.len() < HIGH_WATER => {
                match ready.and_then(|()| reader.try_read(input.spare(input.read_size()))) {
                    Ok(0) => ws.end_of_stream(),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    n => input.filled(n?),
                }
            }
            () = sleep_until(deadline.into()) => {
                ws.handle_timeout(clock.now(), out)?;
                // Releases the codecs now and then: an idle connection keeps only its history.
                POOL.with_borrow_mut(|pool| pool.hibernate(ws));
            }
            Ok(()) = stopping.changed() => ws.close(CloseCode::GOING_AWAY, "", out)?,
        }
    }
}

/// Takes events until there are none, too much is unsent, or it is the turn of the others.
fn take_events(
    ws: &mut Connection,
    input: &mut RecvBuf,
    out: &mut BytesMut,
    work: &mut usize,
) -> Outcome {
    while out.len() < HIGH_WATER
        && *work < TURN
        && let Some(event) = ws.next_event(input, out)?
    {
        *work += STEP;
        match event {
            Event::Progress => *work = TURN,
            _ if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
            Event::Text(text) => {
                *work += text.len();
                ws.send_text(text, out)?;
            }
            Event::Binary(bytes) => {
                *work += bytes.len();
                ws.send_binary(bytes, out)?;
            }
            _ => {} // pings and the Close frame are answered already
        }
    }
    Ok(())
}
