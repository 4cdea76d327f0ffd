//! `wss://`: the attacks go to a port of this program, which forwards them over TLS.
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use examples::adapters::dial::{Trust, dial};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use websocket_proto::handshake::client::Request;

const CONNECT: Duration = Duration::from_secs(5);

/// Returns the address that leads to the host and port of this `wss://` URL.
pub fn open(url: &str) -> Result<SocketAddr, String> {
    let url = url.to_string();
    let _ = Request::new(&url).map_err(|error| format!("{url}: {error}"))?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let bound = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = bound.map_err(|error| error.to_string())?;
    let addr = listener.local_addr().map_err(|error| error.to_string())?;
    thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((plain, _)) = listener.accept().await {
                tokio::spawn(forward(plain, url.clone()));
            }
        });
    });
    Ok(addr)
}

/// Forwards both directions, and the end of each.
async fn forward(mut plain: TcpStream, url: String) -> io::Result<()> {
    // Whose certificate it is does not matter to an attacker.
    let trust = Trust {
        cacert: None,
        insecure: true,
    };
    plain.set_nodelay(true)?;
    let request = Request::new(&url).map_err(|error| io::Error::other(error.to_string()))?;
    let mut secure = dial(&request, &trust, CONNECT).await?;
    copy_bidirectional(&mut plain, &mut secure).await?;
    Ok(())
}
