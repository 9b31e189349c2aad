//! The Transit engine of HashiCorp Vault and OpenBao as remote signer. Its API is that of `POST
//! /v1/{mount}/sign/{key}/sha2-256` in Vault's documentation, which OpenBao shares. It answers with `{"data": {"signature":
//! "vault:v1:…"}}`, with the signature as a JWS has it (RFC 7515 §2).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::callout::Request;
use crate::config;
use crate::jose::base64url;
use crate::json::Value;
use crate::log_line::to_json;
use crate::rsa::RsaPublicKey;

use super::signer::{Limits, RemoteSigner};

const NOT_AN_OBJECT: &str = "the answer is not a JSON object";
const NO_SIGNATURE: &str = "the answer has no data.signature";
const FORMAT: &str = "the answer's signature is not vault:v1:… with base64url or base64 after it";
const KEY_VERSION: &str = "the signature is by another version of the key than key_version";

/// The Transit engine.
#[derive(Debug)]
pub struct VaultTransit {
    settings: config::VaultTransit,
}

impl VaultTransit {
    /// With these settings.
    #[must_use]
    pub fn new(settings: config::VaultTransit) -> Self {
        Self { settings }
    }
}

impl RemoteSigner for VaultTransit {
    fn name(&self) -> &'static str {
        "vault_transit"
    }

    fn key_id(&self) -> &str {
        &self.settings.key_id
    }

    fn limits(&self) -> Limits {
        Limits { timeout: self.settings.timeout, deadline: self.settings.deadline }
    }

    fn public_key(&self) -> Option<&RsaPublicKey> {
        self.settings.public_key.as_ref()
    }

    fn request(&self, signing_input: &str, timeout: Duration) -> Request {
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
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
            ("x-vault-token", self.settings.token.expose().to_owned()),
            // Agents and proxies between here and the server may demand it (`require_request_header`).
            ("x-vault-request", "true".to_owned()),
        ];
        if let Some(namespace) = &self.settings.namespace {
            headers.push(("x-vault-namespace", namespace.clone()));
        }
        Request {
            upstream: self.settings.upstream.clone(),
            method: "POST",
            url: self.settings.url.clone(),
            headers,
            body: to_json(&body).into_bytes(),
            timeout,
        }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Err(NOT_AN_OBJECT) };
        let Some(Value::Object(data)) = members.member("data") else { return Err(NO_SIGNATURE) };
        let text = data.text("signature").ok_or(NO_SIGNATURE)?;
        let (version, signature) = parts(text).ok_or(FORMAT)?;
        if self.settings.key_version.is_some_and(|configured| configured != version) {
            return Err(KEY_VERSION);
        }
        Ok(signature)
    }

    fn warnings(&self, body: &[u8]) -> Vec<String> {
        let Ok(Value::Object(members)) = Value::parse(body) else { return Vec::new() };
        let Some(Value::List(warnings)) = members.member("warnings") else { return Vec::new() };
        warnings.iter().filter_map(Value::as_text).map(str::to_owned).collect()
    }

    /// Time may help also a standby that names another server (307), and one that has not caught up with its leader (412).
    fn may_pass(&self, status: u16) -> bool {
        matches!(status, 307 | 408 | 412 | 425 | 429 | 500..=599)
    }

    fn hint(&self, status: u16) -> Option<&'static str> {
        match status {
            307 => Some("it is a standby, and redirects are not followed"),
            300..=399 => Some("a redirect, which is not followed"),
            400 => Some("there is no such key, or it cannot sign like this"),
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
}

