//! The Trust Framework's keystore: an HTTPS server that publishes `/{OU}/{CN}/application.jwks` (the standard's
//! *JWT Auth*), counts what is fetched, and can be told to fail in every way that a real one fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;

use super::pki::Identity;
use super::subject::Subject;

/// How the keystore answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// With the published set, or 404.
    Normal,
    /// As `Normal`, this much later.
    Slow(Duration),
    /// With this.
    Answer {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// With the length of the whole set, half of the set, and then a closed connection.
    HalfAnswer,
    /// By closing the connection as soon as it has read the request.
    HangUp,
    /// With this JSON, once on each connection. The next request there it reads and closes the connection: so it is with a server that
    /// ends an idle connection at the moment when a request comes.
    OnceAConnection(Value),
}

impl Behaviour {
    /// An error page with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::html_with(status)
    }

    /// 200 with a page, as a captive portal or a maintenance page does.
    #[must_use]
    pub fn html() -> Self {
        Self::html_with(200)
    }

    /// 200 with a set without keys.
    #[must_use]
    pub fn empty_set() -> Self {
        Self::json(&json!({"keys": []}))
    }

    /// 200 with this JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::Answer {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// 200 with a well-formed set that is larger than this many bytes.
    #[must_use]
    pub fn oversized(set: &Value, bytes: usize) -> Self {
        let mut set = set.clone();
        set["padding"] = Value::String("x".repeat(bytes));
        Self::json(&set)
    }

    /// 302 to this place.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::Answer { status: 302, headers: vec![("location", location.to_owned())], body: Vec::new() }
    }

    fn html_with(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type", "text/html".to_owned())],
            body: b"<!doctype html><title>Keystore</title>".to_vec(),
        }
    }
}

/// One request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The method.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The `host` header.
    pub host: String,
}

/// The running server. It stops when it is dropped.
pub struct Keystore {
    state: Arc<State>,
    address: SocketAddr,
    serving: Mutex<Serving>,
}

enum Serving {
    Up(JoinHandle<()>),
    /// The port is held without listening, so that a connection is refused and nobody else takes the port.
    Down(TcpSocket),
    Between,
}

/// What a keystore publishes, whether or not it can be reached.
#[derive(Clone, Default)]
pub struct Publications(Arc<Mutex<BTreeMap<(String, String), Value>>>);

impl Publications {
    /// The set of this `OU` and `CN`.
    #[must_use]
    pub fn of(&self, organisational_unit: &str, common_name: &str) -> Option<Value> {
        locked(&self.0).get(&(organisational_unit.to_owned(), common_name.to_owned())).cloned()
    }
}

struct State {
    acceptor: Mutex<TlsAcceptor>,
    behaviour: Mutex<Behaviour>,
    sets: Publications,
    fetches: Mutex<Vec<Fetch>>,
    refused_handshakes: Mutex<usize>,
}

impl Keystore {
    /// Listens on a free port of 127.0.0.1 and presents `identity`.
    pub async fn start(identity: &Identity) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            acceptor: Mutex::new(acceptor(identity)),
            behaviour: Mutex::new(Behaviour::Normal),
            sets: Publications::default(),
            fetches: Mutex::default(),
            refused_handshakes: Mutex::default(),
        });
        let serving = Mutex::new(Serving::Up(tokio::spawn(accept(listener, Arc::clone(&state)))));
        Self { state, address, serving }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publishes a set for this subject, in place of any that it had.
    pub fn publish(&self, subject: &Subject, set: Value) {
        locked(&self.state.sets.0).insert((subject.organisational_unit.clone(), subject.common_name.clone()), set);
    }

    /// What it publishes, now and later.
    #[must_use]
    pub fn publications(&self) -> Publications {
        self.state.sets.clone()
    }

    /// Changes how the next requests are answered.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.state.behaviour) = behaviour;
    }

    /// Presents another certificate from now on; open connections are closed.
    pub async fn present(&self, identity: &Identity) {
        *locked(&self.state.acceptor) = acceptor(identity);
        self.down().await;
        self.up();
    }

    /// Stops listening and drops all connections: from now on, connecting is refused.
    pub async fn down(&self) {
        let before = std::mem::replace(&mut *locked(&self.serving), Serving::Between);
        let Serving::Up(task) = before else { panic!("the keystore is down already") };
        task.abort();
        let _cancelled = task.await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        socket.bind(self.address).expect("the same port again");
        *locked(&self.serving) = Serving::Down(socket);
    }

    /// Listens again.
    pub fn up(&self) {
        let mut serving = locked(&self.serving);
        let Serving::Down(socket) = std::mem::replace(&mut *serving, Serving::Between) else {
            panic!("the keystore is up already")
        };
        let listener = socket.listen(64).expect("the same port again");
        *serving = Serving::Up(tokio::spawn(accept(listener, Arc::clone(&self.state))));
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn fetches(&self) -> Vec<Fetch> {
        locked(&self.state.fetches).clone()
    }

    /// How often this subject's set was asked for.
    #[must_use]
    pub fn fetches_of(&self, subject: &Subject) -> usize {
        let wanted = (subject.organisational_unit.clone(), subject.common_name.clone());
        locked(&self.state.fetches).iter().filter(|fetch| segments(&fetch.path).as_ref() == Some(&wanted)).count()
    }

    /// How many TLS handshakes the caller broke off.
    #[must_use]
    pub fn refused_handshakes(&self) -> usize {
        *locked(&self.state.refused_handshakes)
    }
}

