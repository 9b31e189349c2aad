//! Redis by Webdis, which hands commands on that come by HTTP: `SET key value NX GET PX milliseconds` writes a key only if it
//! does not exist, and says what it was otherwise (Redis 7.0 and later). Redis ends keys by itself, so nothing is prepared.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::callout::Request;
use crate::config;
use crate::hex;
use crate::json::Value;
use crate::time::Moment;

use super::engine::{Engine, Finding, MARGIN, Preparation, UsedToken};

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NOT_SET: &str =
    "the answer is not what SET … NX GET answers: Redis 7.0 or later is needed, and no access rule against SET";

/// A Redis behind a Webdis.
#[derive(Debug)]
pub(super) struct Webdis {
    settings: config::ReplayStore,
}

impl Webdis {
    pub(super) fn new(settings: config::ReplayStore) -> Self {
        Self { settings }
    }
}

impl Engine for Webdis {
    fn name(&self) -> &'static str {
        "Redis"
    }

    fn preparation(&mut self, _now: Moment, _life: Duration) -> Option<Preparation> {
        None
    }

    fn preparation_ahead(&mut self, _now: Moment) -> Option<Preparation> {
        None
    }

    /// A request that changes nothing: it is never asked for.
    fn prepare(&self, _preparation: Preparation, timeout: Duration) -> Request {
        self.command("PING".to_owned(), timeout)
    }

    fn prepared(&mut self, _asked: Moment, _preparation: Preparation, _body: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }

    fn request(&self, _now: Moment, token: &UsedToken, life: Duration, timeout: Duration) -> Request {
        let milliseconds = life.saturating_add(MARGIN).as_millis();
        let key = escaped(&self.settings.prefix) + &token.identity.to_hex();
        self.command(format!("SET/{key}/{}/NX/GET/PX/{milliseconds}", token.value()), timeout)
    }

    fn read(&self, token: &UsedToken, body: &[u8]) -> Result<Finding, &'static str> {
        read_finding(&token.value(), body)
    }

    fn is_void(&mut self, _status: u16) -> bool {
        false
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            403 => Some("Webdis does not let this user do SET"),
            503 => Some("Webdis does not reach Redis"),
            _ => None,
        }
    }
}

impl Webdis {
    fn command(&self, command: String, timeout: Duration) -> Request {
        let mut headers = vec![("content-type", "text/plain".to_owned())];
        headers.extend(self.settings.user.as_ref().map(|user| {
            let credentials = format!("{}:{}", user.name, user.password.expose());
            ("authorization", format!("Basic {}", STANDARD.encode(credentials)))
        }));
        Request {
            upstream: self.settings.upstream.clone(),
            method: "POST",
            url: self.settings.address.url("/".to_owned()),
            headers,
            body: command.into_bytes(),
            timeout,
            // Whichever of two is read: a key is written once.
            may_be_repeated: true,
        }
    }
}

/// What an answer says of the key that was written, or was not, with this value.
///
/// # Errors
/// What is wrong with it, for the log.
pub fn read_finding(value: &str, body: &[u8]) -> Result<Finding, &'static str> {
    let Ok(Value::Object(answer)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
    match answer.member("SET") {
        Some(Value::Null) => Ok(Finding::New),
        Some(Value::Text(found)) if *found == value => Ok(Finding::New),
        Some(Value::Text(_)) => Ok(Finding::Used),
        _ => Err(NOT_SET),
    }
}

/// A part of a command. What separates its parts stands for itself when it is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend(hex::upper(byte));
        }
    }
    escaped
}
