//! What AWS KMS is asked, and what is read in its answers.

use std::time::Duration;

use super::*;
use crate::callout::{Answer, Body, CalloutError};
use crate::config::{AwsCredentials, Patience, RemoteKey, Secret};
use crate::gateway::kinds::GatewayKind;
use crate::signing::remote::tests::read_by;
use crate::signing::remote::{AnswerFault, RemoteSigning};
use crate::testing::SigningKey;
use crate::time::UnixTime;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const SIGNING_INPUT: &str = "aGVhZGVy.cGF5bG9hZA";
const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const ARN: &str = "arn:aws:kms:me-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ASKED: Asked<'_> =
    Asked { now: UnixTime::from_secs(1_795_253_400), timeout: Duration::from_secs(2), token: None };

fn settings() -> config::AwsKms {
    config::AwsKms {
        url: crate::url::HttpUrl::parse("https://kms.me-central-1.amazonaws.com/").unwrap(),
        region: "me-central-1".into(),
        key: KEY.into(),
        credentials: None,
        remote: RemoteKey {
            upstream: "kms".into(),
            key_id: "sig4".into(),
            public_key: None,
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    }
}

fn signer() -> AwsKms {
    AwsKms::new(settings())
}

fn read(body: &Json) -> Result<Vec<u8>, AnswerFault> {
    let key = SigningKey::first();
    let public_key = RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap();
    let remote = RemoteKey { public_key: Some(public_key), ..settings().remote };
    let settings = config::AwsKms { remote, ..settings() };
    read_by(AwsKms::new(settings), body.to_string().as_bytes(), SIGNING_INPUT)
}

/// An answer as AWS documents it, with this signature.
fn signed(signature: &[u8]) -> Json {
    json!({"KeyId": ARN, "Signature": STANDARD.encode(signature), "SigningAlgorithm": "RSASSA_PSS_SHA_256"})
}

fn spki() -> Vec<u8> {
    let pem = SigningKey::first().public_pem();
    let digits: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(digits).unwrap()
}

fn told() -> Json {
    json!({
        "CustomerMasterKeySpec": "RSA_2048", "KeyId": ARN, "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY",
        "PublicKey": STANDARD.encode(spki()),
        "SigningAlgorithms": ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"],
    })
}

fn with(mut body: Json, name: &str, value: Json) -> Json {
    body[name] = value;
    body
}

#[test]
fn the_digest_is_sent_and_not_what_is_signed() {
    let request = signer().request(SIGNING_INPUT, &ASKED);
    assert_eq!((request.upstream.as_str(), request.method), ("kms", "POST"));
    assert_eq!(request.url.as_str(), "https://kms.me-central-1.amazonaws.com/");
    let expected = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "TrentService.Sign")].map(owned);
    assert_eq!(request.headers, expected, "the gateway signs it");
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SIGNING_INPUT.as_bytes());
    assert_eq!(
        body,
        json!({
            "KeyId": KEY, "Message": STANDARD.encode(digest), "MessageType": "DIGEST",
            "SigningAlgorithm": "RSASSA_PSS_SHA_256",
        })
    );
    let request = signer().key_request(&ASKED);
    assert_eq!(request.headers[1], owned(("x-amz-target", "TrentService.GetPublicKey")));
    assert_eq!(serde_json::from_slice::<Json>(&request.body).unwrap(), json!({"KeyId": KEY}));
    assert!(signer().asks_for_keys_with_a_body());
}

fn owned((name, value): (&'static str, &str)) -> (&'static str, String) {
    (name, value.to_owned())
}

#[test]
fn with_credentials_the_filter_signs_its_calls_and_prints_no_secret() {
    let credentials = AwsCredentials {
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("s3cret"),
        session_token: Some(Secret::new("t0ken")),
    };
    let signer = AwsKms::new(config::AwsKms { credentials: Some(credentials), ..settings() });
    let headers = signer.request(SIGNING_INPUT, &ASKED).headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["content-type", "x-amz-target", "x-amz-date", "x-amz-security-token", "authorization"]);
    assert_eq!(headers[2].1, "20261121T093000Z");
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/me-central-1/kms/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
    assert!(headers[4].1.starts_with(start), "{headers:?}");
    let printed = format!("{signer:?}");
    assert!(!printed.contains("s3cret") && !printed.contains("t0ken") && !printed.contains("AKID"), "{printed}");
}

