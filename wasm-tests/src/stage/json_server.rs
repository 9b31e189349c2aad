//! A server of an API that is made of JSON: for stand-ins of services that no machine but their own has.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::pki::Identity;
use super::tls_server::{ClientCertificates, acceptor};

/// Listens on a free port of 127.0.0.1, with this certificate or without TLS, and answers so: status and body.
pub(super) async fn serve<H, F>(identity: Option<&Identity>, answer: H) -> (SocketAddr, JoinHandle<()>)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = (u16, Value)> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let acceptor = identity.map(|identity| acceptor(identity, rustls::ALL_VERSIONS, ClientCertificates::NotAskedFor));
    let serving = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            connections.spawn(async move {
                match acceptor {
                    None => answer_all(stream, answer).await,
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        answer_all(stream, answer).await;
                    }
                }
            });
            while connections.try_join_next().is_some() {}
        }
    });
    (address, serving)
}

/// Answers the requests of one connection.
async fn answer_all<H, F>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answer: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = (u16, Value)> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move {
            let (status, body) = answer.await;
            let response = Response::builder().status(status).header("content-type", "application/json");
            Ok::<_, Infallible>(response.body(Full::<Bytes>::from(body.to_string())).expect("a response"))
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
