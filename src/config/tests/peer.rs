//! The rules of `inbound.peer`.

use serde_json::{Value, json};

use super::{FINGERPRINT, accepted, faults, with};
use crate::identity_headers::IDENTITY_HEADERS;
use crate::peer::{Fingerprint, PeerRules, PeerSource};

fn peer(value: Value) -> PeerRules {
    accepted(&with("/inbound/peer", value)).into_inbound().peer
}

#[track_caller]
fn refused(value: Value, expected: &str) {
    assert_eq!(faults(&with("/inbound/peer", value)), format!("inbound.peer{expected}"));
}

#[test]
fn pins_are_organisational_units_or_fingerprints_or_both() {
    let rules = peer(json!({"organisational_units": ["a", "بنك", "A"]}));
    assert_eq!(rules.organisational_units, ["a", "بنك", "A"]);
    let fingerprint = Fingerprint::parse(FINGERPRINT).unwrap();
    assert!(peer(json!({"fingerprints": [FINGERPRINT]})).fingerprints == [fingerprint]);
    assert!(peer(json!({"fingerprints": [FINGERPRINT.to_uppercase()]})).fingerprints == [fingerprint]);
    let rules = peer(json!({"organisational_units": ["a"], "fingerprints": [FINGERPRINT]}));
    assert_eq!((rules.organisational_units.len(), rules.fingerprints.len(), rules.allow_unpinned), (1, 1, false));
}

#[test]
fn no_pin_must_be_said_aloud() {
    for value in [json!({}), json!({"organisational_units": [], "fingerprints": []}), json!({"allow_unpinned": false})]
    {
        refused(
            value,
            ": expected \"organisational_units\" or \"fingerprints\" with at least one pin, got none: without one \
             every participant of the Trust Framework may call, which \"allow_unpinned\": true must say",
        );
    }
    for value in [json!({"allow_unpinned": true}), json!({"allow_unpinned": true, "organisational_units": []})] {
        let rules = peer(value);
        assert!(rules.allow_unpinned && rules.organisational_units.is_empty() && rules.fingerprints.is_empty());
    }
}

#[test]
fn pins_and_allow_unpinned_contradict_each_other() {
    for pins in [json!({"organisational_units": ["a"]}), json!({"fingerprints": [FINGERPRINT]})] {
        let mut value = pins;
        value["allow_unpinned"] = json!(true);
        refused(value, ".allow_unpinned: expected false beside pins, got true");
    }
}

#[test]
fn a_broken_pin_is_not_taken_for_no_pin() {
    let fault = faults(&with("/inbound/peer", json!({"organisational_units": [""]})));
    assert_eq!(fault.lines().count(), 1, "{fault}");
}

#[test]
fn a_missing_pin_is_told_beside_other_faults() {
    let fault = faults(&with("/inbound/peer", json!({"source": "s3cret"})));
    let paths: Vec<&str> = fault.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(paths, ["inbound.peer", "inbound.peer.source"]);
}

#[test]
fn organisational_units_are_1_to_256_bytes_without_control_characters_and_duplicates() {
    let units = |count: usize| (0..count).map(|index| format!("unit {index}")).collect::<Vec<_>>();
    for good in [json!([" "]), json!(["x".repeat(256)]), json!(["ب".repeat(128)]), json!(units(64))] {
        assert_eq!(json!(peer(json!({"organisational_units": good})).organisational_units), good);
    }
    let item = "expected a string of 1 to 256 bytes without control characters, got";
    for (bad, expected) in [
        (json!(units(65)), ": expected an array of at most 64 organisational units, got an array of 65".to_owned()),
        (json!("a"), ": expected an array of at most 64 organisational units, got a string".to_owned()),
        (json!(null), ": expected an array of at most 64 organisational units, got null".to_owned()),
        (json!(["a", ""]), format!("[1]: {item} an empty string")),
        (json!(["x".repeat(257)]), format!("[0]: {item} a longer string")),
        (json!(["ب".repeat(129)]), format!("[0]: {item} a longer string")),
        (json!(["a\n"]), format!("[0]: {item} a string with other characters")),
        (json!(["a\u{85}"]), format!("[0]: {item} a string with other characters")),
        (json!([7]), format!("[0]: {item} a number")),
        (
            json!(["a", "b", "b"]),
            "[2]: expected organisational units without duplicates, got the same as at [1]".to_owned(),
        ),
    ] {
        refused(json!({"organisational_units": bad}), &format!(".organisational_units{expected}"));
    }
}

