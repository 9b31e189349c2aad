//! A token before it is signed: exactly the header and the claims of the standard's tables (spec §2.4, §4).

use std::time::Duration;

use serde::Serialize;

use super::nonce::Nonce;
use crate::config;
use crate::jose::to_base64url;
use crate::log_line::to_json;
use crate::time::UnixTime;

/// Header and claims, encoded; not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedToken {
    signing_input: String,
    key_id: String,
    token_id: String,
    issuer: String,
    subject: String,
    audience: String,
    lifetime: Duration,
}

impl UnsignedToken {
    /// A token that is valid from now on.
    #[must_use]
    pub fn mint(settings: &config::Signing, key_id: &str, nonce: &Nonce, now: UnixTime) -> Self {
        let mut token = Self {
            signing_input: String::new(),
            key_id: key_id.to_owned(),
            token_id: nonce.uuid(),
            issuer: settings.issuer.clone(),
            subject: settings.subject.clone(),
            audience: settings.audience.clone(),
            lifetime: settings.lifetime,
        };
        token.renew(now);
        token
    }

    /// Makes it valid from now on, under the same id: as it was before it must not leave.
    pub(super) fn renew(&mut self, now: UnixTime) {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            typ: &'a str,
            cty: &'a str,
            kid: &'a str,
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            sub: &'a str,
            aud: &'a str,
            exp: u32,
            iat: u32,
            jti: &'a str,
        }
        let header = Header { alg: "PS256", typ: "JOSE", cty: "json", kid: &self.key_id };
        let claims = Claims {
            iss: &self.issuer,
            sub: &self.subject,
            aud: &self.audience,
            exp: seconds(now.after(self.lifetime)),
            iat: seconds(now),
            jti: &self.token_id,
        };
        let part = |json: String| to_base64url(json.as_bytes());
        self.signing_input = format!("{}.{}", part(to_json(&header)), part(to_json(&claims)));
    }

    /// With this signing input, for tests of what comes after.
    #[cfg(test)]
    pub(super) fn of_signing_input(signing_input: &str) -> Self {
        let text = String::new;
        Self {
            signing_input: signing_input.to_owned(),
            key_id: text(),
            token_id: text(),
            issuer: text(),
            subject: text(),
            audience: text(),
            lifetime: Duration::ZERO,
        }
    }

    /// What is signed (RFC 7515 §5.1): header and payload, encoded, with a dot between them.
    #[must_use]
    pub fn signing_input(&self) -> &str {
        &self.signing_input
    }

    /// `kid`
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// `jti`
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// `aud`
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The compact serialisation (RFC 7515 §7.1).
    #[must_use]
    pub fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input, to_base64url(signature))
    }
}

/// Whole seconds since 1970, rounded down: a token is never from the future. In 32 bits, which last until 2106, because serde_json
/// writes those without a shift that the engine in APISIX miscompiles (`wasm-tests/src/shifted_addresses/mod.rs`); after that every
/// token has expired.
fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.since(UnixTime::EPOCH).unwrap_or(Duration::ZERO).as_secs()).unwrap_or(u32::MAX)
}
