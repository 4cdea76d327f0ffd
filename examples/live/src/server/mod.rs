//! HTTP, TLS, metrics, and the shutdown.
//!
//! | module | what it does |
//! |---|---|
//! | `accept` | takes connections, up to a limit, and serves HTTP on them |
//! | `tls` | the certificate, given or made at the start |
//! | `meter` | counts bytes at the socket |
//! | `upgrade` | from a request to a WebSocket |
//! | `guard` | what holds for all requests: headers of the responses, time for the body, the log |
//! | `pages` | the files of the pages |
//! | `status` | `/metrics` and `/healthz` |
//! | `metrics` | what is counted |
//! | `process` | memory, CPU time and files of the process |
//! | `log`, `signals` | the log on stderr, and SIGTERM |
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use examples::Failure;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use websocket_proto::handshake::server::Origins;
use websocket_proto::{Config, deflate::DeflateConfig};

use crate::broker::{EngineState, EngineUrl, HistoryLimits, MessageBroker};
use crate::chat::Chat;
use crate::options::Serve;

mod accept;
mod guard;
pub(crate) mod log;
pub mod meter;
pub mod metrics;
mod pages;
pub mod process;
mod signals;
mod status;
mod tls;
pub mod upgrade;

use signals::Signals;

pub use accept::Slot;
pub use examples::adapters::tokio::Stream;

/// What all requests share: the state of the router.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    pub options: Serve,
    /// The name of this node: the option, or a random one.
    pub node: String,
    pub broker: Arc<MessageBroker>,
    pub chat: Chat,
    pub metrics: metrics::Metrics,
    pub registry: Registry,
    pub origins: Origins,
    /// Of all WebSockets: limits, keepalive, compression.
    pub config: Config,
    /// Becomes `true` when the server stops: sessions then close with 1001.
    pub stopping: watch::Receiver<bool>,
    slots: accept::Slots,
}

impl Shared {
    /// Why the server takes no new sessions now, if so.
    pub fn unavailable(&self) -> Option<&'static str> {
        if *self.stopping.borrow() {
            return Some("the server stops");
        }
        match *self.broker.state().borrow() {
            EngineState::Up => None,
            EngineState::Away => Some("the engine is away"),
        }
    }

    /// The number of open TCP connections: HTTP and WebSocket.
    pub fn sockets(&self) -> usize {
        self.slots.taken()
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        // An error: the server is gone.
        let _ = self.stopping.clone().wait_for(|stop| *stop).await;
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// A server that runs until [`stop`](Self::stop).
pub struct Server {
    addr: SocketAddr,
    app: App,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts the engine, binds the address, and accepts connections.
    pub async fn start(options: Serve) -> Result<Self, Failure> {
        let node = match &options.node {
            Some(node) => node.clone(),
            None => format!("node-{:08x}", getrandom::u32()?),
        };
        let engine: EngineUrl = options.engine.parse()?;
        let limits = HistoryLimits {
            count: options.history,
            age: options.history_age,
            memory: options.history_memory << 20,
            ..HistoryLimits::default()
        };
        let broker = MessageBroker::start(&engine, &node, limits).await?;
        Self::start_with(options, broker).await
    }

    /// The same with a broker that other nodes of this process may share.
    pub async fn start_with(options: Serve, broker: Arc<MessageBroker>) -> Result<Self, Failure> {
        let (stop, stopping) = watch::channel(false);
        let tls = tls::acceptor(&options)?;
        let app = app(options, broker, stopping)?;
        let listen = app.options.listen;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| format!("{listen}: {error}"))?;
        let addr = listener.local_addr()?;
        let accepting = accept::run(listener, tls, app.clone(), router(app.clone()));
        Ok(Self {
            addr,
            app,
            stop,
            accepting: tokio::spawn(accepting),
        })
    }

    /// The address, with the port that the system chose if the option was port 0.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Accepts no more connections, tells the others to end, and waits for them as long as the option
    /// `drain` says. Returns how many have not ended.
    pub async fn stop(self) -> usize {
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "accept");
        }
        self.app.slots.drain(self.app.options.drain).await
    }
}

