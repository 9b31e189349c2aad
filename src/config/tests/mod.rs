//! The rules of the whole configuration, as an operator meets them: text in, a configuration or its faults out.

mod api_key;
mod check;
mod client_credentials;
mod clouds;
mod documentation;
mod forwarded_header;
mod gateway;
mod health_checks;
mod inbound;
mod jwt_auth;
mod outbound;
mod peer;
mod remote_signer;
mod replay_store;
mod response_token;
mod schema;
mod service_initiation;
mod signing;
mod text;
mod totality;
mod verify_responses;
mod warnings;

use serde_json::{Value, json};

use super::{Config, ConfigErrors};
use crate::gateway::kinds::GatewayKind;
use crate::testing::SigningKey;

/// The example of the design, with what is supported.
const EXAMPLE: &str = r#"{ "inbound": {
    "provider_ids": ["retail"],
    "require_provider_header": false,
    "peer": {
      "organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"],
      "fingerprints": [],
      "allow_unpinned": false,
      "source": "connection"
    },
    "auth": {
      "jwt_auth": {
        "jwks": {"environment": "sandbox"},
        "upstream": "keystore",
        "max_age": "10m", "timeout": "5s", "refetch_cooldown": "30s",
        "clock_skew": "10s", "max_lifetime": "5m",
        "replay_detection": "off"
      }
    },
    "service_initiation": {"allow": [{"method": "POST", "path": "/payments"}]},
    "health_checks": {"base_path": "/"},
    "forward": {"authorization": "remove", "identity_headers": true}
} }"#;

const FINGERPRINT: &str = "bf7cd2115ed39116f5e3792e102cc2205e47bbda6ebea7eb02d51b9aa326f28b";

/// The least that is a configuration.
fn least() -> Value {
    json!({"inbound": {
        "provider_ids": ["retail"],
        "peer": {"organisational_units": ["hub"]},
        "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}}},
    }})
}

/// The least that is a configuration of the other direction.
fn least_outbound() -> Value {
    json!({"outbound": {
        "audience": "retail",
        "certificate": {"organisation": "Acme Bank", "organisational_unit": "acme"},
        "keys": [{"kid": "sig4-2026", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    }})
}

/// The gateway's environment.
fn environment(name: &str) -> Option<String> {
    match name {
        "SIG4_PRIVATE_KEY" => Some(SigningKey::first().pem()),
        "SIG4_NEXT_PRIVATE_KEY" => Some(SigningKey::second().pem()),
        "ETCD_PASSWORD" => Some("s3cret".to_owned()),
        "BAO_TOKEN" => Some("hvs.s3cret".to_owned()),
        _ => None,
    }
}

/// The configuration with the value at a JSON pointer replaced or added.
fn changed(mut config: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    config
}

fn removed(mut config: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    config
}

/// The least configuration with the value at a JSON pointer replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    changed(least(), pointer, value)
}

fn without(pointer: &str) -> Value {
    removed(least(), pointer)
}

fn parse(config: &Value) -> Result<Config, ConfigErrors> {
    Config::parse_with(config.to_string().as_bytes(), &GatewayKind::known(), &environment)
}

#[track_caller]
fn accepted(config: &Value) -> Config {
    parse(config).unwrap_or_else(|errors| panic!("{errors}"))
}

/// All faults, a line each.
#[track_caller]
fn faults(config: &Value) -> String {
    let faults = parse(config).expect_err("accepted").to_string();
    assert!(!faults.contains("s3cret"), "{faults}");
    faults
}
