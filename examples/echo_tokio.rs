//! An echo server on tokio: compression, keepalive, timeouts, back-pressure, shutdown by Ctrl-C.
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::{cell::RefCell, env, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};
use tokio::{select, signal, sync::watch, task::JoinSet, task::yield_now};
use websocket_proto::deflate::Pool;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{Clock, CloseCode, Config, Connection, Error, Event, ReadyState, RecvBuf};

use examples::options::{self, HELP};

/// Bytes of unsent output above which no events are taken and nothing is read: a peer that does
/// not read has to wait.
const HIGH_WATER: usize = 1 << 20;

/// The work that a connection may do before the other connections of its thread get a turn, in
/// bytes of messages. Each message and each read count as `STEP` bytes more.
const TURN: usize = 256 << 10;
const STEP: usize = 128;

type Stop = watch::Receiver<()>;
type Outcome<T = ()> = Result<T, Error>;

thread_local! {
    /// A compressor and an inflater, which the connections of a thread share.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

#[tokio::main]
async fn main() -> Result<(), examples::Failure> {
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
                Ok((socket, _)) => drop(connections.spawn(start(socket, config, stopping.clone()))),
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

async fn start(socket: TcpStream, config: &'static Config, stopping: Stop) {
    let _ = socket.set_nodelay(true); // each write has all replies to one read: nothing else joins them
    if let Err(error) = serve(socket, config, stopping).await {
        eprintln!("connection: {error}");
    }
}

/// A `TcpStream`, or the stream of a test. To wait for a stream needs no memory, to read does.
pub trait Stream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_read(&self, room: &mut [u8]) -> io::Result<usize>;
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Stream for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        self.try_read(room)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }
}

/// Reads once. `None` at the end of the stream.
fn read(socket: &impl Stream, input: &mut RecvBuf) -> io::Result<Option<usize>> {
    match socket.try_read(input.spare(input.read_size())) {
        Ok(0) => Ok(None),
        Ok(n) => {
            input.filled(n);
            Ok(Some(n))
        }
        Err(error) if is_pause(&error) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// Writes once. After an error, nothing may follow what was written: `out` is empty then.
fn write(socket: &impl Stream, out: &mut BytesMut) -> io::Result<()> {
    let written = match socket.try_write(out) {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if is_pause(&error) => Ok(0),
        written => written,
    };
    match written {
        Ok(n) => out.advance(n),
        Err(_) => out.clear(),
    }
    written.map(drop)
}

/// It is to be tried again.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Serves a connection until its end.
pub async fn serve(socket: impl Stream, config: &Config, stopping: Stop) -> Outcome {
    let mut out = BytesMut::new();
    let result = echo(&socket, &mut out, config, stopping).await;
    let _ = Box::pin(timeout(Duration::from_secs(5), finish(socket, out))).await;
    result
}

/// Does the handshake. `None`: the peer has sent nothing, or the server stops.
async fn open(
    socket: &impl Stream,
    out: &mut BytesMut,
    config: &Config,
    stopping: &mut Stop,
) -> Outcome<Option<(Connection, RecvBuf)>> {
    let (clock, mut input) = (Clock::start(), RecvBuf::new());
    let mut handshake = Handshake::new(*config, Origins::Any); // an echo protects no user data
    loop {
        if let Some((_request, pending)) = handshake.next(&mut input, out)? {
            return Ok(Some((pending.accept(Accept::new(), out)?, input)));
        }
        let deadline = clock.instant(handshake.deadline(clock.now()));
        select! {
            ready = poll_fn(|cx| socket.poll_readable(cx)) => {
                match ready.and_then(|()| read(socket, &mut input)) {
                    Ok(Some(_)) => {}
                    _ if input.unread().is_empty() => return Ok(None), // a TCP health check sends nothing
                    Ok(None) => handshake.end_of_stream(),
                    Err(error) => return Err(error.into()),
                }
            }
            () = sleep_until(deadline.into()) => handshake.handle_timeout(clock.now(), out)?,
            Ok(()) = stopping.changed() => return Ok(None),
        }
    }
}

/// Flushes `out` also after an error: it holds the Close frame, or the response that refuses the
/// handshake. Then reads until the peer ends the stream: closing a socket with unread input resets
/// it, and the peer may lose what was sent last.
async fn finish(mut socket: impl Stream, mut out: BytesMut) -> io::Result<()> {
    while !out.is_empty() {
        poll_fn(|cx| socket.poll_writable(cx)).await?;
        write(&socket, &mut out)?;
    }
    poll_fn(|cx| socket.poll_shutdown(cx)).await?;
    let mut dropped = RecvBuf::new();
    loop {
        poll_fn(|cx| socket.poll_readable(cx)).await?;
        if read(&socket, &mut dropped)?.is_none() {
            return Ok(());
        }
        dropped.clear();
    }
}

async fn echo(
    socket: &impl Stream,
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
            ready = poll_fn(|cx| socket.poll_writable(cx)), if !out.is_empty() => {
                ready?;
                write(socket, out)?;
            }
            ready = poll_fn(|cx| socket.poll_readable(cx)), if out.len() < HIGH_WATER => {
                ready?;
                if read(socket, input)?.is_none() {
                    ws.end_of_stream();
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
