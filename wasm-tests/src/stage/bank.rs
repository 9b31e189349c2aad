//! The bank's Ozone Connect backend: it answers every request with what it received, byte for byte, and remembers it.
//!
//! What reaches it has passed the filter, so a test of a refusal also asks that nothing did.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A request as a server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The header lines in order, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// All values of a header.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The only value of a header, as UTF-8.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} arrived {} times", values.len());
        values.first().map(|value| std::str::from_utf8(value).expect("UTF-8"))
    }

    /// Reads the whole request.
    pub(super) async fn of(request: Request<Incoming>) -> Self {
        let (head, body) = request.into_parts();
        Self {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
            body: body.collect().await.map(|whole| whole.to_bytes().to_vec()).unwrap_or_default(),
        }
    }

    /// As it is shown to its sender: header values as text, or as `{"hex": …}` where they are no UTF-8.
    pub(super) fn echo(&self) -> Value {
        let headers: Vec<Value> = self.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
        json!({"method": self.method, "path": self.path, "headers": headers, "body": text(&self.body)})
    }
}

/// The running backend. It stops when it is dropped.
pub struct Bank {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

impl Bank {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(accept(listener, Arc::clone(&received)));
        Self { address, received, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests since the last call of this, in order. It remembers them no longer.
    #[must_use]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops it, as if the backend had crashed.
    pub fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, received: Arc<Mutex<Vec<Received>>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let received = Arc::clone(&received);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&received), request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    received: Arc<Mutex<Vec<Received>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let seen = Received::of(request).await;
    let echo = seen.echo().to_string();
    received.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let response = Response::builder().header("content-type", "application/json").body(Full::from(echo));
    Ok(response.expect("a response"))
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    }
}
