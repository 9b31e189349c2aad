//! What is answered to a request.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connections::Place;
use super::limit::Limit;
use crate::arguments::Signer;
use crate::signer::desk::{Desk, Failure, Job};
use crate::signer::input::Rules;
use crate::signer::journal::{Entry, Journal, Outcome};
use crate::signer::secrets::ClientTokens;
use crate::signer::transit;

/// The longest body: an input in base64, and what stands beside it.
const LONGEST_BODY: usize = 16 * 1024;

/// What it knows.
pub(in crate::signer) struct Service {
    clients: Option<ClientTokens>,
    /// `/v1/MOUNT/sign/NAME` and `/v1/MOUNT/keys/NAME`.
    sign_path: String,
    key_path: String,
    health_path: &'static str,
    mount_path: String,
    name: String,
    key_version: u32,
    rules: Rules,
    limit: Limit,
    timeout: Duration,
    idle_timeout: Duration,
    max_connections: u16,
    since: SystemTime,
    desk: Arc<Desk>,
    journal: Arc<Journal>,
}

/// An answer that has no signature.
struct Refusal {
    status: StatusCode,
    text: &'static str,
}

const DENIED: Refusal = refusal(StatusCode::FORBIDDEN, "permission denied");
const AWAY: Refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "the token of the key is not there now");
const BUSY: Refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait for a signature");
const LATE: Refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "the token of the key does not answer in time");
const NOT_WRITTEN: Refusal = refusal(StatusCode::SERVICE_UNAVAILABLE, "the line of the journal cannot be written");
const TOO_MANY: Refusal = refusal(StatusCode::TOO_MANY_REQUESTS, "more signatures in a second than are allowed");
const TOO_LONG: Refusal =
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "expected a body of 16384 bytes at most, got a longer one");
const TOO_SLOW: Refusal = refusal(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
const NO_KEY: Refusal = refusal(StatusCode::BAD_REQUEST, "signing key not found");
const NO_METHOD: Refusal = refusal(StatusCode::METHOD_NOT_ALLOWED, "unsupported operation");
const NO_ROUTE: Refusal = refusal(StatusCode::NOT_FOUND, "no handler for this path");

const fn refusal(status: StatusCode, text: &'static str) -> Refusal {
    Refusal { status, text }
}

impl Service {
    /// With these options.
    pub(in crate::signer) fn new(
        arguments: &Signer,
        clients: Option<ClientTokens>,
        desk: Arc<Desk>,
        journal: Arc<Journal>,
    ) -> Self {
        let Signer { mount, name, .. } = arguments;
        Self {
            clients,
            sign_path: format!("/v1/{mount}/sign/{name}"),
            key_path: format!("/v1/{mount}/keys/{name}"),
            health_path: "/v1/sys/health",
            mount_path: format!("/v1/{mount}/"),
            name: name.clone(),
            key_version: arguments.key_version,
            rules: Rules {
                key_id: arguments.kid.clone(),
                issuer: arguments.issuer.clone(),
                subject: arguments.subject.clone(),
                audience: arguments.audience.clone(),
            },
            limit: Limit::per_second(arguments.max_signatures_per_second),
            timeout: arguments.timeout,
            idle_timeout: arguments.idle_timeout,
            max_connections: arguments.max_connections,
            since: SystemTime::now(),
            desk,
            journal,
        }
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    pub(super) fn max_connections(&self) -> u16 {
        self.max_connections
    }

    /// The answer to a request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        client: &str,
        place: &Place,
    ) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let is_get = request.method() == Method::GET;
        if path == self.health_path {
            return if is_get || request.method() == Method::HEAD { self.health() } else { refused(&NO_METHOD) };
        }
        if let Some(hash) = self.hash_of(path) {
            // PUT and POST are the same to Vault.
            if !matches!(*request.method(), Method::POST | Method::PUT) {
                return refused(if self.is_client(request.headers()) { &NO_METHOD } else { &DENIED });
            }
            let hash = hash.map(str::to_owned);
            return self.sign(request, hash.as_deref(), client, place).await;
        }
        if !self.is_client(request.headers()) {
            return refused(&DENIED);
        }
        let _work = place.work();
        if path == self.key_path {
            return if is_get { self.key() } else { refused(&NO_METHOD) };
        }
        match path.strip_prefix(&self.mount_path).and_then(|rest| rest.split_once('/')) {
            Some(("sign", _)) if !is_get => refused(&NO_KEY),
            // Vault has no words for it.
            Some(("keys", _)) if is_get => answered(StatusCode::NOT_FOUND, &transit::errors(&[])),
            _ => refused(&NO_ROUTE),
        }
    }

    /// Whether a path is that of a signature, and the hash that stands in it.
    fn hash_of<'p>(&self, path: &'p str) -> Option<Option<&'p str>> {
        match path.strip_prefix(&self.sign_path)? {
            "" => Some(None),
            rest => rest.strip_prefix('/').filter(|hash| !hash.contains('/')).map(Some),
        }
    }

    fn is_client(&self, headers: &HeaderMap) -> bool {
        let namespace = headers.get("x-vault-namespace").is_some_and(|value| !value.is_empty());
        let Some(clients) = &self.clients else { return !namespace };
        let mut told = headers.get_all("x-vault-token").iter();
        let token = told.next().map(HeaderValue::as_bytes).unwrap_or_default();
        clients.know(token) && told.next().is_none() && !namespace
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let is_there = self.desk.key().is_some();
        let status = if is_there { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answered(status, &transit::health(is_there, SystemTime::now()))
    }

    fn key(&self) -> Response<Full<Bytes>> {
        match self.desk.key() {
            Some(key) => {
                let id = transit::request_id();
                answered(StatusCode::OK, &transit::key(&id, &self.name, &key, self.key_version, self.since))
            }
            None => refused(&AWAY),
        }
    }

    async fn sign(
        &self,
        request: Request<Incoming>,
        hash: Option<&str>,
        client: &str,
        place: &Place,
    ) -> Response<Full<Bytes>> {
        let mut entry = Entry {
            request_id: transit::request_id(),
            client: client.to_owned(),
            started: Instant::now(),
            facts: None,
            input: None,
        };
        let id = entry.request_id.clone();
        let input = match self.input(request, hash, &mut entry).await {
            Ok(input) => input,
            Err(refusal) => return self.tell(&entry, &refusal),
        };
        let _work = place.work();
        if !self.limit.allows(Instant::now()) {
            return self.tell(&entry, &TOO_MANY);
        }
        let (reply, answer) = oneshot::channel();
        if let Err((failure, job)) = self.desk.submit(Job { input, entry, reply }) {
            return self.tell(&job.entry, of(failure));
        }
        match timeout(self.timeout, answer).await {
            Ok(Ok(Ok(signature))) => answered(StatusCode::OK, &transit::signature(&id, &signature, self.key_version)),
            // The journal has it already.
            Ok(Ok(Err(failure))) => refused(of(failure)),
            Ok(Err(_)) => refused(&AWAY),
            Err(_) => refused(&LATE),
        }
    }

    /// What a request asks to be signed, if it may be.
    async fn input(
        &self,
        request: Request<Incoming>,
        hash: Option<&str>,
        entry: &mut Entry,
    ) -> Result<Vec<u8>, Refusal> {
        if !self.is_client(request.headers()) {
            return Err(DENIED);
        }
        let body = Limited::new(request.into_body(), LONGEST_BODY).collect();
        let body = match timeout(self.timeout, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(TOO_LONG),
            Err(_) => return Err(TOO_SLOW),
        };
        let wrong = |text| refusal(StatusCode::BAD_REQUEST, text);
        let input = transit::input(&body, hash, self.key_version).map_err(wrong)?;
        entry.input = Some(transit::fingerprint(&input));
        entry.facts = Some(self.rules.check(&input, SystemTime::now()).map_err(wrong)?);
        Ok(input)
    }

    /// Writes a refusal into the journal, and answers with it.
    fn tell(&self, entry: &Entry, refusal: &Refusal) -> Response<Full<Bytes>> {
        let outcome = if refusal.status.is_server_error() { Outcome::Failed } else { Outcome::Refused };
        self.journal.refusal(entry, outcome, refusal.status.as_u16(), refusal.text);
        refused(refusal)
    }
}

fn of(failure: Failure) -> &'static Refusal {
    match failure {
        Failure::Away => &AWAY,
        Failure::Busy => &BUSY,
        Failure::NotWritten => &NOT_WRITTEN,
    }
}

fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let mut response = answered(refusal.status, &transit::errors(&[refusal.text]));
    if refusal.status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn answered(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}
