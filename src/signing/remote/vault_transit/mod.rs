//! The Transit engine of HashiCorp Vault and OpenBao as remote signer. Its API is that of `POST
//! /v1/{mount}/sign/{key}/sha2-256` in Vault's documentation, which OpenBao shares. It answers with `{"data": {"signature":
//! "vault:v1:…"}}`, with the signature as a JWS has it (RFC 7515 §2). The public keys are in the answer to `GET
//! /v1/{mount}/keys/{key}`: `{"data": {"keys": {"1": {"public_key": "-----BEGIN PUBLIC KEY-----…"}}}}`, one for each version.

mod login;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::callout::Request;
use crate::config::{self, Credential, RemoteKey, Secret, VaultToken};
use crate::jose::base64url;
use crate::json::{Object, Value};
use crate::log_line::to_json;
use crate::rsa::RsaPublicKey;

use super::signer::{Asked, RemoteSignature, RemoteSigner, TokenSource};
use login::Login;

/// How many versions of the key are kept, the newest among them: after a rotation a server that is behind its leader still signs with
/// the one before.
const KEPT_VERSIONS: u32 = 8;

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NO_SIGNATURE: &str = "the answer has no data.signature";
const FORMAT: &str = "the answer's signature is not vault:v1:… with base64url or base64 after it";
const KEY_VERSION: &str = "the signature is by another version of the key than key_version";
const NO_KEYS: &str = "the answer has no data.keys with a public_key for each version; configure public_key";
const NO_SUCH_VERSION: &str = "the key has no version that is key_version";
const NOT_RSA: &str = "the key that signs is not an RSA key of 2048 to 4096 bits";

/// The Transit engine.
#[derive(Debug)]
pub struct VaultTransit {
    settings: config::VaultTransit,
    /// Without it the token is configured, or the gateway adds it.
    login: Option<Login>,
}

impl VaultTransit {
    /// With these settings.
    #[must_use]
    pub fn new(settings: config::VaultTransit) -> Self {
        let login = match &settings.token {
            VaultToken::Given(_) => None,
            VaultToken::Login(login) => {
                Some(Login::new(login.clone(), settings.remote.upstream.clone(), settings.namespace.clone()))
            }
        };
        Self { settings, login }
    }
}

impl RemoteSigner for VaultTransit {
    fn name(&self) -> &'static str {
        "vault_transit"
    }

    fn remote(&self) -> &RemoteKey {
        &self.settings.remote
    }

    fn token_source(&self) -> Option<&dyn TokenSource> {
        self.login.as_ref().map(|login| login as _)
    }

    fn request(&self, signing_input: &str, asked: &Asked<'_>) -> Request {
        #[derive(Serialize)]
        struct Body {
            input: String,
            signature_algorithm: &'static str,
            salt_length: &'static str,
            marshaling_algorithm: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_version: Option<u32>,
        }
        let body = Body {
            input: STANDARD.encode(signing_input),
            signature_algorithm: "pss",
            salt_length: "hash",
            marshaling_algorithm: "jws",
            key_version: self.settings.key_version,
        };
        let headers = with_json(self.headers(asked));
        asked.request("POST", self.upstream(), &self.settings.url, headers, to_json(&body).into_bytes())
    }

    fn key_request(&self, asked: &Asked<'_>) -> Request {
        asked.request("GET", self.upstream(), &self.settings.key_url, self.headers(asked), Vec::new())
    }

    /// The version that is configured, or the newest and those shortly before it. One that is no key for `PS256` does not count,
    /// unless it is the one that signs.
    fn read_keys(&self, body: &[u8]) -> Result<Vec<(u32, RsaPublicKey)>, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let Some(Value::Object(data)) = members.member("data") else { return Err(NO_KEYS) };
        let Some(Value::Object(keys)) = data.member("keys") else { return Err(NO_KEYS) };
        let mut versions = public_keys(keys);
        if versions.is_empty() {
            return Err(NO_KEYS);
        }
        if let Some(configured) = self.settings.key_version {
            versions.retain(|(version, _)| *version == configured);
        }
        let newest = versions.iter().map(|(version, _)| *version).max().ok_or(NO_SUCH_VERSION)?;
        let mut keys = Vec::new();
        for (version, pem) in versions {
            // Versions are counted; between them some may be missing.
            if newest.saturating_sub(version) >= KEPT_VERSIONS {
                continue;
            }
            match RsaPublicKey::from_pem(pem) {
                Ok(key) => keys.push((version, key)),
                Err(_) if version == newest => return Err(NOT_RSA),
                Err(_) => {}
            }
        }
        Ok(keys)
    }

    fn read(&self, body: &[u8]) -> Result<RemoteSignature, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let Some(Value::Object(data)) = members.member("data") else { return Err(NO_SIGNATURE) };
        let text = data.text("signature").ok_or(NO_SIGNATURE)?;
        let signature = signature(text).ok_or(FORMAT)?;
        if self.settings.key_version.is_some_and(|configured| configured != signature.version) {
            return Err(KEY_VERSION);
        }
        Ok(signature)
    }

    fn warnings(&self, body: &[u8]) -> Vec<String> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Vec::new() };
        let Some(Value::List(warnings)) = members.member("warnings") else { return Vec::new() };
        warnings.iter().filter_map(Value::as_text).map(str::to_owned).collect()
    }

    fn may_pass(&self, status: u16) -> bool {
        may_pass(status)
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            307 => Some("it is a standby, and redirects are not followed"),
            300..=399 => Some("a redirect, which is not followed"),
            400 => Some("there is no such key, or it cannot sign like this"),
            403 if self.settings.token.is_added_by_gateway() => {
                Some("the token that the gateway adds is missing, invalid, expired, or may not sign with this key")
            }
            403 => Some("the token is invalid, expired, or may not sign with this key"),
            404 => Some("there is no such mount or namespace"),
            429 => Some("a quota is exhausted"),
            500 => Some("an internal error, or the key has no such version"),
            // Envoy answers these two itself when there is no connection, and when the time is up.
            503 => Some("it cannot be reached, or it is sealed or in maintenance"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }

    fn key_hint(&self, status: u16) -> Option<&'static str> {
        match status {
            403 => Some(
                "the token is invalid, expired, or may not read the key: grant it \"read\" on keys/ and the key's name, or configure \
                 public_key",
            ),
            404 => Some("there is no such key, mount or namespace"),
            400 | 500 => None,
            other => self.hint(other),
        }
    }
}