/// The version of the key, and the signature's bytes: in base64url, or in base64 where the server has not heeded
/// `marshaling_algorithm`.
fn parts(text: &str) -> Option<(u32, Vec<u8>)> {
    let (digits, signature) = text.strip_prefix("vault:v")?.split_once(':')?;
    let version = digits.parse().ok().filter(|version: &u32| version.to_string() == digits)?;
    Some((version, base64url(signature).or_else(|| STANDARD.decode(signature).ok())?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rsa::RsaPublicKey;
    use crate::signing::remote::tests::read_by;
    use crate::signing::remote::{AnswerFault, MAX_RESPONSE_LENGTH};
    use crate::testing::{SigningKey, b64};
    use aws_lc_rs::rsa::KeySize;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    const SIGNING_INPUT: &str = "aGVhZGVy.cGF5bG9hZA";

    fn settings() -> config::VaultTransit {
        config::VaultTransit {
            url: crate::url::HttpUrl::parse("https://bao.example/v1/transit/sign/sig4/sha2-256").unwrap(),
            upstream: "bao".into(),
            namespace: None,
            token: config::Secret::new("s.secret"),
            key_id: "sig4".into(),
            key_version: None,
            public_key: None,
            timeout: Duration::from_secs(2),
            deadline: Duration::from_secs(5),
        }
    }

    fn with_key(key: &SigningKey) -> config::VaultTransit {
        let public_key = RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap();
        config::VaultTransit { public_key: Some(public_key), ..settings() }
    }

    fn read(settings: &config::VaultTransit, body: impl AsRef<[u8]>) -> Result<Vec<u8>, AnswerFault> {
        read_by(VaultTransit::new(settings.clone()), body.as_ref(), SIGNING_INPUT)
    }

    /// A body with this text for `data.signature`.
    fn with(signature: &str) -> String {
        json!({"data": {"signature": signature}}).to_string()
    }

    fn with_bytes(signature: &[u8]) -> String {
        with(&format!("vault:v1:{}", b64(signature)))
    }

    #[test]
    fn the_signature_is_taken_from_an_answer_as_openbao_writes_it() {
        let signature = SigningKey::first().sign(SIGNING_INPUT.as_bytes());
        let text = format!("vault:v1:{}", b64(&signature));
        let body = json!({
            "request_id": "b85a29ec-4fd4-213b-c999-565b7fd3aafc", "lease_id": "", "renewable": false, "lease_duration": 0,
            "data": {"key_version": 1, "signature": text}, "wrap_info": null, "warnings": null, "auth": null,
        });
        assert_eq!(read(&settings(), format!("{body}\n")), Ok(signature.clone()));
        assert_eq!(read(&with_key(SigningKey::first()), body.to_string()), Ok(signature));
    }

    #[test]
    fn an_answer_without_a_signature_is_refused() {
        const WITHOUT: AnswerFault = AnswerFault::Unreadable(NO_SIGNATURE);
        const NO_OBJECT: AnswerFault = AnswerFault::Unreadable(NOT_AN_OBJECT);
        let text = format!("vault:v1:{}", b64(&[7; 256]));
        let cases: [(Json, AnswerFault); 9] = [
            (json!(null), NO_OBJECT),
            (json!([]), NO_OBJECT),
            (json!(text), NO_OBJECT),
            (json!({}), WITHOUT),
            (json!({"signature": text}), WITHOUT),
            (json!({"data": null}), WITHOUT),
            (json!({"data": text}), WITHOUT),
            (json!({"data": {"signature": null}}), WITHOUT),
            (json!({"data": {"signature": [text]}}), WITHOUT),
        ];
        for (body, fault) in cases {
            assert_eq!(read(&settings(), body.to_string()), Err(fault), "{body}");
        }
        let right = with(&text);
        assert!(read(&settings(), &right).is_ok());
        let twice = format!(r#"{{"data": {{"signature": "{text}", "signature": "{text}"}}}}"#);
        for body in ["", "<html>", right.trim_end_matches('}'), &format!("{right}{right}"), &twice] {
            assert_eq!(read(&settings(), body), Err(NO_OBJECT), "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_far_too_long_is_not_read() {
        let body = with_bytes(&[7; 256]);
        let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
        assert_eq!(read(&settings(), padded(MAX_RESPONSE_LENGTH)), Ok(vec![7; 256]));
        assert_eq!(read(&settings(), padded(MAX_RESPONSE_LENGTH + 1)), Err(AnswerFault::TooLong));
    }

    #[test]
    fn a_signature_in_another_form_is_refused() {
        let (encoded, base64) = (b64(&[0xfb; 256]), STANDARD.encode([0xfb; 256]));
        assert!(read(&settings(), with(&format!("vault:v1:{encoded}"))).is_ok());
        for text in [
            String::new(),
            encoded.clone(),
            format!("v1:{encoded}"),
            format!("vault:{encoded}"),
            format!("vault:v:{encoded}"),
            format!("vault:1:{encoded}"),
            format!("vault:v1{encoded}"),
            format!("vault:v-1:{encoded}"),
            format!("vault:v+1:{encoded}"),
            format!("vault:v01:{encoded}"),
            format!("vault:v 1:{encoded}"),
            format!("vault:v4294967296:{encoded}"),
            format!("Vault:v1:{encoded}"),
            format!(" vault:v1:{encoded}"),
            format!("vault:v1:{encoded}\n"),
            format!("vault:v1:{encoded}=="),
            format!("vault:v1:{}", base64.trim_end_matches('=')),
            format!("vault:v1:{}=", base64),
            format!("vault:v1:{}\n", base64),
            format!("vault:v1:{encoded}:"),
        ] {
            assert_eq!(read(&settings(), with(&text)), Err(AnswerFault::Unreadable(FORMAT)), "{text}");
        }
    }

    #[test]
    fn a_signature_in_base64_is_read_as_one_in_base64url_is() {
        for bytes in [vec![0xfb; 256], vec![0xfb; 384], SigningKey::first().sign(SIGNING_INPUT.as_bytes())] {
            let text = STANDARD.encode(&bytes);
            assert_eq!(read(&settings(), with(&format!("vault:v1:{text}"))), Ok(bytes), "{text}");
        }
        let right = STANDARD.encode(SigningKey::first().sign(SIGNING_INPUT.as_bytes()));
        assert!(read(&with_key(SigningKey::first()), with(&format!("vault:v1:{right}"))).is_ok());
        let other = STANDARD.encode(SigningKey::first().sign_rs256(SIGNING_INPUT.as_bytes()));
        let fault = read(&with_key(SigningKey::first()), with(&format!("vault:v1:{other}")));
        assert_eq!(fault, Err(AnswerFault::Mismatch));
    }

    #[test]
    fn warnings_are_the_texts_that_the_answer_lists() {
        let warnings = |body: Json| VaultTransit::new(settings()).warnings(body.to_string().as_bytes());
        assert_eq!(warnings(json!({"warnings": ["a", "b"], "data": null})), ["a", "b"]);
        assert_eq!(warnings(json!({"warnings": [1, null, "c"]})), ["c"]);
        for body in [json!({"warnings": null}), json!({"warnings": "a"}), json!({"warnings": []}), json!({}), json!([])]
        {
            assert!(warnings(body.clone()).is_empty(), "{body}");
        }
        assert!(VaultTransit::new(settings()).warnings(b"<html>").is_empty());
    }

    #[test]
    fn the_signature_must_be_by_the_configured_version_of_the_key() {
        let versions = [("1", 1), ("2", 2), ("10", 10), ("4294967295", u32::MAX)];
        for (written, _) in versions {
            let body = with(&format!("vault:v{written}:{}", b64(&[7; 256])));
            assert!(read(&settings(), &body).is_ok(), "any version, if none is configured");
            for (_, configured) in versions {
                let pinned = config::VaultTransit { key_version: Some(configured), ..settings() };
                let right = written == configured.to_string();
                let expected = if right { Ok(vec![7; 256]) } else { Err(AnswerFault::Unreadable(KEY_VERSION)) };
                assert_eq!(read(&pinned, &body), expected, "{written} for {configured}");
            }
        }
    }

    #[test]
    fn without_a_public_key_the_signature_is_as_long_as_one_with_a_key_that_may_be_used() {
        for length in [256, 384, 512] {
            assert_eq!(read(&settings(), with_bytes(&vec![7; length])), Ok(vec![7; length]));
        }
        // 64 bytes is what a P-256 key gives.
        for length in [0, 64, 128, 255, 513, 1024] {
            assert_eq!(read(&settings(), with_bytes(&vec![7; length])), Err(AnswerFault::Length), "{length}");
        }
    }

    #[test]
    fn with_a_public_key_the_signature_is_as_long_as_the_modulus() {
        let settings = with_key(SigningKey::first());
        let longer = SigningKey::generate(KeySize::Rsa3072).sign(SIGNING_INPUT.as_bytes());
        for signature in [&longer[..], &[7; 255], &[7; 257], &[7; 512], &[]] {
            assert_eq!(read(&settings, with_bytes(signature)), Err(AnswerFault::Length), "{}", signature.len());
        }
    }

    #[test]
    fn with_a_public_key_the_signature_must_verify() {
        let (first, second) = (SigningKey::first(), SigningKey::second());
        let message = SIGNING_INPUT.as_bytes();
        let mut flipped = first.sign(message);
        flipped[200] ^= 1;
        for (what, signature) in [
            ("another key", second.sign(message)),
            ("another message", first.sign(b"aGVhZGVy.cGF5bG9hZB")),
            ("another padding", first.sign_rs256(message)),
            ("a flipped bit", flipped),
        ] {
            assert_eq!(read(&with_key(first), with_bytes(&signature)), Err(AnswerFault::Mismatch), "{what}");
            assert_eq!(read(&settings(), with_bytes(&signature)), Ok(signature), "{what}, without the public key");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(read(&with_key(SigningKey::first()), body).is_err());
        }

        #[test]
        fn any_text_for_a_signature_is_read_without_a_panic(text in "(vault:)?(v[0-9]{0,11}:)?[-_+/:=A-Za-z0-9]{0,400}") {
            prop_assert!(read(&with_key(SigningKey::first()), with(&text)).is_err());
        }
    }
}
