//! Azure Key Vault and Managed HSM as remote signer: `POST /keys/{name}/{version}/sign` and `GET /keys/{name}/{version}` of the API, version
//! 7.4. The digest is sent, not what is signed. The answer has the signature in base64url (`value`), and the URL of the version that signed
//! (`kid`); `PS256` is that of JWA. The public key is a JWK.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::callout::Request;
use crate::config::{self, RemoteKey};
use crate::jose::{base64url, to_base64url};
use crate::json::{Object, Value};
use crate::log_line::to_json;
use crate::rsa::RsaPublicKey;

use super::metadata::MetadataAddress;
use super::signer::{Asked, RemoteSignature, RemoteSigner, TokenSource};

/// There is one: that which is configured, and which each answer has to name.
const VERSION: u32 = 1;

/// What a request to the metadata address has to carry.
const METADATA: (&str, &str) = ("metadata", "true");

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const OTHER_KEY: &str = "the answer's kid is not that of the key and version that are configured";
const NO_SIGNATURE: &str = "the answer has no value in base64url";
const NO_KEY: &str = "the answer has no RSA key with n and e in base64url; configure public_key";
const NOT_RSA: &str = "the key is not an RSA key of 2048 to 4096 bits";

/// Azure Key Vault.
#[derive(Debug)]
pub struct AzureKeyVault {
    settings: config::AzureKeyVault,
    /// Without it the gateway adds the access token.
    metadata: Option<MetadataAddress>,
}

impl AzureKeyVault {
    /// With these settings.
    #[must_use]
    pub fn new(settings: config::AzureKeyVault) -> Self {
        let metadata = settings.token.metadata().map(|metadata| MetadataAddress::new(metadata.clone(), METADATA));
        Self { settings, metadata }
    }

    /// Whether an object is about the key that is configured.
    fn is_about_the_key(&self, members: &Object<'_>) -> bool {
        members.text("kid").is_some_and(|kid| kid.ends_with(&self.settings.key_path))
    }
}

impl RemoteSigner for AzureKeyVault {
    fn name(&self) -> &'static str {
        "azure_key_vault"
    }

    fn remote(&self) -> &RemoteKey {
        &self.settings.remote
    }

    fn token_source(&self) -> Option<&dyn TokenSource> {
        self.metadata.as_ref().map(|metadata| metadata as _)
    }

    fn key_request(&self, asked: &Asked<'_>) -> Request {
        asked.get(&self.settings.remote.upstream, &self.settings.key_url)
    }

    fn read_keys(&self, body: &[u8]) -> Result<Vec<(u32, RsaPublicKey)>, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let Some(Value::Object(key)) = members.member("key") else { return Err(NO_KEY) };
        if !self.is_about_the_key(key) {
            return Err(OTHER_KEY);
        }
        let number = |name| key.text(name).and_then(base64url);
        let (Some("RSA" | "RSA-HSM"), Some(modulus), Some(exponent)) = (key.text("kty"), number("n"), number("e"))
        else {
            return Err(NO_KEY);
        };
        Ok(vec![(VERSION, RsaPublicKey::new(&modulus, &exponent).map_err(|_| NOT_RSA)?)])
    }

    fn request(&self, signing_input: &str, asked: &Asked<'_>) -> Request {
        #[derive(Serialize)]
        struct Body {
            alg: &'static str,
            value: String,
        }
        let body = Body { alg: "PS256", value: to_base64url(&Sha256::digest(signing_input)) };
        asked.post(&self.settings.remote.upstream, &self.settings.url, to_json(&body))
    }

    fn read(&self, body: &[u8]) -> Result<RemoteSignature, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        if !self.is_about_the_key(&members) {
            return Err(OTHER_KEY);
        }
        let bytes = members.text("value").and_then(base64url).ok_or(NO_SIGNATURE)?;
        Ok(RemoteSignature { version: VERSION, bytes })
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            400 => Some("the key cannot sign with PS256"),
            401 if self.metadata.is_some() => {
                Some("the access token is not taken: the identity is of another tenant, or what it is for is wrong")
            }
            401 => Some("the access token that the gateway adds is missing, expired, or for another service"),
            403 => Some(
                "the access token may not do this with the key, the key is disabled or outside its validity, or the vault's firewall refuses",
            ),
            404 => Some("there is no such key or version"),
            429 => Some("a quota is exhausted"),
            503 => Some("it cannot be reached, or is in maintenance"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }

    fn key_hint(&self, status: u16) -> Option<&'static str> {
        match status {
            403 => {
                Some("the access token may not read the public key: grant it \"get\" on keys, or configure public_key")
            }
            other => self.hint(other),
        }
    }
}

#[cfg(test)]
mod tests;
