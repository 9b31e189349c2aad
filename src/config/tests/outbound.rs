//! The rules of `outbound` itself: what must be there, and what belongs to the other direction.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, changed, faults, least_outbound, removed};
use crate::config::{LocalKey, Outbound, Signer, Signing, VerificationMode};
use crate::time::UnixTime;

fn with(key: &str, value: Value) -> Value {
    changed(least_outbound(), &format!("/outbound/{key}"), value)
}

#[test]
fn a_certificate_and_a_key_make_tokens_of_30_seconds() {
    let config = accepted(&least_outbound());
    assert!(config.warnings().is_empty());
    let Outbound { signing, verify_responses } = config.into_outbound();
    assert_eq!(verify_responses, None);
    let Signing { issuer, subject, audience, lifetime, signer } = signing;
    assert_eq!([issuer.as_str(), &subject, &audience], ["Acme Bank", "acme", "retail"]);
    assert_eq!(lifetime, Duration::from_secs(30));
    let Signer::Local(keys) = signer else { panic!() };
    let [LocalKey { key_id, private_key: _, active_from }] = keys.try_into().unwrap();
    assert_eq!((key_id.as_str(), active_from), ("sig4-2026", UnixTime::EPOCH));
}

#[test]
fn responses_are_verified_when_asked_for() {
    let settings = json!({
        "hub": {"organisation": "Hub Operator", "organisational_unit": "hub"},
        "provider_ids": ["retail"],
        "jwks": {"url": "https://keystore.example/jwks"},
    });
    let verify_responses = accepted(&with("verify_responses", settings)).into_outbound().verify_responses.unwrap();
    assert_eq!(verify_responses.mode, VerificationMode::Require);
    assert_eq!(
        faults(&with("verify_responses", json!(null))),
        "outbound.verify_responses: expected an object, got null"
    );
}

#[test]
fn audience_certificate_and_a_signer_are_mandatory() {
    for (key, expected) in [
        ("audience", ".audience: expected a string of 1 to 128 visible ASCII characters, got nothing"),
        ("certificate", ".certificate: expected an object, got nothing"),
        ("keys", ": expected \"keys\" or \"remote_signer\", got neither"),
    ] {
        assert_eq!(faults(&removed(least_outbound(), &format!("/outbound/{key}"))), format!("outbound{expected}"));
    }
}

#[test]
fn the_methods_for_inbound_requests_are_refused_as_such() {
    for (key, got) in [
        ("auth", "what is for inbound requests"),
        ("api_key", "a method for inbound requests"),
        ("client_credentials", "a method for inbound requests"),
    ] {
        assert_eq!(
            faults(&with(key, json!({"keys": "s3cret"}))),
            format!("outbound.{key}: expected nothing, got {got}: requests to the Hub carry a signed token")
        );
    }
}

#[test]
fn other_keys_are_unknown() {
    assert_eq!(
        faults(&with("peer", json!("s3cret"))),
        "outbound.peer: expected \"audience\", \"certificate\", \"lifetime\", \"keys\", \"remote_signer\" or \
         \"verify_responses\", got an unknown key"
    );
}
