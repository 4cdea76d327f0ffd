//! An echo server on tokio: compression, keepalive, deadlines, back-pressure, a goodbye on Ctrl-C.
use std::{cell::RefCell, env, error::Error, io::ErrorKind, pin::pin, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio::{select, signal, sync::watch, task::JoinSet, task::coop};
use websocket_proto::deflate::{DeflateConfig, Pool};
use websocket_proto::handshake::server::{Accept, Handshake, Origins};
use websocket_proto::{CloseCode, Config, Event, ReadyState, RecvBuf};

mod options;
use options::HELP;

/// Unsent bytes above which no event is taken and nothing is read: who does not read must wait.
const HIGH_WATER: usize = 1 << 20;
const READ: usize = 16 << 10;

type Stop = watch::Receiver<()>;
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

thread_local! {
    /// What the connections of a thread take turns with: a compressor and an inflater.
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
}

#[tokio::main]
async fn main() -> Outcome {
    let mut config = Config::new();
    config.max_message_size = 64 << 20;
    config.deflate = Some(DeflateConfig::new());
    let args = options::parse(env::args().skip(1), &mut config.deflate)?;
    let addr = args.first().map_or("127.0.0.1:9001", String::as_str);
    if addr.starts_with('-') {
        println!("usage: echo_tokio [OPTIONS] [127.0.0.1:9001]\n\n{HELP}");
        return Ok(());
    }
    let bound = TcpListener::bind(addr).await;
    let listener = bound.map_err(|error| format!("{addr}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);
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

async fn serve(mut socket: TcpStream, config: Config, stopping: Stop) {
    let mut out = BytesMut::new();
    if let Err(error) = echo(&mut socket, &mut out, config, stopping).await {
        eprintln!("connection: {error}");
    }
    // The last word is in `out`: a Close frame, or the status of a refused opening. Closing a
    // socket with unread input resets it, and may destroy that: shut down writing and drain first.
    let linger = async {
        socket.write_all(&out).await?;
        socket.shutdown().await?;
        while socket.read(&mut [0; 4096]).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = timeout(Duration::from_secs(5), linger).await;
}

async fn echo(
    socket: &mut TcpStream,
    out: &mut BytesMut,
    config: Config,
    mut stopping: Stop,
) -> Outcome {
    let (start, far_away) = (Instant::now(), Duration::from_secs(1 << 30));
    let mut input = RecvBuf::new();

    let mut opening = Handshake::new(config, Origins::Any); // an echo server guards nothing
    let mut ws = loop {
        if let Some((_request, pending)) = opening.next(&mut input, out)? {
            break pending.accept(Accept::new(), out)?;
        }
        let deadline = start + opening.deadline(start.elapsed()).unwrap_or(far_away);
        select! {
            n = socket.read(input.spare(READ)) => match n? {
                0 => opening.end_of_stream(),
                n => input.filled(n),
            },
            () = sleep_until(deadline) => opening.handle_timeout(start.elapsed(), out)?,
            Ok(()) = stopping.changed() => return Ok(()),
        }
    };

    let (reader, mut writer) = socket.split();
    loop {
        POOL.with_borrow_mut(|pool| pool.lend(&mut ws));
        while out.len() < HIGH_WATER
            && let Some(event) = ws.next_event(&mut input, out)?
        {
            match event {
                _ if ws.state() != ReadyState::Open => {} // nothing may follow our Close frame
                Event::Text(text) => ws.send_text(text, out)?,
                Event::Binary(bytes) => ws.send_binary(bytes, out)?,
                _ => {} // pings have been answered
            }
        }
        POOL.with_borrow_mut(|pool| pool.reclaim(&mut ws));
        if ws.is_done() {
            return Ok(());
        }
        coop::consume_budget().await; // who never pauses must not starve the others
        input.release(); // a connection at rest holds no heap memory
        if out.is_empty() {
            *out = BytesMut::new();
        }
        let deadline = start + ws.deadline(start.elapsed()).unwrap_or(far_away);
        select! {
            n = writer.write(out), if !out.is_empty() => out.advance(n?),
            ready = reader.readable(), if out.len() < HIGH_WATER => {
                match ready.and_then(|()| reader.try_read(input.spare(READ))) {
                    Ok(0) => ws.end_of_stream(),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    n => input.filled(n?),
                }
            }
            () = sleep_until(deadline) => {
                ws.handle_timeout(start.elapsed(), out)?;
                // Every now and then all is given back: who is quiet keeps but its last messages.
                POOL.with_borrow_mut(|pool| pool.hibernate(&mut ws));
            }
            // An error says that it is closing already.
            Ok(()) = stopping.changed() => drop(ws.close(CloseCode::GOING_AWAY, "", out)),
        }
    }
}
