//! TLS: both protocols by ALPN, and certificates that change under way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use panthera_front::{Settings, TlsFiles};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::signer;
use crate::world::{ALICE, EMPTY_SHA256, World, settings, world_with};

/// Takes any certificate: what is tested is the server's protocol, not the client's trust.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn files() -> TlsFiles {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/port/tls");
    TlsFiles { cert: dir.join("test-cert.pem"), key: dir.join("test-key.pem") }
}

fn tls_world(files: TlsFiles) -> World {
    world_with(Settings { tls: Some(files), ..settings() }, |_| {})
}

async fn connect(world: &World, alpn: &[u8]) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let socket = tokio::net::TcpStream::connect(world.at).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    stream
}

fn signed(uri: &str, with_host: bool) -> http::Request<Empty<Bytes>> {
    let lines = signer::sign(ALICE, "GET", ("/photos/hello", ""), "localhost", EMPTY_SHA256, &[]);
    let mut request = http::Request::get(uri);
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        if with_host || name != "host" {
            request = request.header(name, value);
        }
    }
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http2_and_http1_over_tls() {
    let world = tls_world(files());
    let stream = TokioIo::new(connect(&world, b"h2").await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let answer = sender.send_request(signed("https://localhost/photos/hello", false)).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        assert!(answer.headers().contains_key("x-amz-request-id") && answer.headers().contains_key("date"));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello, world");
    }
    let stream = TokioIo::new(connect(&world, b"http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(signed("/photos/hello", true)).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_11));
}

#[tokio::test]
async fn a_certificate_is_replaced_and_a_bad_one_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str, from: &Path| {
        let to = dir.path().join(name);
        std::fs::copy(from, &to).unwrap();
        to
    };
    let files = TlsFiles { cert: copy("c.pem", &files().cert), key: copy("k.pem", &files().key) };
    let world = tls_world(files.clone());
    world.front.reload_tls().unwrap();
    std::fs::write(&files.cert, "no certificate").unwrap();
    let error = world.front.reload_tls().unwrap_err();
    assert!(error.to_string().contains("c.pem"), "{error}");
    connect(&world, b"h2").await;
}

#[test]
fn plain_http_on_a_tls_port_is_closed_and_counted() {
    let world = tls_world(files());
    let mut client = crate::world::Client::connect(world.at);
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(client.head().is_none());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(world.front.metrics().contains("panthera_s3_tls_failures_total 1"));
}
