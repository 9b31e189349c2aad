//! Strings that the reader has a parser for: what is made of their parts is judged alike by the parser and by the pattern.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{SAMPLES, verdict};
use crate::config::tests::{FINGERPRINT, changed, least, least_outbound, removed, with};

/// Strings of these parts.
fn made_of(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(parts), 0..12).prop_map(|parts| parts.concat())
}

/// A right configuration, and where in it a text stands.
type Place<'p> = (fn() -> Value, &'p str);

/// Judges the text at each of these places of configurations that are right otherwise.
fn judge(text: &str, places: &[Place]) -> Result<(), TestCaseError> {
    for (configuration, pointer) in places {
        let changed = changed(configuration(), pointer, json!(text));
        verdict(&changed.to_string()).map_err(TestCaseError::fail)?;
    }
    Ok(())
}

fn at_keys_of(member: &str) -> Value {
    with("/inbound/auth/jwt_auth/jwks", json!({member: "https://a.example/{OU}"}))
}

pub(super) fn fixed() -> Value {
    at_keys_of("url")
}

pub(super) fn template() -> Value {
    at_keys_of("url_template")
}

fn introspecting() -> Value {
    let settings =
        json!({"url": "https://as.example", "client_id": "a", "client_secret": {"env": "INTROSPECTION_SECRET"}});
    with("/inbound/auth", json!({"client_credentials": {"introspection": settings}}))
}

pub(super) fn remote() -> Value {
    let settings = json!({"address": "https://bao", "key": "sig4", "kid": "sig4", "token": {"env": "BAO_TOKEN"}});
    changed(removed(least_outbound(), "/outbound/keys"), "/outbound/remote_signer", json!({"vault_transit": settings}))
}

pub(super) fn api_key() -> Value {
    with("/inbound/auth", json!({"api_key": {"keys": [{"id": "a", "sha256": FINGERPRINT}]}}))
}

fn checking_health() -> Value {
    with("/inbound/health_checks", json!({}))
}

fn initiating() -> Value {
    with("/inbound/service_initiation", json!({"allow": [{"method": "GET", "path": "/"}]}))
}

fn warming() -> Value {
    with("/inbound/auth/jwt_auth/warm", json!([{"organisational_unit": "a", "common_name": "b"}]))
}

fn forwarding() -> Value {
    let header =
        json!({"format": "rfc9440", "verified": [{"header": "x-v", "value": "1"}], "trust_plaintext_hop": true});
    with("/inbound/peer/source", json!({"forwarded_header": header}))
}

pub(super) fn verifying() -> Value {
    SAMPLES.iter().find(|sample| sample.pointer("/outbound/verify_responses").is_some()).unwrap().clone()
}

const OF_URLS: &[&str] = &[
    "https://",
    "https://",
    "https://",
    "http://",
    "HTTPS://",
    "Http://",
    "ftp://",
    "://",
    "localhost",
    "LocalHost",
    "127.0.0.1",
    "127.1",
    "127.0.0.256",
    "10.0.0.1",
    "01.2.3.4",
    "a.example",
    "a.example/",
    "xn--bcher-kva.example",
    "a-",
    "-a",
    "a_b",
    ".",
    "..",
    "1",
    "[::1]",
    "[",
    "]",
    "[2001:db8::1]",
    "::1",
    ":",
    ":443",
    ":0443",
    ":0",
    ":65535",
    ":65536",
    "/",
    "/a",
    "/jwks?x=1",
    "/.",
    "/..",
    "/.a",
    "/%2e",
    "/%2E%2e/",
    "%",
    "%4",
    "%41",
    "{OU}",
    "{CN}",
    "${CN}",
    "{XX}",
    "{",
    "}",
    "$",
    "?",
    "#",
    "@",
    "user@",
    "u:p@",
    " ",
    "\t",
    "é",
    "~",
    "'",
    "\\",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bb",
];

const OF_TIMES: &[&str] = &[
    "2026",
    "1969",
    "1970",
    "9999",
    "2024",
    "10000",
    "-01",
    "-02",
    "-04",
    "-12",
    "-13",
    "-00",
    "-28",
    "-29",
    "-30",
    "-31",
    "-32",
    "T",
    "t",
    " ",
    "00",
    "23",
    "24",
    ":00",
    ":59",
    ":60",
    ":61",
    ".5",
    ".123456789",
    ".1234567890",
    ".",
    ",",
    "Z",
    "z",
    "+00:00",
    "-04:00",
    "٣",
];

const OF_DURATIONS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "5",
    "9",
    "10",
    "24",
    "30",
    "59",
    "60",
    "99",
    "100",
    "600",
    "1000",
    "86400",
    "-",
    "+",
    ".",
    " ",
    "ms",
    "s",
    "m",
    "h",
    "d",
    "S",
    "٥",
    "18446744073709551616",
];

const OF_PATHS: &[&str] =
    &["/", "/", "a", "b.c", ".", "..", "...", "%41", "~", "-", "_", "@", ":", "?", "#", " ", "\\", "é", "transit", "{"];

const OF_NAMES: &[&str] = &[
    "a",
    "Bank ",
    "بنك",
    " ",
    "\u{a0}",
    "\u{200b}",
    "\u{200f}",
    "\u{ad}",
    "\u{202e}",
    "\u{2066}",
    "\u{2028}",
    "\0",
    "\u{7f}",
    "\u{85}",
    "é",
    "\u{1f600}",
    "\n",
    "\t",
    "..",
    "/",
    "\"",
    "\\",
    "\u{feff}",
    "\u{3000}",
    "\u{fffd}",
];

