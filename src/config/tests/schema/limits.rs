//! Strings at the limits of what the reader takes, which strings at random hardly reach.

use serde_json::{Value, json};

use super::texts::{api_key, fixed, remote, template, verifying};
use crate::config::tests::{changed, least_outbound};
use crate::peer::leaf::MAX_CHAIN_BYTES;
use crate::peer::leaf::tests::LEAF;
use crate::pem::MAX_FILE_BYTES;
use crate::testing::SigningKey;

#[test]
fn hosts_ports_and_paths_end_where_the_reader_ends_them() {
    let (label, long_label) = ("a".repeat(63), "a".repeat(64));
    let name = |last: usize| format!("{label}.{label}.{label}.{}", "b".repeat(last));
    let names = [
        name(61),
        name(62),
        label.clone(),
        format!("{long_label}.a"),
        long_label,
        "a.1".to_owned(),
        "a.b-".to_owned(),
        "a.-b".to_owned(),
    ];
    let addresses = [
        "0.0.0.0",
        "255.255.255.255",
        "256.1.1.1",
        "1.1.1.256",
        "1.2.3",
        "01.2.3.4",
        "127.9.9.255",
        "localhost",
        "[::1]",
    ];
    let ports = ["", ":", ":0", ":1", ":00443", ":65535", ":65536", ":99999", ":443a"];
    let hosts: Vec<String> = names.into_iter().chain(addresses.map(str::to_owned)).collect();
    let with_ports = hosts.iter().flat_map(|host| ports.map(|port| format!("{host}{port}")));
    let paths = [
        "",
        "?a",
        "/.",
        "/..",
        "/.a",
        "/%2e",
        "/%2E",
        "/a/%2E%2e/b",
        "/%2e?",
        "/a?/../",
        "/a.",
        "/~",
        "/!",
        "/%7e",
        "/%7",
        "/ ",
    ];
    let with_paths = paths.map(|path| format!("a.example{path}"));
    for rest in with_ports.chain(with_paths) {
        for scheme in ["https", "hTTPS", "http", "HTTP", "ws"] {
            for (configuration, pointer, behind) in [
                (fixed as fn() -> Value, "/inbound/auth/jwt_auth/jwks/url", ""),
                (template, "/inbound/auth/jwt_auth/jwks/url_template", "/{OU}"),
                (template, "/inbound/auth/jwt_auth/jwks/url_template", "/x/?a=${CN}"),
                (remote, "/outbound/remote_signer/vault_transit/address", ""),
            ] {
                super::agreed(&changed(configuration(), pointer, json!(format!("{scheme}://{rest}{behind}"))));
            }
        }
    }
}

#[test]
fn a_certificate_is_as_long_as_the_reader_takes_it_and_comes_without_a_private_key() {
    let of = |pem: String| changed(least_outbound(), "/outbound/certificate", json!({"pem": pem}));
    let padded = |length: usize| format!("{}{LEAF}", "a\n".repeat(length).split_at(length - LEAF.len()).0);
    assert!(super::agreed(&of(padded(MAX_CHAIN_BYTES))));
    assert!(!super::agreed(&of(padded(MAX_CHAIN_BYTES + 1))));
    assert!(!super::agreed(&of(format!("-----BEGIN PRIVATE KEY-----\n{LEAF}"))));
}

#[test]
fn so_is_a_public_key() {
    let pem = SigningKey::first().public_pem();
    let of = |pem: String| changed(remote(), "/outbound/remote_signer/vault_transit/public_key", json!(pem));
    let padded = |length: usize| format!("{}{pem}", "a\n".repeat(length).split_at(length - pem.len()).0);
    assert!(super::agreed(&of(padded(MAX_FILE_BYTES))));
    assert!(!super::agreed(&of(padded(MAX_FILE_BYTES + 1))));
    for before in ["\0", "\u{7f}", "-----BEGIN PRIVATE KEY-----\n"] {
        assert!(!super::agreed(&of(format!("{before}{pem}"))), "{before:?}");
    }
    assert!(super::agreed(&of(format!("Schlüssel:\t1\r\n{pem}"))));
    assert!(!super::agreed(&of(String::new())));
}

#[test]
fn each_header_that_means_something_else_is_refused_by_both() {
    use crate::config::header_name::{OTHER_HEADERS, OTHER_RESPONSE_HEADERS};
    use crate::identity_headers::{IDENTITY_HEADERS, PROVIDER_HEADERS};
    let headers = OTHER_HEADERS.iter().chain(&OTHER_RESPONSE_HEADERS).chain(&IDENTITY_HEADERS).chain(&PROVIDER_HEADERS);
    for header in headers {
        for spelling in [(*header).to_owned(), header.to_uppercase(), header.replace('-', "_")] {
            for (configuration, pointer) in [
                (api_key as fn() -> Value, "/inbound/auth/api_key/header"),
                (verifying, "/outbound/verify_responses/header"),
            ] {
                super::agreed(&changed(configuration(), pointer, json!(spelling)));
            }
        }
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for digest in [empty.to_owned(), empty.to_uppercase()] {
        assert!(!super::agreed(&changed(api_key(), "/inbound/auth/api_key/keys/0/sha256", json!(digest))));
    }
}

/// Patterns say nothing of characters beyond the Basic Multilingual Plane.
#[test]
fn no_rule_tells_characters_apart_that_patterns_do_not() {
    use crate::config::{client_credentials, pins, text_rules};
    use crate::peer::subject::check_value;
    let control = [client_credentials::IDENTIFIER.allows, pins::ORGANISATIONAL_UNIT.allows, text_rules::KEY_ID.allows];
    for character in '\u{10000}'..=char::MAX {
        assert!(control.iter().all(|allows| allows(character)) && check_value(&character.to_string()).is_ok());
    }
}
