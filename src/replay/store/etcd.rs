//! etcd v3 by its JSON gateway, which is how HTTP reaches it (etcd's documentation, *gRPC gateway*): a transaction writes a key
//! only if it does not exist, else it reads it; a lease ends keys; a user logs in for a token. Bytes are base64 there, and numbers
//! of 64 bits are strings.
//!
//! One lease is shared by the tokens of about a minute, so that a token costs one request. A lease that is near its end is
//! replaced ahead of time where somebody can.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::callout::Request;
use crate::config::{self, Secret};
use crate::json::{Object, Value};
use crate::log_line::to_json;
use crate::time::{AgingTime, Moment};

use super::engine::{Engine, Finding, MARGIN, Preparation, UsedToken};

/// For how long after it was granted a lease is good for tokens like the one that it was granted for.
const SLICE: Duration = Duration::from_secs(60);

/// How long before that a new one is asked for ahead of time.
const AHEAD: Duration = Duration::from_secs(15);

/// How long tokens are taken to live before there was one: those that the standard recommends, with the clock skew (spec §2.4).
const USUAL_LIFE: Duration = Duration::from_secs(40);

/// The most leases that are known. Only tokens of ever longer lives need more than two.
const MAX_LEASES: usize = 8;

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NO_TOKEN: &str = "the answer to the login has no token of visible ASCII characters";
const NO_LEASE: &str = "the answer has no lease with ID and TTL";
const NO_KEY: &str = "the answer says neither that the key was written nor what it is";

/// An etcd, or a cluster of several.
#[derive(Debug)]
pub(super) struct Etcd {
    settings: config::ReplayStore,
    /// What the login has given.
    token: Option<Secret>,
    leases: Vec<Lease>,
    /// How long the last token lives.
    life: Duration,
}

/// The request for a token.
#[derive(Serialize)]
struct Login<'a> {
    name: &'a str,
    password: &'a str,
}

/// What ends keys.
#[derive(Debug)]
struct Lease {
    /// A number of 63 bits, in digits.
    id: String,
    end: AgingTime,
}

impl Etcd {
    pub(super) fn new(settings: config::ReplayStore) -> Self {
        Self { settings, token: None, leases: Vec::new(), life: USUAL_LIFE }
    }

    /// The lease that ends first of those that outlive a token which lives for so long.
    fn lease(&self, now: Moment, life: Duration) -> Option<&Lease> {
        let needed = now.aging.after(life).after(MARGIN);
        self.leases.iter().filter(|lease| lease.end >= needed).min_by_key(|lease| lease.end)
    }

    fn missing(&mut self, now: Moment, life: Duration, needed: Duration) -> Option<Preparation> {
        if self.settings.user.is_some() && self.token.is_none() {
            return Some(Preparation::Login);
        }
        if self.lease(now, needed).is_some() {
            return None;
        }
        let seconds = life.saturating_add(MARGIN).saturating_add(SLICE).as_secs();
        Some(Preparation::Lease(seconds.saturating_add(1)))
    }

    fn post(&self, path: &str, body: String, timeout: Duration) -> Request {
        let mut headers =
            vec![("content-type", "application/json".to_owned()), ("accept", "application/json".to_owned())];
        headers.extend(self.token.as_ref().map(|token| ("authorization", token.expose().to_owned())));
        Request {
            upstream: self.settings.upstream.clone(),
            method: "POST",
            url: self.settings.address.url(path.to_owned()),
            headers,
            body: body.into_bytes(),
            timeout,
            // Whichever of two is read: a key is written once, and a lease that nobody knows of ends.
            may_be_repeated: true,
        }
    }
}

