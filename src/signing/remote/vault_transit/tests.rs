//! What is read in answers of the Transit engine, and what is not.

use std::time::Duration;

use super::*;
use crate::config::{Patience, RemoteKey};
use crate::rsa::RsaPublicKey;
use crate::signing::remote::tests::read_by;
use crate::signing::remote::{AnswerFault, MAX_RESPONSE_LENGTH};
use crate::testing::{SigningKey, b64};
use crate::time::UnixTime;
use aws_lc_rs::rsa::KeySize;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const SIGNING_INPUT: &str = "aGVhZGVy.cGF5bG9hZA";

fn settings() -> config::VaultTransit {
    config::VaultTransit {
        url: crate::url::HttpUrl::parse("https://bao.example/v1/transit/sign/sig4/sha2-256").unwrap(),
        key_url: crate::url::HttpUrl::parse("https://bao.example/v1/transit/keys/sig4").unwrap(),
        namespace: None,
        token: VaultToken::Given(Credential::Secret(config::Secret::new("s.secret"))),
        key_version: None,
        remote: RemoteKey {
            upstream: "bao".into(),
            key_id: "sig4".into(),
            public_key: None,
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    }
}

fn asked() -> Asked<'static> {
    Asked { now: UnixTime::EPOCH, timeout: Duration::from_secs(2), token: None }
}

fn with_key(key: &SigningKey) -> config::VaultTransit {
    let public_key = RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap();
    let remote = RemoteKey { public_key: Some(public_key), ..settings().remote };
    config::VaultTransit { remote, ..settings() }
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
    for body in [json!({"warnings": null}), json!({"warnings": "a"}), json!({"warnings": []}), json!({}), json!([])] {
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
    }
}

/// The answer to the request for the public keys, as OpenBao writes it.
fn keys(versions: &[(&str, Json)]) -> Json {
    let keys: serde_json::Map<_, _> =
        versions.iter().map(|(version, key)| ((*version).to_owned(), key.clone())).collect();
    json!({
        "request_id": "f1d5a5c7-5c62-4a4f-b7a4-0f4d6a9a4c1e", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": {
            "allow_plaintext_backup": false, "auto_rotate_period": 0, "deletion_allowed": false, "derived": false, "exportable": false,
            "imported_key": false, "keys": keys, "latest_version": versions.len(), "min_available_version": 0,
            "min_decryption_version": 1, "min_encryption_version": 0, "name": "sig4", "supports_signing": true, "type": "rsa-2048",
        },
        "wrap_info": null, "warnings": null, "auth": null,
    })
}

fn version(key: &SigningKey) -> Json {
    json!({"certificate_chain": "", "creation_time": "2026-11-29T20:00:00Z", "name": "rsa-2048", "public_key": key.public_pem()})
}

/// The versions that are read, with the modulus of each.
fn read_keys(settings: &config::VaultTransit, body: impl AsRef<[u8]>) -> Result<Vec<(u32, Vec<u8>)>, &'static str> {
    let keys = VaultTransit::new(settings.clone()).read_keys(body.as_ref())?;
    Ok(keys.into_iter().map(|(version, key)| (version, key.modulus().into())).collect())
}

#[test]
fn the_public_keys_are_asked_for_without_a_body() {
    let settings = config::VaultTransit { namespace: Some("bank".into()), ..settings() };
    let Request { upstream, method, url, headers, body, timeout, .. } =
        VaultTransit::new(settings).key_request(&asked());
    assert_eq!((upstream.as_str(), method, url.as_str()), ("bao", "GET", "https://bao.example/v1/transit/keys/sig4"));
    let expected = [
        ("accept", "application/json"),
        ("x-vault-token", "s.secret"),
        ("x-vault-request", "true"),
        ("x-vault-namespace", "bank"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name, value.to_owned())));
    assert!(body.is_empty() && timeout == Duration::from_secs(2));
}

#[test]
fn the_public_keys_are_those_of_all_versions_or_of_the_configured_one() {
    let (first, second) = (SigningKey::first(), SigningKey::second());
    let body = keys(&[("1", version(first)), ("2", version(second))]).to_string();
    assert_eq!(read_keys(&settings(), &body), Ok(vec![(1, first.modulus()), (2, second.modulus())]));
    let pinned = |version| config::VaultTransit { key_version: Some(version), ..settings() };
    assert_eq!(read_keys(&pinned(1), &body), Ok(vec![(1, first.modulus())]));
    assert_eq!(read_keys(&pinned(3), &body), Err(NO_SUCH_VERSION));
}