#[test]
fn fingerprints_are_sha_256_in_hex_without_duplicates() {
    let many = |count: usize| (0..count).map(|index| format!("{index:064x}")).collect::<Vec<_>>();
    assert_eq!(peer(json!({"fingerprints": many(64)})).fingerprints.len(), 64);
    let item = "expected the SHA-256 fingerprint of a certificate in 64 hex digits, got";
    for (bad, expected) in [
        (json!(many(65)), ": expected an array of at most 64 fingerprints, got an array of 65".to_owned()),
        (json!({}), ": expected an array of at most 64 fingerprints, got an object".to_owned()),
        (json!([FINGERPRINT, "s3cret"]), format!("[1]: {item} a string that is not one")),
        (json!(["ab".repeat(20)]), format!("[0]: {item} a string that is not one")),
        (json!([false]), format!("[0]: {item} true or false")),
        (
            json!([FINGERPRINT, FINGERPRINT.to_uppercase()]),
            "[1]: expected fingerprints without duplicates, got the same as at [0]".to_owned(),
        ),
    ] {
        refused(json!({"fingerprints": bad}), &format!(".fingerprints{expected}"));
    }
}

#[test]
fn allow_unpinned_is_true_or_false() {
    refused(
        json!({"organisational_units": ["a"], "allow_unpinned": "true"}),
        ".allow_unpinned: expected true or false, got a string",
    );
}

fn source(value: Value) -> PeerSource {
    peer(json!({"organisational_units": ["a"], "source": value})).source
}

#[test]
fn the_certificate_is_that_of_the_connection_unless_a_header_is_named() {
    assert!(matches!(source(json!("connection")), PeerSource::Connection));
    for (value, expected_name, expected_trust) in [
        (json!({}), "x-forwarded-client-cert", false),
        (json!({"format": "xfcc"}), "x-forwarded-client-cert", false),
        (json!({"name": "X-Client-Cert", "trust_plaintext_hop": true}), "x-client-cert", true),
        (json!({"name": "x".repeat(64), "trust_plaintext_hop": false}), &*"x".repeat(64), false),
    ] {
        let PeerSource::ForwardedHeader { name, trust_plaintext_hop } = source(json!({"forwarded_header": value}))
        else {
            panic!()
        };
        assert_eq!((name.as_str(), trust_plaintext_hop), (expected_name, expected_trust));
    }
}

#[track_caller]
fn source_refused(value: Value, expected: &str) {
    refused(json!({"organisational_units": ["a"], "source": value}), &format!(".source{expected}"));
}

#[test]
fn there_is_no_other_source() {
    let expected = "expected \"connection\" or an object with \"forwarded_header\", got";
    source_refused(json!("Connection"), &format!(": {expected} another string"));
    source_refused(json!("forwarded_header"), &format!(": {expected} another string"));
    source_refused(json!(null), &format!(": {expected} null"));
    source_refused(json!([]), &format!(": {expected} an array"));
    source_refused(json!({}), ": expected \"forwarded_header\", got nothing");
    source_refused(
        json!({"forwarded_header": {}, "connection": {}}),
        ".connection: expected \"forwarded_header\", got an unknown key",
    );
}

#[test]
fn the_settings_of_a_forwarded_header_are_checked() {
    for (value, expected) in [
        (json!("x-cert"), ": expected an object, got a string"),
        (json!({"format": "pem"}), ".format: expected \"xfcc\", got another string"),
        (json!({"format": null}), ".format: expected \"xfcc\", got null"),
        (json!({"trust_plaintext_hop": 0}), ".trust_plaintext_hop: expected true or false, got a number"),
        (json!({"x": 1}), ".x: expected \"name\", \"format\" or \"trust_plaintext_hop\", got an unknown key"),
    ] {
        source_refused(json!({"forwarded_header": value}), &format!(".forwarded_header{expected}"));
    }
}

#[test]
fn a_header_name_is_a_token() {
    let expected = ".forwarded_header.name: expected a header name of 1 to 64 characters, got";
    for (name, got) in [
        (json!(""), "an empty string"),
        (json!("x".repeat(65)), "a longer string"),
        (json!(":path"), "a string with other characters"),
        (json!("x cert"), "a string with other characters"),
        (json!("x-cert:"), "a string with other characters"),
        (json!("x\r\n"), "a string with other characters"),
        (json!("x-بنك"), "a string with other characters"),
        (json!(3), "a number"),
    ] {
        source_refused(json!({"forwarded_header": {"name": name}}), &format!("{expected} {got}"));
    }
    assert!(matches!(
        source(json!({"forwarded_header": {"name": "!#$%&'*+-.^_`|~09aZ"}})),
        PeerSource::ForwardedHeader { name, .. } if name == "!#$%&'*+-.^_`|~09az"
    ));
}

#[test]
fn a_header_that_the_caller_or_the_filter_writes_tells_no_certificate() {
    for name in IDENTITY_HEADERS.into_iter().chain(["authorization", "Authorization", "X-Hub-Token-Id"]) {
        source_refused(
            json!({"forwarded_header": {"name": name}}),
            ".forwarded_header.name: expected another header, got \"authorization\" or an identity header",
        );
    }
}
