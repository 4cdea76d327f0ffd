//! Opens the stream of a client: TCP, and TLS for `wss://`. To copy it, also copy `tokio.rs`, and
//! `tls.rs` with a feature `tls` of your crate (or delete the lines `cfg`). `tls.rs` needs the crates
//! `tokio-rustls` (`ring`, `tls12`) and `webpki-roots`.
use std::{io, path::PathBuf, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use websocket_proto::handshake::client::Request;

use super::tokio::Stream;

/// The certificates that a client accepts. Default: those of Mozilla's list of authorities.
#[derive(Default)]
pub struct Trust {
    /// A file with certificates (PEM) to accept in addition.
    pub cacert: Option<PathBuf>,
    /// Accepts every certificate, so also that of an attacker.
    pub insecure: bool,
}

pub const HELP: &str = "\
Options of wss://
  --cacert FILE            also accepts the certificates of this file (PEM), and what they sign
  --insecure               accepts every certificate, so also that of an attacker";

impl Trust {
    /// Takes these options out of the arguments.
    pub fn parse(args: &mut Vec<String>) -> Result<Self, String> {
        let mut trust = Self::default();
        if let Some(at) = args.iter().position(|arg| arg == "--cacert") {
            let file = args.get(at + 1).ok_or("--cacert needs a file")?;
            trust.cacert = Some(file.into());
            args.drain(at..at + 2);
        }
        trust.insecure = args.iter().any(|arg| arg == "--insecure");
        args.retain(|arg| arg != "--insecure");
        Ok(trust)
    }
}

/// Connects within `limit`.
pub async fn dial(
    request: &Request<'_>,
    trust: &Trust,
    limit: Duration,
) -> io::Result<Box<dyn Stream>> {
    let (host, port) = (request.host(), request.port());
    let open = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        if request.is_secure() {
            secure(tcp, host, trust).await
        } else {
            Ok(Box::new(tcp) as _)
        }
    };
    let opened = timeout(limit, open).await;
    let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    opened.map_err(|error: io::Error| {
        let text = format!("cannot connect to {host}:{port}: {error}");
        io::Error::new(error.kind(), text)
    })
}

#[cfg(feature = "tls")]
async fn secure(tcp: TcpStream, host: &str, trust: &Trust) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(super::tls::connect(tcp, host, trust).await?))
}

#[cfg(not(feature = "tls"))]
async fn secure(_: TcpStream, _: &str, _: &Trust) -> io::Result<Box<dyn Stream>> {
    let text = "wss:// needs TLS, which was left out: run it with `--features tls`";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}
