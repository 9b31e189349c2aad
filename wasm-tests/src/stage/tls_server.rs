//! A server with any TLS that rustls can do, which answers as it is told: for what is wrong with a listener, or with a server of the Hub's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::pki::Identity;

/// Which client certificates it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None.
    NotAskedFor,
    /// Of this CA, if the client has one.
    Optional(CertificateDer<'static>),
    /// Of this CA.
    Required(CertificateDer<'static>),
}

/// What is answered to a GET of this path by whoever has this certificate: status and body.
pub type Answer = fn(&str, Option<&CertificateDer<'static>>) -> (u16, Value);

/// The running server. It stops when it is dropped.
pub struct TlsServer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl TlsServer {
    /// Listens on a free port of 127.0.0.1, presents `identity` and speaks these versions.
    pub async fn start(
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
        client_certificates: ClientCertificates,
        answer: Answer,
    ) -> Self {
        Self::start_ahead(identity, versions, client_certificates, answer, Duration::ZERO).await
    }

    /// The same, by a clock that is so far ahead.
    pub async fn start_ahead(
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
        client_certificates: ClientCertificates,
        answer: Answer,
        ahead: Duration,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let acceptor = acceptor(identity, versions, client_certificates);
        let serving = tokio::spawn(accept(listener, acceptor, answer, ahead));
        Self { address, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) fn acceptor(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    client_certificates: ClientCertificates,
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = |root: CertificateDer<'static>, is_optional: bool| -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(root).expect("a root certificate");
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = if is_optional { builder.allow_unauthenticated() } else { builder };
        builder.build().expect("a verifier")
    };
    let verifier = match client_certificates {
        ClientCertificates::NotAskedFor => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Optional(root) => verifier(root, true),
        ClientCertificates::Required(root) => verifier(root, false),
    };
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("TLS versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key())
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, answer: Answer, ahead: Duration) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, acceptor.clone(), answer, ahead));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, answer: Answer, ahead: Duration) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let chain = stream.get_ref().1.peer_certificates();
    let certificate = chain.and_then(|chain| chain.first()).cloned();
    let service = service_fn(|request: Request<Incoming>| {
        let (status, body) = answer(request.uri().path(), certificate.as_ref());
        let date = httpdate::fmt_http_date(SystemTime::now() + ahead);
        let response =
            Response::builder().status(status).header("content-type", "application/json").header("date", date);
        let response = response.body(Full::<Bytes>::from(body.to_string())).expect("a response");
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    // An error is that the other side has gone.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
