//! Real TLS on loopback: whom we trust is asked, and nobody else.

use super::{NetError, Network, Peer, Sending};
use crate::config::Config;
use crate::loopback;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server that proves to be `name` and answers every request; gives where it is, and its certificate as PEM.
async fn server(name: &str) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not trust us breaks off in the middle.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let Some((head, body)) = loopback::request(&mut stream).await else { continue };
            let said = format!("{} and {body}", head.lines().next().unwrap_or_default());
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}", said.len());
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
    });
    (at, made.cert.pem())
}

/// Sends a request to `host` at `at`, and gives what came back.
async fn ask(network: &Network, host: &str, at: SocketAddr) -> Result<(StatusCode, String), NetError> {
    let peer = Peer { host: host.to_owned(), at: vec![at], is_tls: true };
    let sending = Sending {
        method: Method::POST,
        authority: format!("{host}:{}", at.port()),
        path: "/v1/x?y=1".to_owned(),
        headers: HeaderMap::new(),
        body: "hello".into(),
    };
    let mut answer = network.exchange(&peer, sending, 1_000).await?;
    let mut text = Vec::new();
    while let Some(piece) = answer.body.piece().await? {
        text.extend_from_slice(&piece);
    }
    Ok((answer.head.status, String::from_utf8(text).unwrap()))
}

#[tokio::test]
async fn a_server_that_the_configuration_trusts_is_asked_over_tls() {
    let (at, pem) = server("localhost").await;
    let network = Network::trusting(pem.as_bytes()).unwrap();
    let answer = ask(&network, "localhost", at).await.unwrap();
    assert_eq!(answer, (StatusCode::OK, "POST /v1/x?y=1 HTTP/1.1 and hello".to_owned()));
}

#[tokio::test]
async fn a_server_that_nobody_trusts_or_that_is_another_is_refused_in_words() {
    let (at, pem) = server("localhost").await;
    let (_, other) = server("localhost").await;
    for (network, host) in [
        (Network::trusting(other.as_bytes()).unwrap(), "localhost"),
        (Network::trusting(pem.as_bytes()).unwrap(), "elsewhere.test"),
    ] {
        let error = ask(&network, host, at).await.unwrap_err();
        assert!(matches!(error, NetError::Tls { .. }), "{error:?}");
        let told = error.to_string();
        assert!(
            told.starts_with(&format!("the TLS connection to `{host}` failed: invalid peer certificate")),
            "{told}"
        );
    }
}

#[test]
fn what_is_no_certificate_is_not_taken_for_one() {
    for (pem, says) in [
        ("", "no certificate"),
        ("hello", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "no list of certificates"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
    ] {
        let error = Network::trusting(pem.as_bytes()).err().unwrap();
        assert!(error.contains(says), "{pem}: {error}");
    }
}

#[test]
fn the_configuration_names_the_file_by_its_whole_path() {
    let config = Config::read("[network]\nca = \"/etc/proxy.pem\"\n").unwrap();
    assert_eq!(config.ca.unwrap().to_str(), Some("/etc/proxy.pem"));
    let error = Config::read("[network]\nca = \"proxy.pem\"\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 6));
    assert!(error.message.contains("begin with `/`"), "{error}");
}
