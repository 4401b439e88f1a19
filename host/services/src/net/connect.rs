//! Connections, with TLS where the address says so.

use super::NetError;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one address is tried before the next.
const CONNECT: Duration = Duration::from_secs(10);
/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;
/// The most header lines of an answer.
const MAX_HEADERS: usize = 100;

/// Makes connections. The certificates that this machine trusts are read when they are needed first.
#[derive(Default)]
pub struct Network {
    /// Certificates that are trusted beside those.
    more: Vec<CertificateDer<'static>>,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// Whom to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its name or address, as it stands in an address; what its certificate has to be for.
    pub(crate) host: String,
    /// Where it is, in the order to try.
    pub(crate) at: Vec<SocketAddr>,
    /// Whether it has to prove who it is.
    pub(crate) is_tls: bool,
}

impl Network {
    /// One that trusts these certificates (PEM) beside those of the machine.
    ///
    /// # Errors
    /// In words, where the text holds no certificate, or one that cannot be read.
    pub fn trusting(pem: &[u8]) -> Result<Self, String> {
        let more = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let more = more.map_err(|error| format!("it is no list of certificates in the form PEM: {error}"))?;
        if more.is_empty() {
            return Err("it has no certificate in the form PEM (`-----BEGIN CERTIFICATE-----`)".to_owned());
        }
        let mut trial = RootCertStore::empty();
        for certificate in &more {
            trial
                .add(certificate.clone())
                .map_err(|error| format!("one of its certificates cannot be used: {error}"))?;
        }
        Ok(Self { more, tls: OnceLock::new() })
    }

    /// Connects to the first address that answers.
    pub(crate) async fn connect(&self, peer: &Peer) -> Result<SendRequest<Full<Bytes>>, NetError> {
        let host = || peer.host.clone();
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in &peer.at {
            let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    // What is sent is sent whole; waiting for more of it only costs time.
                    stream.set_nodelay(true).map_err(|source| NetError::Connect { host: host(), source })?;
                    return if peer.is_tls { self.secure(peer, stream).await } else { shake_hands(peer, stream).await };
                }
                Err(error) => failed = error,
            }
        }
        Err(NetError::Connect { host: host(), source: failed })
    }

    async fn secure(&self, peer: &Peer, stream: TcpStream) -> Result<SendRequest<Full<Bytes>>, NetError> {
        let failed = |reason: String| NetError::Tls { host: peer.host.clone(), reason };
        let config = self.tls.get_or_init(|| trusted(&self.more)).clone().map_err(failed)?;
        let name = peer.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
        let secured = tokio::time::timeout(CONNECT, TlsConnector::from(config).connect(name, stream)).await;
        match secured {
            Ok(Ok(stream)) => shake_hands(peer, stream).await,
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("it took too long".to_owned())),
        }
    }
}

async fn shake_hands<S>(peer: &Peer, stream: S) -> Result<SendRequest<Full<Bytes>>, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken =
        http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).handshake(TokioIo::new(stream)).await;
    let (sender, connection) =
        shaken.map_err(|error| NetError::Http { host: peer.host.clone(), reason: error.to_string() })?;
    // Ends with the exchange; what goes wrong with it is told there.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// TLS with the certificates that this machine trusts, and some more.
fn trusted(more: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs.into_iter().chain(more.iter().cloned()));
    if roots.is_empty() {
        return Err(
            "this machine trusts no certificates; install its package of them, or name a file of them as `ca` under `[network]` of the configuration"
                .to_owned(),
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
