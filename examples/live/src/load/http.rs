//! Plain HTTP to a node, over connections that stay open: tokens and metrics.
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use examples::Failure;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use websocket_proto::handshake::client;

const LIMIT: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 1 << 20;

/// A server.
pub struct Node {
    /// `ws://HOST:PORT`, without a path.
    pub url: String,
    pub addr: SocketAddr,
    host: String,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

impl Node {
    pub async fn new(url: &str) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/');
        let parsed = client::Request::new(url).map_err(|error| format!("{url}: {error}"))?;
        let host = url.trim_start_matches("ws://");
        if parsed.is_secure() || host.contains(['/', '?']) || host == url {
            return Err(format!("{url}: needed is ws://HOST:PORT, without TLS and path").into());
        }
        let found = lookup_host((parsed.host(), parsed.port())).await;
        let addr = found.ok().and_then(|mut all| all.next());
        Ok(Self {
            addr: addr.ok_or_else(|| format!("{url}: the host is not known"))?,
            host: host.into(),
            url: url.into(),
            idle: RefCell::default(),
        })
    }

    /// A token for one connection of a user.
    pub async fn token(&self, user: &str) -> Result<String, Failure> {
        let body = serde_json::json!({ "name": user }).to_string();
        let (status, body) = self.request(Method::POST, "/token", body).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        match answer["token"].as_str() {
            Some(token) if status.is_success() => Ok(token.into()),
            _ => Err(format!("no token: status {status}").into()),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        match self.request(Method::GET, path, String::new()).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(format!("{path}: status {status}").into()),
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, &self.host);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(body))?;
        timeout(LIMIT, async {
            let mut sender = self.sender().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BODY);
            let body = body.collect().await?.to_bytes();
            self.idle.borrow_mut().push(sender);
            Ok((status, body))
        })
        .await
        .unwrap_or_else(|_| Err("HTTP: no answer in time".into()))
    }

    /// An idle connection that is still open, or a new one.
    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        loop {
            let idle = self.idle.borrow_mut().pop();
            let Some(mut sender) = idle else { break };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}