/// Serves until SIGTERM or Ctrl-C. The first line of output has the address.
pub async fn run(options: Serve) -> Result<(), Failure> {
    log::init(&options)?;
    let mut signals = Signals::new()?;
    let server = Server::start(options).await?;
    let app = server.app().clone();
    let options = &app.options;
    let tls = options.tls.is_some() || options.tls_self_signed;
    let scheme = if tls { "https" } else { "http" };
    println!("listening on {scheme}://{}", server.addr());
    tracing::info!(
        node = app.node,
        engine = engine(&options.engine),
        addr = %server.addr(),
        tls,
        max_connections = options.max_connections,
        max_connections_per_user = options.max_connections_per_user,
        max_rooms = options.max_rooms,
        rate = options.rate,
        burst = options.burst,
        history = options.history,
        history_seconds = options.history_age.as_secs(),
        history_mib = options.history_memory,
        max_lag = options.max_lag,
        drain_seconds = options.drain.as_secs(),
        "started"
    );
    if let Some(files) = process::raise_file_limit()
        && files < options.max_connections as u64
    {
        tracing::warn!(files, "fewer files than max_connections: see `ulimit -Hn`");
    }
    if options.secret.is_none() && engine(&options.engine) != "memory" {
        tracing::warn!(
            "no --secret or LIVE_SECRET: other nodes will not accept the tokens of this node, nor it theirs"
        );
    }
    signals.recv().await;
    tracing::info!(
        open = app.sockets(),
        "stopping; a second signal ends at once"
    );
    let left = select! {
        left = server.stop() => left,
        () = signals.recv() => app.sockets(),
    };
    match left {
        0 => tracing::info!("stopped"),
        _ => tracing::warn!(left, "stopped; some connections did not end in time"),
    }
    Ok(())
}

/// The kind of the engine. Its URL can have a password.
fn engine(url: &str) -> &str {
    url.split_once(':').map_or(url, |(scheme, _)| scheme)
}

fn app(
    options: Serve,
    broker: Arc<MessageBroker>,
    stopping: watch::Receiver<bool>,
) -> Result<App, Failure> {
    let mut registry = Registry::default();
    let metrics = metrics::Metrics::new(&mut registry);
    registry.register_collector(Box::new(metrics::Broker(Arc::clone(&broker))));
    let config = config(&options);
    Ok(App(Arc::new(Shared {
        chat: Chat::new(&options, &broker, &metrics, config.deflate)?,
        slots: accept::Slots::new(options.max_connections),
        origins: origins(&options)?,
        node: options.node.clone().unwrap_or(broker.node().into()),
        config,
        broker,
        metrics,
        registry,
        options,
        stopping,
    })))
}

/// The pages, the four parts of the program, and what holds for all of them.
fn router(app: App) -> Router {
    let routes = Router::new()
        .merge(pages::routes())
        .merge(status::routes())
        .merge(crate::chat::routes())
        .merge(crate::compare::routes())
        .merge(crate::dashboard::routes());
    guard::around(routes, &app).with_state(app)
}

/// Pages of other hosts may not connect. A server on a loopback address also checks its own name:
/// otherwise a foreign page could reach it by a name that points to 127.0.0.1.
fn origins(options: &Serve) -> Result<Origins, Failure> {
    let local = ["localhost", "127.0.0.1", "[::1]"];
    let local = local
        .iter()
        .filter(|_| options.listen.ip().is_loopback())
        .copied();
    let named = options.origins.iter().map(String::as_str);
    let hosts: Vec<&str> = local.chain(named).collect();
    match hosts.is_empty() {
        true => Ok(Origins::SameOrigin),
        false => Origins::hosts(hosts).map_err(|error| {
            let origins = options.origins.join(", ");
            format!("--origin {origins}: {error}. Expected HOST or HOST:PORT, without https://")
                .into()
        }),
    }
}

fn config(options: &Serve) -> Config {
    let mut config = Config::new();
    // A text of 2000 characters is at most 24,000 bytes of JSON, if all of them are escaped.
    config.max_message_size = 32 << 10;
    if !options.no_deflate {
        // Without context takeover a message is compressed once for all readers, and a connection that
        // waits keeps no codec.
        let mut deflate = DeflateConfig::new();
        deflate.server_no_context_takeover = true;
        deflate.client_no_context_takeover = true;
        config.deflate = Some(deflate);
    }
    config
}
