//! AWS KMS as remote signer: `TrentService.Sign` and `TrentService.GetPublicKey` of its API (AWS JSON 1.1). The digest is sent, not
//! what is signed. The answer has the signature in base64, and the ARN of the key that signed; `RSASSA_PSS_SHA_256` is `PS256`: its
//! salt has 32 bytes. What went wrong stands in the body alone (`__type`): nearly all errors have status 400.

mod sigv4;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::callout::Request;
use crate::config::{self, RemoteKey};
use crate::json::{Object, Value};
use crate::log_line::to_json;
use crate::rsa::RsaPublicKey;

use super::signer::{Asked, RemoteSignature, RemoteSigner};

const ALGORITHM: &str = "RSASSA_PSS_SHA_256";

/// A key has one: what AWS calls rotation is for symmetric keys.
const VERSION: u32 = 1;

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const OTHER_KEY: &str = "the answer's KeyId is not the ARN of the key that is configured";
const OTHER_ALGORITHM: &str = "the answer's SigningAlgorithm is not RSASSA_PSS_SHA_256";
const NO_SIGNATURE: &str = "the answer has no Signature in base64";
const NO_KEY: &str = "the answer has no PublicKey in base64; configure public_key";
const OTHER_USE: &str = "the key is not for SIGN_VERIFY with RSASSA_PSS_SHA_256";
const NOT_RSA: &str = "the key is not an RSA key of 2048 to 4096 bits";

/// AWS KMS.
#[derive(Debug)]
pub struct AwsKms {
    settings: config::AwsKms,
}

impl AwsKms {
    /// With these settings.
    #[must_use]
    pub fn new(settings: config::AwsKms) -> Self {
        Self { settings }
    }

    fn call(&self, target: &'static str, body: String, asked: &Asked<'_>) -> Request {
        let config::AwsKms { url, region, credentials, remote, .. } = &self.settings;
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("TrentService.{target}")),
        ];
        if let Some(credentials) = credentials {
            let scope = sigv4::Scope { region, service: "kms" };
            let signed = sigv4::signed(credentials, scope, asked.now, url.authority(), &headers, body.as_bytes());
            headers.extend(signed);
        }
        asked.request("POST", &remote.upstream, url, headers, body.into_bytes())
    }

    /// The members of an answer about the key that is configured.
    fn about_the_key<'a>(&self, body: &'a [u8]) -> Result<Object<'a>, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let arn = members.text("KeyId").and_then(|arn| arn.rsplit_once(":key/"));
        if arn.is_some_and(|(_, id)| id == self.settings.key) { Ok(members) } else { Err(OTHER_KEY) }
    }
}

impl RemoteSigner for AwsKms {
    fn name(&self) -> &'static str {
        "aws_kms"
    }

    fn remote(&self) -> &RemoteKey {
        &self.settings.remote
    }

    fn key_request(&self, asked: &Asked<'_>) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
        }
        self.call("GetPublicKey", to_json(&Body { key_id: &self.settings.key }), asked)
    }

    fn asks_for_keys_with_a_body(&self) -> bool {
        true
    }

    fn read_keys(&self, body: &[u8]) -> Result<Vec<(u32, RsaPublicKey)>, &'static str> {
        let members = self.about_the_key(body)?;
        let is_named = match members.member("SigningAlgorithms") {
            Some(Value::List(names)) => names.iter().any(|name| name.as_text() == Some(ALGORITHM)),
            _ => false,
        };
        if members.text("KeyUsage") != Some("SIGN_VERIFY") || !is_named {
            return Err(OTHER_USE);
        }
        let der = members.text("PublicKey").and_then(|text| STANDARD.decode(text).ok()).ok_or(NO_KEY)?;
        Ok(vec![(VERSION, RsaPublicKey::from_der(&der).map_err(|_| NOT_RSA)?)])
    }

    fn request(&self, signing_input: &str, asked: &Asked<'_>) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            key_id: &'a str,
            message: String,
            message_type: &'static str,
            signing_algorithm: &'static str,
        }
        let body = Body {
            key_id: &self.settings.key,
            message: STANDARD.encode(Sha256::digest(signing_input)),
            message_type: "DIGEST",
            signing_algorithm: ALGORITHM,
        };
        self.call("Sign", to_json(&body), asked)
    }

    fn read(&self, body: &[u8]) -> Result<RemoteSignature, &'static str> {
        let members = self.about_the_key(body)?;
        if members.text("SigningAlgorithm") != Some(ALGORITHM) {
            return Err(OTHER_ALGORITHM);
        }
        let bytes = members.text("Signature").and_then(|text| STANDARD.decode(text).ok()).ok_or(NO_SIGNATURE)?;
        Ok(RemoteSignature { version: VERSION, bytes })
    }

    fn status(&self, status: u16, body: &[u8]) -> u16 {
        let Ok(Value::Object(members)) = Value::parse(body) else { return status };
        let name = members.text("__type").unwrap_or_default();
        let name = name.rsplit_once('#').map_or(name, |(_, name)| name);
        match name {
            "ThrottlingException" | "LimitExceededException" | "TooManyRequestsException" => 429,
            "ExpiredTokenException"
            | "UnrecognizedClientException"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignatureException"
            | "InvalidSignatureException" => 401,
            "AccessDeniedException" => 403,
            "NotFoundException" => 404,
            "DisabledException" | "KMSInvalidStateException" => 409,
            "KMSInternalException" => 500,
            "KeyUnavailableException" => 503,
            "DependencyTimeoutException" => 504,
            _ => status,
        }
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            400 => Some("there is no such key for RSASSA_PSS_SHA_256"),
            401 if self.settings.credentials.is_none() => Some(
                "the call is not signed, or by credentials that are unknown or expired: the gateway has to sign it",
            ),
            401 => Some(
                "the credentials are unknown or expired, or secret, region or clock are wrong (AWS says it with 400)",
            ),
            403 => Some("the credentials may not do this with the key (AWS says it with 400)"),
            404 => Some("there is no such key in this region (AWS says it with 400)"),
            409 => Some("the key is disabled, or about to be deleted"),
            429 => Some("a quota is exhausted (AWS says it with 400)"),
            503 => Some("it cannot be reached, or has no access to the key"),
            504 => Some("no answer in time"),
            _ => None,
        }
    }

    fn key_hint(&self, status: u16) -> Option<&'static str> {
        match status {
            403 => Some("the credentials may not read the public key: grant kms:GetPublicKey, or configure public_key"),
            other => self.hint(other),
        }
    }
}

#[cfg(test)]
mod tests;
