//! TLS by rustls, over a stream of tokio.
use std::{io, path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::dial::Trust;
use super::tokio::Stream;

pub type ServerStream = server::TlsStream<TcpStream>;

/// The only protocol that can be upgraded: a WebSocket over HTTP/2 has another handshake.
const ALPN: &[u8] = b"http/1.1";

/// Makes the server side from a certificate and its key.
pub fn acceptor(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, Error> {
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![ALPN.into()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub async fn connect<S: Stream>(
    stream: S,
    host: &str,
    trust: &Trust,
) -> io::Result<client::TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let named = trust.cacert.as_deref().map_or(Ok(Vec::new()), read)?;
    roots.add_parsable_certificates(named.iter().cloned());
    let verifier = Verifier {
        authorities: WebPkiServerVerifier::builder(Arc::new(roots))
            .build()
            .map_err(io::Error::other)?,
        named,
        insecure: trust.insecure,
    };
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.into()];
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.map_err(explain)
}

/// Reads the certificates of a file.
fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("there is no certificate in it".into()),
        result => result.map_err(|error| error.to_string()),
    }
    .map_err(|error: String| {
        let text = format!("{}: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

/// Adds what to do about the usual errors.
fn explain(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.downcast_ref());
    let hint = match cause {
        Some(Error::InvalidCertificate(_)) => "; --cacert FILE accepts the certificates of a file",
        Some(Error::InvalidMessage(_)) => "; does the server speak TLS?",
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "; does the server speak TLS?",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{error}{hint}"))
}

/// Accepts what the authorities have signed, and the very certificates that a person has named.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
    insecure: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.insecure || self.named.contains(certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities
            .verify_server_cert(certificate, intermediates, host, ocsp, now)
    }

    // The server must prove that it has the key of its certificate, whatever was accepted.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
