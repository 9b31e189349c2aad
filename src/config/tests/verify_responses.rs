//! The rules of `outbound.verify_responses`: those of JWT Auth, and what the configuration must say in place of a client
//! certificate.

use std::time::Duration;

use serde_json::{Value, json};

use super::{accepted, changed, faults, least_outbound, removed};
use crate::config::{JwtAuth, VerificationMode, VerifyResponses};
use crate::peer::Subject;
use crate::url::{Environment, JwksLocation};

/// The least settings.
fn least() -> Value {
    json!({
        "hub": {"organisation": "Hub Operator", "organisational_unit": "hub", "common_name": "abc"},
        "provider_ids": ["retail"],
        "jwks": {"environment": "sandbox"},
    })
}

fn config(settings: Value) -> Value {
    changed(least_outbound(), "/outbound/verify_responses", settings)
}

fn with(pointer: &str, value: Value) -> Value {
    changed(least(), pointer, value)
}

fn read(settings: Value) -> VerifyResponses {
    accepted(&config(settings)).into_outbound().verify_responses.unwrap()
}

#[track_caller]
fn refused(settings: Value, expected: &str) {
    assert_eq!(faults(&config(settings)), format!("outbound.verify_responses{expected}"));
}

#[test]
fn the_hub_its_keys_and_the_provider_ids_are_enough() {
    let VerifyResponses { mode, header, hub, provider_ids, jwt_auth } = read(least());
    assert_eq!((mode, header.as_str()), (VerificationMode::Require, "authorization"));
    assert_eq!(hub, Subject::new("Hub Operator", "hub", Some("abc")).unwrap());
    assert_eq!(provider_ids, ["retail"]);
    let JwtAuth {
        jwks,
        upstream,
        max_age,
        timeout,
        refetch_cooldown,
        clock_skew,
        max_lifetime,
        replay,
        token_cache_capacity,
        warm,
    } = jwt_auth;
    assert_eq!(jwks, JwksLocation::of_environment(Environment::Sandbox));
    assert_eq!(upstream, "keystore.sandbox.directory.openfinance.ae:443");
    let durations = [max_age, timeout, refetch_cooldown, clock_skew, max_lifetime];
    assert_eq!(durations, [600, 5, 30, 10, 300].map(Duration::from_secs));
    assert_eq!((replay, token_cache_capacity), (None, None));
    let warm: Vec<_> = warm.iter().map(|url| url.as_str()).collect();
    assert_eq!(warm, ["https://keystore.sandbox.directory.openfinance.ae/hub/abc/application.jwks"]);
}

#[test]
fn each_setting_is_read_into_its_own_field() {
    let read = read(json!({
        "mode": "report", "header": "X-Hub-Signature",
        "hub": {"organisation": "بنك", "organisational_unit": "u", "common_name": "n"},
        "provider_ids": ["a", "b"], "jwks": {"url_template": "https://keys.example/{OU}/{CN}"}, "upstream": "keystore",
        "max_age": "2s", "timeout": "3s", "refetch_cooldown": "4s", "clock_skew": "5s", "max_lifetime": "6s",
    }));
    assert_eq!((read.mode, read.header.as_str()), (VerificationMode::Report, "x-hub-signature"));
    assert_eq!(read.hub, Subject::new("بنك", "u", Some("n")).unwrap());
    assert_eq!(read.provider_ids, ["a", "b"]);
    let JwtAuth { upstream, max_age, timeout, refetch_cooldown, clock_skew, max_lifetime, .. } = read.jwt_auth;
    assert_eq!(upstream, "keystore");
    let durations = [max_age, timeout, refetch_cooldown, clock_skew, max_lifetime];
    assert_eq!(durations, [2, 3, 4, 5, 6].map(Duration::from_secs));
}

#[test]
fn hub_provider_ids_and_jwks_are_mandatory() {
    for (key, expected) in
        [("hub", "an object"), ("provider_ids", "an array of 1 to 64 provider ids"), ("jwks", "an object")]
    {
        let settings = removed(least(), &format!("/{key}"));
        refused(settings, &format!(".{key}: expected {expected}, got nothing"));
    }
}

#[test]
fn an_unverified_response_is_replaced_or_reported() {
    for (mode, read_as) in [("require", VerificationMode::Require), ("report", VerificationMode::Report)] {
        assert_eq!(read(with("/mode", json!(mode))).mode, read_as);
    }
    for (bad, got) in [(json!("off"), "another string"), (json!(true), "true or false"), (json!(null), "null")] {
        refused(with("/mode", bad), &format!(".mode: expected \"require\" or \"report\", got {got}"));
    }
}

