//! What stands in a token, read as leniently as can be: to show it, and not to decide on it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::duration;

/// Header and claims, as far as they can be read.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// How many parts there are between dots.
    pub(super) parts: usize,
    header: Value,
    claims: Value,
}

impl Decoded {
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let json = |part: Option<&&str>| {
            let bytes = URL_SAFE_NO_PAD.decode(part.copied().unwrap_or_default().trim_end_matches('=')).ok();
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
        };
        Self { parts: parts.len(), header: json(parts.first()), claims: json(parts.get(1)) }
    }

    /// A member of the header, as it is written in JSON.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        shown(self.header.get(name))
    }

    /// A claim, likewise.
    pub(super) fn claim(&self, name: &str) -> Option<String> {
        shown(self.claims.get(name))
    }

    /// Whether the payload is an object.
    pub(super) fn has_claims(&self) -> bool {
        self.claims.is_object()
    }

    /// What `aud` names.
    pub(super) fn audiences(&self) -> Vec<String> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// A time, in seconds since 1970.
    pub(super) fn time(&self, name: &str) -> Option<Duration> {
        let seconds = self.claims.get(name)?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// What this clock says of the token's times.
    pub(super) fn clock(&self, now: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(issued) = self.time("iat") {
            lines.push(match now.checked_sub(issued) {
                Some(age) => format!("By this clock the token was issued {} ago.", duration(age)),
                None => format!(
                    "By this clock the token is issued in {}: the issuer's clock is ahead, or this one is behind.",
                    duration(issued.saturating_sub(now))
                ),
            });
        }
        if let Some(expiry) = self.time("exp") {
            lines.push(match expiry.checked_sub(now) {
                Some(left) => format!("It expires in {}.", duration(left)),
                None => format!("It expired {} ago.", duration(now.saturating_sub(expiry))),
            });
        }
        lines
    }
}

fn shown(value: Option<&Value>) -> Option<String> {
    value.map(|value| match value {
        Value::String(text) => format!("\"{}\"", crate::jwks::printable(text)),
        other => crate::jwks::printable(&other.to_string()),
    })
}
