//! Connections, with TLS where the address says so.

use super::NetError;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
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
        let config = self.tls.get_or_init(trusted).clone().map_err(failed)?;
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

/// TLS with the certificates that this machine trusts.
fn trusted() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "this machine trusts no certificates; install its package of them, or name a file by SSL_CERT_FILE"
                .to_owned(),
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