#[test]
fn the_header_is_one_of_its_own() {
    for header in ["content-type", "Set-Cookie", "x-fapi-interaction-id", "x-hub-token-id"] {
        refused(
            with("/header", json!(header)),
            ".header: expected a header of its own, got one that means something else",
        );
    }
    refused(
        with("/header", json!(":status")),
        ".header: expected a header name of 1 to 64 characters, got a string with other characters",
    );
}

#[test]
fn the_hub_is_held_to_the_rules_for_subjects() {
    let value = "expected a string of 1 to 256 bytes without control characters, got";
    for key in ["organisation", "organisational_unit", "common_name"] {
        for (bad, got) in [
            (json!(null), "null"),
            (json!(" "), "an empty string"),
            (json!("x".repeat(257)), "a longer string"),
            (json!("s3cret\n"), "a string with other characters"),
        ] {
            refused(with(&format!("/hub/{key}"), bad), &format!(".hub.{key}: {value} {got}"));
        }
    }
    for key in ["organisation", "organisational_unit"] {
        let settings = removed(least(), &format!("/hub/{key}"));
        refused(settings, &format!(".hub.{key}: {value} nothing"));
    }
    refused(
        with("/hub/country", json!("s3cret")),
        ".hub.country: expected \"organisation\", \"organisational_unit\" or \"common_name\", got an unknown key",
    );
}

#[test]
fn a_common_name_is_needed_where_the_address_of_the_keys_has_one() {
    let expected =
        ".hub.common_name: expected the CN of the Hub's certificate, which the address of the JWKS needs, got nothing";
    for jwks in [
        json!({"environment": "sandbox"}),
        json!({"environment": "production"}),
        json!({"url_template": "https://keys.example/{CN}"}),
    ] {
        refused(changed(removed(least(), "/hub/common_name"), "/jwks", jwks), expected);
    }
    for jwks in [json!({"url": "https://keys.example/"}), json!({"url_template": "https://keys.example/{OU}"})] {
        let settings = changed(removed(least(), "/hub/common_name"), "/jwks", jwks);
        assert_eq!(read(settings).hub.common_name(), None);
    }
}

#[test]
fn a_hub_that_gives_no_address_is_refused_at_once() {
    let expected = ".hub: expected values that fit into the address of the JWKS, got";
    refused(with("/hub/organisational_unit", json!("..")), &format!("{expected} a path segment . or .."));
    let mut long = with("/jwks", json!({"url_template": format!("https://keys.example/{{OU}}/{}", "x".repeat(1500))}));
    long["hub"]["organisational_unit"] = json!("ب".repeat(128));
    refused(long, &format!("{expected} longer ones"));
}

#[test]
fn provider_ids_are_those_of_requests() {
    assert_eq!(read(with("/provider_ids", json!(["a", {"id": "b", "audience": "c"}]))).provider_ids, ["a", "c"]);
    let item = "expected a string of 1 to 128 visible ASCII characters, got";
    refused(
        with("/provider_ids", json!(["a", "s3cret b"])),
        &format!(".provider_ids[1]: {item} a string with other characters"),
    );
    refused(
        with("/provider_ids", json!(["a", {"id": "a", "audience": "b"}])),
        ".provider_ids[1]: expected provider ids without duplicates, got the same as at [0]",
    );
}

#[test]
fn the_rules_for_keys_and_claims_are_those_of_jwt_auth() {
    for (key, bad, expected) in [
        ("jwks", json!({}), "expected \"environment\", \"url_template\" or \"url\", got nothing"),
        ("upstream", json!(""), "expected a string of 1 to 255 visible ASCII characters, got an empty string"),
        ("max_age", json!("11m"), "expected a duration from 1s to 10m such as \"10m\", got a longer one"),
        ("timeout", json!("1ms"), "expected a duration from 100ms to 1m such as \"5s\", got a shorter one"),
        ("refetch_cooldown", json!("1ms"), "expected a duration from 100ms to 10m such as \"30s\", got a shorter one"),
        ("clock_skew", json!("11s"), "expected a duration from 0s to 10s such as \"10s\", got a longer one"),
        ("max_lifetime", json!("25h"), "expected a duration from 1s to 24h such as \"5m\", got a longer one"),
    ] {
        refused(with(&format!("/{key}"), bad), &format!(".{key}: {expected}"));
    }
}

#[test]
fn replays_of_responses_are_not_looked_for() {
    for key in ["replay_detection", "replay_capacity", "token_cache_capacity"] {
        let fault = faults(&config(with(&format!("/{key}"), json!("off"))));
        assert!(fault.starts_with(&format!("outbound.verify_responses.{key}: expected ")), "{fault}");
        assert!(fault.ends_with("got an unknown key"), "{fault}");
    }
}