#[test]
fn of_many_versions_the_newest_are_kept() {
    let names: Vec<String> = (1..=40).map(|version: u32| version.to_string()).collect();
    let versions: Vec<_> = names.iter().map(|name| (name.as_str(), version(SigningKey::first()))).collect();
    let mut read: Vec<u32> =
        read_keys(&settings(), keys(&versions).to_string()).unwrap().into_iter().map(|(version, _)| version).collect();
    read.sort_unstable();
    assert_eq!(read, (33..=40).collect::<Vec<_>>());
    let pinned = config::VaultTransit { key_version: Some(1), ..settings() };
    assert_eq!(read_keys(&pinned, keys(&versions).to_string()).unwrap().len(), 1, "an old one, where it is configured");
}

/// Made by OpenSSL: P-256, and RSA of 1024 bits.
const UNFIT: [&str; 2] = [
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdIXFq9I9NG7BEW3ljRmrHH2QdBw5\n\
     8TFR9t5hGq5Lu0PnUJXNrpl3V2kWpReSZhrj/IzAmXxlQvhpnfNlwhmxnQ==\n-----END PUBLIC KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDK0LkH7uZilWuI0/UrbyncepN4\n\
     PFeq+e1xZBXHG+moKgapNju58fnXTLsUW4MeurgdV8slXz1V0NheGITTpKwhuEU1\n\
     Rdgy9aiszn8kX0jaR+7O+W4jujCEk2ZXBOJ30mLf4BxD6kyUBuMNX9dhy8nTgEJy\nMX7AmA3wLqecyzstEwIDAQAB\n-----END PUBLIC KEY-----\n",
];

#[test]
fn a_key_that_is_not_for_ps256_is_refused_where_it_signs_and_passed_over_where_it_does_not() {
    let good = version(SigningKey::first());
    let private = json!({"public_key": SigningKey::first().pem()});
    let base64 = json!({"public_key": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="});
    let unfit = UNFIT.map(|pem| json!({"public_key": pem}));
    for bad in unfit.into_iter().chain([private, base64]) {
        let body = keys(&[("1", good.clone()), ("2", bad.clone())]).to_string();
        assert_eq!(read_keys(&settings(), &body), Err(NOT_RSA), "{bad}");
        let body = keys(&[("1", bad.clone()), ("2", good.clone())]).to_string();
        assert_eq!(read_keys(&settings(), &body), Ok(vec![(2, SigningKey::first().modulus())]), "{bad}");
        let pinned = config::VaultTransit { key_version: Some(1), ..settings() };
        assert_eq!(read_keys(&pinned, &body), Err(NOT_RSA), "{bad}");
    }
}

#[test]
fn an_answer_without_public_keys_is_refused() {
    let good = version(SigningKey::first());
    for body in [
        json!({}),
        json!({"data": null}),
        json!({"data": {"keys": [good]}}),
        json!({"keys": {"1": good}}),
        keys(&[]),
        // A symmetric key: the time when it was made.
        keys(&[("1", json!(1_764_446_400))]),
        keys(&[("1", json!({"public_key": null}))]),
        keys(&[("01", good.clone()), ("+1", good.clone()), ("1 ", good.clone()), ("4294967296", good.clone())]),
    ] {
        assert_eq!(read_keys(&settings(), body.to_string()), Err(NO_KEYS), "{body}");
    }
    let right = keys(&[("1", good)]).to_string();
    for body in ["", "<html>", "[]", "null", right.trim_end_matches('}'), &format!("{right}{right}")] {
        assert_eq!(read_keys(&settings(), body), Err(NOT_AN_OBJECT), "{body}");
    }
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(read_keys(&settings(), &body).is_err());
        prop_assert!(read(&with_key(SigningKey::first()), body).is_err());
    }

    #[test]
    fn any_public_key_is_read_without_a_panic(version in "[0-9]{1,11}", key in any::<String>()) {
        let body = json!({"data": {"keys": {(version): {"public_key": key}}}}).to_string();
        prop_assert!(read_keys(&settings(), body).is_err());
    }

    #[test]
    fn any_text_for_a_signature_is_read_without_a_panic(text in "(vault:)?(v[0-9]{0,11}:)?[-_+/:=A-Za-z0-9]{0,400}") {
        prop_assert!(read(&with_key(SigningKey::first()), with(&text)).is_err());
    }
}
