//! The rules of `inbound.response_token`: those of signing, and a header of its own.

use serde_json::{Value, json};

use super::{accepted, changed, faults, least_outbound, with};
use crate::config::ResponseToken;
use crate::identity_headers::IDENTITY_HEADERS;

/// The least settings: what signs requests signs responses.
fn least() -> Value {
    least_outbound()["outbound"].clone()
}

fn read(settings: Value) -> ResponseToken {
    accepted(&with("/inbound/response_token", settings)).into_inbound().response_token.unwrap()
}

#[track_caller]
fn refused(settings: Value, expected: &str) {
    assert_eq!(faults(&with("/inbound/response_token", settings)), format!("inbound.response_token{expected}"));
}

#[test]
fn what_signs_requests_signs_responses() {
    let ResponseToken { signing, header } = read(least());
    assert_eq!(header, "authorization");
    assert_eq!(signing, accepted(&least_outbound()).into_outbound().signing);
}

#[test]
fn faults_are_told_at_its_own_path() {
    refused(
        changed(least(), "/lifetime", json!("1s")),
        ".lifetime: expected a duration from 10s to 30s such as \"30s\", got a shorter one",
    );
    refused(
        changed(least(), "/keys/0/private_key", json!({"env": "UNSET"})),
        ".keys[0].private_key.env: expected an environment variable that is set, got UNSET, which is not",
    );
    refused(json!(null), ": expected an object, got null");
    refused(
        changed(least(), "/verify_responses", json!({})),
        ".verify_responses: expected \"audience\", \"certificate\", \"lifetime\", \"keys\", \"remote_signer\" or \
         \"header\", got an unknown key",
    );
}

#[test]
fn warnings_have_its_path() {
    let remote = json!({"vault_transit": {
        "address": "http://bao", "key": "sig4", "kid": "sig4", "token": {"env": "BAO_TOKEN"},
    }});
    let mut settings = changed(least(), "/remote_signer", remote);
    settings.as_object_mut().unwrap().remove("keys");
    let config = accepted(&with("/inbound/response_token", settings));
    let [warning] = config.warnings() else { panic!("{:?}", config.warnings()) };
    assert!(warning.starts_with("inbound.response_token.remote_signer.vault_transit.address: "), "{warning}");
}

#[test]
fn the_header_is_one_of_its_own() {
    for (header, expected) in
        [("Authorization", "authorization"), ("X-JWT", "x-jwt"), ("authentication-info", "authentication-info")]
    {
        assert_eq!(read(changed(least(), "/header", json!(header))).header, expected);
    }
    let expected = ".header: expected a header name of 1 to 64 characters, got";
    for (bad, got) in [
        (json!(null), "null"),
        (json!(""), "an empty string"),
        (json!(":status"), "a string with other characters"),
        (json!("x token"), "a string with other characters"),
        (json!("x".repeat(65)), "a longer string"),
    ] {
        refused(changed(least(), "/header", bad), &format!("{expected} {got}"));
    }
    let others = [
        "Content-Length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "Set-Cookie",
        "location",
        "cache-control",
        "retry-after",
        "www-authenticate",
        "date",
        "x-fapi-interaction-id",
    ];
    for header in others.into_iter().chain(IDENTITY_HEADERS) {
        let expected = ".header: expected a header of its own, got one that means something else";
        refused(changed(least(), "/header", json!(header)), expected);
    }
}
