//! What the Transit engine answers: `{"data": {"signature": "vault:v1:…"}}`, with the signature as a JWS has it (RFC 7515
//! §2). Checked as far as it can be before it leaves: form, version of the key, length, and with the public key, where one
//! is configured, the signature itself (RFC 7518 §3.5).

use std::fmt;

use crate::config;
use crate::jose::base64url;
use crate::json::Value;
use crate::rsa::{MAX_MODULUS_BITS, MIN_MODULUS_BITS};

/// The longest answer that is read, in bytes. With a key of 4096 bits real ones have about 1 KiB.
pub const MAX_RESPONSE_LENGTH: usize = 16 * 1024;

/// Why an answer is not the signature that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFault {
    /// It is longer than [`MAX_RESPONSE_LENGTH`].
    TooLong,
    /// It is not a JSON object.
    NotAnObject,
    /// It has no text `data.signature`.
    NoSignature,
    /// The signature is not written as `vault:v1:` and base64url without padding.
    Format,
    /// The signature is by another version of the key than the configured one.
    KeyVersion,
    /// The signature is not as long as one with the configured public key, or with any RSA key that may be used.
    Length,
    /// The signature does not verify with the configured public key.
    Mismatch,
}

/// The signature in an answer.
pub(super) fn signature(
    body: &[u8],
    settings: &config::VaultTransit,
    signing_input: &str,
) -> Result<Vec<u8>, AnswerFault> {
    if body.len() > MAX_RESPONSE_LENGTH {
        return Err(AnswerFault::TooLong);
    }
    let Ok(Value::Object(members)) = Value::parse(body) else { return Err(AnswerFault::NotAnObject) };
    let Some(Value::Object(data)) = members.member("data") else { return Err(AnswerFault::NoSignature) };
    let text = data.text("signature").ok_or(AnswerFault::NoSignature)?;
    let (version, signature) = parts(text).ok_or(AnswerFault::Format)?;
    if settings.key_version.is_some_and(|configured| configured != version) {
        return Err(AnswerFault::KeyVersion);
    }
    let Some(key) = &settings.public_key else {
        let lengths = MIN_MODULUS_BITS / 8..=MAX_MODULUS_BITS / 8;
        return if lengths.contains(&signature.len()) { Ok(signature) } else { Err(AnswerFault::Length) };
    };
    if signature.len() != key.modulus().len() {
        return Err(AnswerFault::Length);
    }
    key.verify_ps256(signing_input.as_bytes(), &signature).map_err(|_| AnswerFault::Mismatch)?;
    Ok(signature)
}

/// The version of the key, and the signature's bytes.
fn parts(text: &str) -> Option<(u32, Vec<u8>)> {
    let (digits, signature) = text.strip_prefix("vault:v")?.split_once(':')?;
    let version = digits.parse().ok().filter(|version: &u32| version.to_string() == digits)?;
    Some((version, base64url(signature)?))
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the answer is longer than {MAX_RESPONSE_LENGTH} bytes"),
            Self::NotAnObject => f.write_str("the answer is not a JSON object"),
            Self::NoSignature => f.write_str("the answer has no data.signature"),
            Self::Format => f.write_str("the answer's signature is not vault:v1:… with base64url after it"),
            Self::KeyVersion => f.write_str("the signature is by another version of the key than key_version"),
            Self::Length => f.write_str("the signature is not as long as one with the RSA key that is expected"),
            Self::Mismatch => f.write_str(
                "the signature does not verify with public_key: the key may have been rotated, or be another",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rsa::RsaPublicKey;
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
        signature(body.as_ref(), settings, SIGNING_INPUT)
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
        use AnswerFault::{NoSignature, NotAnObject};
        let text = format!("vault:v1:{}", b64(&[7; 256]));
        let cases: [(Json, AnswerFault); 9] = [
            (json!(null), NotAnObject),
            (json!([]), NotAnObject),
            (json!(text), NotAnObject),
            (json!({}), NoSignature),
            (json!({"signature": text}), NoSignature),
            (json!({"data": null}), NoSignature),
            (json!({"data": text}), NoSignature),
            (json!({"data": {"signature": null}}), NoSignature),
            (json!({"data": {"signature": [text]}}), NoSignature),
        ];
        for (body, fault) in cases {
            assert_eq!(read(&settings(), body.to_string()), Err(fault), "{body}");
        }
        let right = with(&text);
        assert!(read(&settings(), &right).is_ok());
        let twice = format!(r#"{{"data": {{"signature": "{text}", "signature": "{text}"}}}}"#);
        for body in ["", "<html>", right.trim_end_matches('}'), &format!("{right}{right}"), &twice] {
            assert_eq!(read(&settings(), body), Err(NotAnObject), "{body}");
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
        let encoded = b64(&[0xfb; 256]);
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
            format!("vault:v1:{encoded}:"),
            // As other marshaling algorithms write it.
            format!("vault:v1:{}", encoded.replace('-', "+").replace('_', "/")),
        ] {
            assert_eq!(read(&settings(), with(&text)), Err(AnswerFault::Format), "{text}");
        }
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
                let expected = if right { Ok(vec![7; 256]) } else { Err(AnswerFault::KeyVersion) };
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
        fn any_text_for_a_signature_is_read_without_a_panic(text in "(vault:)?(v[0-9]{0,11}:)?[-_:=A-Za-z0-9]{0,400}") {
            prop_assert!(read(&with_key(SigningKey::first()), with(&text)).is_err());
        }
    }
}