impl Engine for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn preparation(&mut self, now: Moment, life: Duration) -> Option<Preparation> {
        self.life = life;
        self.missing(now, life, life)
    }

    fn preparation_ahead(&mut self, now: Moment) -> Option<Preparation> {
        self.missing(now, self.life, self.life.saturating_add(AHEAD))
    }

    fn prepare(&self, preparation: Preparation, timeout: Duration) -> Request {
        match preparation {
            Preparation::Login => {
                let (name, password) =
                    self.settings.user.as_ref().map_or(("", ""), |user| (&*user.name, user.password.expose()));
                self.post("/v3/auth/authenticate", to_json(&Login { name, password }), timeout)
            }
            Preparation::Lease(seconds) => self.post("/v3/lease/grant", format!("{{\"TTL\":\"{seconds}\"}}"), timeout),
        }
    }

    fn prepared(&mut self, asked: Moment, preparation: Preparation, body: &[u8]) -> Result<(), &'static str> {
        match preparation {
            Preparation::Login => self.token = Some(Secret::new(read_token(body)?)),
            Preparation::Lease(_) => {
                let (id, lasts) = read_lease(body)?;
                let end = asked.aging.after(lasts);
                self.leases.retain(|lease| lease.end > asked.aging.after(MARGIN) && lease.id != id);
                if self.leases.len() >= MAX_LEASES {
                    self.leases.remove(0);
                }
                self.leases.push(Lease { id, end });
            }
        }
        Ok(())
    }

    fn request(&self, now: Moment, token: &UsedToken, life: Duration, timeout: Duration) -> Request {
        // There is one, as it was asked for. Of one that there is not etcd would say so, and write nothing.
        let lease = self.lease(now, life).map_or("1", |lease| &lease.id);
        let key = STANDARD.encode(format!("{}{}", self.settings.prefix, token.identity.to_hex()));
        let value = STANDARD.encode(token.value());
        // Nothing in it has to be escaped.
        let transaction = format!(
            "{{\"compare\":[{{\"key\":\"{key}\",\"target\":\"CREATE\",\"result\":\"EQUAL\",\"create_revision\":\"0\"}}],\
             \"success\":[{{\"request_put\":{{\"key\":\"{key}\",\"value\":\"{value}\",\"lease\":\"{lease}\"}}}}],\
             \"failure\":[{{\"request_range\":{{\"key\":\"{key}\"}}}}]}}"
        );
        self.post("/v3/kv/txn", transaction, timeout)
    }

    fn read(&self, token: &UsedToken, body: &[u8]) -> Result<Finding, &'static str> {
        read_finding(&token.value(), body)
    }

    fn is_void(&mut self, status: u16) -> bool {
        match status {
            // Its token has ended, or users have changed since.
            400 | 401 if self.settings.user.is_some() => {
                self.token = None;
                true
            }
            // The lease has ended, or was revoked.
            404 => {
                self.leases.clear();
                true
            }
            _ => false,
        }
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            400 => Some("user name or password is wrong, or this is not etcd's JSON gateway"),
            401 => Some("it wants a user: give \"username\" and \"password\""),
            403 => Some("the user may not read and write under \"prefix\""),
            404 => Some("the lease is gone, or this is not etcd 3.4 or later"),
            412 => Some("it has no users: leave out \"username\" and \"password\", or enable its authentication"),
            429 => Some("its space is used up (alarm NOSPACE): compact, defragment and disarm"),
            503 | 504 => Some("it has no leader, or no member is healthy"),
            _ => None,
        }
    }
}

/// What the answer to a login gives: a token.
///
/// # Errors
/// What is wrong with it, for the log.
pub fn read_token(body: &[u8]) -> Result<String, &'static str> {
    let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
    let token = answer.text("token").filter(|token| is_header_value(token)).ok_or(NO_TOKEN)?;
    Ok(token.to_owned())
}

/// What the answer to the request for a lease gives: its id, and how long it lasts.
///
/// # Errors
/// What is wrong with it, for the log.
pub fn read_lease(body: &[u8]) -> Result<(String, Duration), &'static str> {
    let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
    let id = answer.text("ID").filter(|id| is_number(id)).ok_or(NO_LEASE)?;
    let seconds = answer.text("TTL").filter(|ttl| is_number(ttl)).and_then(|ttl| ttl.parse().ok()).ok_or(NO_LEASE)?;
    Ok((id.to_owned(), Duration::from_secs(seconds)))
}

/// What the answer to a transaction says of the key that it wrote, or did not, with this value.
///
/// # Errors
/// What is wrong with it, for the log.
pub fn read_finding(value: &str, body: &[u8]) -> Result<Finding, &'static str> {
    let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
    // What is false is left out.
    if answer.member("succeeded") == Some(&Value::Bool(true)) {
        return Ok(Finding::New);
    }
    let found = found(&answer).and_then(|found| STANDARD.decode(found).ok()).ok_or(NO_KEY)?;
    Ok(if found == value.as_bytes() { Finding::New } else { Finding::Used })
}

/// The value of the key that was there, in base64.
fn found<'a>(answer: &'a Object<'_>) -> Option<&'a str> {
    let Value::List(responses) = answer.member("responses")? else { return None };
    let [Value::Object(response)] = responses.as_slice() else { return None };
    let Value::Object(range) = response.member("response_range")? else { return None };
    let Value::List(keys) = range.member("kvs")? else { return None };
    let [Value::Object(key)] = keys.as_slice() else { return None };
    key.text("value")
}

fn is_number(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && text != "0"
}

/// Tokens of etcd have some 20 characters, or some hundreds if they are JWTs.
fn is_header_value(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
