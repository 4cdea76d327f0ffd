//! The handshakes of both sides. The client gets its response after the upstream server has answered.
use std::{io, str};

use examples::{Failure, adapters::tokio::Socket, options};
use tokio::{net::TcpStream, time::timeout};
use websocket_proto::handshake::client;
use websocket_proto::handshake::server::{Accept, Handshake, Origins, Reject, Request};
use websocket_proto::{Config, Error};

/// One side of a connection: the client, or the upstream server.
type Side = Socket<TcpStream>;

/// Fields that are forwarded besides the path, Host, Origin and subprotocols.
const FIELDS: [&str; 3] = ["Authorization", "Cookie", "User-Agent"];

/// Opens the connection to the upstream server and that of the client. `None`: the client has sent
/// nothing, as health checks do.
pub async fn both(
    stream: TcpStream,
    addr: &str,
    config: Config,
) -> Result<Option<(Side, Side)>, Failure> {
    stream.set_nodelay(true)?;
    let (limit, mut dialed) = (config.handshake_timeout, None);
    // The upstream server sees Host and Origin, and decides.
    let handshake = Handshake::new(config, Origins::Any);
    let accepted = Socket::accept(stream, handshake, async |request| {
        let opened = timeout(limit, dial(addr, request, config)).await;
        match opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) {
            Ok((upstream, subprotocol)) => {
                dialed = Some(Ok(upstream));
                let response = Accept::new();
                Ok(match subprotocol {
                    Some(name) => response.subprotocol(name),
                    None => response,
                })
            }
            Err(error) => {
                let status = status(&error);
                dialed = Some(Err(error));
                Err(Reject::new(status))
            }
        }
    });
    let client = accepted.await.map_err(|error| format!("client: {error}"))?;
    let upstream = dialed.transpose();
    let upstream = upstream.map_err(|error| format!("upstream: {error}"))?;
    Ok(client.zip(upstream))
}

/// The status that tells the client why the upstream server was not reached.
fn status(error: &Error) -> u16 {
    match error {
        Error::Refused(status @ 300..=599) => *status,
        Error::Url(_) | Error::Head(_) => 400, // what the client sent cannot be sent on
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => 504,
        _ => 502,
    }
}

/// Sends the request of the client to the upstream server. Returns also the subprotocol that the
/// server chose.
async fn dial<'r>(
    addr: &str,
    from: &Request<'r>,
    config: Config,
) -> Result<(Side, Option<&'r str>), Error> {
    // The URL has the Host of the client. It need not be the host to connect to.
    let query = from.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    let url = format!("ws://{}{}{query}", from.host(), from.path());
    let mut request = options::offer(client::Request::new(&url)?, config.deflate);
    for name in from.subprotocols() {
        request = request.subprotocol(name);
    }
    if let Some(origin) = from.origin() {
        request = request.origin(origin);
    }
    for name in FIELDS {
        if let Some(Ok(value)) = from.header(name).map(str::from_utf8) {
            request = request.header(name, value);
        }
    }
    let stream = TcpStream::connect(addr).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot connect to {addr}: {error}"))
    })?;
    stream.set_nodelay(true)?;
    let mut subprotocol = None;
    let upstream = Socket::connect(stream, &request, config, |response| {
        let chosen = response.subprotocol();
        subprotocol = from.subprotocols().find(|&name| chosen == Some(name));
    });
    Ok((upstream.await?, subprotocol))
}
