//! An echo server over TLS, with a certificate that it makes at its start.
use std::{env, time::Duration};

use examples::adapters::tls::{ServerStream, acceptor};
use examples::options::{self, HELP};
use examples::{Failure, adapters::tokio::Socket, echo::echo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use websocket_proto::Config;
use websocket_proto::handshake::server::{Accept, Handshake, Origins};

const USAGE: &str = "usage: tls [OPTIONS] [ADDRESS:PORT]

Echoes messages on wss://ADDRESS:PORT; default: 127.0.0.1:9443. Its certificate is for localhost and
for that address. It is new at each start, and its key is never stored.";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:9443", String::as_str);
    if addr.starts_with('-') {
        println!("{USAGE}\n\n{HELP}");
        return Ok(());
    }
    let bound = TcpListener::bind(addr).await;
    let listener = bound.map_err(|error| format!("{addr}: {error}"))?;
    let addr = listener.local_addr()?;

    let names = ["localhost".to_string(), addr.ip().to_string()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
    let file = env::current_exe()?.with_file_name(format!("localhost-{}.pem", addr.port()));
    std::fs::write(&file, cert.pem()).map_err(|error| format!("{}: {error}", file.display()))?;
    let acceptor = acceptor(cert.der().clone(), signing_key.into())?;

    println!("listening on wss://{addr}");
    println!("  our client: cargo run --release -p examples --features tls --bin client -- \\");
    println!(
        "      --cacert '{}' wss://localhost:{}",
        file.display(),
        addr.port()
    );
    println!(
        "  a browser:  open https://{addr} and accept the certificate; the server answers that it"
    );
    println!("      wants a WebSocket. In the console of that page: new WebSocket('wss://{addr}')");
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => drop(tokio::spawn(serve(tcp, acceptor.clone(), config))),
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await; // out of files: wait for some
            }
        }
    }
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, config: Config) {
    let accepted = timeout(config.handshake_timeout, accept(tcp, acceptor)).await;
    let result = match accepted.unwrap_or_else(|_| Err("the TLS handshake took too long".into())) {
        Ok(Some(stream)) => talk(stream, config).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| eprintln!("connection: {error}"));
}

/// The TLS handshake. `None`: the stream ended before its first byte, as with the health checks of
/// load balancers.
async fn accept(tcp: TcpStream, acceptor: TlsAcceptor) -> Result<Option<ServerStream>, Failure> {
    tcp.set_nodelay(true)?;
    match tcp.peek(&mut [0]).await {
        Ok(1..) => Ok(Some(acceptor.accept(tcp).await?)),
        _ => Ok(None),
    }
}

async fn talk(stream: ServerStream, config: Config) -> Result<(), Failure> {
    let handshake = Handshake::new(config, Origins::Any); // an echo protects no user data
    let accepted = Socket::accept(stream, handshake, async |_| Ok(Accept::new())).await?;
    let Some(mut socket) = accepted else {
        return Ok(());
    };
    let result = echo(&mut socket).await;
    socket.finish().await; // also after an error: the Close frame is in `out`
    Ok(result?)
}