impl VaultTransit {
    fn upstream(&self) -> &str {
        &self.settings.remote.upstream
    }

    /// What each request carries.
    fn headers(&self, asked: &Asked<'_>) -> Vec<(&'static str, String)> {
        let token = match &self.settings.token {
            VaultToken::Given(Credential::Secret(token)) => Some(token),
            VaultToken::Given(Credential::AddedByGateway) => None,
            VaultToken::Login(_) => asked.token,
        };
        headers(token.map(Secret::expose), self.settings.namespace.as_deref())
    }
}

/// What each request carries, whatever it is about.
fn headers(token: Option<&str>, namespace: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = vec![("accept", "application/json".to_owned())];
    headers.extend(token.map(|token| ("x-vault-token", token.to_owned())));
    // Agents and proxies between here and the server may demand it (`require_request_header`).
    headers.push(("x-vault-request", "true".to_owned()));
    headers.extend(namespace.map(|namespace| ("x-vault-namespace", namespace.to_owned())));
    headers
}

/// The same of one that brings JSON.
fn with_json(mut headers: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    headers.push(("content-type", "application/json".to_owned()));
    headers
}

/// Time may help also a standby that names another server (307), and one that has not caught up with its leader (412).
fn may_pass(status: u16) -> bool {
    matches!(status, 307 | 408 | 412 | 425 | 429 | 500..=599)
}

/// The version of the key, and the signature's bytes: in base64url, or in base64 where the server has not heeded
/// `marshaling_algorithm`.
fn signature(text: &str) -> Option<RemoteSignature> {
    let (digits, signature) = text.strip_prefix("vault:v")?.split_once(':')?;
    let bytes = base64url(signature).or_else(|| STANDARD.decode(signature).ok())?;
    Some(RemoteSignature { version: number(digits)?, bytes })
}

/// The PEM of each version that has one. A symmetric key has none.
fn public_keys<'a>(keys: &'a Object<'_>) -> Vec<(u32, &'a str)> {
    let key = |(version, key): (&str, &'a Value<'_>)| match key {
        Value::Object(key) => Some((number(version)?, key.text("public_key")?)),
        _ => None,
    };
    keys.iter().filter_map(key).collect()
}

/// A number in decimal, as a server writes it.
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|number: &u32| number.to_string() == digits)
}

#[cfg(test)]
mod tests;
