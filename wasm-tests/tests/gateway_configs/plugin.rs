//! The filter's own configuration code, with an environment that has the secrets that the shipped files name.

use hub_auth_filter::config::{Config, Direction};
use wasm_tests::stage::pki::Pki;

/// The variables that the shipped files and guides name.
pub(crate) const SECRETS: [&str; 2] = ["SIG4_PRIVATE_KEY", "BAO_TOKEN"];

fn secret(name: &str) -> Option<String> {
    match name {
        "SIG4_PRIVATE_KEY" => Some(Pki::shared().bank.signing.pkcs8_pem()),
        "BAO_TOKEN" => Some("a-token".to_owned()),
        _ => None,
    }
}

/// The configuration, which the filter must accept without a warning.
fn accepted(text: &str) -> Direction {
    match Config::parse_with(text.as_bytes(), &secret) {
        Ok(config) => {
            assert_eq!(config.warnings(), [""; 0], "{text}");
            config.direction
        }
        Err(errors) => panic!("{errors}: {text}"),
    }
}

/// Asserts that the filter accepts an inbound configuration.
pub(crate) fn accepts_inbound(text: &str) {
    assert!(matches!(accepted(text), Direction::Inbound(_)), "{text}");
    names_no_upstream(text);
}

/// Asserts that the filter accepts an outbound configuration.
pub(crate) fn accepts_outbound(text: &str) {
    assert!(matches!(accepted(text), Direction::Outbound(_)), "{text}");
    names_no_upstream(text);
}

/// An upstream is a cluster's name on Envoy. Elsewhere it would take the place of the URL's host and port.
fn names_no_upstream(text: &str) {
    assert!(!text.contains("\"upstream\""), "{text}");
}

#[test]
fn a_variable_that_is_not_set_is_an_error() {
    let named = r#"{"outbound": {"audience": "a", "certificate": {"organisation": "o", "organisational_unit": "u"},
        "keys": [{"kid": "k", "private_key": {"env": "SIG5"}}]}}"#;
    assert!(Config::parse_with(named.as_bytes(), &secret).is_err());
}
