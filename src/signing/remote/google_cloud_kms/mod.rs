//! Google Cloud KMS as remote signer: `:asymmetricSign` and `/publicKey` of a version of a key in its REST API, version 1. The digest is
//! sent, not what is signed. The answer has the signature in base64, and the name of the version that signed; `RSA_SIGN_PSS_…_SHA256` is
//! `PS256`: its salt is as long as the digest. The checksums of the API (CRC32C) are left out: each signature is verified, which finds
//! what they would find.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::callout::Request;
use crate::config::{self, RemoteKey};
use crate::json::{Object, Value};
use crate::log_line::to_json;
use crate::rsa::RsaPublicKey;

use super::metadata::MetadataAddress;
use super::signer::{Asked, RemoteSignature, RemoteSigner, TokenSource};

/// There is one: that which is configured, and which each answer has to name.
const VERSION: u32 = 1;

/// What a request to the metadata address has to carry.
const METADATA: (&str, &str) = ("metadata-flavor", "Google");

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const OTHER_KEY: &str = "the answer's name is not the version of the key that is configured";
const OTHER_ALGORITHM: &str = "the key's algorithm is not RSA_SIGN_PSS_…_SHA256";
const NO_SIGNATURE: &str = "the answer has no signature in base64";
const NO_KEY: &str = "the answer has no pem; configure public_key";
const NOT_RSA: &str = "the key is not an RSA key of 2048 to 4096 bits";

/// Google Cloud KMS.
#[derive(Debug)]
pub struct GoogleKms {
    settings: config::GoogleKms,
    /// Without it the gateway adds the access token.
    metadata: Option<MetadataAddress>,
}

impl GoogleKms {
    /// With these settings.
    #[must_use]
    pub fn new(settings: config::GoogleKms) -> Self {
        let metadata = settings.token.metadata().map(|metadata| MetadataAddress::new(metadata.clone(), METADATA));
        Self { settings, metadata }
    }

    /// The members of an answer about the version that is configured.
    fn about_the_key<'a>(&self, body: &'a [u8]) -> Result<Object<'a>, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        if members.text("name") == Some(self.settings.name.as_str()) { Ok(members) } else { Err(OTHER_KEY) }
    }
}

impl RemoteSigner for GoogleKms {
    fn name(&self) -> &'static str {
        "google_cloud_kms"
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
        let members = self.about_the_key(body)?;
        let algorithm = members.text("algorithm").unwrap_or_default();
        if !(algorithm.starts_with("RSA_SIGN_PSS_") && algorithm.ends_with("_SHA256")) {
            return Err(OTHER_ALGORITHM);
        }
        let pem = members.text("pem").ok_or(NO_KEY)?;
        Ok(vec![(VERSION, RsaPublicKey::from_pem(pem).map_err(|_| NOT_RSA)?)])
    }

    fn request(&self, signing_input: &str, asked: &Asked<'_>) -> Request {
        #[derive(Serialize)]
        struct Digests {
            sha256: String,
        }
        #[derive(Serialize)]
        struct Body {
            digest: Digests,
        }
        let body = Body { digest: Digests { sha256: STANDARD.encode(Sha256::digest(signing_input)) } };
        asked.post(&self.settings.remote.upstream, &self.settings.url, to_json(&body))
    }

    fn read(&self, body: &[u8]) -> Result<RemoteSignature, &'static str> {
        let members = self.about_the_key(body)?;
        let bytes = members.text("signature").and_then(|text| STANDARD.decode(text).ok()).ok_or(NO_SIGNATURE)?;
        Ok(RemoteSignature { version: VERSION, bytes })
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            400 => Some("the version of the key is disabled or destroyed, or cannot sign like this"),
            401 if self.metadata.is_some() => Some("the access token is not taken: it is invalid or revoked"),
            401 => Some("the access token that the gateway adds is missing, invalid or expired"),
            403 => Some("the access token may not do this with the key"),
            404 => Some("there is no such key or version"),
            429 => Some("a quota is exhausted"),
            503 => Some("it cannot be reached"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }

    fn key_hint(&self, status: u16) -> Option<&'static str> {
        match status {
            403 => Some(
                "the access token may not read the public key: grant cloudkms.cryptoKeyVersions.viewPublicKey, or configure public_key",
            ),
            other => self.hint(other),
        }
    }
}

#[cfg(test)]
mod tests;
