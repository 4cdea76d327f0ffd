//! `https` and `wss`.
use std::sync::Arc;

use live::server::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use websocket_proto::{CloseCode, Event};

use crate::client::{
    Reply, close_code, exchange, options, read_to_end, request, start, tcp, websocket,
};

/// A certificate, and the folder with its files.
struct Identity {
    folder: TempDir,
    certificate: CertificateDer<'static>,
}

impl Identity {
    fn new() -> Self {
        let names = ["localhost".to_string()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("cert.pem"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
        let certificate = cert.der().clone();
        Self {
            folder,
            certificate,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    async fn serve(&self, args: &[&str]) -> Server {
        let tls = ["--tls", &self.file("cert.pem"), &self.file("key.pem")];
        start(&[&tls, args].concat()).await
    }

    async fn connect(
        &self,
        tcp: TcpStream,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

#[tokio::test]
async fn pages_and_websockets_over_tls() {
    let identity = Identity::new();
    let server = identity.serve(&[]).await;
    let stream = identity.connect(tcp(&server).await, &[]).await.unwrap();
    let reply = Reply::parse(&exchange(stream, &request("/healthz", "")).await);
    assert_eq!((reply.status, &*reply.body), (200, "ok\n"));

    let stream = identity
        .connect(tcp(&server).await, &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let url = format!("wss://localhost:{}/dashboard/stream", server.addr().port());
    let mut viewer = websocket(stream, &url).await;
    assert!(matches!(
        viewer.recv().await.unwrap(),
        Some(Event::Binary(_))
    ));
    let stopping = tokio::spawn(server.stop());
    assert_eq!(close_code(&mut viewer).await, Some(CloseCode::GOING_AWAY));
    assert!(
        viewer.recv().await.unwrap().is_none(),
        "the end is a close_notify"
    );
    assert_eq!(stopping.await.unwrap(), 0);
}

#[tokio::test]
async fn the_meter_is_below_tls() {
    let identity = Identity::new();
    let server = identity.serve(&[]).await;
    let stream = identity.connect(tcp(&server).await, &[]).await.unwrap();
    let reply = exchange(stream, &request("/healthz", "")).await;
    let sent = server.app().metrics.bytes_out.get();
    // The certificate alone has some hundred bytes.
    assert!(sent > reply.len() as u64 + 300, "{sent}");
}

#[tokio::test]
async fn http_2_alone_is_refused() {
    let identity = Identity::new();
    let server = identity.serve(&[]).await;
    let error = identity
        .connect(tcp(&server).await, &["h2"])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[tokio::test]
async fn over_the_limit_there_is_no_handshake() {
    let identity = Identity::new();
    let server = identity.serve(&["--max-connections", "1"]).await;
    let _open = identity.connect(tcp(&server).await, &[]).await.unwrap();
    assert_eq!(read_to_end(tcp(&server).await).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_ends_in_10_seconds() {
    let identity = Identity::new();
    let server = identity.serve(&[]).await;
    let mut stream = tcp(&server).await;
    let start = Instant::now();
    stream.write_all(&[22, 3, 1]).await.unwrap(); // the beginning of a record
    read_to_end(stream).await;
    let seconds = start.elapsed().as_secs_f64();
    assert!((9.9..11.0).contains(&seconds), "{seconds} s");
}

#[tokio::test]
async fn files_that_are_no_certificate_are_named() {
    let identity = Identity::new();
    let (cert, key) = (identity.file("cert.pem"), identity.file("key.pem"));
    for (args, named) in [
        (["--tls", &key, &key], &key),
        (["--tls", &cert, &cert], &cert),
        (["--tls", "/missing", &key], &"/missing".to_string()),
    ] {
        let Err(error) = Server::start(options(&args)).await else {
            panic!("{args:?}");
        };
        assert!(error.to_string().contains(named.as_str()), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_can_be_made_at_the_start() {
    let server = start(&["--tls-self-signed"]).await;
    // Nobody knows this certificate, and only then is it refused as unknown.
    let identity = Identity::new();
    let error = identity.connect(tcp(&server).await, &[]).await.unwrap_err();
    assert!(
        error.to_string().contains("UnknownIssuer") || error.to_string().contains("BadSignature"),
        "{error}"
    );
}
