//! A caller of the bank: HTTP/1.1 over TLS with a client certificate of choice, or plain as the bank's own authorisation
//! server calls its gateway, and header lines exactly as given, repeated or not UTF-8 as they may be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::pki::{Identity, LISTENER_NAME};

/// No answer takes longer on the stage, so a test never hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a credential.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// `GET /accounts` with a bearer token: what the Hub sends most.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        Self::new("GET", "/accounts").header("authorization", format!("Bearer {token}"))
    }

    /// With one more header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        body.clone_into(&mut self.body);
        self
    }
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer.
    Reply(Reply),
    /// The connection was refused or cut before an answer, for this reason. With TLS 1.3 a refused certificate shows
    /// here at the first read, because the client finishes its handshake first.
    Refused(String),
}

impl Outcome {
    /// The answer; panics if there was none.
    #[must_use]
    pub fn reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Refused(reason) => panic!("no answer: {reason}"),
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header lines.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// From sending the request to having the whole body.
    pub took: Duration,
}

impl Reply {
    /// The first value of a header, if it is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The body as JSON, `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The standard's `errorCode`.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        self.json().get("errorCode")?.as_str().map(ToOwned::to_owned)
    }
}

/// An open connection. Dropping it closes it, whatever it was waiting for.
pub struct Connection {
    host: String,
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Connects to the bank's listener, which must have S4 from `root`, with this client certificate or none.
    ///
    /// # Errors
    /// The reason, if the handshake failed.
    pub async fn open(
        address: SocketAddr,
        root: &CertificateDer<'static>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        Self::open_to(LISTENER_NAME, address, root, identity).await
    }

    /// Connects to a server of this name.
    ///
    /// # Errors
    /// The reason, if the handshake failed.
    pub async fn open_to(
        host: &'static str,
        address: SocketAddr,
        root: &CertificateDer<'static>,
        identity: Option<&Identity>,
    ) -> Result<Self, String> {
        let opening = async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            // Without it the request waits 40 ms for the acknowledgement of the handshake's last message.
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let name = ServerName::try_from(host).expect("a host name");
            let connector = TlsConnector::from(Arc::new(tls(root, identity)));
            let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
            Self::over(host, stream).await
        };
        timeout(PATIENCE, opening).await.unwrap_or_else(|_| Err("no handshake in time".to_owned()))
    }

    /// Connects without TLS, for requests to this host.
    ///
    /// # Errors
    /// The reason, if nobody listens.
    pub async fn open_plain(address: SocketAddr, host: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Self::over(host, stream).await
    }

    async fn over(host: &str, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self, String> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| reasons(&error))?;
        // Its error also reaches the request that waits for the answer.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { host: host.to_owned(), sender, driver })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&mut self, request: &Request) -> Outcome {
        let started = Instant::now();
        let answering = async {
            // The answer before may have arrived a moment before the connection is free again.
            self.sender.ready().await?;
            let response = self.sender.send_request(prepared(&self.host, request)).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            Ok(Reply { status: head.status.as_u16(), headers: headers.collect(), body, took: started.elapsed() })
        };
        match timeout(PATIENCE, answering).await {
            Ok(Ok(reply)) => Outcome::Reply(reply),
            Ok(Err(error)) => Outcome::Refused(reasons::<hyper::Error>(&error)),
            Err(_) => Outcome::Refused("no answer in time".to_owned()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One request over plain HTTP, without a body: the status and the body of the answer.
///
/// # Errors
/// The reason, if there was no answer.
pub async fn plain(address: SocketAddr, method: &str, path: &str) -> Result<(u16, String), String> {
    match send_plain(address, LISTENER_NAME, &Request::new(method, path)).await {
        Outcome::Reply(reply) => Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned())),
        Outcome::Refused(reason) => Err(reason),
    }
}

/// Sends a request for this host over plain HTTP, on a connection of its own.
pub async fn send_plain(address: SocketAddr, host: &str, request: &Request) -> Outcome {
    match Connection::open_plain(address, host).await {
        Ok(mut connection) => connection.send(request).await,
        Err(reason) => Outcome::Refused(reason),
    }
}

/// How a caller does TLS with a server from `root`, with this client certificate or none. No session is resumed.
#[must_use]
pub fn tls(root: &CertificateDer<'static>, identity: Option<&Identity>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).expect("a root certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.key()).expect("a certificate and its key")
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

pub(super) fn prepared(host: &str, request: &Request) -> hyper::Request<Full<Bytes>> {
    let mut prepared = hyper::Request::new(Full::from(request.body.clone()));
    *prepared.method_mut() = request.method.parse().expect("a method");
    *prepared.uri_mut() = request.path.parse().expect("a path");
    let headers = prepared.headers_mut();
    headers.append("host", HeaderValue::from_str(host).expect("a host name"));
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(name, HeaderValue::from_bytes(value).expect("a header value"));
    }
    prepared
}

/// An error and its causes in one line.
fn reasons<E: std::error::Error>(error: &E) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