#[test]
fn a_signature_counts_that_verifies_and_is_by_the_key_that_is_configured() {
    let signature = SigningKey::first().sign(SIGNING_INPUT.as_bytes());
    assert_eq!(read(&signed(&signature)), Ok(signature.clone()));
    let unreadable = |fault| Err(AnswerFault::Unreadable(fault));
    let good = signed(&signature);
    let text = STANDARD.encode(&signature);
    for (body, expected) in [
        (json!([]), unreadable(NOT_AN_OBJECT)),
        (with(good.clone(), "KeyId", json!(format!("{ARN}c"))), unreadable(OTHER_KEY)),
        (with(good.clone(), "KeyId", json!(KEY)), unreadable(OTHER_KEY)),
        (with(good.clone(), "KeyId", json!("arn:aws:kms:r:1:alias/sig4")), unreadable(OTHER_KEY)),
        (with(good.clone(), "SigningAlgorithm", json!("RSASSA_PKCS1_V1_5_SHA_256")), unreadable(OTHER_ALGORITHM)),
        (with(good.clone(), "Signature", json!(null)), unreadable(NO_SIGNATURE)),
        (with(good.clone(), "Signature", json!(text.trim_end_matches('='))), unreadable(NO_SIGNATURE)),
        (with(good.clone(), "Signature", json!(text.get(..100))), Err(AnswerFault::Length)),
        (signed(&signature[1..]), Err(AnswerFault::Length)),
        (signed(&SigningKey::second().sign(SIGNING_INPUT.as_bytes())), Err(AnswerFault::Mismatch)),
        (signed(&SigningKey::first().sign(b"something else")), Err(AnswerFault::Mismatch)),
    ] {
        assert_eq!(read(&body), expected, "{body}");
    }
}

#[test]
fn the_public_key_is_that_of_the_key_and_for_this_algorithm() {
    let keys = |body: &Json| signer().read_keys(body.to_string().as_bytes()).map(|keys| keys[0].1.modulus());
    assert_eq!(keys(&told()).as_deref(), Ok(&*SigningKey::first().modulus()));
    for (name, value, fault) in [
        ("KeyId", json!("arn:aws:kms:r:1:key/other"), OTHER_KEY),
        ("KeyUsage", json!("ENCRYPT_DECRYPT"), OTHER_USE),
        ("SigningAlgorithms", json!(["RSASSA_PSS_SHA_512"]), OTHER_USE),
        ("SigningAlgorithms", json!("RSASSA_PSS_SHA_256"), OTHER_USE),
        ("PublicKey", json!(7), NO_KEY),
        ("PublicKey", json!("%"), NO_KEY),
        ("PublicKey", json!(STANDARD.encode(&spki()[..200])), NOT_RSA),
        ("PublicKey", json!(STANDARD.encode("<html>")), NOT_RSA),
    ] {
        assert_eq!(keys(&with(told(), name, value.clone())).unwrap_err(), fault, "{name} {value}");
    }
}

/// What AWS says in the body of a 400 is said in HTTP's words.
#[test]
fn an_error_of_aws_is_told_by_its_type() {
    let signing = RemoteSigning::new(Box::new(signer()), &GatewayKind::Envoy.capabilities(None, false));
    let complete = |status: u16, body: &str| {
        let status = Some(status.to_string().into_bytes());
        signing.complete(&Answer { status, body: Body::Read(body.into()), ..Answer::default() }).map(<[u8]>::len)
    };
    for (name, status) in [
        ("ThrottlingException", 429),
        ("ExpiredTokenException", 401),
        ("com.amazon.coral.service#InvalidSignatureException", 401),
        ("AccessDeniedException", 403),
        ("com.amazonaws.kms#NotFoundException", 404),
        ("KMSInvalidStateException", 409),
        ("KMSInternalException", 500),
        ("DependencyTimeoutException", 504),
        ("ValidationException", 400),
        ("SomethingNew", 400),
    ] {
        let body = json!({"__type": name, "message": "s3cret"}).to_string();
        assert_eq!(complete(400, &body), Err(CalloutError::Status(status)), "{name}");
    }
    for body in ["<html>", "[]", "{}", r#"{"__type": 7}"#] {
        assert_eq!(complete(400, body), Err(CalloutError::Status(400)), "{body}");
    }
    assert_eq!(complete(400, ""), Err(CalloutError::StatusAlone(400)));
    let long = format!(r#"{{"__type": "ThrottlingException", "x": "{}"}}"#, "x".repeat(16 * 1024));
    assert_eq!(complete(400, &long), Err(CalloutError::Status(400)), "not read");
    assert_eq!(complete(200, "{}"), Ok(2));
}

proptest! {
    #[test]
    fn whatever_it_answers_nothing_is_read_that_does_not_verify(body in "\\PC{0,200}", status in any::<u16>()) {
        prop_assert!(signer().read(body.as_bytes()).is_err());
        prop_assert!(signer().read_keys(body.as_bytes()).is_err());
        prop_assert_eq!(signer().status(status, body.as_bytes()), status);
    }
}
