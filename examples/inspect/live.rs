//! Connections that are forwarded unchanged, byte by byte, and shown.
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use examples::Failure;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::frames::Frames;

pub async fn serve(listen: &str, upstream: &str) -> Result<(), Failure> {
    let upstream = upstream.strip_prefix("ws://").unwrap_or(upstream);
    let upstream = upstream.trim_end_matches('/').to_string();
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|error| format!("{listen}: {error}"))?;
    println!(
        "forwarding ws://{} to ws://{upstream}",
        listener.local_addr()?
    );
    for number in 1.. {
        match listener.accept().await {
            Ok((client, _)) => {
                let upstream = upstream.clone();
                tokio::spawn(async move {
                    match forward(number, client, &upstream).await {
                        Ok(()) => println!("#{number} closed"),
                        Err(error) => println!("#{number} {error}"),
                    }
                });
            }
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await; // out of files: wait for some
            }
        }
    }
    Ok(())
}

async fn forward(number: u64, mut client: TcpStream, addr: &str) -> io::Result<()> {
    let start = Instant::now();
    let dialed = timeout(Duration::from_secs(10), TcpStream::connect(addr)).await;
    let dialed = dialed.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    let mut server = dialed.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot connect to {addr}: {error}"))
    })?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let show = |sign: char| {
        move |line: String| {
            let seconds = start.elapsed().as_secs_f64();
            // If nobody reads the lines, the connection goes on.
            let _ = writeln!(io::stdout(), "#{number} {seconds:>9.3} {sign}  {line}");
        }
    };
    // If one direction fails, both end. If one direction ends, the other goes on.
    tokio::try_join!(
        pipe(from_client, to_server, true, show('>')),
        pipe(from_server, to_client, false, show('<')),
    )?;
    Ok(())
}

/// Forwards one direction until its end. What is not taken is not read.
async fn pipe(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_client: bool,
    show: impl Fn(String),
) -> io::Result<()> {
    let (mut frames, mut buf) = (Frames::default(), [0; 16 << 10]);
    frames.is_client = Some(is_client);
    loop {
        let n = from.read(&mut buf).await?;
        frames.push(&buf[..n]);
        frames.by_ref().for_each(|(_, line)| show(line));
        if n == 0 {
            show(frames.end().1);
            return to.shutdown().await;
        }
        to.write_all(&buf[..n]).await?;
    }
}
