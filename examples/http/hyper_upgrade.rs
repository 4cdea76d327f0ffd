//! An echo server on hyper: HTTP/1.1 and HTTP/2 (RFC 8441) on one port, and a page that uses it.
use std::{env, fs, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use examples::{Failure, adapters::tokio::Socket, echo::echo, options};
use futures_util::TryFutureExt;
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response, body::Incoming, ext::Protocol, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio::{select, sync::Notify};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use websocket_proto::handshake::http::check;
use websocket_proto::handshake::server::{Accept, Origins};
use websocket_proto::{Config, Connection, RecvBuf};

/// Web pages on other hosts may not connect.
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (config, args) = options::parse(env::args().skip(1))?;
    let addr = args.first().map_or("127.0.0.1:8443", String::as_str);
    if addr.starts_with('-') {
        println!(
            "usage: hyper_upgrade [OPTIONS] [127.0.0.1:8443]\n\n{}",
            options::HELP
        );
        return Ok(());
    }
    let listener = TcpListener::bind(addr).await?;
    let port = listener.local_addr()?.port();
    let (tls, certificate) = tls()?;
    let file = env::current_exe()?.with_file_name(format!("localhost-{port}.pem"));
    fs::write(&file, certificate)?;
    println!("listening on https://localhost:{port}/");
    println!("  a browser:  open it, and accept the certificate, which nobody has signed");
    let file = file.display();
    println!("  curl:       curl --cacert '{file}' https://localhost:{port}/");
    let app = Arc::new((config, Origins::hosts(HOSTS)?));
    loop {
        let accepted = listener.accept().await;
        let Ok((tcp, _)) = accepted.inspect_err(|error| eprintln!("accept: {error}")) else {
            sleep(Duration::from_millis(100)).await; // out of files: wait for some
            continue;
        };
        let serving = serve(tcp, tls.clone(), Arc::clone(&app));
        tokio::spawn(serving.inspect_err(|error| eprintln!("connection: {error}")));
    }
}

/// Makes a new certificate, and returns it as text as well.
fn tls() -> Result<(TlsAcceptor, String), Failure> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(HOSTS.map(String::from))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.into())?;
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok((Arc::new(config).into(), cert.pem()))
}

type App = Arc<(Config, Origins)>;

/// Serves the requests of a connection. In HTTP/2 they share it, and so do their WebSockets.
async fn serve(tcp: TcpStream, tls: TlsAcceptor, app: App) -> Result<(), Failure> {
    let limit = app.0.handshake_timeout;
    let stream = timeout(limit, tls.accept(tcp)).await??;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    let requested = Notify::new();
    let service = service_fn(|request| {
        requested.notify_one();
        answer(request, Arc::clone(&app))
    });
    let serving = async {
        // Without a timer there are no time limits.
        if is_h2 {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new()).keep_alive_interval(limit);
            http.enable_connect_protocol();
            http.serve_connection(stream, service).await
        } else {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(limit);
            http.serve_connection(stream, service).with_upgrades().await
        }
    };
    let mut serving = pin!(serving);
    // hyper does not limit how long a client of HTTP/2 takes to begin.
    select! {
        result = &mut serving => return Ok(result?),
        () = requested.notified() => {}
        () = sleep(limit) => return Err("no request in time".into()),
    }
    Ok(serving.await?)
}

async fn answer(request: Request<Incoming>, app: App) -> Result<Response<Full<Bytes>>, Failure> {
    let html = "text/html; charset=utf-8";
    let response = Response::builder().header("Content-Type", html);
    match request.uri().path() {
        "/" => Ok(response.body(include_str!("page.html").into())?),
        "/echo" => upgrade(request, &app),
        _ => Ok(response.status(404).body("Not found".into())?),
    }
}

fn upgrade(request: Request<Incoming>, app: &App) -> Result<Response<Full<Bytes>>, Failure> {
    let (config, origins) = &**app;
    let protocol = request.extensions().get().map(Protocol::as_str);
    let response = match check(&request, protocol, origins, *config) {
        Err(refusal) => refusal.response(),
        Ok(pending) => {
            let (ws, response) = pending.accept(Accept::new())?;
            // It waits for the stream, which is there after the response.
            let talking = talk(request, ws);
            tokio::spawn(talking.inspect_err(|error| eprintln!("WebSocket: {error}")));
            response
        }
    };
    Ok(Response::<Bytes>::try_from(response)?.map(Full::new))
}

async fn talk(request: Request<Incoming>, ws: Connection) -> Result<(), Failure> {
    let version = format!("connected over {:?}", request.version());
    let stream = TokioIo::new(hyper::upgrade::on(request).await?);
    let mut socket = Socket::new(stream, ws, RecvBuf::new());
    socket.ws.send_text(&version, &mut socket.out)?;
    let result = echo(&mut socket).await;
    socket.finish().await; // also after an error: the Close frame is in `out`
    Ok(result?)
}