const OF_HEADERS: &[&str] = &[
    "x",
    "-",
    "_",
    ".",
    "X-Api-Key",
    "authorization",
    "Authorization",
    "o3-provider-id",
    "O3_Provider_Id",
    "o3-aspsp-id",
    "x-hub-auth-method",
    "X_Hub-Auth.Method",
    "x-hub-token-id",
    "x-hub-client-organisation",
    "host",
    "Date",
    "content-type",
    "etag",
    "Set-Cookie",
    "x-request-id",
    "!",
    "|",
    "~",
    "^",
    "`",
    "\"",
    " ",
    ":",
    "(",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn urls(text in made_of(OF_URLS)) {
        judge(&text, &[
            (fixed, "/inbound/auth/jwt_auth/jwks/url"),
            (template, "/inbound/auth/jwt_auth/jwks/url_template"),
            (introspecting, "/inbound/auth/client_credentials/introspection/url"),
            (remote, "/outbound/remote_signer/vault_transit/address"),
        ])?;
    }

    #[test]
    fn times(text in made_of(OF_TIMES)) {
        judge(&text, &[(api_key, "/inbound/auth/api_key/keys/0/expires")])?;
    }

    #[test]
    fn times_that_could_be_one(
        year in 1_968..2_032_u16, month in 0..14_u8, day in 0..33_u8, hour in 22..26_u8, minute in 57..62_u8, second in 57..63_u8,
        fraction in prop::sample::select(&["", ".", ".0", ".123456789", ".1234567890"][..]),
    ) {
        let text = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z");
        judge(&text, &[(api_key, "/inbound/auth/api_key/keys/0/not_before"), (least_outbound, "/outbound/keys/0/active_from")])?;
    }

    #[test]
    fn durations(text in made_of(OF_DURATIONS)) {
        judge(&text, &[
            (least, "/inbound/auth/jwt_auth/max_age"),
            (least, "/inbound/auth/jwt_auth/clock_skew"),
            (least, "/inbound/auth/jwt_auth/max_lifetime"),
            (introspecting, "/inbound/auth/client_credentials/introspection/timeout"),
            (introspecting, "/inbound/auth/client_credentials/introspection/max_age"),
            (least_outbound, "/outbound/lifetime"),
        ])?;
    }

    #[test]
    fn durations_near_the_bounds(number in prop_oneof![0..130_u32, 9_990..10_010_u32, 29_990..60_010_u32, 86_390..86_410_u32],
        unit in prop::sample::select(&["ms", "s", "m", "h"][..]), zeros in 0..3_usize) {
        let text = format!("{}{number}{unit}", "0".repeat(zeros));
        judge(&text, &[
            (least, "/inbound/auth/jwt_auth/timeout"),
            (least, "/inbound/auth/jwt_auth/max_lifetime"),
            (least_outbound, "/outbound/lifetime"),
            (remote, "/outbound/remote_signer/vault_transit/timeout"),
        ])?;
    }

    #[test]
    fn paths(text in made_of(OF_PATHS)) {
        judge(&text, &[
            (checking_health, "/inbound/health_checks/base_path"),
            (initiating, "/inbound/service_initiation/allow/0/path"),
            (remote, "/outbound/remote_signer/vault_transit/mount"),
            (remote, "/outbound/remote_signer/vault_transit/key"),
        ])?;
    }

    #[test]
    fn names(text in prop_oneof![made_of(OF_NAMES), any::<String>()]) {
        judge(&text, &[
            (least_outbound, "/outbound/certificate/organisation"),
            (least_outbound, "/outbound/audience"),
            (least_outbound, "/outbound/keys/0/kid"),
            (warming, "/inbound/auth/jwt_auth/warm/0/common_name"),
            (api_key, "/inbound/auth/api_key/keys/0/id"),
            (introspecting, "/inbound/auth/client_credentials/issuer"),
            (introspecting, "/inbound/auth/client_credentials/introspection/client_id"),
            (remote, "/outbound/remote_signer/vault_transit/namespace"),
            (least, "/inbound/auth/jwt_auth/upstream"),
            (initiating, "/inbound/service_initiation/allow/0/method"),
        ])?;
    }

    #[test]
    fn headers(text in made_of(OF_HEADERS)) {
        judge(&text, &[
            (api_key, "/inbound/auth/api_key/header"),
            (api_key, "/inbound/auth/api_key/scheme"),
            (verifying, "/outbound/verify_responses/header"),
            (forwarding, "/inbound/peer/source/forwarded_header/name"),
            (forwarding, "/inbound/peer/source/forwarded_header/verified/0/header"),
        ])?;
    }

    #[test]
    fn digests(text in "[0-9A-Fa-f]{62,66}|([0-9a-fg]{2}:){31}[0-9A-F]{2}|[0-9a-f:]{95}|[0-9a-f]{63}[\u{661}g+]") {
        let pinned = changed(least(), "/inbound/peer/fingerprints", json!([text]));
        verdict(&pinned.to_string()).map_err(TestCaseError::fail)?;
        judge(&text, &[(api_key, "/inbound/auth/api_key/keys/0/sha256")])?;
    }
}
