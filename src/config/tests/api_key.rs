//! The rules of `inbound.auth.api_key`.

use serde_json::{Value, json};

use super::{accepted, faults, with};
use crate::config::{ApiKey, Auth, KeyDigest};
use crate::identity_headers::IDENTITY_HEADERS;
use crate::time::UnixTime;

/// SHA-256 of `abc`, of the empty string and of a newline.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NEWLINE: &str = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b";

fn api_key(value: Value) -> ApiKey {
    let config = accepted(&with("/inbound/auth", json!({ "api_key": value })));
    let Auth::ApiKey(api_key) = config.into_inbound().auth else { panic!() };
    api_key
}

#[track_caller]
fn refused(value: Value, expected: &str) {
    let fault = faults(&with("/inbound/auth", json!({ "api_key": value })));
    assert_eq!(fault, format!("inbound.auth.api_key{expected}"));
}

/// The least settings with one member set.
fn set(name: &str, value: Value) -> Value {
    let mut settings = json!({ "keys": [{ "id": "2026", "sha256": ABC }] });
    settings[name] = value;
    settings
}

/// The least settings with one member of the key set.
fn key(name: &str, value: Value) -> Value {
    let mut settings = set("header", json!("authorization"));
    settings["keys"][0][name] = value;
    settings
}

#[test]
fn an_id_and_a_digest_make_a_key_that_is_the_whole_authorization_value_for_ever() {
    let ApiKey { keys, header, scheme } = api_key(json!({ "keys": [{ "id": "2026", "sha256": ABC }] }));
    assert_eq!((keys.len(), header.as_str(), scheme), (1, "authorization", None));
    assert_eq!(keys[0].id.to_string(), "2026");
    assert_eq!(keys[0].digest, KeyDigest::of(b"abc"));
    assert_eq!((keys[0].not_before, keys[0].expires), (None, None));
}

#[test]
fn everything_can_be_set() {
    let mut settings = key("not_before", json!("2026-11-21T09:30:00Z"));
    settings["keys"][0]["expires"] = json!("2026-11-21T09:30:00.001Z");
    settings["header"] = json!("X-Api-Key");
    settings["scheme"] = json!("ApiKey");
    let ApiKey { keys, header, scheme } = api_key(settings);
    assert_eq!((header.as_str(), scheme.as_deref()), ("x-api-key", Some("ApiKey")));
    let start = UnixTime::from_secs(1_795_253_400);
    assert_eq!(keys[0].not_before, Some(start));
    assert_eq!(keys[0].expires, Some(start.after(std::time::Duration::from_millis(1))));
    assert_eq!(api_key(set("scheme", json!(null))).scheme, None);
}

#[test]
fn there_are_1_to_16_keys() {
    let keys = |count: usize| {
        let key = |n: usize| json!({ "id": format!("key-{n}"), "sha256": format!("{n:064}") });
        json!({ "keys": (0..count).map(key).collect::<Vec<_>>() })
    };
    assert_eq!(api_key(keys(16)).keys.len(), 16);
    let list = ".keys: expected an array of 1 to 16 keys, got";
    refused(json!({}), &format!("{list} nothing"));
    refused(keys(0), &format!("{list} an array of 0"));
    refused(keys(17), &format!("{list} an array of 17"));
    refused(json!({ "keys": { "id": "s3cret" } }), &format!("{list} an object"));
    refused(json!({ "keys": ["s3cret"] }), ".keys[0]: expected an object, got a string");
    refused(json!(null), ": expected an object, got null");
}

#[test]
fn ids_and_digests_are_unique_each() {
    let other = "00".repeat(32);
    let refused = |keys: Value, expected: &str| refused(json!({ "keys": keys }), expected);
    refused(
        json!([{ "id": "a", "sha256": ABC }, { "id": "b", "sha256": other }, { "id": "a", "sha256": "11".repeat(32) }]),
        ".keys[2].id: expected ids without duplicates, got the same as at [0]",
    );
    refused(
        json!([{ "id": "a", "sha256": ABC }, { "id": "b", "sha256": other }, { "id": "c", "sha256": ABC.to_uppercase() }]),
        ".keys[2].sha256: expected digests without duplicates, got the same as at [0]",
    );
    // A broken item before them does not shift the position that is told.
    let fault = faults(&with(
        "/inbound/auth/api_key",
        json!({ "keys": [1, { "id": "a", "sha256": ABC }, { "id": "a", "sha256": other }] }),
    ));
    assert!(fault.contains("keys[2].id: expected ids without duplicates, got the same as at [1]"), "{fault}");
}

#[test]
fn an_id_is_1_to_64_visible_ascii_characters() {
    for id in ["a", "!~", &"x".repeat(64)] {
        assert_eq!(api_key(key("id", json!(id))).keys[0].id.to_string(), id);
    }
    let expected = ".keys[0].id: expected a string of 1 to 64 visible ASCII characters, got";
    for (id, got) in [
        (json!(null), "null"),
        (json!(2026), "a number"),
        (json!(""), "a string that is not one"),
        (json!("a b"), "a string that is not one"),
        (json!("a\n"), "a string that is not one"),
        (json!("بنك"), "a string that is not one"),
        (json!("x".repeat(65)), "a string that is not one"),
    ] {
        refused(key("id", id), &format!("{expected} {got}"));
    }
}

