//! `charts/hub-auth-filter/` and `gateway-configs/kubernetes/`: what they make is what the gateways' own files say, the API server takes it, its
//! pods may do nothing that they do not need, and wrong values are refused. What runs on it is in the tests with a real Envoy.

mod bases;
mod crl;
mod manifests;
mod security;
mod values;

use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_tests::chart::{ask, question};

/// Values with which each part of the chart is made once: a name, an example, and changes of it.
fn variants() -> Vec<(&'static str, &'static str, Value)> {
    let response_token = json!({"inbound": {"response_token": {
        "audience": "retail",
        "certificate": {"organisation": "Example Bank PJSC", "organisational_unit": "d0c1b2a3-9485-4766-9574-839201abcdef"},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    }}});
    let variables = json!([{"name": "SIG4_PRIVATE_KEY", "secret": "sig4", "key": "key"}]);
    let signing = json!({"filter": response_token, "variables": variables});
    let production = json!({
        "environment": "production",
        "filter": {"inbound": {"auth": {"jwt_auth": {"jwks": {"environment": "production"}}}}},
    });
    let least = json!({
        "crl": {"enabled": false},
        "canary": {"enabled": false},
        "networkPolicy": {"enabled": false},
        "tools": {"image": ""},
        "backend": {"podLabels": null},
    });
    let mut all = vec![
        (
            "envoy, with a copied module and all that a cluster may want",
            "envoy",
            json!({
                "module": {"delivery": "initContainer", "tag": "0.1.0-rc.1"},
                "envoy": {"digest": format!("sha256:{}", "0".repeat(64)), "clusters": [{"name": "authorisation_server"}]},
                "user": null,
                "imagePullSecrets": [{"name": "registry"}],
                "service": {"type": "LoadBalancer", "annotations": {"a": "b"}, "sourceRanges": ["192.0.2.0/24"]},
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "gateway", "operator": "Exists"}],
                "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
                "podDisruptionBudget": {"maxUnavailable": null, "minAvailable": 1},
                "networkPolicy": {
                    "callers": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
                    "backend": [{"ipBlock": {"cidr": "198.51.100.7/32"}}],
                    "apiServer": [{"ipBlock": {"cidr": "203.0.113.1/32"}}],
                },
            }),
        ),
        (
            "envoy, with a backend of another name",
            "envoy",
            json!({
                "backend": {"service": "", "host": "ozone-connect.bank.internal", "podLabels": null},
            }),
        ),
        (
            "istio, as an EnvoyFilter",
            "istio",
            json!({"istio": {"form": "EnvoyFilter", "selector": {"app": "gateway"}}}),
        ),
        (
            "envoy-gateway, another class",
            "envoy-gateway",
            json!({
                "envoyGateway": {"gatewayClass": "sandbox"}, "envoy": {"clusters": [{"name": "authorisation_server"}]},
            }),
        ),
    ];
    for example in EXAMPLES {
        all.push(("an example", example, json!({})));
        all.push(("production", example, production.clone()));
        all.push(("signing", example, signing.clone()));
        all.push(("the least", example, least.clone()));
    }
    all
}

/// A file in `examples/` for each gateway.
const EXAMPLES: [&str; 3] = ["envoy", "istio", "envoy-gateway"];

/// All variants with what the chart makes of them.
fn all_rendered() -> &'static [(String, Vec<Value>)] {
    static RENDERED: OnceLock<Vec<(String, Vec<Value>)>> = OnceLock::new();
    RENDERED.get_or_init(|| {
        let variants = variants();
        let question =
            |(_, example, changes): &(_, _, _)| question("render", &json!({"example": example, "changes": changes}));
        let answers = ask(&variants.iter().map(question).collect::<Vec<_>>());
        let made = variants.iter().zip(answers).map(|((name, example, _), answer)| {
            let name = format!("{example}: {name}");
            let manifests = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, serde_json::from_value(manifests).expect("manifests"))
        });
        made.collect()
    })
}

/// Calls this with each object in a value that has this key.
fn each_with<'v>(value: &'v Value, key: &str, found: &mut impl FnMut(&'v Value)) {
    if value.get(key).is_some() {
        found(value);
    }
    let below: Vec<&Value> = match value {
        Value::Object(members) => members.values().collect(),
        Value::Array(entries) => entries.iter().collect(),
        _ => return,
    };
    for one in below {
        each_with(one, key, found);
    }
}
