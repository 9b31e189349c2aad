//! What Google Cloud KMS is asked, and what is read in its answers.

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
const NAME: &str = "projects/bank/locations/me-central2/keyRings/hub/cryptoKeys/sig4/cryptoKeyVersions/3";
const ASKED: Asked<'_> = Asked { now: UnixTime::EPOCH, timeout: Duration::from_secs(2), token: None };

fn settings(public_key: Option<RsaPublicKey>) -> config::GoogleKms {
    config::GoogleKms {
        url: HttpUrl::parse(&format!("https://cloudkms.googleapis.com/v1/{NAME}:asymmetricSign")).unwrap(),
        key_url: HttpUrl::parse(&format!("https://cloudkms.googleapis.com/v1/{NAME}/publicKey")).unwrap(),
        name: NAME.into(),
        token: CloudToken::AddedByGateway,
        remote: RemoteKey {
            upstream: "cloud_kms".into(),
            key_id: "sig4".into(),
            public_key,
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    }
}

fn signer() -> GoogleKms {
    GoogleKms::new(settings(None))
}

fn read(body: &Json) -> Result<Vec<u8>, AnswerFault> {
    let key = SigningKey::first();
    let settings = settings(Some(RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap()));
    read_by(GoogleKms::new(settings), body.to_string().as_bytes(), SIGNING_INPUT)
}

fn signed(name: &str, signature: &[u8]) -> Json {
    json!({"signature": STANDARD.encode(signature), "signatureCrc32c": "7", "name": name, "protectionLevel": "HSM"})
}

#[test]
fn the_digest_is_sent_and_not_what_is_signed() {
    let request = signer().request(SIGNING_INPUT, &ASKED);
    let url = format!("https://cloudkms.googleapis.com/v1/{NAME}:asymmetricSign");
    assert_eq!((request.method, request.url.as_str()), ("POST", url.as_str()));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["accept", "content-type"], "the gateway adds the token");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SIGNING_INPUT.as_bytes());
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"digest": {"sha256": STANDARD.encode(digest)}}));
    let request = signer().key_request(&ASKED);
    assert!(request.method == "GET" && request.url.path().ends_with("/cryptoKeyVersions/3/publicKey"));
}

#[test]
fn a_signature_counts_that_verifies_and_is_by_the_version_that_is_configured() {
    let signature = SigningKey::first().sign(SIGNING_INPUT.as_bytes());
    assert_eq!(read(&signed(NAME, &signature)), Ok(signature.clone()));
    let unreadable = |fault| Err(AnswerFault::Unreadable(fault));
    for (body, expected) in [
        (json!(7), unreadable(NOT_AN_OBJECT)),
        (signed(&NAME.replace("Versions/3", "Versions/4"), &signature), unreadable(OTHER_KEY)),
        (json!({"signature": STANDARD.encode(&signature)}), unreadable(OTHER_KEY)),
        (json!({"name": NAME}), unreadable(NO_SIGNATURE)),
        (json!({"name": NAME, "signature": "AAA"}), unreadable(NO_SIGNATURE)),
        (signed(NAME, &signature[1..]), Err(AnswerFault::Length)),
        (signed(NAME, &SigningKey::second().sign(SIGNING_INPUT.as_bytes())), Err(AnswerFault::Mismatch)),
    ] {
        assert_eq!(read(&body), expected, "{body}");
    }
}

#[test]
fn the_public_key_is_that_of_the_version_and_for_this_algorithm() {
    let key = SigningKey::first();
    let told = |name: &str, algorithm: &str, pem: &str| json!({"pem": pem, "algorithm": algorithm, "pemCrc32c": "7", "name": name, "protectionLevel": "HSM"});
    let keys = |body: &Json| signer().read_keys(body.to_string().as_bytes()).map(|keys| keys[0].1.modulus());
    let pem = key.public_pem();
    for algorithm in ["RSA_SIGN_PSS_2048_SHA256", "RSA_SIGN_PSS_3072_SHA256", "RSA_SIGN_PSS_4096_SHA256"] {
        assert_eq!(keys(&told(NAME, algorithm, &pem)).as_deref(), Ok(&*key.modulus()));
    }
    for (body, fault) in [
        (told("projects/other", "RSA_SIGN_PSS_2048_SHA256", &pem), OTHER_KEY),
        (told(NAME, "RSA_SIGN_PKCS1_2048_SHA256", &pem), OTHER_ALGORITHM),
        (told(NAME, "RSA_SIGN_PSS_4096_SHA512", &pem), OTHER_ALGORITHM),
        (told(NAME, "RSA_SIGN_PSS_2048_SHA256", "<html>"), NOT_RSA),
        (json!({"name": NAME, "algorithm": "RSA_SIGN_PSS_2048_SHA256"}), NO_KEY),
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
