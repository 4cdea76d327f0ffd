//! The certificate of `wss` and `https`, given or made at the start.
use std::path::Path;
use std::sync::Arc;

use examples::Failure;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::options::Serve;

/// HTTP/2 is not offered. There, a WebSocket is a stream of a connection that others share (RFC 8441):
/// bytes could not be counted for each transport, and one connection would be many. The example
/// `http/hyper_upgrade` does it.
const ALPN: &[u8] = b"http/1.1";

/// `None`: the options ask for no TLS.
pub fn acceptor(options: &Serve) -> Result<Option<TlsAcceptor>, Failure> {
    let (chain, key) = match options.tls.as_deref() {
        Some([chain, key]) => read(chain, key)?,
        _ if options.tls_self_signed => make(options)?,
        _ => return Ok(None),
    };
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.into()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(chain: &Path, key: &Path) -> Result<Identity, Failure> {
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
    let certificates: Vec<_> =
        certificates.map_err(|error| format!("{}: {error}", chain.display()))?;
    if certificates.is_empty() {
        return Err(format!("{}: there is no certificate in it", chain.display()).into());
    }
    let key =
        PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    Ok((certificates, key))
}

fn make(options: &Serve) -> Result<Identity, Failure> {
    let mut names = vec!["localhost".into(), "127.0.0.1".into(), "::1".into()];
    let ip = options.listen.ip();
    if !ip.is_unspecified() && !ip.is_loopback() {
        names.push(ip.to_string());
    }
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
    Ok((vec![cert.der().clone()], signing_key.into()))
}
