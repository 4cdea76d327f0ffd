//! A connection of HTTP/1.1 that sends the header fields of a browser.
use bytes::Bytes;
use examples::Failure;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use crate::server::Stream;

/// What Chromium 156 on Linux sends with each `fetch` and `EventSource` of the page of the comparison,
/// besides `Host`, `Accept` and `Connection`. Other sites have cookies and a `Referer` in addition.
pub const FIELDS: &[(&str, &str)] = &[
    ("sec-ch-ua-platform", "\"Linux\""),
    ("user-agent", USER_AGENT),
    (
        "sec-ch-ua",
        "\"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("accept-encoding", ENCODINGS),
    ("accept-language", LANGUAGES),
];
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/156.0.0.0 Safari/537.36";
pub const ENCODINGS: &str = "gzip, deflate, br, zstd";
pub const LANGUAGES: &str = "en-US,en;q=0.9";

/// Maximum length of a response.
const BODY: usize = 1 << 20;

/// A connection that sends one request after the other.
pub struct Http {
    address: String,
    send: SendRequest<Empty<Bytes>>,
}

impl Http {
    pub async fn connect(address: &str, stream: impl Stream + 'static) -> Result<Self, Failure> {
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when `send` and the response are dropped. Its errors are those of the requests.
        tokio::spawn(connection);
        Ok(Self {
            address: address.into(),
            send,
        })
    }

    /// The server has closed the connection: it does so after some seconds without a request.
    pub fn is_closed(&self) -> bool {
        self.send.is_closed()
    }

    /// Sends a request, and returns the response if its status says success.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header("connection", "keep-alive");
        for (name, value) in FIELDS.iter().chain(fields) {
            request = request.header(*name, *value);
        }
        self.send.ready().await?;
        let response = self.send.send_request(request.body(Empty::new())?).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let reason = body(response).await?;
        Err(format!("{status}: {}", String::from_utf8_lossy(&reason)).into())
    }

    /// Sends a request, and returns the body of the response.
    pub async fn fetch(&mut self, method: Method, path: &str) -> Result<Bytes, Failure> {
        body(self.send(method, path, &[("accept", "*/*")]).await?).await
    }
}

async fn body(response: Response<Incoming>) -> Result<Bytes, Failure> {
    Ok(Limited::new(response.into_body(), BODY)
        .collect()
        .await?
        .to_bytes())
}
