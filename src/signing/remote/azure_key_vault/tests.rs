//! What Azure Key Vault is asked, and what is read in its answers.

use std::time::Duration;

use super::*;
use crate::config::{CloudToken, Patience, RemoteKey};
use crate::signing::remote::AnswerFault;
use crate::signing::remote::tests::read_by;
use crate::testing::SigningKey;
use crate::time::UnixTime;
use crate::url::HttpUrl;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const SIGNING_INPUT: &str = "aGVhZGVy.cGF5bG9hZA";
const KID: &str = "https://bank.vault.azure.net/keys/sig4/78deebed173b48e48f55abf87ed4cf71";
const ASKED: Asked<'_> = Asked { now: UnixTime::EPOCH, timeout: Duration::from_secs(2), token: None };

fn settings(public_key: Option<RsaPublicKey>) -> config::AzureKeyVault {
    config::AzureKeyVault {
        url: HttpUrl::parse(&format!("{KID}/sign?api-version=7.4")).unwrap(),
        key_url: HttpUrl::parse(&format!("{KID}?api-version=7.4")).unwrap(),
        key_path: "/keys/sig4/78deebed173b48e48f55abf87ed4cf71".into(),
        token: CloudToken::AddedByGateway,
        remote: RemoteKey {
            upstream: "vault".into(),
            key_id: "sig4".into(),
            public_key,
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    }
}

fn signer() -> AzureKeyVault {
    AzureKeyVault::new(settings(None))
}

fn read(body: &Json) -> Result<Vec<u8>, AnswerFault> {
    let key = SigningKey::first();
    let settings = settings(Some(RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap()));
    read_by(AzureKeyVault::new(settings), body.to_string().as_bytes(), SIGNING_INPUT)
}

fn signed(kid: &str, signature: &[u8]) -> Json {
    json!({"kid": kid, "value": to_base64url(signature)})
}

#[test]
fn the_digest_is_sent_and_not_what_is_signed() {
    let request = signer().request(SIGNING_INPUT, &ASKED);
    assert_eq!((request.method, request.url.as_str()), ("POST", format!("{KID}/sign?api-version=7.4").as_str()));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["accept", "content-type"], "the gateway adds the token");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SIGNING_INPUT.as_bytes());
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"alg": "PS256", "value": to_base64url(digest.as_ref())}));
    let request = signer().key_request(&ASKED);
    assert_eq!((request.method, request.url.as_str()), ("GET", format!("{KID}?api-version=7.4").as_str()));
    assert!(request.body.is_empty() && !signer().asks_for_keys_with_a_body());
}

#[test]
fn a_signature_counts_that_verifies_and_is_by_the_version_that_is_configured() {
    let signature = SigningKey::first().sign(SIGNING_INPUT.as_bytes());
    assert_eq!(read(&signed(KID, &signature)), Ok(signature.clone()));
    let unreadable = |fault| Err(AnswerFault::Unreadable(fault));
    let other = "https://bank.vault.azure.net/keys/sig4/00deebed173b48e48f55abf87ed4cf71";
    for (body, expected) in [
        (json!("x"), unreadable(NOT_AN_OBJECT)),
        (signed(other, &signature), unreadable(OTHER_KEY)),
        (signed("https://bank.vault.azure.net/keys/sig4", &signature), unreadable(OTHER_KEY)),
        (json!({"value": to_base64url(&signature)}), unreadable(OTHER_KEY)),
        (json!({"kid": KID}), unreadable(NO_SIGNATURE)),
        (json!({"kid": KID, "value": format!("{}==", to_base64url(&signature))}), unreadable(NO_SIGNATURE)),
        (signed(KID, &signature[1..]), Err(AnswerFault::Length)),
        (signed(KID, &SigningKey::second().sign(SIGNING_INPUT.as_bytes())), Err(AnswerFault::Mismatch)),
    ] {
        assert_eq!(read(&body), expected, "{body}");
    }
}

#[test]
fn the_public_key_is_that_of_the_version() {
    let key = SigningKey::first();
    let jwk = |kid: &str, kty: &str| {
        let (n, e) = (to_base64url(&key.modulus()), to_base64url(&key.exponent()));
        json!({"key": {"kid": kid, "kty": kty, "key_ops": ["sign", "verify"], "n": n, "e": e}, "attributes": {"enabled": true}})
    };
    let keys = |body: &Json| signer().read_keys(body.to_string().as_bytes()).map(|keys| keys[0].1.modulus());
    for kty in ["RSA", "RSA-HSM"] {
        assert_eq!(keys(&jwk(KID, kty)).as_deref(), Ok(&*key.modulus()));
    }
    for (body, fault) in [
        (json!({}), NO_KEY),
        (jwk("https://bank.vault.azure.net/keys/sig5/78deebed173b48e48f55abf87ed4cf71", "RSA"), OTHER_KEY),
        (jwk(KID, "EC"), NO_KEY),
        (json!({"key": {"kid": KID, "kty": "RSA", "n": "AQAB", "e": "AQAB"}}), NOT_RSA),
    ] {
        assert_eq!(keys(&body).unwrap_err(), fault, "{body}");
    }
}

proptest! {
    #[test]
    fn whatever_it_answers_nothing_is_read_that_does_not_verify(body in "\\PC{0,200}") {
        prop_assert!(signer().read(body.as_bytes()).is_err());
        prop_assert!(signer().read_keys(body.as_bytes()).is_err());
    }
}
