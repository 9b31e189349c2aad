//! The Hub's Consent Manager and Headless Heimdall: a server that demands the bank's C3 in TLS and a right token with every
//! request (spec §2.4, §4), offers `GET /hello-mtls` (spec §2.7), and answers everything else with what it received.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::PROVIDER_ID;
use super::bank::Received;
use super::keystore::Publications;
use super::pki::{Identity, Pki};
use super::tokens::now;

mod verifier;

pub use verifier::Accepted;
use verifier::{Caller, Verifier};

/// A request that arrived, and whether the Hub accepts its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The server name that the caller asked for in TLS.
    pub server_name: Option<String>,
    /// The request.
    pub request: Received,
    /// Its token, or what was wrong with it.
    pub verdict: Result<Accepted, String>,
}

impl Call {
    /// Its token; panics if it was wrong.
    pub fn accepted(&self) -> &Accepted {
        self.verdict.as_ref().unwrap_or_else(|reason| panic!("the Hub refuses {}: {reason}", self.request.path))
    }
}

/// The running server. It stops when it is dropped.
pub struct Hub {
    state: Arc<State>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

/// Makes header lines for one response.
type ResponseHeaders = Box<dyn Fn() -> Vec<(String, String)> + Send>;

struct State {
    pki: &'static Pki,
    verifier: Verifier,
    acceptor: Mutex<TlsAcceptor>,
    response_headers: Mutex<ResponseHeaders>,
    hangs_up: Mutex<bool>,
    calls: Mutex<Vec<Call>>,
    refused_handshakes: Mutex<usize>,
}

impl Hub {
    /// Listens on a free port of 127.0.0.1 with its certificate from the Trust Framework. It believes the keys that the
    /// keystore publishes.
    pub async fn start(pki: &'static Pki, publications: Publications) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            pki,
            verifier: Verifier::new(publications, PROVIDER_ID),
            acceptor: Mutex::new(acceptor(pki, &pki.hub_server)),
            response_headers: Mutex::new(Box::new(Vec::new)),
            hangs_up: Mutex::default(),
            calls: Mutex::default(),
            refused_handshakes: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { state, address, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Presents another certificate on new connections.
    pub fn present(&self, identity: &Identity) {
        *locked(&self.state.acceptor) = acceptor(self.state.pki, identity);
    }

    /// Puts the header lines that this makes on each response, such as one with a token.
    pub fn respond_with(&self, headers: impl Fn() -> Vec<(String, String)> + Send + 'static) {
        *locked(&self.state.response_headers) = Box::new(headers);
    }

    /// From now on, closes the connection as soon as it has read a request.
    pub fn hang_up(&self) {
        *locked(&self.state.hangs_up) = true;
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.state.calls).clone()
    }

    /// The requests since the last call of this, in order. It remembers them no longer.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut locked(&self.state.calls))
    }

    /// How many TLS handshakes failed, on whichever side.
    #[must_use]
    pub fn refused_handshakes(&self) -> usize {
        *locked(&self.state.refused_handshakes)
    }

    /// Stops it, as if the Hub could not be reached.
    pub fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Demands a client certificate that the Trust Framework's root vouches for.
fn acceptor(pki: &Pki, identity: &Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(pki.root()).expect("a root certificate");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(identity.chain.clone(), identity.key())
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let accepting = locked(&state.acceptor).accept(stream);
    let Ok(stream) = accepting.await else {
        *locked(&state.refused_handshakes) += 1;
        return;
    };
    let (_, tls) = stream.get_ref();
    let leaf = tls.peer_certificates().and_then(|chain| chain.first()).expect("rustls demands a certificate");
    let caller = Arc::new(Caller::of(leaf).expect("a subject with O, OU and CN"));
    let server_name = tls.server_name().map(ToOwned::to_owned);
    let service = service_fn(|request| answer(Arc::clone(&state), Arc::clone(&caller), server_name.clone(), request));
    // An error is what hang_up is for, or the other side has gone.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    state: Arc<State>,
    caller: Arc<Caller>,
    server_name: Option<String>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let request = Received::of(request).await;
    let verdict = state.verifier.verify(&caller, &request.values("authorization"), now());
    let (status, body) = match &verdict {
        Err(reason) => (401, json!({"errorMessage": reason})),
        Ok(_) if request.method == "GET" && request.path == "/hello-mtls" => (200, hello(&caller, &request)),
        Ok(_) => (200, request.echo()),
    };
    locked(&state.calls).push(Call { server_name, request, verdict });
    if *locked(&state.hangs_up) {
        return Err(io::Error::other("hanging up, as told"));
    }
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in locked(&state.response_headers)() {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body.to_string())).expect("a response"))
}

/// The shape of `/echo-cert`.
fn hello(caller: &Caller, request: &Received) -> Value {
    json!({
        "connectionEstablished": true,
        "mtlsStatus": "established",
        "hostName": request.value("host"),
        "clientCertificate": {"subject": caller.subject, "issuer": caller.issuer},
    })
}
