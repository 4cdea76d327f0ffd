//! Takes connections, up to a limit, and serves HTTP on them.
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio::{pin, select};
use tokio_rustls::TlsAcceptor;

use super::meter::{Meter, Wire};
use super::metrics::Reason;
use super::{App, Stream};

/// How long a client may take for the head of a request, and how long a connection stays open without
/// one.
const HEAD: Duration = Duration::from_secs(10);
/// How long a request may go on after the server has begun to stop.
const GRACE: Duration = Duration::from_secs(2);
/// How long a client may take nothing of what it was sent. Then the system ends the connection: otherwise
/// a client that stops to read in the middle of a response would keep its place for ever.
#[cfg(target_os = "linux")]
const STALLED: Duration = Duration::from_secs(60);
/// The bytes of the head of a request.
const HEAD_SIZE: usize = 16 << 10;
/// How often the log says how many connections were over the limit.
const SUMMARY: Duration = Duration::from_secs(1);
/// Connections over the limit that are answered at the same time. Others are closed at once.
const REFUSALS: usize = 64;
const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
    Content-Type: text/plain\r\nContent-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";

/// The place of a connection among all. A WebSocket keeps it, from the extensions of its request, until
/// its end: the server counts connections by it, and waits for them when it stops.
#[derive(Clone)]
pub struct Slot(
    #[expect(dead_code, reason = "it counts while it lives")] Arc<OwnedSemaphorePermit>,
);

/// All places.
pub struct Slots {
    free: Arc<Semaphore>,
    all: u32,
}

impl Slots {
    pub fn new(connections: usize) -> Self {
        let all = u32::try_from(connections).unwrap_or(u32::MAX);
        // The largest semaphore of tokio on 32 bits is smaller.
        let all = all.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let free = Arc::new(Semaphore::new(all as usize));
        Self { free, all }
    }

    fn take(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Slot(Arc::new(permit)))
    }

    /// Waits until all connections have ended. Returns how many have not.
    pub async fn drain(&self, limit: Duration) -> usize {
        match timeout(limit, self.free.acquire_many(self.all)).await {
            Ok(_) => 0,
            Err(_) => self.taken(),
        }
    }

    pub fn taken(&self) -> usize {
        self.all as usize - self.free.available_permits()
    }
}

/// Accepts connections until the server stops.
pub async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, app: App, router: Router) {
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let (mut refused, mut tell) = (0, Instant::now());
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = app.stopped() => return,
            // Not a line for each of them.
            () = sleep_until(tell), if refused > 0 => {
                tracing::warn!(refused, "too many connections");
                (refused, tell) = (0, Instant::now() + SUMMARY);
                continue;
            }
        };
        match accepted {
            Ok((tcp, _)) => match app.slots.take() {
                Some(slot) => {
                    tokio::spawn(serve(tcp, tls.clone(), slot, app.clone(), router.clone()));
                }
                None => {
                    refused += 1;
                    let reason = "connections";
                    app.metrics.refused.get_or_create(&Reason { reason }).inc();
                    // With TLS, an answer costs a handshake.
                    if tls.is_none()
                        && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
                    {
                        tokio::spawn(refuse(tcp, permit));
                    }
                }
            },
            // It concerns one client, which is gone.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "accept");
                sleep(Duration::from_millis(100)).await; // out of files: wait for some
            }
        }
    }
}

/// Says that the server is full, without a look at the request.
async fn refuse(mut tcp: TcpStream, _permit: OwnedSemaphorePermit) {
    let answer = async {
        tcp.write_all(REFUSAL.as_bytes()).await?;
        tcp.shutdown().await?;
        // If a socket is closed while input is unread, the response may not arrive.
        copy(&mut tcp.take(HEAD_SIZE as u64), &mut sink()).await
    };
    let _ = timeout(Duration::from_secs(1), answer).await;
}

async fn serve(tcp: TcpStream, tls: Option<TlsAcceptor>, slot: Slot, app: App, router: Router) {
    let begun = async {
        // Until its first byte, a connection costs no memory for HTTP and TLS.
        prepare(&tcp).is_ok() && matches!(timeout(HEAD, tcp.peek(&mut [0])).await, Ok(Ok(1)))
    };
    select! {
        begun = begun => if !begun { return },
        () = app.stopped() => return,
    }
    let metrics = &app.metrics;
    let stream = Meter::new(tcp, metrics.bytes_in.clone(), metrics.bytes_out.clone());
    let wire = stream.wire();
    let Some(tls) = tls else {
        return http(stream, wire, slot, &app, router).await;
    };
    let accepted = select! {
        accepted = timeout(HEAD, tls.accept(stream)) => accepted,
        () = app.stopped() => return,
    };
    match accepted {
        Ok(Ok(stream)) => http(stream, wire, slot, &app, router).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS"),
        Err(_) => tracing::debug!("the TLS handshake took too long"),
    }
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(tcp, STALLED.as_millis() as u32)?;
    tcp.set_nodelay(true)
}

/// Serves requests until the connection ends or becomes a WebSocket.
async fn http(stream: impl Stream + 'static, wire: Wire, slot: Slot, app: &App, router: Router) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(wire.clone());
        request.extensions_mut().insert(slot.clone());
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()) // without it there are no time limits
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_SIZE);
    let serving = http
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    pin!(serving);
    let result = select! {
        result = &mut serving => result,
        () = app.stopped() => {
            serving.as_mut().graceful_shutdown();
            let Ok(result) = timeout(GRACE, serving).await else {
                return tracing::debug!("a request was not complete when the server stopped");
            };
            result
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_limited() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (tcp, _) = listener.accept().await.unwrap();
        prepare(&tcp).unwrap();
        assert_eq!(
            rustix::net::sockopt::tcp_user_timeout(&tcp).unwrap(),
            60_000
        );
        assert!(tcp.nodelay().unwrap());
    }
}