impl Drop for Keystore {
    fn drop(&mut self) {
        if let Serving::Up(task) = &*locked(&self.serving) {
            task.abort();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key())
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}

/// Serves until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let accepting = locked(&state.acceptor).accept(stream);
            let Ok(stream) = accepting.await else {
                *locked(&state.refused_handshakes) += 1;
                return;
            };
            let requests = AtomicUsize::new(0);
            let service = service_fn(|request| {
                let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
                answer(Arc::clone(&state), request, is_first)
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // An error is what HalfAnswer and HangUp are for, or the other side has gone.
            let _ = served.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Answer = Response<Either<Full<Bytes>, Half>>;

/// The answer to a request, which may be the first on its connection.
async fn answer(state: Arc<State>, request: Request<Incoming>, is_first: bool) -> Result<Answer, io::Error> {
    let path = request.uri().path().to_owned();
    let host = request.headers().get("host").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    locked(&state.fetches).push(Fetch {
        method: request.method().to_string(),
        path: path.clone(),
        host: host.unwrap_or_default(),
    });
    let _all: Result<_, _> = request.into_body().collect().await;

    let behaviour = locked(&state.behaviour).clone();
    let published = segments(&path).and_then(|(unit, name)| state.sets.of(&unit, &name));
    let answer = match behaviour {
        Behaviour::Normal => published_or_not_found(published),
        Behaviour::Slow(delay) => {
            sleep(delay).await;
            published_or_not_found(published)
        }
        Behaviour::HalfAnswer => return Ok(half(&published.unwrap_or_default().to_string())),
        Behaviour::OnceAConnection(body) if is_first => Behaviour::json(&body),
        Behaviour::HangUp | Behaviour::OnceAConnection(_) => return Err(io::Error::other("hanging up, as told")),
        answer @ Behaviour::Answer { .. } => answer,
    };
    let Behaviour::Answer { status, headers, body } = answer else { unreachable!("all others are answered above") };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Either::Left(Full::from(body))).expect("a response"))
}

fn published_or_not_found(set: Option<Value>) -> Behaviour {
    set.map_or_else(|| Behaviour::status(404), |set| Behaviour::json(&set))
}

fn half(body: &str) -> Answer {
    let first = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    let response = Response::builder().header("content-type", "application/json").header("content-length", body.len());
    // The pause lets the first half out before the connection closes.
    let body = Half { first: Some(first), pause: Box::pin(sleep(Duration::from_millis(50))) };
    response.body(Either::Right(body)).expect("a response")
}

/// A body that breaks off after its first part.
struct Half {
    first: Option<Bytes>,
    pause: Pin<Box<Sleep>>,
}

impl Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        // The end, before content-length is reached: hyper closes the connection.
        self.pause.as_mut().poll(cx).map(|()| None)
    }
}

/// `OU` and `CN` of `/{OU}/{CN}/application.jwks`, decoded after the path was split.
fn segments(path: &str) -> Option<(String, String)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let found = (percent_decoded(parts.next()?)?, percent_decoded(parts.next()?)?);
    (parts.next() == Some("application.jwks") && parts.next().is_none()).then_some(found)
}

fn percent_decoded(segment: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_before_it_is_decoded() {
        let found = |path| segments(path).map(|(unit, name)| format!("{unit} | {name}"));
        assert_eq!(found("/XYZ/ABC/application.jwks").as_deref(), Some("XYZ | ABC"));
        assert_eq!(found("/X%20Z/A%2FC/application.jwks").as_deref(), Some("X Z | A/C"));
        assert_eq!(found("/XYZ/A/C/application.jwks"), None);
        assert_eq!(found("/XYZ/A%2/application.jwks"), None);
        assert_eq!(found("/XYZ/ABC/other.jwks"), None);
    }
}
