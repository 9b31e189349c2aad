//! What the chart makes of its examples: the tool finds nothing wrong in it, and finds what is wrong.

use serde_json::{Value, json};
use wasm_tests::chart::{file, rendered};

use super::{file as written, hub_auth, text};

/// What a gateway reads of what the chart makes.
fn read_by(example: &str, changes: &Value) -> String {
    let made = rendered(example, changes);
    match example {
        "envoy" => file(&made, "ozone-connect", "inbound.yaml").to_owned(),
        _ => {
            // JSON is YAML.
            let documents = made.iter().map(Value::to_string);
            documents.collect::<Vec<_>>().join("\n---\n")
        }
    }
}

/// The exit status of `hub-auth check --strict`, and what it prints.
fn check(example: &str, changes: &Value, environment: &str) -> (Option<i32>, String) {
    let (_folder, path) = written("made.yaml", &read_by(example, changes));
    let output = hub_auth(&["check", "--strict", "--environment", environment, path.to_str().expect("UTF-8")]);
    (output.status.code(), text(&output.stdout).to_owned())
}

fn environment(name: &str) -> Value {
    json!({"environment": name, "filter": {"inbound": {"auth": {"jwt_auth": {"jwks": {"environment": name}}}}}})
}

fn both(mut one: Value, other: &Value) -> Value {
    for (key, value) in other.as_object().expect("an object") {
        one[key] = value.clone();
    }
    one
}

#[test]
fn nothing_is_wrong_with_what_the_chart_makes_in_either_environment() {
    for (example, changes) in [
        ("envoy", json!({})),
        ("istio", json!({})),
        ("istio", json!({"istio": {"form": "EnvoyFilter"}})),
        ("envoy-gateway", json!({})),
    ] {
        for (one, other) in [("sandbox", "production"), ("production", "sandbox")] {
            let changes = both(environment(one), &changes);
            let (status, told) = check(example, &changes, one);
            assert_eq!(
                (status, told.contains("1 file checked: 0 errors, 0 warnings")),
                (Some(0), true),
                "{example}: {told}"
            );
            let (status, told) = check(example, &changes, other);
            assert_eq!(
                (status, told.contains(&format!("expected {other} throughout"))),
                (Some(1), true),
                "{example}: {told}"
            );
        }
    }
}

#[test]
fn a_secret_of_the_values_is_one_that_the_filter_sees() {
    let token = json!({
        "audience": "retail",
        "certificate": {"organisation": "Example Bank PJSC", "organisational_unit": "d0c1b2a3-9485-4766-9574-839201abcdef"},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    });
    let changes = json!({
        "filter": {"inbound": {"response_token": token}},
        "variables": [{"name": "SIG4_PRIVATE_KEY", "secret": "sig4", "key": "key"}],
    });
    for (example, form) in
        [("envoy", "WasmPlugin"), ("istio", "WasmPlugin"), ("istio", "EnvoyFilter"), ("envoy-gateway", "WasmPlugin")]
    {
        let changes = both(changes.clone(), &json!({"istio": {"form": form}}));
        let (status, told) = check(example, &changes, "sandbox");
        assert_eq!(status, Some(0), "{example}: {told}");
    }
}
