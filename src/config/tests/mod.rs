//! The rules of the whole configuration, as an operator meets them: text in, a configuration or its faults out.

mod api_key;
mod client_credentials;
mod health_checks;
mod inbound;
mod jwt_auth;
mod peer;
mod readme;
mod service_initiation;
mod text;
mod totality;

use serde_json::{Value, json};

use super::{Config, ConfigErrors};

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

/// The least configuration with the value at a JSON pointer replaced or added.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = least();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    config
}

fn without(pointer: &str) -> Value {
    let mut config = least();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    config
}

fn parse(config: &Value) -> Result<Config, ConfigErrors> {
    Config::parse(config.to_string().as_bytes())
}

#[track_caller]
fn accepted(config: &Value) -> Config {
    parse(config).unwrap_or_else(|errors| panic!("{errors}"))
}

/// All faults, a line each.
#[track_caller]
fn faults(config: &Value) -> String {
    parse(config).expect_err("accepted").to_string()
}
