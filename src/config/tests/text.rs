//! What holds before the configuration has settings: bytes, JSON, keys, and how faults are told.

use serde_json::{Value, json};

use super::{EXAMPLE, faults, least, least_outbound, with};
use crate::config::{Config, MAX_CONFIG_BYTES};

#[track_caller]
fn only_fault(bytes: &[u8]) -> String {
    let errors = Config::parse(bytes).expect_err("accepted");
    assert_eq!(errors.iter().count(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn nothing_and_whitespace_are_no_configuration() {
    for bytes in [&b""[..], b" ", b"\n\t\r\n ", b"\xef\xbb\xbf"] {
        let fault = only_fault(bytes);
        assert!(fault.starts_with("configuration: no configuration: "), "{fault}");
        assert!(fault.contains("google.protobuf.StringValue"), "{fault}");
    }
}

#[test]
fn a_configuration_is_as_long_as_the_bound_and_no_longer() {
    let padded = |length: usize| format!("{EXAMPLE}{}", " ".repeat(length - EXAMPLE.len()));
    assert!(Config::parse(padded(MAX_CONFIG_BYTES).as_bytes()).is_ok());
    assert_eq!(
        only_fault(padded(MAX_CONFIG_BYTES + 1).as_bytes()),
        "configuration: expected at most 262144 bytes, got 262145"
    );
}

#[test]
fn a_protobuf_struct_is_named_as_such() {
    // {"inbound": {}} as google.protobuf.Struct.
    let fault = only_fault(b"\x0a\x0d\x0a\x07inbound\x12\x02\x2a\x00");
    assert_eq!(
        fault,
        "configuration: expected JSON text, got a google.protobuf.Struct: \
         give a google.protobuf.StringValue with the JSON as text"
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_named_with_their_place() {
    let fault = only_fault(b"{\"s3cret\": \"\xff\"}");
    assert_eq!(fault, "configuration: expected UTF-8 text, got other bytes after byte 12");
}

#[test]
fn a_byte_order_mark_is_ignored() {
    assert!(Config::parse(format!("\u{feff}{EXAMPLE}").as_bytes()).is_ok());
}

#[test]
fn a_syntax_error_has_line_and_column_and_no_excerpt() {
    let fault = only_fault(b"{\n  \"inbound\": s3cret\n}");
    assert_eq!(fault, "configuration: expected JSON, got other text at line 2 column 14");
}

#[test]
fn deep_nesting_is_refused() {
    let fault = only_fault("[".repeat(1000).as_bytes());
    assert_eq!(fault, "configuration: expected at most 16 levels of arrays and objects, got more");
}

#[test]
fn only_an_object_is_a_configuration() {
    for (text, got) in [
        ("null", "null"),
        ("true", "true or false"),
        ("12", "a number"),
        ("\"s3cret\"", "a string"),
        ("[]", "an array"),
        (&json!(EXAMPLE).to_string(), "a string that holds JSON: it was encoded twice"),
    ] {
        assert_eq!(only_fault(text.as_bytes()), format!("configuration: expected an object, got {got}"));
    }
}

#[test]
fn exactly_one_direction_is_configured() {
    assert_eq!(faults(&json!({})), "configuration: expected \"inbound\" or \"outbound\", got nothing");
    let both = json!({"inbound": least()["inbound"], "outbound": least_outbound()["outbound"]});
    assert_eq!(faults(&both), "configuration: expected exactly one key, got \"inbound\" and \"outbound\"");
}

#[test]
fn an_unknown_key_is_named_beside_the_allowed_ones() {
    for (pointer, path, allowed) in [
        ("", "", "\"inbound\", \"outbound\", \"gateway\" or \"$schema\""),
        (
            "/inbound",
            "inbound.",
            "\"provider_ids\", \"require_provider_header\", \"peer\", \"auth\", \"service_initiation\", \
             \"health_checks\", \"forward\" or \"response_token\"",
        ),
        (
            "/inbound/peer",
            "inbound.peer.",
            "\"organisational_units\", \"fingerprints\", \"allow_unpinned\" or \"source\"",
        ),
        ("/inbound/auth", "inbound.auth.", "\"jwt_auth\", \"client_credentials\", \"api_key\" or \"mtls_only\""),
        (
            "/inbound/auth/jwt_auth",
            "inbound.auth.jwt_auth.",
            "\"jwks\", \"upstream\", \"max_age\", \"timeout\", \"refetch_cooldown\", \"clock_skew\", \"max_lifetime\", \
             \"replay_detection\", \"replay_capacity\", \"token_cache_capacity\" or \"warm\"",
        ),
        ("/inbound/auth/jwt_auth/jwks", "inbound.auth.jwt_auth.jwks.", "\"environment\", \"url_template\" or \"url\""),
    ] {
        let fault = faults(&with(&format!("{pointer}/extra"), json!("s3cret")));
        assert_eq!(fault, format!("{path}extra: expected {allowed}, got an unknown key"));
    }
}

#[test]
fn keys_are_unknown_in_another_case() {
    let fault = faults(&with("/inbound/Peer", json!({})));
    assert!(fault.starts_with("inbound.Peer: ") && fault.ends_with("got an unknown key"), "{fault}");
}

#[test]
fn an_unknown_key_cannot_forge_a_log_line() {
    let fault = faults(&with(&format!("/inbound/a\ninbound: fine{}", "k".repeat(500)), json!(1)));
    assert_eq!(fault.lines().count(), 1, "{fault}");
    assert!(fault.starts_with(&format!("inbound.a?inbound: fine{}...: ", "k".repeat(25))), "{fault}");
}

#[test]
fn a_repeated_key_is_refused_at_every_depth() {
    let text = EXAMPLE.replacen("\"sandbox\"", "\"sandbox\", \"environment\": \"production\"", 1);
    assert_eq!(
        only_fault(text.as_bytes()),
        "inbound.auth.jwt_auth.jwks.environment: expected each key once, got it again"
    );
    for (key, path) in [
        ("inbound", ""),
        ("peer", "inbound."),
        ("source", "inbound.peer."),
        ("auth", "inbound."),
        ("jwt_auth", "inbound.auth."),
        ("timeout", "inbound.auth.jwt_auth."),
        ("identity_headers", "inbound.forward."),
    ] {
        let text = EXAMPLE.replacen(&format!("\"{key}\":"), &format!("\"{key}\": null, \"{key}\":"), 1);
        let errors = Config::parse(text.as_bytes()).unwrap_err().to_string();
        let fault = format!("{path}{key}: expected each key once, got it again");
        assert!(errors.lines().any(|line| line == fault), "{errors}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let config = json!({"inbound": {
        "provider_ids": ["a", ""],
        "require_provider_header": "s3cret",
        "peer": {"fingerprints": ["s3cret"], "source": 1},
        "auth": {"jwt_auth": {"jwks": {"url": "s3cret"}, "upstream": null, "timeout": 5, "max_age": "1d"}},
        "forward": {"authorization": "s3cret", "identity_headers": []},
        "extra": "s3cret",
    }, "outbound": {"s3cret": 1}});
    let errors = super::parse(&config).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path()).collect();
    assert_eq!(
        paths,
        [
            "configuration",
            "inbound.extra",
            "inbound.provider_ids[1]",
            "inbound.require_provider_header",
            "inbound.peer.fingerprints[0]",
            "inbound.peer.source",
            "inbound.auth.jwt_auth.jwks.url",
            "inbound.auth.jwt_auth.upstream",
            "inbound.auth.jwt_auth.max_age",
            "inbound.auth.jwt_auth.timeout",
            "inbound.forward.authorization",
            "inbound.forward.identity_headers",
            "outbound.s3cret",
            "outbound.audience",
            "outbound.certificate",
            "outbound",
        ]
    );
    assert_eq!(errors.to_string().lines().count(), paths.len());
}

#[test]
fn thousands_of_faults_are_told_in_a_bounded_text() {
    let mut config = least();
    for index in 0..100 {
        config["inbound"][format!("k{index}")] = Value::Null;
    }
    let errors = super::parse(&config).unwrap_err();
    assert_eq!((errors.iter().count(), errors.omitted()), (50, 50));
    assert!(errors.to_string().len() < 20_000);
}

#[test]
fn thousands_of_keys_are_too_many() {
    let mut config = least();
    for index in 0..5_000 {
        config["inbound"][format!("k{index}")] = Value::Null;
    }
    let fault = super::parse(&config).unwrap_err().to_string();
    assert_eq!(fault, "configuration: expected at most 128 keys in an object, got more");
}
