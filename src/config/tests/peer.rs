//! The rules of `inbound.peer`.

use serde_json::{Value, json};

use super::{FINGERPRINT, accepted, faults, with};
use crate::peer::{Fingerprint, PeerSource, Pins};

fn peer(value: Value) -> Pins {
    accepted(&with("/inbound/peer", value)).into_inbound().peer.pins
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

#[test]
fn the_certificate_is_that_of_the_connection_unless_a_header_is_named() {
    let source = |value: Value| {
        let peer = json!({"organisational_units": ["a"], "source": value});
        accepted(&with("/inbound/peer", peer)).into_inbound().peer.source
    };
    assert_eq!(source(json!("connection")), PeerSource::Connection);
    let header = json!({"forwarded_header": {"trust_plaintext_hop": true}});
    assert!(matches!(source(header), PeerSource::ForwardedHeader(_)));
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
        json!({"forwarded_header": {"trust_plaintext_hop": true}, "connection": {}}),
        ".connection: expected \"forwarded_header\", got an unknown key",
    );
}