#[test]
fn a_digest_is_64_hex_digits_and_never_told() {
    assert_eq!(api_key(key("sha256", json!(ABC.to_uppercase()))).keys[0].digest, KeyDigest::of(b"abc"));
    let expected = ".keys[0].sha256: expected the SHA-256 digest of a key in 64 hex digits, got";
    for (digest, got) in [
        (json!(null), "null"),
        (json!("s3cret"), "a string that is not one"),
        (json!(""), "a string that is not one"),
        (json!(format!("{ABC}00")), "a string that is not one"),
        (json!(ABC.replacen('b', "g", 1)), "a string that is not one"),
        (json!(format!("{}:ad", ABC.split_at(61).0)), "a string that is not one"),
    ] {
        refused(key("sha256", digest), &format!("{expected} {got}"));
    }
}

#[test]
fn the_digest_of_nothing_is_not_one_of_a_key() {
    let expected = ".keys[0].sha256: expected the digest of a key, got that of an empty one";
    for digest in [NOTHING.to_owned(), NOTHING.to_uppercase()] {
        refused(key("sha256", json!(digest)), expected);
    }
    assert_eq!(api_key(key("sha256", json!(NEWLINE))).keys[0].digest, KeyDigest::of(b"\n"));
}

#[test]
fn a_time_is_in_utc_and_an_offset_is_named_as_such() {
    for member in ["not_before", "expires"] {
        let expected = format!(".keys[0].{member}: expected a time in UTC such as \"2026-11-21T00:00:00Z\", got");
        for (time, got) in [
            (json!(null), "null"),
            (json!(1_795_253_400), "a number"),
            (json!("s3cret"), "a string that is not one"),
            (json!("2026-11-21"), "a string that is not one"),
            (json!("2026-11-21T00:00:00+04:00"), "one with an offset"),
            (json!("2026-11-21T00:00:00+00:00"), "one with an offset"),
        ] {
            refused(key(member, time), &format!("{expected} {got}"));
        }
    }
}

#[test]
fn a_key_ends_after_it_begins() {
    for end in ["2026-11-21T00:00:00Z", "2025-11-21T00:00:00Z"] {
        let mut settings = key("not_before", json!("2026-11-21T00:00:00Z"));
        settings["keys"][0]["expires"] = json!(end);
        refused(settings, ".keys[0].expires: expected a time after \"not_before\", got none after it");
    }
}

#[test]
fn the_header_is_one_of_its_own() {
    for (header, read) in [("x-api-key", "x-api-key"), ("X-API-Key", "x-api-key"), ("Authorization", "authorization")] {
        assert_eq!(api_key(set("header", json!(header))).header, read);
    }
    let expected = ".header: expected a header name of 1 to 64 characters, got";
    for (header, got) in [
        (json!(null), "null"),
        (json!(""), "an empty string"),
        (json!(":path"), "a string with other characters"),
        (json!("x key"), "a string with other characters"),
        (json!("x-key:"), "a string with other characters"),
        (json!("x".repeat(65)), "a longer string"),
    ] {
        refused(set("header", header), &format!("{expected} {got}"));
    }
    let others = [
        "host",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "o3-provider-id",
        "O3_Provider_Id",
        "o3.aspsp.id",
        "x-fapi-interaction-id",
    ];
    for header in others.into_iter().chain(IDENTITY_HEADERS).chain(["X_Hub_Token_Id"]) {
        let expected = ".header: expected a header of its own, got one that means something else";
        refused(set("header", json!(header)), expected);
    }
}

#[test]
fn the_header_is_not_the_one_of_the_certificate() {
    let mut config = with("/inbound/auth", json!({ "api_key": set("header", json!("X-Cert")) }));
    let verified = json!([{ "header": "x-other", "value": "1" }, { "header": "x-verify", "value": "SUCCESS" }]);
    let proxy = json!({ "organisational_units": ["edge"] });
    config["inbound"]["peer"]["source"] =
        json!({ "forwarded_header": { "name": "x-cert", "verified": verified, "proxy": proxy } });
    for header in ["X-Cert", "x-cert", "X-Verify", "x-other"] {
        config["inbound"]["auth"]["api_key"]["header"] = json!(header);
        let expected =
            "inbound.auth: expected another \"header\" in \"api_key\" than that of the certificate, got the same";
        assert_eq!(faults(&config), expected, "{header}");
    }
    config["inbound"]["auth"]["api_key"]["header"] = json!("x-api-key");
    accepted(&config);
}

#[test]
fn a_scheme_is_a_token() {
    let expected = ".scheme: expected a scheme such as \"ApiKey\" of 1 to 64 characters, got";
    for (scheme, got) in [
        (json!(1), "a number"),
        (json!(""), "an empty string"),
        (json!("Api Key"), "a string with other characters"),
        (json!("ApiKey "), "a string with other characters"),
        (json!("x".repeat(65)), "a longer string"),
    ] {
        refused(set("scheme", scheme), &format!("{expected} {got}"));
    }
}
